package assets_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"pagefree/infra/local/chromium"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/origin"
	"pagefree/internal/web/console/assets"
)

const incident = "inc_01KC9Q6Z5R8T1V3X5Z7B9D1F3H"

// house is what live.js talks to: pages, tickets, and sockets, all of which a test makes go wrong.
type house struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	tickets  int // status of an answer to who asks for one
	asked    int // how often that was
	html     string
	tag      string
	status   int // of a fragment
	fetched  int
	known    int // fragments that were answered with a 304
	sockets  map[*websocket.Conn]bool
	said     []string
	deaf     bool // no socket opens
	headless bool // a fragment came without HX-Request
}

const page = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Live</title>
<script src="%s" defer></script></head><body><span id="live-state" role="status"></span>
<a class="brand" href="/console/incidents">PageFree</a><main>
<div id="one" data-live="incident:` + incident + `" data-live-src="/console/incidents/x/live">first</div>
<div id="list" data-live="executions" data-live-src="/console/executions?status=RUNNING">none</div>
</main></body></html>`

func newHouse(t *testing.T) *house {
	h := &house{t: t, tickets: http.StatusOK, status: http.StatusOK, sockets: map[*websocket.Conn]bool{}}
	h.put("<p>first</p>")
	api := httpapi.New()
	assets.Routes(api, origin.Origin{})
	mux := http.NewServeMux()
	mux.Handle("/console/assets/", api.Handler())
	mux.HandleFunc("/console/incidents/x", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, page, assets.Path("live.js"))
	})
	mux.HandleFunc("/console/still", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><title>Still</title><script src=%q defer></script><p id="done">Nothing here is live.</p>`, assets.Path("live.js"))
	})
	mux.HandleFunc("/console/incidents/x/live", h.fragment)
	mux.HandleFunc("/console/executions", h.fragment)
	mux.HandleFunc("POST /v1/realtime/tickets", h.ticket)
	mux.HandleFunc("/socket", h.socket)
	mux.HandleFunc("/favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	h.Server = httptest.NewServer(mux)
	t.Cleanup(h.Close)
	t.Cleanup(h.drop)
	return h
}

func (h *house) put(html string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.html, h.tag = html, fmt.Sprintf(`"%x"`, html)
}

func (h *house) fragment(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fetched++
	h.headless = h.headless || r.Header.Get("HX-Request") != "true"
	w.Header().Set("ETag", h.tag)
	switch {
	case h.status != http.StatusOK:
		w.WriteHeader(h.status)
	case r.Header.Get("If-None-Match") == h.tag:
		h.known++
		w.WriteHeader(http.StatusNotModified)
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(h.html))
	}
}

func (h *house) ticket(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	if h.tickets != http.StatusOK {
		w.WriteHeader(h.tickets)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"ticket": "pfw_x", "url": "ws" + strings.TrimPrefix(h.URL, "http") + "/socket?ticket=pfw_x"})
}

func (h *house) socket(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	deaf := h.deaf
	h.mu.Unlock()
	if deaf || r.Header.Get("Origin") != h.URL {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		h.t.Error(err)
		return
	}
	h.mu.Lock()
	h.sockets[conn] = true
	h.mu.Unlock()
	for {
		_, text, err := conn.Read(context.Background())
		if err != nil {
			h.mu.Lock()
			delete(h.sockets, conn)
			h.mu.Unlock()
			return
		}
		h.mu.Lock()
		h.said = append(h.said, string(text))
		h.mu.Unlock()
		_ = conn.Write(context.Background(), websocket.MessageText, []byte(`{"subscribed":{"kinds":[],"ids":[]}}`))
	}
}

// tell says something on every open socket.
func (h *house) tell(kind, id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for conn := range h.sockets {
		_ = conn.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, `{"kind":%q,"id":%q,"version":2}`, kind, id))
	}
}

// drop cuts every open socket.
func (h *house) drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for conn := range h.sockets {
		_ = conn.CloseNow()
	}
}

func (h *house) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

func (h *house) get(of func() int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return of()
}

// tab is a page in a fresh headless Chromium, whose violations of the policy and failed scripts fail the test.
type tab struct {
	*chromium.Tab
	*house
}

func newTab(t *testing.T, h *house) *tab {
	t.Helper()
	return &tab{chromium.New(t, chromium.Options{At: h.URL, Lasts: 3 * time.Minute, Waits: 90 * time.Second,
		Forgives: []func(any) bool{chromium.Refusals, chromium.Sockets}}), h}
}

// waits waits for something of the house.
func (b *tab) waits(what string, is func() bool) {
	b.Helper()
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		b.mu.Lock()
		done := is()
		b.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(end) {
			b.Fatalf("waited in vain for %s", what)
		}
	}
}

const state = `document.getElementById("live-state").textContent`

// TestLive: a part follows what is told, and what a person does in it stays.
func TestLive(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := newTab(t, h)
	b.Open("/console/incidents/x")
	b.Until(state + ` === "Live"`)
	b.Until(`document.getElementById("one").innerHTML === "<p>first</p>"`) // fetched once: it may have changed since the page was made
	if said := h.said[0]; said != `{"subscribe":{"kinds":["execution"],"ids":["`+incident+`"]}}` {
		t.Errorf("said %s", said)
	}
	h.put(`<form><input id="title" value="was"><textarea name="text"></textarea><input type="checkbox" name="sure" value="1"></form><details><summary>More</summary>text</details>` +
		`<div id="box">` + strings.Repeat("<p>line</p>", 200) + `</div><a href="/console/a">A</a>`)
	h.tell("incident", incident)
	b.Until(`document.querySelector("#one #title") !== null`)
	b.Eval(`window.swaps = 0; document.addEventListener("pf:swapped", function (e) { if (e.target.id === "one") window.swaps++; });
		window.htmx = { process: function (el) { window.processed = el.id; } };
		document.querySelector("#one textarea").value = "what I write"; document.querySelector("#one [name=sure]").checked = true;
		document.querySelector("#one details").open = true;
		document.querySelector("#one textarea").focus(); document.querySelector("#one textarea").setSelectionRange(2, 6); scrollTo(0, 700); 0`)
	// The same again: known by its tag, and nothing is swapped.
	known := h.get(func() int { return h.known })
	h.tell("incident", incident)
	b.waits("an answer that it is known", func() bool { return h.known > known })
	if got := b.Eval("window.swaps"); got != "0" {
		t.Errorf("swapped %s times what did not change", got)
	}
	h.put(h.html + "<p>second</p>")
	h.tell("incident", incident)
	b.Until(`document.getElementById("one").textContent.includes("second") && window.swaps === 1`)
	for what, expression := range map[string]string{
		"what was written": `document.querySelector("#one textarea").value === "what I write"`, "what was chosen": `document.querySelector("#one [name=sure]").checked`,
		"what was not touched": `document.querySelector("#title").value === "was"`, "what was opened": `document.querySelector("#one details").open`,
		"the focus": `document.activeElement === document.querySelector("#one textarea")`, "the selection": `document.activeElement.selectionStart === 2 && document.activeElement.selectionEnd === 6`,
		"the place": `scrollY === 700`, "htmx": `window.processed === "one"`,
	} {
		if got := b.Eval(expression); got != "true" {
			t.Errorf("%s was lost", what)
		}
	}
	// What it did not ask for is not its own.
	before := h.get(func() int { return h.fetched })
	h.tell("incident", "inc_01KC9Q6Z5R8T1V3X5Z7B9D1F3J")
	h.tell("execution", "ex_01KC9Q6Z5R8T1V3X5Z7B9D1F3J")
	b.waits("the list", func() bool { return h.fetched > before })
	if got := h.get(func() int { return h.fetched }); got != before+1 {
		t.Errorf("%d parts fetched, want the list alone", got-before)
	}
	// A part that fails is fetched again.
	h.set(func() { h.status = http.StatusBadGateway })
	before = h.get(func() int { return h.fetched })
	h.tell("incident", incident)
	b.waits("the failure", func() bool { return h.fetched > before })
	h.put("<p>third</p>")
	h.set(func() { h.status = http.StatusOK })
	b.Until(`document.getElementById("one").innerHTML === "<p>third</p>"`)
	// A socket that is cut comes back, and what changed meanwhile is seen.
	h.put("<p>fourth</p>")
	h.drop()
	b.Until(`document.getElementById("one").innerHTML === "<p>fourth</p>" && ` + state + ` === "Live"`)
	if h.headless {
		t.Error("a part was fetched as if it were a page")
	}
	// The session ends, and with it what the service worker kept.
	b.Eval(`Object.defineProperty(navigator, "serviceWorker", { value: { controller: { postMessage: function (m) { window.told = m.type; } } } }); 0`)
	h.set(func() { h.tickets = http.StatusUnauthorized })
	h.drop()
	b.Until(state + ` === "You are signed out" && window.told === "forget"`)

	asked := h.get(func() int { return h.asked })
	b.Open("/console/still")
	b.Until(`document.getElementById("done") !== null && document.readyState === "complete"`)
	if got := h.get(func() int { return h.asked }); got != asked {
		t.Error("a page without a live part asks for a socket")
	}
}

// TestNotLive: without sockets a page says so, and is fetched every ten seconds; once they work again it is live again.
func TestNotLive(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.deaf = true
	b := newTab(t, h)
	b.Open("/console/incidents/x")
	b.Until(state + ` === "Reconnecting"`)
	b.Until(state + ` === "Not live: refreshed every 10 s"`)
	if asked := h.get(func() int { return h.asked }); asked < 3 {
		t.Errorf("gave up after %d tries", asked)
	}
	h.put("<p>polled</p>")
	b.Until(`document.getElementById("one").innerHTML === "<p>polled</p>"`)
	b.waits("an answer that it is known", func() bool { return h.known > 0 })
	h.set(func() { h.deaf = false })
	b.Until(state + ` === "Live"`)
	h.put("<p>told</p>")
	h.tell("incident", incident)
	b.Until(`document.getElementById("one").innerHTML === "<p>told</p>"`)

	// Hidden, it fetches nothing; shown again, it catches up.
	b.Eval(`Object.defineProperty(document, "hidden", { configurable: true, value: true }); document.dispatchEvent(new Event("visibilitychange")); 0`)
	before := h.get(func() int { return h.fetched })
	h.put("<p>unseen</p>")
	h.tell("incident", incident)
	b.Eval(`new Promise(function (done) { setTimeout(done, 600, 0); })`)
	if got := h.get(func() int { return h.fetched }); got != before {
		t.Errorf("fetched %d parts that nobody sees", got-before)
	}
	b.Eval(`Object.defineProperty(document, "hidden", { configurable: true, value: false }); document.dispatchEvent(new Event("visibilitychange")); 0`)
	b.Until(`document.getElementById("one").innerHTML === "<p>unseen</p>"`)

	// A part that leads to the sign-in tells that the session has ended.
	h.set(func() { h.status = http.StatusUnauthorized })
	h.tell("incident", incident)
	b.Until(state + ` === "You are signed out"`)
}

// TestAnOutage: a part that cannot be fetched is tried again by one timer, however often it was wanted meanwhile. Else a
// page that is left open asks more and more often, and all of them together when PageFree is back.
func TestAnOutage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.deaf = true
	b := newTab(t, h)
	b.Open("/console/incidents/x")
	b.Until(state + ` === "Reconnecting"`)
	h.set(func() { h.status = http.StatusServiceUnavailable })
	b.Eval(`window.waiting = new Set(); (function (set, clear) {
		window.setTimeout = function (act, wait) { var id = set(function () { waiting.delete(id); act(); }, wait); if (wait >= 2000) waiting.add(id); return id; };
		window.clearTimeout = function (id) { waiting.delete(id); clear(id); };
	})(window.setTimeout, window.clearTimeout); 0`)
	for range 8 {
		before := h.get(func() int { return h.fetched })
		b.Eval(`document.dispatchEvent(new Event("visibilitychange")); 0`)
		b.waits("both parts to be asked for", func() bool { return h.fetched >= before+2 })
	}
	if n := b.Eval(`waiting.size > 4 ? waiting.size : 0`); n != "0" { // one of each part, the next poll, the next socket
		t.Errorf("%s timers wait", n)
	}
	h.set(func() { h.status, h.deaf = http.StatusOK, false })
	b.Until(state + ` === "Live"`)
}
