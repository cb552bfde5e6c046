package integrations_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
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
	"pagefree/internal/incident/hook"
	"pagefree/internal/incident/integration"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/teams"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/integrations"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	os.Exit(m.Run())
}

// world is one test's PageFree: two teams with a service each, and the pages with the rights of their function.
type world struct {
	t     *testing.T
	site  *consoletest.Site
	links *integration.Service
	door  *integration.Door
	clock *roomtest.Clock

	team, other, svc, foreign string
	who                       map[string]principal.Principal
}

type silent struct{}

func (silent) Send(context.Context, any) error { return nil }

func newWorld(t *testing.T) *world {
	t.Helper()
	env := awstest.New(t)
	all, cfg := dynamodb.NewFromConfig(env.Config), env.ConfigOf("IntegrationsFunction")
	w := &world{t: t, clock: roomtest.NewClock(time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC))}
	db, keys := dynamodb.NewFromConfig(cfg), kms.NewFromConfig(cfg)
	table := dynamo.Table{Name: env.Table("AutomationTable"), DB: db}
	ledger := audit.Log{Table: dynamo.Table{Name: env.Table("AuditTable"), DB: db}}
	at, err := origin.Parse("https://pagefree.test/live")
	if err != nil {
		t.Fatal(err)
	}
	w.links = &integration.Service{
		Store: integration.Store{Table: table, Retention: 24 * time.Hour}, Services: incident.Store{Table: table}, Providers: hook.Of,
		Key:     &secret.Key{ID: env.KeyID("SecretsKey"), Client: keys},
		Origin:  func(context.Context) (origin.Origin, error) { return at, nil },
		Cursors: httpapi.NewCursors(kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: keys}.Derive),
		Audit:   ledger, Now: w.clock.Now,
	}
	api := httpapi.New()
	integrations.Routes(api, console.New(origin.Origin{}, w.clock.Now), integrations.Rooms{
		Links: w.links,
		Desk:  &incident.Desk{Store: incident.Store{Table: table}, Audit: ledger, Cursors: w.links.Cursors, Now: w.clock.Now},
		Team:  func(ctx context.Context, teamID string) (string, bool, error) { return teams.Name(ctx, table, teamID) },
	})
	w.site = consoletest.New(api)

	hooks := env.ConfigOf("HooksFunction")
	w.door = &integration.Door{
		Store: integration.Store{Table: dynamo.Table{Name: table.Name, DB: dynamodb.NewFromConfig(hooks)}, Retention: 24 * time.Hour},
		Seen:  integration.Seen{Table: dynamo.Table{Name: env.Table("EphemeralTable"), DB: dynamodb.NewFromConfig(hooks)}},
		Key:   &secret.Key{ID: env.KeyID("SecretsKey"), Client: kms.NewFromConfig(hooks)}, Providers: hook.Of, Queue: silent{}, Now: w.clock.Now,
	}
	whole := dynamo.Table{Name: table.Name, DB: all}
	w.team, w.other = id.New(id.Team, w.clock.Now()), id.New(id.Team, w.clock.Now())
	if err := dynamo.Commit(t.Context(), all, teams.Put(whole, w.team, "Payments"), teams.Put(whole, w.other, "Search")); err != nil {
		t.Fatal(err)
	}
	person := func(name string, in map[string]principal.Role) principal.Principal {
		return principal.Principal{Kind: principal.User, ID: "usr_" + name, UserID: "usr_" + name, Teams: in}
	}
	admin := person("admin", nil)
	admin.PlatformAdmin = true
	w.who = map[string]principal.Principal{
		"outsider":  person("outsider", map[string]principal.Role{w.other: principal.TeamAdmin}),
		"responder": person("responder", map[string]principal.Role{w.team: principal.Responder}),
		"lead":      person("lead", map[string]principal.Role{w.team: principal.TeamAdmin}),
		"both":      person("both", map[string]principal.Role{w.team: principal.TeamAdmin, w.other: principal.TeamAdmin}),
		"admin":     admin,
	}
	desk := &incident.Desk{Store: incident.Store{Table: whole}, Audit: audit.Log{Table: dynamo.Table{Name: ledger.Table.Name, DB: all}}, Now: w.clock.Now}
	for who, s := range map[string]*string{"lead": &w.svc, "outsider": &w.foreign} {
		made, err := desk.CreateService(w.ctx(who), incident.NewService{Name: "Service of " + who, TeamID: map[string]string{"lead": w.team, "outsider": w.other}[who]})
		if err != nil {
			t.Fatal(err)
		}
		*s = made.ID
	}
	return w
}

func (w *world) ctx(who string) context.Context { return roomtest.As(context.Background(), w.who[who]) }

func (w *world) as(who string) *consoletest.Browser { return w.site.As(w.who[who]) }

// connect makes an integration by its form, and gives its page and its own path.
func (w *world) connect(provider string, more ...string) (*consoletest.Page, string) {
	w.t.Helper()
	f := w.as("lead").Get(w.t, "/console/integrations/new?provider="+provider).Form(w.t, "Connect "+label(provider))
	f.Set(w.t, "serviceId", w.svc)
	for i := 0; i+1 < len(more); i += 2 {
		f.Set(w.t, more[i], more[i+1])
	}
	p := f.Send(w.t).Want(w.t, http.StatusCreated)
	list, _, err := w.links.List(w.ctx("lead"), "", httpapi.Page{Limit: 1})
	if err != nil || len(list) != 1 {
		w.t.Fatal(len(list), err)
	}
	return p, "/console/integrations/" + list[0].ID
}

func label(provider string) string {
	p, _ := hook.Of(provider)
	return p.Label
}

// secretOf is the secret that a page shows, "" where it shows none.
func secretOf(p *consoletest.Page) string { return p.First("#secret").Attr("value") }

func (w *world) deliver(path, bearer, body string) error {
	_, err := w.door.Receive(principal.WithOrigin(context.Background(), principal.Origin{IP: "198.51.100.4"}), strings.TrimPrefix(path, "/console/integrations/"),
		hook.Request{Header: http.Header{"Authorization": {"Bearer " + bearer}, "Content-Type": {"application/json"}}, Body: []byte(body)})
	return err
}

func TestGates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	consoletest.Gates(t, w.site, nil)
}

// TestWhoSeesWhat: integrations are for the admins of a team.
func TestWhoSeesWhat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, one := w.connect("datadog")
	for path, by := range map[string]map[string]int{
		"/console/integrations":                      {"responder": 403, "outsider": 200, "admin": 200},
		"/console/integrations/new":                  {"responder": 403, "outsider": 200, "admin": 200},
		"/console/integrations/new?provider=grafana": {"responder": 403, "outsider": 200, "admin": 200},
		one:                       {"responder": 403, "outsider": 404, "admin": 200},
		one + "/deliveries":       {"responder": 403, "outsider": 404, "admin": 200},
		"/console/integrations/x": {"lead": 404, "admin": 404},
	} {
		for who, want := range by {
			if got := w.as(who).Get(t, path); got.StatusCode != want {
				t.Errorf("GET %s as %s: got %d, want %d", path, who, got.StatusCode, want)
			}
		}
	}
	for _, path := range []string{one + "/settings", one + "/secret", one + "/delete"} {
		for who, want := range map[string]int{"responder": 403, "outsider": 404} {
			form := url.Values{"name": {"Mine"}, "unattendedRisk": {"LOW"}, "rev": {"1"}}
			if got := w.as(who).Post(t, path, form); got.StatusCode != want {
				t.Errorf("POST %s as %s: got %d, want %d", path, who, got.StatusCode, want)
			}
		}
	}
	w.as("responder").Post(t, "/console/integrations", url.Values{"provider": {"datadog"}, "name": {"x"}, "serviceId": {w.svc}}).Want(t, 403)
	w.as("outsider").Get(t, "/console/integrations").Shows(t, "Nothing sends alerts yet.").Hides(t, "Datadog")
	w.as("both").Get(t, "/console/integrations/new?provider=datadog").Shows(t, "Service of lead (Payments)", "Service of outsider (Search)")
}

// TestConnect: from the choice of a provider to what is to be pasted there, with the secret this once.
func TestConnect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.as("lead").Get(t, "/console/integrations").Click(t, "Connect a monitoring system")
	for _, name := range hook.Names() {
		about := p.Shows(t, label(name)).Click(t, label(name))
		if about.First("form input[name=secret]").Is() != slices.Contains([]string{"pagerduty", "sentry", "standard"}, name) {
			t.Errorf("%s: a field for a secret is there, or not", name)
		}
		if about.First("form input[name=topicArn]").Is() != (name == "cloudwatch") {
			t.Errorf("%s: a field for a topic is there, or not", name)
		}
	}
	made, path := w.connect("datadog", "name", consoletest.Hostile)
	id := strings.TrimPrefix(path, "/console/integrations/")
	shown := secretOf(made)
	made.Shows(t, consoletest.Hostile, "Now tell Datadog where to send alerts.", "https://pagefree.test/live/v1/hooks/"+id, `{"Authorization": "Bearer `+shown+`"}`, "$EVENT_TITLE", "Nothing has come yet.")
	if len(shown) < 40 {
		t.Errorf("the secret is %q", shown)
	}
	form := w.as("lead").Get(t, "/console/integrations/new?provider=datadog").Form(t, "Connect Datadog").Set(t, "name", "twice")
	form.Set(t, "serviceId", w.svc).Send(t).Want(t, 201)
	again := w.as("lead").Post(t, "/console/integrations", form.Values).Want(t, 422).Shows(t, "This form was sent before")
	if once := again.Form(t, "Connect Datadog").Values.Get("once"); once == "" || once == form.Values.Get("once") {
		t.Errorf("to make another, the form has %q", once)
	}
	if n := strings.Count(w.as("lead").Get(t, "/console/integrations").Body, "</tr>") - 1; n != 2 {
		t.Errorf("a reload of the page that shows a secret makes it %d integrations", n)
	}
	later := w.as("lead").Get(t, path)
	later.Shows(t, "The secret was shown once", "<the secret>").Hides(t, shown)
	w.as("lead").Get(t, "/console/integrations").Shows(t, consoletest.Hostile, "Datadog", "Service of lead", "low risk").Hides(t, shown)
}

// TestDeliveries: what came, what became of it, and why it was refused.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made, path := w.connect("generic")
	if err := w.deliver(path, "wrong", `{"title":"x"}`); err == nil {
		t.Fatal("it was taken")
	}
	if err := w.deliver(path, secretOf(made), `{"title":"Disk full"}`); err != nil {
		t.Fatal(err)
	}
	p := w.as("lead").Get(t, path)
	p.Shows(t, "Refused", "signature_invalid", "Accepted", "It waits to be handled.", "198.51.100.4")
	if got := p.First("#deliveries a").Attr("hx-get"); got != path+"/deliveries" {
		t.Errorf("looking again asks %q", got)
	}
	if part := w.as("lead").HTMX().Get(t, path+"/deliveries"); strings.Contains(part.Body, "<html") || !strings.Contains(part.Body, "signature_invalid") {
		t.Errorf("a script gets %s", part.Body)
	}
}

// TestTheirs: a provider that shows its secret only once it has the address.
func TestTheirs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	early := w.as("lead").Get(t, "/console/integrations/new?provider=standard").Form(t, "Connect Standard Webhooks").Set(t, "name", " ").Set(t, "secret", "whsec_a-secret-that-was-typed").Send(t).Want(t, 422)
	early.Hides(t, "a-secret-that-was-typed")
	p, path := w.connect("sentry")
	p.Shows(t, "Until it is given here, every delivery is refused.").Hides(t, "rotate-secret with it as secret")
	w.as("lead").Get(t, "/console/integrations").Shows(t, "Waits for its secret")
	if got := p.Buttons(); !slices.Equal(got, []string{"Use this secret", "Save", "Delete this integration"}) {
		t.Errorf("it offers %q", got)
	}
	bad := p.Form(t, "Use this secret").Set(t, "secret", "short").Send(t).Want(t, 422)
	if got := bad.Error("secret"); !strings.Contains(got, "8 to 256 printable characters") {
		t.Errorf("it says %q", got)
	}
	bad.Hides(t, `value="short"`)
	bad.Form(t, "Use this secret").Send(t).Want(t, 422) // empty: nobody makes theirs
	p.Form(t, "Use this secret").Set(t, "secret", "a-secret-of-sentry").Send(t).LeadsTo(t, path)
	w.as("lead").Get(t, path).Hides(t, "Until it is given here", "a-secret-of-sentry").Shows(t, "Rotate the secret")
}

// TestRotate: the new secret is shown once, and until when the old one is taken.
func TestRotate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made, path := w.connect("generic")
	ask := w.as("lead").Get(t, path).Form(t, "Make a new secret")
	rotated := ask.Send(t).Want(t, 200)
	if again := ask.Send(t).Want(t, 422).Shows(t, "This form was sent before"); again.First("#secret").Is() { // a reload, by which the sender's would be dead
		t.Error("the form makes another secret")
	}
	is := secretOf(rotated)
	if is == "" || is == secretOf(made) {
		t.Fatalf("the new secret is %q", is)
	}
	rotated.Shows(t, "The one before is taken until 2 Mar 2060, 12:00:")
	for _, s := range []string{is, secretOf(made)} {
		if err := w.deliver(path, s, `{"title":"x"}`); err != nil {
			t.Errorf("%v", err)
		}
	}
	w.as("lead").Get(t, path).Hides(t, is)
	_, topic := w.connect("cloudwatch", "topicArn", "arn:aws:sns:eu-central-1:123456789012:alarms")
	w.as("lead").Get(t, topic).Shows(t, "arn:aws:sns:eu-central-1:123456789012:alarms").Hides(t, "Rotate the secret")
	w.as("lead").Post(t, topic+"/secret", url.Values{}).Want(t, 422).Shows(t, "It has no secret")
}

// TestSettings: a name and a ceiling, guarded by the revision that was read; above the provider's own only an admin goes.
func TestSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, path := w.connect("github")
	lead := w.as("lead")
	read := lead.Get(t, path).Form(t, "Save")
	if got := read.Offers("unattendedRisk"); !slices.Equal(got, []string{"LOW", "MEDIUM"}) {
		t.Errorf("a lead may choose %q", got)
	}
	read.Set(t, "name", "Builds").Set(t, "unattendedRisk", "LOW").Send(t).Follow(t).Shows(t, "Builds", "Your changes were saved.", "Starts runbooks of low risk by itself")
	stale := read.Set(t, "name", "Later").Send(t).Want(t, 422)
	stale.Shows(t, "It was changed since you read it.")
	if got := stale.Form(t, "Save").Values.Get("name"); got != "Later" {
		t.Errorf("the form lost what was typed: %q", got)
	}
	blank := lead.Get(t, path).Form(t, "Save").Set(t, "name", " ").Send(t).Want(t, 422)
	if got := blank.Error("name"); got != "One line of 1 to 120 characters." {
		t.Errorf("it says %q", got)
	}
	up := lead.Get(t, path).Form(t, "Save")
	up.Values.Set("unattendedRisk", "HIGH")
	up.Send(t).Want(t, 403)
	w.as("admin").Get(t, path).Form(t, "Save").Set(t, "unattendedRisk", "HIGH").Send(t).Follow(t).Shows(t, "Starts runbooks of any risk by itself")
	lead.Get(t, path).Form(t, "Save").Set(t, "name", "Still high").Send(t).Want(t, 303)

	gone := lead.Get(t, path).Shows(t, "It cannot be brought back.").Form(t, "Delete this integration").Send(t)
	gone.LeadsTo(t, "/console/integrations")
	lead.Get(t, path).Want(t, 404)
}

// TestWrong: a form with a mistake in it says so at its field, and keeps what was typed.
func TestWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tt := range map[string]struct{ provider, field, value, want string }{
		"no name":           {"datadog", "name", "", "empty"},
		"no service":        {"datadog", "serviceId", "", "Choose a service of your teams."},
		"another's service": {"datadog", "serviceId", "foreign", "Choose a service of your teams."},
		"no topic":          {"cloudwatch", "topicArn", "", "Cloudwatch needs the ARN of the SNS topic."},
		"no such topic":     {"cloudwatch", "topicArn", "arn:aws:sqs:x", "The ARN of a standard SNS topic"},
		"a secret too weak": {"standard", "secret", "whsec_abc", "Whsec_ and then 24 to 64 bytes in base64."},
		"no such risk":      {"datadog", "unattendedRisk", "EXTREME", "Expected value to be one of"},
	} {
		f := w.as("lead").Get(t, "/console/integrations/new?provider="+tt.provider).Form(t, "Connect "+label(tt.provider)).Set(t, "serviceId", w.svc).Set(t, "name", "Typed")
		if tt.provider == "cloudwatch" {
			f.Set(t, "topicArn", "arn:aws:sns:eu-central-1:123456789012:alarms")
		}
		if tt.value == "foreign" {
			tt.value = w.foreign
		}
		f.Values.Set(tt.field, tt.value)
		p := f.Send(t).Want(t, 422)
		if got := p.Error(tt.field); !strings.Contains(got, tt.want) {
			t.Errorf("%s: it says %q, want %q in it", name, got, tt.want)
		}
		again := p.Form(t, "Connect "+label(tt.provider))
		if tt.field != "name" && again.Values.Get("name") != "Typed" {
			t.Errorf("%s: the name is %q", name, again.Values.Get("name"))
		}
	}
	above := w.as("lead").Get(t, "/console/integrations/new?provider=datadog").Form(t, "Connect Datadog").Set(t, "serviceId", w.svc)
	above.Values.Set("unattendedRisk", "HIGH")
	above.Send(t).Want(t, 403)
	w.as("lead").Post(t, "/console/integrations", url.Values{"provider": {"none"}}).Want(t, 422)
	if list, _, err := w.links.List(w.ctx("admin"), "", httpapi.Page{Limit: 10}); err != nil || len(list) > 0 {
		t.Errorf("%d were made: %v", len(list), err)
	}
}
