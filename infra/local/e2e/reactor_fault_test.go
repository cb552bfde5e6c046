package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/aws"
	"pagefree/infra/local/demo"
	"pagefree/infra/local/stack"
)

// Ways in which a reactor, or what feeds it, goes wrong.
var reactions = []struct {
	function string
	kind
}{
	{"ReactorFunction", kind{"dies before a transaction", "dynamodb", "TransactWriteItems", 1, aws.KillBefore}},
	{"ReactorFunction", kind{"dies after a transaction", "dynamodb", "TransactWriteItems", 1, aws.KillAfter}},
	{"ReactorFunction", kind{"loses the answer of a transaction", "dynamodb", "TransactWriteItems", 2, aws.Swallow}},
	{"ReactorFunction", kind{"meets conflicts", "dynamodb", "TransactWriteItems", 5, aws.Conflict}},
	{"ReactorFunction", kind{"dies while reading", "dynamodb", "GetItem", 1, aws.KillBefore}},
	{"ReactorFunction", kind{"meets a table that fails", "dynamodb", "GetItem", 3, aws.Fail}},
	{"ReactorFunction", kind{"dies after it hurried somebody", "sqs", "SendMessage", 1, aws.KillAfter}},
	{"AlertsFunction", kind{"dies before a transaction", "dynamodb", "TransactWriteItems", 1, aws.KillBefore}},
	{"AlertsFunction", kind{"dies after a transaction", "dynamodb", "TransactWriteItems", 1, aws.KillAfter}},
	{"AlertsFunction", kind{"loses the answer of a transaction", "dynamodb", "TransactWriteItems", 2, aws.Swallow}},
	{"ReactorFunction", kind{"dies before it hurries somebody", "sqs", "SendMessage", 1, aws.KillBefore}}, // the last: see campaign
}

// campaign leaves out, but for a long one, what takes the watchdog two minutes to find out.
func campaign() int {
	if *executions < 1000 {
		return len(reactions) - 1
	}
	return len(reactions)
}

// TestFaultReactor throws faults at the reactor, and at what makes incidents of alerts, while workflows go through every kind of
// step: each run ends, no step is done twice and none is lost. A webhook that nobody can tell the fate of is the one thing that
// may fail a run, and says so.
func TestFaultReactor(t *testing.T) {
	t.Parallel()
	options := hurried
	options.Timeouts = map[string]time.Duration{"DispatcherFunction": 10 * time.Second, "ReactorFunction": 45 * time.Second} // it begins nothing without the time for it, reactor.Within
	l := newLoop(t, stack.Options{Every: options.Every, Visibility: options.Visibility, Timeouts: options.Timeouts})
	hook, secret := l.integration("generic")
	runbook := l.fixer("Reacts", "LOW")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))

	const burst = 3
	workflows, struck := map[string]string{}, map[string]int{}
	for n := 0; n < max(*executions/20, 12); {
		r := reactions[rng.IntN(campaign())]
		f := l.stack.Faults().Add(aws.Fault{Function: r.function, Service: r.service, Operation: r.operation, Nth: 1 + rng.IntN(3*burst), Times: r.times, Do: r.do})
		for range burst {
			name := fmt.Sprint("fault", n)
			workflows[name] = l.workflow(name, nil, l.everyStep(name, runbook))
			if a := l.alert(hook, secret, object{"title": "It is " + name + ".", "dedupKey": name, "labels": object{"host": name, "for": name}}); a.Status != http.StatusAccepted {
				t.Fatalf("the hook answers %d %s", a.Status, a.Raw)
			}
			n++
		}
		for wait := 0; wait < 200 && f.Struck() == 0; wait++ { // many tests run beside it
			time.Sleep(50 * time.Millisecond)
		}
		if f.Struck() > 0 {
			struck[r.function+" "+r.name]++
		}
		l.stack.Faults().Clear()
	}
	t.Logf("struck: %v", struck)
	if len(struck) < 3 {
		t.Errorf("hardly any fault struck: %v", struck)
	}
	for name, workflow := range workflows {
		run := l.runOf(workflow)
		unknown := strings.Contains(run.Raw, "unknown")
		if run.Text("status") != "COMPLETED" || steps(run) != allDone {
			if run.Text("status") != "FAILED" || !unknown || !strings.Contains(steps(run), "call FAILED") {
				t.Errorf("%s: %s: %s", name, steps(run), run.Raw)
			}
		}
		if got := len(l.echoed(name)); got > 1 || got == 0 && !unknown {
			t.Errorf("%s: its webhook arrived %d times", name, got)
		}
		i := l.found("It is " + name + ".")
		if i["alertCount"] != 1.0 || (i["status"] == "RESOLVED") == unknown {
			t.Errorf("%s: its incident: %v", name, i)
		}
		kinds := l.timeline(i["id"].(string))
		if got := len(slices.DeleteFunc(kinds, func(k string) bool { return k != "note" })); got != 1 {
			t.Errorf("%s: %d notes", name, got)
		}
		if got := l.call(demo.Responder, http.StatusOK, "GET", "/v1/executions?incidentId="+i["id"].(string), nil).Items(); len(got) != 1 || got[0]["status"] != "COMPLETED" {
			t.Errorf("%s: its executions: %v", name, got)
		}
	}
}
