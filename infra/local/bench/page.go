package bench

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

// pages are the status pages that are measured: the demo's, a large one, and one that staff work at. (What staff do
// would change the others.)
type pages struct {
	demo, large, staff string // their ids
	acme               string // id of Acme's access to the demo's
	token, feed        string // of Acme
	session            string // of a person of Acme
	largeToken         string // of a partner who sees all of the large one
	incident           string // one that Acme sees
	component, part    string // of staff's, of the large one
}

// Addresses of the pages that are not the demo's.
const (
	largeSlug = "bench-large"
	staffSlug = "bench-staff"
)

// few is how many partners the demo's page has at first: Acme, Globex and others.
const few = 10

// publish makes the pages and who looks at them.
func (w *work) publish(ctx context.Context) (err error) {
	list, err := w.call(ctx, demo.Lead, "GET", "/v1/status-pages?limit=200&teamId="+w.team, nil)
	if err != nil {
		return err
	}
	w.pages.demo = idOf(list, "slug", demo.Slug)
	if list, err = w.call(ctx, demo.Lead, "GET", under(w.pages.demo, "/partners"), nil); err != nil {
		return err
	}
	w.pages.acme, w.pages.token = idOf(list, "partnerName", "Acme"), w.people.Tokens["Acme"]
	if list, err = w.call(ctx, demo.Lead, "GET", under(w.pages.demo, "/incidents"), nil); err != nil {
		return err
	}
	if w.pages.incident = idOf(list, "status", string(status.Identified)); w.pages.acme == "" || w.pages.incident == "" {
		return fmt.Errorf("the demo's page lacks Acme or its open incident")
	}
	feed, err := w.call(ctx, demo.Lead, "POST", under(w.pages.demo, "/partners/"+w.pages.acme+"/feed-token"), nil)
	if err != nil {
		return err
	}
	w.pages.feed = text(feed, "token")
	if w.pages.session, err = w.api.SignIn(ctx, demo.Acme); err != nil {
		return err
	}
	for n := 2; n < few; n++ {
		if _, err := w.grant(ctx, w.pages.demo, fmt.Sprint("Partner ", n)); err != nil {
			return err
		}
	}
	if w.pages.staff, w.pages.component, err = w.page(ctx, staffSlug); err != nil {
		return err
	}
	if w.pages.large, w.pages.part, err = w.page(ctx, largeSlug); err != nil {
		return err
	}
	partner, err := w.grant(ctx, w.pages.large, "Large")
	if err != nil {
		return err
	}
	w.pages.largeToken = text(partner, "token")
	return w.enlarge(ctx)
}

// statusTable is the table of pages, with every right.
func (w *work) statusTable() dynamo.Table {
	return dynamo.Table{Name: w.stack.Template().Tables["StatusTable"].Name, DB: dynamodb.NewFromConfig(w.stack.Config())}
}

// past gives what the demo made its history.
func (w *work) past() *demo.Past {
	status := w.statusTable()
	return &demo.Past{Automation: dynamo.Table{Name: w.stack.Template().Tables["AutomationTable"].Name, DB: status.DB}, Status: status, Now: time.Now}
}

// under is a path of staff's at a page.
func under(page, path string) string { return "/v1/status-pages/" + page + path }

// idOf finds an item of a list by one of its members.
func idOf(list map[string]any, member, value string) string {
	items, _ := list["items"].([]any)
	for _, item := range items {
		if m, _ := item.(map[string]any); text(m, member) == value {
			return text(m, "id")
		}
	}
	return ""
}

// page makes a page with one component, and returns the ids of both.
func (w *work) page(ctx context.Context, slug string) (page, component string, err error) {
	p, err := w.call(ctx, demo.Lead, "POST", "/v1/status-pages", map[string]any{"name": "Bench", "slug": slug, "teamId": w.team, "accentColor": "#2456d6"})
	if err != nil {
		return "", "", err
	}
	c, err := w.call(ctx, demo.Lead, "POST", under(text(p, "id"), "/components"), map[string]any{"name": "Public API", "group": "Platform"})
	return text(p, "id"), text(c, "id"), err
}

// grant gives a partner access to all of a page.
func (w *work) grant(ctx context.Context, page, name string) (map[string]any, error) {
	email := strings.ToLower(strings.ReplaceAll(name, " ", "-")) + "@partners.test"
	return w.call(ctx, demo.Lead, "POST", under(page, "/partners"), map[string]any{"partnerName": name, "contactEmail": email})
}

// How much is on the large page.
const (
	largeComponents = 200
	largeIncidents  = 50
	largeText       = 8 << 10 // of an update, in bytes; an incident has three
)

// enlarge puts on the large page, beside its first component, what would take a thousand requests: it writes its
// snapshot as they would have left it.
func (w *work) enlarge(ctx context.Context) error {
	table := w.statusTable()
	var p status.Published
	if found, err := table.Get(ctx, status.PublishedKey(w.pages.large), &p); err != nil || !found {
		return fmt.Errorf("the large page is not published: %w", err)
	}
	s, err := status.Unpack(p.Packed)
	if err != nil {
		return err
	}
	rng, now := rand.New(rand.NewPCG(1, 2)), time.Now()
	born := timestamp.Of(now.AddDate(0, 0, -status.Remembered-5))
	model := s.Components[0]
	model.CreatedAt, model.Log = born, []status.Change{{At: born, Status: status.Operational}}
	s.Components = nil
	for n := range largeComponents {
		c := model
		c.Name, c.Group, c.Position, c.Description = fmt.Sprint("Component ", n), fmt.Sprint("Group ", n/10), n, prose(rng, 80)
		if c.ID = w.pages.part; n > 0 {
			c.ID = id.New(id.Component, now)
		}
		s.Components = append(s.Components, c)
	}
	var ops []dynamo.Op
	for n := range largeIncidents {
		i := incidentOf(rng, now.Add(-time.Duration(n)*40*time.Hour), s.Components[rng.IntN(largeComponents)].ID)
		record, err := packed(i)
		if err != nil {
			return err
		}
		k := status.RecordKey(s.PageID, i.ID)
		ops = append(ops, table.Create(status.Record{PK: k.PK, SK: k.SK, ID: i.ID, Packed: record}))
		s.Incidents = append(s.Incidents, i)
	}
	if p.Packed, err = s.Pack(now); err != nil {
		return err
	}
	p.Rev++
	return dynamo.Commit(ctx, table.DB, append(ops, table.Put(p, dynamo.Is("rev", p.Rev-1)))...)
}

// incidentOf is an incident with long texts that began at a time, and is over.
func incidentOf(rng *rand.Rand, began time.Time, component string) status.Incident {
	i := status.Incident{ID: id.New(id.PageIncident, began), Title: prose(rng, 60), Impact: status.ImpactMinor, CreatedAt: timestamp.Of(began), Rev: 1}
	for n, is := range []status.IncidentStatus{status.Investigating, status.Identified, status.Resolved} {
		at := began.Add(time.Duration(n) * 20 * time.Minute)
		i.Updates = append(i.Updates, status.Update{ID: id.New(id.PageUpdate, at), At: timestamp.Of(at), Status: is, Body: prose(rng, largeText),
			Components: []status.Touched{{ID: component, Status: status.DegradedPerformance}}})
	}
	i.Updates[2].Components[0].Status = status.Operational
	return i
}

// prose is text of a length that packs about as well as what people write.
func prose(rng *rand.Rand, length int) string {
	var b strings.Builder
	for b.Len() < length {
		for range 2 + rng.IntN(9) {
			b.WriteByte("etaoinshrdlucmfwypvbgkjqxz"[min(rng.IntN(26), rng.IntN(26))])
		}
		b.WriteByte(' ')
	}
	return strings.TrimSpace(b.String()[:length])
}

// packed is the form of a record: gzipped JSON.
func packed(v any) ([]byte, error) {
	var b strings.Builder
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(v); err != nil {
		return nil, err
	}
	err := z.Close()
	return []byte(b.String()), err
}

// look is a request for something of a page.
type look struct {
	path   string
	bearer string // "" for a credential in the path, or none
	html   bool   // as browsers ask; else as programs do
	known  string // ETag of what the caller has: 304 is the answer
	edge   bool   // through the distribution; else where that would ask, as it would
}

// readers is how looks travel: nothing is unpacked on arrival.
var readers = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}, Timeout: time.Minute}

// see sends a look and reads the answer: 200, or 304 for what is known. size is that of the body over the wire.
func (w *work) see(ctx context.Context, l look) (a client.Answer, size int, err error) {
	at := w.stack.APIURL
	if l.edge {
		at = w.stack.URL
	}
	req, err := http.NewRequestWithContext(ctx, "GET", at+l.path, nil)
	if err != nil {
		return a, 0, err
	}
	h := http.Header{"Accept-Encoding": {"gzip"}, "Accept": {"application/json"}, "User-Agent": {"bench"}}
	if l.html {
		h.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	}
	if l.bearer != "" {
		h.Set("Authorization", "Bearer "+l.bearer)
	}
	if l.known != "" {
		h.Set("If-None-Match", l.known)
	}
	if !l.edge {
		h.Set("X-Pagefree-Origin", w.stack.Secret("OriginSecret"))
		h.Set("X-Pagefree-Viewer", "127.0.0.1")
	}
	req.Header = h
	res, err := readers.Do(req)
	if err != nil {
		return a, 0, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return a, 0, err
	}
	want := http.StatusOK
	if l.known != "" {
		want = http.StatusNotModified
	}
	if res.StatusCode != want {
		return a, 0, fmt.Errorf("GET %s: got %d, want %d: %.200s", l.path, res.StatusCode, want, raw)
	}
	return client.Answer{Status: res.StatusCode, Header: res.Header, Raw: string(raw)}, len(raw), nil
}

// plain is an answer's body as it was before it was compressed.
func plain(a client.Answer) (string, error) {
	if a.Header.Get("Content-Encoding") != "gzip" {
		return a.Raw, nil
	}
	z, err := gzip.NewReader(strings.NewReader(a.Raw))
	if err != nil {
		return "", err
	}
	raw, err := io.ReadAll(z)
	return string(raw), err
}
