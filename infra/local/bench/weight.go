package bench

import (
	"context"
	"fmt"
	"regexp"

	"pagefree/infra/local/demo"
)

// aimWeight is what the first view of a page may weigh, in KB of 1,000 bytes.
const aimWeight = 30

// asset is a file that a page names.
var asset = regexp.MustCompile(`(?:href|src)="[./]*(/status/assets/[^"]+)"`)

// weights weighs the first view of pages: the document and each file that it names, as they come through the
// distribution to a browser that has none of them.
func (w *work) weights(ctx context.Context) (group, error) {
	g := group{title: "The first view of a page: KB of bodies over the wire, compressed"}
	for _, page := range []struct {
		name         string
		slug, bearer string
		aims         map[column]float64
	}{
		{"the demo's page, 90 days of history", demo.Slug, w.pages.session, map[column]float64{weight: aimWeight}},
		{fmt.Sprintf("a page with %d components, %d long incidents", largeComponents, largeIncidents), largeSlug, w.pages.largeToken, nil},
	} {
		a, size, err := w.see(ctx, look{path: "/status/" + page.slug, bearer: page.bearer, html: true, edge: true})
		if err != nil {
			return g, err
		}
		body, err := plain(a)
		if err != nil {
			return g, err
		}
		known, files := map[string]bool{}, 0
		for _, m := range asset.FindAllStringSubmatch(body, -1) {
			if known[m[1]] {
				continue
			}
			known[m[1]] = true
			_, n, err := w.see(ctx, look{path: m[1], html: true, edge: true})
			if err != nil {
				return g, err
			}
			files += n
		}
		if len(known) < 3 { // style, script and icon
			return g, fmt.Errorf("%s names %d files", page.slug, len(known))
		}
		g.rows = append(g.rows,
			row{name: page.name, cells: map[column][]float64{weight: {float64(size+files) / 1000}}, aims: page.aims},
			row{name: "  the document", cells: map[column][]float64{weight: {float64(size) / 1000}}},
			row{name: fmt.Sprintf("  its %d files", len(known)), cells: map[column][]float64{weight: {float64(files) / 1000}}})
	}
	return g, nil
}
