package bench

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"pagefree/infra/local/demo"
)

// aimConsole is what the first view of a page of the console may weigh, in KB of 1,000 bytes: on a phone at night it is
// there within a second.
const aimConsole = 60

// consoleAsset is a file that a page of the console names.
var consoleAsset = regexp.MustCompile(`(?:href|src)="(/console/assets/[^"]+)"`)

// console weighs pages for staff, as they come through the distribution, and times them behind it.
func (w *work) console(ctx context.Context) (group, error) {
	g := group{title: "The console: KB of bodies over the wire, compressed; ms in the API, its authorizer and the network of this machine"}
	session := w.people.Sessions[demo.Lead]
	for i, page := range []struct{ name, path string }{
		{"the incidents", "/console/incidents"},
		{"an incident", "/console/incidents/" + w.people.IncidentID},
		{"the runbooks", "/console/runbooks"},
		{"the executions", "/console/executions"},
		{"a team", "/console/teams/" + w.team},
		{"my settings", "/console/settings"},
	} {
		a, size, err := w.see(ctx, look{path: page.path, bearer: session, html: true, edge: true})
		if err != nil {
			return g, err
		}
		if i == 0 { // the same files for all of them
			body, err := plain(a)
			if err != nil {
				return g, err
			}
			known, files := map[string]bool{}, 0
			for _, m := range consoleAsset.FindAllStringSubmatch(body, -1) {
				if known[m[1]] {
					continue
				}
				known[m[1]] = true
				_, n, err := w.see(ctx, look{path: m[1], edge: true})
				if err != nil {
					return g, err
				}
				files += n
			}
			if len(known) < 4 { // style, scripts and icons
				return g, fmt.Errorf("%s names %d files", page.path, len(known))
			}
			g.rows = append(g.rows,
				row{name: "the first view of any: " + page.name, cells: map[column][]float64{weight: {float64(size+files) / 1000}}, aims: map[column]float64{weight: aimConsole}},
				row{name: fmt.Sprintf("  its %d files, kept for ever", len(known)), cells: map[column][]float64{weight: {float64(files) / 1000}}})
		}
		var ms []float64
		for range max(w.size.Views, 3) {
			start := time.Now()
			if _, _, err := w.see(ctx, look{path: page.path, bearer: session, html: true}); err != nil {
				return g, err
			}
			ms = append(ms, float64(time.Since(start).Microseconds())/1000)
		}
		g.rows = append(g.rows, row{name: page.name, cells: map[column][]float64{weight: {float64(size) / 1000}, took: ms}})
	}
	return g, nil
}
