package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/infra/local/aws"
	"pagefree/infra/local/demo"
	"pagefree/infra/local/pushservice"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
)

// label is what an alert has that starts the runbook of a workflow.
const label = "bench-remedy"

// react makes a workflow that runs one runbook, and returns its id.
func (w *work) react(ctx context.Context) (string, error) {
	script := scripted("BASH", "echo bench\n")
	script["risk"] = "LOW" // one that waits for nobody
	runbook, err := w.approved(ctx, script)
	if err != nil {
		return "", err
	}
	made, err := w.call(ctx, demo.Lead, "POST", "/v1/workflows", map[string]any{
		"name": "Bench", "teamId": w.team, "enabled": true,
		"trigger": map[string]any{"on": []string{"incident.created"}, "labels": map[string]string{label: "yes"}},
		"steps":   []map[string]any{{"id": "fix", "type": "runbook", "runbookId": runbook}},
	})
	return text(made, "id"), err
}

// alert is what a sender by Standard Webhooks says of a trouble.
type alert struct {
	of       int64 // the trouble
	resolved bool
	remedied bool // by a workflow
}

func (a alert) title() string { return fmt.Sprintf("Trouble %06d", a.of) }

// alert delivers one, and tells when its first byte was sent.
func (w *work) alert(ctx context.Context, a alert) (time.Time, error) {
	data := map[string]any{"title": a.title(), "severity": "P2", "dedupKey": a.title(), "status": "firing", "labels": map[string]string{"host": "db-1"}}
	if a.resolved {
		data["status"] = "resolved"
	}
	if a.remedied {
		data["labels"] = map[string]string{"host": "db-1", label: "yes"}
	}
	body, err := json.Marshal(map[string]any{"type": "alert", "timestamp": time.Now().UTC().Format(time.RFC3339), "data": data})
	if err != nil {
		return time.Time{}, err
	}
	s := w.senders["standard"]
	began, _, err := w.deliver(ctx, w.stack.URL, s, s.sign(string(body), w.sent.Add(1)))
	return began, err
}

// reacting are the functions that an alert keeps busy, in the order in which they come to it.
var reacting = []string{"HooksFunction", "AlertsFunction", "ReactorFunction", "DispatcherFunction", "NotifierFunction", "PusherFunction"}

// quiet waits until nothing is due, no message is under way and nobody called anything while that was looked at: all that
// alerts led to is over.
func (w *work) quiet(ctx context.Context) error {
	table := dynamo.Table{Name: w.stack.Template().Tables["AutomationTable"].Name, DB: dynamodb.NewFromConfig(w.stack.Config())}
	calls := func() (n int) {
		for _, function := range reacting {
			n += w.stack.Counts().Number(aws.Call{Function: function})
		}
		return n
	}
	return within(ctx, "nothing to be due", func() (bool, error) {
		before := calls()
		for _, lane := range []due.Lane{due.Alerts, due.React} {
			for shard := range due.Shards {
				items, err := lane.Before(ctx, table, shard, time.Now(), 1)
				if err != nil || len(items) > 0 {
					return false, err
				}
			}
		}
		for _, function := range []string{"AlertsFunction", "DispatcherFunction", "NotifierFunction", "PusherFunction"} {
			_, arn := w.queueOf(function)
			if visible, inFlight, _ := w.stack.Queues().Depth(arn); visible+inFlight > 0 {
				return false, nil
			}
		}
		return calls() == before, nil
	})
}

// reactions measures how long it takes from an alert to what it leads to, by queue and stream: nothing is swept.
func (w *work) reactions(ctx context.Context) (group, error) {
	g := group{title: fmt.Sprintf("Reactions: ms from an alert's first byte, through queue and stream, medians of %d", w.size.Reactions)}
	incident := row{name: "hook to incident", cells: map[column][]float64{}}
	runbook := row{name: "hook to runbook started, by a workflow", cells: map[column][]float64{}}
	mail := row{name: "hook to mail to a responder", cells: map[column][]float64{}}
	push := row{name: "hook to push on a responder's device", cells: map[column][]float64{}}
	if err := w.quiet(ctx); err != nil {
		return g, err
	}
	device := pushservice.NewDevice(w.stack.URL + pushservice.Path + "bench").JSON()
	if _, err := w.call(ctx, demo.Responder, "POST", "/v1/push/subscriptions", device); err != nil {
		return g, err
	}
	invoked := w.called("lambda", "Invoke")
	for range w.size.Reactions {
		w.stack.Counts().Reset()
		a := alert{of: w.sent.Add(1), remedied: true}
		began, err := w.alert(ctx, a)
		if err != nil {
			return g, err
		}
		var started, told, pushed time.Time
		if err := within(ctx, "the runbook, the mail or the push of "+a.title(), func() (bool, error) {
			if at, ok := invoked(""); ok {
				started = at
			}
			told, err = w.mailed(a.title(), told)
			if err == nil {
				pushed, err = w.pushed(began)
			}
			return !started.IsZero() && !told.IsZero() && !pushed.IsZero(), err
		}); err != nil {
			return g, err
		}
		if err := w.quiet(ctx); err != nil {
			return g, err
		}
		w.count(push.cells, []string{"PusherFunction"})
		// Of what alerts writes the first is the incident.
		writes := w.stack.Counts().Calls(aws.Call{Function: "AlertsFunction", Service: "dynamodb", Operation: "TransactWriteItems"})
		opened := slices.IndexFunc(writes, func(c aws.Call) bool { return c.Status == http.StatusOK })
		if opened < 0 {
			return g, fmt.Errorf("%s opened no incident", a.title())
		}
		for _, m := range []struct {
			row
			at time.Time
		}{{incident, writes[opened].At.Add(writes[opened].Took)}, {runbook, started}, {mail, told}, {push, pushed}} {
			m.cells[took] = append(m.cells[took], milliseconds(m.at.Sub(began)))
		}
	}
	g.rows = append(g.rows, incident, runbook, mail, push)
	if _, err := w.call(ctx, demo.Responder, "DELETE", "/v1/push/subscriptions", device); err != nil { // what follows is counted without it
		return g, err
	}
	return g, w.completed(ctx)
}

// pushed is when a device was last pushed something since a time; zero if it was not. The push service knows milliseconds.
func (w *work) pushed(since time.Time) (time.Time, error) {
	newest := w.stack.PushService().Pushes()
	if len(newest) == 0 {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, newest[0].At)
	if err == nil && newest[0].Status != http.StatusCreated {
		err = fmt.Errorf("the push service refused: %d %s", newest[0].Status, newest[0].Problem)
	}
	if at.Before(since) {
		at = time.Time{}
	}
	return at, err
}

// mailed is when a responder was told of something, unless that is known.
func (w *work) mailed(what string, known time.Time) (time.Time, error) {
	if !known.IsZero() {
		return known, nil
	}
	for n, m := range w.stack.Mail(demo.Responder) {
		if strings.Contains(m.Subject, what) {
			return time.Parse(time.RFC3339, m.At)
		}
		if n > 50 { // it would be among the newest
			break
		}
	}
	return time.Time{}, nil
}

// completed holds that the workflow's newest runs did what they should.
func (w *work) completed(ctx context.Context) error {
	list, err := w.call(ctx, demo.Responder, "GET", "/v1/workflows/"+w.workflow+"/runs?limit=200", nil)
	if err != nil {
		return err
	}
	items, _ := list["items"].([]any)
	for _, item := range items {
		if run, _ := item.(map[string]any); text(run, "status") != "COMPLETED" {
			return fmt.Errorf("%s ended %s: %s", text(run, "id"), text(run, "status"), text(run, "reason"))
		}
	}
	if len(items) == 0 {
		return fmt.Errorf("the workflow never ran")
	}
	return nil
}

// behind counts what an alert costs in each function that has to do with it.
func (w *work) behind(ctx context.Context) (group, error) {
	g := group{title: fmt.Sprintf("Alerts: DynamoDB and KMS as seen on the wire, by function, until nothing is left to do, %d times each", w.size.Times)}
	var trouble int64
	all := []string{"HooksFunction", "AlertsFunction", "ReactorFunction", "NotifierFunction"}
	list := []struct {
		name string
		do   func() alert
		of   []string
	}{
		{"an alert that opens an incident", func() alert { trouble = w.sent.Add(1); return alert{of: trouble} }, all},
		{"one that counts one more", func() alert { return alert{of: trouble} }, all[:2]},
		{"one that resolves it", func() alert { return alert{of: trouble, resolved: true} }, all},
		{"one whose workflow runs one runbook", func() alert { return alert{of: w.sent.Add(1), remedied: true} }, append(all, "DispatcherFunction")},
	}
	at := map[string]row{}
	for range w.size.Times {
		for _, l := range list {
			if err := w.quiet(ctx); err != nil {
				return g, err
			}
			w.stack.Counts().Reset()
			a := l.do()
			if _, err := w.alert(ctx, a); err != nil {
				return g, err
			}
			if a.remedied {
				if err := within(ctx, "the runbook of "+a.title(), func() (bool, error) {
					_, ok := w.called("lambda", "Invoke")("")
					return ok, nil
				}); err != nil {
					return g, err
				}
			}
			if err := w.quiet(ctx); err != nil {
				return g, err
			}
			for _, of := range append([]string{""}, l.of...) {
				r, known := at[l.name+of]
				if !known {
					r = row{cells: map[column][]float64{}}
					at[l.name+of] = r
				}
				if of == "" {
					w.count(r.cells, l.of)
				} else {
					w.count(r.cells, []string{of})
				}
			}
		}
	}
	for _, l := range list {
		r := at[l.name]
		r.name = l.name
		g.rows = append(g.rows, r)
		for _, of := range l.of {
			r := at[l.name+of]
			r.name = "  " + strings.ToLower(strings.TrimSuffix(of, "Function"))
			g.rows = append(g.rows, r)
		}
	}
	return g, w.completed(ctx)
}
