package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	front "pagefree/infra/local/aws"
	"pagefree/infra/local/awstest"
	"pagefree/infra/local/roomtest"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/token"
)

const (
	site   = "https://pagefree.example.com"
	secret = "0123456789012345678901234567890123456789"
)

// world is one test's PageFree: a team and another, sessions of people in them, and who reaches sockets.
type world struct {
	*testing.T
	env     *awstest.Env
	clock   *roomtest.Clock
	all     dynamo.Table // the ephemeral table, with every right
	things  dynamo.Table // the automation table, the same
	tickets *Tickets
	sockets *Sockets
	pub     *Publisher
	api     roomtest.API

	team, other string

	mu      sync.Mutex
	live    map[string]principal.Live // by hash
	ended   func()                    // what happens while a session is looked up
	looks   int
	posted  map[string][]string // by connection
	closed  []string
	gone    map[string]bool
	full    map[string]bool
	failing bool
	fanned  []Message
	asked   []Message
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	env := awstest.New(t)
	w := &world{
		T: t, env: env, clock: roomtest.NewClock(time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)), // to come, or an engine that deletes by TTL would
		live: map[string]principal.Live{}, posted: map[string][]string{}, gone: map[string]bool{},
	}
	w.team, w.other = id.New(id.Team, w.clock.Now()), id.New(id.Team, w.clock.Now())
	ephemeral, automation := env.Table("EphemeralTable"), env.Table("AutomationTable")
	as := func(function, table string) dynamo.Table {
		return dynamo.Table{Name: table, DB: dynamodb.NewFromConfig(env.ConfigOf(function))}
	}
	w.all = dynamo.Table{Name: ephemeral, DB: dynamodb.NewFromConfig(env.Config)}
	w.things = dynamo.Table{Name: automation, DB: w.all.DB}
	at, err := origin.Parse(site)
	if err != nil {
		t.Fatal(err)
	}
	edge, err := httpapi.ParseEdge(secret)
	if err != nil {
		t.Fatal(err)
	}
	source := origin.NewSource(at, nil)
	w.tickets = &Tickets{Store: Store{Table: as("TicketsFunction", ephemeral)}, Origin: source, Now: w.clock.Now}
	w.sockets = &Sockets{
		Store: Store{Table: as("RealtimeFunction", ephemeral)}, Automation: as("RealtimeFunction", automation), Sessions: w, Edge: edge, Origin: source, Live: w, Now: w.clock.Now,
	}
	w.pub = &Publisher{
		Store: Store{Table: as("PublisherFunction", ephemeral)}, Automation: as("PublisherFunction", automation), Sessions: w, Sockets: w,
		Fan: func(_ context.Context, m []Message) error { w.fanned = append(w.fanned, m...); return nil }, Now: w.clock.Now,
	}
	api := httpapi.New()
	Routes(api, w.tickets)
	w.api = roomtest.New(t, api)
	return w
}

// Look is the identity room's.
func (w *world) Look(_ context.Context, hashes []string) (map[string]principal.Live, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	out, now := map[string]principal.Live{}, w.clock.Now()
	for _, h := range hashes {
		if l, ok := w.live[h]; ok && now.Before(l.Until) {
			out[h] = l
		}
	}
	if w.ended != nil {
		w.ended()
	}
	return out, nil
}

func (w *world) Post(_ context.Context, connectionID string, message []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.gone[connectionID]:
		return ErrGone
	case w.full[connectionID]:
		return ErrFull
	case w.failing:
		return errors.New("500")
	}
	w.posted[connectionID] = append(w.posted[connectionID], string(message))
	return nil
}

func (w *world) Close(_ context.Context, connectionID string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = append(w.closed, connectionID)
	return nil
}

func (w *world) Send(_ context.Context, message any) error {
	w.asked = append(w.asked, message.(Message))
	return nil
}

// signIn is a session of somebody new, in teams.
func (w *world) signIn(admin bool, teams ...string) principal.Principal {
	p := principal.Principal{
		Kind: principal.User, ID: id.New(id.User, w.clock.Now()), PlatformAdmin: admin, Teams: map[string]principal.Role{}, SessionHash: token.Hash(token.New(token.Session)),
	}
	for _, team := range teams {
		p.Teams[team] = principal.Observer
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.live[p.SessionHash] = principal.Live{Principal: p, Until: w.clock.Now().Add(8 * time.Hour)}
	return p
}

func (w *world) end(p principal.Principal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.live, p.SessionHash)
}

// become changes somebody.
func (w *world) become(p principal.Principal, change func(*principal.Live)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.live[p.SessionHash]
	l.Teams = maps.Clone(l.Teams)
	change(&l)
	w.live[p.SessionHash] = l
}

// ticket is one of a session's.
func (w *world) ticket(p principal.Principal) string {
	w.Helper()
	issued, err := w.tickets.Issue(roomtest.As(w.Context(), p))
	if err != nil {
		w.Fatal(err)
	}
	return issued.Ticket
}

// connect is the event of a socket that opens with a ticket, from a page of ours.
func connect(connectionID, ticket string) events.APIGatewayWebsocketProxyRequest {
	e := events.APIGatewayWebsocketProxyRequest{
		MultiValueHeaders: map[string][]string{"Origin": {site}, "x-pagefree-origin": {secret}},
	}
	if ticket != "" {
		e.MultiValueQueryStringParameters = map[string][]string{"ticket": {ticket}}
	}
	e.RequestContext.EventType, e.RequestContext.ConnectionID = "CONNECT", connectionID
	return e
}

func (w *world) handle(e events.APIGatewayWebsocketProxyRequest) Answer {
	w.Helper()
	a, err := w.sockets.Handle(w.Context(), e)
	if err != nil {
		w.Fatal(err)
	}
	return a
}

// opened is a socket of a session.
func (w *world) opened(p principal.Principal) string {
	w.Helper()
	c := shortID()
	if a := w.handle(connect(c, w.ticket(p))); a.StatusCode != 200 {
		w.Fatalf("a socket is refused with %d", a.StatusCode)
	}
	return c
}

func shortID() string { return token.New(token.Ticket)[4:18] + "==" }

// says is what a socket is answered.
func (w *world) says(c, text string) string {
	w.Helper()
	e := events.APIGatewayWebsocketProxyRequest{Body: text}
	e.RequestContext.EventType, e.RequestContext.ConnectionID = "MESSAGE", c
	return w.handle(e).Body
}

// listens is a socket of a session that subscribed.
func (w *world) listens(p principal.Principal, kinds []string, ids ...string) string {
	w.Helper()
	c := w.opened(p)
	text, err := json.Marshal(map[string]any{"subscribe": Subscription{Kinds: kinds, IDs: ids}})
	if err != nil {
		w.Fatal(err)
	}
	if said := w.says(c, string(text)); !strings.Contains(said, "subscribed") || strings.Contains(said, "notFound") {
		w.Fatalf("subscribing: %s", said)
	}
	return c
}

// thing puts an item that is watched, and gives its id.
func (w *world) thing(prefix, kind, pk, sk, team, by string) string {
	w.Helper()
	name := id.New(prefix, w.clock.Now())
	item := dynamo.Item{
		"pk": &types.AttributeValueMemberS{Value: pk + name}, "sk": &types.AttributeValueMemberS{Value: sk},
		"rev": &types.AttributeValueMemberN{Value: "1"}, "triggeredById": &types.AttributeValueMemberS{Value: by},
	}
	if team != "" {
		item["teamId"] = &types.AttributeValueMemberS{Value: team}
	}
	if err := dynamo.Commit(w.Context(), w.things.DB, w.things.Create(item)); err != nil {
		w.Fatal(err)
	}
	return name
}

func (w *world) incident(team string) string {
	w.Helper()
	return w.thing(id.Incident, Incident, "inc#", "inc", team, "")
}

// told publishes that an incident of a team changed.
func (w *world) told(m Message) {
	w.Helper()
	if err := w.pub.Handle(w.Context(), m); err != nil {
		w.Fatal(err)
	}
}

func (w *world) changed(team string) Message {
	return Message{Change: Change{Kind: Incident, ID: id.New(id.Incident, w.clock.Now()), Version: 2}, Scope: team}
}

// heard is how often a socket was told something.
func (w *world) heard(c string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.posted[c])
}

// left are the keys of what there is in the table, but for tickets.
func (w *world) left() []string {
	w.Helper()
	out, err := w.all.DB.Scan(w.Context(), &dynamodb.ScanInput{TableName: aws.String(w.all.Name)})
	if err != nil {
		w.Fatal(err)
	}
	var keys []string
	for _, item := range out.Items {
		pk := item["pk"].(*types.AttributeValueMemberS).Value
		if !strings.HasPrefix(pk, "ticket#") {
			keys = append(keys, pk)
		}
	}
	slices.Sort(keys)
	return keys
}

// failing makes the next read of connections fail for good.
func failing() front.Fault {
	return front.Fault{Operation: "Query", Times: -1, Do: front.Fail}
}
