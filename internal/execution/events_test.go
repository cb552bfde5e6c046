package execution

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pagefree/internal/execution/target"
	"pagefree/internal/execution/target/sandbox"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/trust"
	"pagefree/internal/runbook"
)

// events are what others were told of an execution, or a runbook, the oldest first.
func (w *world) events(about string) []outbox.Event {
	w.t.Helper()
	type stored struct {
		SK string `dynamodbav:"sk"`
		outbox.Event
	}
	var all []outbox.Event
	for shard := range due.Shards {
		q := dynamo.Query{Values: []string{fmt.Sprintf("react#%d", shard)}, Sort: dynamo.SK, Limit: 1000, Oldest: true}
		items, _, err := dynamo.List(w.t.Context(), w.table(w.env.Config, "AutomationTable"), q, func(i stored) string { return i.SK }, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, i := range items {
			if i.About == about {
				all = append(all, i.Event)
			}
		}
	}
	slices.SortFunc(all, func(a, b outbox.Event) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// TestWhatIsToldOfEveryEnd, of an execution that a person started and of a workflow's.
func TestWhatIsToldOfEveryEnd(t *testing.T) {
	t.Parallel()
	const words = "hunter-2 said so"
	tests := map[string]struct {
		change func(*runbook.Creation)
		end    func(w *world, ex string)
		status string
		person []string          // the types of events of a person's
		run    []string          // of a workflow's
		detail map[string]string // of the last, of a workflow's
	}{
		"completed": {
			end:    func(w *world, ex string) { w.dispatch(ex) },
			status: "COMPLETED", run: []string{outbox.ExecutionEnded}, detail: map[string]string{"status": "COMPLETED"},
		},
		"failed": {
			end: func(w *world, ex string) {
				w.sandbox.result = sandbox.Result{ExitCode: ptr(3), Stdout: words, Stderr: words}
				w.dispatch(ex)
			},
			status: "FAILED", person: []string{outbox.ExecutionEnded}, run: []string{outbox.ExecutionEnded},
			detail: map[string]string{"status": "FAILED", "exitCode": "3"},
		},
		"tried again": {
			change: retried(1),
			end: func(w *world, ex string) {
				w.sandbox.result = sandbox.Result{ExitCode: ptr(3)}
				w.dispatch(ex)
			},
			status: "PENDING",
		},
		"the hour is full": {
			change: func(c *runbook.Creation) { c.MaxRunsPerHour = ptr(1) },
			end: func(w *world, ex string) {
				w.dispatch(w.trigger(w.rb))
				w.dispatch(ex)
			},
			status: "FAILED", person: []string{outbox.ExecutionEnded}, run: []string{outbox.ExecutionEnded},
			detail: map[string]string{"status": "FAILED", "error": "rate_exceeded"},
		},
		"nobody knows": {
			end: func(w *world, ex string) {
				w.sandbox.err = sandbox.ErrUnknown
				w.dispatch(ex)
			},
			status: "UNKNOWN", person: []string{outbox.ExecutionEnded}, run: []string{outbox.ExecutionEnded},
			detail: map[string]string{"status": "UNKNOWN", "error": "unknown"},
		},
		"no callback came in time": {
			change: async(10),
			end: func(w *world, ex string) {
				w.remote.report = target.Report{State: target.Running}
				w.dispatch(ex)
				w.clock.Advance(lookEvery * 60)
				w.sweep()
			},
			status: "TIMEOUT", person: []string{outbox.ExecutionEnded}, run: []string{outbox.ExecutionEnded},
			detail: map[string]string{"status": "TIMEOUT", "error": "timeout"},
		},
		"a receiver's own words": {
			change: async(10),
			end: func(w *world, ex string) {
				w.remote.report = target.Report{State: target.Running}
				w.dispatch(ex)
				token := w.remote.jobs[len(w.remote.jobs)-1].Callback.Token
				w.callback(ex, token, map[string]any{"status": "FAILED", "error": words, "stdout": words})
				w.callback(ex, token, map[string]any{"status": "COMPLETED"}) // too late: nothing is told
			},
			status: "FAILED", person: []string{outbox.ExecutionEnded}, run: []string{outbox.ExecutionEnded},
			detail: map[string]string{"status": "FAILED", "error": ""},
		},
		"cancelled": {
			end: func(w *world, ex string) {
				if a := w.as("responder", "POST", "/v1/executions/"+ex+"/cancel", nil); a.status != http.StatusOK {
					w.t.Errorf("got %d %v", a.status, a.body)
				}
			},
			status: "CANCELLED", person: []string{outbox.ExecutionEnded}, run: []string{outbox.ExecutionEnded},
			detail: map[string]string{"status": "CANCELLED", "reason": "Cancelled by a responder."},
		},
		"confirmed": {
			change: risky("LOW", true),
			end: func(w *world, ex string) {
				w.as("responder", "POST", "/v1/executions/"+ex+"/confirm", nil)
				w.dispatch(ex)
			},
			status: "COMPLETED", person: []string{outbox.ExecutionWaits}, run: []string{outbox.ExecutionWaits, outbox.ExecutionEnded},
			detail: map[string]string{"status": "COMPLETED", "reason": ""},
		},
		"nobody confirmed it, and the watchdog ends it": {
			change: risky("LOW", true),
			end: func(w *world, _ string) {
				w.clock.Advance(ConfirmWithin)
				w.sweep()
				w.sweep()
			},
			status: "CANCELLED", person: []string{outbox.ExecutionWaits, outbox.ExecutionExpired},
			run:    []string{outbox.ExecutionWaits, outbox.ExecutionExpired, outbox.ExecutionEnded},
			detail: map[string]string{"status": "CANCELLED", "expired": "true"},
		},
		"it is confirmed too late": {
			change: risky("LOW", true),
			end: func(w *world, ex string) {
				w.clock.Advance(ConfirmWithin)
				if a := w.as("responder", "POST", "/v1/executions/"+ex+"/confirm", nil); a.status != http.StatusConflict {
					w.t.Errorf("got %d %v", a.status, a.body)
				}
			},
			status: "CANCELLED", person: []string{outbox.ExecutionWaits, outbox.ExecutionExpired},
			run:    []string{outbox.ExecutionWaits, outbox.ExecutionExpired, outbox.ExecutionEnded},
			detail: map[string]string{"status": "CANCELLED", "expired": "true"},
		},
		"it is confirmed when it may not run any more": {
			change: risky("LOW", true),
			end: func(w *world, ex string) {
				w.second(w.rb)
				w.as("responder", "POST", "/v1/executions/"+ex+"/confirm", nil)
			},
			status: "CANCELLED", person: []string{outbox.ExecutionWaits, outbox.ExecutionEnded}, run: []string{outbox.ExecutionWaits, outbox.ExecutionEnded},
			detail: map[string]string{"status": "CANCELLED", "reason": "Version 1 is no longer the approved one.", "expired": ""},
		},
		"the seal is broken": {
			end: func(w *world, ex string) {
				w.tamper("ex#"+ex, "ex", "SET timeoutSeconds = :v", map[string]any{":v": 299})
				w.dispatch(ex)
			},
			status: "FAILED", person: []string{outbox.ExecutionEnded}, run: []string{outbox.ExecutionEnded},
			detail: map[string]string{"status": "FAILED", "error": "seal_broken"},
		},
	}
	for name, tt := range tests {
		for _, who := range []string{"person", "run"} {
			t.Run(name+", a "+who+"'s", func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.rb = w.runbook("Told", func(c *runbook.Creation) {
					if tt.change != nil {
						tt.change(c)
					}
					c.Parameters = []runbook.Parameter{{Name: "WORDS", Type: runbook.String, Default: words}}
				})
				ex, want := "", tt.person
				if who == "run" {
					s := w.step(w.rb)
					s.Unattended, want = trust.High, tt.run
					ex = w.start(s).ID
				} else {
					ex = w.trigger(w.rb)
				}
				tt.end(w, ex)
				if got := w.read(ex); got.text("status") != tt.status {
					t.Fatalf("got %s %v, want %s", got.text("status"), got.body, tt.status)
				}
				events := w.events(ex)
				var got []string
				for _, e := range events {
					got = append(got, e.Type)
					if raw, _ := json.Marshal(e); strings.Contains(string(raw), "hunter") {
						t.Errorf("it tells what it should not: %s", raw)
					}
					if e.TeamID != w.team || e.Detail["runbookId"] != w.rb || e.Detail["runbookName"] != "Told" || e.Detail["incidentId"] != w.inc || e.Detail["triggeredById"] == "" || e.Detail["runId"] == "" == (who == "run") {
						t.Errorf("got %+v", e)
					}
				}
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Fatalf("got %v, want %v", got, want)
				}
				for _, e := range events {
					if who == "run" && e.Type == outbox.ExecutionEnded {
						for name, want := range tt.detail {
							if e.Detail[name] != want {
								t.Errorf("%s: got %q, want %q", name, e.Detail[name], want)
							}
						}
					}
				}
			})
		}
	}
}

func TestCodesAreSorted(t *testing.T) {
	if !slices.IsSorted(codes) {
		t.Error("they are searched as if they were")
	}
	for failure, want := range map[string]string{
		"seal_broken": "seal_broken", "timeout: no callback came in time": "timeout", "exit code 3": "", "hunter-2": "", "unknowns": "", "": "",
	} {
		if got := codeOf(&failure); got != want {
			t.Errorf("%q: got %q, want %q", failure, got, want)
		}
	}
}

func TestASubmittedVersionIsToldOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Reviewed", nil)
	w.second(rb)
	events := w.events(rb)
	if len(events) != 2 {
		t.Fatalf("got %+v, want one of each version", events)
	}
	e := events[1]
	if e.Type != outbox.RunbookSubmitted || e.TeamID != w.team || e.ActorID != "usr_lead" || e.Detail["version"] != "2" || e.Detail["name"] != "Reviewed" || e.Detail["submittedById"] != "usr_lead" {
		t.Errorf("got %+v", e)
	}
	if _, err := w.runbooks.Submit(w.ctx("lead"), rb, 2); err == nil {
		t.Error("it was submitted twice")
	}
	if events := w.events(rb); len(events) != 2 {
		t.Errorf("a submit that failed was told of: %+v", events)
	}
}
