package console_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/chromedp"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/assets"
)

const incidentPage = `{{define "list"}}<h1>Incidents</h1>{{end}}
{{define "incident"}}<h1>{{.}}</h1><form method="post" action="/console/incidents/inc_1/notes"><label>Note <textarea name="text"></textarea></label></form>{{end}}
{{define "settings"}}<h1>Settings</h1><section id="push" hidden data-key-url="/v1/push/key" data-subscriptions-url="/v1/push/subscriptions"><button id="push-toggle" type="button"></button><p id="push-state" role="status"></p></section><script src="{{asset "push.js"}}" defer></script>{{end}}`

// host is the console with three pages in it, and what its pages ask of the API.
type host struct {
	*httptest.Server
	down   atomic.Bool // it cannot be reached
	person atomic.Value
	mu     sync.Mutex
	asked  []string // of /v1, with bodies
	key    string
	listed string // the id of the device that the server knows
}

func newSite(t *testing.T) *host {
	t.Helper()
	s := &host{key: "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"}
	s.person.Store("usr_ann")
	api := httpapi.New()
	assets.Routes(api, origin.Origin{})
	room := console.New(origin.Origin{}, time.Now).Room(api, "incidents", fstest.MapFS{"pages.html": {Data: []byte(incidentPage)}}, nil)
	room.Get("/console/incidents", func(c *console.Call) error { return c.Show("list", console.Page{Title: "Incidents"}) })
	room.Get("/console/settings", func(c *console.Call) error { return c.Show("settings", console.Page{Title: "Settings"}) })
	room.Get("/console/incidents/{id}", func(c *console.Call) error {
		title := "Payments <fail> " + c.R.PathValue("id") + " for " + c.Who.ID
		return c.Show("incident", console.Page{Title: title, View: title, Keep: true})
	})
	mux := http.NewServeMux()
	mux.Handle("/console/", api.Handler())
	mux.HandleFunc("/console/automation/banner", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	mux.HandleFunc("/v1/auth/sign-out", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
		w.Header().Set("Location", "/signin")
		s.person.Store("")
		w.WriteHeader(http.StatusSeeOther)
	})
	mux.HandleFunc("/signin", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, "<!doctype html><title>Sign in</title>")
	})
	mux.HandleFunc("/v1/push/", s.push)
	handler := http.NewCrossOriginProtection().Handler(mux)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.down.Load() {
			panic(http.ErrAbortHandler)
		}
		if who := s.person.Load().(string); who != "" {
			as := principal.User
			if strings.HasPrefix(who, "pse_") {
				as = principal.Partner
			}
			r = r.WithContext(principal.With(r.Context(), principal.Principal{Kind: as, ID: who, UserID: who, Name: who, Email: who + "@pagefree.test", SessionHash: "x", Partner: reading(as)}))
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// reading is what a partner may see, nil for all others.
func reading(as principal.Kind) *principal.Reading {
	if as != principal.Partner {
		return nil
	}
	return &principal.Reading{}
}

// push answers as the API does, and notes what it was asked.
func (s *host) push(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body) // a GET has none
	raw, _ := json.Marshal(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/v1/push/")+" "+string(raw))
	w.Header().Set("Content-Type", "application/json")
	switch r.Method + strings.TrimPrefix(r.URL.Path, "/v1/push") {
	case "GET/key":
		_, _ = fmt.Fprintf(w, `{"key":%q}`, s.key)
	case "GET/subscriptions":
		_, _ = fmt.Fprintf(w, `{"items":[{"id":%q,"name":"Chrome on Android"}],"nextCursor":null}`, s.listed)
	case "POST/subscriptions":
		s.listed = "dev_1"
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprint(w, `{"id":"dev_1"}`)
	case "DELETE/subscriptions":
		s.listed = ""
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *host) took() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := strings.Join(s.asked, "\n")
	s.asked = nil
	return all
}

// tab is a page in a fresh headless Chromium, whose worker is ready. What its console complains of fails the test.
type tab struct {
	t            *testing.T
	ctx          context.Context
	host         *host
	registration *atomic.Value
}

func newTab(t *testing.T, s *host, before ...string) *tab {
	t.Helper()
	b := &tab{t: t, host: s, registration: &atomic.Value{}}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.WSURLReadTimeout(time.Minute))
	allocated, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocated, chromedp.WithListener(func(event any) {
		switch e := event.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
				t.Errorf("the console says: %s %s", e.Entry.Text, e.Entry.URL)
			}
		case *runtime.EventExceptionThrown:
			if o := e.ExceptionDetails.Exception; o != nil && strings.Contains(o.Description, "ViewTransition") { // a page that was left in the middle of one
				return
			}
			t.Errorf("a script failed: %s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
		case *serviceworker.EventWorkerErrorReported:
			t.Errorf("the worker failed: %s:%d", e.ErrorMessage.ErrorMessage, e.ErrorMessage.LineNumber)
		case *serviceworker.EventWorkerRegistrationUpdated:
			for _, r := range e.Registrations {
				if strings.HasSuffix(r.ScopeURL, "/console/") && !r.IsDeleted {
					b.registration.Store(string(r.RegistrationID))
				}
			}
		}
	}))
	t.Cleanup(end)
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(cancel)
	b.ctx = ctx
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatalf("no Chromium (Debian: apt-get install chromium): %v", err)
	}
	call(b, serviceworker.Enable, cdp.Empty{})
	for _, script := range before {
		call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	}
	if _, err := chromedp.CallBrowser(ctx, browser.SetPermission, browser.SetPermissionParams{Origin: s.URL, Permission: &browser.PermissionDescriptor{Name: "notifications"}, Setting: browser.PermissionSettingGranted}); err != nil {
		t.Fatal(err)
	}
	b.open("/console/incidents")
	b.until(`navigator.serviceWorker.controller !== null && navigator.serviceWorker.controller.state === "activated"`)
	return b
}

func call[P, R any](b *tab, cmd cdp.Command[P, R], params P) R {
	b.t.Helper()
	out, err := chromedp.Call(b.ctx, cmd, params)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func (b *tab) open(path string) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Navigate(b.host.URL+path)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) eval(expression string) string {
	b.t.Helper()
	out, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return out
}

// until waits for an expression to become true.
func (b *tab) until(expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; {
		_, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(time.Until(deadline))))
		switch {
		case err == nil:
			return
		case time.Now().Before(deadline) && b.ctx.Err() == nil && (strings.Contains(err.Error(), "context") || strings.Contains(err.Error(), "navigated")): // the page is on its way to another
		default:
			b.t.Fatalf("%s does not become true: %v; the page shows %q, and notifications are %q", expression, err, b.text(), b.eval(shown))
		}
	}
}

func (b *tab) text() string { return b.eval(`document.body ? document.body.innerText : ""`) }

// kept are the addresses of the copies that the worker has, without the one that says whose they are.
func (b *tab) kept() string {
	return b.eval(`caches.has("pages").then(async has => has ? (await (await caches.open("pages")).keys()).map(r => new URL(r.url).pathname).filter(p => !p.includes("/-/")).sort().join(" ") : "")`)
}

// TestInstallable: Chromium finds nothing that keeps the console from being an app.
func TestInstallable(t *testing.T) {
	t.Parallel()
	b := newTab(t, newSite(t))
	if errs := call(b, page.GetInstallabilityErrors, cdp.Empty{}).InstallabilityErrors; len(errs) > 0 {
		for _, e := range errs {
			t.Errorf("%s %+v", e.ErrorID, e.ErrorArguments)
		}
	}
	m := call(b, page.GetAppManifest, page.GetAppManifestParams{})
	for _, e := range m.Errors {
		t.Errorf("the manifest: %s", e.Message)
	}
	var manifest struct {
		ID, Scope, Display string
		StartURL           string `json:"start_url"`
		Icons              []struct{ Src, Sizes, Purpose string }
	}
	if err := json.Unmarshal([]byte(m.Data), &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.ID != "/console/" || manifest.Scope != "/console/" || manifest.StartURL != "/console/incidents" || manifest.Display != "standalone" {
		t.Errorf("got %+v", manifest)
	}
	got := map[string]bool{}
	for _, i := range manifest.Icons {
		got[i.Sizes+" "+i.Purpose] = true
		resp, err := http.Get(b.host.URL + i.Src)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "image/") {
			t.Errorf("%s: %d %s", i.Src, resp.StatusCode, resp.Header.Get("Content-Type"))
		}
	}
	for _, want := range []string{"192x192 any", "512x512 any", "512x512 maskable"} {
		if !got[want] {
			t.Errorf("no icon %s", want)
		}
	}
}

// TestOffline: the incident that was seen is there with its age, and nothing else is kept.
func TestOffline(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := newTab(t, s)
	b.open("/console/incidents/inc_1?did=acknowledged")
	b.open("/console/settings")
	b.open("/console/incidents/none/such")
	if got := b.kept(); got != "/console/incidents/inc_1" {
		t.Errorf("kept %q", got)
	}
	s.down.Store(true)
	b.open("/console/incidents/inc_1")
	if text := b.text(); !strings.Contains(text, "Payments <fail> inc_1 for usr_ann") || !strings.Contains(text, "No connection. This page is a copy, as it was") || strings.Contains(text, "You are working on it") {
		t.Errorf("shows %q", text)
	}
	if got := b.eval(`document.querySelector("#offline time").dateTime`); !strings.HasSuffix(got, "Z") {
		t.Errorf("its age: %q", got)
	}
	if got := b.eval(`getComputedStyle(document.querySelector(".top")).display + getComputedStyle(document.querySelector(".top")).height`); !strings.HasPrefix(got, "flex") {
		t.Errorf("without its style: %s", got)
	}
	b.open("/console/incidents")
	if text := b.text(); !strings.Contains(text, "No connection") || !strings.Contains(text, "Payments <fail> inc_1") {
		t.Errorf("what was not kept shows %q", text)
	}
	b.eval(`document.querySelector("main li a").click(), ""`)
	b.until(`document.querySelector("#offline") !== null && !document.querySelector("#offline").hidden`)
	s.down.Store(false)
	b.open("/console/incidents/inc_1")
	if got := b.eval(`String(document.querySelector("#offline").hidden)`); got != "true" {
		t.Error("a fresh page says that it is a copy")
	}
	for n := range 14 {
		b.open(fmt.Sprintf("/console/incidents/inc_%02d", n))
	}
	b.until(`caches.open("pages").then(c => c.keys()).then(k => k.length === 11 && k.some(r => r.url.endsWith("inc_13")))`)
	if got := b.eval(`caches.keys().then(k => k.map(n => n.replace(/-.*/, "")).sort().join(" "))`); got != "pages shell" {
		t.Errorf("caches %q", got)
	}
}

// TestWhoseCopies: another person, a session that is over, and a sign-out leave nothing of who was here before.
func TestWhoseCopies(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := newTab(t, s)
	b.open("/console/incidents/inc_1")
	b.until(`caches.has("pages")`)
	s.person.Store("usr_ben")
	b.open("/console/incidents")
	b.until(`caches.open("pages").then(c => c.keys()).then(k => k.length === 1)`)
	s.down.Store(true)
	b.open("/console/incidents/inc_1")
	if text := b.text(); strings.Contains(text, "usr_ann") || !strings.Contains(text, "No connection") {
		t.Errorf("another person sees %q", text)
	}
	s.down.Store(false)
	b.open("/console/incidents/inc_2")
	b.until(`caches.has("pages")`)
	s.person.Store("")
	b.open("/console/incidents") // on to the sign-in
	b.until(`document.title === "Sign in"`)
	b.until(`caches.has("pages").then(has => !has)`)
	s.person.Store("usr_ben")
	b.open("/console/incidents/inc_3")
	b.until(`caches.has("pages")`)
	s.person.Store("pse_1") // a partner's session took the place of theirs
	b.open("/console/incidents/inc_3")
	b.until(`caches.open("pages").then(c => c.keys()).then(k => k.length === 1)`) // whose they are
	s.down.Store(true)
	b.open("/console/incidents/inc_3")
	if text := b.text(); strings.Contains(text, "usr_ben") || !strings.Contains(text, "No connection") {
		t.Errorf("a partner sees %q", text)
	}
	s.down.Store(false)
	s.person.Store("usr_ben")
	b.open("/console/incidents/inc_3")
	b.until(`caches.has("pages")`)
	b.eval(`document.querySelector(".side form[data-sign-out], form[data-sign-out]").requestSubmit(), ""`)
	b.until(`document.title === "Sign in"`)
	b.until(`caches.keys().then(k => k.length === 0)`)
	b.until(`navigator.serviceWorker.getRegistrations().then(r => r.length === 0)`)
}

// worker is the service worker's own target.
func (b *tab) worker() context.Context {
	b.t.Helper()
	targets, err := chromedp.Targets(b.ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, target := range targets {
		if target.Type == "service_worker" {
			ctx, end := chromedp.NewContext(b.ctx, chromedp.WithTargetID(target.TargetID), chromedp.WithDetachOnCancel())
			b.t.Cleanup(end)
			return ctx
		}
	}
	b.t.Fatal("no worker runs")
	return nil
}

func (b *tab) deliver(note map[string]any) {
	b.t.Helper()
	raw, err := json.Marshal(note)
	if err != nil {
		b.t.Fatal(err)
	}
	call(b, serviceworker.DeliverPushMessage, serviceworker.DeliverPushMessageParams{Origin: b.host.URL, RegistrationID: serviceworker.RegistrationID(b.registration.Load().(string)), Data: string(raw)})
}

// shown are the notifications, sorted, a line each.
const shown = `navigator.serviceWorker.getRegistration("/console/").then(r => r ? r.getNotifications() : []).then(all => all.map(n => n.tag + ": " + n.title + " / " + n.body + " / " + n.data.url + (n.silent ? " silently" : "")).sort().join("\n"))`

func note(title, tag, at string, more ...any) map[string]any {
	n := map[string]any{"title": title, "body": "An incident is open.", "url": "/console/incidents/inc_7", "tag": tag, "kind": "incident", "id": "inc_7", "at": at}
	for i := 0; i+1 < len(more); i += 2 {
		n[more[i].(string)] = more[i+1]
	}
	return n
}

// TestAPushIsShown: the later of a tag stays, whichever comes last, and a click opens the incident.
func TestAPushIsShown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := newTab(t, s)
	b.until(`Notification.permission === "granted"`)
	steps := []struct {
		note map[string]any
		want string
	}{
		{note("Critical incident", "inc_7", "2026-11-29T10:00:01.000Z"), "inc_7: Critical incident / An incident is open. / /console/incidents/inc_7"},
		{note("Critical incident", "inc_7", "2026-11-29T10:00:02.000Z", "body", "This incident is over.", "silent", true), "inc_7: Critical incident / This incident is over. / /console/incidents/inc_7 silently"},
		{note("Critical incident", "inc_7", "2026-11-29T10:00:01.500Z", "body", "It comes late."), "inc_7: Critical incident / This incident is over. / /console/incidents/inc_7 silently"},
		{note("A runbook failed", "failed/rb_1", "2026-11-29T10:00:03.000Z", "url", "https://evil.example/console/"), "failed/rb_1: A runbook failed / An incident is open. / /console/incidents\ninc_7: Critical incident / This incident is over. / /console/incidents/inc_7 silently"},
	}
	for _, step := range steps {
		b.deliver(step.note)
		want, _ := json.Marshal(step.want) // a string always marshals
		b.until(shown + `.then(now => now === ` + string(want) + `)`)
	}
	worker := b.worker()
	// click is what a click on a notification comes to; a browser lets no script open a window without a real one.
	click := func(tag string) string {
		t.Helper()
		script := fmt.Sprintf(`registration.getNotifications({tag: %q}).then(([n]) => new Promise(resolve => {
			const e = new NotificationEvent("notificationclick", {notification: n});
			e.waitUntil = p => p.then(() => resolve("done"), err => resolve(err.message));
			dispatchEvent(e);
		}))`, tag)
		out, err := chromedp.Run(worker, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := click("inc_7"); got != "done" {
		t.Errorf("a click: %s", got)
	}
	b.until(`location.pathname === "/console/incidents/inc_7"`)
	b.until(shown + `.then(now => !now.includes("inc_7:"))`)
	// Who is writing is left where they are.
	b.eval(`document.querySelector("textarea").value = "half a note", ""`)
	b.deliver(note("Another", "inc_8", "2026-11-29T10:00:04.000Z", "url", "/console/incidents/inc_8"))
	b.until(shown + `.then(now => now.includes("inc_8:"))`)
	if got := click("inc_8"); !strings.Contains(got, "open a window") {
		t.Errorf("a click while somebody writes: %s", got)
	}
	if got := b.eval(`location.pathname + " " + document.querySelector("textarea").value`); got != "/console/incidents/inc_7 half a note" {
		t.Errorf("the page is %q", got)
	}
}

// vendor stands in for the push service that a browser's vendor runs, which this Chromium has none of.
const vendor = `(() => {
	const bytes = text => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), c => c.charCodeAt(0)).buffer;
	const made = key => ({ options: { applicationServerKey: bytes(key) }, toJSON: () => ({ endpoint: "https://push.example.com/" + key.slice(-4), expirationTime: null, keys: { p256dh: "B", auth: "A" } }),
		unsubscribe: async () => { localStorage.removeItem("vendor"); return true; } });
	PushManager.prototype.getSubscription = async () => { const key = localStorage.getItem("vendor"); return key ? made(key) : null; };
	PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
		if (!userVisibleOnly) throw new Error("no");
		localStorage.setItem("vendor", applicationServerKey);
		return made(applicationServerKey);
	};
})()`

// TestTheSwitch: on, off, a key that was replaced, and a device that was removed elsewhere.
func TestTheSwitch(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := newTab(t, s, vendor)
	b.open("/console/settings")
	says := func(words string) {
		t.Helper()
		b.until(fmt.Sprintf(`document.getElementById("push-state").textContent === %q`, words))
	}
	press := func() {
		t.Helper()
		b.eval(`document.getElementById("push-toggle").click(), ""`)
	}
	says("This device gets no pushes.")
	s.took()
	press()
	says("This device gets pushes.")
	if got := s.took(); !strings.Contains(got, `POST subscriptions {"applicationServerKey":"`+s.key+`","endpoint":"https://push.example.com/Aiw4","expirationTime":null,"keys":{"auth":"A","p256dh":"B"}}`) {
		t.Errorf("asked %s", got)
	}
	s.mu.Lock()
	s.listed = "dev_2" // it was removed, from another device
	s.mu.Unlock()
	b.open("/console/settings")
	says("This device gets no pushes.")
	press()
	says("This device gets pushes.")
	s.took()
	s.mu.Lock()
	s.key = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
	s.mu.Unlock()
	b.eval(`localStorage.removeItem("push:looked"), ""`)
	b.open("/console/incidents") // any page
	b.until(`(localStorage.getItem("vendor") || "").endsWith("l7A8") && localStorage.getItem("push:looked") !== null`)
	b.open("/console/settings")
	says("This device gets pushes.")
	if got := s.took(); !strings.Contains(got, `DELETE subscriptions {"endpoint":"https://push.example.com/Aiw4"`) || !strings.Contains(got, `"applicationServerKey":"`+s.key) {
		t.Errorf("a key that was replaced: asked %s", got)
	}
	press()
	says("This device gets no pushes.")
	if got := s.took(); !strings.Contains(got, `DELETE subscriptions {"endpoint":"https://push.example.com/l7A8"`) {
		t.Errorf("off: asked %s", got)
	}
	press()
	says("This device gets pushes.")
	s.took()
	b.eval(`document.querySelector("form[data-sign-out]").requestSubmit(), ""`)
	b.until(`document.title === "Sign in"`)
	if got := s.took(); !strings.Contains(got, `DELETE subscriptions {"endpoint":"https://push.example.com/l7A8"`) {
		t.Errorf("a sign-out: asked %s", got)
	}
}
