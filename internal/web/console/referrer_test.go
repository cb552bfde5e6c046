package console_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/chromedp/chromedp"

	"pagefree/internal/identity"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/token"
	"pagefree/internal/web/console"
	"pagefree/internal/web/signin"
)

// anybody signs in by any link.
type anybody struct{ signin.Sessions }

func (anybody) Look(context.Context, string, string) (identity.Looked, error) {
	return identity.Looked{Email: "ann@pagefree.test"}, nil
}

func (anybody) Verify(context.Context, string, string) (identity.Opened, error) {
	return identity.Opened{Secret: "pfs_x", Kind: identity.Staff, Lifetime: time.Hour, Next: "/console/form"}, nil
}

// TestFormsOfBrowsersWithoutFetchMetadata: behind the distribution, whose header is no-referrer on all answers, a form says
// where it comes from all the same, which is all that a browser without Sec-Fetch-Site tells (Fetch, "append a request
// Origin header"). No address with a token in it is told to anybody by that.
func TestFormsOfBrowsersWithoutFetchMetadata(t *testing.T) {
	t.Parallel()
	api := httpapi.New()
	signin.Routes(api, anybody{}, origin.Origin{})
	room := console.New(origin.Origin{}, time.Now).Room(api, "incidents", fstest.MapFS{"pages.html": {Data: []byte(
		`{{define "form"}}<form method="post" action="/console/form"><button id="send">Send</button></form>{{end}}{{define "sent"}}<p id="sent">Sent.</p>{{end}}`)}}, nil)
	room.Get("/console/form", func(c *console.Call) error { return c.Show("form", console.Page{Title: "A form"}) })
	room.Post("/console/form", func(c *console.Call) error { return c.Show("sent", console.Page{Title: "Sent"}) })
	var mu sync.Mutex
	var posts, told []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		told = append(told, r.Header.Get("Referer"))
		if r.Method == http.MethodPost {
			posts = append(posts, r.URL.Path+" from "+r.Header.Get("Origin"))
		}
		mu.Unlock()
		r.Header.Del("Sec-Fetch-Site")
		if strings.HasPrefix(r.URL.Path, "/console/") {
			r = r.WithContext(principal.With(r.Context(), principal.Principal{Kind: principal.User, ID: "usr_ann", UserID: "usr_ann", SessionHash: "x"}))
		}
		rec := httptest.NewRecorder()
		api.Handler().ServeHTTP(rec, r)
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	}))
	t.Cleanup(server.Close)

	allocated, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-component-update", true), chromedp.WSURLReadTimeout(time.Minute))...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocated)
	t.Cleanup(end)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	secret := token.New(token.Link)
	if err := chromedp.Do(ctx, chromedp.Navigate(server.URL+"/signin?token="+secret), chromedp.Click("form button"), chromedp.WaitVisible("#send"), chromedp.Click("#send"), chromedp.WaitVisible("#sent")); err != nil {
		t.Errorf("the forms lead nowhere: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"/signin from " + server.URL, "/console/form from " + server.URL}; !slices.Equal(posts, want) {
		t.Errorf("got %q, want %q", posts, want)
	}
	if slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, secret) }) {
		t.Errorf("a link is in what our pages are told of where somebody comes from: %q", told)
	}
}
