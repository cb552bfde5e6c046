package integration_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/infra/local/awstest"
	"pagefree/infra/local/roomtest"
	"pagefree/internal/audit"
	"pagefree/internal/incident"
	"pagefree/internal/incident/hook"
	"pagefree/internal/incident/integration"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/teams"
)

// world is one test's PageFree: a team with a service, another team, and the
// three functions, each with its own rights.
type world struct {
	t     *testing.T
	env   *awstest.Env
	clock *roomtest.Clock
	all   dynamo.Table // the automation table, with every right
	audit dynamo.Table

	service *integration.Service
	door    *integration.Door
	taker   *integration.Taker
	sweeper *due.Sweeper   // of the function alerts
	desk    *incident.Desk // staff's, for what incidents there are
	staff   roomtest.API
	hooks   roomtest.API

	team, other, svc, foreign string
	who                       map[string]principal.Principal
	confirmed                 []hook.Confirmation
}

func newWorld(t *testing.T) *world {
	env := awstest.New(t)
	all := dynamodb.NewFromConfig(env.Config)
	w := &world{
		t: t, env: env, clock: roomtest.NewClock(time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)), // the engine deletes what is past its TTL
		all: dynamo.Table{Name: env.Table("AutomationTable"), DB: all}, audit: dynamo.Table{Name: env.Table("AuditTable"), DB: all},
	}
	of := func(function string) (*dynamodb.Client, *kms.Client) {
		own := env.ConfigOf(function)
		return dynamodb.NewFromConfig(own), kms.NewFromConfig(own)
	}
	store := func(db *dynamodb.Client) integration.Store {
		return integration.Store{Table: dynamo.Table{Name: w.all.Name, DB: db}, Retention: 30 * 24 * time.Hour}
	}
	ledger := func(db *dynamodb.Client) audit.Log { return audit.Log{Table: dynamo.Table{Name: w.audit.Name, DB: db}} }

	db, keys := of("IntegrationsFunction")
	at, err := origin.Parse("https://pagefree.example.com")
	if err != nil {
		t.Fatal(err)
	}
	w.service = &integration.Service{
		Store: store(db), Services: incident.Store{Table: store(db).Table}, Providers: hook.Of,
		Key:     &secret.Key{ID: env.KeyID("SecretsKey"), Client: keys},
		Origin:  func(context.Context) (origin.Origin, error) { return at, nil },
		Cursors: httpapi.NewCursors(kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: keys}.Derive),
		Audit:   ledger(db), Now: w.clock.Now,
	}
	api := httpapi.New()
	integration.Routes(api, w.service)
	api.OnDenied(audit.Denials(w.service.Audit, w.clock.Now))
	w.staff = roomtest.New(t, api)

	db, keys = of("HooksFunction")
	w.door = &integration.Door{
		Store: store(db), Seen: integration.Seen{Table: dynamo.Table{Name: env.Table("EphemeralTable"), DB: db}},
		Key:          &secret.Key{ID: env.KeyID("SecretsKey"), Client: keys},
		Providers:    hook.Of,
		Confirm:      func(_ context.Context, c hook.Confirmation) error { w.confirmed = append(w.confirmed, c); return nil },
		Confirmation: hook.ConfirmationOf,
		Queue:        queue.Queue{URL: env.QueueURL("AlertsQueue"), Client: sqs.NewFromConfig(env.ConfigOf("HooksFunction"))},
		Now:          w.clock.Now,
	}
	api = httpapi.New()
	integration.HookRoutes(api, w.door)
	w.hooks = roomtest.New(t, api)

	db, _ = of("AlertsFunction")
	w.taker = &integration.Taker{
		Store: store(db), Now: w.clock.Now,
		Desk: &incident.Desk{Store: incident.Store{Table: store(db).Table}, Audit: ledger(db), Now: w.clock.Now},
	}
	w.sweeper = &due.Sweeper{
		Table: store(db).Table, Lane: due.Alerts, Handle: w.taker.Due, GivenUp: w.taker.GivenUp, Within: integration.Within, Now: w.clock.Now, Metrics: io.Discard,
	}

	w.team, w.other = id.New(id.Team, w.clock.Now()), id.New(id.Team, w.clock.Now())
	for _, team := range []string{w.team, w.other} {
		if err := dynamo.Commit(t.Context(), all, teams.Put(w.all, team, "Team "+team)); err != nil {
			t.Fatal(err)
		}
	}
	person := func(name string, in map[string]principal.Role) principal.Principal {
		return principal.Principal{Kind: principal.User, ID: "usr_" + name, UserID: "usr_" + name, Email: name + "@pagefree.test", Teams: in}
	}
	key := func(role principal.Role) principal.Principal {
		return principal.Principal{Kind: principal.APIKey, ID: "key_" + string(role), UserID: "usr_maker", Teams: map[string]principal.Role{w.team: role}}
	}
	admin := person("admin", nil)
	admin.PlatformAdmin = true
	w.who = map[string]principal.Principal{
		"nobody":         {},
		"outsider":       person("outsider", map[string]principal.Role{w.other: principal.TeamAdmin}),
		"observer":       person("observer", map[string]principal.Role{w.team: principal.Observer}),
		"responder":      person("responder", map[string]principal.Role{w.team: principal.Responder}),
		"lead":           person("lead", map[string]principal.Role{w.team: principal.TeamAdmin}),
		"observer's key": key(principal.Observer), "responder's key": key(principal.Responder), "lead's key": key(principal.TeamAdmin),
		"admin": admin,
	}
	w.desk = &incident.Desk{Store: incident.Store{Table: w.all}, Audit: ledger(all), Cursors: w.service.Cursors, Now: w.clock.Now}
	w.svc, w.foreign = w.newService("lead", w.team), w.newService("outsider", w.other)
	return w
}

func (w *world) newService(who, team string) string {
	w.t.Helper()
	v, err := w.desk.CreateService(roomtest.As(w.t.Context(), w.who[who]), incident.NewService{Name: "Checkout", TeamID: team})
	if err != nil {
		w.t.Fatal(err)
	}
	return v.ID
}

// answer is what came back.
type answer struct{ roomtest.Answer }

func (a answer) code() string { return a.Str("code") }
func (a answer) id() string   { return a.Str("id") }

// as calls the staff's API as somebody.
func (w *world) as(who, method, path string, body any, headers ...string) answer {
	w.t.Helper()
	p, ok := w.who[who]
	if !ok {
		w.t.Fatalf("nobody is called %q", who)
	}
	return answer{w.staff.Call(roomtest.As(context.Background(), p), w.t, method, path, body, headers...)}
}

// must is as, for a call that has to answer status.
func (w *world) must(status int, who, method, path string, body any, headers ...string) answer {
	w.t.Helper()
	a := w.as(who, method, path, body, headers...)
	if a.StatusCode != status {
		w.t.Fatalf("%s %s as %s: got %d %s, want %d", method, path, who, a.StatusCode, a.Text, status)
	}
	return a
}

// sender is an integration, with what its monitoring system knows of it.
type sender struct {
	w      *world
	id     string
	secret string
}

// connect makes an integration of a provider; more are members of its body besides.
func (w *world) connect(provider string, more ...any) sender {
	w.t.Helper()
	body := map[string]any{"name": provider, "provider": provider, "teamId": w.team, "serviceId": w.svc}
	for i := 0; i+1 < len(more); i += 2 {
		body[more[i].(string)] = more[i+1]
	}
	a := w.must(201, "lead", "POST", "/v1/integrations", body)
	given, _ := body["secret"].(string)
	if given == "" {
		given = a.Str("secret")
	}
	return sender{w: w, id: a.id(), secret: given}
}

func (s sender) path() string { return "/v1/integrations/" + s.id }

// post delivers a body as it is, with headers.
func (s sender) post(body string, headers ...string) answer {
	s.w.t.Helper()
	if headers == nil || headers[0] != "Content-Type" {
		headers = append([]string{"Content-Type", "application/json"}, headers...)
	}
	ctx := principal.WithOrigin(context.Background(), principal.Origin{IP: "198.51.100.4", RequestID: roomtest.RequestID})
	return answer{s.w.hooks.Call(ctx, s.w.t, "POST", "/v1/hooks/"+s.id, body, headers...)}
}

// bearer delivers a body with the secret.
func (s sender) bearer(body string, headers ...string) answer {
	s.w.t.Helper()
	return s.post(body, append([]string{"Authorization", "Bearer " + s.secret}, headers...)...)
}

// signed delivers a body by Standard Webhooks, under an id, at a time.
func (s sender) signed(name, body string, at time.Time) answer {
	s.w.t.Helper()
	return s.post(body, s.sign(name, body, at)...)
}

func (s sender) sign(name, body string, at time.Time) []string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.secret, "whsec_"))
	if err != nil {
		s.w.t.Fatal(err)
	}
	stamp := fmt.Sprint(at.Unix())
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%s.%s.%s", name, stamp, body)
	return []string{"webhook-id", name, "webhook-timestamp", stamp, "webhook-signature", "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))}
}

// github delivers a body signed as GitHub does.
func (s sender) github(body string, headers ...string) answer {
	s.w.t.Helper()
	h := hmac.New(sha256.New, []byte(s.secret))
	h.Write([]byte(body))
	return s.post(body, append([]string{"X-Hub-Signature-256", "sha256=" + hex.EncodeToString(h.Sum(nil))}, headers...)...)
}

// alert is a body of generic; key may be "".
func alert(status, key string) string {
	body := map[string]any{"title": "Disk almost full", "severity": "P2", "status": status, "labels": map[string]string{"host": "db-1"}}
	if key != "" {
		body["dedupKey"] = key
	}
	raw, _ := json.Marshal(body)
	return string(raw)
}

func gzipped(s string) string {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write([]byte(s))
	z.Close()
	return out.String()
}

// accepted fails the test where a delivery was not accepted as new.
func (w *world) accepted(a answer) {
	w.t.Helper()
	if a.StatusCode != 202 || a.Body["accepted"] != true || a.Body["duplicate"] != false {
		w.t.Fatalf("got %d %s, want it accepted", a.StatusCode, a.Text)
	}
}

// records are the messages that wait in a queue, as an event of Lambda.
func (w *world) records() events.SQSEvent {
	w.t.Helper()
	client := sqs.NewFromConfig(w.env.Config)
	url := w.env.QueueURL("AlertsQueue")
	var batch events.SQSEvent
	for {
		out, err := client.ReceiveMessage(w.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
		if err != nil {
			w.t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return batch
		}
		for _, m := range out.Messages {
			batch.Records = append(batch.Records, events.SQSMessage{MessageId: *m.MessageId, Body: *m.Body})
			if _, err := client.DeleteMessage(w.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// take handles what waits in the queue, and fails the test where that failed.
func (w *world) take() {
	w.t.Helper()
	if failed := w.taker.Batch(w.t.Context(), w.records()).BatchItemFailures; len(failed) > 0 {
		w.t.Fatalf("%d messages were not handled", len(failed))
	}
}

// sweep lets a minute pass and handles what is due.
func (w *world) sweep() {
	w.t.Helper()
	w.clock.Advance(time.Minute)
	if err := w.sweeper.Sweep(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// incidents lists those of the service, newest first.
func (w *world) incidents() []incident.Incident {
	w.t.Helper()
	list, _, err := w.desk.List(roomtest.As(w.t.Context(), w.who["lead"]), incident.Filter{}, httpapi.Page{Limit: 2000})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// deliveries lists those of an integration, newest first.
func (s sender) deliveries() []map[string]any {
	s.w.t.Helper()
	return s.w.must(200, "lead", "GET", s.path()+"/deliveries?limit=200", nil).Items()
}

func keyOf(pk, sk string) dynamo.Key { return dynamo.Key{PK: pk, SK: sk} }

// count is how many items a partition of the automation table has.
func (w *world) count(pk string) int {
	w.t.Helper()
	items, _, err := dynamo.List(w.t.Context(), w.all, dynamo.Query{Values: []string{pk}, Sort: dynamo.SK, Limit: 5000}, func(i struct {
		SK string `dynamodbav:"sk"`
	}) string {
		return i.SK
	}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(items)
}

// due is how many deliveries are to be handled still.
func (w *world) due() int {
	n := 0
	for shard := range 8 {
		n += w.count(fmt.Sprintf("alert#%d", shard))
	}
	return n
}

// recorded lists the audit events of integrations since a time, oldest first.
func (w *world) recorded(since time.Time) []audit.Event {
	w.t.Helper()
	q := dynamo.Query{Index: "byKind", Values: []string{"audit"}, Sort: "id", From: id.Floor(id.Audit, since), Limit: 1000, Oldest: true}
	list, _, err := dynamo.List(w.t.Context(), w.audit, q, func(e audit.Event) string { return e.ID }, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// desk stands before the real one and fails when it is told to.
type desk struct {
	integration.Desk
	mu     sync.Mutex
	before func(incident.From, incident.Alert) error // it fails with this
	after  func(incident.From) error                 // once it was taken
	taken  int
}

var errDesk = errors.New("the desk is closed")

func (d *desk) Take(ctx context.Context, from incident.From, a incident.Alert) (incident.Taken, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.before != nil {
		if err := d.before(from, a); err != nil {
			return incident.Taken{}, err
		}
	}
	taken, err := d.Desk.Take(ctx, from, a)
	d.taken++
	if err == nil && d.after != nil {
		err = d.after(from)
	}
	return taken, err
}
