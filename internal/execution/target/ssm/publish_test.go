package ssm

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	front "pagefree/infra/local/aws"
	"pagefree/internal/platform/problem"
	"pagefree/internal/runbook"
)

// TestOneDocumentARunbook: one version of it for each approved version, by
// name, and the hash that SSM itself reckons.
func TestOneDocumentARunbook(t *testing.T) {
	w := newWorld(t)
	v := version(runbook.Bash, "echo 1")
	first := w.publish(v)
	if again := w.publish(v); again != first {
		t.Errorf("published again: got %+v, want %+v", again, first)
	}
	next := v
	next.Version = 2
	second := w.publish(next) // the same script
	if second.Name != first.Name || first.Version != "1" || second.Version != "2" || second.Hash == first.Hash {
		t.Errorf("got %+v and %+v", first, second)
	}
	for i, d := range []runbook.Document{first, second} {
		out, err := w.publisher.SSM.DescribeDocument(t.Context(), &ssm.DescribeDocumentInput{Name: &d.Name, DocumentVersion: &d.Version})
		if err != nil || *out.Document.Hash != d.Hash || *out.Document.VersionName != fmt.Sprintf("v%d", i+1) {
			t.Errorf("got %+v, %v", out, err)
		}
	}
	if w.calls("CreateDocument") != 1 || w.calls("UpdateDocument") != 1 {
		t.Errorf("made %d, updated %d", w.calls("CreateDocument"), w.calls("UpdateDocument"))
	}
}

// TestPublishingIsRepeated: after a lost answer, a crash in between, and
// beside another that does the same.
func TestPublishingIsRepeated(t *testing.T) {
	for _, operation := range []string{"CreateDocument", "UpdateDocument"} {
		t.Run(operation, func(t *testing.T) {
			w := newWorld(t)
			v := version(runbook.Bash, "echo 1")
			if operation == "UpdateDocument" {
				w.publish(v)
				v.Version = 2
			}
			w.env.Faults.Add(front.Fault{Service: "ssm", Operation: operation, Do: front.Swallow})
			d := w.publish(v)
			if again := w.publish(v); again != d || d.Version != fmt.Sprint(v.Version) {
				t.Errorf("got %+v and %+v", d, again)
			}
		})
	}
	t.Run("side by side", func(t *testing.T) {
		w := newWorld(t)
		v := version(runbook.Bash, "echo 1")
		var got [4]runbook.Document
		var all sync.WaitGroup
		for i := range got {
			all.Go(func() { got[i], _ = w.publisher.Publish(t.Context(), runbook.Runbook{ID: v.RunbookID}, v) })
		}
		all.Wait()
		for _, d := range got {
			if d != got[0] || d.Version != "1" {
				t.Errorf("got %+v", got)
			}
		}
	})
}

func TestPublishFails(t *testing.T) {
	w := newWorld(t)
	v := version(runbook.Bash, "echo 1")
	name, label := w.publisher.Prefix+v.RunbookID, "v1"
	other, err := content(version(runbook.Bash, "echo 2"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.publisher.SSM.CreateDocument(t.Context(), &ssm.CreateDocumentInput{
		Name: &name, Content: aws.String(string(other)), VersionName: &label, DocumentType: types.DocumentTypeCommand,
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.publisher.Publish(t.Context(), runbook.Runbook{ID: v.RunbookID}, v); problem.CodeOf(err) != DocumentDiffers {
		t.Errorf("somebody else's content: got %v", err)
	}
	w.impatient()
	w.env.Faults.Add(front.Fault{Service: "ssm", Do: front.Fail, Times: -1})
	if _, err := w.publisher.Publish(t.Context(), runbook.Runbook{ID: v.RunbookID}, v); problem.CodeOf(err) != problem.Unavailable {
		t.Errorf("SSM fails: got %v", err)
	}
}

// TestFits: 48 KiB of script in base64 would be 64 KiB, which is the limit of
// document and parameters together.
func TestFits(t *testing.T) {
	noise := make([]byte, runbook.MaxScript)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[r.IntN(64)]
	}
	code := strings.Repeat("restart_service \"$PF_HOST\" || exit 1\n", runbook.MaxScript/37)
	long := 20_000
	text := func(name string, most *int) runbook.Parameter {
		return runbook.Parameter{Name: name, Type: runbook.String, MaxLength: most}
	}
	tests := map[string]struct {
		v    runbook.Version
		want string // location of what is wrong
	}{
		"a long script, packed":             {version(runbook.Bash, code), ""},
		"a script of noise is just right":   {version(runbook.Bash, string(noise)), ""},
		"and a parameter is too much":       {version(runbook.Bash, string(noise), text("A", nil)), "body.parameters"},
		"one string without a bound":        {version(runbook.Bash, "true", text("A", nil)), ""},
		"two of them":                       {version(runbook.Bash, "true", text("A", nil), text("B", nil)), "body.parameters"},
		"two that are bound, in characters": {version(runbook.Bash, "true", text("A", &long), text("B", &long)), "body.parameters"},
		"two short ones": {version(runbook.Bash, "true", text("A", aws.Int(100)), runbook.Parameter{Name: "B", Type: runbook.Number},
			runbook.Parameter{Name: "C", Type: runbook.String, Enum: []any{"x", strings.Repeat("y", 100)}}), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := Publisher{}.Fits(tt.v)
			if tt.want == "" && err != nil {
				t.Errorf("got %v", err)
			}
			if p, ok := errors.AsType[*problem.Error](err); tt.want != "" && (!ok || p.Fields[0].Location != tt.want) {
				t.Errorf("got %v, want one about %s", err, tt.want)
			}
		})
	}
}

// TestParameterNames: agents take letters and digits only, and no two of a
// runbook may become one.
func TestParameterNames(t *testing.T) {
	seen := map[string]bool{sentinel: true}
	for _, name := range []string{"A_B", "AB", "A__B", "AXB", "X", "A_", "PAGEFREE"} {
		got := parameterName(name)
		if seen[got] || strings.Contains(got, "_") {
			t.Errorf("%s: %s", name, got)
		}
		seen[got] = true
	}
}

// TestContentStaysTheSame: publishing again after a new release of PageFree
// must find what an older one published.
func TestContentStaysTheSame(t *testing.T) {
	v := version(runbook.Python, "print(1)", runbook.Parameter{Name: "A", Type: runbook.String}, runbook.Parameter{Name: "B", Type: runbook.String})
	a, err := content(v)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if b, err := content(v); err != nil || string(a) != string(b) {
			t.Fatalf("got %s\nand %s", a, b)
		}
	}
}
