package runbooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"pagefree/infra/local/roomtest"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/origin"
	"pagefree/internal/web/console/assets"
)

// tab is a page in a fresh headless Chromium, signed in as lead. Violations of the policy and scripts that fail end the test.
type tab struct {
	*testing.T
	ctx  context.Context
	base string
}

func newTab(t *testing.T, w *world) tab {
	files := httpapi.New()
	assets.Routes(files, origin.Origin{})
	mux := http.NewServeMux()
	for _, path := range []string{"/console/assets/", "/console/manifest.webmanifest", "/console/sw.js"} {
		mux.Handle(path, files.Handler())
	}
	mux.Handle("/console/runbooks/", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.handler.ServeHTTP(rw, r.WithContext(roomtest.As(r.Context(), w.who["lead"])))
	}))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.WSURLReadTimeout(time.Minute))
	allocated, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocated, chromedp.WithListener(func(event any) {
		switch e := event.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork { // other rooms' fragments are not here
				t.Errorf("the console says: %s %s", e.Entry.Text, e.Entry.URL)
			}
		case *runtime.EventExceptionThrown:
			t.Errorf("a script failed: %s", e.ExceptionDetails.Text)
		}
	}))
	t.Cleanup(end)
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatalf("no Chromium (Debian: apt-get install chromium): %v", err)
	}
	return tab{t, ctx, server.URL}
}

func (b tab) open(path string) {
	b.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Navigate(b.base+path)); err != nil {
		b.Fatal(err)
	}
}

func (b tab) eval(expression string) string {
	b.Helper()
	out, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](expression))
	if err != nil && !errors.Is(err, chromedp.ErrJSUndefined) && !errors.Is(err, chromedp.ErrJSNull) {
		b.Fatalf("%s: %v", expression, err)
	}
	return fmt.Sprint(out)
}

func (b tab) until(expression string) {
	b.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(60*time.Second))); err != nil {
		b.Fatalf("%s does not become true: %v", expression, err)
	}
}

func (b tab) keys(text string) {
	b.Helper()
	if err := chromedp.Do(b.ctx, chromedp.KeyEvent(text)); err != nil {
		b.Fatal(err)
	}
}

const (
	typed   = `document.querySelector("[data-editor] textarea").value`
	painted = `document.querySelector(".paint").textContent`
	focused = `document.activeElement.name || document.activeElement.tagName`
)

// TestEditor: what is typed is painted line by line, Tab indents, and Escape and then Tab leaves.
func TestEditor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := good
	c.ScriptContent = "if true; then\necho yes\nfi\n"
	id := w.draft("Edit me", c)
	b := newTab(t, w)
	b.open("/console/runbooks/" + id + "/edit")
	b.until(`document.querySelector(".editor.on .c-key") !== null`)
	if got := b.eval(painted); got != c.ScriptContent {
		t.Errorf("painted is %q", got)
	}
	// At the end of the second line.
	b.eval(`(() => { const a = document.querySelector("[data-editor] textarea"); a.focus(); a.setSelectionRange(22, 22); return 1 })()`)
	b.keys(" # why")
	b.until(painted + `=== "if true; then\necho yes # why\nfi\n"`) // at once, before the server painted
	b.until(`[...document.querySelectorAll(".paint .c-note")].some((e) => e.textContent.includes("# why"))`)
	if got := b.eval(painted + "===" + typed); got != "true" {
		t.Errorf("painted is %q, typed is %q", b.eval(painted), b.eval(typed))
	}
	if got := b.eval(`[...document.querySelectorAll(".paint .ln")].length`); got != "3" {
		t.Errorf("got %s lines, want 3", got)
	}

	b.eval(`(() => { document.querySelector("[data-editor] textarea").setSelectionRange(14, 28); return 1 })()`)
	b.keys(kb.Tab)
	if got := b.eval(typed); got != "if true; then\n  echo yes # why\nfi\n" {
		t.Errorf("after Tab: %q", got)
	}
	b.eval(`(() => { const a = document.querySelector("[data-editor] textarea"); a.setSelectionRange(0, 0); return 1 })()`)
	b.keys(kb.Tab)
	if got := b.eval(typed); got != "  if true; then\n  echo yes # why\nfi\n" {
		t.Errorf("after Tab at the beginning: %q", got)
	}
	if got := b.eval(focused); got != "scriptContent" {
		t.Errorf("Tab went to %s", got)
	}
	b.keys(kb.Escape)
	b.keys(kb.Tab)
	if got := b.eval(focused); got == "scriptContent" {
		t.Error("Escape and then Tab stays")
	}
	if got := b.eval(typed); got != "  if true; then\n  echo yes # why\nfi\n" {
		t.Errorf("leaving changed it: %q", got)
	}

	// Another language paints it again, and the fields of a target follow the choice.
	b.eval(`(() => { const s = document.getElementById("f-language"); s.value = "JAVASCRIPT"; s.dispatchEvent(new Event("change", {bubbles: true})); return 1 })()`)
	b.until(`![...document.querySelectorAll(".paint .c-note")].some((e) => e.textContent.includes("# why"))`)
	if got := b.eval(`String(document.getElementById("f-target.url").checkVisibility())`); got != "false" {
		t.Errorf("the webhook's address is seen (%s) where the target is a sandbox", got)
	}
	b.eval(`(() => { const s = document.getElementById("f-target.type"); s.value = "webhook"; s.dispatchEvent(new Event("change", {bubbles: true})); return 1 })()`)
	b.until(`document.getElementById("f-target.url").checkVisibility() && !document.getElementById("f-target.maxNodes").checkVisibility()`)
}
