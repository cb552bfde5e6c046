package incidents

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/infra/local/awstest"
	"pagefree/infra/local/consoletest"
	"pagefree/infra/local/roomtest"
	"pagefree/internal/audit"
	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/teams"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
	"pagefree/internal/web/console"
)

// world is one test's PageFree: two teams and their people.
type world struct {
	t     *testing.T
	clock *roomtest.Clock
	desk  *incident.Desk
	taker *incident.Desk // that takes alerts
	pages *consoletest.Site

	team, other string
	who         map[string]principal.Principal
}

func newWorld(t *testing.T) *world {
	t.Helper()
	env := awstest.New(t)
	own := env.ConfigOf("IncidentsFunction") // the pages have its rights and no others
	w := &world{t: t, clock: roomtest.NewClock(time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC))}
	db, all := dynamodb.NewFromConfig(own), dynamodb.NewFromConfig(env.Config)
	table := dynamo.Table{Name: env.Table("AutomationTable"), DB: db}
	derive := kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: kms.NewFromConfig(own)}
	w.desk = &incident.Desk{
		Store: incident.Store{Table: table}, Audit: audit.Log{Table: dynamo.Table{Name: env.Table("AuditTable"), DB: db}},
		Cursors: httpapi.NewCursors(derive.Derive), Now: w.clock.Now,
	}
	w.taker = &incident.Desk{Store: incident.Store{Table: dynamo.Table{Name: table.Name, DB: all}}, Audit: audit.Log{Table: dynamo.Table{Name: env.Table("AuditTable"), DB: all}}, Now: w.clock.Now}
	at, err := origin.Parse("https://pagefree.test")
	if err != nil {
		t.Fatal(err)
	}
	api := httpapi.New()
	Routes(api, console.New(at, w.clock.Now), w.desk, func(ctx context.Context, id string) (string, error) {
		name, _, err := teams.Name(ctx, table, id)
		return name, err
	})
	w.pages = consoletest.New(api)

	w.team, w.other = id.New(id.Team, w.clock.Now()), id.New(id.Team, w.clock.Now())
	for team, name := range map[string]string{w.team: "Platform", w.other: "Elsewhere"} {
		if err := dynamo.Commit(t.Context(), all, teams.Put(table, team, name)); err != nil {
			t.Fatal(err)
		}
	}
	person := func(name, team string, role principal.Role) principal.Principal {
		return principal.Principal{Kind: principal.User, ID: "usr_" + name, UserID: "usr_" + name, Name: name, SessionHash: "hash", Teams: map[string]principal.Role{team: role}}
	}
	admin := person("admin", "", "")
	admin.PlatformAdmin, admin.Teams = true, nil
	w.who = map[string]principal.Principal{
		"nobody": {}, "admin": admin, "lead": person("lead", w.team, principal.TeamAdmin), "responder": person("responder", w.team, principal.Responder),
		"observer": person("observer", w.team, principal.Observer), "outsider": person("outsider", w.other, principal.TeamAdmin),
		"key":     {Kind: principal.APIKey, ID: "key_1", UserID: "usr_maker", Teams: map[string]principal.Role{w.team: principal.TeamAdmin}},
		"partner": {Kind: principal.Partner, ID: "acc_1", Partner: &principal.Reading{}},
	}
	return w
}

type answer struct {
	status int
	header http.Header
	text   string
}

func (w *world) as(who string) *consoletest.Browser {
	if p := w.who[who]; p.ID != "" {
		return w.pages.As(p)
	}
	return w.pages.Anybody()
}

func (w *world) get(who, path string, headers ...string) answer {
	w.t.Helper()
	p := w.as(who).Get(w.t, path, headers...)
	return answer{p.StatusCode, p.Header, p.Body}
}

func (w *world) post(who, path string, form url.Values, headers ...string) answer {
	w.t.Helper()
	p := w.as(who).Post(w.t, path, form, headers...)
	return answer{p.StatusCode, p.Header, p.Body}
}

// must is an answer of a status that holds texts, and none of those that begin with a "!".
func (a answer) must(t *testing.T, status int, texts ...string) answer {
	t.Helper()
	_, body, found := strings.Cut(a.text, `<main id="main"`)
	if !found {
		body = a.text
	}
	body, _, _ = strings.Cut(body, "</main>")
	if a.status != status {
		t.Fatalf("got %d, want %d: %s", a.status, status, body)
	}
	if strings.Contains(a.text, "%25!") {
		t.Errorf("the page holds what a template could not print: %s", a.text)
	}
	for _, text := range texts {
		if not, is := strings.CutPrefix(text, "!"); is {
			if strings.Contains(body, not) {
				t.Errorf("the page holds %q: %s", not, body)
			}
		} else if !strings.Contains(body, text) {
			t.Errorf("the page does not hold %q: %s", text, body)
		}
	}
	return a
}

// field is the value of a hidden field of a page.
func (a answer) field(t *testing.T, name string) string {
	t.Helper()
	_, rest, found := strings.Cut(a.text, `name="`+name+`" value="`)
	if !found {
		t.Fatalf("the page has no field %s: %s", name, a.text)
	}
	v, _, _ := strings.Cut(rest, `"`)
	return strings.ReplaceAll(v, "&#34;", `"`)
}

// led is where a form led to, without what it says.
func (a answer) led(t *testing.T) string {
	t.Helper()
	path, _, _ := strings.Cut(a.must(t, http.StatusSeeOther).header.Get("Location"), "?")
	return path
}

// service makes one by its form and gives its page.
func (w *world) service(name string) string {
	w.t.Helper()
	return w.post("lead", "/console/services", url.Values{"name": {name}, "teamId": {w.team}, "escalateAfterMinutes": {""}}).led(w.t)
}

// incident opens one by its form and gives its page.
func (w *world) incident(service, title, severity string) string {
	w.t.Helper()
	return w.post("responder", "/console/incidents", url.Values{"title": {title}, "serviceId": {idOf(service)}, "severity": {severity}, "description": {""}}).led(w.t)
}

func idOf(page string) string { return page[strings.LastIndex(page, "/")+1:] }

func TestAnIncidentsLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.get("responder", "/console/incidents").must(t, 200, "Nothing is open.", "Open an incident")
	w.get("responder", "/console/incidents/new").must(t, 200, "There is no service yet.")
	service := w.service("checkout")
	w.get("responder", "/console/incidents/new?serviceId="+idOf(service)).must(t, 200, `value="`+idOf(service)+`" selected`)
	w.post("responder", "/console/incidents", url.Values{"title": {""}, "serviceId": {idOf(service)}, "severity": {"LOW"}, "description": {"what I <typed>"}}).must(t, 422, "what I &lt;typed&gt;", "Some fields need another look.", `aria-invalid="true"`)
	page := w.incident(service, "Disk <b>full</b>", "HIGH")

	w.get("responder", page+"?did=created").must(t, 200, "It was created.", "Disk &lt;b&gt;full&lt;/b&gt;", "!<b>full", "Triggered", "Acknowledge", "Resolve…", "Add a note", "by hand", "Edit…", "Tell partners", "open for",
		`hx-get="/console/executions/for?incidentId=`+idOf(page), "checkout")
	w.get("observer", page).must(t, 200, "Triggered", "!Acknowledge<", "!Resolve", "!<textarea", "!Edit…", "!Tell partners", "!Run a runbook")
	w.post("responder", page+"/acknowledge", nil).must(t, 303)
	w.post("responder", page+"/acknowledge", nil).must(t, 422, "Cannot acknowledge what is acknowledged.")
	w.get("observer", page).must(t, 200, "Acknowledged", "usr_responder", "acknowledged ")
	w.get("observer", "/console/incidents").must(t, 200, "Acknowledged", "usr_responder", "1 high", "!Open an incident<")
	w.post("responder", page+"/notes", url.Values{"text": {" "}}).must(t, 422, "It says nothing.")
	w.post("responder", page+"/notes", url.Values{"text": {strings.Repeat("n", incident.MaxNote+1)}}).must(t, 422, "At most 8 KiB.", "nnnn")
	w.post("responder", page+"/notes", url.Values{"text": {"It was the <log>"}}).must(t, 303)
	w.get("observer", page+"/live?part=timeline").must(t, 200, "It was the &lt;log&gt;", "Opened", "Note", "!<html", "!<h1")
	w.get("observer", page+"/live").must(t, 200, "<h1", "!<html", "!It was the")
	w.post("responder", page+"/resolve", url.Values{"note": {strings.Repeat("n", incident.MaxNote+1)}}).must(t, 422, "At most 8 KiB.", "resolve\" open")
	w.post("responder", page+"/resolve", url.Values{"note": {"Removed the logs."}}).must(t, 303)
	w.get("responder", page).must(t, 200, "Resolved", "Removed the logs.", "Reopen", "after", "!Resolve…", "!open for")
	w.get("responder", "/console/incidents").must(t, 200, "Nothing is open.", "Resolved")
	w.post("responder", page+"/reopen", nil).must(t, 303)
	w.get("responder", page).must(t, 200, "Triggered", "Reopened")
}

func TestOpenOnesComeFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	service := w.service("checkout")
	old := w.incident(service, "An old one", "LOW")
	for range 55 { // more than a page
		page := w.incident(service, "A resolved one", "CRITICAL")
		w.post("responder", page+"/resolve", nil).must(t, 303)
	}
	w.incident(service, "A bad one", "CRITICAL")
	first := w.get("observer", "/console/incidents").must(t, 200, "A bad one", "An old one", "1 critical", "1 low", "Older", idOf(old))
	if strings.Index(first.text, "A bad one") > strings.Index(first.text, "An old one") || strings.Index(first.text, "An old one") > strings.Index(first.text, "A resolved one") {
		t.Error("they do not come worst first, open before resolved")
	}
	before, _, _ := strings.Cut(first.text, `" rel="next"`)
	path := strings.ReplaceAll(before[strings.LastIndex(before, `href="`)+len(`href="`):], "&amp;", "&")
	w.get("observer", path).must(t, 200, "A resolved one", "Newest", "!An old one", "!Nothing is open")
	w.get("observer", "/console/incidents?status=RESOLVED&severity=LOW").must(t, 200, "No incident fits these filters.")
	w.get("observer", "/console/incidents?severity=LOW&q=OLD", "HX-Request", "true").must(t, 200, "An old one", "!A bad one", "!<html")
	w.get("outsider", "/console/incidents").must(t, 200, "Nothing is open.", "!An old one")
}

func TestEditing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.incident(w.service("checkout"), "Slow", "LOW")
	form := func(a answer, title, labels string) url.Values {
		return url.Values{"rev": {a.field(t, "rev")}, "title": {title}, "severity": {"HIGH"}, "description": {"seen\r\nby many"}, "labels": {labels}}
	}
	mine, theirs := w.get("responder", page+"/edit").must(t, 200, `value="Slow"`), w.get("lead", page+"/edit").must(t, 200)
	w.post("responder", page+"/edit", form(mine, "", "zone = eu-1")).must(t, 422, "zone = eu-1", `aria-invalid="true"`)
	for labels, want := range map[string]string{"zone": "Line 1 is not name = value.", "a = 1\na = 2": "A is there twice.", `a = "b`: "The quotes of line 1 do not fit.", "-bad = x": "starts with a letter or digit"} {
		w.post("responder", page+"/edit", form(mine, "Slow", labels)).must(t, 422, want)
	}
	w.post("lead", page+"/edit", form(theirs, "Slow for <all>", "zone = eu-1\nquery = a=b\ntext = \"two\\nlines\"\n")).must(t, 303)
	w.get("observer", page).must(t, 200, "Slow for &lt;all&gt;", "eu-1", "a=b", "two\nlines", "Severity: low to high", "was “Slow”", "Changed")

	stale := w.post("responder", page+"/edit", form(mine, "Slow, mine", "zone = us-1")).must(t, 422,
		"Somebody else changed it since", "Slow for &lt;all&gt;", `value="Slow, mine"`, "zone = us-1", "zone = eu-1", "Title now", "!Severity now")
	w.get("observer", page).must(t, 200, "Slow for &lt;all&gt;", "!Slow, mine")
	w.post("responder", page+"/edit", form(stale, "Slow, mine", "zone = us-1")).must(t, 303)
	w.get("observer", page).must(t, 200, "Slow, mine", "us-1", "!eu-1")
	w.get("lead", page+"/edit").must(t, 200, "zone = us-1")
	w.get("observer", page+"/edit").must(t, 403)
	w.post("observer", page+"/edit", form(stale, "x", "")).must(t, 403)
	w.post("outsider", page+"/edit", form(stale, "x", "")).must(t, 404)
}

// TestLabelsComeBack: what the field shows is what it is read as.
func TestLabelsComeBack(t *testing.T) {
	t.Parallel()
	labels := map[string]string{"a": "plain", "b": "with = sign", "c": "two\nlines", "d": `"quoted"`, "e": " spaces ", "f": "", "g": "tab\tand \u2028", "h": `back\slash`}
	read, err := readLabels(labelsText(labels))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range labels {
		if read[name] != want {
			t.Errorf("%s comes back as %q, want %q", name, read[name], want)
		}
	}
	if len(read) != len(labels) {
		t.Errorf("%d come back of %d", len(read), len(labels))
	}
}

func TestWhatOthersAddToTheTimeline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	service := w.service("checkout")
	taken, err := w.taker.Take(t.Context(), incident.From{
		DeliveryID: "1", IntegrationID: id.New(id.Integration, w.clock.Now()), Provider: "datadog", ServiceID: idOf(service), TeamID: w.team, Trust: trust.Bearer, Unattended: trust.Low,
	}, incident.Alert{Action: incident.Fire, DedupKey: "k", Title: "From <outside>", Severity: incident.Critical, Raw: map[string]any{"key": "</pre><script>"}})
	if err != nil {
		t.Fatal(err)
	}
	page := "/console/incidents/" + taken.IncidentID
	w.get("observer", page).must(t, 200, "From &lt;outside&gt;", "Datadog, proved by a secret alone", "<dt>Opened by</dt><dd>Datadog</dd>", "<span>Datadog</span>", "!an integration", "no member wrote them", "&lt;/pre&gt;&lt;script&gt;", "!<script>")

	add := func(execution, status, actor string) {
		t.Helper()
		e := incident.Entry{Kind: incident.EntryExecution, At: timestamp.Of(w.clock.Now()), Actor: audit.Ref{Kind: "user", ID: actor}, ExecutionID: &execution, Status: status, Text: "Fail <over>: " + status}
		if err := dynamo.Commit(t.Context(), w.taker.Store.Table.DB, w.taker.Store.Append(taken.IncidentID, e)); err != nil {
			t.Fatal(err)
		}
	}
	add("ex_1", "PENDING", "usr_lead")
	add("ex_1", "RUNNING", "")
	add("ex_1", "COMPLETED", "")
	add("ex_2", "AWAITING_CONFIRMATION", "")
	w.get("responder", page).must(t, 200, "Completed", "usr_lead", "!Running", "!Pending", `href="/console/executions/ex_1"`, "!%!", "Fail &lt;over&gt;</strong> waits for a confirmation", "Look and confirm", `href="/console/executions/ex_2"`)
	w.get("observer", page+"/live").must(t, 200, "waits for a confirmation", ">Look<", "!Look and confirm")
	step := incident.Entry{Kind: incident.EntryStep, At: timestamp.Of(w.clock.Now()), Actor: audit.Ref{Kind: "workflow", ID: "wfr_1"}, Text: "Step fix failed: The execution is FAILED: exit code 3"}
	note := incident.Entry{Kind: incident.EntryNote, At: timestamp.Of(w.clock.Now()), Actor: audit.Ref{Kind: "user", ID: "usr_lead"}, Text: "I wrote: The execution is FAILED"}
	if err := dynamo.Commit(t.Context(), w.taker.Store.Table.DB, w.taker.Store.Append(taken.IncidentID, step), w.taker.Store.Append(taken.IncidentID, note)); err != nil {
		t.Fatal(err)
	}
	w.get("responder", page).must(t, 200, "Step fix failed: The execution failed: exit code 3", "I wrote: The execution is FAILED")
	add("ex_2", "CANCELLED", "")
	w.get("responder", page).must(t, 200, "!waits for a confirmation", "Cancelled")
}

func TestServices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.get("lead", "/console/services").must(t, 200, "There is no service yet.", "Make the first")
	w.get("observer", "/console/services").must(t, 200, "The admins of your team make them.", "!New service")
	w.get("lead", "/console/services/new").must(t, 200, "Platform", "!Elsewhere")
	w.get("responder", "/console/services/new").must(t, 403)
	new := func(name, team, after string) url.Values {
		return url.Values{"name": {name}, "teamId": {team}, "description": {"pays <money>"}, "escalateAfterMinutes": {after}}
	}
	w.post("lead", "/console/services", new("", w.team, "5")).must(t, 422, "pays &lt;money&gt;", `value="5"`)
	w.post("lead", "/console/services", new("checkout", "", "")).must(t, 422, "Choose the team that runs it.")
	w.post("lead", "/console/services", new("checkout", w.team, "soon")).must(t, 422, `value="soon"`, `id="e-escalateAfterMinutes"`)
	w.post("lead", "/console/services", new("checkout", w.other, "")).must(t, 404)
	w.post("responder", "/console/services", new("checkout", w.team, "")).must(t, 403)
	page := w.post("lead", "/console/services", new("checkout", w.team, "15")).led(t)
	w.post("lead", "/console/services", new("Checkout", w.team, "")).must(t, 422, `id="e-name">The team has a service of this name.`)
	w.get("observer", page).must(t, 200, "checkout", "Platform", "for 15 min", "pays &lt;money&gt;", "!Edit…", "!Delete the service", "!Open an incident")
	w.get("lead", page).must(t, 200, "Edit…", "Delete this service", "Open an incident", `hx-get="/console/executions/serving?serviceId=`+idOf(page))
	w.get("outsider", page).must(t, 404)

	open := w.incident(page, "Down", "CRITICAL")
	w.get("observer", "/console/services").must(t, 200, "checkout", "1 critical", "15 min")
	w.get("observer", "/console/services?q=nothing", "HX-Request", "true").must(t, 200, "No service fits.", "!<html")
	w.get("admin", "/console/services/new").must(t, 200, "Platform")
	w.post("lead", page+"/delete", nil).must(t, 409, "It has open incidents. Resolve them first.", "Down")

	stale := w.get("lead", page+"/edit").must(t, 200, `value="15"`).field(t, "rev")
	edit := func(rev, name, after string) url.Values {
		return url.Values{"rev": {rev}, "name": {name}, "description": {""}, "escalateAfterMinutes": {after}}
	}
	w.post("responder", page+"/edit", edit(stale, "x", "")).must(t, 403)
	w.post("lead", page+"/edit", edit(stale, "payments", "")).must(t, 303)
	w.get("observer", page).must(t, 200, "payments", "never escalates")
	both := w.post("lead", page+"/edit", edit(stale, "checkout 2", "30")).must(t, 422, "Somebody else changed it since", "payments", `value="checkout 2"`, "Name now")
	w.post("lead", page+"/edit", edit(both.field(t, "rev"), "checkout 2", "30")).must(t, 303)

	w.post("responder", open+"/resolve", nil).must(t, 303)
	w.post("responder", page+"/delete", nil).must(t, 403)
	w.post("lead", page+"/delete", nil).must(t, 303)
	w.get("lead", page).must(t, 404)
	w.get("observer", open).must(t, 200, "a deleted service")
	w.post("responder", open+"/reopen", nil).must(t, 422, "Its service was deleted.")
}

func TestWhoMayComeIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	service := w.service("checkout")
	page := w.incident(service, "Down", "HIGH")
	for _, path := range []string{"/console/incidents", page, page + "/live", page + "/edit", "/console/incidents/new", "/console/services", service, service + "/edit", "/console/services/new"} {
		w.get("nobody", path).must(t, 303)
		w.get("key", path).must(t, 403)
		w.get("partner", path).must(t, 404)
		a := w.get("lead", path).must(t, 200, "! style=", "! onclick=", "!<script>", "!hx-on")
		if !strings.HasPrefix(a.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s answers %v", path, a.header)
		}
	}
	for _, path := range []string{page, page + "/live", page + "/edit", service, service + "/edit"} {
		w.get("outsider", path).must(t, 404)
	}
	for _, path := range []string{"/acknowledge", "/resolve", "/reopen", "/notes", "/edit"} {
		f := url.Values{"text": {"x"}, "title": {"x"}, "severity": {"LOW"}, "description": {""}, "labels": {""}}
		w.post("observer", page+path, f).must(t, 403)
		w.post("outsider", page+path, f).must(t, 404)
		w.post("partner", page+path, f).must(t, 404)
		w.post("responder", page+path, f, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test").must(t, 403)
		w.post("nobody", page+path, f).must(t, 303)
	}
	w.post("observer", "/console/incidents", url.Values{"title": {"x"}, "serviceId": {idOf(service)}, "severity": {"LOW"}, "description": {""}}).must(t, 403)
	w.get("observer", "/console/nowhere").must(t, 404, "There is nothing here that you may see.", "To the incidents")
	w.get("partner", "/console/nowhere").must(t, 404, "To your status pages", "!To the incidents")
	w.get("nobody", "/console/nowhere").must(t, 303)
	if a := w.get("observer", "/console"); a.must(t, 303).header.Get("Location") != "/console/incidents" {
		t.Errorf("/console leads to %s", a.header.Get("Location"))
	}
}
