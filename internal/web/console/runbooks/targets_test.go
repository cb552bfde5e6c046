package runbooks

import (
	"net/url"
	"strings"
	"testing"

	"pagefree/internal/runbook"
)

func TestTargets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ok("lead", "/console/targets").says("There is no named target yet")
	form := w.ok("lead", "/console/targets/new").form("/console/targets")
	form.Set("name", "production <web>")
	p := w.post("lead", "/console/targets", form)
	if p.code != 422 || !strings.Contains(p.text(), "It has either instanceIds or tags") {
		t.Fatalf("a target without nodes: got %d %s", p.code, p.text())
	}
	form = p.form("/console/targets")
	if form.Get("name") != "production <web>" {
		t.Errorf("the name became %q", form.Get("name"))
	}
	form.Set("target.tags", "role = web\r\nrole = <db>")
	to := w.done("lead", "/console/targets", form)
	at, _, _ := strings.Cut(to, "?")
	w.ok("lead", "/console/targets").says("production <web>", "nothing yet")
	w.ok("reviewer", "/console/reviews").says("production <web>")

	p = w.ok("lead", at)
	p.says("somebody else has to approve it", "role = <db>")
	p.never(at+"/approve", "<db>")
	w.get("outsider", at).never("production")
	if p := w.get("responder", at); p.code != 403 {
		t.Errorf("a responder got %d", p.code)
	}
	if p := w.post("lead", at+"/approve", url.Values{"rev": {"1"}}); p.code != 422 || !strings.Contains(p.text(), "Nobody approves what they wrote") {
		t.Errorf("an approval of one's own: got %d %s", p.code, p.text())
	}

	// It changes while the reviewer reads.
	seen := w.ok("reviewer", at).form(at + "/approve")
	edit := w.ok("lead", at+"/edit").form(at + "/edit")
	edit.Set("target.maxNodes", "9")
	w.done("lead", at+"/edit", edit)
	p = w.post("reviewer", at+"/approve", seen)
	if p.code != 422 || !strings.Contains(p.text(), "It was changed while you read it") {
		t.Fatalf("an approval of what was not seen: got %d %s", p.code, p.text())
	}
	w.done("reviewer", at+"/approve", p.form(at+"/approve"))
	w.ok("lead", at).says("Approved", "at most 9")
	if p := w.post("lead", at+"/edit", edit); p.code != 422 || !strings.Contains(p.text(), "Somebody changed this since you opened it") {
		t.Errorf("a change from before: got %d %s", p.code, p.text())
	}

	edit = w.ok("lead", at+"/edit").form(at + "/edit")
	edit.Set("target.maxNodes", "20")
	w.done("lead", at+"/edit", edit)
	p = w.ok("reviewer", at)
	p.says("It runs on more nodes.", "at most 9")
	if p := w.post("reviewer", at+"/reject", url.Values{"rev": p.form(at + "/reject")["rev"], "reason": {""}}); p.code != 422 || p.fieldError("reason") == "" {
		t.Errorf("a rejection without a reason: got %d %q", p.code, p.fieldError("reason"))
	}
	reject := p.form(at + "/reject")
	reject.Set("reason", "too many")
	w.done("reviewer", at+"/reject", reject)
	w.ok("lead", at).never("Waits for a review")

	n, err := w.library.CreateTarget(w.as("lead"), runbook.TargetCreation{Name: "sand <box>", TeamID: &w.team, Target: runbook.Target{Type: runbook.Sandbox}})
	if err != nil {
		t.Fatal(err)
	}
	at = "/console/targets/" + n.ID
	w.done("reviewer", at+"/approve", w.ok("reviewer", at).form(at+"/approve"))
	named := good
	named.Target = runbook.Target{Type: runbook.Named, TargetID: n.ID}
	id := w.approved("Uses it", named)
	w.ok("lead", "/console/runbooks/"+id).says("target sand <box>")
	w.ok("responder", "/console/runbooks/"+id).says("target " + n.ID) // who has no right to the target
	if p := w.post("lead", at+"/delete", url.Values{}); p.code != 422 || !strings.Contains(p.text(), "An approved runbook runs at this target") {
		t.Errorf("deleting what is used: got %d %s", p.code, p.text())
	}
	w.done("lead", "/console/runbooks/"+id+"/archive", url.Values{"reason": {"old"}})
	if to := w.done("lead", at+"/delete", url.Values{}); to != "/console/targets?did=deleted" {
		t.Errorf("deleting leads to %s", to)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ok("lead", "/console/secrets").says("There is no secret yet")
	const value = "s3cret-value"
	form := w.ok("lead", "/console/secrets/new").form("/console/secrets")
	form.Set("name", "AWX")
	form.Set("value", value)
	p := w.post("lead", "/console/secrets", form)
	if p.code != 422 || p.fieldError("name") == "" {
		t.Fatalf("a name in capitals: got %d %q", p.code, p.fieldError("name"))
	}
	p.never(value)
	form.Set("name", "awx-token")
	w.done("lead", "/console/secrets", form)
	if p := w.post("lead", "/console/secrets", form); p.code != 422 || !strings.Contains(p.text(), `another secret named "awx-token"`) || strings.Contains(p.html, value) {
		t.Errorf("a name that is taken: got %d %s", p.code, p.text())
	}
	list := w.ok("reviewer", "/console/secrets")
	list.says("awx-token", "version 1")
	list.never(value)
	at := ""
	for _, a := range list.all("a", "") {
		if to, _ := attr(a, "href"); strings.HasPrefix(to, "/console/secrets/sec_") {
			at = to
		}
	}
	for who, code := range map[string]int{"outsider": 404, "responder": 403, "reviewer": 200, "admin": 200} {
		p := w.get(who, at)
		if p.code != code {
			t.Errorf("%s got %d, want %d", who, p.code, code)
		}
		p.never(value)
	}
	page := w.ok("lead", at)
	for _, in := range page.all("input", "") {
		if name, _ := attr(in, "name"); name == "value" {
			kind, _ := attr(in, "type")
			auto, _ := attr(in, "autocomplete")
			if kind != "password" || auto != "off" {
				t.Errorf("the field is of type %q, autocomplete %q", kind, auto)
			}
		}
	}
	replace := page.form(at)
	replace.Set("value", "")
	if p := w.post("lead", at, replace); p.code != 422 || p.fieldError("value") == "" {
		t.Errorf("an empty value: got %d %q", p.code, p.fieldError("value"))
	}
	replace.Set("value", value+"2")
	w.done("lead", at, replace)
	w.ok("lead", at).says("version 2")
	p = w.post("lead", at, replace)
	if p.code != 422 || !strings.Contains(p.text(), "Somebody changed this since you opened it") {
		t.Errorf("a replacement from before: got %d %s", p.code, p.text())
	}
	p.never(value)
	w.done("lead", at+"/delete", url.Values{})
	if p := w.get("lead", at); p.code != 404 {
		t.Errorf("a deleted one got %d", p.code)
	}
}
