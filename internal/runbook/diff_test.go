package runbook

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	base := Content{
		Language: Bash, ScriptContent: "set -eu\necho 1\necho 2\n", Target: Target{Type: Sandbox},
		Parameters: []Parameter{{Name: "A", Type: String}, {Name: "B", Type: Integer}},
	}.withDefaults().version()
	base.Version = 1
	change := func(f func(*Version)) Version {
		v := base
		v.Version, v.Parameters = 2, slices.Clone(base.Parameters)
		f(&v)
		return v
	}
	tests := map[string]struct {
		to       Version
		changed  []string
		has, not []string // lines of the unified diff
	}{
		"nothing":         {to: change(func(*Version) {}), changed: []string{}},
		"words alone":     {to: change(func(v *Version) { v.ChangeNote, v.Status, v.CreatedByID = "why", Approved, "usr_2" }), changed: []string{}},
		"a line":          {to: change(func(v *Version) { v.ScriptContent = "set -eu\necho 1\necho <3\n" }), changed: []string{"scriptContent"}, has: []string{"--- v1/scriptContent", "+++ v2/scriptContent", " echo 1", "-echo 2", "+echo <3"}, not: []string{"settings", "parameters"}},
		"the last line":   {to: change(func(v *Version) { v.ScriptContent = "set -eu\necho 1\necho 2" }), changed: []string{"scriptContent"}, has: []string{`\ No newline at end of file`}},
		"a setting":       {to: change(func(v *Version) { v.TimeoutSeconds, v.ServiceID = 90, ptr("svc_1") }), changed: []string{"timeoutSeconds", "serviceId"}, has: []string{"--- v1/settings", "-timeoutSeconds: 60", "+timeoutSeconds: 90", "-serviceId: null", `+serviceId: "svc_1"`}, not: []string{"scriptContent"}},
		"a parameter":     {to: change(func(v *Version) { v.Parameters[1].Default = 3.0 }), changed: []string{"parameters"}, has: []string{"--- v1/parameters", `+    "default": 3`}, not: []string{"No newline"}},
		"a parameter off": {to: change(func(v *Version) { v.Parameters = v.Parameters[:1] }), changed: []string{"parameters"}, has: []string{`-    "name": "B",`}},
		"the target":      {to: change(func(v *Version) { v.Target = Target{Type: Webhook, URL: "https://a.example"} }), changed: []string{"target"}, has: []string{`-  "type": "sandbox"`, `+  "url": "https://a.example"`}},
		"everything": {to: change(func(v *Version) {
			*v = Version{Version: 2, Language: Python, ScriptContent: "1", Target: Target{Type: SSM}, TimeoutSeconds: 1, MaxRetries: 1, Idempotent: true, Concurrency: 1, MaxRunsPerHour: ptr(1), ServiceID: ptr("s"), RequiresConfirm: true, Risk: "LOW"}
		}), changed: []string{"language", "scriptContent", "parameters", "target", "timeoutSeconds", "maxRetries", "idempotent", "concurrency", "maxRunsPerHour", "serviceId", "requiresConfirm", "risk"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d, err := compare(base, test.to)
			if err != nil || d.From != 1 || d.To != 2 || !slices.Equal(d.Changed, test.changed) || (d.Unified == "") != (len(test.changed) == 0) {
				t.Errorf("got %+v, %v, want changed %v", d, err, test.changed)
			}
			lines := strings.Split(d.Unified, "\n")
			for _, line := range test.has {
				if !slices.Contains(lines, line) {
					t.Errorf("no line %q in\n%s", line, d.Unified)
				}
			}
			for _, text := range test.not {
				if strings.Contains(d.Unified, text) {
					t.Errorf("%q stands in\n%s", text, d.Unified)
				}
			}
		})
	}
}

func TestCompareWithNothing(t *testing.T) {
	v := Content{Language: Bash, ScriptContent: "echo\n", Target: Target{Type: Sandbox}}.withDefaults().version()
	v.Version = 1
	d, err := compare(Version{}, v)
	if err != nil || d.From != 0 || len(d.Changed) != 12 || !strings.Contains(d.Unified, "+echo\n") || strings.Contains(d.Unified, "\n-") && !strings.Contains(d.Unified, "\n--- v0/") {
		t.Errorf("got %+v, %v", d, err)
	}
}

// A member that is added to Content must get from a body into a version, into
// the diff and back.
func TestContentAndVersionHoldTheSameMembers(t *testing.T) {
	_, v := everything(t)
	c := v.content()
	if got := c.version().content(); !reflect.DeepEqual(got, c) {
		t.Errorf("got %+v, want %+v", got, c)
	}
	for i := range reflect.TypeFor[Content]().NumField() {
		f := reflect.TypeFor[Content]().Field(i)
		if reflect.ValueOf(c).Field(i).IsZero() {
			t.Errorf("%s does not get from a version into its content", f.Name)
		}
		in, ok := reflect.TypeFor[Version]().FieldByName(f.Name)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !ok || in.Tag.Get("json") != name {
			t.Errorf("%s has another name in a version: %q", f.Name, in.Tag.Get("json"))
		}
	}
}

func TestDiffRoute(t *testing.T) {
	w := newWorld(t)
	at := w.draft("one")
	w.must(201, "lead", "POST", at+"/versions", script.with(body{"risk": "LOW"}))
	w.must(201, "lead", "POST", at+"/versions", script.with(body{"timeoutSeconds": 90}))
	for _, test := range []struct {
		path     string
		from, to float64
		changed  []any
	}{
		{"3/diff", 2, 3, []any{"timeoutSeconds", "risk"}},
		{"3/diff?from=1", 1, 3, []any{"timeoutSeconds"}},
		{"1/diff?from=3", 3, 1, []any{"timeoutSeconds"}},
		{"3/diff?from=3", 3, 3, []any{}},
	} {
		d := w.must(200, "observer", "GET", at+"/versions/"+test.path, nil).body
		if d["from"] != test.from || d["to"] != test.to || !reflect.DeepEqual(d["changed"], test.changed) {
			t.Errorf("%s: got %v", test.path, d)
		}
	}
	if d := w.must(200, "observer", "GET", at+"/versions/1/diff", nil).body; d["from"] != 0.0 {
		t.Errorf("version 1 against nothing: got %v", d)
	}
}
