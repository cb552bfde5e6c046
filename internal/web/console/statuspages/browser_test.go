package statuspages_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"pagefree/infra/local/chromium"
	"pagefree/infra/local/pagestest"
	"pagefree/internal/status"
)

// tab is a page in a fresh headless Chromium. What its console complains of, a violated Content-Security-Policy among it,
// fails the test; what other functions would answer is not there.
type tab struct{ *chromium.Tab }

func newTab(t *testing.T, at string) *tab {
	t.Helper()
	return &tab{chromium.New(t, chromium.Options{At: at, Forgives: []func(any) bool{chromium.Refusals}})}
}

// shows waits for a text in an element.
func (b *tab) shows(selector, text string) {
	b.Helper()
	want, err := json.Marshal(text)
	if err != nil {
		b.Fatal(err)
	}
	b.Until("!!document.querySelector('" + selector + "') && document.querySelector('" + selector + "').innerText.includes(" + string(want) + ")")
}

// press goes to an element, as the key Tab would, and presses keys there.
func (b *tab) press(selector string, keys ...string) {
	b.Helper()
	b.Until("(document.querySelector('" + selector + "') || {focus: function () {}}).focus() === undefined && document.activeElement === document.querySelector('" + selector + "')")
	for _, key := range keys {
		b.Do(chromedp.KeyEvent(key))
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

	b.Open(w.At("incidents", "new"))
	b.shows("#preview", "2 partners see this")
	b.press("#f-title", "Database is slow")
	b.press("#f-body", "We **look**.")
	b.shows("#preview strong", "2 partners")
	b.shows("#preview .prose strong", "look")
	b.press(".touched .pick:last-child select", "m") // major outage, of the database alone
	b.shows("#preview", "1 partner sees this")
	b.Until("!document.querySelector('#preview').innerText.includes('Globex')")
	b.press("#f-audience", "o") // only those chosen, and nobody is
	b.shows("#preview", "Nobody sees this.")
	b.press("#f-audience", kb.ArrowUp)
	b.shows("#preview", "1 partner sees this")
	b.press(".preview button:not([formaction])", kb.Enter)
	b.shows("main", "The update was published.")
	b.shows(".timeline", "We look.")

	b.Open(w.At("partners", "new"))
	b.press("#f-partnerName", "Initech")
	b.press("#f-contactEmail", "ops@initech.test", kb.Enter)
	b.shows("main", "It is shown this once.")
	b.Until("document.querySelector('#token').value.startsWith('pfp_') && !document.querySelector('[data-copy=\"#curl\"]').hidden")
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
			if _, err := chromedp.Call(b.Ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
				t.Fatal(err)
			}
			b.Do(chromedp.EmulateViewport(width, 900))
			b.Open(path)
			found := b.Eval(string(script) + `; document.querySelectorAll("main details").forEach((d) => { d.open = true; });
				axe.run(document, {rules: {"target-size": {enabled: true}}}).then((r) => r.violations.map((v) =>
				v.id + " (" + v.impact + "): " + v.nodes.map((n) => n.html.slice(0, 200) + " " + n.failureSummary).join("; ")).join("\n"))`)
			if found != "" {
				t.Errorf("%s, %s, %d wide: %s", path, scheme, width, found)
			}
			if over := b.Eval("String(document.documentElement.scrollWidth - innerWidth)"); over != "0" {
				t.Errorf("%s, %s, %d wide: runs over by %s", path, scheme, width, over)
			}
		}
	}
}
