package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"pagefree/infra/local/stack"
)

// TestAThousandWrongTokens: they get nothing but 401, or 429 once there are too many, and take no place from partners.
func TestAThousandWrongTokens(t *testing.T) {
	t.Parallel()
	p := newPages(t, stack.Options{Parameters: map[string]string{}}) // with the limits of the template
	p.component(lead, p.page, "API", "", "")
	_, token := p.grant(lead, p.page, "Reader", nil)
	var mu sync.Mutex
	got := map[int]int{}
	var all sync.WaitGroup
	for worker := range 10 {
		all.Go(func() {
			for n := range 100 {
				wrong := fmt.Sprintf("pfp_%03d%03d%s", worker, n, strings.Repeat("A", 37))
				a := p.look("GET", "/status/"+p.slug, bearer(wrong))
				mu.Lock()
				got[a.Status]++
				mu.Unlock()
				if n%25 == 0 {
					if a := p.look("GET", "/status/"+p.slug, bearer(token)); a.Status != http.StatusOK {
						t.Errorf("a partner beside them gets %d %s", a.Status, a.Raw)
					}
				}
			}
		})
	}
	all.Wait()
	for status := range got {
		if status != http.StatusUnauthorized && status != http.StatusTooManyRequests {
			t.Errorf("wrong tokens got %v", got)
		}
	}
	if n := got[http.StatusUnauthorized]; n == 0 || n+got[http.StatusTooManyRequests] != 1000 {
		t.Errorf("wrong tokens got %v (%v)", got, slices.Collect(maps.Keys(got)))
	}
}
