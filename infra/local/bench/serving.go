package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"pagefree/infra/local/demo"
	"pagefree/infra/local/template"
)

// Where the bare function stands: behind the authorizer as the pages do, and in front of everything.
const (
	bare      = "BareFunction"
	barePath  = "/status/bare/"
	alonePath = "/status/alone/"
)

// adjust puts the bare function, the baseline of views, beside the pages: with their environment and their rights. And
// it takes the limits of usage plans and methods away, which measurements run into.
func adjust(t *template.Template) {
	f := *t.Functions["StatusFunction"]
	f.LogicalID, f.Name, f.ARN, f.Folder = bare, f.Name+"-bare", f.ARN+"-bare", "infra/local/bench/getitem"
	t.Functions[bare] = &f
	for _, r := range t.API.Routes {
		if r.Path == "/status/{proxy+}" {
			r.Path, r.Function = barePath+"{proxy+}", bare
			t.API.Routes = append(t.API.Routes, r)
			r.Path, r.Authorizer, r.APIKeyRequired = alonePath+"{proxy+}", nil, false
			t.API.Routes = append(t.API.Routes, r)
			break
		}
	}
	t.API.MethodSettings = nil
	for i := range t.API.UsagePlans {
		t.API.UsagePlans[i].Rate, t.API.UsagePlans[i].Burst = 0, 0
	}
}

// served is a kind of request that is answered as often as it can be.
type served struct {
	name  string
	look  look
	share bool // it is said where the time goes
}

// serving measures how many views are answered in a second, beside a function that does one GetItem and nothing else.
// All kinds take turns, so that a slow moment of the machine hits all of them, and what a kind is of the bare one is
// reckoned round by round.
func (w *work) serving(ctx context.Context) (group, error) {
	page := "/status/" + demo.Slug
	a, _, err := w.see(ctx, look{path: page, bearer: w.pages.token})
	if err != nil {
		return group{}, err
	}
	kinds := []served{
		{"a bare GetItem behind the authorizer", look{path: barePath + w.pages.demo, bearer: w.pages.token}, true},
		{"a bare GetItem alone", look{path: alonePath + w.pages.demo}, false},
		{"the page as JSON, by token", look{path: page, bearer: w.pages.token}, true},
		{"  a refresh by ETag", look{path: page, bearer: w.pages.token, known: a.Header.Get("ETag")}, false},
		{"  through the edge", look{path: page, bearer: w.pages.token, edge: true}, false},
		{"the page as HTML, by session", look{path: page, bearer: w.pages.session, html: true}, true},
		{fmt.Sprintf("%d components, %d long incidents, as JSON", largeComponents, largeIncidents), look{path: "/status/" + largeSlug, bearer: w.pages.largeToken}, false},
	}
	g := group{title: fmt.Sprintf("Views a second: %d bursts of %v of each kind, at the API's own address, by %d cores that do all the rest too", w.size.Bursts, w.size.Burst, runtime.NumCPU())}
	spent := make([]map[string]float64, len(kinds))
	answered, names := make([]int, len(kinds)), map[string]string{}
	for i, k := range kinds {
		g.rows = append(g.rows, row{name: k.name, cells: map[column][]float64{}})
		spent[i] = map[string]float64{}
		if _, err := w.burst(ctx, k.look, w.size.Burst/4); err != nil { // its processes start
			return g, fmt.Errorf("%s: %w", k.name, err)
		}
	}
	for range w.size.Bursts {
		var base float64
		for i, k := range kinds {
			if err := w.drained(ctx, "AccessesFunction"); err != nil { // of looks that others left
				return g, err
			}
			before, began := usage(), time.Now()
			n, err := w.burst(ctx, k.look, w.size.Burst)
			if err != nil {
				return g, fmt.Errorf("%s: %w", k.name, err)
			}
			perCore := float64(n) / time.Since(began).Seconds() / float64(runtime.NumCPU())
			if err := w.drained(ctx, "AccessesFunction"); err != nil { // counting them is a part of what they cost
				return g, err
			}
			w.processes(names) // some are gone at the end
			for pid, ms := range usage() {
				spent[i][pid] += ms - before[pid]
			}
			answered[i] += n
			if i == 0 {
				base = perCore
			}
			cells := g.rows[i].cells
			cells[rate] = append(cells[rate], perCore)
			cells[ofBare] = append(cells[ofBare], 100*perCore/base)
		}
	}
	for i, k := range kinds {
		if k.share {
			w.spent("Where the time goes, of "+k.name, spent[i], answered[i], names, map[string]string{
				"AuthorizerFunction": byAuthorizer, "StatusFunction": byPages, "AccessesFunction": byRecord, bare: byBare,
			}, byEngine, byAuthorizer, byPages, byBare, byRecord, byOthers, byGateway)
		}
	}
	return g, nil
}

// burst looks again and again from several sides for a time, and returns how many looks were answered.
func (w *work) burst(ctx context.Context, l look, d time.Duration) (int, error) {
	return burstOf(ctx, d, func(ctx context.Context) error {
		_, _, err := w.see(ctx, l)
		return err
	})
}

// burstOf does something again and again from several sides for a time, and returns how often it was done.
func burstOf(ctx context.Context, d time.Duration, do func(context.Context) error) (int, error) {
	side := 2 * runtime.NumCPU()
	errs := make([]error, side)
	var done atomic.Int64
	var wg sync.WaitGroup
	until := time.Now().Add(d)
	for s := range side {
		wg.Go(func() {
			for time.Now().Before(until) && errs[s] == nil {
				if errs[s] = do(ctx); errs[s] == nil {
					done.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return int(done.Load()), errors.Join(errs...)
}
