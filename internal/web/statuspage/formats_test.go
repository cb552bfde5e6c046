package statuspage_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/acme"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

// client asks for everything that a client of Statuspage knows, unchanged but for the address.
const client = `
const {Statuspage} = require("statuspage.io");
const s = new Statuspage("acme");
s.setApiUrl(process.argv[1]);
(async () => console.log(JSON.stringify({
	summary: await s.api.getSummary(), status: await s.api.getStatus(), components: await s.api.getComponents(),
	incidents: await s.api.incidents.getAll(), unresolved: await s.api.incidents.getUnresolved(),
	active: await s.api.scheduledMaintenances.getActive(), all: await s.api.scheduledMaintenances.getAll(), upcoming: await s.api.scheduledMaintenances.getUpcoming(),
})))().catch((e) => { console.error(String(e)); process.exit(1); });
`

// TestAClientOfStatuspage reads the page as it reads any page of Statuspage's own. It can send no credential of ours, so
// that the port that it talks to stands for one.
func TestAClientOfStatuspage(t *testing.T) {
	w := newWorld(t, "https://pagefree.test")
	s := w.serve(byToken(acme.AccessAcme))
	cmd := exec.CommandContext(t.Context(), "node", "-e", client, s.URL+here)
	cmd.Dir = filepath.Join(root, "infra/local/browser")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s (make test installs what this needs)", err, said.String())
	}
	type list []map[string]any
	var got struct {
		Summary struct {
			Page                  map[string]any
			Status                map[string]string
			Components, Incidents list
			ScheduledMaintenances list `json:"scheduled_maintenances"`
		}
		Status                struct{ Status map[string]string }
		Components            struct{ Components list }
		Incidents, Unresolved struct{ Incidents list }
		Upcoming              struct {
			ScheduledMaintenances list `json:"scheduled_maintenances"`
		}
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if got.Summary.Page["name"] != "Acme Cloud" || got.Summary.Page["url"] != "https://pagefree.test/status/acme-cloud" || got.Summary.Page["time_zone"] != "Europe/Berlin" {
		t.Errorf("page: got %v", got.Summary.Page)
	}
	if got.Status.Status["indicator"] != "minor" || got.Summary.Status["description"] != "Partially Degraded Service" {
		t.Errorf("status: got %v", got.Status.Status)
	}
	var names []string
	for _, c := range got.Components.Components {
		names = append(names, fmt.Sprintf("%v %v %v", c["position"], c["name"], c["group"]))
	}
	if want := "1 Developer platform true|2 REST API false|3 Webhooks false|4 Sign-in and keys false|5 Console true|6 Web console false|" +
		"7 Mobile apps false|8 Payments true|9 Card payments false|10 Payouts false|11 Documentation false"; strings.Join(names, "|") != want {
		t.Errorf("components: got %s, want %s", strings.Join(names, "|"), want)
	}
	group, webhooks := got.Components.Components[0], got.Components.Components[2]
	if group["status"] != "degraded_performance" || webhooks["group_id"] != group["id"] || len(group["components"].([]any)) != 3 {
		t.Errorf("the group: got %v, of it %v", group, webhooks)
	}
	if len(got.Incidents.Incidents) != 5 || len(got.Unresolved.Incidents) != 1 || len(got.Summary.Incidents) != 1 || len(got.Upcoming.ScheduledMaintenances) != 1 {
		t.Errorf("got %d incidents, %d of them open; %d maintenances to come", len(got.Incidents.Incidents), len(got.Unresolved.Incidents), len(got.Upcoming.ScheduledMaintenances))
	}
	if m := got.Upcoming.ScheduledMaintenances[0]; m["impact"] != "maintenance" || m["status"] != "scheduled" || m["scheduled_for"] == nil || m["scheduled_until"] == nil {
		t.Errorf("the maintenance: got %v", m)
	}
}

// TestStatuspageMembers: each object has the members of Statuspage's own, no fewer.
func TestStatuspageMembers(t *testing.T) {
	w := newWorld(t, "https://pagefree.test")
	who := byToken(acme.AccessAcme)
	component := []string{"id", "name", "status", "created_at", "updated_at", "position", "description", "showcase", "start_date", "group_id", "page_id", "group", "only_show_if_degraded"}
	update := []string{"id", "status", "body", "incident_id", "created_at", "updated_at", "display_at", "affected_components", "deliver_notifications", "custom_tweet", "tweet_id"}
	incident := []string{"id", "name", "status", "created_at", "updated_at", "monitoring_at", "resolved_at", "impact", "shortlink", "started_at", "page_id", "incident_updates", "components", "reminder_intervals"}
	has := func(what string, v any, members []string) map[string]any {
		t.Helper()
		m := v.(map[string]any)
		for _, name := range members {
			if _, there := m[name]; !there {
				t.Errorf("%s has no %s: %v", what, name, m)
			}
		}
		return m
	}
	summary := w.get(who, here+"/api/v2/summary.json").json(t)
	page := has("page", summary["page"], []string{"id", "name", "url", "time_zone", "updated_at"})
	for _, c := range summary["components"].([]any) {
		if m := has("component", c, component); m["page_id"] != page["id"] {
			t.Errorf("page_id: got %v, want %v", m["page_id"], page["id"])
		}
	}
	all := w.get(who, here+"/api/v2/incidents.json").json(t)["incidents"].([]any)
	for _, i := range all {
		m := has("incident", i, incident)
		for _, u := range m["incident_updates"].([]any) {
			has("update", u, update)
		}
		for _, c := range m["components"].([]any) {
			has("component of an incident", c, component)
		}
	}
	past := all[slices.IndexFunc(all, func(i any) bool { return i.(map[string]any)["id"] == acme.Past })].(map[string]any)
	if past["monitoring_at"] == nil || past["resolved_at"] == nil || past["status"] != "postmortem" || past["shortlink"] != "https://pagefree.test/status/acme-cloud/incidents/"+acme.Past {
		t.Errorf("the past incident: got %v", past)
	}
	affected := past["incident_updates"].([]any)[1].(map[string]any)["affected_components"].([]any)[0].(map[string]any)
	if affected["name"] != "Card payments" || affected["old_status"] != "partial_outage" || affected["new_status"] != "operational" {
		t.Errorf("affected: got %v", affected)
	}
	maintenances := w.get(who, here+"/api/v2/scheduled-maintenances.json").json(t)["scheduled_maintenances"].([]any)
	for _, m := range maintenances {
		has("maintenance", m, append(incident, "scheduled_for", "scheduled_until"))
	}
	if len(maintenances) != 2 || maintenances[1].(map[string]any)["status"] != "completed" || maintenances[1].(map[string]any)["resolved_at"] == nil {
		t.Errorf("maintenances: got %v", maintenances)
	}
	s := acme.Snapshot(started)
	s.Maintenances[0].StartsAt, s.Maintenances[0].EndsAt = timestamp.Of(started.Add(-time.Minute)), timestamp.Of(started.Add(time.Hour))
	w.publish(s)
	for path, want := range map[string]int{"upcoming": 0, "active": 1} {
		if got := w.get(who, here+"/api/v2/scheduled-maintenances/"+path+".json").json(t)["scheduled_maintenances"].([]any); len(got) != want {
			t.Errorf("%s, while it runs: got %v", path, got)
		}
	}
}

// TestFeed holds the feed against RFC 4287.
func TestFeed(t *testing.T) {
	w := newWorld(t, "https://pagefree.test")
	g := w.get(byFeed(acme.AccessAcme), here+"/feed.atom?feed=pff_secret")
	if got := g.Header.Get("Content-Type"); got != "application/atom+xml; charset=utf-8" {
		t.Errorf("Content-Type: got %q", got)
	}
	if strings.Contains(g.text, "pff_") {
		t.Error("the feed holds its token")
	}
	type link struct {
		Rel  string `xml:"rel,attr"`
		Href string `xml:"href,attr"`
	}
	var f struct {
		XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
		ID      string   `xml:"id"`
		Title   string   `xml:"title"`
		Updated string   `xml:"updated"`
		Author  string   `xml:"author>name"`
		Links   []link   `xml:"link"`
		Entries []struct {
			ID        string `xml:"id"`
			Title     string `xml:"title"`
			Published string `xml:"published"`
			Updated   string `xml:"updated"`
			Links     []link `xml:"link"`
			Content   struct {
				Type string `xml:"type,attr"`
				Text string `xml:",chardata"`
			} `xml:"content"`
		} `xml:"entry"`
	}
	if err := xml.Unmarshal([]byte(g.text), &f); err != nil {
		t.Fatal(err)
	}
	uuid := regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if !uuid.MatchString(f.ID) || f.Title != "Acme Cloud" || f.Author == "" || len(f.Links) != 2 || len(f.Entries) != 7 {
		t.Errorf("got %s %q by %q, links %v, %d entries", f.ID, f.Title, f.Author, f.Links, len(f.Entries))
	}
	seen, before := map[string]bool{f.ID: true}, "9999"
	for _, e := range f.Entries {
		if !uuid.MatchString(e.ID) || seen[e.ID] || e.Title == "" || len(e.Links) != 1 || e.Content.Type != "html" || e.Content.Text == "" || e.Published > e.Updated {
			t.Errorf("entry: got %+v", e)
		}
		if _, err := time.Parse(time.RFC3339Nano, e.Updated); err != nil || e.Updated > before || e.Updated > f.Updated && e.Updated > started.Format(time.RFC3339) {
			t.Errorf("%s: updated %s after %s, the feed %s", e.Title, e.Updated, before, f.Updated)
		}
		seen[e.ID], before = true, e.Updated
		if strings.Contains(e.Content.Text, "<script") || !strings.HasPrefix(e.Links[0].Href, "https://pagefree.test/status/acme-cloud") {
			t.Errorf("entry: got %+v", e)
		}
	}
}

// TestTextsOfPeople are shown as they were written, and as nothing else, in every format.
func TestTextsOfPeople(t *testing.T) {
	w := newWorld(t, "")
	const evil = `<img src=x onerror=alert(1)>"'&</title></script>{{.}} 😀 שלום ]]>`
	s := acme.Snapshot(started)
	s.Name, s.Description = evil, evil
	for n := range s.Components {
		s.Components[n].Name, s.Components[n].Description, s.Components[n].Group = evil, evil, evil
	}
	for n := range s.Incidents {
		s.Incidents[n].Title = evil
	}
	for n := range s.Maintenances {
		s.Maintenances[n].Title = evil
	}
	w.publish(s)
	who := bySession(acme.AccessAcme)
	for _, path := range below {
		for _, accept := range []string{"application/json", html} {
			g := w.get(who, here+path, "Accept", accept)
			if g.StatusCode != 200 {
				t.Fatalf("%s: got %d", path, g.StatusCode)
			}
			switch {
			case strings.HasPrefix(g.Header.Get("Content-Type"), "text/html"):
				careful(t, g)
				if strings.Contains(g.text, "<img") || strings.Count(g.text, "</title>") != 1 || !strings.Contains(g.text, "😀 שלום") {
					t.Errorf("%s: got %s", path, g.text)
				}
			case path == "/feed.atom":
				if err := xml.Unmarshal([]byte(g.text), new(struct{})); err != nil || strings.Contains(g.text, "<img") {
					t.Errorf("%s: %v in %s", path, err, g.text)
				}
			default:
				g.json(t)
			}
		}
	}
}

// TestALargePage: 200 components, 50 incidents with long texts. Whatever is on it, an answer fits into what Lambda takes.
func TestALargePage(t *testing.T) {
	w := newWorld(t, "")
	s := acme.Snapshot(started)
	template := s.Components[0]
	s.Components = nil
	for n := range 200 {
		c := template
		c.ID, c.Name, c.Group, c.Position = fmt.Sprintf("cmp_01K9ZD3R5N%016d", n), fmt.Sprintf("Component %d", n), fmt.Sprintf("Group %d", n/20), n
		s.Components = append(s.Components, c)
	}
	s.Incidents, s.Maintenances = nil, nil
	for n := range 50 {
		i := status.Incident{ID: id.New(id.PageIncident, started), Title: fmt.Sprintf("Incident %d", n), Impact: status.ImpactMinor, CreatedAt: timestamp.Of(started)}
		for k := range 20 {
			i.Updates = append(i.Updates, status.Update{ID: id.New(id.PageUpdate, started), At: timestamp.Of(started.Add(time.Duration(k-60*n) * time.Minute)), Status: status.Investigating,
				Body: strings.Repeat("A **long** text, which packs well. ", 900), Components: []status.Touched{{ID: s.Components[n].ID, Status: status.DegradedPerformance}}})
		}
		s.Incidents = append(s.Incidents, i)
	}
	w.publish(s)
	who := bySession(acme.AccessAcme)
	for _, path := range slices.Concat(below[:2], []string{"/incidents/" + s.Incidents[0].ID, "/history?limit=90"}, below[3:]) {
		for _, accept := range []string{"application/json", html} {
			g := w.get(who, here+path, "Accept", accept)
			quoted, err := json.Marshal(g.text)
			if err != nil {
				t.Fatal(err)
			}
			if g.StatusCode != 200 || len(quoted) > 6<<20-64<<10 {
				t.Errorf("%s, %.9s: got %d, %d bytes on the way", path, accept, g.StatusCode, len(quoted))
			}
		}
	}
}

// TestFirstView: page, style, script, icon and accent are 30 KB at most, as they come over the wire.
func TestFirstView(t *testing.T) {
	w := newWorld(t, "")
	who := bySession(acme.AccessAcme)
	page := w.get(who, here, "Accept", html)
	sum := compressed(t, page.text)
	t.Logf("the page itself: %d bytes", sum)
	for _, m := range regexp.MustCompile(`(?:href|src)="\.\.(/status/assets/[^"]+)"`).FindAllStringSubmatch(page.text, -1) {
		g := w.get(nobody, m[1])
		if g.StatusCode != 200 || g.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || g.Header.Get("Vary") != "" || g.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: got %d, %v", m[1], g.StatusCode, g.Header)
		}
		size := compressed(t, g.text)
		t.Logf("%s: %d bytes", m[1], size)
		sum += size
	}
	if sum > 30<<10 {
		t.Errorf("the first view has %d bytes", sum)
	}
}

func compressed(t *testing.T, text string) int {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Len()
}

// TestAssets are there for everybody, and only those that there are.
func TestAssets(t *testing.T) {
	w := newWorld(t, "")
	hash := strings.Repeat("ab", 32)
	w.put("logo#"+hash, "logo", struct {
		Data []byte `dynamodbav:"data"`
	}{[]byte("\x89PNG...")})
	for path, want := range map[string]int{
		"accent-ff0000.css": 200, "logo-" + hash + ".png": 200,
		"accent-ff000.css": 404, "accent-FF0000.css": 404, "accent-gggggg.css": 404, "logo-" + strings.Repeat("cd", 32) + ".png": 404, "logo-x.png": 404,
		"page.css": 404, "page.000000000000.css": 404, "history": 404, "": 404, "api/v2/summary.json": 404, "incidents/x": 404, "feed.atom": 404, "%2e%2e/x": 404,
	} {
		for _, who := range []string{"nobody", "a partner"} {
			p := nobody
			if who == "a partner" {
				p = byToken(acme.AccessAcme)
			}
			g := w.get(p, "/status/assets/"+path, "Accept", html)
			if cached := strings.Contains(g.Header.Get("Cache-Control"), "public"); g.StatusCode != want || cached != (want == 200) {
				t.Errorf("%s to %s: got %d, %v, want %d", path, who, g.StatusCode, g.Header, want)
			}
		}
	}
	if g := w.do(nobody, "POST", "/status/assets/accent-ff0000.css"); g.StatusCode != 405 {
		t.Errorf("POST: got %d", g.StatusCode)
	}
	g := w.get(nobody, "/status/assets/accent-ff0000.css")
	if again := w.get(nobody, "/status/assets/accent-ff0000.css", "If-None-Match", g.Header.Get("ETag")); again.StatusCode != 304 {
		t.Errorf("an asset that is there already: got %d", again.StatusCode)
	}
}
