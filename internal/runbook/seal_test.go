package runbook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"pagefree/internal/platform/timestamp"
)

// hmacKey is what KMS does with a key that the test knows.
type hmacKey string

func (k hmacKey) MAC(_ context.Context, message []byte) ([]byte, error) {
	h := hmac.New(sha256.New, []byte(k))
	h.Write(message)
	return h.Sum(nil), nil
}

func (k hmacKey) Verify(ctx context.Context, message, mac []byte) (bool, error) {
	want, err := k.MAC(ctx, message)
	return hmac.Equal(want, mac), err
}

// unreachable is KMS when it does not answer.
type unreachable struct{}

var errUnreachable = errors.New("KMS does not answer")

func (unreachable) Verify(context.Context, []byte, []byte) (bool, error) {
	return false, errUnreachable
}

const testKey hmacKey = "0123456789abcdef0123456789abcdef"

// everything is a version with every member set, and its head, sealed by testKey.
func everything(t testing.TB) (Runbook, Version) {
	v := Version{
		PK: "rb#rb_1", SK: "v#00000003", RunbookID: "rb_1", Version: 3, Status: Approved, Language: Bash, ScriptContent: "echo <ä> && \"x\"\n",
		Parameters: []Parameter{
			{Name: "A", Type: String, Description: "d", Required: true, Default: "x", Enum: []any{"x", "y"}, Pattern: "x|y", MaxLength: ptr(3), Secret: true, Template: "{{now}}"},
			{Name: "B", Type: Number, Default: 1.5, Enum: []any{1.5, 2.0}}, {Name: "C", Type: Boolean, Default: false},
		},
		Target: Target{
			Type: SSM, InstanceIDs: []string{"mi-local"}, Tags: map[string][]string{"env": {"prod", "dev"}}, MaxNodes: 2, MaxConcurrency: "1", MaxErrors: "0",
			URL: "https://a.example", Preset: "awx", Async: true, Headers: map[string]string{"A": "b"}, SignWith: "s", TargetID: "t",
		},
		TimeoutSeconds: 60, MaxRetries: 1, Idempotent: true, Concurrency: 10, MaxRunsPerHour: ptr(5), ServiceID: ptr("svc_1"),
		RequiresConfirm: true, Risk: "HIGH", Check: &Check{OK: true}, ChangeNote: "note", CreatedByID: "usr_1", LastEditorID: "usr_1",
		SubmittedByID: ptr("usr_1"), ReviewedByID: ptr("usr_2"), ReviewNote: "fine",
		Document: &Document{Name: "doc", Version: "1", Hash: "abc"},
	}
	r := Runbook{ID: "rb_1", TeamID: ptr("team_1"), Newest: 3}.pointsAt(v)
	v, err := seal(t.Context(), testKey, r.Team(), v)
	if err != nil {
		t.Fatal(err)
	}
	if r, err = point(t.Context(), testKey, r); err != nil {
		t.Fatal(err)
	}
	if err := CheckSeal(t.Context(), testKey, r, v); err != nil {
		t.Fatalf("a fresh seal: %v", err)
	}
	return r, v
}

// words of a version, which decide nothing of what runs and when.
var unsealed = []string{
	"PK", "SK", "Check.OK", "Check.Line", "Check.Message", "ChangeNote", "CreatedByID", "CreatedAt", "LastEditorID",
	"SubmittedByID", "ReviewedAt", "ReviewNote",
}

func TestEveryMemberIsSealed(t *testing.T) {
	r, v := everything(t)
	var leaves []string
	each(reflect.ValueOf(&v).Elem(), "", func(path string, change func() (undo func())) {
		leaves = append(leaves, path)
		undo := change()
		err := CheckSeal(t.Context(), testKey, r, v)
		undo()
		if slices.Contains(unsealed, strings.TrimSuffix(path, " set to nil")) || path == "Check set to nil" {
			if err != nil {
				t.Errorf("%s is counted as words, but: %v", path, err)
			}
		} else if !errors.Is(err, ErrSealBroken) {
			t.Errorf("%s changed: got %v, want ErrSealBroken", path, err)
		}
	})
	if err := CheckSeal(t.Context(), testKey, r, v); err != nil {
		t.Fatalf("the test did not undo its changes: %v", err)
	}
	for _, must := range []string{"ScriptContent", "Parameters[0].Pattern", "Parameters[1].Default", "Target.Tags", "Document.Hash", "ReviewedByID", "Seal.MAC[0]", "MaxRunsPerHour set to nil"} {
		if !slices.Contains(leaves, must) {
			t.Errorf("the test did not change %s, only %v", must, leaves)
		}
	}
}

// each visits every leaf under v with a function that changes it.
func each(v reflect.Value, path string, visit func(path string, change func() func())) {
	swap := func(to reflect.Value) func() func() {
		return func() func() {
			old := reflect.New(v.Type()).Elem()
			old.Set(v)
			v.Set(to)
			return func() { v.Set(old) }
		}
	}
	if _, ok := v.Interface().(timestamp.Time); ok {
		visit(path, swap(reflect.ValueOf(timestamp.Of(noon))))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			each(v.Field(i), strings.TrimPrefix(path+"."+v.Type().Field(i).Name, "."), visit)
		}
	case reflect.Pointer:
		if v.IsNil() {
			visit(path, swap(reflect.New(v.Type().Elem())))
			return
		}
		visit(path+" set to nil", swap(reflect.Zero(v.Type())))
		each(v.Elem(), path, visit)
	case reflect.Slice:
		if v.Len() == 0 {
			visit(path, swap(reflect.MakeSlice(v.Type(), 1, 1)))
			return
		}
		visit(path+" emptied", swap(reflect.Zero(v.Type())))
		visit(path+" shortened", swap(v.Slice(0, v.Len()-1)))
		visit(path+" lengthened", swap(reflect.AppendSlice(v.Slice(0, v.Len()), v.Slice(0, 1))))
		for i := range v.Len() {
			each(v.Index(i), fmt.Sprintf("%s[%d]", path, i), visit)
		}
	case reflect.Map:
		visit(path, swap(reflect.MakeMap(v.Type())))
		for _, k := range v.MapKeys() {
			renamed := reflect.MakeMap(v.Type())
			renamed.SetMapIndex(reflect.ValueOf(k.String()+"x"), v.MapIndex(k))
			visit(path+" renamed", swap(renamed))
		}
	case reflect.Interface:
		visit(path, swap(reflect.ValueOf(fmt.Sprint(v.Interface(), "x"))))
		if !v.IsNil() { // 1.5 is not "1.5"
			if _, isText := v.Interface().(string); !isText {
				visit(path+" as text", swap(reflect.ValueOf(fmt.Sprint(v.Interface()))))
			}
			visit(path+" set to nil", swap(reflect.Zero(v.Type())))
		}
	case reflect.String:
		visit(path, swap(reflect.ValueOf(v.String()+"x").Convert(v.Type())))
	case reflect.Bool:
		visit(path, swap(reflect.ValueOf(!v.Bool())))
	case reflect.Int, reflect.Int64:
		visit(path, swap(reflect.ValueOf(v.Int()+1).Convert(v.Type())))
	case reflect.Uint8:
		visit(path, swap(reflect.ValueOf(uint8(v.Uint())^1)))
	default:
		panic("a kind that this test does not change: " + path)
	}
}

func TestThePointerIsSealed(t *testing.T) {
	changes := map[string]func(*Runbook, *Version){
		"another version":            func(r *Runbook, v *Version) { r.Approved, v.Version = 2, 2 },
		"no version":                 func(r *Runbook, v *Version) { r.Approved = 0 },
		"another version alone":      func(r *Runbook, v *Version) { r.Approved = 2 },
		"another runbook":            func(r *Runbook, v *Version) { r.ID = "rb_2" },
		"another runbook, with it":   func(r *Runbook, v *Version) { r.ID, v.RunbookID = "rb_2", "rb_2" },
		"deprecated":                 func(r *Runbook, v *Version) { r.Deprecated = true },
		"archived":                   func(r *Runbook, v *Version) { r.Archived = true },
		"an older sequence":          func(r *Runbook, v *Version) { r.Sequence-- },
		"an older sequence, both":    func(r *Runbook, v *Version) { r.Sequence, r.Latest = 0, 0 },
		"a newer one is on record":   func(r *Runbook, v *Version) { r.Latest++ },
		"one that was not looked up": func(r *Runbook, v *Version) { r.Latest = 0 },
		"no MAC":                     func(r *Runbook, v *Version) { r.PointerMAC = nil },
		"the other's MAC":            func(r *Runbook, v *Version) { r.PointerMAC = v.Seal.MAC },
		"no version at all":          func(r *Runbook, v *Version) { *v = Version{} },
		"another team":               func(r *Runbook, v *Version) { r.TeamID = ptr("team_2") },
		"global":                     func(r *Runbook, v *Version) { r.TeamID = nil },
		"format 0":                   func(r *Runbook, v *Version) { v.Seal.Format = 0 },
		"a format of tomorrow":       func(r *Runbook, v *Version) { v.Seal.Format = sealFormat + 1 },
		"text that is no UTF-8":      func(r *Runbook, v *Version) { v.ScriptContent = "\xff" },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			r, v := everything(t)
			change(&r, &v)
			if err := CheckSeal(t.Context(), testKey, r, v); !errors.Is(err, ErrSealBroken) {
				t.Errorf("got %v, want ErrSealBroken", err)
			}
		})
	}
}

func TestAnotherKeyAndNoAnswer(t *testing.T) {
	r, v := everything(t)
	if err := CheckSeal(t.Context(), hmacKey("another key"), r, v); !errors.Is(err, ErrSealBroken) {
		t.Errorf("another key: got %v", err)
	}
	if err := CheckSeal(t.Context(), unreachable{}, r, v); !errors.Is(err, errUnreachable) || errors.Is(err, ErrSealBroken) {
		t.Errorf("no answer: got %v, want an error that is no verdict", err)
	}
}

// tricky is text that an encoding could be confused by.
func tricky() *rapid.Generator[string] {
	return rapid.StringOfN(rapid.SampledFrom([]rune("ab\"\\{}[],:\n\x01ä\uFFFD\u2028<&null1")), 0, 6, -1)
}

func anyVersion(t *rapid.T, label string) Version {
	text := func(name string) string { return tricky().Draw(t, label+name) }
	number := func(name string) int { return rapid.IntRange(0, 3).Draw(t, label+name) }
	flag := func(name string) bool { return rapid.Bool().Draw(t, label+name) }
	maybe := func(name string) *string {
		if flag(name + "?") {
			return ptr(text(name))
		}
		return nil
	}
	value := func(name string) any {
		return rapid.SampledFrom([]any{nil, "", "1", "true", "null", 1.0, 0.0, 1e21, 1e-7, true, false}).Draw(t, label+name)
	}
	v := Version{
		RunbookID: text("runbook"), Version: number("version"), Language: text("language"), ScriptContent: text("script"), TimeoutSeconds: number("timeout"),
		MaxRetries: number("retries"), Idempotent: flag("idempotent"), Concurrency: number("concurrency"), ServiceID: maybe("service"),
		RequiresConfirm: flag("confirm"), Risk: text("risk"), ReviewedByID: ptr(text("reviewer")), Parameters: []Parameter{},
		Target: Target{Type: text("target"), InstanceIDs: rapid.SliceOfN(tricky(), 0, 2).Draw(t, label+"ids"), URL: text("url"), Async: flag("async"),
			Headers: rapid.MapOfN(tricky(), tricky(), 0, 2).Draw(t, label+"headers")},
	}
	for range number("parameters") {
		p := Parameter{Name: text("name"), Type: text("type"), Default: value("default"), Pattern: text("pattern"), Secret: flag("secret"), Template: text("template")}
		for range number("enum") {
			p.Enum = append(p.Enum, value("enum"))
		}
		v.Parameters = append(v.Parameters, p)
	}
	if flag("hourly") {
		v.MaxRunsPerHour = ptr(number("runs"))
	}
	if flag("document") {
		v.Document = &Document{Name: text("doc"), Version: text("docversion"), Hash: text("dochash")}
	}
	if len(v.Target.InstanceIDs) == 0 {
		v.Target.InstanceIDs = nil
	}
	if len(v.Target.Headers) == 0 {
		v.Target.Headers = nil
	}
	return v
}

func TestTwoVersionsNeverEncodeAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, teamA := anyVersion(t, "a."), tricky().Draw(t, "a.team")
		b, teamB := a, teamA
		if rapid.Bool().Draw(t, "differ at one place") { // near ones are where an encoding fails
			switch rapid.IntRange(0, 4).Draw(t, "place") {
			case 0:
				b.ScriptContent, b.Language = tricky().Draw(t, "script"), tricky().Draw(t, "language")
			case 1:
				teamB, b.RunbookID = tricky().Draw(t, "team"), tricky().Draw(t, "runbook")
			case 2:
				b.Parameters = anyVersion(t, "p.").Parameters
			case 3:
				b.Target = anyVersion(t, "t.").Target
			case 4:
				b.ServiceID, b.MaxRunsPerHour = ptr(tricky().Draw(t, "service")), nil
			}
		} else {
			b, teamB = anyVersion(t, "b."), tricky().Draw(t, "b.team")
		}
		x, err := encodeV1(teamA, a)
		if err != nil {
			t.Fatal(err)
		}
		y, err := encodeV1(teamB, b)
		if err != nil {
			t.Fatal(err)
		}
		if same := teamA == teamB && reflect.DeepEqual(a, b); same != (string(x) == string(y)) {
			t.Fatalf("same: %v\n%s\n%s", same, x, y)
		}
	})
}

func TestHashesTellTheirFormat(t *testing.T) {
	_, v := everything(t)
	x, err := encodeV1("team_1", v)
	if err != nil || !strings.HasPrefix(string(x), `{"format":1,"runbookId":"rb_1","version":3,"teamId":"team_1"`) {
		t.Errorf("got %s, %v", x, err)
	}
}
