// Package e2e tests PageFree whole: the functions as they are built, behind
// the local stack's API Gateway, with the rights that template.yaml gives
// them, while things go wrong around them.
package e2e

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"pagefree/infra/local/aws"
	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
	"pagefree/infra/local/stack"
)

// world is a stack of its own with the demo's people, incident and runbooks in it.
type world struct {
	t      *testing.T
	stack  *stack.Stack
	api    client.Client
	people demo.Result
}

// hurried shortens what waits in the cloud: a message comes back after two
// seconds, schedules come twice a second, and a dispatcher has ten seconds.
var hurried = stack.Options{
	Every: 500 * time.Millisecond, Visibility: 2 * time.Second,
	Timeouts: map[string]time.Duration{"DispatcherFunction": 10 * time.Second},
}

func newWorld(t *testing.T, o stack.Options) *world {
	t.Helper()
	if o.Parameters == nil {
		o.Parameters = unlimited
	}
	s, err := stack.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	people, err := demo.Run(t.Context(), demo.Options{URL: s.URL, Out: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, stack: s, api: client.Client{URL: s.URL}, people: people}
}

// call sends a request as one of the demo's people, and wants a status.
func (w *world) call(who string, status int, method, path string, body any) client.Answer {
	w.t.Helper()
	a, err := w.api.Want(w.t.Context(), status, method, path, w.people.Sessions[who], body)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// trigger runs the demo's Bash runbook for its incident.
func (w *world) trigger() string {
	w.t.Helper()
	return w.call(demo.Responder, http.StatusAccepted, "POST", "/v1/executions", map[string]any{
		"runbookId": w.people.RunbookIDs["Free disk space"], "incidentId": w.people.IncidentID}).Text("id")
}

// ended waits for the end of an execution.
func (w *world) ended(id string) client.Answer {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 90*time.Second)
	defer cancel()
	for {
		a := w.call(demo.Responder, http.StatusOK, "GET", "/v1/executions/"+id, nil)
		if s := a.Text("status"); s != "PENDING" && s != "RUNNING" {
			return a
		}
		if err := client.Pause(ctx, 100*time.Millisecond); err != nil {
			w.t.Fatalf("%s is still %s", id, a.Text("status"))
		}
	}
}

// sent counts how often the dispatcher asked a sandbox to run something, on the wire.
func (w *world) sent() int {
	return w.stack.Counts().Number(aws.Call{Function: "DispatcherFunction", Service: "lambda", Operation: "Invoke"})
}

// TestFaultAtEachStepOfADispatch makes one call of a dispatch go wrong at a
// time: the process dies before or after it, or its answer is lost. Whatever
// happens, nothing is sent twice, the execution ends, and it ends UNKNOWN only
// where nobody can know.
func TestFaultAtEachStepOfADispatch(t *testing.T) {
	t.Parallel()
	const claim, record = 1, 2 // the transactions of a dispatch, in their order
	dispatcher := func(service, operation string, nth, times int, do aws.Action) aws.Fault {
		return aws.Fault{Function: "DispatcherFunction", Service: service, Operation: operation, Nth: nth, Times: times, Do: do}
	}
	transaction := func(nth int, do aws.Action) aws.Fault {
		return dispatcher("dynamodb", "TransactWriteItems", nth, 1, do)
	}
	tests := []struct {
		name  string
		fault aws.Fault
		want  string
		sent  int
	}{
		{"dies while reading", dispatcher("dynamodb", "BatchGetItem", 1, 1, aws.KillBefore), "COMPLETED", 1},
		{"the table fails while it is read", dispatcher("dynamodb", "BatchGetItem", 1, 4, aws.Fail), "COMPLETED", 1},
		{"the seal's key is throttled", dispatcher("kms", "VerifyMac", 1, 2, aws.Throttle), "COMPLETED", 1},
		{"dies before its claim", transaction(claim, aws.KillBefore), "COMPLETED", 1},
		{"the answer of the claim is lost", transaction(claim, aws.Swallow), "COMPLETED", 1},
		{"the claim meets a conflict", transaction(claim, aws.Conflict), "COMPLETED", 1},
		{"the sandbox is throttled, so it is sent again", dispatcher("lambda", "Invoke", 1, 1, aws.Throttle), "COMPLETED", 2},
		{"the answer of the sandbox is lost", dispatcher("lambda", "Invoke", 1, 1, aws.Swallow), "UNKNOWN", 1},
		{"the answer of the record is lost", transaction(record, aws.Swallow), "COMPLETED", 1},
		{"the record meets a conflict", transaction(record, aws.Conflict), "COMPLETED", 1},
		{"dies after it recorded", transaction(record, aws.KillAfter), "COMPLETED", 1},
		// From here on the watchdog has to find out, when the dispatcher's own time has passed; all wait together.
		{"dies after its claim", transaction(claim, aws.KillAfter), "UNKNOWN", 0},
		{"dies before it sends", dispatcher("lambda", "Invoke", 1, 1, aws.KillBefore), "UNKNOWN", 1}, // asked, and not done
		{"dies after it sent", dispatcher("lambda", "Invoke", 1, 1, aws.KillAfter), "UNKNOWN", 1},
		{"dies before it records", transaction(record, aws.KillBefore), "UNKNOWN", 1},
	}
	w := hurriedStacks.world(t)
	w.stack.Counts().Reset()
	ids, sent := make([]string, len(tests)), 0
	for i, tt := range tests {
		w.stack.Faults().Clear()
		w.quiet() // a retry of the case before would be counted as a call of this one
		struck := w.stack.Faults().Add(tt.fault)
		ids[i] = w.trigger()
		waits := strings.HasPrefix(tt.name, "dies") && tt.want == "UNKNOWN"
		if waits {
			// A call is counted when it is over, which may be after its caller died.
			w.until(tt.name, func() bool { return struck.Struck() > 0 && w.sent() >= sent+tt.sent })
		} else {
			w.ended(ids[i])
		}
		if struck.Struck() == 0 {
			t.Errorf("%s: the fault never struck, so nothing is shown", tt.name)
		}
		sent += tt.sent
		if got := w.sent(); got != sent {
			t.Errorf("%s: sent %d times, want %d", tt.name, got-sent+tt.sent, tt.sent)
			sent = got
		}
	}
	w.stack.Faults().Clear()
	for i, tt := range tests {
		if a := w.ended(ids[i]); a.Text("status") != tt.want {
			t.Errorf("%s: ended %s, want %s: %s", tt.name, a.Text("status"), tt.want, a.Raw)
		}
	}
	if got := w.sent(); got != sent {
		t.Errorf("%d were sent later than they were counted", got-sent)
	}
}

// quiet waits until no dispatcher has a message, or will get one.
func (w *world) quiet() {
	w.t.Helper()
	w.until("the queue to be empty", func() bool {
		visible, inFlight, delayed := w.stack.Queues().Depth(w.stack.Template().Queues["ExecutionsQueue"].ARN)
		return visible+inFlight+delayed == 0
	})
}

// until waits for something to become true.
func (w *world) until(what string, is func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	for !is() {
		if err := client.Pause(ctx, 20*time.Millisecond); err != nil {
			w.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestFaultWhileTriggering: what the caller is told holds, whatever happens behind it.
func TestFaultWhileTriggering(t *testing.T) {
	t.Parallel()
	w := hurriedStacks.world(t)
	executions := func(service, operation string, times int, do aws.Action) aws.Fault {
		return aws.Fault{Function: "ExecutionsFunction", Service: service, Operation: operation, Times: times, Do: do}
	}
	for name, fault := range map[string]aws.Fault{
		"three conflicts":          executions("dynamodb", "TransactWriteItems", 3, aws.Conflict),
		"a lost answer":            executions("dynamodb", "TransactWriteItems", 1, aws.Swallow),
		"a slow queue":             {Function: "ExecutionsFunction", Service: "sqs", Operation: "SendMessage", Delay: 300 * time.Millisecond},
		"a lost answer of a queue": executions("sqs", "SendMessage", 1, aws.Swallow),
	} {
		w.stack.Faults().Clear()
		w.stack.Counts().Reset()
		struck := w.stack.Faults().Add(fault)
		if got := w.ended(w.trigger()).Text("status"); got != "COMPLETED" || struck.Struck() == 0 {
			t.Errorf("%s: ended %s, struck %d times", name, got, struck.Struck())
		}
		if got := w.sent(); got != 1 {
			t.Errorf("%s: sent %d times", name, got)
		}
	}
	t.Run("a function that dies is a 502, and the key makes the retry safe", func(t *testing.T) {
		w.stack.Faults().Clear()
		w.stack.Counts().Reset()
		w.stack.Faults().Add(executions("dynamodb", "TransactWriteItems", 1, aws.KillAfter))
		post := func() (int, string) {
			req, err := http.NewRequestWithContext(t.Context(), "POST", w.stack.URL+"/v1/executions",
				strings.NewReader(`{"runbookId":"`+w.people.RunbookIDs["Free disk space"]+`","incidentId":"`+w.people.IncidentID+`"}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer "+w.people.Sessions[demo.Responder])
			req.Header.Set("Idempotency-Key", "retry-after-502")
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			return res.StatusCode, res.Header.Get("Idempotency-Replayed")
		}
		if status, _ := post(); status != http.StatusBadGateway {
			t.Errorf("got %d, want 502", status)
		}
		if status, replayed := post(); status != http.StatusAccepted || replayed != "true" {
			t.Errorf("again: got %d, replayed %q; want 202 and true", status, replayed)
		}
	})
}

// TestFaultOfTheMail: a mail that cannot be sent at once is sent later, and the caller is told nothing of it.
func TestFaultOfTheMail(t *testing.T) {
	t.Parallel()
	w := hurriedStacks.world(t)
	struck := w.stack.Faults().Add(aws.Fault{Function: "SigninMailFunction", Service: "ses", Operation: "SendEmail", Times: 4, Do: aws.Fail})
	if _, err := w.api.SignIn(t.Context(), "observer@pagefree.test"); err != nil {
		t.Error(err)
	}
	if struck.Struck() == 0 {
		t.Error("the fault never struck")
	}
}

// TestFaultOfACommand: whatever befalls the request for a command, it is asked
// for once, and what became of it is found out, also when no event tells.
func TestFaultOfACommand(t *testing.T) {
	t.Parallel()
	send := func(do aws.Action) aws.Fault {
		return aws.Fault{Function: "DispatcherFunction", Service: "ssm", Operation: "SendCommand", Do: do}
	}
	for name, world := range map[string]func(*testing.T) *world{"with events": hurriedStacks.world, "without events": withoutEvents} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t)
			before := w.commands()
			runbook := w.approved(map[string]any{
				"name": "On a node", "teamId": w.team(), "language": "BASH", "scriptContent": "echo here\n", "timeoutSeconds": 20,
				"target": map[string]any{"type": "ssm", "instanceIds": []string{"mi-local"}},
			})
			ids := map[string]string{}
			for what, fault := range map[string]aws.Fault{
				"nothing": {Function: "nobody"}, "it is throttled": send(aws.Throttle), "its answer is lost": send(aws.Swallow),
				"the dispatcher dies after it": send(aws.KillAfter), "the dispatcher dies before it": send(aws.KillBefore),
			} {
				w.stack.Faults().Clear()
				w.quiet() // no retry of the case before meets this one's fault
				struck := w.stack.Faults().Add(fault)
				id := w.call(demo.Responder, http.StatusAccepted, "POST", "/v1/executions", map[string]any{"runbookId": runbook}).Text("id")
				if fault.Function != "nobody" {
					w.until(what, func() bool { return struck.Struck() > 0 })
				}
				// What was never sent waits for as long as a command may take to be delivered: TestADispatcherThatDiedAfterItSent does.
				if fault.Do != aws.KillBefore {
					ids[what] = id
				}
			}
			for what, id := range ids {
				if a := w.ended(id); a.Text("status") != "COMPLETED" || a.Text("stdout") != "here\n" {
					t.Errorf("%s: ended %s: %s", what, a.Text("status"), a.Raw)
				}
			}
			sent := len(ids)
			if got := w.commands() - before; got != sent {
				t.Errorf("%d commands were made, want %d", got, sent)
			}
		})
	}
}

func withoutEvents(t *testing.T) *world {
	t.Helper()
	o := hurried
	o.NoEvents = true
	return newWorld(t, o)
}

// commands counts what Systems Manager was asked to run.
func (w *world) commands() int {
	w.t.Helper()
	out, err := ssm.NewFromConfig(w.stack.Config()).ListCommands(w.t.Context(), &ssm.ListCommandsInput{MaxResults: sdk.Int32(50)})
	if err != nil {
		w.t.Fatal(err)
	}
	return len(out.Commands)
}

// team is the demo's.
func (w *world) team() string {
	return w.call(demo.Lead, http.StatusOK, "GET", "/v1/me", nil).Body["teams"].([]any)[0].(map[string]any)["id"].(string)
}

// TestFaultOfAMessage: what no dispatcher can read ends in the dead-letter
// queue, and its neighbours in the batch run.
func TestFaultOfAMessage(t *testing.T) {
	t.Parallel()
	w := hurriedStacks.world(t)
	queue := sqs.NewFromConfig(w.stack.Config())
	dead := func() int {
		visible, _, _ := w.stack.Queues().Depth(w.stack.Template().Queues["ExecutionsDeadLetterQueue"].ARN)
		return visible
	}
	before := dead()
	for _, body := range []string{"no JSON", `{}`, `{"executionId":"ex_01JZ0000000000000000000000"}`, `[1]`} {
		if _, err := queue.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: sdk.String(w.queueURL()), MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
		if got := w.ended(w.trigger()).Text("status"); got != "COMPLETED" {
			t.Errorf("beside %q: got %s", body, got)
		}
	}
	w.until("the dead-letter queue to have all four", func() bool { return dead()-before == 4 })
	w.quiet()
}
