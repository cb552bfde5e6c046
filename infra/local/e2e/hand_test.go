package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"pagefree/infra/local/chromium"
	"pagefree/internal/identity"
)

// hand is somebody at a browser: with a pointer at a desk, by keys alone, or on a phone.
type hand struct {
	*chromium.Tab
	base string
	keys bool // no pointer
}

// hands are the ways in which every journey has to work.
func hands(t *testing.T, base string, journey func(t *testing.T, as func(session string) hand)) {
	for name, way := range map[string]struct {
		width, height int64
		keys          bool
	}{"with a pointer": {1280, 900, false}, "by keys alone": {1280, 900, true}, "on a phone": {390, 844, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			journey(t, func(session string) hand { return handAt(t, base, session, way.width, way.height, way.keys) })
		})
	}
}

// handAt is a hand at a window of a size, signed in.
func handAt(t *testing.T, base, session string, width, height int64, keys bool) hand {
	t.Helper()
	h := hand{browser(t), base, keys}
	if _, err := chromedp.Call(h.Ctx, network.SetCookie, network.SetCookieParams{
		Name: identity.Cookie, Value: session, URL: base, Path: "/", Secure: new(true), HTTPOnly: new(true),
	}); err != nil {
		t.Fatal(err)
	}
	size := emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500}
	if _, err := chromedp.Call(h.Ctx, emulation.SetDeviceMetricsOverride, size); err != nil {
		t.Fatal(err)
	}
	return h
}

// goes leads to a page by its address.
func (h hand) goes(path string) {
	h.Helper()
	if err := chromedp.Do(h.Ctx, chromedp.Navigate(h.base+path), there("main")); err != nil {
		h.Fatalf("%s: %v", path, err)
	}
}

// named is the script that finds what somebody would call by a name: a link, a button, a fold or a field that can be seen.
const named = `((name) => {
	const plain = (s) => (s || "").replace(/\s+/g, " ").trim().toLowerCase();
	const called = (e) => {
		if (e.getAttribute("aria-label")) return plain(e.getAttribute("aria-label"));
		if (e.labels && e.labels.length) return plain(e.labels[0].innerText);
		return plain(e.innerText || e.value);
	};
	const seen = [...document.querySelectorAll("a[href], button, summary, input, select, textarea")].filter((e) =>
		e.checkVisibility({visibilityProperty: true}) && !e.disabled && e.type !== "hidden" && e.getClientRects().length > 0);
	const main = seen.filter((e) => e.closest("main"));
	for (const all of [main, seen]) for (const fits of [(s) => s === plain(name), (s) => s.startsWith(plain(name))]) {
		const found = all.find((e) => fits(called(e)));
		if (found) return found;
	}
	return null;
})(%s)`

func find(name string) string {
	text, _ := json.Marshal(name) // a string always marshals
	return fmt.Sprintf(named, text)
}

// reach waits for what is called by a name, and moves there: a pointer over its middle, or the focus, by keys.
func (h hand) reach(name string) (x, y float64) {
	h.Helper()
	waited, stop := context.WithTimeout(h.Ctx, 30*time.Second)
	defer stop()
	var at struct{ X, Y float64 }
	err := settled(waited, func() (bool, error) {
		said, err := chromedp.Run(h.Ctx, chromedp.Evaluate[string](`(() => { const e = document.readyState === "complete" ? `+find(name)+` : null;
			if (!e) return "";
			e.scrollIntoView({block: "center", behavior: "instant"});
			const r = e.getBoundingClientRect();
			return JSON.stringify({x: r.x + r.width / 2, y: r.y + r.height / 2}); })()`))
		if err != nil || said == "" {
			return false, err
		}
		return true, json.Unmarshal([]byte(said), &at)
	})
	if err != nil {
		h.Fatalf("there is nothing called %q: %v; the page shows %s", name, err, h.Eval("document.body.innerText.slice(0, 3000)"))
	}
	if !h.keys {
		return at.X, at.Y
	}
	for range 200 {
		if h.Eval(`String(document.activeElement === `+find(name)+`)`) == "true" {
			return at.X, at.Y
		}
		if err := chromedp.Do(h.Ctx, chromedp.KeyEvent(kb.Tab)); err != nil {
			h.Fatal(err)
		}
	}
	h.Fatalf("the key Tab never comes to %q", name)
	return 0, 0
}

// press follows a link, presses a button or opens a fold by its name.
func (h hand) press(name string) {
	h.Helper()
	x, y := h.reach(name)
	do := chromedp.MouseClickXY(x, y)
	if h.keys {
		do = chromedp.KeyEvent(kb.Enter)
	}
	if err := chromedp.Do(h.Ctx, do); err != nil {
		h.Fatalf("press %q: %v", name, err)
	}
}

// fill types into a field, in place of what is there.
func (h hand) fill(label, text string) {
	h.Helper()
	x, y := h.reach(label)
	if !h.keys {
		if err := chromedp.Do(h.Ctx, chromedp.MouseClickXY(x, y)); err != nil {
			h.Fatal(err)
		}
	}
	h.Eval(`document.activeElement.select && document.activeElement.select(), ""`)
	if err := chromedp.Do(h.Ctx, chromedp.KeyEvent(text)); err != nil {
		h.Fatalf("type into %q: %v", label, err)
	}
}

// sees waits until the page shows a text, in any case.
func (h hand) sees(text string) {
	h.Helper()
	waited, stop := context.WithTimeout(h.Ctx, 40*time.Second)
	defer stop()
	shown := ""
	err := settled(waited, func() (bool, error) {
		var err error
		shown, err = chromedp.Run(h.Ctx, chromedp.Evaluate[string](`document.readyState === "complete" ? document.body.innerText + "\n" + [...document.querySelectorAll("input, textarea")].map((e) => e.value).join("\n") : ""`))
		return strings.Contains(strings.ToLower(shown), strings.ToLower(text)), err
	})
	if err != nil {
		h.Fatalf("want %q to be seen: %v; the page shows %s", text, err, shown)
	}
}

// whole fails the test for what axe-core finds on the page as it is, all of it come, and for a page that is wider than
// the window. After a press that leads to another page, first wait until that one is seen.
func (h hand) whole() {
	h.Helper()
	waited, stop := context.WithTimeout(h.Ctx, 30*time.Second)
	defer stop()
	if err := settled(waited, func() (bool, error) {
		there, err := chromedp.Run(h.Ctx, chromedp.Evaluate[bool](`document.readyState === "complete" && document.querySelector("main") !== null`))
		return there, err
	}); err != nil {
		h.Fatal(err)
	}
	script, err := os.ReadFile(filepath.Join("../../..", "infra/local/browser/node_modules/axe-core/axe.min.js"))
	if err != nil {
		h.Fatalf("make test installs what this needs: %v", err)
	}
	if _, err := chromedp.Run(h.Ctx, chromedp.Evaluate[int](string(script)+"; 1")); err != nil {
		h.Fatal(err)
	}
	found, err := chromedp.Run(h.Ctx, chromedp.Evaluate[string](`axe.run(document, {rules: {"target-size": {enabled: true}}}).then((r) => r.violations.map((v) =>
		v.id + " (" + v.impact + "): " + v.nodes.map((n) => n.html.slice(0, 200) + " " + n.failureSummary).join("; ")).join("\n"))`, chromedp.EvalAwaitPromise))
	if err != nil || found != "" {
		h.Errorf("axe-core at %s: %v %s", h.Eval("location.pathname"), err, found)
	}
	if over := h.Eval("String(document.documentElement.scrollWidth - innerWidth)"); over != "0" {
		h.Errorf("%s runs over by %s pixels", h.Eval("location.pathname"), over)
	}
}
