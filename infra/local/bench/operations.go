package bench

import (
	"context"
	"fmt"
	"strings"
	"time"

	"pagefree/infra/local/aws"
	"pagefree/infra/local/demo"
)

// operation is one thing that users do. Only the calls of the functions that
// it names are counted: others may still be at what went before.
type operation struct {
	name string
	do   func(context.Context) error
	of   []string
}

// operations counts what each request of the API costs behind the authorizer, and the authorizer itself.
func (w *work) operations(ctx context.Context) (group, error) {
	get := func(who, path string) func(context.Context) error {
		return func(ctx context.Context) error { _, err := w.call(ctx, who, "GET", path, nil); return err }
	}
	var runbook, execution string
	asked := 0
	list := []operation{
		{"any request with a session: authorizer", get(demo.Responder, "/v1/me"), []string{"AuthorizerFunction"}},
		{"GET /v1/me", get(demo.Responder, "/v1/me"), []string{"IdentityFunction"}},
		{"POST /v1/auth/magic-link", func(ctx context.Context) error {
			asked++
			_, err := w.call(ctx, "", "POST", "/v1/auth/magic-link", map[string]any{"email": fmt.Sprintf("bench%d@pagefree.test", asked)})
			return err
		}, []string{"SigninFunction"}},
		{"POST /v1/incidents", func(ctx context.Context) error {
			_, err := w.call(ctx, demo.Responder, "POST", "/v1/incidents", map[string]any{"title": "Slow", "severity": "LOW", "serviceId": w.service})
			return err
		}, []string{"IncidentsFunction"}},
		{"GET /v1/incidents?limit=50", get(demo.Responder, "/v1/incidents"), []string{"IncidentsFunction"}},
		{"GET /v1/incidents/{id}/timeline", get(demo.Responder, "/v1/incidents/"+w.people.IncidentID+"/timeline"), []string{"IncidentsFunction"}},
		{"POST /v1/runbooks", func(ctx context.Context) (err error) {
			runbook, err = w.write(ctx, scripted("BASH", "echo bench\n"))
			return err
		}, []string{"RunbooksFunction"}},
		{"POST .../submit", func(ctx context.Context) error { return w.submit(ctx, runbook) }, []string{"RunbooksFunction"}},
		{"POST .../approve", func(ctx context.Context) error { return w.approve(ctx, runbook) }, []string{"RunbooksFunction"}},
		{"GET /v1/runbooks?limit=50", get(demo.Responder, "/v1/runbooks"), []string{"RunbooksFunction"}},
		{"POST /v1/executions", func(ctx context.Context) (err error) {
			execution, err = w.trigger(ctx, runbook, "")
			return err
		}, []string{"ExecutionsFunction"}},
		{"POST /v1/executions, for an incident", func(ctx context.Context) (err error) {
			execution, err = w.trigger(ctx, runbook, w.people.IncidentID)
			return err
		}, []string{"ExecutionsFunction"}},
		{"GET /v1/executions/{id}", func(ctx context.Context) error { return get(demo.Responder, "/v1/executions/"+execution)(ctx) }, []string{"ExecutionsFunction"}},
		{"GET /v1/audit?limit=50", get(demo.Lead, "/v1/audit"), []string{"AuditFunction"}},
	}
	list = append(append(list, w.published()...), w.monitored()...)
	g := group{title: fmt.Sprintf("Operations: DynamoDB and KMS as seen on the wire, ms until the answer is read, %d times each", w.size.Times)}
	for _, op := range list {
		g.rows = append(g.rows, row{name: op.name, cells: map[column][]float64{}})
	}
	for range w.size.Times {
		for i, op := range list {
			w.stack.Counts().Reset()
			began := time.Now()
			if err := op.do(ctx); err != nil {
				return g, fmt.Errorf("%s: %w", op.name, err)
			}
			cells := g.rows[i].cells
			cells[took] = append(cells[took], milliseconds(time.Since(began)))
			w.count(cells, op.of)
		}
	}
	return g, nil
}

// published are what staff do with status pages and their partners.
func (w *work) published() []operation {
	var told, granted string
	partners := 0
	on := func(what string) string {
		return fmt.Sprintf("%s, on %d components and %d long incidents", what, largeComponents, largeIncidents)
	}
	tell := func(page, component string) func(context.Context) error {
		return func(ctx context.Context) (err error) {
			told, err = w.tell(ctx, page, "/incidents", component)
			return err
		}
	}
	update := func(page, component string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := w.tell(ctx, page, "/incidents/"+told+"/updates", component)
			return err
		}
	}
	p := w.pages
	return []operation{
		{"POST /v1/status-pages/{id}/components", func(ctx context.Context) error {
			_, err := w.call(ctx, demo.Lead, "POST", under(p.staff, "/components"), map[string]any{"name": "Public API"})
			return err
		}, []string{"StatusPagesFunction"}},
		{"POST /v1/status-pages/{id}/incidents", tell(p.staff, p.component), []string{"StatusPagesFunction"}},
		{"POST .../updates", update(p.staff, p.component), []string{"StatusPagesFunction"}},
		{on("POST /v1/status-pages/{id}/incidents"), tell(p.large, p.part), []string{"StatusPagesFunction"}},
		{on("POST .../updates"), update(p.large, p.part), []string{"StatusPagesFunction"}},
		{"POST /v1/status-pages/{id}/partners", func(ctx context.Context) error {
			partners++
			partner, err := w.grant(ctx, p.staff, fmt.Sprint("Operations ", partners))
			granted = text(partner, "id")
			return err
		}, []string{"PartnersFunction"}},
		{"DELETE .../partners/{accessId}", func(ctx context.Context) error {
			_, err := w.call(ctx, demo.Lead, "DELETE", under(p.staff, "/partners/"+granted), nil)
			return err
		}, []string{"PartnersFunction"}},
		{"GET .../partners/{accessId}/accesses?limit=50", func(ctx context.Context) error {
			_, err := w.call(ctx, demo.Lead, "GET", under(p.demo, "/partners/"+p.acme+"/accesses"), nil)
			return err
		}, []string{"PartnersFunction"}},
	}
}

// monitored are the deliveries of monitoring systems, and what staff see of them.
func (w *work) monitored() []operation {
	hook := func(what, provider string) operation {
		return operation{"POST /v1/hooks/{id}, " + what, func(ctx context.Context) error {
			_, err := w.send(ctx, provider)
			return err
		}, []string{"HooksFunction"}}
	}
	get := func(who, path, function string) operation {
		return operation{"GET " + path, func(ctx context.Context) error {
			path := strings.NewReplacer("integrations/{id}", "integrations/"+w.senders["generic"].id, "workflows/{id}", "workflows/"+w.workflow).Replace(path)
			_, err := w.call(ctx, who, "GET", path, nil)
			return err
		}, []string{function}}
	}
	return []operation{
		hook("a bearer secret, told from a resend", "datadog"),
		hook("a bearer secret alone", "alertmanager"),
		hook("signed", "github"),
		hook("signed by SNS", "cloudwatch"),
		get(demo.Lead, "/v1/integrations?limit=50", "IntegrationsFunction"),
		get(demo.Lead, "/v1/integrations/{id}/deliveries?limit=50", "IntegrationsFunction"),
		get(demo.Responder, "/v1/workflows?limit=50", "WorkflowsFunction"),
		get(demo.Responder, "/v1/workflows/{id}/runs?limit=50", "WorkflowsFunction"),
		get(demo.Responder, "/v1/me/notifications", "NotificationsFunction"),
	}
}

// tell publishes an incident, or an update of one, and returns the incident's id.
func (w *work) tell(ctx context.Context, page, path, component string) (string, error) {
	body := map[string]any{"status": "identified", "body": "A disk of **one server** is full.",
		"components": []map[string]any{{"id": component, "status": "degraded_performance"}}}
	if path == "/incidents" {
		body["title"], body["impact"] = "Slow", "minor"
	}
	a, err := w.call(ctx, demo.Lead, "POST", under(page, path), body)
	return text(a, "id"), err
}

// count adds the calls of some functions since the last reset to a row.
func (w *work) count(cells map[column][]float64, functions []string) {
	var calls []aws.Call
	for _, id := range functions {
		calls = append(calls, w.stack.Counts().Calls(aws.Call{Function: id})...)
	}
	sum(cells, calls)
}

// sum adds one measurement, of all these calls, to a row.
func sum(cells map[column][]float64, calls []aws.Call) {
	total := map[column]float64{databaseCalls: 0, readUnits: 0, writeUnits: 0, kmsCalls: 0}
	for _, c := range calls {
		switch c.Service {
		case "dynamodb":
			total[databaseCalls]++
			total[readUnits] += c.Read
			total[writeUnits] += c.Written
		case "kms":
			total[kmsCalls]++
		}
	}
	for c, n := range total {
		cells[c] = append(cells[c], n)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
