package settings_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"net/url"
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
	"pagefree/internal/identity"
	"pagefree/internal/notify"
	"pagefree/internal/notify/push"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/mailstop"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/settings"
)

// world is the pages of settings with the rights of their function.
type world struct {
	*testing.T
	site     *consoletest.Site
	identity dynamo.Table // with every right
	clock    *roomtest.Clock
	devices  *push.Service
	team     string
	who      map[string]principal.Principal
}

func newWorld(t *testing.T) *world {
	t.Helper()
	env := awstest.New(t)
	cfg := env.ConfigOf("NotificationsFunction")
	db := dynamodb.NewFromConfig(cfg)
	w := &world{T: t, clock: roomtest.NewClock(time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)), who: map[string]principal.Principal{},
		identity: dynamo.Table{Name: env.Table("IdentityTable"), DB: dynamodb.NewFromConfig(env.Config)}}
	table := dynamo.Table{Name: env.Table("IdentityTable"), DB: db}
	ledger := audit.Log{Table: dynamo.Table{Name: env.Table("AuditTable"), DB: db}}
	service := &notify.Service{
		Store: notify.Store{Identity: table}, People: identity.Directory{Store: identity.Store{Identity: table}},
		Webhooks: secret.Webhooks{Key: &secret.Key{ID: env.KeyID("SecretsKey"), Client: kms.NewFromConfig(cfg)}},
		CheckURL: safehttp.New(safehttp.Options{}).Check, Audit: ledger, Now: w.clock.Now,
	}
	key := &secret.Key{ID: env.KeyID("SecretsKey"), Client: kms.NewFromConfig(cfg)}
	w.devices = &push.Service{
		Store: push.Store{Identity: table}, Keys: push.Maker{Identity: table, Key: key, Generation: 1, Audit: ledger, Now: w.clock.Now},
		CheckURL: service.CheckURL, Audit: ledger, Now: w.clock.Now,
	}
	api := httpapi.New()
	api.OnDenied(audit.Denials(ledger, w.clock.Now))
	settings.Routes(api, console.New(origin.Origin{}, w.clock.Now), service, w.devices)
	w.site = consoletest.New(api)

	w.team = id.New(id.Team, w.clock.Now())
	other := id.New(id.Team, w.clock.Now())
	for teamID, name := range map[string]string{w.team: "Payments " + consoletest.Hostile, other: "Search"} {
		w.put(map[string]any{"pk": "team#" + teamID, "sk": "team", "id": teamID, "name": name})
	}
	for name, teams := range map[string]map[string]principal.Role{
		"lead": {w.team: principal.TeamAdmin}, "observer": {w.team: principal.Observer}, "outsider": {other: principal.TeamAdmin}, "admin": {w.team: principal.TeamAdmin}, "loner": {},
	} {
		userID := id.New(id.User, w.clock.Now())
		p := principal.Principal{Kind: principal.User, ID: userID, UserID: userID, Name: name, Email: name + "@pagefree.test", Teams: teams}
		if name == "admin" {
			p.PlatformAdmin, p.Teams = true, nil // as sessions have it
		}
		w.who[name] = p
		w.put(map[string]any{"pk": "usr#" + userID, "sk": "user", "id": userID, "name": name, "email": p.Email, "active": true, "platformAdmin": p.PlatformAdmin, "teams": teams})
		for teamID, role := range teams {
			w.put(map[string]any{"pk": "team#" + teamID, "sk": "member#" + userID, "userId": userID, "role": role, "rev": 1})
		}
	}
	return w
}

func (w *world) put(item map[string]any) {
	w.Helper()
	if err := dynamo.Commit(w.Context(), w.identity.DB, w.identity.Create(item)); err != nil {
		w.Fatal(err)
	}
}

func (w *world) as(name string) *consoletest.Browser { return w.site.As(w.who[name]) }

// TestMine: what somebody wants to be told is shown as the API has it, saved, and kept where it cannot be.
func TestMine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	consoletest.Gates(t, w.site, nil)
	b := w.as("observer")
	page := b.Get(t, "/console/settings").Want(t, 200).Shows(t, "observer@pagefree.test", "Payments", "Incidents", "As each team says")
	form := page.Form(t, "Save")
	if got := form.Values["email"]; !slices.Equal(got, []string{"incidents", "failures", "confirmations", "reviews"}) {
		t.Errorf("by default it mails %q", got)
	}
	form.Set(t, "email", "failures").Set(t, "minimumSeverity", "CRITICAL").Send(t).LeadsTo(t, "/console/settings")
	form = b.Get(t, "/console/settings").Form(t, "Save")
	if form.Values.Get("minimumSeverity") != "CRITICAL" || !slices.Equal(form.Values["email"], []string{"failures"}) {
		t.Errorf("kept %v", form.Values)
	}
	form.Set(t, "minimumSeverity", "").Send(t).Want(t, 303)
	if got := b.Get(t, "/console/settings").Form(t, "Save").Values.Get("minimumSeverity"); got != "" {
		t.Errorf("as each team says is %q", got)
	}
	stale := form.Send(t).Want(t, 422)
	if !strings.Contains(stale.Alert(), "changed since you read it") {
		t.Errorf("a stale change: %q", stale.Alert())
	}
	stale.Form(t, "Save").Send(t).Want(t, 303)
	bad := b.Post(t, "/console/settings", url.Values{"minimumSeverity": {"SEVERE"}}).Want(t, 422)
	if bad.Error("minimumSeverity") == "" {
		t.Errorf("a severity that there is not: %q", bad.Alert())
	}
	if push := page.First("#push"); !push.Has("hidden") || push.Attr("data-key-url") != "/v1/push/key" || push.Attr("data-subscriptions-url") != "/v1/push/subscriptions" || !push.First("#push-toggle").Is() || !push.First("#push-state").Is() {
		t.Error("the section of devices is not as push.js looks for it")
	}
	w.as("admin").Get(t, "/console/settings").Shows(t, "Payments", "Team admin")
	w.as("loner").Get(t, "/console/settings").Shows(t, "You are in no team. Ask a team admin")
}

// TestDevices: who has a device is shown it, and may forget it; nobody else may.
func TestDevices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.as("observer").Get(t, "/console/settings").Shows(t, "No device gets pushes.")
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plain := base64.RawURLEncoding
	ctx := principal.With(principal.WithOrigin(t.Context(), principal.Origin{UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}), w.who["observer"])
	shown, _, err := w.devices.Subscribe(ctx, push.Subscription{Endpoint: "https://push.example.com/1", Keys: push.Keys{P256DH: plain.EncodeToString(private.PublicKey().Bytes()), Auth: plain.EncodeToString(make([]byte, 16))}})
	if err != nil {
		t.Fatal(err)
	}
	part := w.as("observer").HTMX().Get(t, "/console/settings/devices").Want(t, 200).Shows(t, shown.Name).Hides(t, "push.example.com", "<main")
	w.as("observer").Get(t, "/console/settings").Hides(t, "not reachable")
	mine, err := w.devices.Store.Devices(ctx, w.who["observer"].ID)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		w.clock.Advance(time.Hour)
		err := w.devices.Store.Tried(ctx, w.who["observer"].ID, mine.List[0], func(d push.Device) push.Device { return d.Failed(w.clock.Now(), 0) })
		if err != nil {
			t.Fatal(err)
		}
	}
	w.as("observer").Get(t, "/console/settings").Shows(t, "not reachable since 9 h ago")
	action := "/console/settings/devices/" + shown.ID + "/remove"
	w.as("lead").Get(t, "/console/settings").Shows(t, "No device gets pushes.")
	w.as("lead").Post(t, action, url.Values{}).Want(t, 404)
	if !part.HasFormTo(action) {
		t.Error("the device cannot be forgotten")
	}
	w.as("observer").Post(t, action, url.Values{}).Follow(t).Shows(t, "The device gets no pushes any more.", "No device gets pushes.")
	w.as("observer").Post(t, action, url.Values{}).Want(t, 404)
}

// TestResume: who is mailed no more is told why, and may go on.
func TestResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stop := mailstop.Stop{Reason: mailstop.Bounce, At: timestamp.Of(w.clock.Now())}
	if err := dynamo.Commit(t.Context(), w.identity.DB, mailstop.Add(w.identity, "observer@pagefree.test", stop)); err != nil {
		t.Fatal(err)
	}
	w.as("lead").Get(t, "/console/settings/teams/"+w.team).Shows(t, "observer: a mail to it came back just now")
	page := w.as("observer").Get(t, "/console/settings").Shows(t, "No notification is mailed to observer@pagefree.test any more: a mail to it came back")
	page.Form(t, "Mail me again").Send(t).Follow(t).Shows(t, "Notifications are mailed to you again.").Hides(t, "came back")
	w.as("lead").Get(t, "/console/settings/teams/"+w.team).Shows(t, "Mail reaches everybody in the team.")
}

// TestTeam: a team's admins say what it is told and where; the webhook's address and secret are not read back.
func TestTeam(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := "/console/settings/teams/" + w.team
	for who, want := range map[string]int{"admin": 200, "lead": 200, "observer": 200, "outsider": 404, "loner": 404} {
		page := w.as(who).Get(t, path).Want(t, want)
		if want == 200 && (len(page.Buttons()) > 0) != (who != "observer") {
			t.Errorf("%s is offered %q", who, page.Buttons())
		}
		for _, verb := range []string{"", "/rotate-secret"} {
			got := w.as(who).Post(t, path+verb, url.Values{"webhook.url": {"http://x"}}).StatusCode
			if refused := map[string]int{"admin": 422, "lead": 422, "observer": 403, "outsider": 404, "loner": 404}[who]; got != refused && !(verb != "" && refused == 422 && got == 409) {
				t.Errorf("POST %s as %s: got %d, want %d", verb, who, got, refused)
			}
		}
	}
	lead := w.as("lead")
	for _, bad := range []string{"x", "http://127.0.0.1/hook", "https://10.0.0.1/", "https://" + strings.Repeat("h", 2050)} {
		again := lead.Get(t, path).Form(t, "Save").Set(t, "webhook.url", bad).Send(t).Want(t, 422)
		if again.Error("webhook.url") == "" && again.Alert() == "" {
			t.Errorf("%.30s: nothing is said", bad)
		}
		if again.Form(t, "Save").Values.Get("webhook.url") != bad {
			t.Errorf("%.30s is not kept", bad)
		}
	}
	const address = "https://hooks.example.com/private/path?key=1"
	made := lead.Get(t, path).Form(t, "Save").Set(t, "webhook.url", address).Set(t, "webhook.format", "standard").Set(t, "webhook.events", "incident.created").
		Set(t, "minimumSeverity", "LOW").Set(t, "includeOutput", "true").Set(t, "email", "incidents").Send(t).Want(t, 200)
	secretShown := made.First("#secret").Attr("value")
	if !strings.HasPrefix(secretShown, "whsec_") {
		t.Fatalf("the secret is %q", secretShown)
	}
	page := lead.Get(t, path).Hides(t, secretShown, "private/path")
	form := page.Form(t, "Save")
	if v := form.Values; v.Get("webhook.url") != "https://hooks.example.com/***" || v.Get("webhook.events") != "incident.created" || v.Get("minimumSeverity") != "LOW" || v.Get("includeOutput") != "true" || v.Get("email") != "incidents" {
		t.Errorf("shows %v", v)
	}
	form.Set(t, "minimumSeverity", "HIGH").Send(t).LeadsTo(t, path) // the address stays as it is shown
	w.as("observer").Get(t, path).Shows(t, "https://hooks.example.com/***", "High").Hides(t, "private/path")

	ask := lead.Get(t, path).Form(t, "Make a new secret")
	rotated := ask.Send(t).Want(t, 200).Shows(t, "The secret before signs too, until 2 Mar 2060")
	if fresh := rotated.First("#secret").Attr("value"); fresh == secretShown || !strings.HasPrefix(fresh, "whsec_") {
		t.Errorf("the new secret is %q", fresh)
	}
	if again := ask.Send(t).Want(t, 409).Shows(t, "This form was sent before"); again.First("#secret").Is() {
		t.Error("a reload of the page that shows a secret makes another")
	}
	lead.Get(t, path).Form(t, "Save").Set(t, "webhook.url", "").Send(t).Follow(t).Want(t, 200)
	if got := lead.Post(t, path+"/rotate-secret", url.Values{}).Want(t, 409).Alert(); !strings.Contains(got, "no webhook that is signed") {
		t.Errorf("says %q", got)
	}
}
