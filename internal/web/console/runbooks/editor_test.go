package runbooks

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"pagefree/infra/local/chromium"
	"pagefree/infra/local/roomtest"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/origin"
	"pagefree/internal/web/console/assets"
)

// newTab is a page in a fresh headless Chromium, signed in as lead.
func newTab(t *testing.T, w *world) *chromium.Tab {
	t.Helper()
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
	return chromium.New(t, chromium.Options{At: server.URL, Lasts: 3 * time.Minute, Waits: time.Minute,
		Forgives: []func(any) bool{chromium.Refusals}}) // other rooms' fragments are not here
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
	b.Open("/console/runbooks/" + id + "/edit")
	b.Until(`document.querySelector(".editor.on .c-key") !== null`)
	if got := b.Eval(painted); got != c.ScriptContent {
		t.Errorf("painted is %q", got)
	}
	// At the end of the second line.
	b.Eval(`(() => { const a = document.querySelector("[data-editor] textarea"); a.focus(); a.setSelectionRange(22, 22); return 1 })()`)
	b.Do(chromedp.KeyEvent(" # why"))
	b.Until(painted + `=== "if true; then\necho yes # why\nfi\n"`) // at once, before the server painted
	b.Until(`[...document.querySelectorAll(".paint .c-note")].some((e) => e.textContent.includes("# why"))`)
	if got := b.Eval(painted + "===" + typed); got != "true" {
		t.Errorf("painted is %q, typed is %q", b.Eval(painted), b.Eval(typed))
	}
	if got := b.Eval(`[...document.querySelectorAll(".paint .ln")].length`); got != "3" {
		t.Errorf("got %s lines, want 3", got)
	}

	b.Eval(`(() => { document.querySelector("[data-editor] textarea").setSelectionRange(14, 28); return 1 })()`)
	b.Do(chromedp.KeyEvent(kb.Tab))
	if got := b.Eval(typed); got != "if true; then\n  echo yes # why\nfi\n" {
		t.Errorf("after Tab: %q", got)
	}
	b.Eval(`(() => { const a = document.querySelector("[data-editor] textarea"); a.setSelectionRange(0, 0); return 1 })()`)
	b.Do(chromedp.KeyEvent(kb.Tab))
	if got := b.Eval(typed); got != "  if true; then\n  echo yes # why\nfi\n" {
		t.Errorf("after Tab at the beginning: %q", got)
	}
	if got := b.Eval(focused); got != "scriptContent" {
		t.Errorf("Tab went to %s", got)
	}
	b.Do(chromedp.KeyEvent(kb.Escape))
	b.Do(chromedp.KeyEvent(kb.Tab))
	if got := b.Eval(focused); got == "scriptContent" {
		t.Error("Escape and then Tab stays")
	}
	if got := b.Eval(typed); got != "  if true; then\n  echo yes # why\nfi\n" {
		t.Errorf("leaving changed it: %q", got)
	}

	// Another language paints it again, and the fields of a target follow the choice.
	b.Eval(`(() => { const s = document.getElementById("f-language"); s.value = "JAVASCRIPT"; s.dispatchEvent(new Event("change", {bubbles: true})); return 1 })()`)
	b.Until(`![...document.querySelectorAll(".paint .c-note")].some((e) => e.textContent.includes("# why"))`)
	if got := b.Eval(`String(document.getElementById("f-target.url").checkVisibility())`); got != "false" {
		t.Errorf("the webhook's address is seen (%s) where the target is a sandbox", got)
	}
	b.Eval(`(() => { const s = document.getElementById("f-target.type"); s.value = "webhook"; s.dispatchEvent(new Event("change", {bubbles: true})); return 1 })()`)
	b.Until(`document.getElementById("f-target.url").checkVisibility() && !document.getElementById("f-target.maxNodes").checkVisibility()`)
}
