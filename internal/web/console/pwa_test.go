package console_test

import (
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
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/chromedp"

	"pagefree/infra/local/chromium"
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
	*chromium.Tab
	host         *host
	registration *atomic.Value
}

func newTab(t *testing.T, s *host, before ...string) *tab {
	t.Helper()
	b := &tab{host: s, registration: &atomic.Value{}}
	b.Tab = chromium.New(t, chromium.Options{At: s.URL, Lasts: 4 * time.Minute, Waits: time.Minute, Explains: shown,
		Forgives: []func(any) bool{chromium.Refusals, chromium.Transitions}, Hears: func(event any) {
			switch e := event.(type) {
			case *serviceworker.EventWorkerErrorReported:
				t.Errorf("the worker failed: %s:%d", e.ErrorMessage.ErrorMessage, e.ErrorMessage.LineNumber)
			case *serviceworker.EventWorkerRegistrationUpdated:
				for _, r := range e.Registrations {
					if strings.HasSuffix(r.ScopeURL, "/console/") && !r.IsDeleted {
						b.registration.Store(string(r.RegistrationID))
					}
				}
			}
		}})
	call(b, serviceworker.Enable, cdp.Empty{})
	for _, script := range before {
		call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	}
	if _, err := chromedp.CallBrowser(b.Ctx, browser.SetPermission, browser.SetPermissionParams{Origin: s.URL, Permission: &browser.PermissionDescriptor{Name: "notifications"}, Setting: browser.PermissionSettingGranted}); err != nil {
		t.Fatal(err)
	}
	b.Open("/console/incidents")
	b.Until(`navigator.serviceWorker.controller !== null && navigator.serviceWorker.controller.state === "activated"`)
	return b
}

func call[P, R any](b *tab, cmd cdp.Command[P, R], params P) R {
	b.Helper()
	out, err := chromedp.Call(b.Ctx, cmd, params)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

func (b *tab) text() string { return b.Eval(`document.body ? document.body.innerText : ""`) }

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
