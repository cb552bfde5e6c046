package audit_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	front "pagefree/infra/local/aws"
	"pagefree/infra/local/awstest"
	"pagefree/infra/openapi/contract"
	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/kmssign"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	os.Exit(m.Run())
}

var (
	lead     = principal.Principal{Kind: principal.User, ID: "usr_lead", UserID: "usr_lead", Teams: map[string]principal.Role{"team_a": principal.TeamAdmin, "team_b": principal.Observer}}
	both     = principal.Principal{Kind: principal.User, ID: "usr_both", UserID: "usr_both", Teams: map[string]principal.Role{"team_a": principal.TeamAdmin, "team_b": principal.TeamAdmin}}
	observer = principal.Principal{Kind: principal.User, ID: "usr_observer", UserID: "usr_observer", Teams: map[string]principal.Role{"team_a": principal.Observer}}
	nobody   = principal.Principal{Kind: principal.User, ID: "usr_nobody", UserID: "usr_nobody"}
	admin    = principal.Principal{Kind: principal.User, ID: "usr_admin", UserID: "usr_admin", PlatformAdmin: true}
	keyLead  = principal.Principal{Kind: principal.APIKey, ID: "key_lead", UserID: "usr_lead", Teams: map[string]principal.Role{"team_a": principal.TeamAdmin}}
)

type world struct {
	t   *testing.T
	log audit.Log
	api http.Handler
	say *contract.Contract
	env *awstest.Env

	between func(operation string) // is called before each call that the reader makes
	tries   int                    // of the sealer's calls; 0 is the SDK's own number
}

// newWorld reads with the rights of the audit function.
func newWorld(t *testing.T) *world {
	env := awstest.New(t)
	name := env.Table("AuditTable")
	w := &world{t: t, env: env, between: func(string) {}}
	own := env.ConfigOf("AuditFunction")
	own.HTTPClient = &http.Client{Transport: through(func(r *http.Request) { w.between(r.Header.Get("X-Amz-Target")) })}
	keys := kms.NewFromConfig(own)
	signing := kmssign.Key{ID: env.KeyID("AuditKey"), Client: keys}
	reader := &audit.Reader{
		Table:   dynamo.Table{Name: name, DB: dynamodb.NewFromConfig(own)},
		Cursors: httpapi.NewCursors(kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: keys}.Derive),
		KeyID:   signing.ID,
		Public:  signing.Public,
	}
	api := httpapi.New()
	audit.Routes(api, reader)
	api.OnDenied(audit.Denials(audit.Log{Table: reader.Table}, func() time.Time { return noon.Add(time.Hour) }))
	w.api, w.say, w.log = api.Handler(), contract.Of(t, api), audit.Log{Table: dynamo.Table{Name: name, DB: dynamodb.NewFromConfig(env.Config)}}
	return w
}

// through is a transport that does something before each request.
type through func(*http.Request)

func (f through) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	return http.DefaultTransport.RoundTrip(r)
}

func as(ctx context.Context, p principal.Principal) context.Context {
	return principal.With(principal.WithOrigin(ctx, principal.Origin{IP: "192.0.2.1", RequestID: "rid"}), p)
}

func (w *world) get(who principal.Principal, query string) (int, map[string]any) {
	w.t.Helper()
	rec, req := httptest.NewRecorder(), httptest.NewRequestWithContext(as(w.t.Context(), who), "GET", "/v1/audit"+query, nil)
	w.api.ServeHTTP(rec, req)
	w.say.Check(w.t, req, rec)
	var body map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
		w.t.Fatalf("%s: %s", query, rec.Body)
	}
	return rec.Code, body
}

// ids walks all pages and returns the subjects that it saw.
func (w *world) subjects(who principal.Principal, query url.Values) []string {
	w.t.Helper()
	got := []string{}
	for range 20 {
		status, body := w.get(who, "?"+query.Encode())
		if status != 200 {
			w.t.Fatalf("%v: got %d %v", query, status, body)
		}
		for _, i := range body["items"].([]any) {
			got = append(got, i.(map[string]any)["subject"].(map[string]any)["id"].(string))
		}
		next, more := body["nextCursor"].(string)
		if !more {
			return got
		}
		query.Set("cursor", next)
	}
	w.t.Fatalf("%v: the list does not end", query)
	return nil
}

func (w *world) note(who principal.Principal, at time.Time, e audit.Entry) {
	w.t.Helper()
	if err := w.log.Note(as(w.t.Context(), who), at, e); err != nil {
		w.t.Fatal(err)
	}
}

func TestWhatAnEventShows(t *testing.T) {
	w := newWorld(t)
	w.note(lead, noon, audit.Entry{Type: "runbook.approved", Subject: audit.Ref{Kind: "runbook", ID: "rb_1"}, TeamID: "team_a", Detail: map[string]any{"version": 2}})
	w.note(principal.Principal{}, noon.Add(time.Second), audit.Entry{Type: "execution.completed", Subject: audit.Ref{Kind: "execution", ID: "ex_1"}, Outcome: audit.Failed})
	_, body := w.get(admin, "")
	items := body["items"].([]any)
	if len(items) != 2 || body["nextCursor"] != nil {
		t.Fatalf("got %v", body)
	}
	for i, want := range []map[string]any{
		{"type": "execution.completed", "at": "2026-03-01T12:00:01.000Z", "actor": map[string]any{"kind": "system", "id": "pagefree"}, "subject": map[string]any{"kind": "execution", "id": "ex_1"},
			"teamId": nil, "ip": "192.0.2.1", "requestId": "rid", "outcome": "failure", "detail": map[string]any{}},
		{"type": "runbook.approved", "at": "2026-03-01T12:00:00.000Z", "actor": map[string]any{"kind": "user", "id": "usr_lead"}, "subject": map[string]any{"kind": "runbook", "id": "rb_1"},
			"teamId": "team_a", "ip": "192.0.2.1", "requestId": "rid", "outcome": "success", "detail": map[string]any{"version": 2.0}},
	} {
		got := items[i].(map[string]any)
		if got["id"] == "" {
			t.Error("an event without an id")
		}
		want["id"] = got["id"]
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	}
}

func TestWhoSeesWhat(t *testing.T) {
	w := newWorld(t)
	second := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Second) }
	for i, e := range []struct {
		who     principal.Principal
		team    string
		kind    string
		subject string
	}{
		{lead, "team_a", "runbook.created", "rb_a"},
		{both, "team_b", "runbook.created", "rb_b"},
		{admin, "", "user.created", "usr_x"},
		{lead, "team_a", "runbook.approved", "rb_a"},
		{keyLead, "team_a", "incident.created", "inc_a"},
		{both, "team_a", "runbook.approved", "rb_c"},
	} {
		w.note(e.who, second(i), audit.Entry{Type: e.kind, TeamID: e.team, Subject: audit.Ref{Kind: "x", ID: e.subject}})
	}
	at := func(n int) string { return second(n).Format(time.RFC3339) }
	tests := map[string]struct {
		who   principal.Principal
		query url.Values
		want  []string
	}{
		"own team":                    {lead, nil, []string{"rb_c", "inc_a", "rb_a", "rb_a"}},
		"a key of a team admin":       {keyLead, nil, []string{"rb_c", "inc_a", "rb_a", "rb_a"}},
		"own teams, merged":           {both, nil, []string{"rb_c", "inc_a", "rb_a", "rb_b", "rb_a"}},
		"everything":                  {admin, nil, []string{"rb_c", "inc_a", "rb_a", "usr_x", "rb_b", "rb_a"}},
		"by actor":                    {admin, url.Values{"actor": {"usr_both"}}, []string{"rb_c", "rb_b"}},
		"by actor, of own team alone": {lead, url.Values{"actor": {"usr_both"}}, []string{"rb_c"}},
		"what a team does not have":   {lead, url.Values{"actor": {"usr_admin"}}, []string{}},
		"by subject":                  {admin, url.Values{"subject": {"rb_a"}}, []string{"rb_a", "rb_a"}},
		"another team's subject":      {lead, url.Values{"subject": {"rb_b"}}, []string{}},
		"of no team, by a team admin": {both, url.Values{"subject": {"usr_x"}}, []string{}},
		"by subject and actor":        {admin, url.Values{"subject": {"rb_a"}, "actor": {"usr_both"}}, []string{}},
		"by type":                     {lead, url.Values{"type": {"runbook.approved"}}, []string{"rb_c", "rb_a"}},
		"from":                        {lead, url.Values{"from": {at(4)}}, []string{"rb_c", "inc_a"}},
		"to":                          {both, url.Values{"to": {at(1)}}, []string{"rb_b", "rb_a"}},
		"from and to, both included":  {admin, url.Values{"from": {at(2)}, "to": {at(3)}}, []string{"rb_a", "usr_x"}},
		"one moment, in another zone": {admin, url.Values{"from": {"2026-03-01T14:00:02+02:00"}, "to": {"2026-03-01T14:00:02.000999+02:00"}}, []string{"usr_x"}},
		"by subject in a window":      {admin, url.Values{"subject": {"rb_a"}, "from": {at(1)}}, []string{"rb_a"}},
		"before anything":             {admin, url.Values{"to": {"1960-01-01T00:00:00Z"}}, []string{}},
		"after everything":            {lead, url.Values{"from": {"9999-01-01T00:00:00Z"}}, []string{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, limit := range []string{"1", "2", "200"} {
				query := url.Values{"limit": {limit}}
				for k, v := range test.query {
					query[k] = v
				}
				if got := w.subjects(test.who, query); !slices.Equal(got, test.want) {
					t.Errorf("by %s: got %v, want %v", limit, got, test.want)
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	w.note(lead, noon, audit.Entry{Type: "runbook.created", TeamID: "team_a", Subject: audit.Ref{Kind: "runbook", ID: "rb_a"}})
	w.note(lead, noon, audit.Entry{Type: "runbook.created", TeamID: "team_a", Subject: audit.Ref{Kind: "runbook", ID: "rb_a"}})
	_, page := w.get(lead, "?limit=1")
	cursor := page["nextCursor"].(string)
	tests := map[string]struct {
		who    principal.Principal
		query  string
		status int
		code   problem.Code
	}{
		"nobody":                      {principal.Principal{}, "", 401, problem.Unauthenticated},
		"an observer":                 {observer, "", 403, problem.Forbidden},
		"somebody of no team":         {nobody, "", 403, problem.Forbidden},
		"a time that is none":         {lead, "?from=yesterday", 422, problem.ValidationFailed},
		"a date":                      {lead, "?to=2026-03-01", 422, problem.ValidationFailed},
		"an end before its beginning": {lead, "?from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z", 422, problem.ValidationFailed},
		"a type that can be none":     {lead, "?type=Runbook", 422, problem.ValidationFailed},
		"limit 0":                     {lead, "?limit=0", 422, problem.ValidationFailed},
		"a cursor of another filter":  {lead, "?actor=usr_lead&cursor=" + cursor, 400, problem.CursorInvalid},
		"a cursor of another window":  {lead, "?from=2026-03-01T00:00:00Z&cursor=" + cursor, 400, problem.CursorInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status, body := w.get(test.who, test.query)
			if status != test.status || body["code"] != string(test.code) {
				t.Errorf("got %d %v, want %d %s", status, body, test.status, test.code)
			}
		})
	}
	if got := w.subjects(admin, url.Values{"type": {"access.denied"}}); !slices.Equal(got, []string{"/v1/audit", "/v1/audit"}) {
		t.Errorf("the two 403s on record: got %v", got)
	}
}

func TestDenials(t *testing.T) {
	w := newWorld(t)
	at := noon
	tell := audit.Denials(w.log, func() time.Time { at = at.Add(time.Second); return at })
	request := func(who principal.Principal, pattern, path string) *http.Request {
		r := httptest.NewRequestWithContext(as(t.Context(), who), "POST", path, nil)
		r.Pattern = pattern
		return r
	}
	const run = "rb_01ARZ3NDEKTSV4RRFFQ69G5FAV"
	refusal := &problem.Error{Status: 403, Code: "self_approval", Detail: "never shown", TeamID: "team_a"}
	for _, r := range []*http.Request{
		request(lead, "POST /v1/runbooks/{id}/versions/{n}/approve", "/v1/runbooks/"+run+"/versions/2/approve"),
		request(keyLead, "POST /v1/users", "/v1/users"),
		request(lead, "POST /v1/runbooks/{id}", "/v1/runbooks/rb_not-an-id"),
		request(principal.Principal{}, "POST /v1/users", "/v1/users"), // nobody: not recorded
	} {
		tell(r.Context(), r, refusal)
	}
	_, body := w.get(lead, "?type=access.denied")
	var got []audit.Ref
	for _, i := range body["items"].([]any) {
		e := i.(map[string]any)
		subject := e["subject"].(map[string]any)
		got = append(got, audit.Ref{Kind: subject["kind"].(string), ID: subject["id"].(string)})
		detail := e["detail"].(map[string]any)
		if e["outcome"] != "denied" || e["teamId"] != "team_a" || detail["code"] != "self_approval" || detail["method"] != "POST" || len(detail) != 3 {
			t.Errorf("got %v", e)
		}
	}
	want := []audit.Ref{{Kind: "route", ID: "/v1/runbooks/{id}"}, {Kind: "route", ID: "/v1/users"}, {Kind: "runbook", ID: run}}
	if !slices.Equal(got, want) {
		t.Errorf("subjects: got %v, want %v", got, want)
	}

	w.env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Conflict, Times: -1})
	r := request(lead, "POST /v1/users", "/v1/users")
	tell(r.Context(), r, refusal) // is logged, and does not stop anything
}

func TestTheFunctionThatShowsTheRecordCannotChangeIt(t *testing.T) {
	w := newWorld(t)
	w.note(lead, noon, audit.Entry{Type: "runbook.created", TeamID: "team_a", Subject: audit.Ref{Kind: "runbook", ID: "rb_a"}})
	table := dynamo.Table{Name: w.env.Table("AuditTable"), DB: dynamodb.NewFromConfig(w.env.ConfigOf("AuditFunction"))}
	_, body := w.get(lead, "")
	key := dynamo.Key{PK: "team#team_a", SK: body["items"].([]any)[0].(map[string]any)["id"].(string)}
	if err := dynamo.Commit(t.Context(), table.DB, table.Delete(key, dynamo.Present())); err == nil {
		t.Error("it deleted an event")
	}
	if got := w.subjects(lead, url.Values{}); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}
