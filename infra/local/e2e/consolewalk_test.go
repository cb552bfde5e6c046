package e2e

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"pagefree/infra/local/chromium"
	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
	"pagefree/infra/local/stack"
	"pagefree/internal/identity"
)

// building are sections of the console without pages so far. Links to them are
// not followed, and that they are missed is no complaint. It is to be empty.
var building = []string{}

// TestConsoleWalk follows every link of the console as each of three roles. Each sort of page is looked at on a wide
// screen in light, and on a phone in the dark with all its folds open: it answers 200, its console is silent (a violated
// Content-Security-Policy would speak), nothing runs over, the way to everything else is there, and axe-core finds
// nothing. Then once more without scripts.
func TestConsoleWalk(t *testing.T) { // not beside others: many parts share its stack, which works all the while that they wait
	plan := map[string]string{"ApiRateLimit": "10000", "ApiBurstLimit": "10000"}
	s, err := stack.Start(t.Context(), stack.Options{Every: 500 * time.Millisecond, Parameters: plan})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	people, err := demo.Run(t.Context(), demo.Options{URL: s.URL, Out: io.Discard, Whole: true})
	if err != nil {
		t.Fatal(err)
	}
	sessions := people.Sessions
	const observer = "observer@pagefree.test"
	if sessions[observer], err = (client.Client{URL: s.URL}).SignIn(t.Context(), observer); err != nil {
		t.Fatal(err)
	}
	axe, err := os.ReadFile(filepath.Join("../../..", "infra/local/browser/node_modules/axe-core/axe.min.js"))
	if err != nil {
		t.Fatalf("make test installs what this needs: %v", err)
	}
	t.Run("contract", func(t *testing.T) {
		c := &contract{api: client.Client{URL: s.URL}, stack: s, bearers: maps.Clone(sessions), incident: people.IncidentID, approved: people.RunbookIDs["Free disk space"]}
		c.settle(t)
		partner, err := client.Client{URL: s.URL, HTTP: source("127.0.9.8")}.SignIn(t.Context(), "partner@acme.test")
		if err != nil {
			t.Fatal(err)
		}
		consoleContract(t, c, partner)
	})
	judged := &shapes{seen: map[string]bool{}}
	t.Run("roles", func(t *testing.T) {
		for name, who := range map[string]string{"admin": demo.Admin, "lead": demo.Lead, "observer": observer} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWalker(t, s.URL, sessions[who])
				w.axe, w.judged = string(axe), judged
				w.walk("/console/incidents")
				if len(w.visited) < 8 {
					t.Errorf("came to %d pages: %q", len(w.visited), w.visited)
				}
				t.Logf("%d pages", len(w.visited))
			})
		}
		t.Run("without scripts", func(t *testing.T) {
			t.Parallel()
			w := newWalker(t, s.URL, sessions[demo.Lead])
			if _, err := chromedp.Call(w.Ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
				t.Fatal(err)
			}
			w.walk("/console/incidents")
			t.Logf("%d pages", len(w.visited))
		})
	})
}

// shapes are the pages that axe-core has judged, by all that it judges by: of two pages with the same elements, classes
// and names of attributes one is enough.
type shapes struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (s *shapes) fresh(shape string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.seen[shape]
	s.seen[shape] = true
	return !before
}

// walker is somebody's browser that goes everywhere.
type walker struct {
	*chromium.Tab
	base    string
	axe     string // "" where no script runs
	judged  *shapes
	each    int // how many pages of one sort are looked at: another may be in another state
	visited []string
	at      string // the page that it is at
	mu      sync.Mutex
}

func newWalker(t *testing.T, base, session string) *walker {
	t.Helper()
	w := &walker{base: base, each: 1}
	w.Tab = chromium.New(t, chromium.Options{Lasts: 10 * time.Minute, Tells: func(complaint string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, section := range building {
			if strings.Contains(complaint, base+section) {
				return
			}
		}
		t.Errorf("%s: %s", w.at, complaint)
	}})
	if _, err := chromedp.Call(w.Ctx, network.SetCookie, network.SetCookieParams{
		Name: identity.Cookie, Value: session, URL: base, Path: "/", Secure: new(true), HTTPOnly: new(true),
	}); err != nil {
		t.Fatal(err)
	}
	return w
}

var anID = regexp.MustCompile(`^[a-z]{2,4}_[0-9A-Z]{26}$|^[0-9]+$`)

// sort is an address without what differs between pages of one sort.
func sort(u *url.URL) string {
	parts := strings.Split(u.Path, "/")
	for i, part := range parts {
		if anID.MatchString(part) {
			parts[i] = "{id}"
		}
	}
	var names []string
	for name, values := range u.Query() {
		if values[0] != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(parts, "/") + "?" + strings.Join(names, "&")
}

// most is how many pages of a sort are looked at: another thing may be in another state.
func (w *walker) most(sort string) int {
	if strings.HasSuffix(sort, "/{id}?") {
		return w.each
	}
	return 1
}

// walk goes to a page and to all that it leads to, the nearest first.
func (w *walker) walk(from string) {
	w.Helper()
	todo, known, counts := []string{from}, map[string]bool{from: true}, map[string]int{}
	for len(todo) > 0 && w.Ctx.Err() == nil {
		path := todo[0]
		todo = todo[1:]
		for _, link := range w.visit(path) {
			u, err := url.Parse(link)
			if err != nil {
				w.Errorf("%s leads to %q: %v", path, link, err)
				continue
			}
			q := u.Query()
			q.Del("did")
			u.RawQuery, u.Fragment = q.Encode(), ""
			next := u.RequestURI()
			if known[next] || counts[sort(u)] >= w.most(sort(u)) || slices.ContainsFunc(building, func(s string) bool { return strings.HasPrefix(next, s) }) {
				continue
			}
			known[next] = true
			counts[sort(u)]++
			todo = append(todo, next)
		}
	}
}

// look is what a page says of itself.
type look struct {
	Status int
	Title  string
	H1     string
	Nav    int
	Links  []string
	Over   int
	Bare   []string // parts that only a script would fill
	Shape  string
}

// looking says what a look wants to know.
const looking = `(() => {
	const here = location.origin + "/", all = [...document.querySelectorAll("a[href]")];
	return JSON.stringify({
		status: performance.getEntriesByType("navigation")[0].responseStatus,
		title: document.title, h1: [...document.querySelectorAll("h1")].map((e) => e.innerText).join("|"),
		nav: document.querySelectorAll("aside nav a[href]").length,
		links: [...new Set(all.filter((a) => !a.hasAttribute("download") && a.href.startsWith(here)).map((a) => a.href.slice(here.length - 1)))].filter((p) => /^\/console(\/|\?|#|$)/.test(p)),
		over: document.body === null ? 0 : document.documentElement.scrollWidth - innerWidth,
		bare: [...document.querySelectorAll("[hx-get][hx-trigger*=load]:not(#paused)")].filter((e) => !e.querySelector("a[href]")).map((e) => e.getAttribute("hx-get")),
		shape: [...new Set([...document.querySelectorAll("main *")].map((e) => e.tagName + "." + e.className + "[" + e.getAttributeNames().filter((n) => !/^(href|id|value)$/.test(n)).join() + "]" + (e.getAttribute("role") || "")))].sort().join(" "),
	});
})()`

// visit looks at a page, and returns where it leads.
func (w *walker) visit(path string) []string {
	w.Helper()
	w.mu.Lock()
	w.at = path
	w.mu.Unlock()
	w.visited = append(w.visited, path)
	if w.axe != "" {
		w.screen(1280, 800, "light")
	}
	if err := chromedp.Do(w.Ctx, chromedp.Navigate(w.base+path)); err != nil {
		w.Errorf("%s: %v", path, err)
		return nil
	}
	wide := w.look()
	if wide.Status != 200 || wide.Nav < 4 || wide.H1 == "" || strings.Contains(wide.H1, "|") || !strings.HasSuffix(wide.Title, " · PageFree") {
		w.Errorf("%s: answers %d, titled %q, headed %q, with %d sections to go to", path, wide.Status, wide.Title, wide.H1, wide.Nav)
	}
	if wide.H1 == "" {
		return nil
	}
	if w.axe == "" {
		if len(wide.Bare) > 0 {
			w.Errorf("%s: without scripts nothing leads to %q", path, wide.Bare)
		}
		return wide.Links
	}
	w.judge(wide, "1280 light")
	w.screen(390, 844, "dark")
	w.eval(`document.querySelectorAll("main details").forEach((d) => { d.open = true; }), document.querySelectorAll("main .fold-box").forEach((b) => { b.checked = true; }), 1`)
	w.judge(w.look(), "390 dark")
	return wide.Links
}

func (w *walker) look() look {
	w.Helper()
	var l look
	ctx, stop := context.WithTimeout(w.Ctx, 15*time.Second)
	defer stop()
	err := chromedp.Do(ctx, there("body"), gone(".htmx-request, .htmx-settling, .htmx-swapping"))
	said := ""
	if err == nil {
		said, err = chromedp.Run(ctx, chromedp.Evaluate[string](looking))
	}
	if err == nil {
		err = json.Unmarshal([]byte(said), &l)
	}
	if err != nil {
		w.Errorf("%s: %v", w.at, err)
	}
	return l
}

func (w *walker) eval(script string) {
	w.Helper()
	if _, err := chromedp.Run(w.Ctx, chromedp.Evaluate[int](script)); err != nil {
		w.Errorf("%s: %v", w.at, err)
	}
}

// judge holds a page as it is on a screen against its width, and against axe-core.
func (w *walker) judge(l look, screen string) {
	w.Helper()
	if l.Over > 0 {
		w.Errorf("%s, %s: runs over by %d pixels", w.at, screen, l.Over)
	}
	if !w.judged.fresh(screen + l.Shape) {
		return
	}
	w.eval(w.axe + "; 1")
	found, err := chromedp.Run(w.Ctx, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ["violations"]}).then((r) => r.violations.map((v) =>
		v.id + " (" + v.impact + "): " + v.nodes.map((n) => n.html.slice(0, 200) + " " + n.failureSummary).join("; ")).join("\n"))`, chromedp.EvalAwaitPromise))
	if err != nil || found != "" {
		w.Errorf("%s, %s: axe-core: %v %s", w.at, screen, err, found)
	}
}

// screen sets the window's size and the reader's scheme.
func (w *walker) screen(width, height int64, scheme string) {
	w.Helper()
	size := emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500}
	if _, err := chromedp.Call(w.Ctx, emulation.SetDeviceMetricsOverride, size); err != nil {
		w.Fatal(err)
	}
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
	if _, err := chromedp.Call(w.Ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
		w.Fatal(err)
	}
}
