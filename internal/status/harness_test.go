package status_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/infra/local/awstest"
	"pagefree/infra/local/roomtest"
	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/queue"
	"pagefree/internal/status"
)

// world is one test's PageFree: a team, another team, and the people in them.
type world struct {
	t       *testing.T
	env     *awstest.Env
	service *status.Service
	sweeper *status.Clock
	table   dynamo.Table // with every right
	audit   dynamo.Table
	api     roomtest.API
	clock   *roomtest.Clock
	others  *others

	team, other string
	who         map[string]principal.Principal
}

func newWorld(t *testing.T) *world {
	t.Helper()
	env := awstest.New(t)
	all := dynamodb.NewFromConfig(env.Config)
	own := env.ConfigOf("StatusPagesFunction") // with its rights and no others
	db := dynamodb.NewFromConfig(own)
	w := &world{
		t: t, env: env, clock: roomtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)),
		table: dynamo.Table{Name: env.Table("StatusTable"), DB: all},
		audit: dynamo.Table{Name: env.Table("AuditTable"), DB: all},
	}
	w.team, w.other = id.New(id.Team, w.clock.Now()), id.New(id.Team, w.clock.Now())
	w.others = &others{teams: []string{w.team, w.other}, services: map[string]string{}, incidents: map[string]status.Internal{}}
	derive := kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: kms.NewFromConfig(own)}
	w.service = &status.Service{
		Store: status.Store{Table: dynamo.Table{Name: w.table.Name, DB: db}}, Audit: audit.Log{Table: dynamo.Table{Name: w.audit.Name, DB: db}},
		Cursors: httpapi.NewCursors(derive.Derive), Teams: w.others, Services: w.others, Incidents: w.others, Notices: w.queue(own), Now: w.clock.Now,
	}
	ticking := env.ConfigOf("StatusClockFunction")
	clockDB := dynamodb.NewFromConfig(ticking)
	w.sweeper = &status.Clock{
		Store: status.Store{Table: dynamo.Table{Name: w.table.Name, DB: clockDB}}, Audit: audit.Log{Table: dynamo.Table{Name: w.audit.Name, DB: clockDB}},
		Notices: w.queue(ticking), Left: w.others, Now: w.clock.Now,
	}
	api := httpapi.New()
	status.Routes(api, w.service)
	api.OnDenied(audit.Denials(w.service.Audit, w.clock.Now))
	w.api = roomtest.New(t, api)

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
		"a partner":      {Kind: principal.Partner, ID: "acc_x", Partner: &principal.Reading{Via: "token"}, Teams: map[string]principal.Role{w.team: principal.TeamAdmin}},
		"outsider":       person("outsider", map[string]principal.Role{w.other: principal.TeamAdmin}),
		"observer":       person("observer", map[string]principal.Role{w.team: principal.Observer}),
		"responder":      person("responder", map[string]principal.Role{w.team: principal.Responder}),
		"lead":           person("lead", map[string]principal.Role{w.team: principal.TeamAdmin}),
		"observer's key": key(principal.Observer), "responder's key": key(principal.Responder), "lead's key": key(principal.TeamAdmin),
		"admin": admin,
	}
	return w
}

// queue is that of notices, for whoever has a configuration.
func (w *world) queue(cfg aws.Config) queue.Queue {
	return queue.Queue{URL: w.env.QueueURL("PageMailQueue"), Client: sqs.NewFromConfig(cfg)}
}

// others stands for the rooms of teams, services, responders' incidents, and partners.
type others struct {
	mu        sync.Mutex
	teams     []string
	services  map[string]string // the team of each
	incidents map[string]status.Internal
	purges    []string // pages, once for each call
	stuck     error    // what calls fail with
}

func (o *others) Exists(_ context.Context, teamID string) (bool, error) {
	return slices.Contains(o.teams, teamID), nil
}

// Purge takes two calls that do not fail.
func (o *others) Purge(_ context.Context, pageID string) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stuck != nil {
		return false, o.stuck
	}
	o.purges = append(o.purges, pageID)
	return len(o.purges) > 1, nil
}

func (o *others) TeamOf(_ context.Context, serviceID string) (string, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	team, found := o.services[serviceID]
	return team, found, nil
}

func (o *others) Incident(_ context.Context, incidentID string) (status.Internal, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i, found := o.incidents[incidentID]
	return i, found, nil
}

func (o *others) Open(_ context.Context, serviceIDs []string) ([]status.Internal, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []status.Internal
	for _, i := range o.incidents {
		if slices.Contains(serviceIDs, i.ServiceID) {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b status.Internal) int {
		if a.ID > b.ID {
			return -1
		}
		return 1
	})
	return out, nil
}

// Of names services by their ids.
func (o *others) Of(_ context.Context, teamID string) ([]status.Named, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := []status.Named{}
	for serviceID, team := range o.services {
		if team == teamID {
			out = append(out, status.Named{ID: serviceID, Name: serviceID})
		}
	}
	return out, nil
}

// runs makes a service of a team.
func (w *world) runs(team string) string {
	w.others.mu.Lock()
	defer w.others.mu.Unlock()
	serviceID := id.New(id.Service, w.clock.Now())
	w.others.services[serviceID] = team
	return serviceID
}

// breaks opens an internal incident of a service.
func (w *world) breaks(serviceID, title string, impact status.Impact) string {
	w.others.mu.Lock()
	defer w.others.mu.Unlock()
	incidentID := id.New(id.Incident, w.clock.Now())
	w.others.incidents[incidentID] = status.Internal{ID: incidentID, TeamID: w.others.services[serviceID], ServiceID: serviceID, Title: title, Impact: impact}
	return incidentID
}

// answer is what came back.
type answer struct{ roomtest.Answer }

func (a answer) code() string { return a.Str("code") }
func (a answer) id() string   { return a.Str("id") }

// wrong are the locations that a 422 names.
func (a answer) wrong() []string {
	var out []string
	list, _ := a.Body["errors"].([]any)
	for _, e := range list {
		out = append(out, e.(map[string]any)["location"].(string))
	}
	return out
}

// as calls the API as somebody. body is raw text, or a value that is made into JSON, or nil.
func (w *world) as(who, method, path string, body any, headers ...string) answer {
	w.t.Helper()
	p, ok := w.who[who]
	if !ok {
		w.t.Fatalf("nobody is called %q", who)
	}
	return answer{w.api.Call(roomtest.As(context.Background(), p), w.t, method, path, body, headers...)}
}

// must is as, for a call that has to answer status.
func (w *world) must(want int, who, method, path string, body any, headers ...string) answer {
	w.t.Helper()
	a := w.as(who, method, path, body, headers...)
	if a.StatusCode != want {
		w.t.Fatalf("%s %s as %s: got %d %.600s, want %d", method, path, who, a.StatusCode, a.Text, want)
	}
	return a
}

type object = map[string]any
type list = []any

// page makes a page of the team and returns its path.
func (w *world) page(slug string) string {
	w.t.Helper()
	a := w.must(201, "lead", "POST", "/v1/status-pages", object{"name": "Page " + slug, "slug": slug, "teamId": w.team})
	return "/v1/status-pages/" + a.id()
}

// component adds one to a page and returns its id.
func (w *world) component(page, name string) string {
	w.t.Helper()
	return w.must(201, "lead", "POST", page+"/components", object{"name": name}).id()
}

// incident publishes one about components and returns its path.
func (w *world) incident(page, title string, components ...string) string {
	w.t.Helper()
	touched := list{}
	for _, c := range components {
		touched = append(touched, object{"id": c, "status": "partial_outage"})
	}
	a := w.must(201, "responder", "POST", page+"/incidents", object{"title": title, "impact": "major", "status": "investigating", "body": "We look.", "components": touched})
	return page + "/incidents/" + a.id()
}

// maintenance plans one from and to some hours from now, and returns its path.
func (w *world) maintenance(page string, from, to time.Duration, components ...string) string {
	w.t.Helper()
	now := w.clock.Now()
	a := w.must(201, "responder", "POST", page+"/maintenances", object{
		"title": "Upgrade", "body": "New disks.", "startsAt": now.Add(from).Format(time.RFC3339Nano), "endsAt": now.Add(to).Format(time.RFC3339Nano), "components": components,
	})
	return page + "/maintenances/" + a.id()
}

// published reads the snapshot that readers of a slug get.
func (w *world) published(slug string) (status.Snapshot, bool) {
	w.t.Helper()
	var at status.Address
	found, err := w.table.Get(w.t.Context(), status.AddressKey(slug), &at)
	var p status.Published
	if err == nil && found {
		found, err = w.table.Get(w.t.Context(), status.PublishedKey(at.PageID), &p)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if !found {
		return status.Snapshot{}, false
	}
	s, err := status.Unpack(p.Packed)
	if err != nil {
		w.t.Fatal(err)
	}
	return s, true
}

// view is what a reader of a slug sees now.
func (w *world) view(slug string, r status.Reader) status.View {
	w.t.Helper()
	s, found := w.published(slug)
	if !found {
		w.t.Fatalf("nothing is published at %s", slug)
	}
	return s.For(r, w.clock.Now())
}

// recorded lists the types of audit events of the whole world since a time, oldest first.
func (w *world) recorded(since time.Time) []audit.Event {
	w.t.Helper()
	q := dynamo.Query{Index: "byKind", Values: []string{"audit"}, Sort: "id", From: id.Floor(id.Audit, since), Limit: 1000, Oldest: true}
	events, _, err := dynamo.List(w.t.Context(), w.audit, q, func(e audit.Event) string { return e.ID }, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return events
}

// types are those of events.
func types(events []audit.Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, e.Type)
	}
	return out
}
