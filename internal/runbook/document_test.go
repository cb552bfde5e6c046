package runbook

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"pagefree/internal/platform/problem"
)

// documents stands for SSM, as the ssm target keeps it: it takes scripts without TOOLARGE.
type documents struct {
	published []string
	fails     error
}

func (d *documents) Fits(v Version) error {
	if v.ScriptContent == "TOOLARGE" {
		return problem.Invalid(problem.Field{Location: "body.scriptContent", Message: "too large"})
	}
	return nil
}

func (d *documents) Publish(_ context.Context, r Runbook, v Version) (Document, error) {
	d.published = append(d.published, fmt.Sprintf("%s@%d", r.ID, v.Version))
	return Document{Name: "doc-" + r.ID, Version: fmt.Sprint(v.Version), Hash: "h"}, d.fails
}

// TestVersionsForSSMArePublished: what runs as a document has one, under the seal; nothing else has.
func TestVersionsForSSMArePublished(t *testing.T) {
	w := newWorld(t)
	docs := &documents{}
	w.service.Documents, w.service.Targets = docs, []string{Sandbox, SSM}
	nodes := body{"type": "ssm", "instanceIds": []string{"mi-local"}}
	w.refused(422, "validation_failed", "lead", "POST", "/v1/runbooks", w.creation("large").with(body{"target": nodes, "scriptContent": "TOOLARGE"}))
	w.must(201, "lead", "POST", "/v1/runbooks", w.creation("large, in the sandbox").with(body{"scriptContent": "TOOLARGE"}))

	at := "/v1/runbooks/" + w.must(201, "lead", "POST", "/v1/runbooks", w.creation("ssm").with(body{"target": nodes})).id()
	w.refused(422, "validation_failed", "lead", "POST", at+"/versions", script.with(body{"target": nodes, "scriptContent": "TOOLARGE"}))
	w.must(200, "lead", "POST", at+"/versions/1/submit", nil)
	w.refused(403, "self_approval", "lead", "POST", at+"/versions/1/approve", nil)
	if len(docs.published) != 0 {
		t.Errorf("published before the approval: %v", docs.published)
	}
	docs.fails = errors.New("SSM does not answer")
	w.must(500, "reviewer", "POST", at+"/versions/1/approve", nil)
	if s := w.must(200, "lead", "GET", at+"/versions/1", nil).str("status"); s != "PENDING_REVIEW" {
		t.Errorf("after a failure it is %s", s)
	}
	docs.fails = nil
	w.must(200, "reviewer", "POST", at+"/versions/1/approve", nil)
	r, v, err := w.store.Runnable(t.Context(), idOf(at))
	if err != nil || v.Document == nil || *v.Document != (Document{Name: "doc-" + r.ID, Version: "1", Hash: "h"}) {
		t.Fatalf("got %+v, %v", v.Document, err)
	}
	if err := CheckSeal(t.Context(), w.seal, r, v); err != nil {
		t.Error(err)
	}
	v.Document.Hash = "other"
	if err := CheckSeal(t.Context(), w.seal, r, v); !errors.Is(err, ErrSealBroken) {
		t.Errorf("another document: got %v", err)
	}

	docs.published = nil
	at = w.approved("in the sandbox")
	if _, v, err := w.store.Runnable(t.Context(), idOf(at)); err != nil || v.Document != nil || len(docs.published) != 0 {
		t.Errorf("got %+v, %v, published %v", v.Document, err, docs.published)
	}
}

// TestWithoutDocumentsNothingIsApprovedForSSM, should such a version have been left by another deployment.
func TestWithoutDocumentsNothingIsApprovedForSSM(t *testing.T) {
	w := newWorld(t)
	w.service.Documents, w.service.Targets = &documents{}, []string{SSM}
	at := "/v1/runbooks/" + w.must(201, "lead", "POST", "/v1/runbooks", w.creation("ssm").with(body{"target": body{"type": "ssm", "instanceIds": []string{"mi-local"}}})).id()
	w.must(200, "lead", "POST", at+"/versions/1/submit", nil)
	w.service.Documents = nil
	w.refused(503, string(problem.Unavailable), "reviewer", "POST", at+"/versions/1/approve", nil)
}
