package statuspage_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	xhtml "golang.org/x/net/html"

	"pagefree/infra/local/acme"
	"pagefree/internal/partner"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/token"
	"pagefree/internal/status"
	"pagefree/internal/web/statuspage"
)

// below are the paths of the page.
var below = []string{
	"", "/history", "/incidents/" + acme.Open, "/feed.atom", "/api/v2/summary.json", "/api/v2/status.json", "/api/v2/components.json",
	"/api/v2/incidents.json", "/api/v2/incidents/unresolved.json", "/api/v2/scheduled-maintenances.json",
	"/api/v2/scheduled-maintenances/upcoming.json", "/api/v2/scheduled-maintenances/active.json",
}

const here = "/status/" + acme.Slug

// careful checks what every answer of a page carries.
func careful(t *testing.T, g got) {
	t.Helper()
	for name, want := range map[string]string{
		"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex", "X-Frame-Options": "DENY",
		"X-Content-Type-Options": "nosniff", "Vary": "Accept, Cookie, Authorization",
	} {
		if values := g.Header.Values(name); len(values) != 1 || values[0] != want {
			t.Errorf("%s: got %q, want %q", name, values, want)
		}
	}
	if got := g.Header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'; ") || strings.Contains(got, "unsafe") || strings.Contains(got, "http") {
		t.Errorf("Content-Security-Policy: got %q", got)
	}
	if strings.HasPrefix(g.Header.Get("Content-Type"), "text/html") {
		strict(t, g.text)
	}
}

// strict checks that a page holds nothing inline, and has nothing from elsewhere.
func strict(t *testing.T, text string) {
	t.Helper()
	z := xhtml.NewTokenizer(strings.NewReader(text))
	for z.Next() != xhtml.ErrorToken {
		token := z.Token()
		if token.Type != xhtml.StartTagToken && token.Type != xhtml.SelfClosingTagToken {
			continue
		}
		attributes := map[string]string{}
		for _, a := range token.Attr {
			attributes[a.Key] = a.Val
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				t.Errorf("%s: an attribute %s", token, a.Key)
			}
		}
		switch from := attributes["src"] + attributes["href"]; token.Data {
		case "style", "iframe", "object", "embed", "base":
			t.Errorf("%s: not in a page of ours", token)
		case "script", "link", "img":
			if !strings.HasPrefix(from, "./") && !strings.HasPrefix(from, "../") {
				t.Errorf("%s: from elsewhere, or inline", token)
			}
		}
	}
}

// TestCallers gives every path to every kind of caller.
func TestCallers(t *testing.T) {
	w := newWorld(t, "")
	tests := map[string]struct {
		who    principal.Principal
		change func(*partner.Access)
		status int
		code   string
	}{
		"nobody":                     {who: nobody, status: 401, code: "unauthenticated"},
		"an API key":                 {who: apiKey, status: 401, code: "unauthenticated"},
		"staff":                      {who: staff, status: 403, code: "forbidden"},
		"staff of another team":      {who: outsider, status: 404, code: "not_found"},
		"a token":                    {who: byToken(acme.AccessAcme), status: 200},
		"a session":                  {who: bySession(acme.AccessAcme), status: 200},
		"the shared token's cookie":  {who: byShared(acme.PageID), status: 200},
		"another page's token":       {who: byShared("sp_01K9ZD3R5N0000000000000099"), status: 404, code: "not_found"},
		"a token of no access":       {who: byToken("acc_01K9ZD3R5N0000000000000099"), status: 404, code: "not_found"},
		"a token that was revoked":   {who: byToken(acme.AccessAcme), change: revoked, status: 403, code: "access_revoked"},
		"a session that was revoked": {who: bySession(acme.AccessAcme), change: revoked, status: 401, code: "unauthenticated"},
		"a token that has expired": {who: byToken(acme.AccessAcme), change: func(a *partner.Access) { a.ExpiresAt = timestamp.Ptr(started) },
			status: 403, code: "access_expired"},
		"a token from elsewhere": {who: byToken(acme.AccessAcme), change: func(a *partner.Access) { a.IPAllowlist = []string{"198.51.100.0/24"} },
			status: 403, code: "ip_not_allowed"},
		"a session from elsewhere": {who: bySession(acme.AccessAcme), change: func(a *partner.Access) { a.IPAllowlist = []string{"198.51.100.0/24"} },
			status: 403, code: "ip_not_allowed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w.grant(acme.AccessAcme, tt.change)
			defer w.grant(acme.AccessAcme, nil)
			for _, path := range below {
				for _, accept := range []string{"application/json", html} {
					g := w.get(tt.who, here+path, "Accept", accept)
					careful(t, g)
					status, isPage := tt.status, strings.HasPrefix(g.Header.Get("Content-Type"), "text/html")
					if accept == html && status == 401 {
						if g.StatusCode != 303 || !strings.HasSuffix(g.Header.Get("Location"), "/signin?next=%2Fstatus%2Facme-cloud"+strings.ReplaceAll(path, "/", "%2F")) || g.text != "" {
							t.Errorf("%s, a browser: got %d to %q", path, g.StatusCode, g.Header.Get("Location"))
						}
						continue
					}
					if g.StatusCode != status {
						t.Errorf("%s, %.9s: got %d, want %d", path, accept, g.StatusCode, status)
					}
					if status == 200 {
						continue
					}
					if accept == html && (!isPage || !strings.Contains(g.text, "<h1>")) || accept != html && g.json(t)["code"] != tt.code {
						t.Errorf("%s, %.9s: got %s", path, accept, g.text)
					}
					if strings.Contains(g.text, "Acme Cloud") || strings.Contains(g.text, requestID) && isPage {
						t.Errorf("%s, %.9s: the refusal tells of the page: %s", path, accept, g.text)
					}
					if tt.code == "unauthenticated" && g.Header.Get("WWW-Authenticate") != "Bearer" {
						t.Errorf("%s: no WWW-Authenticate", path)
					}
				}
			}
		})
	}
}

func revoked(a *partner.Access) { a.RevokedAt = timestamp.Ptr(started) }

// TestNobodyLearnsOfSlugs: to nobody, a page that is not there is like one that is.
func TestNobodyLearnsOfSlugs(t *testing.T) {
	w := newWorld(t, "")
	for _, accept := range []string{"application/json", html} {
		for _, path := range []string{"", "/history", "/incidents/spi_x", "/nothing", "/api/v2/nothing.json", "/feed.atom"} {
			there, not := w.get(nobody, here+path, "Accept", accept), w.get(nobody, "/status/nothing-here"+path, "Accept", accept)
			not.text = strings.ReplaceAll(not.text, "nothing-here", acme.Slug)
			location := strings.ReplaceAll(not.Header.Get("Location"), "nothing-here", acme.Slug)
			if there.StatusCode != not.StatusCode || there.text != not.text || there.Header.Get("Location") != location || there.StatusCode == 404 {
				t.Errorf("%s: got %d %q %q and %d %q %q", path, there.StatusCode, there.text, there.Header, not.StatusCode, not.text, not.Header)
			}
		}
	}
}

// TestTheFeedsToken reads the feed alone.
func TestTheFeedsToken(t *testing.T) {
	w := newWorld(t, "")
	for _, path := range append(below, "/nothing") {
		want := 401
		if path == "/feed.atom" {
			want = 200
		}
		if g := w.get(byFeed(acme.AccessAcme), here+path); g.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, g.StatusCode, want)
		}
	}
	if g := w.get(byFeed(acme.AccessAcme), "/status"); g.StatusCode != 401 {
		t.Errorf("the list: got %d", g.StatusCode)
	}
}

func TestOtherMethodsAndPaths(t *testing.T) {
	w := newWorld(t, "")
	who := byToken(acme.AccessAcme)
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		for _, path := range append(below, "/nothing") {
			if g := w.do(who, method, here+path); g.StatusCode != 405 || g.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: got %d, Allow %q", method, path, g.StatusCode, g.Header.Get("Allow"))
			}
		}
	}
	for _, path := range []string{here + "/", here + "/nothing", here + "/api/v2/nothing.json", here + "/incidents/spi_x", here + "/incidents/" + acme.Coming,
		here + "/incidents/" + strings.Repeat("x", 3000), "/status/" + strings.Repeat("x", 3000), "/status/%00", "/status/a%2Fb"} {
		if g := w.get(who, path); g.StatusCode != 404 || g.json(t)["code"] != "not_found" {
			t.Errorf("%.40s: got %d %s", path, g.StatusCode, g.text)
		}
	}
	for who, want := range map[string]int{"nobody": 401, "key": 401, "staff": 404} {
		if g := w.get(map[string]principal.Principal{"key": apiKey, "staff": staff}[who], here+"/nothing"); g.StatusCode != want {
			t.Errorf("a path that there is not, to %s: got %d, want %d", who, g.StatusCode, want)
		}
	}
	head := w.do(who, http.MethodHead, here)
	get := w.get(who, here)
	if head.StatusCode != 200 || head.text != "" || head.Header.Get("ETag") != get.Header.Get("ETag") {
		t.Errorf("HEAD: got %d %q %q, want the ETag %q", head.StatusCode, head.text, head.Header.Get("ETag"), get.Header.Get("ETag"))
	}
}

// TestUnchangedAnswers are the same to the byte, whoever asks when: a refresh is a 304, and one that changed is not.
func TestUnchangedAnswers(t *testing.T) {
	w := newWorld(t, "https://pagefree.test")
	w.publish(settled(acme.Snapshot(started)))
	who := bySession(acme.AccessAcme)
	tags := map[string]string{}
	for _, path := range below {
		for _, accept := range []string{"application/json", html} {
			tags[path+accept] = w.get(who, here+path, "Accept", accept).Header.Get("ETag")
		}
	}
	w.advance(7 * time.Minute)
	for _, path := range below {
		for _, accept := range []string{"application/json", html} {
			if g := w.get(who, here+path, "Accept", accept, "If-None-Match", tags[path+accept]); g.StatusCode != 304 || g.text != "" {
				t.Errorf("%s, %.9s: got %d", path, accept, g.StatusCode)
			}
		}
	}
	s := settled(acme.Snapshot(started))
	s.Components[7].Log = append(s.Components[7].Log, status.Change{At: timestamp.Of(w.clock()), Status: status.MajorOutage})
	s.Components[7].Status = status.MajorOutage
	w.publish(s)
	for _, path := range []string{"", "/history", "/api/v2/status.json", "/api/v2/summary.json"} {
		if g := w.get(who, here+path, "Accept", html, "If-None-Match", tags[path+html]); g.StatusCode != 200 {
			t.Errorf("%s changed: got %d", path, g.StatusCode)
		}
	}
}

// settled is a page on which nothing counts on.
func settled(s status.Snapshot) status.Snapshot {
	s.Components[1].Log = s.Components[1].Log[:len(s.Components[1].Log)-1]
	s.Components[1].Status = status.Operational
	return s
}

// TestWhatIsHidden is in no format, and changes none.
func TestWhatIsHidden(t *testing.T) {
	w := newWorld(t, "")
	who := bySession(acme.AccessGlobex)
	hidden := []string{"REST API", "Webhooks", "Sign-in and keys", "Documentation", "Developer platform", "arrive late", "certificates", acme.Open, "cmp_01K9ZD3R5N0000000000000001"}
	before := map[string]string{}
	for _, path := range append(below, "/history?limit=90") {
		for _, accept := range []string{"application/json", html} {
			g := w.get(who, here+path, "Accept", accept)
			if g.StatusCode != 200 && path != "/incidents/"+acme.Open {
				t.Fatalf("%s: got %d", path, g.StatusCode)
			}
			for _, word := range hidden {
				if strings.Contains(strings.ReplaceAll(g.text, path, ""), word) {
					t.Errorf("%s, %.9s: shows %q", path, accept, word)
				}
			}
			before[path+accept] = g.text
		}
	}
	if g := w.get(who, here); g.json(t)["status"].(map[string]any)["indicator"] != "none" {
		t.Errorf("the indicator counts what is hidden: %s", g.text)
	}
	s := acme.Snapshot(started) // everything that they do not see changes
	s.Components[0].Status = status.MajorOutage
	s.Components[0].Log = append(s.Components[0].Log, status.Change{At: timestamp.Of(started.Add(-time.Minute)), Status: status.MajorOutage})
	s.Components[2].Name, s.Components[2].UpdatedAt = "Keys", timestamp.Of(started)
	s.Incidents[0].Updates = append(s.Incidents[0].Updates, status.Update{ID: "spu_x", At: timestamp.Of(started), Status: status.Monitoring, Body: "x",
		Components: []status.Touched{{ID: s.Components[1].ID, Status: status.Operational}}})
	w.publish(s)
	for _, path := range append(below, "/history?limit=90") {
		for _, accept := range []string{"application/json", html} {
			if path == "/incidents/"+acme.Open && accept != html {
				continue // a problem names its request
			}
			if g := w.get(who, here+path, "Accept", accept); g.text != before[path+accept] {
				t.Errorf("%s, %.9s: what is hidden changed the answer", path, accept)
			}
		}
	}
}

// TestTheSharedToken leaves the address for a cookie.
func TestTheSharedToken(t *testing.T) {
	secret := token.New(token.Shared)
	for at, want := range map[string]string{"": "../status/acme-cloud?x=1", "https://pagefree.test": "/status/acme-cloud?x=1", "https://api.test/live": "/live/status/acme-cloud?x=1"} {
		w := newWorld(t, at)
		g := w.get(byShared(acme.PageID), here+"?token="+secret+"&x=1")
		careful(t, g)
		c, err := http.ParseSetCookie(g.Header.Get("Set-Cookie"))
		if err != nil || c.Name != statuspage.Cookie || c.Value != secret || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie: got %v, %v", c, err)
		}
		if g.StatusCode != 303 || g.Header.Get("Location") != want || g.text != "" {
			t.Errorf("got %d to %q, want 303 to %q", g.StatusCode, g.Header.Get("Location"), want)
		}
		if g := w.get(byShared("sp_01K9ZD3R5N0000000000000099"), here+"?token="+secret); g.StatusCode != 404 || g.Header.Get("Set-Cookie") != "" {
			t.Errorf("at another page: got %d, %v", g.StatusCode, g.Header)
		}
		if g := w.get(nobody, here+"?token="+secret, "Accept", html); strings.Contains(g.Header.Get("Location"), secret) {
			t.Errorf("the sign-in is told the token: %q", g.Header.Get("Location"))
		}
	}
}

// TestNothingIsShownUnrecorded: without the record of the look there is no answer.
func TestNothingIsShownUnrecorded(t *testing.T) {
	w := newWorld(t, "")
	w.pages.Door = &partner.Door{Store: partner.Store{Table: w.table}, Looks: broken{}, Now: w.clock}
	for _, accept := range []string{"application/json", html} {
		g := w.get(byToken(acme.AccessAcme), here, "Accept", accept)
		careful(t, g)
		if g.StatusCode != 503 || g.Header.Get("Retry-After") != "5" || strings.Contains(g.text, "Acme") || strings.Contains(g.text, "queue is gone") {
			t.Errorf("%.9s: got %d %v %s", accept, g.StatusCode, g.Header, g.text)
		}
	}
}

func TestTheList(t *testing.T) {
	w := newWorld(t, "")
	g := w.get(bySession(acme.AccessAcme), "/status")
	if want := `{"items":[{"slug":"acme-cloud","name":"Acme Cloud"}]}` + "\n"; g.text != want {
		t.Errorf("got %s, want %s", g.text, want)
	}
	careful(t, g)
	g = w.get(bySession(acme.AccessAcme), "/status", "Accept", html)
	if careful(t, g); !strings.Contains(g.text, `href="./status/acme-cloud"`) {
		t.Errorf("got %s", g.text)
	}
	w.grant(acme.AccessAcme, revoked)
	if g := w.get(bySession(acme.AccessAcme), "/status"); g.StatusCode != 401 {
		t.Errorf("without a page left: got %d", g.StatusCode)
	}
	if g := w.get(bySession(acme.AccessAcme), "/status", "Accept", html); g.Header.Get("Location") != "./signin?next=%2Fstatus" {
		t.Errorf("without a page left: got %q", g.Header.Get("Location"))
	}
}

func TestTheJSONOfAPage(t *testing.T) {
	w := newWorld(t, "")
	g := w.get(byToken(acme.AccessAcme), here)
	if g.Header.Get("Content-Type") != "application/json" {
		t.Errorf("Content-Type: got %q", g.Header.Get("Content-Type"))
	}
	var body struct {
		Page   map[string]any
		Status struct{ Indicator, Description string }
		Components,
		Incidents,
		Maintenances []map[string]any
	}
	if err := json.Unmarshal([]byte(g.text), &body); err != nil {
		t.Fatal(err)
	}
	has := func(what string, m map[string]any, members ...string) {
		t.Helper()
		for _, name := range members {
			if _, there := m[name]; !there {
				t.Errorf("%s has no %s: %v", what, name, m)
			}
		}
	}
	has("the page", body.Page, "name", "slug", "timeZone", "updatedAt")
	has("a component", body.Components[0], "id", "name", "description", "group", "status", "uptime90d")
	has("an incident", body.Incidents[0], "id", "title", "impact", "status", "components", "updates", "startedAt", "resolvedAt")
	has("a maintenance", body.Maintenances[0], "id", "title", "body", "status", "startsAt", "endsAt", "components", "updates")
	if body.Status.Indicator != "minor" || body.Status.Description != "Partially Degraded Service" {
		t.Errorf("status: got %+v", body.Status)
	}
	if len(body.Components) != 8 || len(body.Incidents) != 5 || len(body.Maintenances) != 2 {
		t.Errorf("got %d components, %d incidents, %d maintenances", len(body.Components), len(body.Incidents), len(body.Maintenances))
	}
	if updates := body.Incidents[0]["updates"].([]any); updates[0].(map[string]any)["status"] != "identified" || body.Incidents[0]["resolvedAt"] != nil {
		t.Errorf("the open incident: got %v", body.Incidents[0])
	}
	if body.Components[7]["group"] != nil || body.Components[0]["group"] != "Developer platform" {
		t.Errorf("groups: got %v, %v", body.Components[7]["group"], body.Components[0]["group"])
	}
	one := w.get(byToken(acme.AccessAcme), here+"/incidents/"+acme.Past).json(t)
	has("one incident", one, "id", "title", "impact", "status", "components", "updates", "startedAt", "resolvedAt")
	if one["id"] != acme.Past || len(one["updates"].([]any)) != 5 {
		t.Errorf("one incident: got %v", one)
	}
}

// TestHistory walks all of it, in pages of several lengths.
func TestHistory(t *testing.T) {
	w := newWorld(t, "")
	who := byToken(acme.AccessAcme)
	whole := w.get(who, here+"/history?limit=90").json(t)["days"].([]any)
	if len(whole) != 90 || whole[0].(map[string]any)["date"] != "2026-05-20" || whole[89].(map[string]any)["date"] != "2026-02-20" {
		t.Fatalf("got %d days from %v to %v", len(whole), whole[0], whole[len(whole)-1])
	}
	incidents := 0
	for _, d := range whole {
		incidents += len(d.(map[string]any)["incidents"].([]any))
	}
	if incidents != 5 {
		t.Errorf("got %d incidents, want each once", incidents)
	}
	mobile := whole[80].(map[string]any)["components"].([]any)[4].(map[string]any)
	if worst, there := mobile["worst"]; !there || worst != nil || mobile["uptime"] != nil {
		t.Errorf("before it existed: got %v", mobile)
	}
	for _, limit := range []string{"", "1", "7", "89"} {
		cursor, n := "", 0
		for {
			q := "?x=1"
			if limit != "" {
				q += "&limit=" + limit
			}
			if cursor != "" {
				q += "&cursor=" + cursor
			}
			g := w.get(who, here+"/history"+q)
			body := g.json(t)
			for _, d := range body["days"].([]any) {
				got, _ := json.Marshal(d)
				want, _ := json.Marshal(whole[n])
				if string(got) != string(want) {
					t.Fatalf("limit %s, day %d: got %s, want %s", limit, n, got, want)
				}
				n++
			}
			next, more := body["nextCursor"].(string)
			if !more {
				break
			}
			cursor = next
		}
		if n != 90 {
			t.Errorf("limit %s: got %d days", limit, n)
		}
	}
	cursor := w.get(who, here+"/history?limit=1").json(t)["nextCursor"].(string)
	for query, want := range map[string]int{
		"?limit=0": 422, "?limit=91": 422, "?limit=x": 422, "?limit=": 422, "?cursor=": 422, "?cursor=x": 400, "?cursor=" + cursor + "x": 400, "?cursor=" + cursor: 200,
	} {
		if g := w.get(who, here+"/history"+query); g.StatusCode != want {
			t.Errorf("%s: got %d, want %d", query, g.StatusCode, want)
		}
	}
	page := w.get(who, here+"/history?limit=3", "Accept", html).text
	older := regexp.MustCompile(`href="\.\./\.\./status/acme-cloud/history\?(cursor=[^"]+)"`).FindStringSubmatch(page)
	if older == nil || strings.Count(page, `<article class="day">`) != 3 {
		t.Fatalf("no way to older days in %s", page)
	}
	page = w.get(who, here+"/history?"+strings.ReplaceAll(older[1], "&amp;", "&"), "Accept", html).text
	if !strings.Contains(page, "17 May 2026") || strings.Contains(page, "18 May 2026") || !strings.Contains(page, "Newest days") {
		t.Errorf("older days: got %s", page)
	}
}
