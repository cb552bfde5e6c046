package statuspage_test

import (
	"context"
	"encoding/json"
	"errors"
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

	"pagefree/infra/local/acme"
	"pagefree/internal/partner"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

// tab is a page in a fresh headless Chromium. What its console complains of, a violated Content-Security-Policy among it,
// and whatever it asks of anybody else, fails the test.
type tab struct {
	t   *testing.T
	ctx context.Context
	at  string
}

func newTab(t *testing.T, at string) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(time.Minute))
	allocated, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocated, chromedp.WithListener(func(event any) {
		switch e := event.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork { // a refusal is an error to the network
				t.Errorf("the console says: %s %s", e.Entry.Text, e.Entry.URL)
			}
		case *runtime.EventExceptionThrown:
			t.Errorf("a script failed: %s", e.ExceptionDetails.Text)
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, at+"/") {
				t.Errorf("the page asks %s", e.Request.URL)
			}
		}
	}))
	t.Cleanup(end)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, at: at}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatalf("no Chromium (Debian: apt-get install chromium): %v", err)
	}
	b.zone("Europe/Berlin")
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.at + path))
}

// eval is the value of an expression, a promise's too.
func (b *tab) eval(expression string) string {
	b.t.Helper()
	out, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](expression, chromedp.EvalAwaitPromise))
	if err != nil && !errors.Is(err, chromedp.ErrJSUndefined) && !errors.Is(err, chromedp.ErrJSNull) {
		b.t.Fatalf("%s: %v", expression, err)
	}
	if text, ok := out.(string); ok {
		return text
	}
	raw, err := json.Marshal(out)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(raw)
}

// until waits for an expression to become true.
func (b *tab) until(expression string) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(20*time.Second))); err != nil {
		b.t.Fatalf("%s does not become true: %v; the page shows %q", expression, err, b.eval("document.body.innerText"))
	}
}

func (b *tab) press(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		b.do(chromedp.KeyEvent(key))
	}
}

func (b *tab) scheme(scheme string) {
	b.t.Helper()
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) zone(zone string) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: zone}); err != nil {
		b.t.Fatal(err)
	}
}

// refresh makes the page look for changes now, as when somebody comes back to it.
func (b *tab) refresh() { b.eval(`document.dispatchEvent(new Event("visibilitychange")); 1`) }

// axe is what axe-core finds on the page as it is now.
func (b *tab) axe() string {
	b.t.Helper()
	script, err := os.ReadFile(filepath.Join(root, "infra/local/browser/node_modules/axe-core/axe.min.js"))
	if err != nil {
		b.t.Fatalf("make test installs what this needs: %v", err)
	}
	b.eval(string(script) + "; 1")
	return b.eval(`axe.run(document, {rules: {"target-size": {enabled: true}}}).then((r) => r.violations.map((v) =>
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
			b.t = t
			if kind.before != nil {
				kind.before()
				defer w.grant(acme.AccessAcme, nil)
				defer s.as(bySession(acme.AccessAcme))
			}
			for scheme, width := range map[string]int64{"light": 1100, "dark": 320} {
				b.scheme(scheme)
				b.do(chromedp.EmulateViewport(width, 900))
				b.open(kind.path)
				if kind.then != "" {
					b.eval(kind.then)
				}
				if found := b.axe(); found != "" {
					t.Errorf("%s, %d wide: %s", scheme, width, found)
				}
				if over := b.eval("String(document.documentElement.scrollWidth - innerWidth)"); over != "0" {
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
	b.open(here)
	var stops []string
	for range 60 {
		b.press(kb.Tab)
		stop := b.eval(`(() => { const e = document.activeElement; return e === document.body ? "" : e.tagName + " " + (e.getAttribute("aria-label") || e.innerText || "").replace(/\s+/g, " ").trim(); })()`)
		if stop == "" {
			break
		}
		stops = append(stops, stop)
		if outline := b.eval(`(() => { const e = document.activeElement; return e.matches(":focus-visible") ? "" : e.tagName; })()`); outline != "" {
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
	b.eval(`document.querySelector("[data-key=cmp_01K9ZD3R5N0000000000000005] input").focus(); 1`)
	says := func() string { return b.eval(`document.activeElement.getAttribute("aria-valuetext")`) }
	shown := func() string {
		return b.eval(`document.activeElement.parentNode.querySelector(".tip:not([hidden])").textContent`)
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
	b.eval(`document.querySelector("details.group > summary").focus(); 1`)
	b.press(kb.Enter)
	if got := b.eval(`String(document.querySelector("details.group").open)`); got != "false" {
		t.Error("a group does not fold by a key")
	}
}

// TestWithoutJavaScript: the page says everything, in words too.
func TestWithoutJavaScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	b := newTab(t, w.serve(bySession(acme.AccessAcme)).URL)
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	b.open(here)
	days := chromedp.CSS("[data-key=cmp_01K9ZD3R5N0000000000000005] .days")
	b.do(chromedp.Click(chromedp.CSS("[data-key=cmp_01K9ZD3R5N0000000000000005] .days summary")))
	text, err := chromedp.Run(b.ctx, chromedp.Text(days))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"20 Feb – 10 May 2026", "11 May 2026", "Partial outage", "for 1 h 24 min, 97.08 % up", "17 – 20 May 2026"} {
		if !strings.Contains(text, want) {
			t.Errorf("day by day: got %q, want %q in it", text, want)
		}
	}
	sliders, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS("main")))
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
	b.open(here)
	b.eval(`document.querySelectorAll("details.group")[1].open = false; document.querySelector("[data-key=cmp_01K9ZD3R5N0000000000000006] .days").open = true;
		document.querySelector("[data-key=cmp_01K9ZD3R5N0000000000000006] input").focus(); window.mark = document.querySelector(".banner"); 1`)
	for range 2 { // nothing changed
		b.refresh()
	}
	w.advance(time.Minute)
	s = settled(acme.Snapshot(started))
	s.Components[7].Log = append(s.Components[7].Log, status.Change{At: timestamp.Of(w.clock()), Status: status.MajorOutage})
	s.Components[7].Status = status.MajorOutage
	w.publish(s)
	b.until(`(document.dispatchEvent(new Event("visibilitychange")), document.querySelector(".banner").textContent === "Major Service Outage")`)
	b.until(`document.getElementById("live").textContent !== ""`)
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
		if got := b.eval(expression); got != want {
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
			b.open(here)
			b.until(`document.querySelector("h1").textContent === "Acme Cloud"`)
			tt.end()
			b.refresh()
			b.until(`document.querySelector("h1").textContent === ` + quoted(tt.want))
			if text := b.eval(`document.documentElement.innerHTML`); strings.Contains(text, "Acme Cloud") || strings.Contains(text, "Webhooks") {
				t.Errorf("something of the page is left: %s", text)
			}
			if got := b.eval("document.title"); got != tt.want {
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
	b.open(here)
	if got := b.eval(since); got != "Minor impact since 20 May 2026, 10:06 CEST" {
		t.Errorf("in the page's zone: got %q", got)
	}
	b.zone("America/New_York")
	b.open(here)
	if got := b.eval(since); got != "Minor impact since 20 May 2026, 10:06 CEST (20 May, 04:06 your time)" {
		t.Errorf("elsewhere: got %q", got)
	}
}
