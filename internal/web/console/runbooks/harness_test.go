package runbooks

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"golang.org/x/net/html"

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
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/teams"
	"pagefree/internal/runbook"
	"pagefree/internal/runbook/vault"
	"pagefree/internal/web/console"
)

// world is one test's library with its pages, under the function's own rights, a team, another team, and people.
type world struct {
	t       *testing.T
	handler http.Handler
	site    *consoletest.Site
	library *runbook.Service
	vault   *vault.Service
	clock   *roomtest.Clock

	team, other, svc string
	who              map[string]principal.Principal
}

// parser stands for the sandbox: a line that holds SYNTAX is wrong, and on DOWN it does not answer.
type parser struct{}

func (parser) Check(_ context.Context, _, script string) (runbook.Check, error) {
	if strings.Contains(script, "DOWN") {
		return runbook.Check{}, context.DeadlineExceeded
	}
	for i, l := range strings.Split(script, "\n") {
		if strings.Contains(l, "SYNTAX") {
			return runbook.Check{Line: i + 1, Message: "unexpected <SYNTAX>"}, nil
		}
	}
	return runbook.Check{OK: true}, nil
}

func newWorld(t *testing.T) *world {
	env := awstest.New(t)
	w := &world{t: t, clock: roomtest.NewClock(time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC))}
	own := env.ConfigOf("RunbooksFunction")
	db, keys := dynamodb.NewFromConfig(own), kms.NewFromConfig(own)
	table := dynamo.Table{Name: env.Table("AutomationTable"), DB: db}
	ledger := audit.Log{Table: dynamo.Table{Name: env.Table("AuditTable"), DB: db}}
	cursors := httpapi.NewCursors(kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: keys}.Derive)
	w.library = &runbook.Service{
		Store: runbook.Store{Table: table}, Services: incident.Store{Table: table}, Checker: parser{}, Seal: kmsmac.Key{ID: env.KeyID("SealKey"), Client: keys},
		Audit: ledger, Cursors: cursors, Now: w.clock.Now, Targets: []string{runbook.Sandbox, runbook.SSM, runbook.Webhook, runbook.Named},
	}
	w.vault = &vault.Service{Store: secret.Store{Table: table}, Key: &secret.Key{ID: env.KeyID("SecretsKey"), Client: keys}, Audit: ledger, Cursors: cursors, Now: w.clock.Now}
	api := httpapi.New()
	api.OnDenied(audit.Denials(ledger, w.clock.Now))
	Routes(api, console.New(origin.Origin{}, w.clock.Now), Rooms{
		Library: w.library, Vault: w.vault, Services: &incident.Desk{Store: incident.Store{Table: table}, Cursors: cursors, Now: w.clock.Now},
		TeamName: func(ctx context.Context, id string) (string, bool, error) { return teams.Name(ctx, table, id) },
	})
	w.handler, w.site = api.Handler(), consoletest.New(api)

	all := dynamo.Table{Name: table.Name, DB: dynamodb.NewFromConfig(env.Config)}
	w.team, w.other = id.New(id.Team, w.clock.Now()), id.New(id.Team, w.clock.Now())
	for team, name := range map[string]string{w.team: "Platform <b>", w.other: "Others"} {
		if err := dynamo.Commit(t.Context(), all.DB, teams.Put(all, team, name)); err != nil {
			t.Fatal(err)
		}
	}
	person := func(name string, in map[string]principal.Role) principal.Principal {
		return principal.Principal{Kind: principal.User, ID: "usr_" + name, UserID: "usr_" + name, Name: name, Teams: in, SessionHash: "ab"}
	}
	in := func(role principal.Role) map[string]principal.Role { return map[string]principal.Role{w.team: role} }
	admin := person("admin", nil)
	admin.PlatformAdmin = true
	w.who = map[string]principal.Principal{
		"nobody": {}, "outsider": person("outsider", map[string]principal.Role{w.other: principal.TeamAdmin}),
		"observer": person("observer", in(principal.Observer)), "responder": person("responder", in(principal.Responder)),
		"lead": person("lead", in(principal.TeamAdmin)), "reviewer": person("reviewer", in(principal.TeamAdmin)), "admin": admin,
		"key":     {Kind: principal.APIKey, ID: "key_lead", UserID: "usr_lead", Teams: in(principal.TeamAdmin)},
		"partner": {Kind: principal.Partner, ID: "pse_a", Partner: &principal.Reading{Via: seat.BySession}},
	}
	desk := &incident.Desk{Store: incident.Store{Table: all}, Audit: audit.Log{Table: dynamo.Table{Name: ledger.Table.Name, DB: all.DB}}, Now: w.clock.Now}
	s, err := desk.CreateService(w.as("lead"), incident.NewService{Name: "Checkout <i>", TeamID: w.team})
	if err != nil {
		t.Fatal(err)
	}
	w.svc = s.ID
	return w
}

func (w *world) as(who string) context.Context {
	w.t.Helper()
	p, known := w.who[who]
	if !known {
		w.t.Fatalf("nobody is called %q", who)
	}
	return roomtest.As(w.t.Context(), p)
}

// page is what came back.
type page struct {
	t    *testing.T
	code int
	head http.Header
	html string
	doc  *html.Node
}

func (w *world) send(req *http.Request) page {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, req)
	doc, err := html.Parse(strings.NewReader(rec.Body.String()))
	if err != nil {
		w.t.Fatal(err)
	}
	return page{w.t, rec.Code, rec.Header(), rec.Body.String(), doc}
}

func (w *world) get(who, path string, headers ...string) page {
	w.t.Helper()
	req := httptest.NewRequestWithContext(w.as(who), "GET", path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return w.send(req)
}

func (w *world) post(who, path string, form url.Values, headers ...string) page {
	w.t.Helper()
	req := httptest.NewRequestWithContext(w.as(who), "POST", path, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return w.send(req)
}

// ok is a page that has to be there.
func (w *world) ok(who, path string) page {
	w.t.Helper()
	p := w.get(who, path)
	if p.code != http.StatusOK {
		w.t.Fatalf("GET %s as %s: got %d %s", path, who, p.code, p.text())
	}
	return p
}

// done is a form that has to be taken; it returns where it leads.
func (w *world) done(who, path string, form url.Values) string {
	w.t.Helper()
	p := w.post(who, path, form)
	if p.code != http.StatusSeeOther {
		w.t.Fatalf("POST %s as %s: got %d %s", path, who, p.code, p.text())
	}
	return p.head.Get("Location")
}

func attr(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}

// text is what the main part of a page says, its spaces joined.
func (p page) text() string {
	for n := range p.doc.Descendants() {
		if n.Data == "main" {
			return strings.Join(strings.Fields(textOf(n)), " ")
		}
	}
	return strings.Join(strings.Fields(textOf(p.doc)), " ")
}

// says fails where a page does not say something.
func (p page) says(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		if !strings.Contains(p.text(), text) {
			p.t.Errorf("the page does not say %q: %s", text, p.text())
		}
	}
}

// never fails where a page says something, or links to it.
func (p page) never(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		if strings.Contains(p.html, text) {
			p.t.Errorf("the page says %q", text)
		}
	}
}

// all are the elements of a name with a class.
func (p page) all(tag, class string) []*html.Node {
	var found []*html.Node
	for n := range p.doc.Descendants() {
		has, _ := attr(n, "class")
		if n.Type == html.ElementNode && n.Data == tag && (class == "" || slices.Contains(strings.Fields(has), class)) {
			found = append(found, n)
		}
	}
	return found
}

// form is what a browser would send of the form with an action, but for its buttons; nil where there is none.
func (p page) form(action string) url.Values {
	for _, f := range p.all("form", "") {
		if to, _ := attr(f, "action"); to != action {
			continue
		}
		values := url.Values{}
		for n := range f.Descendants() {
			name, _ := attr(n, "name")
			value, _ := attr(n, "value")
			kind, _ := attr(n, "type")
			_, checked := attr(n, "checked")
			switch {
			case n.Data == "input" && (kind != "checkbox" || checked):
				values.Add(name, value)
			case n.Data == "textarea": // the parser took its first line's end
				values.Add(name, strings.ReplaceAll(textOf(n), "\n", "\r\n"))
			case n.Data == "select":
				chosen, first := "", true
				for o := range n.Descendants() {
					if o.Data != "option" {
						continue
					}
					v, _ := attr(o, "value")
					if _, is := attr(o, "selected"); is || first {
						chosen, first = v, false
					}
				}
				values.Add(name, chosen)
			}
		}
		return values
	}
	return nil
}

// fieldError is what a page says is wrong with a field.
func (p page) fieldError(name string) string {
	for _, n := range p.all("p", "error") {
		if at, _ := attr(n, "id"); at == "e-"+name {
			return textOf(n)
		}
	}
	return ""
}

var good = runbook.Content{Language: runbook.Bash, ScriptContent: "echo one\necho two\n", Target: runbook.Target{Type: runbook.Sandbox}}

// draft makes a runbook of the team by lead.
func (w *world) draft(name string, c runbook.Content) string {
	w.t.Helper()
	r, err := w.library.Create(w.as("lead"), runbook.Creation{Name: name, TeamID: &w.team, Content: c})
	if err != nil {
		w.t.Fatal(err)
	}
	return r.ID
}

// pending is a draft that lead submitted; approved is one that reviewer approved.
func (w *world) pending(name string, c runbook.Content) string {
	w.t.Helper()
	id := w.draft(name, c)
	if _, err := w.library.Submit(w.as("lead"), id, 1); err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *world) approved(name string, c runbook.Content) string {
	w.t.Helper()
	id := w.pending(name, c)
	if _, err := w.library.Approve(w.as("reviewer"), id, 1, ""); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// next writes the next version by lead, and submits it.
func (w *world) next(id string, c runbook.Content) int {
	w.t.Helper()
	v, err := w.library.AddVersion(w.as("lead"), id, c)
	if err == nil {
		_, err = w.library.Submit(w.as("lead"), id, v.Version.Version)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return v.Version.Version
}
