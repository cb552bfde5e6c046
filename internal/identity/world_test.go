package identity_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/infra/local/awstest"
	"pagefree/internal/audit"
	"pagefree/internal/identity"
	"pagefree/internal/identity/linkmail"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/ratelimit"
)

const (
	host     = "api.pagefree.test"
	idle     = 2 * time.Hour
	lifetime = 24 * time.Hour
)

// clock is the time of a world; it moves when a test says so.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// world is the people's functions, each with the rights that template.yaml
// gives it, behind the authorizer.
type world struct {
	*testing.T
	env        *awstest.Env
	clock      *clock
	authorizer *identity.Authorizer
	operator   *identity.Links
	signer     *identity.SignIn
	sender     *linkmail.Sender
	people     func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error)
	auth       func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error)
	mails      queue.Queue
}

// ceiling limits the links that everybody together may ask for.
func (w *world) ceiling(n int) { w.signer.Ceiling.Burst = n }

// in is the world for a subtest.
func (w *world) in(t *testing.T) *world {
	own := *w
	own.T = t
	return &own
}

const adminEmail = "admin@pagefree.test"

func newWorld(t *testing.T) *world {
	t.Helper()
	log.Setup(io.Discard, "test")
	env := awstest.New(t)
	c := &clock{at: time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)} // to come, or an engine that deletes by TTL would
	table := func(cfg aws.Config, id string) dynamo.Table {
		return dynamo.Table{Name: env.Table(id), DB: dynamodb.NewFromConfig(cfg)}
	}
	store := func(cfg aws.Config) identity.Store {
		return identity.Store{Identity: table(cfg, "IdentityTable"), Ephemeral: table(cfg, "EphemeralTable")}
	}
	at, err := origin.Parse("https://" + host)
	if err != nil {
		t.Fatal(err)
	}
	links := func(cfg aws.Config) *identity.Links {
		return &identity.Links{
			Store: store(cfg), Audit: audit.Log{Table: table(cfg, "AuditTable")},
			FirstAdmin: adminEmail, Origin: origin.NewSource(at, nil), Now: c.now,
		}
	}
	w := &world{T: t, env: env, clock: c, operator: links(env.ConfigOf("SigninLinkFunction"))}

	w.authorizer = &identity.Authorizer{Store: store(env.ConfigOf("AuthorizerFunction")), Idle: idle, Site: at.Site(), UsageKey: "plan", Partners: "partners", Nobody: "nobody", Limited: "limited", Now: c.now}
	rates := &ratelimit.Leases{Table: table(env.ConfigOf("AuthorizerFunction"), "EphemeralTable"), Now: c.now, Within: 10 * time.Second}
	wide := ratelimit.Limits{Caller: ratelimit.Limit{Burst: 10_000, Period: time.Second}, Source: ratelimit.Limit{Burst: 100_000, Period: time.Second}}
	w.authorizer.Tiers = identity.Tiers{Staff: wide.Open("api", rates, nil), Partner: wide.Open("partner", rates, nil), Public: wide.Open("public", rates, nil)}

	cfg := env.ConfigOf("IdentityFunction")
	ledger := audit.Log{Table: table(cfg, "AuditTable")}
	api := httpapi.New()
	api.OnDenied(audit.Denials(ledger, c.now))
	derive := kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: kms.NewFromConfig(cfg)}
	identity.Routes(api, &identity.Service{
		Store: identity.Store{Identity: table(cfg, "IdentityTable")}, Automation: table(cfg, "AutomationTable"), Audit: ledger, Now: c.now,
	}, httpapi.NewCursors(derive.Derive))
	w.people = httpapi.Lambda(api.Handler(), httpapi.Edge{})

	cfg = env.ConfigOf("SigninFunction")
	ephemeral := table(cfg, "EphemeralTable")
	w.mails = queue.Queue{URL: env.QueueURL("MailQueue"), Client: sqs.NewFromConfig(cfg)}
	api = httpapi.New()
	w.signer = &identity.SignIn{
		Store: store(cfg), Audit: audit.Log{Table: table(cfg, "AuditTable")}, Limiter: ratelimit.Limiter{Table: ephemeral, Now: c.now},
		Rates:   &ratelimit.Leases{Table: ephemeral, Now: c.now, Within: 10 * time.Second},
		Ceiling: ratelimit.Limit{Burst: 1000, Period: 15 * time.Minute}, Count: func(string, int) {},
		Outbox: w.mails, Lifetime: lifetime, Now: c.now,
	}
	identity.AuthRoutes(api, w.signer)
	w.auth = httpapi.Lambda(api.Handler(), httpapi.Edge{})

	cfg = env.ConfigOf("SigninMailFunction")
	w.sender = &linkmail.Sender{Links: links(cfg), SES: sesv2.NewFromConfig(cfg), From: "pagefree@pagefree.test", Now: c.now}
	return w
}

// request is one call of the API: "POST /v1/users".
type request struct {
	route  string
	as     string // a bearer secret
	body   any    // sent as JSON, a string as it is
	header http.Header
	ip     string
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// text is a member of the body, by its path: "session.token", "items.0.id".
func (a answer) text(path string) string {
	var v any
	if json.Unmarshal(a.body, &v) != nil {
		return ""
	}
	for part := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[part]
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(at) {
				return ""
			}
			v = at[i]
		default:
			return ""
		}
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func (a answer) code() string { return a.text("code") }

// items is how many items a list has.
func (a answer) items() int {
	var list struct{ Items []any }
	if json.Unmarshal(a.body, &list) != nil {
		return -1
	}
	return len(list.Items)
}

// do sends a request through the authorizer, as API Gateway would.
func (w *world) do(r request) answer {
	w.Helper()
	method, target, _ := strings.Cut(r.route, " ")
	path, query, _ := strings.Cut(target, "?")
	h := http.Header{"Content-Type": {"application/json"}}
	if r.as != "" {
		h.Set("Authorization", "Bearer "+r.as)
	}
	for name, values := range r.header {
		h[name] = values
	}
	var body []byte
	switch v := r.body.(type) {
	case nil:
	case string:
		body = []byte(v)
	default:
		var err error
		if body, err = json.Marshal(v); err != nil {
			w.Fatal(err)
		}
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		w.Fatal(err)
	}
	event := events.APIGatewayProxyRequest{
		HTTPMethod: method, Path: path, MultiValueHeaders: h, MultiValueQueryStringParameters: values, Body: string(body),
		RequestContext: events.APIGatewayProxyRequestContext{
			DomainName: host, RequestID: "11111111-2222-3333-4444-555555555555",
			Identity: events.APIGatewayRequestIdentity{SourceIP: r.ip},
		},
	}
	open := strings.HasPrefix(path, "/v1/auth/")
	if !open || path == "/v1/auth/sign-out" {
		verdict := w.authorize(method, h)
		if verdict.PolicyDocument.Statement[0].Effect != "Allow" {
			return answer{status: http.StatusUnauthorized, body: must(json.Marshal(verdict.Context))}
		}
		event.RequestContext.Authorizer = verdict.Context
	}
	function := w.people
	if open {
		function = w.auth
	}
	out, err := function(w.Context(), event)
	if err != nil {
		w.Fatal(err)
	}
	return answer{status: out.StatusCode, header: out.MultiValueHeaders, body: []byte(out.Body)}
}

func (w *world) authorize(method string, h http.Header) events.APIGatewayCustomAuthorizerResponse {
	w.Helper()
	r := identity.AuthorizerRequest{
		MethodArn: "arn:aws:execute-api:us-east-1:000000000000:abc/prod/" + method + "/v1/me", HTTPMethod: method, MultiValueHeaders: h,
	}
	r.RequestContext.DomainName = host
	verdict, err := w.authorizer.Handle(w.Context(), r)
	if err != nil {
		w.Fatal("the authorizer failed:", err)
	}
	return verdict
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// want fails the test unless the answer has the status and the code.
func (w *world) want(a answer, status int, code string) answer {
	w.Helper()
	if a.status != status || a.code() != code {
		w.Fatalf("got %d %q, want %d %q: %s", a.status, a.code(), status, code, a.body)
	}
	return a
}

// link makes a link for an address, as an operator does, and returns its token.
func (w *world) link(email string) string {
	w.Helper()
	out, err := w.operator.ForOperator(w.Context(), identity.OperatorRequest{Email: email})
	if err != nil {
		w.Fatal(err)
	}
	return tokenOf(w.T, out.Link)
}

func operatorRequest(email string) identity.OperatorRequest {
	return identity.OperatorRequest{Email: email}
}

func tokenOf(t *testing.T, link string) string {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil || u.Query().Get("token") == "" {
		t.Fatalf("%q is no sign-in link", link)
	}
	return u.Query().Get("token")
}

// signIn opens a session and returns its secret.
func (w *world) signIn(email string) string {
	w.Helper()
	return w.want(w.verify(w.link(email)), http.StatusOK, "").text("session.token")
}

func (w *world) verify(token string) answer {
	w.Helper()
	return w.do(request{route: "POST /v1/auth/verify", body: map[string]string{"token": token}})
}

// hire makes a user, and gives them a role in a team unless that is empty.
func (w *world) hire(admin, name, team, role string) (id, session string) {
	w.Helper()
	email := name + "@pagefree.test"
	id = w.want(w.do(request{route: "POST /v1/users", as: admin, body: map[string]any{"email": email, "name": name}}), http.StatusCreated, "").text("id")
	if role != "" {
		w.join(admin, team, id, role)
	}
	return id, w.signIn(email)
}

func (w *world) join(as, team, user, role string) answer {
	w.Helper()
	return w.want(w.member(as, team, user, role), http.StatusOK, "")
}

func (w *world) member(as, team, user, role string) answer {
	w.Helper()
	return w.do(request{route: "PUT /v1/teams/" + team + "/members/" + user, as: as, body: map[string]string{"role": role}})
}

func (w *world) team(admin, name string) string {
	w.Helper()
	return w.want(w.do(request{route: "POST /v1/teams", as: admin, body: map[string]string{"name": name}}), http.StatusCreated, "").text("id")
}

func (w *world) key(as, team, role string) (id, secret string) {
	w.Helper()
	a := w.want(w.do(request{route: "POST /v1/api-keys", as: as, body: map[string]string{"name": "ci", "teamId": team, "role": role}}), http.StatusCreated, "")
	return a.text("id"), a.text("key")
}

// deliver lets the mail function handle all that waits, and counts it.
func (w *world) deliver() int {
	w.Helper()
	client, n := sqs.NewFromConfig(w.env.Config), 0
	for {
		got, err := client.ReceiveMessage(w.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.mails.URL, MaxNumberOfMessages: 10})
		if err != nil {
			w.Fatal(err)
		}
		if len(got.Messages) == 0 {
			return n
		}
		var batch events.SQSEvent
		for _, m := range got.Messages {
			n++
			batch.Records = append(batch.Records, events.SQSMessage{MessageId: *m.MessageId, Body: *m.Body})
			if _, err := client.DeleteMessage(w.Context(), &sqs.DeleteMessageInput{QueueUrl: &w.mails.URL, ReceiptHandle: m.ReceiptHandle}); err != nil {
				w.Fatal(err)
			}
		}
		if failed := queue.Each(w.Context(), batch, w.sender.Handle).BatchItemFailures; len(failed) > 0 {
			w.Fatalf("%d mails were not handled", len(failed))
		}
	}
}

// record is the types of the audit events about a subject, oldest first.
func (w *world) record(subject string) []string {
	w.Helper()
	table := dynamo.Table{Name: w.env.Table("AuditTable"), DB: dynamodb.NewFromConfig(w.env.Config)}
	list, _, err := dynamo.List(w.Context(), table,
		dynamo.Query{Index: "bySubject", Values: []string{"subject#" + subject}, Sort: "id", Limit: 200, Oldest: true},
		func(e audit.Event) string { return e.ID }, nil)
	if err != nil {
		w.Fatal(err)
	}
	types := []string{}
	for _, e := range list {
		types = append(types, e.Type)
		if text := must(json.Marshal(e)); bytes.Contains(text, []byte("pfs_")) || bytes.Contains(text, []byte("pfl_")) {
			w.Errorf("an event holds a secret: %s", text)
		}
	}
	return types
}
