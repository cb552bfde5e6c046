package chromium_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"

	"pagefree/infra/local/chromium"
)

// pages are some that are all right, and some that a browser complains of.
func pages(t *testing.T) (at string) {
	t.Helper()
	mux := http.NewServeMux()
	for path, body := range map[string]string{
		"/fine":       `<p>fine</p><script>setTimeout(() => { location = "/next"; }, 100)</script>`,
		"/next":       `<p>on its way</p><script>setTimeout(() => { document.body.innerHTML = "<b id=last>there</b>"; }, 100)</script>`,
		"/fails":      `<script>throw new Error("on purpose")</script>`,
		"/transition": `<script>throw new Error("ViewTransition")</script>`,
		"/missing":    `<img src="/nothing">`,
		"/socket":     `<script>document.title = ""; new WebSocket("ws://" + location.host + "/nothing").onclose = () => { document.title = "A page"; }</script>`,
		"/policy":     `<script src="https://elsewhere.test/x.js"></script>`,
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", "script-src 'unsafe-inline'")
			_, _ = fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,"><title>A page</title><body>`, body)
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// TestComplaints: what a page's console complains of is told, unless it is forgiven.
func TestComplaints(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		path    string
		forgive func(event any) bool
		want    string // "" where it is forgiven
	}{
		"a script that fails":   {path: "/fails", forgive: chromium.Transitions, want: "on purpose"},
		"a violated policy":     {path: "/policy", forgive: chromium.Refusals, want: "Content Security Policy"},
		"a refusal":             {path: "/missing", forgive: chromium.Sockets, want: "404"},
		"a forgiven refusal":    {path: "/missing", forgive: chromium.Refusals},
		"a forgiven transition": {path: "/transition", forgive: chromium.Transitions},
		"a forgiven socket":     {path: "/socket", forgive: chromium.Sockets},
		"a transition":          {path: "/transition", forgive: chromium.Sockets, want: "ViewTransition"},
		"a socket":              {path: "/socket", forgive: chromium.Transitions, want: "WebSocket connection to"},
	}
	at := pages(t)
	var mu sync.Mutex
	var told []string
	var forgives func(event any) bool
	b := chromium.New(t, chromium.Options{At: at,
		Forgives: []func(any) bool{func(event any) bool { mu.Lock(); defer mu.Unlock(); return forgives != nil && forgives(event) }},
		Tells:    func(complaint string) { mu.Lock(); defer mu.Unlock(); told = append(told, complaint) },
	})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b.T = t
			mu.Lock()
			told, forgives = nil, tt.forgive
			mu.Unlock()
			b.Open(tt.path)
			b.Until(`document.title === "A page"`) // what is wrong with it has happened
			// By the time that another page's failure is told all of this one's is.
			b.Open("/fails")
			for {
				mu.Lock()
				all := slices.Clone(told)
				mu.Unlock()
				if !slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, "on purpose") }) {
					b.Eval(`new Promise((done) => { setTimeout(done, 20, 1); })`)
					continue
				}
				if tt.want == "" && len(all) != 1 || !slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, tt.want) }) {
					t.Errorf("told %q, want %q", all, tt.want)
				}
				return
			}
		})
	}
}

// TestTab follows a page to another, where what is asked of it fails at first.
func TestTab(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	b := chromium.New(t, chromium.Options{At: pages(t), Hears: func(event any) {
		if e, ok := event.(*network.EventRequestWillBeSent); ok && strings.HasPrefix(e.Request.URL, "http") {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, e.Request.URL[strings.LastIndex(e.Request.URL, "/"):])
		}
	}})
	b.Open("/fine")
	b.Until(`document.getElementById("last") !== null`)
	for expression, want := range map[string]string{`document.body.innerText`: "there", `1 + 1`: "2", `Promise.resolve(true)`: "true", `({a: [null]})`: `{"a":[null]}`} {
		if got := b.Eval(expression); got != want {
			t.Errorf("%s: got %q, want %q", expression, got, want)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(asked, []string{"/fine", "/next"}) {
		t.Errorf("heard of %q", asked)
	}
}
