package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/infra/local/aws"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/ratelimit"
)

// roomy are limits that nothing here reaches: what is measured is not how much is let through.
var roomy = map[string]string{
	"ApiRateLimit": "100000", "ApiBurstLimit": "100000", "PartnerRateLimit": "100000", "PartnerBurstLimit": "100000",
	"ApiCallerRate": "100000", "ApiCallerBurst": "200000", "ApiSourceRate": "500000", "ApiSourceBurst": "1000000",
	"PartnerCallerRate": "100000", "PartnerCallerBurst": "200000", "PartnerSourceRate": "500000", "PartnerSourceBurst": "1000000",
	"PublicSourceRate": "100000", "PublicSourceBurst": "200000", "SigninSourceRate": "100000", "SigninSourceBurst": "200000", "SigninCeiling": "1000000",
	"HookRate": "100000", "HookBurst": "200000", "HookSourceRate": "500000", "HookSourceBurst": "1000000",
	"CallbackRate": "100000", "CallbackBurst": "200000", "CallbackSourceRate": "500000", "CallbackSourceBurst": "1000000",
}

// limits counts what it costs to count a request by itself, with the limits of the template's defaults: a caller that sends a
// request now and then, one that sends as many as it may, and one that sends far more.
func (w *work) limits(ctx context.Context) (group, error) {
	n := 100 * w.size.Calls
	g := group{title: fmt.Sprintf("Limits: counting a request by caller and address, its clock as fast as it says, %d requests each", n)}
	table := dynamo.Table{Name: w.stack.Template().Tables["EphemeralTable"].Name, DB: dynamodb.NewFromConfig(w.stack.Config())}
	limits, err := ratelimit.Parse("100/200 500/1000")
	if err != nil {
		return g, err
	}
	for _, load := range []struct {
		name  string
		every time.Duration
		times int
	}{
		{"a request a second", time.Second, max(n/100, 1)},
		{"ten a second", 100 * time.Millisecond, max(n/10, 1)},
		{"ninety a second", time.Second / 90, n},
		{"a flood of ten thousand a second", 100 * time.Microsecond, n},
	} {
		now := time.Now()
		leases := ratelimit.NewLeases(table, time.Minute)
		leases.Now = func() time.Time { return now }
		tier := limits.Open("bench", leases, nil)
		w.stack.Counts().Reset()
		began := time.Now()
		for range load.times {
			tier.Admit(ctx, load.name, "192.0.2.1")
			now = now.Add(load.every)
		}
		took := time.Since(began)
		cells := map[column][]float64{}
		calls := 0.0
		for _, c := range w.stack.Counts().Calls(aws.Call{Service: "dynamodb"}) {
			if c.Function == "" { // it is ours
				calls++
			}
		}
		cells[perRequest] = []float64{calls / float64(load.times)}
		cells[nanoseconds] = []float64{float64(took.Nanoseconds()) / float64(load.times)}
		g.rows = append(g.rows, row{name: load.name, cells: cells, aims: map[column]float64{perRequest: aimCounts}})
	}
	return g, nil
}
