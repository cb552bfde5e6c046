// Package pagestest is what the tests of the console's status pages and partners share: both rooms' services with the rights
// of their functions, the pages in front of them, and somebody with a browser.
package pagestest

import (
	"context"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/infra/local/awstest"
	"pagefree/infra/local/roomtest"
	"pagefree/internal/audit"
	"pagefree/internal/partner"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/status"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/assets"
	"pagefree/internal/web/console/partners"
	"pagefree/internal/web/console/statuspages"
)

// Origin is where the pages are reached.
const Origin = "https://pagefree.test"

// World is one test's PageFree: a team with a page, another team, and the people in them.
type World struct {
	Env      *awstest.Env
	Status   *status.Service
	Partners *partner.Service
	Clock    *roomtest.Clock
	Team     string
	Other    string
	Page     string // of Team
	Who      map[string]principal.Principal
	Lead     context.Context // of who set this up

	handler http.Handler
	others  *others
}

// New makes a world with a page at /status/acme-cloud, without anything on it.
func New(t testing.TB) *World {
	t.Helper()
	env := awstest.New(t)
	w := &World{Env: env, Clock: roomtest.NewClock( // far ahead: a table that really forgets by TTL keeps what is of then
		time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC))}
	w.Team, w.Other = id.New(id.Team, w.Clock.Now()), id.New(id.Team, w.Clock.Now())
	w.others = &others{names: map[string]string{w.Team: "Payments", w.Other: "Others"}, services: map[string]status.Named{}, open: map[string]status.Internal{}}
	w.statusService()
	w.partnerService()

	at, err := origin.Parse(Origin)
	if err != nil {
		t.Fatal(err)
	}
	api := httpapi.New()
	site := console.New(at, w.Clock.Now)
	statuspages.Routes(api, site, at, w.Status, w.others.name)
	partners.Routes(api, site, at, w.Partners)
	assets.Routes(api, at)
	w.handler = api.Handler()

	person := func(name string, in map[string]principal.Role) principal.Principal {
		return principal.Principal{
			Kind: principal.User, ID: "usr_" + name, UserID: "usr_" + name, Name: name, Email: name + "@pagefree.test", Teams: in, SessionHash: "of " + name,
		}
	}
	key := person("key", map[string]principal.Role{w.Team: principal.TeamAdmin})
	key.Kind, key.SessionHash = principal.APIKey, ""
	admin := person("admin", nil)
	admin.PlatformAdmin = true
	w.Who = map[string]principal.Principal{
		"outsider":  person("outsider", map[string]principal.Role{w.Other: principal.TeamAdmin}),
		"observer":  person("observer", map[string]principal.Role{w.Team: principal.Observer}),
		"responder": person("responder", map[string]principal.Role{w.Team: principal.Responder}),
		"lead":      person("lead", map[string]principal.Role{w.Team: principal.TeamAdmin}),
		"admin":     admin, "key": key,
		"partner": {Kind: principal.Partner, ID: "acc_x", Partner: &principal.Reading{Via: "session"}},
	}
	w.Lead = roomtest.As(t.Context(), w.Who["lead"])
	page, err := w.Status.Create(w.Lead, status.NewPage{Name: "Acme Cloud", Slug: "acme-cloud", TeamID: w.Team, TimeZone: "Europe/Berlin"})
	if err != nil {
		t.Fatal(err)
	}
	w.Page = page.ID
	return w
}

func (w *World) statusService() {
	own := w.Env.ConfigOf("StatusPagesFunction") // with its rights and no others
	db := dynamodb.NewFromConfig(own)
	w.Status = &status.Service{
		Store: status.Store{Table: dynamo.Table{Name: w.Env.Table("StatusTable"), DB: db}}, Audit: audit.Log{Table: dynamo.Table{Name: w.Env.Table("AuditTable"), DB: db}},
		Cursors: httpapi.NewCursors(kmsmac.Key{ID: w.Env.KeyID("DeriveKey"), Client: kms.NewFromConfig(own)}.Derive),
		Teams:   w.others, Services: w.others, Incidents: w.others,
		Notices: queue.Queue{URL: w.Env.QueueURL("PageMailQueue"), Client: sqs.NewFromConfig(own)}, Now: w.Clock.Now,
	}
}

func (w *World) partnerService() {
	own := w.Env.ConfigOf("PartnersFunction")
	db := dynamodb.NewFromConfig(own)
	ephemeral := dynamo.Table{Name: w.Env.Table("EphemeralTable"), DB: db}
	w.Partners = &partner.Service{
		Store: partner.Store{
			Table: dynamo.Table{Name: w.Env.Table("StatusTable"), DB: db}, Ephemeral: ephemeral, Stops: dynamo.Table{Name: w.Env.Table("IdentityTable"), DB: db},
		},
		Audit:   audit.Log{Table: dynamo.Table{Name: w.Env.Table("AuditTable"), DB: db}},
		Cursors: httpapi.NewCursors(kmsmac.Key{ID: w.Env.KeyID("DeriveKey"), Client: kms.NewFromConfig(own)}.Derive),
		Mail:    queue.Queue{URL: w.Env.QueueURL("MailQueue"), Client: sqs.NewFromConfig(own)},
		Limits:  ratelimit.Limiter{Table: ephemeral, Now: w.Clock.Now}, Now: w.Clock.Now,
	}
}

// At is a path below the page's own in the console.
func (w *World) At(rest ...string) string {
	return "/console/status-pages/" + strings.Join(append([]string{w.Page}, rest...), "/")
}

// Component puts one on the page.
func (w *World) Component(t testing.TB, name, group, serviceID string) string {
	t.Helper()
	n := status.NewComponent{Name: name}
	if group != "" {
		n.Group = &group
	}
	if serviceID != "" {
		n.ServiceID = &serviceID
	}
	c, err := w.Status.CreateComponent(w.Lead, w.Page, n)
	if err != nil {
		t.Fatal(err)
	}
	return c.ID
}

// Serves makes a service of the team.
func (w *World) Serves(name string) string {
	w.others.mu.Lock()
	defer w.others.mu.Unlock()
	serviceID := id.New(id.Service, w.Clock.Now())
	w.others.services[serviceID] = status.Named{ID: serviceID, Name: name}
	return serviceID
}

// Breaks opens an incident of a service of the team.
func (w *World) Breaks(serviceID, title string) string {
	w.others.mu.Lock()
	defer w.others.mu.Unlock()
	incidentID := id.New(id.Incident, w.Clock.Now())
	w.others.open[incidentID] = status.Internal{ID: incidentID, TeamID: w.Team, ServiceID: serviceID, Title: title, Impact: status.ImpactMajor}
	return incidentID
}

// Seen is what a browser got.
type Seen struct {
	Status   int
	Location string
	Header   http.Header
	HTML     string
	Text     string // with its entities undone
}

// Has fails the test where the page does not say something.
func (s Seen) Has(t testing.TB, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(s.Text, text) {
			t.Errorf("it does not say %q:\n%s", text, s.Text)
		}
	}
}

// Lacks fails the test where the page says something.
func (s Seen) Lacks(t testing.TB, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(s.Text, text) {
			t.Errorf("it says %q:\n%s", text, s.Text)
		}
	}
}

// Must fails the test now where the answer has another status.
func (s Seen) Must(t testing.TB, status int) Seen {
	t.Helper()
	if s.Status != status {
		t.Fatalf("got %d %s, want %d:\n%s", s.Status, s.Location, status, s.Text)
	}
	return s
}

// Get asks for a page as somebody; nobody is "".
func (w *World) Get(t testing.TB, who, path string, headers ...string) Seen {
	t.Helper()
	return w.Do(t, who, httptest.NewRequest(http.MethodGet, path, nil), headers...)
}

// Post sends a form as somebody: pairs of fields and values.
func (w *World) Post(t testing.TB, who, path string, fields ...string) Seen {
	t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	return w.Do(t, who, req, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
}

// Do sends a request as somebody.
func (w *World) Do(t testing.TB, who string, req *http.Request, headers ...string) Seen {
	t.Helper()
	if who != "" {
		p, known := w.Who[who]
		if !known {
			t.Fatalf("nobody is called %q", who)
		}
		req = req.WithContext(roomtest.As(t.Context(), p))
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, req)
	s := Seen{Status: rec.Code, Location: rec.Header().Get("Location"), Header: rec.Header(), HTML: rec.Body.String()}
	s.Text = html.UnescapeString(s.HTML)
	if strings.Contains(s.HTML, "<no value>") || strings.Contains(s.HTML, "ZgotmplZ") {
		t.Errorf("%s %s: a template is wrong:\n%s", req.Method, req.URL, s.HTML)
	}
	return s
}

// Serve answers a real browser as if it had somebody's session, and returns the address.
func (w *World) Serve(t testing.TB, who string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.handler.ServeHTTP(rw, r.WithContext(roomtest.As(r.Context(), w.Who[who])))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// others stands for the rooms of teams, services and responders' incidents.
type others struct {
	mu       sync.Mutex
	names    map[string]string // of teams
	services map[string]status.Named
	open     map[string]status.Internal
}

func (o *others) name(_ context.Context, teamID string) (string, bool, error) {
	name, found := o.names[teamID]
	return name, found, nil
}

func (o *others) Exists(ctx context.Context, teamID string) (bool, error) {
	_, found, err := o.name(ctx, teamID)
	return found, err
}

func (o *others) own(teamID string) bool { return o.names[teamID] == "Payments" }

func (o *others) TeamOf(_ context.Context, serviceID string) (string, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, found := o.services[serviceID]
	for teamID := range o.names {
		if found && o.own(teamID) {
			return teamID, true, nil
		}
	}
	return "", false, nil
}

func (o *others) Of(_ context.Context, teamID string) ([]status.Named, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.own(teamID) {
		return nil, nil
	}
	return slices.SortedFunc(maps.Values(o.services), func(a, b status.Named) int { return strings.Compare(a.Name, b.Name) }), nil
}

func (o *others) Incident(_ context.Context, incidentID string) (status.Internal, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i, found := o.open[incidentID]
	return i, found, nil
}

func (o *others) Open(_ context.Context, serviceIDs []string) ([]status.Internal, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.SortedFunc(func(yield func(status.Internal) bool) {
		for _, i := range o.open {
			if slices.Contains(serviceIDs, i.ServiceID) && !yield(i) {
				return
			}
		}
	}, func(a, b status.Internal) int { return strings.Compare(b.ID, a.ID) }), nil
}

// Grant lets a partner see the page: all of it, or the components that are named.
func (w *World) Grant(t testing.TB, name string, components ...string) partner.GrantedAccess {
	t.Helper()
	g := partner.Grant{PartnerName: name, ContactEmail: fmt.Sprintf("ops@%s.test", strings.ToLower(name))}
	if components != nil {
		g.ComponentIDs = httpapi.Nullable[[]string]{Sent: true, Value: &components}
	}
	a, err := w.Partners.Grant(w.Lead, w.Page, g)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
