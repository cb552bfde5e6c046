package e2e

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"pagefree/infra/local/client"
)

// attempt is one request of a reader under load.
type attempt struct {
	what   string
	began  time.Time
	status int
}

// crowd asks for pages until it is stopped, by every credential of a partner at once.
type crowd struct {
	mu       sync.Mutex
	attempts []attempt
	stop     chan struct{}
	wait     sync.WaitGroup
}

func (c *crowd) keepAsking(p *pages, what, target string, h http.Header) {
	c.wait.Go(func() {
		for {
			select {
			case <-c.stop:
				return
			default:
			}
			began := time.Now()
			status := p.look("GET", target, h).Status
			c.mu.Lock()
			c.attempts = append(c.attempts, attempt{what, began, status})
			c.mu.Unlock()
		}
	})
}

// TestRevocationHolds: while many ask with everything that a partner has, one access after the other is taken away, each
// in another way. What began after the answer to that gets nothing, on whichever instance it lands; what was not taken away goes on.
func TestRevocationHolds(t *testing.T) {
	t.Parallel()
	p := newPages(t, hurried)
	p.component(lead, p.page, "API", "", "")
	type ways struct {
		name   string
		end    func(id string)
		via    map[string]int // what a request gets from then on
		spared []string       // credentials that go on
	}
	tests := []ways{
		{name: "revoked", end: func(id string) { p.call(lead, http.StatusOK, "DELETE", p.under("/partners/"+id), nil) },
			via: map[string]int{"token": 403, "session": 401, "page": 303, "feed": 403}},
		{name: "regenerated", end: func(id string) {
			p.call(lead, http.StatusOK, "POST", p.under("/partners/"+id+"/regenerate-token"), nil)
		},
			via: map[string]int{"token": 401}, spared: []string{"session", "page", "feed"}},
		{name: "deactivated", end: func(id string) {
			partner := p.call(lead, http.StatusOK, "GET", p.under("/partners/"+id), nil).Text("partnerId")
			p.call(lead, http.StatusOK, "PATCH", "/v1/partners/"+partner, object{"active": false})
		}, via: map[string]int{"token": 403, "session": 401, "page": 303, "feed": 403}},
		{name: "unnamed", end: func(id string) {
			people := p.call(lead, http.StatusOK, "GET", p.under("/partners/"+id+"/people"), nil).Items()
			p.call(lead, http.StatusNoContent, "DELETE", p.under("/partners/"+id+"/people/"+people[0]["id"].(string)), nil)
		}, via: map[string]int{"session": 401, "page": 303}, spared: []string{"token", "feed"}},
		{name: "unfed", end: func(id string) {
			p.call(lead, http.StatusNoContent, "DELETE", p.under("/partners/"+id+"/feed-token"), nil)
		},
			via: map[string]int{"feed": 401}, spared: []string{"token", "session", "page"}},
		{name: "narrowed", end: func(id string) {
			p.call(lead, http.StatusOK, "PATCH", p.under("/partners/"+id), object{"ipAllowlist": []string{"203.0.113.1"}})
		}, via: map[string]int{"token": 403, "session": 403, "page": 403, "feed": 403}},
	}
	c := &crowd{stop: make(chan struct{})}
	ids := map[string]string{}
	for i, tt := range tests {
		id, token := p.grant(lead, p.page, tt.name, nil)
		ids[tt.name] = id
		feed := p.call(lead, http.StatusCreated, "POST", p.under("/partners/"+id+"/feed-token"), nil).Text("token")
		session := http.Header{"Cookie": {"__Host-pf_session=" + p.signIn(tt.name+"@partners.test", fmt.Sprintf("127.0.7.%d", i+1))}}
		page := session.Clone()
		page.Set("Accept", "text/html")
		c.keepAsking(p, tt.name+" token", "/status/"+p.slug, bearer(token))
		c.keepAsking(p, tt.name+" session", "/status/"+p.slug+"/api/v2/summary.json", session)
		c.keepAsking(p, tt.name+" page", "/status/"+p.slug, page)
		c.keepAsking(p, tt.name+" feed", "/status/"+p.slug+"/feed.atom?feed="+feed, nil)
	}
	ended := map[string]time.Time{}
	for _, tt := range tests {
		if err := client.Pause(t.Context(), 300*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		tt.end(ids[tt.name])
		ended[tt.name] = time.Now()
	}
	if err := client.Pause(t.Context(), 2*time.Second); err != nil {
		t.Fatal(err)
	}
	close(c.stop)
	c.wait.Wait()

	before, after := map[string]int{}, map[string]int{}
	for _, a := range c.attempts {
		var name, via string
		fmt.Sscan(a.what, &name, &via)
		for _, tt := range tests {
			if tt.name != name {
				continue
			}
			want, taken := tt.via[via]
			switch {
			case !a.began.After(ended[name]):
				before[a.what]++
				continue
			case !taken:
				want = http.StatusOK
			}
			after[a.what]++
			if a.status != want {
				t.Errorf("%s: %v after the answer to %s: got %d, want %d", a.what, a.began.Sub(ended[name]), name, a.status, want)
			}
		}
	}
	for _, tt := range tests {
		for _, via := range []string{"token", "session", "page", "feed"} {
			if what := tt.name + " " + via; before[what] == 0 || after[what] == 0 {
				t.Errorf("%s: %d requests before and %d after: nothing is shown", what, before[what], after[what])
			}
		}
	}
	instances := map[string]int{}
	for _, i := range p.stack.Functions().Instances() {
		instances[i.Function]++
	}
	for _, id := range []string{"AuthorizerFunction", "StatusFunction"} {
		if instances[id] < 2 {
			t.Errorf("%s ran in %d instances: that is no test of several", id, instances[id])
		}
	}
}
