package bench

import (
	"context"
	"fmt"
	"time"

	"pagefree/infra/local/aws"
	"pagefree/infra/local/demo"
)

// view is one thing that partners read, and how.
type view struct {
	name string
	look look
}

// viewed are the ways to the demo's page, and to the large one.
func (w *work) viewed() []view {
	page := "/status/" + demo.Slug
	p := w.pages
	return []view{
		{"the page as JSON, by token", look{path: page, bearer: p.token}},
		{"the page as JSON, by session", look{path: page, bearer: p.session}},
		{"the page as HTML, by token", look{path: page, bearer: p.token, html: true}},
		{"the page as HTML, by session", look{path: page, bearer: p.session, html: true}},
		{"Statuspage v2 JSON, by token", look{path: page + "/api/v2/summary.json", bearer: p.token}},
		{"the feed, by its own token", look{path: page + "/feed.atom?feed=" + p.feed}},
		{"an incident as HTML, by session", look{path: page + "/incidents/" + p.incident, bearer: p.session, html: true}},
		{"the history as HTML, by session", look{path: page + "/history", bearer: p.session, html: true}},
		{"the list of pages, by session", look{path: "/status", bearer: p.session, html: true}},
		{fmt.Sprintf("%d components, %d long incidents, as JSON", largeComponents, largeIncidents), look{path: "/status/" + largeSlug, bearer: p.largeToken}},
		{fmt.Sprintf("%d components, %d long incidents, as HTML", largeComponents, largeIncidents), look{path: "/status/" + largeSlug, bearer: p.largeToken, html: true}},
	}
}

// viewsOfFew and viewsOfMany count the same views, at few partners and at all that there will be.
func (w *work) viewsOfFew(ctx context.Context) (group, error) { return w.views(ctx, few) }

func (w *work) viewsOfMany(ctx context.Context) (group, error) {
	began := time.Now()
	items, err := w.crowd(ctx, w.size.Partners)
	if err != nil {
		return group{}, err
	}
	crowded := time.Since(began)
	g, err := w.views(ctx, w.size.Partners)
	g.title += fmt.Sprintf("; %d items more, written in %.0f s", items, crowded.Seconds())
	return g, err
}

// views counts what each view costs, in the authorizer and behind it, while the demo's page has some partners.
func (w *work) views(ctx context.Context, partners int) (group, error) {
	g := group{title: fmt.Sprintf("Views of status pages at %d partners: DynamoDB and KMS as seen on the wire, ms until the answer is read, %d times each", partners, w.size.Views)}
	list := w.viewed()
	for _, v := range list {
		g.rows = append(g.rows,
			row{name: v.name, cells: map[column][]float64{}, aims: map[column]float64{databaseCalls: aimReads}},
			row{name: "  its authorizer", cells: map[column][]float64{}, aims: map[column]float64{databaseCalls: aimReads + aimCounts}})
	}
	for _, v := range list { // the first one starts processes
		if _, _, err := w.see(ctx, v.look); err != nil {
			return g, fmt.Errorf("%s: %w", v.name, err)
		}
	}
	for range w.size.Views {
		for i, v := range list {
			w.stack.Counts().Reset()
			began := time.Now()
			if _, _, err := w.see(ctx, v.look); err != nil {
				return g, fmt.Errorf("%s: %w", v.name, err)
			}
			cells := g.rows[2*i].cells
			cells[took] = append(cells[took], milliseconds(time.Since(began)))
			w.count(cells, []string{"StatusFunction"})
			w.count(g.rows[2*i+1].cells, []string{"AuthorizerFunction"})
			if n := w.stack.Counts().Number(aws.Call{Function: "StatusFunction", Service: "dynamodb"}); n == 0 {
				return g, fmt.Errorf("%s: it was answered without a read", v.name)
			}
		}
	}
	return g, nil
}
