package e2e

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
	"pagefree/infra/local/stack"
)

// TestJourneys is the console as people use it, each way by a pointer, by keys alone, and on a phone: a responder opens an
// incident, sees what a runbook will do, runs it, and sees its output the moment it is there; a reviewer approves from a
// diff; an admin grants and revokes a partner. What any page says in its console, and what axe-core finds on one, fails it.
func TestJourneys(t *testing.T) { // not beside others: many parts share its stack, which works all the while that they wait
	s, err := stack.Start(t.Context(), stack.Options{Every: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	people, err := demo.Run(t.Context(), demo.Options{URL: s.URL, Out: io.Discard, Page: true})
	if err != nil {
		t.Fatal(err)
	}
	c := &contract{api: client.Client{URL: s.URL}, bearers: people.Sessions, incident: people.IncidentID, approved: people.RunbookIDs["Free disk space"]}
	c.settle(t)

	t.Run("a responder runs a runbook", func(t *testing.T) {
		t.Parallel()
		hands(t, s.URL, func(t *testing.T, as func(string) hand) { respond(t, c, as) })
	})
	t.Run("a reviewer approves", func(t *testing.T) {
		t.Parallel()
		hands(t, s.URL, func(t *testing.T, as func(string) hand) { approve(t, c, as) })
	})
	t.Run("keys, and a list that keeps its place", func(t *testing.T) {
		t.Parallel()
		keys(t, c, s.URL)
	})
	t.Run("an admin grants and revokes", func(t *testing.T) {
		t.Parallel()
		hands(t, s.URL, func(t *testing.T, as func(string) hand) { grant(t, c, as) })
	})
}

func respond(t *testing.T, c *contract, as func(string) hand) {
	title := c.name("Disk of web-3 is full")
	incident := c.want(t, lead, "POST /v1/incidents", object{"title": title, "severity": "CRITICAL", "serviceId": c.service, "labels": object{"zone": "eu-1"}}, http.StatusCreated, "").Text("id")
	h := as(c.bearers[responder])
	h.goes("/console/incidents/" + incident) // as a push leads there
	h.sees("Live")
	h.whole()
	h.press("Acknowledge")
	h.sees("You are working on it.")
	h.fill("Note", "Looking at web-3.")
	h.press("Add a note")
	h.sees("Looking at web-3.")
	h.press("Run a runbook")
	h.whole()
	h.press("Free disk space")
	h.sees("What will run")
	h.fill("KEEP_DAYS", "many")
	h.press("Preview again")
	h.sees("whole number")
	h.whole()
	h.fill("KEEP_DAYS", "3")
	h.press("Preview again")
	h.sees("Run in the sandbox")
	h.press("Run in the sandbox")
	h.sees("Completed") // without a touch
	h.sees("keeping 3 days")
	h.whole()
	h.goes("/console/incidents/" + incident)
	h.sees("Free disk space")
	h.press("Resolve")
	if h.Eval(`String(document.querySelector("details[open] textarea[name=note]") !== null)`) == "true" { // it asks for a last word
		h.press("Resolve the incident")
	}
	h.sees("The incident is resolved.")
	if status := c.want(t, responder, "GET /v1/incidents/"+incident, nil, http.StatusOK, "").Text("status"); status != "RESOLVED" {
		t.Errorf("the incident is %s", status)
	}
}

func approve(t *testing.T, c *contract, as func(string) hand) {
	name := c.name("Say hello")
	version := func(script string, more ...any) object {
		return with(object{"language": "BASH", "target": object{"type": "sandbox"}, "scriptContent": script, "timeoutSeconds": 30}, more...)
	}
	id := c.want(t, lead, "POST /v1/runbooks", with(version("echo hello\n"), "name", name, "teamId", c.team), http.StatusCreated, "").Text("id")
	c.want(t, lead, "POST /v1/runbooks/"+id+"/versions/1/submit", nil, http.StatusOK, "")
	c.want(t, reviewer, "POST /v1/runbooks/"+id+"/versions/1/approve", object{}, http.StatusOK, "")
	c.want(t, lead, "POST /v1/runbooks/"+id+"/versions", version("echo hello, $PF_WHO\n", "risk", "LOW", "parameters", []object{{"name": "WHO", "type": "string", "required": true}}), http.StatusCreated, "")
	c.want(t, lead, "POST /v1/runbooks/"+id+"/versions/2/submit", nil, http.StatusOK, "")

	writer := as(c.bearers[lead])
	writer.goes("/console/runbooks/" + id + "/versions/2")
	writer.sees("somebody else")
	if writer.Eval(`String([...document.querySelectorAll("button")].some((b) => b.textContent.includes("Approve")))`) == "true" {
		t.Error("who wrote it is offered to approve it")
	}

	h := as(c.bearers[reviewer])
	h.goes("/console/reviews")
	h.whole()
	h.press(name)
	h.sees("hello, $PF_WHO")
	h.sees("Parameter WHO")
	h.whole()
	h.fill("Note", "Greets by name now.")
	h.press("Approve version 2")
	h.sees("It was approved.")
	if n := c.want(t, lead, "GET /v1/runbooks/"+id, nil, http.StatusOK, "").Body["approvedVersion"]; n != 2.0 {
		t.Errorf("version %v is approved", n)
	}
}

func grant(t *testing.T, c *contract, as func(string) hand) {
	name := c.name("Initech")
	page := c.want(t, lead, "GET /v1/status-pages", nil, http.StatusOK, "").Items()[0]
	looks := func(token string) int {
		t.Helper()
		a, err := c.api.Do(t.Context(), "GET", "/status/"+page["slug"].(string), token, nil)
		if err != nil {
			t.Fatal(err)
		}
		return a.Status
	}
	h := as(c.bearers[lead])
	h.goes("/console/status-pages/" + page["id"].(string) + "/partners")
	h.whole()
	h.press("Let a partner see it")
	h.sees("Grant access and show the token")
	h.whole()
	h.fill("Partner", name)
	h.fill("Mail address", "nobody")
	h.press("Grant access and show the token")
	h.fill("Mail address", "ops@initech.test") // the browser, or the page, refused what is no address, and kept the name
	h.press("Grant access and show the token")
	h.sees(name + " may see")
	h.whole()
	token := h.Eval(`document.querySelector("#token").value`)
	if got := looks(token); got != http.StatusOK {
		t.Errorf("the token gets %d", got)
	}
	h.press("To the access")
	h.sees("People who may sign in")
	h.press("Revoke this access…")
	h.whole()
	h.press("Revoke this access")
	h.sees("The access was revoked.")
	if got := looks(token); got != http.StatusForbidden {
		t.Errorf("the revoked token gets %d", got)
	}
}

// keys walks a list by its keys: "?" shows them, "/" searches, j and Enter open a row, u leads back to the list as it was.
func keys(t *testing.T, c *contract, base string) {
	h := handAt(t, base, c.bearers[lead], 1280, 900, true)
	typed := func(keys string) {
		t.Helper()
		if err := chromedp.Do(h.Ctx, chromedp.KeyEvent(keys)); err != nil {
			t.Fatal(err)
		}
	}
	waits := func(what, script string) {
		t.Helper()
		within, stop := context.WithTimeout(h.Ctx, 30*time.Second)
		defer stop()
		if err := settled(within, func() (bool, error) { return chromedp.Run(h.Ctx, chromedp.Evaluate[bool](script)) }); err != nil {
			t.Fatalf("%s: %v; at %s, the focus on %s, the page shows %s", what, err, h.Eval("location.href"), h.Eval("document.activeElement.outerHTML.slice(0, 300)"), h.Eval("document.querySelector('main').innerText.slice(0, 600)"))
		}
	}
	h.goes("/console/runbooks")
	typed("?")
	waits("the keys are shown", `document.querySelector("dialog#keys").open`)
	h.whole()
	typed(kb.Escape)
	waits("the keys are put away", `!document.querySelector("dialog#keys").open`)
	typed("/")
	waits("the search has the focus", `document.activeElement.matches("input[type=search]")`)
	h.Eval(`document.activeElement.select(), ""`) // the tool sends the character too, which a real key does not once its press was taken
	typed("free disk")
	waits("the list is filtered, and its address too", `new URLSearchParams(location.search).get("q") === "free disk" && document.querySelectorAll("[data-list] tbody tr, [data-list] > li").length === 1`)
	h.Eval(`document.activeElement.blur(), ""`)
	typed("j")
	waits("a row has the focus", `document.activeElement.closest("[data-list]") !== null`)
	typed(kb.Enter)
	waits("the runbook is open", `document.readyState === "complete" && location.pathname.startsWith("/console/runbooks/rb_")`)
	typed("u")
	waits("the list is as it was", `document.readyState === "complete" && location.pathname === "/console/runbooks" && document.querySelector("input[type=search]").value === "free disk"`)
	typed("g")
	typed("a")
	waits("g and a lead to the audit", `location.pathname === "/console/audit"`)
}
