package runbooks

import (
	"fmt"
	"strings"
	"testing"

	"pagefree/internal/runbook"
)

// sketch writes rows of a diff as text: words that changed stand in [].
func sketch(rows []pair) string {
	var b strings.Builder
	one := func(s side) string {
		if s.N == 0 {
			return "."
		}
		out := fmt.Sprint(s.N, ":")
		for _, p := range s.Spans {
			if p.Class == "word" {
				out += "[" + p.Text + "]"
			} else {
				out += p.Text
			}
		}
		return out
	}
	for _, r := range rows {
		switch r.Kind {
		case "fold":
			fmt.Fprintf(&b, "... %d\n", r.Count)
		case "note":
			b.WriteString("no end\n")
		case "same":
			fmt.Fprintf(&b, "%s = %s\n", one(r.Old), one(r.New))
		default:
			fmt.Fprintf(&b, "%s | %s\n", one(r.Old), one(r.New))
		}
	}
	return b.String()
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "l%d\n", i+1)
	}
	return b.String()
}

func TestCompare(t *testing.T) {
	tests := map[string]struct{ before, after, want string }{
		"the same":               {"a\n", "a\n", ""},
		"both empty":             {"", "", ""},
		"from nothing":           {"", "a\nb\n", ". | 1:a\n. | 2:b\n"},
		"to nothing":             {"a\n", "", "1:a | .\n"},
		"a word":                 {"echo old disk\n", "echo new disk\n", "1:echo [old] disk | 1:echo [new] disk\n"},
		"a word at the end":      {"rm -r a\n", "rm -r /\n", "1:rm -r [a] | 1:rm -r [/]\n"},
		"nothing in common":      {"echo one;\n", "exit 2;\n", "1:echo one; | 1:exit 2;\n"},
		"signs in common alone":  {"a(b) = c;\n", "d(e) = f;\n", "1:a(b) = c; | 1:d(e) = f;\n"},
		"an indent":              {"if x\necho\n", "if x\n  echo\n", "1:if x = 1:if x\n2:echo | 2:[  ]echo\n"},
		"more lines than before": {"a\nz\n", "b\nc\nz\n", "1:a | 1:b\n. | 2:c\n2:z = 3:z\n"},
		"an end that is missing": {"a\nb", "a\nb\n", "1:a = 1:a\n2:b | 2:b\nno end\n"},
		"far apart": {numbered(20), strings.Replace(strings.Replace(numbered(20), "l2\n", "x\n", 1), "l18\n", "", 1),
			"1:l1 = 1:l1\n2:l2 | 2:x\n3:l3 = 3:l3\n4:l4 = 4:l4\n5:l5 = 5:l5\n... 9\n15:l15 = 15:l15\n16:l16 = 16:l16\n17:l17 = 17:l17\n18:l18 | .\n19:l19 = 18:l19\n20:l20 = 19:l20\n"},
		"in the middle of many": {numbered(12), strings.Replace(numbered(12), "l6\n", "l6\nnew\n", 1),
			"... 3\n4:l4 = 4:l4\n5:l5 = 5:l5\n6:l6 = 6:l6\n. | 7:new\n7:l7 = 8:l7\n8:l8 = 9:l8\n9:l9 = 10:l9\n... 3\n"},
		"lines that look like a diff": {"--- a\n+++ b\n@@ -1 +1 @@\n", "--- a\n+++ c\n@@ -1 +1 @@\n", "1:--- a = 1:--- a\n2:+++ b | 2:+++ c\n3:@@ -1 +1 @@ = 3:@@ -1 +1 @@\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := sketch(compare(tt.before, tt.after)); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}

// sideText is one side of a diff without its folds.
func sideText(rows []pair, pick func(pair) side) []string {
	var out []string
	for _, r := range rows {
		if s := pick(r); s.N > 0 {
			var b strings.Builder
			for _, p := range s.Spans {
				b.WriteString(p.Text)
			}
			out = append(out, fmt.Sprint(s.N, ":", b.String()))
		}
	}
	return out
}

// FuzzCompare: each line that is shown is the line of its number, and all that is not shown is folded.
func FuzzCompare(f *testing.F) {
	f.Add("a\nb\n", "a\nc\n")
	f.Add("", "x")
	f.Add(numbered(30), strings.Replace(numbered(30), "l15", "y", 1))
	f.Add("\\ No newline at end of file\n", "a\n")
	f.Fuzz(func(t *testing.T, before, after string) {
		rows := compare(before, after)
		if (len(rows) == 0) != (before == after) {
			t.Fatalf("%q to %q has %d rows", before, after, len(rows))
		}
		folded := 0
		for _, r := range rows {
			folded += r.Count
		}
		for _, s := range []struct {
			text string
			pick func(pair) side
		}{{before, func(p pair) side { return p.Old }}, {after, func(p pair) side { return p.New }}} {
			all := strings.SplitAfter(s.text, "\n")
			if all[len(all)-1] == "" {
				all = all[:len(all)-1]
			}
			shown := sideText(rows, s.pick)
			if len(rows) > 0 && len(shown)+folded != len(all) {
				t.Fatalf("%q to %q: %d shown and %d folded of %d lines", before, after, len(shown), folded, len(all))
			}
			for _, l := range shown {
				n, text, _ := strings.Cut(l, ":")
				var at int
				fmt.Sscan(n, &at)
				if at > len(all) || strings.TrimSuffix(all[at-1], "\n") != text {
					t.Fatalf("line %d is shown as %q", at, text)
				}
			}
		}
	})
}

func TestChanges(t *testing.T) {
	s := speak{service: func(id *string) string {
		if id == nil {
			return ""
		}
		return *id
	}, target: func(t runbook.Target) string { return targetText(t, func(id string) string { return id }) }}
	base := runbook.Version{Version: 1, Language: runbook.Bash, Target: runbook.Target{Type: runbook.Sandbox}, TimeoutSeconds: 60, Concurrency: 10, Risk: "HIGH", RequiresConfirm: true,
		MaxRunsPerHour: ptr(5), ServiceID: ptr("shop"), Parameters: []runbook.Parameter{{Name: "A", Type: "string", Pattern: "[a-z]+", Secret: true}, {Name: "B", Type: "integer"}}}
	tests := map[string]struct {
		change func(v *runbook.Version)
		want   string // "what: old -> new" and "!" where it is dangerous
	}{
		"nothing":          {func(v *runbook.Version) {}, ""},
		"a longer timeout": {func(v *runbook.Version) { v.TimeoutSeconds = 90 }, "Timeout: 60 s -> 90 s"},
		"another language": {func(v *runbook.Version) { v.Language = runbook.Python }, "Language: Bash -> Python!"},
		"another target": {func(v *runbook.Version) {
			v.Target = runbook.Target{Type: runbook.SSM, InstanceIDs: []string{"i-1"}, MaxNodes: 2}
		}, "Target: sandbox -> SSM, nodes i-1, at most 2!"},
		"less risk":        {func(v *runbook.Version) { v.Risk = "LOW" }, "Risk: high -> low!"},
		"no confirmation":  {func(v *runbook.Version) { v.RequiresConfirm = false }, "Confirmation: yes -> no!"},
		"any service":      {func(v *runbook.Version) { v.ServiceID = nil }, "Service: shop -> any!"},
		"no limit":         {func(v *runbook.Version) { v.MaxRunsPerHour = nil }, "Runs an hour: 5 -> no limit!"},
		"a lower limit":    {func(v *runbook.Version) { v.MaxRunsPerHour = ptr(2) }, "Runs an hour: 5 -> 2"},
		"more at once":     {func(v *runbook.Version) { v.Concurrency = 20 }, "At the same time: 10 -> 20!"},
		"less at once":     {func(v *runbook.Version) { v.Concurrency = 2 }, "At the same time: 10 -> 2"},
		"retries":          {func(v *runbook.Version) { v.MaxRetries, v.Idempotent = 1, true }, "Retries: 0 -> 1!; Idempotent: no -> yes!"},
		"a parameter less": {func(v *runbook.Version) { v.Parameters = v.Parameters[:1] }, "Parameter B: whole number -> "},
		"a parameter more": {func(v *runbook.Version) {
			v.Parameters = append(v.Parameters, runbook.Parameter{Name: "C", Type: "boolean", Required: true})
		}, "Parameter C:  -> true or false, required"},
		"a secret that is shown": {func(v *runbook.Version) { v.Parameters[0].Secret = false }, "Parameter A: text, secret, matches [a-z]+ -> text, matches [a-z]+!"},
		"a looser pattern":       {func(v *runbook.Version) { v.Parameters[0].Pattern = "" }, "Parameter A: text, secret, matches [a-z]+ -> text, secret!"},
		"another order":          {func(v *runbook.Version) { v.Parameters[0], v.Parameters[1] = v.Parameters[1], v.Parameters[0] }, "Order of parameters: A, B -> B, A"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			to := base
			to.Version, to.Parameters = 2, append([]runbook.Parameter(nil), base.Parameters...)
			tt.change(&to)
			var got []string
			for _, c := range changes(base, to, s) {
				text := c.What + ": " + c.Old + " -> " + c.New
				if c.Danger != "" {
					text += "!"
				}
				got = append(got, text)
			}
			if all := strings.Join(got, "; "); all != tt.want {
				t.Errorf("got %q, want %q", all, tt.want)
			}
		})
	}
	first := base
	first.RequiresConfirm = false
	if got := changes(runbook.Version{}, first, s); len(got) != 1 || got[0].What != "Confirmation" || got[0].Danger == "" {
		t.Errorf("a first version of high risk without a confirmation: got %+v", got)
	}
	if got := changes(runbook.Version{}, base, s); len(got) != 0 {
		t.Errorf("a first version: got %+v, want nothing that stands out", got)
	}
}
