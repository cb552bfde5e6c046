package execution

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	front "pagefree/infra/local/aws"
	"pagefree/internal/execution/target"
	"pagefree/internal/execution/target/sandbox"
	"pagefree/internal/runbook"
)

const pin = "hunter-2"

// secretive makes a runbook with secret parameters of two types.
func secretive(c *runbook.Creation) {
	retried(1)(c)
	c.Parameters = []runbook.Parameter{
		{Name: "PIN", Type: runbook.String, Secret: true, Required: true}, {Name: "CODE", Type: runbook.Integer, Secret: true, Default: 4711}, {Name: "HOST", Type: runbook.String},
	}
}

func (w *world) triggerSecret(rb string) answer {
	w.t.Helper()
	return w.as("responder", "POST", "/v1/executions", map[string]any{"runbookId": rb, "parameters": map[string]any{"PIN": pin, "HOST": "web-1"}})
}

// everything is all that the automation and the ephemeral table hold, as text.
func (w *world) everything() string {
	w.t.Helper()
	var b strings.Builder
	for _, id := range []string{"AutomationTable", "EphemeralTable", "AuditTable"} {
		table := w.table(w.env.Config, id)
		pages := dynamodb.NewScanPaginator(table.DB, &dynamodb.ScanInput{TableName: &table.Name})
		for pages.HasMorePages() {
			page, err := pages.NextPage(w.t.Context())
			if err != nil {
				w.t.Fatal(err)
			}
			for _, item := range page.Items {
				for name, v := range item {
					fmt.Fprintf(&b, "%s=%#v\n", name, v)
				}
			}
		}
	}
	return b.String()
}

// TestASecretParameterIsNowhereInTheClear: not before it runs, not between two attempts, and not when it is over.
func TestASecretParameterIsNowhereInTheClear(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Secretive", secretive)
	clear := func(when string) {
		t.Helper()
		all := w.everything()
		if strings.Contains(all, pin) {
			t.Errorf("%s: %s", when, all[max(0, strings.Index(all, pin)-200):strings.Index(all, pin)+20])
		}
	}
	a := w.triggerSecret(rb)
	ex := a.text("id")
	if p := a.body["parameters"].(map[string]any); a.status != http.StatusAccepted || p["PIN"] != "***" || p["CODE"] != "***" || p["HOST"] != "web-1" {
		t.Fatalf("got %d %v", a.status, a.body)
	}
	clear("while it waits")
	w.sandbox.result.ExitCode = ptr(1)
	w.dispatch(ex)
	clear("between two attempts")
	w.sandbox.result.ExitCode = ptr(0)
	w.dispatch(ex)
	clear("in the end")
	if got := w.read(ex); got.text("status") != "COMPLETED" {
		t.Errorf("got %v", got.body)
	}
	for _, asked := range w.sandbox.asked {
		if asked.Env["PF_PIN"] != pin || asked.Env["PF_CODE"] != "4711" || asked.Env["PF_HOST"] != "web-1" {
			t.Errorf("the script got %v", asked.Env)
		}
	}
	e, _, err := w.service.Store.Execution(t.Context(), ex)
	if err != nil || len(w.sandbox.asked) != 2 || len(e.Hidden) != 0 {
		t.Errorf("ran %d times, kept %d bytes, %v", len(w.sandbox.asked), len(e.Hidden), err)
	}
}

func TestHiddenValuesThatAreNotItsOwn(t *testing.T) {
	t.Parallel()
	tests := map[string]func(w *world, ex, rb string) []byte{
		"another execution's": func(w *world, _, rb string) []byte {
			e, _, err := w.service.Store.Execution(w.t.Context(), w.triggerSecret(rb).text("id"))
			if err != nil {
				w.t.Fatal(err)
			}
			return e.Hidden
		},
		"made up": func(*world, string, string) []byte { return []byte(`{"PIN":"mine"}`) },
		"hidden by who may, and no values": func(w *world, ex, _ string) []byte {
			b, err := w.service.Hidden.Hide(w.t.Context(), ex, []byte("{"))
			if err != nil {
				w.t.Fatal(err)
			}
			return b
		},
		"of the wrong type": func(w *world, ex, _ string) []byte {
			b, err := w.service.Hidden.Hide(w.t.Context(), ex, []byte(`{"PIN":1,"CODE":2}`))
			if err != nil {
				w.t.Fatal(err)
			}
			return b
		},
		"none": func(*world, string, string) []byte { return nil },
	}
	for name, other := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			rb := w.runbook("Secretive", secretive)
			ex := w.triggerSecret(rb).text("id")
			w.tamper("ex#"+ex, "ex", "SET hiddenValues = :v", map[string]any{":v": other(w, ex, rb)})
			w.dispatch(ex)
			if got := w.read(ex); got.text("error") != "seal_broken" || w.sandbox.runs() != 0 {
				t.Errorf("got %s, %q, %d runs", got.text("status"), got.text("error"), w.sandbox.runs())
			}
		})
	}
}

func TestHidingNeedsItsKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Secretive", secretive)
	ex := w.triggerSecret(rb).text("id")
	w.queued()
	down := w.faults.Add(front.Fault{Service: "kms", Operation: "Encrypt", Do: front.Fail, Times: -1})
	before := len(w.due())
	if a := w.triggerSecret(rb); a.status != http.StatusServiceUnavailable || strings.Contains(a.raw, pin) || len(w.due()) != before {
		t.Errorf("without KMS: got %d %s", a.status, a.raw)
	}
	down.Remove()
	down = w.faults.Add(front.Fault{Service: "kms", Operation: "Decrypt", Do: front.Fail, Times: -1})
	if err := w.dispatcher.Dispatch(t.Context(), Message{ExecutionID: ex}); err == nil {
		t.Error("an outage of KMS is no outcome: its message has to come back")
	}
	down.Remove()
	if w.dispatch(ex); w.read(ex).text("status") != "COMPLETED" {
		t.Errorf("got %v", w.read(ex).body)
	}
}

// TestAnOlderExecutionStillRuns: a release before kept secret values among the others.
func TestAnOlderExecutionStillRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ex := w.triggerSecret(w.runbook("Secretive", secretive)).text("id")
	w.tamper("ex#"+ex, "ex", "SET #parameters = :v REMOVE hiddenValues", map[string]any{":v": `{"PIN":"hunter-2","CODE":4711,"HOST":"web-1"}`})
	w.sandbox.result = sandbox.Result{ExitCode: ptr(0)}
	w.remote.report = target.Report{}
	w.dispatch(ex)
	if got := w.read(ex); got.text("status") != "COMPLETED" || w.sandbox.asked[0].Env["PF_PIN"] != pin || strings.Contains(w.everything(), pin) {
		t.Errorf("got %v", got.body)
	}
}
