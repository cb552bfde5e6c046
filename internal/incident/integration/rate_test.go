package integration_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	front "pagefree/infra/local/aws"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/ratelimit"
)

// limited lets an integration take a few an hour, and an address guess as often.
func (w *world) limited(n int) {
	w.t.Helper()
	leases := &ratelimit.Leases{
		Table: dynamo.Table{Name: w.env.Table("EphemeralTable"), DB: dynamodb.NewFromConfig(w.env.ConfigOf("HooksFunction"))},
		Now:   w.clock.Now, Within: 10 * time.Second,
	}
	few, many := ratelimit.Limit{Burst: n, Period: time.Hour}, ratelimit.Limit{Burst: 1000, Period: time.Hour}
	w.door.Rates = ratelimit.Limits{Caller: few, Source: many}.Open("hooks", leases, nil)
	w.door.Refusals = ratelimit.Limits{Source: few}.Open("hooks-refused", leases, nil)
}

// TestRatesOfDeliveries: an integration has its own, of what was verified; who knows no secret takes nothing of it, and
// does not fill the record.
func TestRatesOfDeliveries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.limited(3)
	s, other := w.connect("generic"), w.connect("generic")
	for n, want := range []int{401, 401, 401, 429, 429, 429} {
		if a := s.post(alert("firing", ""), "Authorization", "Bearer wrong"); a.StatusCode != want {
			t.Errorf("wrong secret %d: got %d %s, want %d", n+1, a.StatusCode, a.Text, want)
		}
	}
	if n := len(s.deliveries()); n != 3 {
		t.Errorf("%d refusals are on record, want 3", n)
	}
	for range 3 {
		w.accepted(s.bearer(alert("firing", "")))
	}
	a := s.bearer(alert("firing", ""))
	if a.StatusCode != 429 || a.Body["code"] != "rate_limited" || a.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: got %d %v %s", a.StatusCode, a.Header, a.Text)
	}
	w.accepted(other.bearer(alert("firing", "")))
	if n := len(s.deliveries()); n != 6 {
		t.Errorf("%d deliveries are on record, want 6", n)
	}
	w.clock.Advance(time.Hour)
	w.accepted(s.bearer(alert("firing", "")))
}

// TestDeliveriesAreTakenUncounted while DynamoDB takes no counts: an alert is worth more than a limit.
func TestDeliveriesAreTakenUncounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.limited(1)
	s := w.connect("generic")
	counting := func(c front.Call) bool { // deliveries are kept by transactions too, of another table
		return c.Operation == "UpdateItem" || c.Operation == "TransactWriteItems" && !slices.ContainsFunc(c.Tables, func(table string) bool { return table != w.env.Table("EphemeralTable") })
	}
	fault := w.env.Faults.Add(front.Fault{Function: "HooksFunction", When: counting, Do: front.Fail, Times: -1})
	for range 5 {
		w.accepted(s.bearer(alert("firing", "")))
	}
	if fault.Struck() == 0 {
		t.Error("nothing was counted")
	}
}
