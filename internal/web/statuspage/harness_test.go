package statuspage_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/infra/local/acme"
	"pagefree/infra/local/awstest"
	"pagefree/internal/audit"
	"pagefree/internal/partner"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/kmsmac"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
	"pagefree/internal/web/statuspage"
)

// started is the time in which tests play.
var started = time.Date(2026, 5, 20, 9, 41, 0, 0, time.UTC)

// world is one test's function status, with the function's own rights, and the page acme-cloud behind it.
type world struct {
	t       testing.TB
	env     *awstest.Env
	table   dynamo.Table // with all rights
	audit   dynamo.Table
	pages   *statuspage.Pages
	handler http.Handler

	mu  sync.Mutex
	now time.Time
	rev int64
}

func newWorld(t testing.TB, at string) *world {
	env := awstest.New(t)
	all := dynamodb.NewFromConfig(env.Config)
	own := env.ConfigOf("StatusFunction")
	w := &world{
		t: t, env: env, now: started, table: dynamo.Table{Name: env.Table("StatusTable"), DB: all}, audit: dynamo.Table{Name: env.Table("AuditTable"), DB: all},
	}
	o, err := origin.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	table := dynamo.Table{Name: w.table.Name, DB: dynamodb.NewFromConfig(own)}
	w.pages = &statuspage.Pages{
		Door: &partner.Door{
			Store: partner.Store{Table: table}, Looks: queue.Queue{URL: env.QueueURL("LooksQueue"), Client: sqs.NewFromConfig(own)}, Now: w.clock,
		},
		Pictures: status.Store{Table: table},
		Cursors:  httpapi.NewCursors(kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: kms.NewFromConfig(own)}.Derive),
		Origin:   o,
	}
	api := httpapi.New()
	api.OnDenied(audit.Denials(audit.Log{Table: dynamo.Table{Name: w.audit.Name, DB: table.DB}}, w.clock))
	statuspage.Routes(api, w.pages)
	statuspage.StaffPreview(api, ofStaff{w})
	statuspage.PartnerPreview(api, ofPartner{w})
	w.handler = api.Handler()

	w.publish(acme.Snapshot(started))
	w.put("sp#"+acme.PageID, "page", status.Page{ID: acme.PageID, Slug: acme.Slug, Name: "Acme Cloud", TeamID: team, SessionDays: 7, TimeZone: "Europe/Berlin"})
	for _, id := range []string{acme.AccessAcme, acme.AccessGlobex} {
		w.grant(id, nil)
		w.put("prt#"+account(id), "partner", partner.Account{ID: account(id), TeamID: team, Name: "Somebody", Active: true, Epoch: 1})
		w.put("people#"+id, person(id), partner.Person{ID: person(id), AccessID: id, Email: "somebody@acme.test"})
	}
	return w
}

const team = "team_01K9ZD3R5N0000000000000001"

func account(accessID string) string { return "prt_" + accessID[4:] }
func person(accessID string) string  { return "prs_" + accessID[4:] }

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// advance lets time pass.
func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// put writes an item, whatever was there.
func (w *world) put(pk, sk string, item any) {
	w.t.Helper()
	av, err := attributevalue.MarshalMap(item)
	if err != nil {
		w.t.Fatal(err)
	}
	av["pk"], av["sk"] = &types.AttributeValueMemberS{Value: pk}, &types.AttributeValueMemberS{Value: sk}
	if _, err := w.table.DB.PutItem(context.Background(), &dynamodb.PutItemInput{TableName: &w.table.Name, Item: av}); err != nil {
		w.t.Fatal(err)
	}
}

// pack is the stored form of a whole incident.
func pack(t testing.TB, i status.Incident) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(i); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// publish is a change of the page.
func (w *world) publish(s status.Snapshot) {
	w.t.Helper()
	packed, err := s.Pack(w.clock())
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.rev++
	rev := w.rev
	w.mu.Unlock()
	w.put("slug#"+s.Slug, "page", status.Address{PageID: s.PageID, TeamID: s.TeamID})
	w.put("sp#"+s.PageID, "snapshot", status.Published{PageID: s.PageID, Slug: s.Slug, Rev: rev, At: timestamp.Of(w.clock()), Packed: packed})
	for _, i := range s.Incidents {
		w.put("sp#"+s.PageID, i.ID, status.Record{ID: i.ID, Packed: pack(w.t, i)})
	}
}

// grant writes the access of one of the two partners, as change leaves it.
func (w *world) grant(id string, change func(*partner.Access)) {
	w.t.Helper()
	a := partner.Access{ID: id, StatusPageID: acme.PageID, TeamID: team, PartnerID: account(id), PartnerName: "Somebody", CreatedAt: timestamp.Of(started)}
	if id == acme.AccessGlobex {
		a.ComponentIDs = acme.Globex().Components
	}
	if change != nil {
		change(&a)
	}
	w.put("grants#"+acme.PageID, id, a)
}

func seatOf(accessID string) seat.Seat {
	return seat.Seat{PageID: acme.PageID, AccessID: accessID, PartnerID: account(accessID)}
}

func reading(id string, r principal.Reading) principal.Principal {
	return principal.Principal{Kind: principal.Partner, ID: id, Partner: &r}
}

// The callers of tests.
func byToken(accessID string) principal.Principal {
	return reading(accessID, principal.Reading{Via: seat.ByToken, Seats: []seat.Seat{seatOf(accessID)}})
}

func byFeed(accessID string) principal.Principal {
	return reading(accessID, principal.Reading{Via: seat.ByFeed, Seats: []seat.Seat{seatOf(accessID)}})
}

func byShared(pageID string) principal.Principal {
	return reading(pageID, principal.Reading{Via: seat.ByShared, Seats: []seat.Seat{{PageID: pageID}}})
}

func bySession(accessID string) principal.Principal {
	s := seatOf(accessID)
	s.PersonID, s.Slug, s.Epoch = person(accessID), acme.Slug, 1
	return reading("pse_01K9ZD3R5N0000000000000001", principal.Reading{Via: seat.BySession, Seats: []seat.Seat{s}, Since: timestamp.Ptr(started.Add(-time.Hour))})
}

var (
	staff    = principal.Principal{Kind: principal.User, ID: "usr_1", UserID: "usr_1", Teams: map[string]principal.Role{team: principal.TeamAdmin}}
	outsider = principal.Principal{Kind: principal.User, ID: "usr_2", UserID: "usr_2", Teams: map[string]principal.Role{"team_x": principal.TeamAdmin}}
	apiKey   = principal.Principal{Kind: principal.APIKey, ID: "key_1", UserID: "usr_1", Teams: map[string]principal.Role{team: principal.TeamAdmin}}
	nobody   = principal.Principal{}
)

const html = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// got is an answer.
type got struct {
	*http.Response
	text string
}

// json reads the body into a map.
func (g got) json(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(g.text), &v); err != nil {
		t.Fatalf("no JSON: %v: %.200s", err, g.text)
	}
	return v
}

const requestID = "5b2c1a52-0000-4000-8000-000000000000"

// as is the context of a request of somebody.
func as(ctx context.Context, p principal.Principal) context.Context {
	ctx = principal.WithOrigin(ctx, principal.Origin{IP: "192.0.2.7", UserAgent: "test", RequestID: requestID})
	if p.Kind == "" {
		return ctx
	}
	return principal.With(ctx, p)
}

// get asks for a path as somebody; headers are pairs.
func (w *world) get(p principal.Principal, path string, headers ...string) got {
	return w.do(p, http.MethodGet, path, headers...)
}

func (w *world) do(p principal.Principal, method, path string, headers ...string) got {
	w.t.Helper()
	r := httptest.NewRequestWithContext(as(w.t.Context(), p), method, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return got{rec.Result(), rec.Body.String()}
}

// served is the function on a port, compressing as CloudFront does, for whoever is said to be asking.
type served struct {
	*httptest.Server
	mu  sync.Mutex
	who principal.Principal
}

func (s *served) as(p principal.Principal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.who = p
}

func (w *world) serve(p principal.Principal) *served {
	s := &served{who: p}
	s.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		who := s.who
		s.mu.Unlock()
		if r.URL.Path == "/signin" {
			rw.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(rw, "<!doctype html><title>Sign in</title><main>Sign in</main>")
			return
		}
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r.WithContext(as(r.Context(), who)))
		for name, values := range rec.Header() {
			rw.Header()[name] = values
		}
		if rec.Code == http.StatusOK && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && r.Method == http.MethodGet {
			rw.Header().Set("Content-Encoding", "gzip")
			rw.WriteHeader(rec.Code)
			z := gzip.NewWriter(rw)
			_, _ = z.Write(rec.Body.Bytes())
			_ = z.Close()
			return
		}
		rw.WriteHeader(rec.Code)
		_, _ = rw.Write(rec.Body.Bytes())
	}))
	w.t.Cleanup(s.Close)
	return s
}

// broken is a queue that takes nothing.
type broken struct{}

func (broken) Send(context.Context, any) error { return errors.New("the queue is gone") }

// root is the top of the repository.
const root = "../../.."

// ofStaff and ofPartner make previews of the page as it was published last.
type (
	ofStaff   struct{ w *world }
	ofPartner struct{ w *world }
)

func (p ofStaff) Preview(ctx context.Context, pageID string) (status.View, error) {
	if _, err := principal.Require(ctx, team, principal.Observer); err != nil {
		return status.View{}, err
	}
	return acme.Snapshot(started).For(status.Reader{Staff: true}, p.w.clock()), nil
}

func (p ofPartner) Preview(ctx context.Context, pageID, accessID string) (status.View, partner.Access, error) {
	if _, err := principal.Require(ctx, team, principal.Observer); err != nil {
		return status.View{}, partner.Access{}, err
	}
	return acme.Snapshot(started).For(acme.Globex(), p.w.clock()), partner.Access{PartnerName: "Globex <b>"}, nil
}
