package execution

import (
	"strings"
	"testing"
	"time"

	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
)

func TestTransitions(t *testing.T) {
	allowed := map[Status][]Status{
		AwaitingConfirmation: {Pending, Cancelled},
		Pending:              {Running, Cancelled, StatusFailed},
		Running:              {Completed, StatusFailed, Timeout, Unknown},
	}
	for _, from := range Statuses() {
		for _, to := range Statuses() {
			want := false
			for _, s := range allowed[from] {
				want = want || s == to
			}
			err := allow(from, to)
			if got := err == nil; got != want {
				t.Errorf("%s to %s: got allowed %v, want %v", from, to, got, want)
			}
			if err != nil && problem.CodeOf(err) != problem.InvalidTransition {
				t.Errorf("%s to %s: got code %s, want %s", from, to, problem.CodeOf(err), problem.InvalidTransition)
			}
		}
	}
}

func TestFinalStatusesStayFinal(t *testing.T) {
	for _, s := range Statuses() {
		want := s != AwaitingConfirmation && s != Pending && s != Running
		if got := s.Final(); got != want {
			t.Errorf("%s: got final %v, want %v", s, got, want)
		}
	}
}

func TestClaimAndFinish(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := Execution{ID: "ex_1", Status: Pending, Rev: 1, DueAt: timestamp.Of(now)}
	claimed, err := e.claim("nonce", now, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if claimed.Status != Running || claimed.Nonce != "nonce" || claimed.Rev != 2 || !claimed.StartedAt.Equal(now) || !claimed.DueAt.Equal(now.Add(time.Minute)) {
		t.Errorf("got %+v", claimed)
	}
	if e.Status != Pending {
		t.Error("claim changed the execution that it was called on")
	}
	if _, err := claimed.claim("other", now, now); err == nil {
		t.Error("a running execution was claimed again")
	}
	zero := 0
	done, err := claimed.finish(outcome{Status: Completed, ExitCode: &zero}, now.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if done.Status != Completed || *done.ExitCode != 0 || done.Error != nil || !done.DueAt.IsZero() || done.Rev != 3 {
		t.Errorf("got %+v", done)
	}
	if _, err := done.finish(outcome{Status: StatusFailed}, now); err == nil {
		t.Error("a completed execution was finished again")
	}
	if _, err := claimed.finish(outcome{Status: Running}, now); err == nil {
		t.Error("finish accepted a status that is not final")
	}
}

func TestSecretsAreMasked(t *testing.T) {
	e := Execution{Parameters: `{"TOKEN":"hunter2","ZONE":"eu"}`, Secret: []string{"TOKEN", "UNSET"}}
	got := e.view(nil).Parameters
	if got["TOKEN"] != masked || got["ZONE"] != "eu" || len(got) != 2 {
		t.Errorf("got %v", got)
	}
	e.Status = Running
	done, err := e.finish(outcome{Status: Completed}, time.Now())
	if err != nil || strings.Contains(done.Parameters, "hunter2") || !strings.Contains(done.Parameters, `"eu"`) {
		t.Errorf("what is kept of a run that is over: got %s, %v", done.Parameters, err)
	}
}
