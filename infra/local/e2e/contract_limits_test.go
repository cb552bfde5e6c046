package e2e

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"pagefree/infra/local/client"
)

// holdLimits: every answer of the API and of status pages says what is left, but for what API Gateway refused before
// anybody was counted, and what is the same for everybody.
func holdLimits(wrong func(string, ...any), do string, a client.Answer) {
	_, target, _ := strings.Cut(do, " ")
	refused := a.Header.Get("X-Amzn-Errortype")
	if !strings.HasPrefix(target, "/v1/") && !strings.HasPrefix(target, "/status") || strings.HasPrefix(target, "/status/assets/") ||
		refused != "" && refused != "AccessDeniedException" {
		return
	}
	var n [3]int
	for i, name := range []string{"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
		values := a.Header[name]
		if len(values) != 1 {
			wrong("%s is there %d times", name, len(values))
			return
		}
		var err error
		if n[i], err = strconv.Atoi(values[0]); err != nil || n[i] < 0 {
			wrong("%s is %q", name, values[0])
		}
	}
	if n[0] < 1 || n[1] > n[0] {
		wrong("%d of %d remain", n[1], n[0])
	}
	if a.Status == http.StatusTooManyRequests && (a.Header.Get("Retry-After") == "" || n[1] != 0) {
		wrong("refused, and %d remain", n[1])
	}
}

// contractLimits asks every operation with each kind of credential, and lets ask see what their answers carry; and each
// kind of page.
func contractLimits(t *testing.T, c *contract) {
	for name, op := range c.operations(t) {
		var body any
		if op.body {
			body = text(`{}`)
		}
		for _, who := range []string{observer, nobody, "pfs_" + strings.Repeat("A", 43), "pfk_" + strings.Repeat("A", 43)} {
			if strings.Contains(name, "/auth/") && who == observer { // which signs it out
				continue
			}
			c.ask(t, who, op.do, body, nil)
		}
	}
	for _, target := range []string{"/status", "/status/none", "/status/none/history", "/status/none/feed.atom?feed=x", "/status/none/api/v2/summary.json"} {
		for _, who := range []string{nobody, observer} {
			c.ask(t, who, "GET "+target, nil, http.Header{"Accept": {"application/json"}})
			c.ask(t, who, "POST "+target, nil, http.Header{"Accept": {"application/json"}})
		}
	}
	a := c.ask(t, observer, "GET /v1/me", nil, nil)
	b := c.ask(t, nobody, "GET /v1/me", nil, nil)
	if a.Header.Get("X-RateLimit-Limit") != "100000" || b.Header.Get("X-RateLimit-Limit") != "100000" || b.Status != http.StatusUnauthorized {
		t.Errorf("got %v and %v", a.Header, b.Header)
	}
}
