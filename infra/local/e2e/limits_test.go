package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pagefree/infra/local/aws"
	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
	"pagefree/infra/local/stack"
	"pagefree/infra/local/template"
)

// narrow are the smallest limits that template.yaml takes.
var narrow = map[string]string{
	"ApiCallerRate": "50", "ApiCallerBurst": "100", "ApiSourceRate": "100", "ApiSourceBurst": "400", "PartnerCallerRate": "50", "PartnerCallerBurst": "100",
	"PublicSourceRate": "5", "PublicSourceBurst": "60", "SigninSourceRate": "10", "SigninSourceBurst": "100", "SigninCeiling": "20",
}

// at is a client whose requests come from an address of their own.
func at(url, ip string) client.Client { return client.Client{URL: url, HTTP: source(ip)} }

// refusal checks an answer that says that there were too many.
func refusal(t *testing.T, a client.Answer) {
	t.Helper()
	if a.Status != http.StatusTooManyRequests || a.Text("code") != "rate_limited" || a.Header.Get("Retry-After") == "" || a.Header.Get("X-RateLimit-Remaining") != "0" {
		t.Errorf("got %d %v %s, want a 429 of ours", a.Status, a.Header, a.Raw)
	}
}

// TestLimits: what callers may send, counted by functions as they are deployed, of which several run at once.
func TestLimits(t *testing.T) {
	t.Parallel()
	// A caller's rate is less than template.yaml takes, so that a machine with much else to do floods too.
	const rate, burst = 10, 100
	w := newWorld(t, stack.Options{Parameters: narrow, Adjust: func(as *template.Template) {
		as.Functions["AuthorizerFunction"].Environment["API_LIMITS"] = fmt.Sprintf("%d/%d 100/400", rate, burst)
		as.Functions["AuthorizerFunction"].Environment["PUBLIC_LIMIT"] = "1/60"
	}})
	t.Run("a flood is held to its limit, and neither refuses nor slows another", func(t *testing.T) {
		flood, calm := at(w.stack.URL, "127.0.31.1"), at(w.stack.URL, "127.0.31.1") // the same office
		var sent, admitted atomic.Int32
		began := time.Now()
		var all sync.WaitGroup
		for range 6 { // not so many that a function's reserved concurrency refuses some
			all.Go(func() {
				for sent.Add(1) <= 500 {
					a, err := flood.Do(t.Context(), "GET", "/v1/me", w.people.Sessions[responder], nil)
					switch {
					case err != nil:
						t.Error(err)
						return
					case a.Status == http.StatusOK:
						admitted.Add(1)
					case a.Header.Get("X-RateLimit-Limit") != "" || a.Status != http.StatusTooManyRequests: // else API Gateway's own wall was before ours
						refusal(t, a)
					}
				}
			})
		}
		for range 40 {
			a, err := calm.Do(t.Context(), "GET", "/v1/me", w.people.Sessions[reviewer], nil)
			if err != nil || a.Status != http.StatusOK {
				t.Errorf("beside a flood: got %d, %v: %s", a.Status, err, a.Raw)
				break
			}
		}
		all.Wait()
		most := 1.05 * (burst + rate*time.Since(began).Seconds())
		if n := float64(admitted.Load()); n < burst || n > most {
			t.Errorf("%v admitted in %v, want 100 at least, and %.0f at most", n, time.Since(began), most)
		}
	})
	t.Run("what only the edge may say changes nothing", func(t *testing.T) {
		for name, url := range map[string]string{"the edge": w.stack.URL, "the API itself": w.stack.APIURL} {
			ip := map[string]string{"the edge": "127.0.31.2", "the API itself": "127.0.31.3"}[name]
			refused := false
			for n := 0; n < 200 && !refused; n++ {
				c := at(url, ip)
				c.HTTP.Transport = pretending{c.HTTP.Transport, fmt.Sprintf("203.0.113.%d", n)}
				a, err := c.Do(t.Context(), "GET", "/v1/teams", "", nil)
				if err != nil {
					t.Fatal(err)
				}
				refused = a.Status == http.StatusTooManyRequests
			}
			if !refused {
				t.Errorf("%s: whoever says that they are always somebody else is never refused", name)
			}
			if a, err := at(url, "127.0.31.4").Do(t.Context(), "GET", "/v1/teams", "", nil); err != nil || a.Status != http.StatusUnauthorized {
				t.Errorf("%s: another address: got %d, %v", name, a.Status, err)
			}
		}
	})
	t.Run("a browser is told on a page", func(t *testing.T) {
		c := source("127.0.31.5")
		for n := 0; ; n++ {
			req, err := http.NewRequestWithContext(t.Context(), "GET", w.stack.URL+"/status/none", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept", "text/html")
			c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			a := read(t, res)
			res.Body.Close()
			if a.Status != http.StatusTooManyRequests {
				if n > 200 {
					t.Fatal("it is never refused")
				}
				continue
			}
			if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") || a.Header.Get("Retry-After") == "" || a.Header.Get("X-RateLimit-Limit") != "60" {
				t.Errorf("got %v: %s", a.Header, a.Raw)
			}
			return
		}
	})
	t.Run("open while nothing can be counted, but for signing in", func(t *testing.T) {
		defer w.stack.Faults().Clear()
		for _, function := range []string{"AuthorizerFunction", "SigninFunction"} {
			for _, operation := range []string{"UpdateItem", "TransactWriteItems"} {
				w.stack.Faults().Add(aws.Fault{Function: function, Service: "dynamodb", Operation: operation, Do: aws.Fail, Times: -1})
			}
		}
		c := at(w.stack.URL, "127.0.31.6")
		for range 150 {
			a, err := c.Do(t.Context(), "GET", "/v1/me", w.people.Sessions[demo.Lead], nil)
			if err != nil || a.Status != http.StatusOK || a.Header.Get("X-RateLimit-Limit") != "100" {
				t.Fatalf("got %d %v, %v, want it open", a.Status, a.Header, err)
			}
		}
		a, err := c.Do(t.Context(), "POST", "/v1/auth/magic-link", "", object{"email": responder})
		if err != nil || a.Status != http.StatusServiceUnavailable || a.Text("code") != "unavailable" || a.Header.Get("Retry-After") == "" {
			t.Errorf("signing in: got %d %s, %v, want it closed", a.Status, a.Raw, err)
		}
	})
	t.Run("there is a ceiling to links", func(t *testing.T) {
		counts := map[int]int{}
		for n := range 40 { // each from elsewhere, for somebody else
			a, err := at(w.stack.URL, fmt.Sprintf("127.0.32.%d", n+1)).Do(t.Context(), "POST", "/v1/auth/magic-link", "", object{"email": fmt.Sprintf("ceiling%d@pagefree.test", n)})
			if err != nil {
				t.Fatal(err)
			}
			counts[a.Status]++
			if a.Status != http.StatusAccepted {
				refusal(t, a)
			}
		}
		if got := counts[http.StatusAccepted]; got > 20 || got+counts[http.StatusTooManyRequests] != 40 {
			t.Errorf("got %v of a ceiling of 20, of which the demo used some", counts)
		}
	})
}

// pretending says that its requests come from elsewhere.
type pretending struct {
	http.RoundTripper
	ip string
}

func (p pretending) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for _, name := range []string{"X-Pagefree-Viewer", "X-Forwarded-For", "X-Real-Ip", "Forwarded", "True-Client-Ip"} {
		r.Header.Set(name, p.ip)
	}
	r.Header.Set("X-Pagefree-Origin", strings.Repeat("x", 48))
	return p.RoundTripper.RoundTrip(r)
}

// TestAFloodOfHooks: whoever does not know the secret takes nothing from those who do, and all of them are answered.
func TestAFloodOfHooks(t *testing.T) {
	t.Parallel()
	o := hurried
	o.Parameters = narrow
	l := newLoop(t, o)
	hook, secret := l.integration("generic")
	counts := together(300, func() string {
		a, err := l.deliver(hook, secret+"x", object{"title": "Forged", "dedupKey": "forged"})
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(a.Status, a.Text("code"))
	})
	if counts["401signature_invalid"] == 0 || counts["401signature_invalid"]+counts["429rate_limited"] != 300 || counts["429rate_limited"] < 100 {
		t.Errorf("wrong secrets got %v, want 401, and 429 once there are too many", counts)
	}
	counts = together(50, func() string {
		a, err := l.deliver(hook, secret, object{"title": "Real", "dedupKey": "real"})
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(a.Status, a.Header.Get("X-RateLimit-Limit"))
	})
	if counts["2024000"] != 50 {
		t.Errorf("the right one, from the same address, got %v", counts)
	}
	l.stack.Faults().Add(aws.Fault{Function: "HooksFunction", Service: "dynamodb", Operation: "UpdateItem", Do: aws.Fail, Times: -1})
	if a, err := l.deliver(hook, secret, object{"title": "Real", "dedupKey": "again"}); err != nil || a.Status != http.StatusAccepted {
		t.Errorf("while nothing can be counted: got %d, %v", a.Status, err)
	}
}
