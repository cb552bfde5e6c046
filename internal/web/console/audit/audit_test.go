package audit_test

import (
	"context"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/infra/local/awstest"
	"pagefree/infra/local/consoletest"
	"pagefree/infra/local/roomtest"
	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/kmssign"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/web/console"
	pages "pagefree/internal/web/console/audit"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	os.Exit(m.Run())
}

var noon = time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	team  = "team_01ARZ3NDEKTSV4RRFFQ69G5FAV"
	other = "team_01ARZ3NDEKTSV4RRFFQ69G5FAW"
	rb    = "rb_01ARZ3NDEKTSV4RRFFQ69G5FAV"
	run   = "wfr_01ARZ3NDEKTSV4RRFFQ69G5FAV"
)

func person(name string, in map[string]principal.Role) principal.Principal {
	userID := "usr_01ARZ3NDEKTSV4RRFFQ69G5" + name
	return principal.Principal{Kind: principal.User, ID: userID, UserID: userID, Teams: in}
}

var (
	lead      = person("AAA", map[string]principal.Role{team: principal.TeamAdmin, other: principal.Observer})
	outsider  = person("BBB", map[string]principal.Role{other: principal.TeamAdmin})
	responder = person("CCC", map[string]principal.Role{team: principal.Responder})
	admin     = principal.Principal{Kind: principal.User, ID: "usr_01ARZ3NDEKTSV4RRFFQ69G5DDD", UserID: "usr_01ARZ3NDEKTSV4RRFFQ69G5DDD", PlatformAdmin: true}
)

// newSite is the pages with the rights of their function, and the record, to be written to.
func newSite(t *testing.T) (*consoletest.Site, audit.Log) {
	t.Helper()
	env := awstest.New(t)
	cfg := env.ConfigOf("AuditFunction")
	keys := kms.NewFromConfig(cfg)
	signing := kmssign.Key{ID: env.KeyID("AuditKey"), Client: keys}
	api := httpapi.New()
	pages.Routes(api, console.New(origin.Origin{}, func() time.Time { return noon.Add(time.Hour) }), &audit.Reader{
		Table:   dynamo.Table{Name: env.Table("AuditTable"), DB: dynamodb.NewFromConfig(cfg)},
		Cursors: httpapi.NewCursors(kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: keys}.Derive), KeyID: signing.ID, Public: signing.Public,
	})
	return consoletest.New(api), audit.Log{Table: dynamo.Table{Name: env.Table("AuditTable"), DB: dynamodb.NewFromConfig(env.Config)}}
}

func note(t *testing.T, log audit.Log, by principal.Principal, at time.Time, e audit.Entry) {
	t.Helper()
	if err := log.Note(roomtest.As(context.Background(), by), at, e); err != nil {
		t.Fatal(err)
	}
}

func TestGates(t *testing.T) {
	t.Parallel()
	site, _ := newSite(t)
	consoletest.Gates(t, site, nil)
}

// TestWhoSeesWhat: the admins of a team see what concerns it; others get nothing, and another page's panel of nothing.
func TestWhoSeesWhat(t *testing.T) {
	t.Parallel()
	site, log := newSite(t)
	note(t, log, lead, noon, audit.Entry{Type: "runbook.approved", Subject: audit.Ref{Kind: "runbook", ID: rb}, TeamID: team})
	note(t, log, admin, noon, audit.Entry{Type: "team.created", Subject: audit.Ref{Kind: "team", ID: other}})
	site.As(lead).Get(t, "/console/audit").Want(t, 200).Shows(t, "Runbook approved", "you", "Success", "not sealed yet").Hides(t, "Team created")
	site.As(admin).Get(t, "/console/audit").Shows(t, "Runbook approved", "Team created")
	site.As(outsider).Get(t, "/console/audit").Shows(t, "Nothing is on record yet.")
	site.As(outsider).Get(t, "/console/audit?subject="+rb).Shows(t, "Nothing on record fits these filters.")
	site.As(responder).Get(t, "/console/audit").Want(t, 403)

	panel := site.As(lead).HTMX().Get(t, "/console/audit/of?subject="+rb).Want(t, 200).Shows(t, "Runbook approved", "you")
	if got := panel.Link(t, "All of it, with details"); got != "/console/audit?subject="+rb {
		t.Errorf("all of it is at %s", got)
	}
	for name, got := range map[string]*consoletest.Page{
		"a responder":  site.As(responder).HTMX().Get(t, "/console/audit/of?subject="+rb),
		"another team": site.As(outsider).HTMX().Get(t, "/console/audit/of?subject="+rb),
		"of nothing":   site.As(lead).HTMX().Get(t, "/console/audit/of"),
		"of too much":  site.As(lead).HTMX().Get(t, "/console/audit/of?subject="+strings.Repeat("x", 81)),
		"of no text":   site.As(lead).HTMX().Get(t, "/console/audit/of?subject=%ff"),
	} {
		if got.StatusCode != 200 || got.Body != "" {
			t.Errorf("%s: got %d %q, want an empty part", name, got.StatusCode, got.Body)
		}
	}
}

// TestNames: a thing is called by what the events of the page call it, the newest name first, and else by its id.
func TestNames(t *testing.T) {
	t.Parallel()
	site, log := newSite(t)
	part := audit.Ref{Kind: "component", ID: "cmp_01ARZ3NDEKTSV4RRFFQ69G5FAV"}
	access := audit.Ref{Kind: "access", ID: "acc_01ARZ3NDEKTSV4RRFFQ69G5FAV"}
	note(t, log, lead, noon, audit.Entry{Type: "component.created", Subject: part, TeamID: team, Detail: map[string]any{"name": "Old name"}})
	note(t, log, lead, noon.Add(time.Second), audit.Entry{Type: "component.updated", Subject: part, TeamID: team, Detail: map[string]any{"name": consoletest.Hostile}})
	note(t, log, lead, noon.Add(2*time.Second), audit.Entry{Type: "partner.granted", Subject: access, TeamID: team, Detail: map[string]any{"partnerName": "Initech", "statusPageId": "sp_1"}})
	note(t, log, lead, noon.Add(3*time.Second), audit.Entry{Type: "partner.revoked", Subject: access, TeamID: team})
	note(t, log, lead, noon.Add(4*time.Second), audit.Entry{Type: "runbook.approved", Subject: audit.Ref{Kind: "runbook", ID: rb}, TeamID: team, Detail: map[string]any{"name": 7}})
	note(t, log, lead, noon.Add(5*time.Second), audit.Entry{Type: "partner.deactivated", Subject: audit.Ref{Kind: "partner", ID: "prt_01ARZ3NDEKTSV4RRFFQ69G5FAV"}, TeamID: team})
	p := site.As(lead).Get(t, "/console/audit")
	if !p.HasLink("/console/partners?q=prt_01ARZ3NDEKTSV4RRFFQ69G5FAV") {
		t.Error("no link leads to the partner")
	}
	p.Shows(t, "Component "+consoletest.Hostile, "Access Initech", "Status page id sp_1", "Runbook rb…").Hides(t, "Component cmp…", "Component Old name", "Access acc…")
}

// TestRows: an event in words, with all that it says, and the ways to what it is about.
func TestRows(t *testing.T) {
	t.Parallel()
	site, log := newSite(t)
	note(t, log, responder, noon, audit.Entry{Type: "access.denied", Outcome: audit.Refused, Subject: audit.Ref{Kind: "workflow_run", ID: run}, TeamID: team,
		Detail: map[string]any{"path": consoletest.Hostile, "steps": []any{"a", float64(2)}, "on": true}})
	note(t, log, lead, noon, audit.Entry{Type: "thing.made", Subject: audit.Ref{Kind: "thing", ID: consoletest.Hostile}, TeamID: team,
		Actor: audit.Ref{Kind: "api_key", ID: "key_01ARZ3NDEKTSV4RRFFQ69G5FAV"}})
	p := site.As(lead).Get(t, "/console/audit")
	p.Shows(t, "Access denied", "Denied", "Path "+consoletest.Hostile, `Steps ["a",2]`, "On true", team, "192.0.2.7", roomtest.RequestID, "Workflow run wfr…", "1 h ago", "API key key…", "Thing made")
	for _, href := range []string{"/console/workflow-runs/" + run, "/console/people/" + responder.ID, "/console/audit?subject=" + run, "/console/audit?actor=" + responder.ID} {
		if !p.HasLink(href) {
			t.Errorf("no link leads to %s", href)
		}
	}
}

// TestFilters: each narrows the list, stays in the address, and what is no time or no id says so.
func TestFilters(t *testing.T) {
	t.Parallel()
	site, log := newSite(t)
	for n, kind := range []string{"runbook.created", "runbook.submitted", "runbook.approved"} {
		by := lead
		if n == 1 {
			by = responder
		}
		note(t, log, by, noon.Add(time.Duration(n)*10*time.Minute+30*time.Second), audit.Entry{Type: kind, Subject: audit.Ref{Kind: "runbook", ID: rb}, TeamID: team})
	}
	note(t, log, lead, noon.Add(time.Minute), audit.Entry{Type: "service.created", Subject: audit.Ref{Kind: "service", ID: "svc_01ARZ3NDEKTSV4RRFFQ69G5FAV"}, TeamID: team})
	names := map[string]string{"runbook.created": "Runbook created", "runbook.submitted": "Runbook submitted", "runbook.approved": "Runbook approved", "service.created": "Service created"}
	for query, want := range map[string][]string{
		"":                        {"runbook.created", "runbook.submitted", "runbook.approved", "service.created"},
		"subject=" + rb:           {"runbook.created", "runbook.submitted", "runbook.approved"},
		"actor=" + responder.ID:   {"runbook.submitted"},
		"type=runbook.approved":   {"runbook.approved"},
		"type=+runbook.approved+": {"runbook.approved"},
		"from=2060-03-01T12:10":   {"runbook.submitted", "runbook.approved"},
		"to=2060-03-01T12:10":     {"runbook.created", "runbook.submitted", "service.created"}, // to the end of the minute
		"from=2060-03-01T12:10&to=2060-03-01T12:15": {"runbook.submitted"},
		"from=2060-03-01T12:20:00Z":                 {"runbook.approved"},
		"type=nothing":                              nil,
	} {
		p := site.As(lead).Get(t, "/console/audit?"+query).Want(t, 200)
		shown := p.First("#list").Text()
		for kind, words := range names {
			if got := strings.Contains(shown, words); got != contains(want, kind) {
				t.Errorf("%q shows %s: %v", query, kind, got)
			}
		}
		q, _ := url.ParseQuery(query)
		for name, values := range q {
			if got := p.First("form.filters input[name=" + name + "]").Attr("value"); got != values[0] {
				t.Errorf("%q: the field %s has %q", query, name, got)
			}
		}
	}
	for query, want := range map[string]string{
		"from=yesterday":                                "Write a time like 2026-11-29T17:45, in UTC.",
		"actor=" + strings.Repeat("x", 81):              "An id or a type has at most 80 characters.",
		"subject=%ff":                                   "An id or a type has at most 80 characters.",
		"from=2060-03-01T12:10&to=2060-03-01T12:05":     "is before from",
		"type=" + url.QueryEscape(consoletest.Hostile):  "",
		"actor=" + url.QueryEscape(consoletest.Hostile): "",
	} {
		p := site.As(lead).Get(t, "/console/audit?"+query)
		if want == "" {
			p.Want(t, 200).Shows(t, "Nothing on record fits these filters.")
			continue
		}
		if got := p.Want(t, 422).Alert() + p.First(".error").Text(); !strings.Contains(got, want) {
			t.Errorf("%q: it says %q, want %q in it", query, got, want)
		}
	}
	p := site.As(lead).Get(t, "/console/audit?from=2060-03-01T12:10&to=2060-03-01T12:15&type=runbook.approved")
	u, err := url.Parse(p.Link(t, "Export"))
	if err != nil || u.Path != "/v1/audit/export" || u.Query().Get("from") != "2060-03-01T12:10:00Z" || u.Query().Get("to") != "2060-03-01T12:15:59.999Z" {
		t.Errorf("the export is at %s: %v", u, err)
	}
}

func contains(all []string, one string) bool {
	for _, v := range all {
		if v == one {
			return true
		}
	}
	return false
}

// TestPages: older entries are behind a link, which keeps the filters.
func TestPages(t *testing.T) {
	t.Parallel()
	site, log := newSite(t)
	for n := range 60 {
		note(t, log, lead, noon.Add(time.Duration(n)*time.Second), audit.Entry{Type: "runbook.created", Subject: audit.Ref{Kind: "runbook", ID: id.New(id.Runbook, noon)}, TeamID: team})
	}
	p := site.As(lead).Get(t, "/console/audit?type=runbook.created")
	if got := len(p.All("#list tbody tr")); got != 50 {
		t.Errorf("the first page has %d rows", got)
	}
	older := p.Click(t, "Older").Want(t, 200)
	if got := len(older.All("#list tbody tr")); got != 10 {
		t.Errorf("the second page has %d rows", got)
	}
	if got := older.Link(t, "Newest"); got != "/console/audit?type=runbook.created" {
		t.Errorf("the newest are at %s", got)
	}
	site.As(outsider).Get(t, p.Link(t, "Older")).Want(t, 200).Hides(t, "Runbook created")
	site.As(lead).Get(t, "/console/audit?cursor=x").Want(t, 400)
}
