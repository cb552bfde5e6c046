package statuspages_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"pagefree/infra/local/pagestest"
	"pagefree/internal/status"
)

// tab is a page in a fresh headless Chromium. What its console complains of, a violated Content-Security-Policy among it,
// fails the test; what other functions would answer is not there.
type tab struct {
	t   *testing.T
	ctx context.Context
	at  string
}

func newTab(t *testing.T, at string) *tab {
	t.Helper()
	allocated, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-component-update", true), chromedp.WSURLReadTimeout(time.Minute))...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocated, chromedp.WithListener(func(event any) {
		switch e := event.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
				t.Errorf("the console says: %s %s", e.Entry.Text, e.Entry.URL)
			}
		case *runtime.EventExceptionThrown:
			t.Errorf("a script failed: %s", e.ExceptionDetails.Text)
		}
	}))
	t.Cleanup(end)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatalf("no Chromium (Debian: apt-get install chromium): %v", err)
	}
	return &tab{t, ctx, at}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// until waits for an expression to become true, in the page that is there or in the one that it leads to.
func (b *tab) until(expression string) {
	b.t.Helper()
	for {
		_, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(20*time.Second)))
		if err == nil {
			return
		}
		if b.ctx.Err() == nil && (strings.Contains(err.Error(), "navigated") || strings.Contains(err.Error(), "context")) { // under way
			continue
		}
		shown, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		b.t.Fatalf("%s does not become true: %v; the page shows %q", expression, err, shown)
	}
}

// shows waits for a text in an element.
func (b *tab) shows(selector, text string) {
	b.t.Helper()
	want, err := json.Marshal(text)
	if err != nil {
		b.t.Fatal(err)
	}
	b.until("!!document.querySelector('" + selector + "') && document.querySelector('" + selector + "').innerText.includes(" + string(want) + ")")
}

// press goes to an element, as the key Tab would, and presses keys there.
func (b *tab) press(selector string, keys ...string) {
	b.t.Helper()
	b.until("(document.querySelector('" + selector + "') || {focus: function () {}}).focus() === undefined && document.activeElement === document.querySelector('" + selector + "')")
	for _, key := range keys {
		b.do(chromedp.KeyEvent(key))
	}
}

// TestInABrowser: who reads it is shown while it is written, and the keyboard is enough for all of it.
func TestInABrowser(t *testing.T) {
	t.Parallel()
	w := pagestest.New(t)
	web, _ := w.Component(t, "Website", "", ""), w.Component(t, "Database", "", "")
	w.Grant(t, "Acme")
	w.Grant(t, "Globex", web)
	b := newTab(t, w.Serve(t, "lead"))

	b.do(chromedp.Navigate(b.at + w.At("incidents", "new")))
	b.shows("#preview", "2 partners see this")
	b.press("#f-title", "Database is slow")
	b.press("#f-body", "We **look**.")
	b.shows("#preview strong", "2 partners")
	b.shows("#preview .prose strong", "look")
	b.press(".touched .pick:last-child select", "m") // major outage, of the database alone
	b.shows("#preview", "1 partner sees this")
	b.until("!document.querySelector('#preview').innerText.includes('Globex')")
	b.press("#f-audience", "o") // only those chosen, and nobody is
	b.shows("#preview", "Nobody sees this.")
	b.press("#f-audience", kb.ArrowUp)
	b.shows("#preview", "1 partner sees this")
	b.press(".preview button:not([formaction])", kb.Enter)
	b.shows("main", "The update was published.")
	b.shows(".timeline", "We look.")

	b.do(chromedp.Navigate(b.at + w.At("partners", "new")))
	b.press("#f-partnerName", "Initech")
	b.press("#f-contactEmail", "ops@initech.test", kb.Enter)
	b.shows("main", "It is shown this once.")
	b.until("document.querySelector('#token').value.startsWith('pfp_') && !document.querySelector('[data-copy=\"#curl\"]').hidden")
	b.press("main a.button", kb.Enter)
	b.shows("h1", "Initech")
	b.press(".ask summary[class*=danger]:not(.small)", kb.Enter)
	b.press("form[action$=revoke] button", kb.Enter)
	b.shows("main", "The access was revoked.")
	list, _, err := w.Partners.Accesses(w.Lead, w.Page, pageOf(10))
	if err != nil || len(list) != 3 || list[0].RevokedAt == nil || !strings.HasPrefix(list[0].PartnerName, "Initech") {
		t.Errorf("got %+v %v", list, err)
	}
}

// root is the top of the repository.
const root = "../../../.."

// TestAxe: axe-core finds nothing on any page, unfolded, in light and wide, in dark and 320 pixels wide; nothing runs over.
func TestAxe(t *testing.T) {
	t.Parallel()
	w := pagestest.New(t)
	service := w.Serves("checkout")
	web, db := w.Component(t, "Website", "Shop", service), w.Component(t, "Database with a long name that has to break somewhere", "", "")
	w.Breaks(service, "Checkout answers slowly")
	access, gone := w.Grant(t, "Acme", web), w.Grant(t, "Globex")
	if _, err := w.Partners.Revoke(w.Lead, w.Page, gone.ID); err != nil {
		t.Fatal(err)
	}
	i, err := w.Status.Publish(w.Lead, w.Page, status.NewIncident{Title: "Disk", Impact: "minor", Status: "investigating", Body: "# A\n\n* b\n\n| c |\n|-|\n| d |", Components: []status.Touched{{ID: db, Status: "major_outage"}}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := w.Status.Schedule(w.Lead, w.Page, status.NewMaintenance{Title: "Disks", Body: "x", StartsAt: later(w.Clock.Now(), 1), EndsAt: later(w.Clock.Now(), 2), Components: []string{web}})
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(filepath.Join(root, "infra/local/browser/node_modules/axe-core/axe.min.js"))
	if err != nil {
		t.Fatalf("make test installs what this needs: %v", err)
	}
	b := newTab(t, w.Serve(t, "lead"))
	for _, path := range []string{
		"/console/status-pages", "/console/status-pages/new", strings.TrimSuffix(w.At(), "/"), w.At("settings"), w.At("components", "new"), w.At("components", web), w.At("incidents"),
		w.At("incidents", "new"), w.At("incidents", i.ID), w.At("incidents", i.ID, "edit"), w.At("maintenances"), w.At("maintenances", "new"), w.At("maintenances", m.ID),
		w.At("partners"), w.At("partners", "new"), w.At("partners", access.ID), w.At("partners", gone.ID), w.At("partners", access.ID, "edit"), w.At("partners", access.ID, "accesses"), "/console/partners",
	} {
		for scheme, width := range map[string]int64{"light": 1280, "dark": 320} {
			features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
			if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
				t.Fatal(err)
			}
			b.do(chromedp.EmulateViewport(width, 900), chromedp.Navigate(b.at+path))
			found := b.eval(string(script) + `; document.querySelectorAll("main details").forEach((d) => { d.open = true; });
				axe.run(document, {rules: {"target-size": {enabled: true}}}).then((r) => r.violations.map((v) =>
				v.id + " (" + v.impact + "): " + v.nodes.map((n) => n.html.slice(0, 200) + " " + n.failureSummary).join("; ")).join("\n"))`)
			if found != "" {
				t.Errorf("%s, %s, %d wide: %s", path, scheme, width, found)
			}
			if over := b.eval("String(document.documentElement.scrollWidth - innerWidth)"); over != "0" {
				t.Errorf("%s, %s, %d wide: runs over by %s", path, scheme, width, over)
			}
		}
	}
}

// eval is the text that an expression, or its promise, comes to.
func (b *tab) eval(expression string) string {
	b.t.Helper()
	out, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}
