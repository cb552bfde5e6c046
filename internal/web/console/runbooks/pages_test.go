package runbooks

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"pagefree/infra/local/consoletest"
	"pagefree/internal/runbook"
	"pagefree/internal/runbook/vault"
)

func TestDoor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.approved("Free disk space", good)
	at := "/console/runbooks/" + id
	tests := map[string]struct {
		who, method, path string
		code              int
		headers           []string
	}{
		"nobody is led to the sign-in":       {"nobody", "GET", at, 303, nil},
		"a key has no pages":                 {"key", "GET", "/console/runbooks", 403, nil},
		"a partner has no pages":             {"partner", "GET", "/console/runbooks", 404, nil},
		"another team's":                     {"outsider", "GET", at, 404, nil},
		"another team's version":             {"outsider", "GET", at + "/versions/1", 404, nil},
		"no such runbook":                    {"lead", "GET", "/console/runbooks/rb_01M8M8FHNN4P6AE1GCYTG3DYE4", 404, nil},
		"no such version":                    {"lead", "GET", at + "/versions/2", 404, nil},
		"no number":                          {"lead", "GET", at + "/versions/01", 404, nil},
		"a diff with none":                   {"lead", "GET", at + "?from=1&to=7", 404, nil},
		"an observer reads":                  {"observer", "GET", at, 200, nil},
		"an observer writes none":            {"observer", "GET", at + "/edit", 403, nil},
		"a responder writes none":            {"responder", "GET", "/console/runbooks/new", 403, nil},
		"a responder words none":             {"responder", "GET", at + "/words", 403, nil},
		"a responder has no reviews":         {"responder", "GET", "/console/reviews", 403, nil},
		"a responder has no targets":         {"responder", "GET", "/console/targets", 403, nil},
		"a responder makes no target":        {"responder", "GET", "/console/targets/new", 403, nil},
		"a responder has no secrets":         {"responder", "GET", "/console/secrets", 403, nil},
		"a responder keeps no secret":        {"responder", "GET", "/console/secrets/new", 403, nil},
		"a responder submits none":           {"responder", "POST", at + "/versions/1/submit", 403, nil},
		"a responder archives none":          {"responder", "POST", at + "/archive", 403, nil},
		"a responder saves none":             {"responder", "POST", at + "/edit", 403, nil},
		"a responder makes none":             {"responder", "POST", "/console/runbooks", 403, nil},
		"a responder keeps none":             {"responder", "POST", "/console/secrets", 403, nil},
		"a form of another site":             {"lead", "POST", at + "/archive", 403, []string{"Sec-Fetch-Site", "cross-site"}},
		"a form of another site that paints": {"lead", "POST", "/console/runbooks/paint", 403, []string{"Sec-Fetch-Site", "cross-site"}},
		"a lead has reviews":                 {"lead", "GET", "/console/reviews", 200, nil},
		"a lead has targets":                 {"lead", "GET", "/console/targets", 200, nil},
		"a lead has secrets":                 {"lead", "GET", "/console/secrets", 200, nil},
		"an admin has all":                   {"admin", "GET", at + "/edit", 200, nil},
	}
	for name, tt := range tests {
		form := url.Values{"reason": {"x"}, "name": {"a"}, "value": {"v"}, "teamId": {w.team}, "language": {"BASH"}, "scriptContent": {"x"}, "target.type": {"sandbox"}, "risk": {"LOW"}, "base": {"1"}}
		var p page
		if tt.method == "GET" {
			p = w.get(tt.who, tt.path, tt.headers...)
		} else {
			p = w.post(tt.who, tt.path, form, tt.headers...)
		}
		if p.code != tt.code {
			t.Errorf("%s: got %d %s, want %d", name, p.code, p.text(), tt.code)
		}
	}
}

// TestPromises: every page keeps what all pages of the console promise, with hostile words wherever people write any.
func TestPromises(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	consoletest.Gates(t, w.site, nil)

	c := full(w.svc)
	c.ScriptContent, c.ChangeNote = "echo "+consoletest.Hostile+"\n", consoletest.Hostile
	for i := range c.Parameters {
		c.Parameters[i].Description = consoletest.Hostile
	}
	r, err := w.library.Create(w.as("lead"), runbook.Creation{Name: consoletest.Hostile, Description: consoletest.Hostile, TeamID: &w.team, Content: c})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.library.Submit(w.as("lead"), r.ID, 1); err == nil {
		_, err = w.library.Approve(w.as("reviewer"), r.ID, 1, consoletest.Hostile)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.ScriptContent, c.Parameters, c.Target = "print('"+consoletest.Hostile+"') # other\n", c.Parameters[1:], runbook.Target{Type: runbook.Webhook, URL: "https://example.com/?<i>", Headers: map[string]string{"X-A": strings.ReplaceAll(consoletest.Hostile, "{{.}}", "")}}
	w.next(r.ID, c)
	n, err := w.library.CreateTarget(w.as("lead"), runbook.TargetCreation{Name: consoletest.Hostile, TeamID: &w.team, Target: c.Target})
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.vault.Create(w.as("lead"), vault.Creation{Name: "awx", TeamID: &w.team, Value: "v"})
	if err != nil {
		t.Fatal(err)
	}
	at := "/console/runbooks/" + r.ID
	for _, who := range []string{"lead", "reviewer", "admin"} {
		b := w.site.As(w.who[who])
		for _, path := range []string{
			"/console/runbooks", "/console/runbooks/new", at, at + "?from=1&to=2", at + "/edit", at + "/words", at + "/versions/1", at + "/versions/2", at + "/versions/2?from=0",
			"/console/reviews", "/console/targets", "/console/targets/new", "/console/targets/" + n.ID, "/console/targets/" + n.ID + "/edit", "/console/secrets", "/console/secrets/new", "/console/secrets/" + s.ID,
		} {
			if p := b.Get(t, path); p.StatusCode != 200 {
				t.Errorf("%s for %s: got %d", path, who, p.StatusCode)
			}
		}
	}
}

func TestLibrary(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ok("lead", "/console/runbooks").says("There is no runbook yet", "Write a runbook")
	w.ok("observer", "/console/runbooks").never("/console/runbooks/new")
	python := good
	python.Language, python.ServiceID = runbook.Python, &w.svc
	w.approved("Free <script>alert(1)</script> space", good)
	w.pending("Restart", python)
	tests := map[string]struct {
		query  string
		has    []string
		hasNot []string
	}{
		"all":            {"", []string{"Free <script>", "Restart", "Checkout <i>", "Platform <b>"}, nil},
		"by a word":      {"?q=REST", []string{"Restart"}, []string{"Free"}},
		"by status":      {"?status=APPROVED", []string{"Free"}, []string{"Restart"}},
		"by language":    {"?language=PYTHON", []string{"Restart"}, []string{"Free"}},
		"by service":     {"?serviceId=" + w.svc, []string{"Restart"}, []string{"Free"}},
		"by nothing":     {"?q=nothing", []string{"No runbook fits these filters"}, []string{"Free", "Restart"}},
		"by two":         {"?q=free&language=PYTHON", []string{"No runbook fits"}, []string{"Free <"}},
		"by its team":    {"?teamId=" + w.team, []string{"Free", "Restart"}, nil},
		"a status of no": {"?status=NONE", []string{"No runbook fits"}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := w.ok("observer", "/console/runbooks"+tt.query)
			p.t = t
			p.says(tt.has...)
			p.never("<script>alert", "Platform <b>")
			for _, text := range tt.hasNot {
				for _, row := range p.all("td", "main") {
					if strings.Contains(textOf(row), text) {
						t.Errorf("the list has %q", text)
					}
				}
			}
		})
	}
	part := w.get("lead", "/console/runbooks?q=rest", "HX-Request", "true")
	if part.code != 200 || strings.Contains(part.html, "<html") || !strings.Contains(part.html, "Restart") {
		t.Errorf("htmx got %d %s, want the list alone", part.code, part.html)
	}
}

// TestRunbook: what each role is shown, and that the acts which are shown are taken.
func TestRunbook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.approved("Free disk space", good)
	second := good
	second.ScriptContent, second.TimeoutSeconds, second.ChangeNote = "echo one\necho <script>three\n", 90, "faster <b>"
	if n := w.next(id, second); n != 2 {
		t.Fatalf("got version %d", n)
	}
	at := "/console/runbooks/" + id
	p := w.ok("observer", at)
	p.says("Free disk space", "version 1 runs", "echo two", "any service", "Version 2 is pending review", "faster <b>", "Sealed as")
	p.never("Run it", "Write version", "Deprecate", "/console/audit", "<script>three")
	w.ok("responder", at).says("Run it")
	p = w.ok("lead", at)
	p.says("Run it", "Write version 3", "Deprecate", "Archive")
	p.never("/rollback", "Restore")

	d := w.ok("observer", at+"?from=1&to=2")
	d.says("From version 1 to 2", "Timeout", "60 s", "90 s", "<script>three")
	d.never("<script>three")

	if _, err := w.library.Approve(w.as("reviewer"), id, 2, "fine"); err != nil {
		t.Fatal(err)
	}
	w.ok("lead", at).says("version 2 runs", "Run version 1 again")
	if p := w.post("lead", at+"/rollback?version=1", url.Values{"reason": {" "}}); p.code != 422 {
		t.Errorf("a rollback without a reason got %d", p.code)
	}
	if p := w.post("lead", at+"/rollback?version=x", url.Values{"reason": {"it"}}); p.code != 404 {
		t.Errorf("a rollback to x got %d", p.code)
	}
	w.done("lead", at+"/rollback?version=1", url.Values{"reason": {"it was too fast"}})
	w.ok("lead", at).says("version 1 runs", "Run version 2 again")

	for _, act := range []struct{ path, says string }{{"/deprecate", "This runbook is deprecated: too <old>"}, {"/archive", "Archived"}, {"/restore", "Approved"}} {
		if to := w.done("lead", at+act.path, url.Values{"reason": {"too <old>"}}); !strings.HasPrefix(to, at+"?did=") {
			t.Errorf("%s leads to %s", act.path, to)
		}
		w.ok("observer", at).says(act.says)
	}
	if p := w.post("lead", at+"/restore", url.Values{}); p.code != 422 || !strings.Contains(p.text(), "Cannot restore what is approved.") {
		t.Errorf("a restore of what is approved: got %d %s", p.code, p.text())
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := "/console/runbooks/" + w.draft("Free disk space", good)
	w.draft("Taken", good)
	form := w.ok("lead", at+"/words").form(at + "/words")
	form.Set("name", "Taken")
	form.Set("description", "line one\r\nline two")
	p := w.post("lead", at+"/words", form)
	if p.code != 422 {
		t.Fatalf("a name that is taken: got %d", p.code)
	}
	p.says(`another runbook named "Taken"`)
	again := p.form(at + "/words")
	if again.Get("description") != "line one\r\nline two" {
		t.Errorf("the description became %q", again.Get("description"))
	}
	form.Set("name", "Free space")
	w.done("lead", at+"/words", form)
	w.ok("observer", at).says("Free space", "line one")

	p = w.post("lead", at+"/words", form) // from the revision before
	if p.code != 422 {
		t.Fatalf("a form of before: got %d", p.code)
	}
	p.says("Somebody changed this since you opened it")
	w.done("lead", at+"/words", p.form(at+"/words"))
}

func TestReview(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.approved("Free disk space", good)
	second := good
	second.ScriptContent, second.Risk, second.MaxRetries, second.Idempotent = "echo one\necho <b>three</b>\n", "LOW", 1, true
	w.next(id, second)
	at := fmt.Sprintf("/console/runbooks/%s/versions/2", id)

	w.ok("reviewer", "/console/reviews").says("Free disk space", "version 2")
	w.ok("lead", "/console/reviews").says("Nothing waits for you")
	w.ok("outsider", "/console/reviews").says("Nothing waits for you")

	own := w.ok("lead", at)
	own.says("You wrote or submitted this version, so somebody else has to approve it", "Changes since version 1, which runs")
	own.never(at + "/approve")
	w.ok("observer", at).never(at+"/approve", at+"/reject", at+"/submit")
	if p := w.post("lead", at+"/approve", url.Values{"note": {"mine"}}); p.code != 422 || !strings.Contains(p.text(), "Nobody approves what they wrote or submitted") {
		t.Errorf("an approval of one's own: got %d %s", p.code, p.text())
	}

	p := w.ok("reviewer", at)
	p.says("Risk", "It is said to be less dangerous than before.", "It parses", "Approve version 2", "<b>three</b>", "3 changes below deserve a second look")
	p.never("<b>three")
	if p.form(at+"/approve") == nil || p.form(at+"/reject") == nil {
		t.Fatal("the reviewer is not asked")
	}
	if p := w.post("reviewer", at+"/reject", url.Values{"reason": {""}}); p.code != 422 || p.fieldError("reason") == "" {
		t.Errorf("a rejection without a reason: got %d, %q", p.code, p.fieldError("reason"))
	}
	long := strings.Repeat("x", 2001)
	if p := w.post("reviewer", at+"/approve", url.Values{"note": {long}}); p.code != 422 || p.fieldError("note") == "" || p.form(at+"/approve").Get("note") != long {
		t.Errorf("a note that is too long: got %d, %q", p.code, p.fieldError("note"))
	}

	// A newer version appears while the reviewer reads.
	w.next(id, good)
	p = w.post("reviewer", at+"/approve", url.Values{"note": {"fine"}})
	if p.code != 422 || !strings.Contains(p.text(), "version 3 is the newest") {
		t.Errorf("an approval of what is no longer newest: got %d %s", p.code, p.text())
	}
	p.says("Version 3 is newer, so this one can no longer be approved")
	w.done("reviewer", at+"/reject", url.Values{"reason": {"left over"}})

	third := fmt.Sprintf("/console/runbooks/%s/versions/3", id)
	w.done("reviewer", third+"/approve", url.Values{"note": {"fine <i>"}})
	w.ok("observer", third).says("approved by", "fine <i>", "Sealed as")
	w.ok("observer", third+"?from=0").says("The first version")
	w.ok("observer", third+"?from=2").says("Changes since version 2")
}

func TestSubmit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wrong := good
	wrong.ScriptContent = "echo one\nSYNTAX\n"
	at := fmt.Sprintf("/console/runbooks/%s/versions/1", w.draft("Wrong", wrong))
	p := w.ok("lead", at)
	p.says("It is parsed when it is submitted")
	p = w.post("lead", at+"/submit", url.Values{})
	if p.code != 422 {
		t.Fatalf("a script that does not parse: got %d", p.code)
	}
	p.says("It does not parse", "Line 2: unexpected <SYNTAX>")
	if stop := p.all("tr", "stop"); len(stop) != 1 || !strings.Contains(textOf(stop[0]), "SYNTAX") {
		t.Errorf("got %d marked lines, want the second", len(stop))
	}
	down := good
	down.ScriptContent = "DOWN"
	at = fmt.Sprintf("/console/runbooks/%s/versions/1", w.draft("Down", down))
	if p := w.post("lead", at+"/submit", url.Values{}); p.code != 422 || !strings.Contains(p.text(), "could not be parsed now") || p.form(at+"/submit") == nil {
		t.Errorf("a parser that does not answer: got %d %s", p.code, p.text())
	}
	at = fmt.Sprintf("/console/runbooks/%s/versions/1", w.draft("Right", good))
	w.done("lead", at+"/submit", w.ok("lead", at).form(at+"/submit"))
	w.ok("reviewer", at).says("Pending review", "It parses")
}
