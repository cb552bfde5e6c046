package signin_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/infra/local/awstest"
	"pagefree/infra/local/ses"
	"pagefree/internal/audit"
	"pagefree/internal/identity"
	"pagefree/internal/identity/linkmail"
	"pagefree/internal/partner"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/web/signin"
)

const (
	host     = "pagefree.test"
	html     = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	admin    = "admin@pagefree.test"
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

// world is sign-in as it is deployed: its functions, each with its own rights,
// the people of PageFree and the persons of partners.
type world struct {
	*testing.T
	env        *awstest.Env
	clock      *clock
	authorizer *identity.Authorizer
	operator   *identity.Links
	sessions   *identity.SignIn
	sender     *linkmail.Sender
	mails      queue.Queue
	function   func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error)
	status     dynamo.Table // with all rights, as the tables below
	ephemeral  dynamo.Table
	audit      dynamo.Table
	source     string // the address that requests come from
}

func (w *world) in(t *testing.T) *world {
	own := *w
	own.T = t
	return &own
}

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
	partners := func(cfg aws.Config) partner.Directory {
		return partner.Directory{Store: partner.Store{Table: table(cfg, "StatusTable")}}
	}
	at, err := origin.Parse("https://" + host)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, env: env, clock: c, source: "192.0.2.7",
		status: table(env.Config, "StatusTable"), ephemeral: table(env.Config, "EphemeralTable"), audit: table(env.Config, "AuditTable")}
	cfg := env.ConfigOf("SigninLinkFunction")
	w.operator = &identity.Links{Store: store(cfg), Audit: audit.Log{Table: table(cfg, "AuditTable")}, FirstAdmin: admin, Origin: origin.NewSource(at, nil), Now: c.now}

	cfg = env.ConfigOf("AuthorizerFunction")
	w.authorizer = &identity.Authorizer{
		Store: store(cfg), Status: table(cfg, "StatusTable"), Idle: 2 * time.Hour, Site: at.Site(),
		UsageKey: "plan", Partners: "partners", Nobody: "nobody", Now: c.now,
	}

	cfg = env.ConfigOf("SigninFunction")
	w.mails = queue.Queue{URL: env.QueueURL("MailQueue"), Client: sqs.NewFromConfig(cfg)}
	sessions := &identity.SignIn{
		Store: store(cfg), Partners: partners(cfg), Audit: audit.Log{Table: table(cfg, "AuditTable")},
		Limiter: ratelimit.Limiter{Table: table(cfg, "EphemeralTable"), Now: c.now},
		Rates:   &ratelimit.Leases{Table: table(cfg, "EphemeralTable"), Now: c.now, Within: 10 * time.Second},
		Ceiling: ratelimit.Limit{Burst: 1000, Period: 15 * time.Minute}, Count: func(string, int) {}, Outbox: w.mails, Lifetime: lifetime, Now: c.now,
	}
	w.sessions = sessions
	api := httpapi.New()
	identity.AuthRoutes(api, sessions)
	signin.Routes(api, sessions, at)
	edge, err := httpapi.ParseEdge(originSecret)
	if err != nil {
		t.Fatal(err)
	}
	w.function = httpapi.Lambda(api.Handler(), edge)

	cfg = env.ConfigOf("SigninMailFunction")
	links := &identity.Links{
		Store: store(cfg), Partners: partners(cfg), Audit: audit.Log{Table: table(cfg, "AuditTable")},
		FirstAdmin: admin, Origin: origin.NewSource(at, nil), Now: c.now,
	}
	w.sender = &linkmail.Sender{Links: links, SES: sesv2.NewFromConfig(cfg), From: "pagefree@pagefree.test", Now: c.now}
	return w
}

// originSecret is what the function shares with the distribution.
const originSecret = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL"

// browser is what keeps cookies; the zero one is a fresh browser.
type browser struct{ cookies []*http.Cookie }

// answer is what came back.
type answer struct {
	status  int
	header  http.Header
	body    string
	cookies []*http.Cookie // that it set
}

// text is a member of a JSON body, by its path.
func (a answer) text(path string) string {
	var v any
	if json.Unmarshal([]byte(a.body), &v) != nil {
		return ""
	}
	for part := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[part]
	}
	s, _ := v.(string)
	return s
}

// do sends a request from a browser, or from a program where that is nil, to
// the sign-in function.
func (w *world) do(b *browser, method, target string, h http.Header, body string, as map[string]any) answer {
	w.Helper()
	path, query, _ := strings.Cut(target, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		w.Fatal(err)
	}
	if h == nil {
		h = http.Header{}
	}
	h["x-pagefree-origin"] = []string{originSecret}
	if b != nil {
		for _, c := range b.cookies {
			h.Add("Cookie", c.Name+"="+c.Value)
		}
	}
	out, err := w.function(w.Context(), events.APIGatewayProxyRequest{
		HTTPMethod: method, Path: path, MultiValueHeaders: h, MultiValueQueryStringParameters: values, Body: body,
		RequestContext: events.APIGatewayProxyRequestContext{
			DomainName: host, RequestID: "11111111-2222-3333-4444-555555555555", Authorizer: as,
			Identity: events.APIGatewayRequestIdentity{SourceIP: w.source, UserAgent: "Firefox/999"},
		},
	})
	if err != nil {
		w.Fatal(err)
	}
	a := answer{status: out.StatusCode, header: out.MultiValueHeaders, body: out.Body}
	a.cookies = (&http.Response{Header: a.header}).Cookies()
	if b != nil {
		for _, c := range a.cookies {
			b.cookies = append(slices.DeleteFunc(b.cookies, func(old *http.Cookie) bool { return old.Name == c.Name }), c)
		}
	}
	return a
}

func (w *world) get(b *browser, target string) answer {
	w.Helper()
	return w.do(b, http.MethodGet, target, http.Header{"Accept": {html}}, "", nil)
}

func (w *world) post(b *browser, form url.Values) answer {
	w.Helper()
	return w.do(b, http.MethodPost, "/signin", http.Header{"Accept": {html}, "Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {"same-origin"}}, form.Encode(), nil)
}

// call is a program's request of the API.
func (w *world) call(path string, body map[string]string, h http.Header) answer {
	w.Helper()
	if h == nil {
		h = http.Header{}
	}
	h.Set("Content-Type", "application/json")
	raw, err := json.Marshal(body)
	if err != nil {
		w.Fatal(err)
	}
	return w.do(nil, http.MethodPost, path, h, string(raw), nil)
}

func (w *world) verify(token string) answer {
	w.Helper()
	return w.call("/v1/auth/verify", map[string]string{"token": token}, nil)
}

// want fails the test unless the answer is a problem of a status and a code, or
// with code "" any answer of the status.
func (w *world) want(a answer, status int, code string) answer {
	w.Helper()
	if a.status != status || code != "" && a.text("code") != code {
		w.Fatalf("got %d, want %d %q: %s", a.status, status, code, a.body)
	}
	return a
}

// mailed asks for a link as a program does, and returns the mail that comes.
func (w *world) mailed(email, next string) ses.Mail {
	w.Helper()
	w.want(w.call("/v1/auth/magic-link", map[string]string{"email": email, "next": next}, nil), http.StatusAccepted, "")
	mails := w.deliver()
	if len(mails) != 1 || mails[0].To != email {
		w.Fatalf("got mails %+v, want one to %s", mails, email)
	}
	return mails[0]
}

// deliver lets the mail function handle all that waits, and returns what it sent.
func (w *world) deliver() []ses.Mail {
	w.Helper()
	before := len(w.env.Mail())
	client := sqs.NewFromConfig(w.env.Config)
	for {
		got, err := client.ReceiveMessage(w.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.mails.URL, MaxNumberOfMessages: 10})
		if err != nil {
			w.Fatal(err)
		}
		if len(got.Messages) == 0 {
			all := w.env.Mail()
			return all[:len(all)-before]
		}
		var batch events.SQSEvent
		for _, m := range got.Messages {
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

// secretOf is the secret in a link, by the name of its query parameter.
func secretOf(t *testing.T, link, name string) string {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil || u.Query().Get(name) == "" {
		t.Fatalf("%q has no %s", link, name)
	}
	return u.Query().Get(name)
}

// authorize asks the authorizer about a request.
func (w *world) authorize(resource, method, target string, h http.Header) events.APIGatewayCustomAuthorizerResponse {
	w.Helper()
	path, query, _ := strings.Cut(target, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		w.Fatal(err)
	}
	r := identity.AuthorizerRequest{
		MethodArn: "arn:aws:execute-api:us-east-1:000000000000:abc/prod/" + method + path, Resource: resource, Path: path,
		HTTPMethod: method, MultiValueHeaders: h, MultiValueQuery: values,
	}
	r.RequestContext.DomainName = host
	v, err := w.authorizer.Handle(w.Context(), r)
	if err != nil {
		w.Fatal("the authorizer failed:", err)
	}
	return v
}

// looker is the partner whom the authorizer finds behind a bearer secret at the pages.
func (w *world) looker(secret, target string) principal.Principal {
	w.Helper()
	v := w.authorize("/status/{proxy+}", http.MethodGet, target, http.Header{"Authorization": {"Bearer " + secret}})
	raw, _ := v.Context["principal"].(string)
	var p principal.Principal
	if raw != "" {
		if err := json.Unmarshal([]byte(raw), &p); err != nil {
			w.Fatal(err)
		}
	}
	return p
}

func operatorRequest(email string) identity.OperatorRequest {
	return identity.OperatorRequest{Email: email}
}

// deactivate ends the user of an address.
func (w *world) deactivate(email string) {
	w.Helper()
	table := dynamo.Table{Name: w.env.Table("IdentityTable"), DB: w.status.DB}
	var at struct {
		Owner string `dynamodbav:"owner"`
	}
	if found, err := table.Get(w.Context(), dynamo.Key{PK: "email#" + email, SK: "email"}, &at); err != nil || !found {
		w.Fatal(found, err)
	}
	op := table.Update(dynamo.Key{PK: "usr#" + at.Owner, SK: "user"}, expression.Set(expression.Name("active"), expression.Value(false)), dynamo.Present())
	if err := dynamo.Commit(w.Context(), table.DB, op); err != nil {
		w.Fatal(err)
	}
}

func jsonSize(t *testing.T, v any) int {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return len(raw)
}
