package execution

import (
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/ratelimit"
)

// TestRatesOfCallbacks: an execution has its own, of what came with its token; a wrong one takes nothing of it.
func TestRatesOfCallbacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.env.ConfigOf("CallbacksFunction")
	leases := &ratelimit.Leases{Table: dynamo.Table{Name: w.env.Table("EphemeralTable"), DB: dynamodb.NewFromConfig(cfg)}, Now: w.clock.Now, Within: 10 * time.Second}
	few := ratelimit.Limits{Caller: ratelimit.Limit{Burst: 3, Period: time.Hour}, Source: ratelimit.Limit{Burst: 1000, Period: time.Hour}}
	api := httpapi.New()
	CallbackRoutes(api, &Callbacks{Recorder: w.watchdog.Recorder, Rates: few.Open("callbacks", leases, nil)})
	w.callbacks = serve(t, api)
	ex, bearer := w.accepted(w.runbook("Launch", async(10)))
	running := map[string]any{"status": "RUNNING"}
	for range 5 {
		if a := w.callback(ex, "pfc_"+bearer[5:]+"A", running); a.status != http.StatusUnauthorized {
			t.Fatalf("a wrong token: got %d %v", a.status, a.body)
		}
	}
	for range 3 {
		w.report(ex, bearer, running)
	}
	if a := w.callback(ex, bearer, map[string]any{"status": "COMPLETED"}); a.status != http.StatusTooManyRequests || a.text("code") != "rate_limited" {
		t.Errorf("one too many: got %d %v", a.status, a.body)
	}
	if got := w.read(ex).text("status"); got != "RUNNING" {
		t.Errorf("what was refused counted: it is %s", got)
	}
}
