package execution

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pagefree/internal/execution/target"
	"pagefree/internal/platform/problem"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// statuses are all of them, in the order of a life.
var statuses = []Status{AwaitingConfirmation, Pending, Running, Completed, StatusFailed, Timeout, Cancelled, Unknown}

// at is an execution in a status, with what belongs to it.
func at(s Status) Execution {
	e := Execution{ID: "ex_1", Status: s, Rev: 7, Attempt: 1, MaxAttempts: 2, Timeout: 60, Parameters: "{}"}
	if s == Running {
		e.Status = Pending
		e, _ = advance(e, claimed{nonce: "n", until: noon}, noon)
	}
	return e
}

// TestEveryEventInEveryStatus: what happens to an execution in each state, or that it cannot.
func TestEveryEventInEveryStatus(t *testing.T) {
	failed := target.Report{State: target.Failed, Error: "exit code 1"}
	events := map[string]struct {
		event any
		leads map[Status]Status
	}{
		"confirmed":           {confirmed{by: "usr_1"}, map[Status]Status{AwaitingConfirmation: Pending}},
		"claimed":             {claimed{nonce: "n"}, map[Status]Status{Pending: Running}},
		"accepted":            {accepted{ref: "r"}, map[Status]Status{Running: Running}},
		"completed":           {ended{report: target.Report{State: target.Completed}}, map[Status]Status{Running: Completed}},
		"timed out":           {ended{report: target.Report{State: target.TimedOut}}, map[Status]Status{Running: Timeout}},
		"stopped by target":   {ended{report: target.Report{State: target.Cancelled}}, map[Status]Status{Running: Cancelled}},
		"failed, tried again": {ended{report: failed}, map[Status]Status{Running: Pending}},
		"failed for good":     {ended{report: failed, fatal: true}, map[Status]Status{Running: StatusFailed}},
		"never left":          {ended{report: failed, unsent: true}, map[Status]Status{Running: Pending}},
		"refused":             {refused{why: "seal_broken"}, map[Status]Status{Pending: StatusFailed}},
		"stopped":             {stopped{by: "usr_1"}, map[Status]Status{AwaitingConfirmation: Cancelled, Pending: Cancelled, Running: Running}},
		"postponed":           {postponed{until: noon}, map[Status]Status{AwaitingConfirmation: AwaitingConfirmation, Pending: Pending, Running: Running}},
	}
	for name, tt := range events {
		for _, from := range statuses {
			is, err := advance(at(from), tt.event, noon)
			want, may := tt.leads[from]
			if (err == nil) != may || may && is.Status != want {
				t.Errorf("%s, %s: got %s, %v; want %q", from, name, is.Status, err, want)
			}
			if err != nil && problem.CodeOf(err) != problem.InvalidTransition {
				t.Errorf("%s, %s: got code %s, want %s", from, name, problem.CodeOf(err), problem.InvalidTransition)
			}
		}
	}
}

func TestFinalStatusesStayFinal(t *testing.T) {
	for _, s := range statuses {
		want := s != AwaitingConfirmation && s != Pending && s != Running
		if got := s.Final(); got != want {
			t.Errorf("%s: got final %v, want %v", s, got, want)
		}
	}
}

// TestRetries: what may have run is repeated only when the runbook says that
// it may be, what never left three times, and never what somebody stopped.
func TestRetries(t *testing.T) {
	report := func(s target.State) target.Report { return target.Report{State: s, Error: "why"} }
	tests := map[string]struct {
		attempt, max, unsent int
		stopped              bool
		event                ended
		want                 Status
		wantAttempt          int
	}{
		"a failure, attempts left":      {1, 3, 0, false, ended{report: report(target.Failed)}, Pending, 2},
		"a failure, the last attempt":   {3, 3, 0, false, ended{report: report(target.Failed)}, StatusFailed, 3},
		"a failure, not idempotent":     {1, 1, 0, false, ended{report: report(target.Failed)}, StatusFailed, 1},
		"unknown, attempts left":        {1, 2, 0, false, ended{report: report(target.Unknown)}, Pending, 2},
		"unknown, not idempotent":       {1, 1, 0, false, ended{report: report(target.Unknown)}, Unknown, 1},
		"a timeout is never repeated":   {1, 3, 0, false, ended{report: report(target.TimedOut)}, Timeout, 1},
		"never left, not idempotent":    {1, 1, 0, false, ended{report: report(target.Failed), unsent: true}, Pending, 1},
		"never left for the third time": {1, 1, 2, false, ended{report: report(target.Failed), unsent: true}, Pending, 1},
		"never left once too often":     {1, 1, 3, false, ended{report: report(target.Failed), unsent: true}, StatusFailed, 1},
		"refused for good":              {1, 3, 0, false, ended{report: report(target.Failed), unsent: true, fatal: true}, StatusFailed, 1},
		"somebody stopped it":           {1, 3, 0, true, ended{report: report(target.Failed)}, StatusFailed, 1},
		"somebody stopped it, unsent":   {1, 3, 0, true, ended{report: report(target.Failed), unsent: true}, StatusFailed, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := at(Running)
			e.Attempt, e.MaxAttempts, e.Unsent = tt.attempt, tt.max, tt.unsent
			if tt.stopped {
				e, _ = advance(e, stopped{by: "usr_1"}, noon)
			}
			tt.event.again = 5 * time.Second
			is, err := advance(e, tt.event, noon)
			if err != nil || is.Status != tt.want || is.Attempt != tt.wantAttempt {
				t.Fatalf("got %s, attempt %d, %v; want %s, %d", is.Status, is.Attempt, err, tt.want, tt.wantAttempt)
			}
			if a := is.attempt(); a.Error == nil || *a.Error != "why" || a.EndedAt == nil || a.Sent == tt.event.unsent {
				t.Errorf("the attempt on record: %+v", a)
			}
			if is.Status == Pending && (is.Error != nil || !is.DueAt.Equal(noon.Add(5*time.Second+requeueAfter))) {
				t.Errorf("while it waits: error %v, due %v", is.Error, is.DueAt)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	for n, want := range map[int][2]time.Duration{
		1: {time.Second, 2 * time.Second}, 2: {2 * time.Second, 4 * time.Second}, 3: {4 * time.Second, 8 * time.Second},
		4: {8 * time.Second, 16 * time.Second}, 5: {15 * time.Second, 30 * time.Second}, 60: {15 * time.Second, 30 * time.Second},
	} {
		if least, most := backoff(n, 1), backoff(n, 0); least != want[0] || most != want[1] {
			t.Errorf("%d: got %v to %v, want %v", n, least, most, want)
		}
	}
}

// TestALifeOfAnyEvents throws events at an execution in any order: whatever
// happens, nothing leaves a final state, no attempt is made too many, and what
// belongs to a run alone goes with it.
func TestALifeOfAnyEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := Execution{ID: "ex_1", Status: rapid.SampledFrom([]Status{AwaitingConfirmation, Pending}).Draw(t, "born"), Attempt: 1, Parameters: "{}",
			MaxAttempts: rapid.IntRange(1, 4).Draw(t, "max"), Timeout: 30}
		claims, now := 0, noon
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Second)
			report := target.Report{State: rapid.SampledFrom([]target.State{target.Completed, target.Failed, target.TimedOut, target.Cancelled, target.Unknown}).Draw(t, "state")}
			event := rapid.SampledFrom([]any{
				confirmed{by: "u"}, claimed{nonce: fmt.Sprint(i), until: now}, claimed{nonce: fmt.Sprint(i), until: now}, accepted{ref: "r"},
				ended{report: report}, ended{report: report, unsent: true}, ended{report: report, fatal: true},
				refused{why: "no"}, stopped{by: "u"}, postponed{until: now, waiting: true},
			}).Draw(t, "event")
			before := e
			is, err := advance(e, event, now)
			if !reflect.DeepEqual(before, e) {
				t.Fatalf("%T changed what it was given", event)
			}
			if err != nil {
				continue
			}
			if before.Status.Final() {
				t.Fatalf("%T led from %s to %s", event, before.Status, is.Status)
			}
			if _, claim := event.(claimed); claim {
				claims++
			}
			if is.Rev != before.Rev+1 || is.Attempt > is.MaxAttempts || is.Unsent > maxUnsent || len(is.Attempts) != claims {
				t.Fatalf("%T: rev %d after %d, attempt %d of %d, %d unsent, %d attempts of %d claims",
					event, is.Rev, before.Rev, is.Attempt, is.MaxAttempts, is.Unsent, len(is.Attempts), claims)
			}
			if held := is.Slot != "" && is.Nonce != ""; held != (is.Status == Running) {
				t.Fatalf("%s holds slot %q, nonce %q", is.Status, is.Slot, is.Nonce)
			}
			if is.Status.Final() && (is.CompletedAt == nil || !is.DueAt.IsZero() || is.Waiting) {
				t.Fatalf("%s is not over: %+v", is.Status, is)
			}
			e = is
		}
	})
}

func TestSecretsAreMasked(t *testing.T) {
	e := at(Running)
	e.Parameters, e.Secret = `{"TOKEN":"hunter2","ZONE":"eu"}`, []string{"TOKEN", "UNSET"}
	got := e.view(nil).Parameters
	if got["TOKEN"] != masked || got["ZONE"] != "eu" || len(got) != 2 {
		t.Errorf("got %v", got)
	}
	done, err := advance(e, ended{report: target.Report{State: target.Completed}}, noon)
	if err != nil || strings.Contains(done.Parameters, "hunter2") || !strings.Contains(done.Parameters, `"eu"`) {
		t.Errorf("what is kept of a run that is over: got %s, %v", done.Parameters, err)
	}
}

// TestManyTries: an outage outlasts any number of tries.
func TestManyTries(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for try := range 200 {
		pause(over, try) // panicked from 38 on
	}
}
