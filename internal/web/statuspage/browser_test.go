package statuspage_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"pagefree/infra/local/acme"
	"pagefree/infra/local/chromium"
	"pagefree/internal/partner"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

// tab is a page in a fresh headless Chromium. What its console complains of, a violated Content-Security-Policy among it,
// and whatever it asks of anybody else, fails the test.
type tab struct{ *chromium.Tab }

func newTab(t *testing.T, at string) *tab {
	t.Helper()
	b := &tab{chromium.New(t, chromium.Options{At: at, Forgives: []func(any) bool{chromium.Refusals}, Hears: func(event any) {
		if e, ok := event.(*network.EventRequestWillBeSent); ok && !strings.HasPrefix(e.Request.URL, at+"/") {
			t.Errorf("the page asks %s", e.Request.URL)
		}
	}})}
	b.zone("Europe/Berlin")
	return b
}

func (b *tab) press(keys ...string) {
	b.Helper()
	for _, key := range keys {
		b.Do(chromedp.KeyEvent(key))
	}
}

func (b *tab) scheme(scheme string) {
	b.Helper()
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
	if _, err := chromedp.Call(b.Ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
		b.Fatal(err)
	}
}

func (b *tab) zone(zone string) {
	b.Helper()
	if _, err := chromedp.Call(b.Ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: zone}); err != nil {
		b.Fatal(err)
	}
}

// refresh makes the page look for changes now, as when somebody comes back to it.
func (b *tab) refresh() { b.Eval(`document.dispatchEvent(new Event("visibilitychange")); 1`) }

// axe is what axe-core finds on the page as it is now.
func (b *tab) axe() string {
	b.Helper()
	script, err := os.ReadFile(filepath.Join(root, "infra/local/browser/node_modules/axe-core/axe.min.js"))
	if err != nil {
		b.Fatalf("make test installs what this needs: %v", err)
	}
	b.Eval(string(script) + "; 1")
	return b.Eval(`axe.run(document, {rules: {"target-size": {enabled: true}}}).then((r) => r.violations.map((v) =>
		v.id + " (" + v.impact + "): " + v.nodes.map((n) => n.html.slice(0, 200) + " " + n.failureSummary).join("; ")).join("\n"))`)
}

// TestAxe: axe-core finds nothing, on any kind of page, in light and wide, in dark and 320 pixels wide; nothing runs over.
func TestAxe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.serve(bySession(acme.AccessAcme))
	b := newTab(t, s.URL)
	open := `document.querySelectorAll("details").forEach((d) => { d.open = true; }); 1`
	kinds := []struct {
		name, path string
		before     func()
		then       string
	}{
		{name: "page", path: here},
		{name: "page, unfolded", path: here, then: open},
		{name: "history", path: here + "/history"},
		{name: "incident", path: here + "/incidents/" + acme.Past},
		{name: "list", path: "/status"},
		{name: "nothing there", path: here + "/nothing"},
		{name: "signed out", path: here, then: `document.body.replaceChildren(document.getElementById("ended").content.cloneNode(true)); 1`},
		{name: "preview", path: "/v1/status-pages/" + acme.PageID + "/preview", before: func() { s.as(staff) }},
		{name: "staff", path: here, before: func() { s.as(staff) }},
		{name: "revoked", path: here, before: func() { s.as(byToken(acme.AccessAcme)); w.grant(acme.AccessAcme, revoked) }},
		{name: "out of order", path: here + "/history?cursor=x", before: func() { s.as(byToken(acme.AccessGlobex)) }},
	}
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			b.T = t
			if kind.before != nil {
				kind.before()
				defer w.grant(acme.AccessAcme, nil)
				defer s.as(bySession(acme.AccessAcme))
			}
			for scheme, width := range map[string]int64{"light": 1100, "dark": 320} {
				b.scheme(scheme)
				b.Do(chromedp.EmulateViewport(width, 900))
				b.Open(kind.path)
				if kind.then != "" {
					b.Eval(kind.then)
				}
				if found := b.axe(); found != "" {
					t.Errorf("%s, %d wide: %s", scheme, width, found)
				}
				if over := b.Eval("String(document.documentElement.scrollWidth - innerWidth)"); over != "0" {
					t.Errorf("%s, %d wide: runs over by %s", scheme, width, over)
				}
			}
		})
	}
}

// TestKeyboard reaches everything by keys alone; a strip is one stop, within which keys walk from day to day.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	b := newTab(t, w.serve(bySession(acme.AccessAcme)).URL)
	b.Open(here)
	var stops []string
	for range 60 {
		b.press(kb.Tab)
		stop := b.Eval(`(() => { const e = document.activeElement; return e === document.body ? "" : e.tagName + " " + (e.getAttribute("aria-label") || e.innerText || "").replace(/\s+/g, " ").trim(); })()`)
		if stop == "" {
			break
		}
		stops = append(stops, stop)
		if outline := b.Eval(`(() => { const e = document.activeElement; return e.matches(":focus-visible") ? "" : e.tagName; })()`); outline != "" {
			t.Errorf("%s: the focus is not to be seen", stop)
		}
	}
	count := func(prefix string) (n int) {
		for _, s := range stops {
			if strings.HasPrefix(s, prefix) {
				n++
			}
		}
		return n
	}
	if count("INPUT ") != 8 || count("SUMMARY ") != 3+8 || count("BUTTON Sign out") != 1 || stops[0] != "A Webhooks arrive late" {
		t.Errorf("stops: got %q", stops)
	}
	b.Eval(`document.querySelector("[data-key=cmp_01K9ZD3R5N0000000000000005] input").focus(); 1`)
	says := func() string { return b.Eval(`document.activeElement.getAttribute("aria-valuetext")`) }
	shown := func() string {
		return b.Eval(`document.activeElement.parentNode.querySelector(".tip:not([hidden])").textContent`)
	}
	for _, step := range []struct{ key, want string }{
		{"", "20 May: Operational"}, {kb.ArrowLeft, "19 May: Operational"}, {kb.ArrowRight, "20 May: Operational"}, {kb.ArrowRight, "20 May: Operational"},
		{kb.Home, "20 February: Operational"}, {kb.ArrowLeft, "20 February: Operational"}, {kb.PageUp, "27 February: Operational"}, {kb.PageDown, "20 February: Operational"},
		{kb.End, "20 May: Operational"},
	} {
		if step.key != "" {
			b.press(step.key)
		}
		if got := says(); got != step.want {
			t.Errorf("%q: says %q, want %q", step.key, got, step.want)
		}
		if got := shown(); got != step.want {
			t.Errorf("%q: shows %q, want %q", step.key, got, step.want)
		}
	}
	for range 9 {
		b.press(kb.ArrowLeft)
	}
	if got := says(); got != "11 May: Partial outage for 1 h 24 min, 97.08 % up" {
		t.Errorf("nine days ago: says %q", got)
	}
	b.Eval(`document.querySelector("details.group > summary").focus(); 1`)
	b.press(kb.Enter)
	if got := b.Eval(`String(document.querySelector("details.group").open)`); got != "false" {
		t.Error("a group does not fold by a key")
	}
}

// TestWithoutJavaScript: the page says everything, in words too.
func TestWithoutJavaScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	b := newTab(t, w.serve(bySession(acme.AccessAcme)).URL)
	if _, err := chromedp.Call(b.Ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	b.Open(here)
	days := chromedp.CSS("[data-key=cmp_01K9ZD3R5N0000000000000005] .days")
	b.Do(chromedp.Click(chromedp.CSS("[data-key=cmp_01K9ZD3R5N0000000000000005] .days summary")))
	text, err := chromedp.Run(b.Ctx, chromedp.Text(days))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"20 Feb – 10 May 2026", "11 May 2026", "Partial outage", "for 1 h 24 min, 97.08 % up", "17 – 20 May 2026"} {
		if !strings.Contains(text, want) {
			t.Errorf("day by day: got %q, want %q in it", text, want)
		}
	}
	sliders, err := chromedp.Run(b.Ctx, chromedp.Text(chromedp.CSS("main")))
	if err != nil || !strings.Contains(sliders, "Partially Degraded Service") || !strings.Contains(sliders, "Europe/Berlin") && strings.Contains(sliders, "your time") {
		t.Errorf("got %q, %v", sliders, err)
	}
}

// TestRefresh shows a change by itself, says it aloud, and keeps what was open and where the reader was.
func TestRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := acme.Snapshot(started)
	w.publish(settled(s))
	b := newTab(t, w.serve(bySession(acme.AccessAcme)).URL)
	b.Open(here)
	b.Eval(`document.querySelectorAll("details.group")[1].open = false; document.querySelector("[data-key=cmp_01K9ZD3R5N0000000000000006] .days").open = true;
		document.querySelector("[data-key=cmp_01K9ZD3R5N0000000000000006] input").focus(); window.mark = document.querySelector(".banner"); 1`)
	for range 2 { // nothing changed
		b.refresh()
	}
	w.advance(time.Minute)
	s = settled(acme.Snapshot(started))
	s.Components[7].Log = append(s.Components[7].Log, status.Change{At: timestamp.Of(w.clock()), Status: status.MajorOutage})
	s.Components[7].Status = status.MajorOutage
	w.publish(s)
	b.Until(`(document.dispatchEvent(new Event("visibilitychange")), document.querySelector(".banner").textContent === "Major Service Outage")`)
	b.Until(`document.getElementById("live").textContent !== ""`)
	for expression, want := range map[string]string{
		`document.getElementById("live").textContent`:                                                "Updated. Major Service Outage. Documentation: Major outage.",
		`document.getElementById("live").getAttribute("aria-live")`:                                  "polite",
		`String(document.querySelectorAll("details.group")[1].open)`:                                 "false",
		`String(document.querySelector("[data-key=cmp_01K9ZD3R5N0000000000000006] .days").open)`:     "true",
		`document.activeElement.getAttribute("aria-label")`:                                          "Payouts, day by day",
		`document.querySelectorAll(".strip input").length + ""`:                                      "8",
		`document.querySelector("#stale").hidden + ""`:                                               "true",
		`document.querySelector("[data-key=cmp_01K9ZD3R5N0000000000000007] .name .state").innerText`: "Major outage",
	} {
		if got := b.Eval(expression); got != want {
			t.Errorf("%s: got %q, want %q", expression, got, want)
		}
	}
}

// TestRevocationWhileThePageIsOpen removes what is shown, and says why.
func TestRevocationWhileThePageIsOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.serve(nobody)
	for name, tt := range map[string]struct {
		who  bool // by a token, which is told more
		end  func()
		want string
	}{
		"a token that is revoked": {who: true, end: func() { w.grant(acme.AccessAcme, revoked) }, want: "Your access has ended"},
		"an address that is not admitted any more": {end: func() { w.grant(acme.AccessAcme, func(a *partner.Access) { a.IPAllowlist = []string{"198.51.100.1"} }) },
			want: "Not from here"},
		"a session that is revoked": {end: func() { w.grant(acme.AccessAcme, revoked) }, want: "You are signed out"},
		"a session that is gone":    {end: func() { s.as(nobody) }, want: "You are signed out"},
	} {
		t.Run(name, func(t *testing.T) {
			defer w.grant(acme.AccessAcme, nil)
			s.as(bySession(acme.AccessAcme))
			if tt.who {
				s.as(byToken(acme.AccessAcme))
			}
			b := newTab(t, s.URL)
			b.Open(here)
			b.Until(`document.querySelector("h1").textContent === "Acme Cloud"`)
			tt.end()
			b.refresh()
			b.Until(`document.querySelector("h1").textContent === ` + quoted(tt.want))
			if text := b.Eval(`document.documentElement.innerHTML`); strings.Contains(text, "Acme Cloud") || strings.Contains(text, "Webhooks") {
				t.Errorf("something of the page is left: %s", text)
			}
			if got := b.Eval("document.title"); got != tt.want {
				t.Errorf("title: got %q", got)
			}
		})
	}
}

func quoted(s string) string {
	raw, _ := json.Marshal(s) // a string
	return string(raw)
}

// TestTimes are the page's, and the reader's beside them where they differ.
func TestTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	b := newTab(t, w.serve(bySession(acme.AccessAcme)).URL)
	since := `document.querySelector("article .meta").innerText.replace(/\s+/g, " ")`
	b.Open(here)
	if got := b.Eval(since); got != "Minor impact since 20 May 2026, 10:06 CEST" {
		t.Errorf("in the page's zone: got %q", got)
	}
	b.zone("America/New_York")
	b.Open(here)
	if got := b.Eval(since); got != "Minor impact since 20 May 2026, 10:06 CEST (20 May, 04:06 your time)" {
		t.Errorf("elsewhere: got %q", got)
	}
}
