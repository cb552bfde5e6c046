package execution

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"pagefree/internal/audit"
	"pagefree/internal/execution/target/sandbox"
	"pagefree/internal/execution/target/sandbox/protocol"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/runbook"
)

func TestAnExecutionRunsAndIsOnRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Free disk", func(c *runbook.Creation) {
		c.Parameters = []runbook.Parameter{{Name: "SERVICE", Type: runbook.String, Template: "{{incident.service.name}} of {{incident.team.name}}"}, {Name: "DAYS", Type: runbook.Integer, Default: 7.0}}
	})
	ex := w.trigger(rb)
	if got := w.queued(); len(got) != 1 || got[0].ExecutionID != ex {
		t.Fatalf("got messages %v, want one for %s", got, ex)
	}
	w.dispatch(ex)
	got := w.read(ex)
	if got.text("status") != "COMPLETED" || got.body["exitCode"] != 0.0 || got.text("stdout") != "done\n" {
		t.Errorf("got %v", got.body)
	}
	if p := got.body["parameters"].(map[string]any); p["SERVICE"] != "checkout of Platform" || p["DAYS"] != 7.0 {
		t.Errorf("got parameters %v", p)
	}
	asked := w.sandbox.asked[0]
	if asked.Env["PF_SERVICE"] != "checkout of Platform" || asked.Env["PF_DAYS"] != "7" || asked.Script != "echo done\n" || asked.TimeoutSeconds != 30 {
		t.Errorf("the sandbox was asked %+v", asked)
	}
	if got, want := strings.Join(w.timeline(), " "), "PENDING RUNNING COMPLETED"; got != want {
		t.Errorf("the timeline tells %q, want %q", got, want)
	}
	if got, want := w.trail(ex), "execution.triggered execution.started execution.completed"; got != want {
		t.Errorf("the audit trail tells %q, want %q", got, want)
	}
	if due := w.due(); len(due) != 0 {
		t.Errorf("still due: %v", due)
	}
}

// timeline is the statuses that executions had, oldest first.
func (w *world) timeline() []string {
	w.t.Helper()
	entries, _, err := w.desk.Timeline(w.ctx("observer"), w.inc, httpapi.Page{Limit: 200})
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for i := len(entries) - 1; i >= 0; i-- {
		if entries[i].Kind == "execution" {
			out = append(out, entries[i].Status)
		}
	}
	return out
}

// trail is the types of the audit events of a subject, oldest first.
func (w *world) trail(subject string) string {
	w.t.Helper()
	table := w.table(w.env.Config, "AuditTable")
	out, err := table.DB.Query(w.t.Context(), &dynamodb.QueryInput{
		TableName: &table.Name, IndexName: ptr("bySubject"), KeyConditionExpression: ptr("bySubject = :s"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":s": &types.AttributeValueMemberS{Value: "subject#" + subject}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	var events []audit.Event
	if err := attributevalue.UnmarshalListOfMaps(out.Items, &events); err != nil {
		w.t.Fatal(err)
	}
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, e.Type)
	}
	return strings.Join(kinds, " ")
}

func ptr[T any](v T) *T { return &v }

// due is what stands in the due index.
func (w *world) due() []string {
	w.t.Helper()
	table := w.table(w.env.Config, "AutomationTable")
	var all []string
	for shard := range 8 {
		out, err := table.DB.Query(w.t.Context(), &dynamodb.QueryInput{
			TableName: &table.Name, KeyConditionExpression: ptr("pk = :s"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":s": &types.AttributeValueMemberS{Value: fmt.Sprintf("due#%d", shard)}},
		})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, item := range out.Items {
			all = append(all, item["sk"].(*types.AttributeValueMemberS).Value)
		}
	}
	return all
}

func TestEveryEndOfARun(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		result       sandbox.Result
		err          error
		status, code string
		exit         any
	}{
		"exit code 0":             {result: sandbox.Result{ExitCode: ptr(0)}, status: "COMPLETED", exit: 0.0},
		"another exit code":       {result: sandbox.Result{ExitCode: ptr(3)}, status: "FAILED", code: "exit code 3", exit: 3.0},
		"ended by a signal":       {result: sandbox.Result{Signal: "SIGSEGV", Error: "ended by SIGSEGV"}, status: "FAILED", code: "SIGSEGV"},
		"too slow":                {result: sandbox.Result{TimedOut: true, ExitCode: ptr(143)}, status: "TIMEOUT", code: "timeout"},
		"refused by the sandbox":  {err: fmt.Errorf("%w: %w", sandbox.ErrNotSent, &protocol.NotRun{Reason: "no walls here"}), status: "FAILED", code: "sandbox_refused: no walls here"},
		"nobody knows":            {err: fmt.Errorf("%w: cut", sandbox.ErrUnknown), status: "UNKNOWN", code: "unknown"},
		"an error of no kind":     {err: errors.New("boom"), status: "UNKNOWN", code: "unknown"},
		"output stays on failure": {result: sandbox.Result{ExitCode: ptr(1), Stderr: "no space", StderrTruncated: true}, status: "FAILED", code: "exit code 1", exit: 1.0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.sandbox.result, w.sandbox.err = tt.result, tt.err
			ex := w.trigger(w.runbook("Try", nil))
			w.dispatch(ex)
			got := w.read(ex)
			if got.text("status") != tt.status || got.body["exitCode"] != tt.exit || !strings.Contains(got.text("error"), tt.code) {
				t.Errorf("got %s, exit code %v, error %q; want %s, %v, %q", got.text("status"), got.body["exitCode"], got.text("error"), tt.status, tt.exit, tt.code)
			}
			if got.text("stderr") != tt.result.Stderr || got.body["stderrTruncated"] != tt.result.StderrTruncated {
				t.Errorf("got stderr %q", got.text("stderr"))
			}
			if due := w.due(); len(due) != 0 {
				t.Errorf("still due: %v", due)
			}
			w.dispatch(ex) // the message comes again
			if w.sandbox.runs() != 1 {
				t.Errorf("ran %d times", w.sandbox.runs())
			}
		})
	}
}

// TestASecretParameterThatIsPrinted: what is masked among the parameters is masked in the output too.
func TestASecretParameterThatIsPrinted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Prints", func(c *runbook.Creation) {
		c.Parameters = []runbook.Parameter{{Name: "PIN", Type: runbook.String, Secret: true}, {Name: "HOST", Type: runbook.String}}
	})
	a := w.as("responder", "POST", "/v1/executions", map[string]any{"runbookId": rb, "parameters": map[string]any{"PIN": "hunter-2", "HOST": "web-1"}})
	w.sandbox.result = sandbox.Result{ExitCode: ptr(1), Stdout: "hunter-2 at web-1\n", Stderr: "no hunter", StderrTruncated: true, Error: "hunter-2: not found"}
	w.dispatch(a.text("id"))
	got := w.read(a.text("id"))
	if got.text("stdout") != "*** at web-1\n" || got.text("stderr") != "no " || got.text("error") != "***: not found" || strings.Contains(got.raw, "hunter") {
		t.Errorf("got %s", got.raw)
	}
	if w.sandbox.asked[0].Env["PF_PIN"] != "hunter-2" {
		t.Errorf("the script got %v", w.sandbox.asked[0].Env)
	}
}

func TestAHundredDuplicatesRunOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ex := w.trigger(w.runbook("Once", nil))
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			// A loser of the race may be told so: its message comes back and finds the execution done.
			_ = w.dispatcher.Dispatch(context.WithoutCancel(t.Context()), Message{ExecutionID: ex})
		})
	}
	wg.Wait()
	if w.sandbox.runs() != 1 {
		t.Errorf("ran %d times, want once", w.sandbox.runs())
	}
	if got := w.read(ex).text("status"); got != "COMPLETED" {
		t.Errorf("got %s", got)
	}
}

// tamper changes attributes of an item behind the service's back.
func (w *world) tamper(pk, sk, update string, values map[string]any) {
	w.t.Helper()
	av := map[string]types.AttributeValue{}
	for name, v := range values {
		m, err := attributevalue.Marshal(v)
		if err != nil {
			w.t.Fatal(err)
		}
		av[name] = m
	}
	var names map[string]string
	for _, reserved := range []string{"parameters", "sequence", "status"} {
		if strings.Contains(update, "#"+reserved) {
			names = map[string]string{"#" + reserved: reserved}
		}
	}
	table := w.table(w.env.Config, "AutomationTable")
	if _, err := table.DB.UpdateItem(w.t.Context(), &dynamodb.UpdateItemInput{
		TableName: &table.Name, UpdateExpression: &update, ExpressionAttributeNames: names, ExpressionAttributeValues: av, ConditionExpression: ptr("attribute_exists(pk)"),
		Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: sk}},
	}); err != nil {
		w.t.Fatal(err)
	}
}

func TestWhatWasTamperedWithDoesNotRun(t *testing.T) {
	t.Parallel()
	tests := map[string]func(w *world, rb string){
		"the script": func(w *world, rb string) {
			w.tamper("rb#"+rb, "v#00000002", "SET scriptContent = :v", map[string]any{":v": "echo owned\n"})
		},
		"the time limit": func(w *world, rb string) {
			w.tamper("rb#"+rb, "v#00000002", "SET timeoutSeconds = :v", map[string]any{":v": 300})
		},
		"the approver": func(w *world, rb string) {
			w.tamper("rb#"+rb, "v#00000002", "SET reviewedById = :v", map[string]any{":v": "usr_somebody"})
		},
		"the seal": func(w *world, rb string) {
			w.tamper("rb#"+rb, "v#00000002", "SET seal.mac = :v", map[string]any{":v": []byte("no mac at all, just bytes......!")})
		},
		"a parameter": func(w *world, rb string) {
			w.tamper("rb#"+rb, "v#00000002", "SET #parameters = :v", map[string]any{":v": []runbook.Parameter{{Name: "X", Type: runbook.String, Default: "y"}}})
		},
		"the target": func(w *world, rb string) {
			w.tamper("rb#"+rb, "v#00000002", "SET target = :v", map[string]any{":v": runbook.Target{Type: runbook.SSM, InstanceIDs: []string{"mi-local"}}})
		},
		"the document": func(w *world, rb string) {
			w.tamper("rb#"+rb, "v#00000002", "SET document = :v", map[string]any{":v": runbook.Document{Name: "other", Version: "1", Hash: "00"}})
		},
		"the pointer, back to an older approved version with its own seal": func(w *world, rb string) {
			w.tamper("rb#"+rb, "head", "SET approved = :a, #sequence = :s, pointerMac = :m", map[string]any{":a": 1, ":s": w.before.Sequence, ":m": w.before.PointerMAC})
		},
		"the pointer, to an older version": func(w *world, rb string) {
			w.tamper("rb#"+rb, "head", "SET approved = :v", map[string]any{":v": 1})
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			rb := w.runbook("Sealed", nil)
			var err error
			if w.before, err = w.service.Runbooks.Runbook(t.Context(), rb); err != nil {
				t.Fatal(err)
			}
			w.second(rb)
			ex := w.trigger(rb)
			change(w, rb)
			w.dispatch(ex)
			if got := w.read(ex); got.text("status") != "FAILED" || got.text("error") != "seal_broken" {
				t.Errorf("got %s, %q; want FAILED, seal_broken", got.text("status"), got.text("error"))
			}
			if w.sandbox.runs() != 0 {
				t.Error("it was sent")
			}
			if got := w.trail(ex); got != "execution.triggered execution.failed" {
				t.Errorf("the audit trail tells %q", got)
			}
			if !strings.Contains(w.metrics.String(), `"SealBroken":1`) {
				t.Errorf("no alarm metric: %s", w.metrics)
			}
		})
	}
}

// TestAnExecutionOutsideOfItsSeal: a row of the table is not what anybody
// asked for, confirmed, or may give to a script.
func TestAnExecutionOutsideOfItsSeal(t *testing.T) {
	t.Parallel()
	values := func(text string) func(*world, string) {
		return func(w *world, ex string) {
			w.tamper("ex#"+ex, "ex", "SET #parameters = :v", map[string]any{":v": text})
		}
	}
	tests := map[string]func(w *world, ex string){
		"a value that is not listed":     values(`{"ZONE":"eu-1; rm -rf /","DAYS":7}`),
		"a value of another type":        values(`{"ZONE":"eu-1","DAYS":"7"}`),
		"a variable that nobody defined": values(`{"ZONE":"eu-1","DAYS":7,"EXTRA":"x"}`),
		"a required one left out":        values(`{"DAYS":7}`),
		"a default left out":             values(`{"ZONE":"eu-1"}`),
		"no values":                      values(`null`),
		"no JSON":                        values(`{`),
		"a confirmation that never was": func(w *world, ex string) {
			w.tamper("ex#"+ex, "ex", "REMOVE confirmedById SET rev = :v", map[string]any{":v": 2})
		},
		"another service's incident": func(w *world, ex string) {
			svc, err := w.desk.CreateService(w.ctx("lead"), service(w.team, "search"))
			if err != nil {
				w.t.Fatal(err)
			}
			w.tamper("ex#"+ex, "ex", "SET incidentId = :v", map[string]any{":v": w.incident(svc.ID, nil)})
		},
		"more retries": func(w *world, ex string) {
			w.tamper("ex#"+ex, "ex", "SET maxAttempts = :v", map[string]any{":v": 4})
		},
		"an attempt beyond the last": func(w *world, ex string) {
			w.tamper("ex#"+ex, "ex", "SET attempt = :v", map[string]any{":v": 2})
		},
		"another time limit": func(w *world, ex string) {
			w.tamper("ex#"+ex, "ex", "SET timeoutSeconds = :v", map[string]any{":v": 300})
		},
		"another service's slots": func(w *world, ex string) {
			w.tamper("ex#"+ex, "ex", "SET serviceId = :v", map[string]any{":v": "svc_other"})
		},
		"no incident": func(w *world, ex string) {
			w.tamper("ex#"+ex, "ex", "REMOVE incidentId SET rev = :v", map[string]any{":v": 2})
		},
		"nothing": nil,
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			rb := w.runbook("Sealed", func(c *runbook.Creation) {
				c.RequiresConfirm, c.ServiceID = true, &w.svc
				c.Parameters = []runbook.Parameter{
					{Name: "ZONE", Type: runbook.String, Required: true, Enum: []any{"eu-1", "eu-2"}}, {Name: "DAYS", Type: runbook.Integer, Default: 7},
				}
			})
			a := w.as("responder", "POST", "/v1/executions", map[string]any{"runbookId": rb, "incidentId": w.inc, "parameters": map[string]any{"ZONE": "eu-1"}})
			ex := a.text("id")
			if a := w.as("lead", "POST", "/v1/executions/"+ex+"/confirm", nil); a.status != 200 {
				t.Fatalf("confirm: %d %v", a.status, a.body)
			}
			if change != nil {
				change(w, ex)
			}
			w.dispatch(ex)
			got := w.read(ex)
			if change == nil {
				if got.text("status") != "COMPLETED" || w.sandbox.runs() != 1 {
					t.Errorf("got %s, %q; want COMPLETED", got.text("status"), got.text("error"))
				}
				return
			}
			if got.text("status") != "FAILED" || got.text("error") != "seal_broken" || w.sandbox.runs() != 0 {
				t.Errorf("got %s, %q, %d runs; want FAILED, seal_broken, none", got.text("status"), got.text("error"), w.sandbox.runs())
			}
			if !strings.Contains(w.metrics.String(), `"SealBroken":1`) {
				t.Errorf("no alarm metric: %s", w.metrics)
			}
		})
	}
}

func TestWhatMayNoLongerRunIsNotSent(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(w *world, rb string) error
		want   string
	}{
		"archived since": {want: "runbook_archived", change: func(w *world, rb string) error {
			_, err := w.runbooks.Archive(w.ctx("lead"), rb, "dangerous")
			return err
		}},
		"another version approved since": {want: "not_approved", change: func(w *world, rb string) error {
			w.second(rb)
			return nil
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			rb := w.runbook("Changed", nil)
			ex := w.trigger(rb)
			if err := tt.change(w, rb); err != nil {
				t.Fatal(err)
			}
			w.dispatch(ex)
			if got := w.read(ex); got.text("status") != "FAILED" || got.text("error") != tt.want || w.sandbox.runs() != 0 {
				t.Errorf("got %s, %q, %d runs; want FAILED, %q, none", got.text("status"), got.text("error"), w.sandbox.runs(), tt.want)
			}
		})
	}
}

func TestAMessageWithoutAnExecutionComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.dispatcher.Dispatch(t.Context(), Message{ExecutionID: "ex_none"}); err == nil {
		t.Error("got no error: the message would be dropped without a trace")
	}
}
