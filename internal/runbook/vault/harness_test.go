package vault_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/infra/local/awstest"
	"pagefree/infra/openapi/contract"
	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/teams"
	"pagefree/internal/runbook/vault"
)

// world is one test's team, another team, their people, and everything that
// was said to anybody.
type world struct {
	t        *testing.T
	env      *awstest.Env
	service  *vault.Service
	resolver secret.Resolver // with all rights, as the test's own dispatcher
	tables   []dynamo.Table
	api      http.Handler
	contract *contract.Contract
	said     *bytes.Buffer // every answer, and every line of the log

	team, other string
	who         map[string]principal.Principal
}

type body map[string]any

// clock gives each reader a later millisecond.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Millisecond)
	return c.now
}

func newWorld(t *testing.T) *world {
	env := awstest.New(t)
	c := &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	w := &world{t: t, env: env, said: &bytes.Buffer{}, team: id.New(id.Team, c.Now()), other: id.New(id.Team, c.Now())}
	slog.SetDefault(slog.New(slog.NewJSONHandler(w.said, &slog.HandlerOptions{Level: slog.LevelDebug})))

	db := dynamodb.NewFromConfig(env.Config)
	own := env.ConfigOf("RunbooksFunction") // with its rights and no others
	ownDB, ownKeys := dynamodb.NewFromConfig(own), kms.NewFromConfig(own)
	automation, trail := env.Table("AutomationTable"), env.Table("AuditTable")
	w.tables = []dynamo.Table{{Name: automation, DB: db}, {Name: trail, DB: db}}
	ledger := audit.Log{Table: dynamo.Table{Name: trail, DB: ownDB}}
	w.service = &vault.Service{
		Store:   secret.Store{Table: dynamo.Table{Name: automation, DB: ownDB}},
		Key:     &secret.Key{ID: env.KeyID("SecretsKey"), Client: ownKeys},
		Audit:   ledger,
		Cursors: httpapi.NewCursors(kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: ownKeys}.Derive),
		Now:     c.Now,
	}
	w.resolver = secret.Resolver{Store: secret.Store{Table: w.tables[0]}, Key: &secret.Key{ID: w.service.Key.ID, Client: kms.NewFromConfig(env.Config)}}
	api := httpapi.New()
	vault.Routes(api, w.service)
	api.OnDenied(audit.Denials(ledger, c.Now))
	w.api, w.contract = api.Handler(), contract.Of(t, api)
	for _, team := range []string{w.team, w.other} {
		if err := dynamo.Commit(t.Context(), db, teams.Put(w.tables[0], team, "Team "+team)); err != nil {
			t.Fatal(err)
		}
	}
	person := func(name string, in map[string]principal.Role) principal.Principal {
		return principal.Principal{Kind: principal.User, ID: "usr_" + name, UserID: "usr_" + name, Teams: in}
	}
	in := func(role principal.Role) map[string]principal.Role { return map[string]principal.Role{w.team: role} }
	admin := person("admin", nil)
	admin.PlatformAdmin = true
	w.who = map[string]principal.Principal{
		"nobody": {}, "stranger": person("stranger", nil), "outsider": person("outsider", map[string]principal.Role{w.other: principal.TeamAdmin}),
		"observer": person("observer", in(principal.Observer)), "responder": person("responder", in(principal.Responder)),
		"lead": person("lead", in(principal.TeamAdmin)), "second": person("second", in(principal.TeamAdmin)), "admin": admin,
		"key": {Kind: principal.APIKey, ID: "key_lead", UserID: "usr_lead", Teams: in(principal.TeamAdmin)},
	}
	return w
}

type answer struct {
	*http.Response
	text string
	body map[string]any
}

func (a answer) str(member string) string { s, _ := a.body[member].(string); return s }

func (a answer) names() string {
	var all []string
	items, _ := a.body["items"].([]any)
	for _, item := range items {
		all = append(all, item.(map[string]any)["name"].(string))
	}
	return strings.Join(all, ",")
}

func (w *world) do(who, method, path string, in any, headers ...string) answer {
	w.t.Helper()
	var r io.Reader
	switch v := in.(type) {
	case nil:
	case string:
		r = strings.NewReader(v)
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			w.t.Fatal(err)
		}
		r = bytes.NewReader(raw)
	}
	ctx := principal.With(principal.WithOrigin(w.t.Context(), principal.Origin{IP: "192.0.2.7", RequestID: "5b2c1a52-0000-4000-8000-000000000000"}), w.who[who])
	req := httptest.NewRequestWithContext(ctx, method, path, r)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, req)
	a := answer{Response: rec.Result(), text: rec.Body.String()}
	w.contract.Check(w.t, req, rec)
	fmt.Fprintln(w.said, a.Header, a.text)
	if a.text != "" {
		if err := json.Unmarshal([]byte(a.text), &a.body); err != nil {
			w.t.Fatalf("%s %s answered what is no JSON: %s", method, path, a.text)
		}
	}
	return a
}

// must is do, for a call that has to answer status, and a code if it is an error.
func (w *world) must(status int, code, who, method, path string, in any, headers ...string) answer {
	w.t.Helper()
	a := w.do(who, method, path, in, headers...)
	if a.StatusCode != status || a.str("code") != code {
		w.t.Fatalf("%s %s as %s: got %d %s, want %d %s", method, path, who, a.StatusCode, a.text, status, code)
	}
	return a
}

// keep makes a secret of the team, by lead, and returns its path.
func (w *world) keep(name, value string) string {
	w.t.Helper()
	return "/v1/secrets/" + w.must(201, "", "lead", "POST", "/v1/secrets", body{"name": name, "teamId": w.team, "value": value}).str("id")
}

// value is what the dispatcher would get; "" where there is no such secret.
func (w *world) value(team, name string) string {
	w.t.Helper()
	got, err := w.resolver.Resolve(w.t.Context(), team, []string{name})
	if err != nil {
		return ""
	}
	return got[name]
}

// items are all items of all tables, keys and all, as text.
func (w *world) items() string {
	w.t.Helper()
	var all strings.Builder
	for _, table := range w.tables {
		pages := dynamodb.NewScanPaginator(table.DB, &dynamodb.ScanInput{TableName: &table.Name})
		for pages.HasMorePages() {
			page, err := pages.NextPage(w.t.Context())
			if err != nil {
				w.t.Fatal(err)
			}
			for _, item := range page.Items {
				var v map[string]any
				if err := dynamo.Decode(item, &v); err != nil {
					w.t.Fatal(err)
				}
				fmt.Fprintf(&all, "%v %s\n", v, v["ciphertext"]) // bytes as numbers, and as they are
			}
		}
	}
	return all.String()
}

// status is do for several goroutines at once: nothing of the answer is collected.
func (w *world) status(who, method, path string, in any) int {
	raw, err := json.Marshal(in)
	if err != nil {
		w.t.Error(err)
	}
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, httptest.NewRequestWithContext(principal.With(w.t.Context(), w.who[who]), method, path, bytes.NewReader(raw)))
	return rec.Code
}

// echo is KMS with its encryption off: it answers with what it was given.
type echo struct{}

func (echo) RoundTrip(r *http.Request) (*http.Response, error) {
	var in struct{ Plaintext string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	out := io.NopCloser(strings.NewReader(`{"CiphertextBlob":"` + in.Plaintext + `"}`))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Body: out, Request: r}, nil
}
