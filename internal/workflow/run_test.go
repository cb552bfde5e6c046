package workflow

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"pgregory.net/rapid"

	"pagefree/internal/platform/id"
	"pagefree/internal/runbook"
)

var noon = time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)

// weigh is about what DynamoDB counts of a value, whose items have at most 409,600 bytes.
func weigh(v types.AttributeValue) int {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return 1 + len(v.Value)
	case *types.AttributeValueMemberM:
		n := 4
		for name, member := range v.Value {
			n += len(name) + weigh(member)
		}
		return n
	case *types.AttributeValueMemberL:
		n := 4
		for _, member := range v.Value {
			n += weigh(member)
		}
		return n
	}
	return 10
}

// TestTheLargestRunFits: fifty steps that each got and gave as much as is kept.
func TestTheLargestRunFits(t *testing.T) {
	long := strings.Repeat("é", 64<<10)
	values := map[string]string{}
	known := &runbook.Version{Version: 1}
	for n := range maxValues {
		values[fmt.Sprintf("P%038d", n)] = long
	}
	seen, _ := clip(long, maxInput)
	stdout, _ := clip(long, maxStdout)
	body, _ := clip(long, maxAnswer)
	tests := map[string]struct{ input, output map[string]any }{
		Runbook: {map[string]any{"runbookId": id.New(id.Runbook, noon), "parameters": shown(step{known: known}, values, maxInput)}, map[string]any{"status": "FAILED", "exitCode": 1, "stdout": stdout, "stdoutTruncated": true}},
		Webhook: {map[string]any{"url": long[:2048], "body": seen, "bodyTruncated": true}, map[string]any{"status": 500, "body": body, "bodyTruncated": true}},
		Notify:  {map[string]any{"to": strings.Split(strings.Repeat("usr_01ARZ3NDEKTSV4RRFFQ69G5FAV,", maxPeople+2), ","), "subject": long[:maxSubject], "message": seen}, map[string]any{}},
		Note:    {map[string]any{"text": seen}, map[string]any{}},
	}
	for kind, tt := range tests {
		steps := make([]Step, MaxSteps)
		for n := range steps {
			steps[n] = Step{ID: fmt.Sprintf("s%039d", n), Type: kind, OnFailure: Continue}
		}
		r := newRun(Workflow{ID: id.New(id.Workflow, noon), Definition: Definition{Name: long[:4*maxName], Steps: steps}}, id.New(id.Incident, noon), noon)
		r.ID = id.New(id.WorkflowRun, noon)
		for n := range r.Steps {
			r = r.enter(n, Running, tt.input, noon)
			r.Steps[n].ExecutionID = new(id.New(id.Execution, noon))
			r = r.leave(n, Continue, Failed, tt.output, long, noon)
		}
		item, err := attributevalue.MarshalMap(Store{}.runItem(r))
		if err != nil {
			t.Fatal(err)
		}
		if size := weigh(&types.AttributeValueMemberM{Value: item}); size > 400_000 || size < 50_000 {
			t.Errorf("%s: %d bytes", kind, size)
		}
	}
}

// TestRunsNeverGoBack drives the pure machine by whatever may happen: a step
// that ended stays as it ended, and a run that is over has nothing left to do.
func TestRunsNeverGoBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Definition{TimeLimitSeconds: 60}
		for n := range rapid.IntRange(1, 6).Draw(t, "steps") {
			d.Steps = append(d.Steps, Step{ID: fmt.Sprintf("s%d", n), OnFailure: rapid.SampledFrom([]string{Stop, Continue}).Draw(t, "onFailure")})
		}
		r := newRun(Workflow{Definition: d}, "inc_1", noon)
		now := noon
		r = r.begin(d.limit(), now)
		for range 20 {
			now = now.Add(time.Second)
			was, n := r, r.current()
			r = r.next()
			switch event := rapid.SampledFrom([]string{"waits", "completes", "fails", "is skipped", "cancel", "time is up", "retry"}).Draw(t, "event"); {
			case r.Status.Final():
				if event != "retry" || r.Status == Completed {
					r = was
					continue
				}
				r = r.retried(d).begin(d.limit(), now)
				if r.current() < 0 {
					t.Fatalf("a retry of %+v has nothing to do", was)
				}
				for k := range r.Steps {
					if s := was.Steps[k]; s.Status == Completed && r.Steps[k].Status != Completed {
						if k < r.current() {
							t.Fatalf("a step that was done is done again: %+v", was)
						}
					}
				}
				continue
			case event == "waits":
				r = r.enter(n, Waiting, nil, now)
				r.Steps[n].ExecutionID = new("ex_1")
			case event == "completes":
				r = r.leave(n, d.Steps[n].OnFailure, Completed, nil, "", now)
			case event == "fails":
				r = r.leave(n, d.Steps[n].OnFailure, Failed, nil, "no", now)
			case event == "is skipped":
				r = r.leave(n, d.Steps[n].OnFailure, Skipped, nil, "", now)
			case event == "cancel":
				r = r.end(Cancelled, "no", now)
			case event == "time is up":
				r = r.end(TimedOut, "no", now)
			}
			r = r.remind(now)
			for k, s := range was.Steps {
				if s.Status.Final() && r.Steps[k].Status != s.Status {
					t.Fatalf("step %d was %s and is %s", k, s.Status, r.Steps[k].Status)
				}
			}
			if r.Status.Final() != (r.current() < 0) || r.Status.Final() != (r.CompletedAt != nil) {
				t.Fatalf("%s, at step %d", r.Status, r.current())
			}
			if r.Status.Final() == !r.DueAt.IsZero() && r.Abandoned == "" {
				t.Fatalf("%s, looked at next %v", r.Status, r.DueAt)
			}
			if stopped := slices.ContainsFunc(r.Steps, func(s StepRun) bool { return s.Status == Failed }); r.Status == Failed && !stopped {
				t.Fatal("it failed without a step that did")
			}
		}
	})
}

func TestTheIdOfAnEventsRun(t *testing.T) {
	ev, other, wf := id.New(id.Event, noon), id.New(id.Event, noon), id.New(id.Workflow, noon)
	got := runIDFor(ev, wf)
	if !id.Valid(id.WorkflowRun, got) || got != runIDFor(ev, wf) || got == runIDFor(other, wf) || got == runIDFor(ev, id.New(id.Workflow, noon)) || !id.Time(got).Equal(noon) {
		t.Errorf("got %s", got)
	}
	if got := runIDFor("", ""); !id.Valid(id.WorkflowRun, got) {
		t.Errorf("of nothing: got %q", got)
	}
}
