package partner_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
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
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

// world is one test's PageFree: a team with a page, another team with one, and the people in them.
type world struct {
	t       *testing.T
	env     *awstest.Env
	service *partner.Service
	table   dynamo.Table // with every right
	eph     dynamo.Table
	audit   dynamo.Table
	api     roomtest.API
	clock   *roomtest.Clock

	team, other string
	page        string // of the team
	second      string // another one of the team
	foreign     string // of the other team
	web, db     string // components of page
	far         string // a component of foreign
	who         map[string]principal.Principal
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	env := awstest.New(t)
	all := dynamodb.NewFromConfig(env.Config)
	own := env.ConfigOf("PartnersFunction") // with its rights and no others
	db := dynamodb.NewFromConfig(own)
	w := &world{
		t: t, env: env, clock: roomtest.NewClock( // far ahead: a table that really forgets by TTL keeps what is of then
			time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)),
		table: dynamo.Table{Name: env.Table("StatusTable"), DB: all}, eph: dynamo.Table{Name: env.Table("EphemeralTable"), DB: all},
		audit: dynamo.Table{Name: env.Table("AuditTable"), DB: all},
	}
	ephemeral := dynamo.Table{Name: w.eph.Name, DB: db}
	w.service = &partner.Service{
		Store:   partner.Store{Table: dynamo.Table{Name: w.table.Name, DB: db}, Ephemeral: ephemeral, Stops: dynamo.Table{Name: env.Table("IdentityTable"), DB: db}},
		Audit:   audit.Log{Table: dynamo.Table{Name: w.audit.Name, DB: db}},
		Cursors: httpapi.NewCursors(kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: kms.NewFromConfig(own)}.Derive),
		Mail:    queue.Queue{URL: env.QueueURL("MailQueue"), Client: sqs.NewFromConfig(own)},
		Limits:  ratelimit.Limiter{Table: ephemeral, Now: w.clock.Now}, Now: w.clock.Now,
	}
	api := httpapi.New()
	partner.Routes(api, w.service)
	api.OnDenied(audit.Denials(w.service.Audit, w.clock.Now))
	w.api = roomtest.New(t, api)

	now := w.clock.Now()
	w.team, w.other = id.New(id.Team, now), id.New(id.Team, now)
	w.web, w.db, w.far = id.New(id.Component, now), id.New(id.Component, now), id.New(id.Component, now)
	w.page = w.publish(w.team, "acme-cloud", 7, w.web, w.db)
	w.second = w.publish(w.team, "acme-labs", 1)
	w.foreign = w.publish(w.other, "others", 7, w.far)
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
	return w
}

// publish writes a page and its snapshot, as the status room does.
func (w *world) publish(teamID, slug string, days float64, components ...string) (pageID string) {
	w.t.Helper()
	at := timestamp.Of(w.clock.Now())
	pageID = id.New(id.StatusPage, at.Time)
	s := status.Snapshot{PageID: pageID, TeamID: teamID, Slug: slug, Name: "Page " + slug, TimeZone: "UTC", SessionDays: days, SaidAt: at}
	for i, c := range components {
		s.Components = append(s.Components, status.Component{
			ID: c, Name: fmt.Sprintf("Component %d", i), Position: i, Status: status.Operational, CreatedAt: at, UpdatedAt: at,
			Log: []status.Change{{At: at, Status: status.Operational}},
		})
	}
	w.put(status.PageKey(pageID), status.Page{ID: pageID, Name: s.Name, Slug: slug, TeamID: teamID, TimeZone: "UTC", SessionDays: days, CreatedAt: at, UpdatedAt: at})
	w.show(s)
	return pageID
}

// show writes a snapshot over the one that may be there.
func (w *world) show(s status.Snapshot) {
	w.t.Helper()
	packed, err := s.Pack(w.clock.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(status.AddressKey(s.Slug), status.Address{PageID: s.PageID, TeamID: s.TeamID})
	w.put(status.PublishedKey(s.PageID), status.Published{PageID: s.PageID, Slug: s.Slug, Rev: 1, At: s.SaidAt, Packed: packed})
}

// snapshot reads what a page shows.
func (w *world) snapshot(slug string) status.Snapshot {
	w.t.Helper()
	var at status.Address
	if _, err := w.table.Get(context.Background(), status.AddressKey(slug), &at); err != nil {
		w.t.Fatal(err)
	}
	var p status.Published
	if _, err := w.table.Get(context.Background(), status.PublishedKey(at.PageID), &p); err != nil {
		w.t.Fatal(err)
	}
	s, err := status.Unpack(p.Packed)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// viewer is what sign-in finds of an address at an access, nil for nothing.
func (w *world) viewer(email, accessID string) map[string]any {
	w.t.Helper()
	var v map[string]any
	if _, err := w.table.Get(context.Background(), dynamo.Key{PK: "viewer#" + email, SK: accessID}, &v); err != nil {
		w.t.Fatal(err)
	}
	return v
}

// put writes an item under a key, over what may be there.
func (w *world) put(k dynamo.Key, item any) {
	w.t.Helper()
	out, err := attributevalue.MarshalMap(item)
	if err != nil {
		w.t.Fatal(err)
	}
	out[dynamo.PK], out[dynamo.SK] = &types.AttributeValueMemberS{Value: k.PK}, &types.AttributeValueMemberS{Value: k.SK}
	if _, err := w.table.DB.PutItem(context.Background(), &dynamodb.PutItemInput{TableName: &w.table.Name, Item: out}); err != nil {
		w.t.Fatal(err)
	}
}

// answer is what came back.
type answer struct{ roomtest.Answer }

func (a answer) code() string  { return a.Str("code") }
func (a answer) id() string    { return a.Str("id") }
func (a answer) token() string { return a.Str("token") }

// as calls the API as somebody. body is JSON text, or a value that is made into it, or nil.
func (w *world) as(who, method, path string, body any, headers ...string) answer {
	w.t.Helper()
	p, ok := w.who[who]
	if !ok {
		w.t.Fatalf("nobody is called %q", who)
	}
	return answer{w.api.Call(roomtest.As(context.Background(), p), w.t, method, path, body, headers...)}
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

// of is the path of what lies under a page.
func of(pageID string, rest ...string) string {
	return "/v1/status-pages/" + pageID + "/" + strings.Join(rest, "/")
}

// grant lets a partner see the page; more are members of the body.
func (w *world) grant(name, email string, more ...any) answer {
	w.t.Helper()
	return w.grantAt(w.page, name, email, more...)
}

func (w *world) grantAt(pageID, name, email string, more ...any) answer {
	w.t.Helper()
	body := map[string]any{"partnerName": name, "contactEmail": email}
	for i := 0; i < len(more); i += 2 {
		body[more[i].(string)] = more[i+1]
	}
	return w.must(201, "lead", "POST", of(pageID, "partners"), body)
}

// recorded lists the audit events of the whole world since a time, oldest first.
func (w *world) recorded(since time.Time) []audit.Event {
	w.t.Helper()
	q := dynamo.Query{Index: "byKind", Values: []string{"audit"}, Sort: "id", From: id.Floor(id.Audit, since), Limit: 1000, Oldest: true}
	events, _, err := dynamo.List(context.Background(), w.audit, q, func(e audit.Event) string { return e.ID }, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return events
}
