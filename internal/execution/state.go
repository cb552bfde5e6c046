package execution

import (
	"net/http"
	"slices"
	"time"

	"pagefree/internal/execution/target"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/runbook"
)

// Status is where an execution is in its life:
//
//	AWAITING_CONFIRMATION ──confirmed──▶ PENDING ──claimed──▶ RUNNING ──ended──▶ COMPLETED
//	          │                          ▲  │  ▲                 │ │  ├────────▶ FAILED
//	          │ stopped: cancelled,      │  │  └──ended, and ────┘ │  ├────────▶ TIMEOUT
//	          │ 15 min, not approved     │  │     tried again      │  ├────────▶ CANCELLED
//	          ▼                          │  │                      │  └────────▶ UNKNOWN
//	      CANCELLED ◀──stopped───────────┼──┤                      │
//	                                     │  └──refused──▶ FAILED   └─accepted, stopped: it goes on
//	                                     └─ postponed: it waits on
//
// COMPLETED, FAILED, TIMEOUT, CANCELLED and UNKNOWN are final. UNKNOWN means
// that the script may have run and nobody can tell how it ended. A RUNNING one
// that somebody stopped goes on until its target says how it ended.
type Status string

// The statuses of the HTTP contract.
const (
	AwaitingConfirmation Status = "AWAITING_CONFIRMATION"
	Pending              Status = "PENDING"
	Running              Status = "RUNNING"
	Completed            Status = "COMPLETED"
	StatusFailed         Status = "FAILED"
	Timeout              Status = "TIMEOUT"
	Cancelled            Status = "CANCELLED"
	Unknown              Status = "UNKNOWN"
)

var next = map[Status][]Status{
	AwaitingConfirmation: {AwaitingConfirmation, Pending, Cancelled},
	Pending:              {Pending, Running, Cancelled, StatusFailed},
	Running:              {Running, Pending, Completed, StatusFailed, Timeout, Cancelled, Unknown},
}

// Final reports whether nothing follows the status.
func (s Status) Final() bool { return len(next[s]) == 0 }

// allow returns nil when an execution may go from one status to another.
func allow(from, to Status) error {
	if slices.Contains(next[from], to) {
		return nil
	}
	return problem.New(http.StatusConflict, problem.InvalidTransition, "An execution that is %s cannot become %s.", from, to)
}

// What happens to an execution. advance says what becomes of it.
type (
	// confirmed: a person let it run.
	confirmed struct{ by string }
	// claimed: a dispatcher took it, under a nonce that only it knows.
	claimed struct {
		nonce    string
		callback string // hash of the token by which a webhook's receiver reports
		document *runbook.Document
		target   runbook.Target // what a named target stands for now
		until    time.Time      // when others may ask what became of the claim
	}
	// accepted: its target took it, and goes on by itself.
	accepted struct {
		ref  string
		look time.Time // when to ask what became of it
	}
	// ended: an attempt is over. again is how long to wait before the next one.
	ended struct {
		report target.Report
		unsent bool // nothing of it ever left: the same attempt may be sent again
		fatal  bool // no further try would do better
		again  time.Duration
	}
	// refused: it may not run, or never will.
	refused struct{ why string }
	// stopped: somebody, or time, does not want it to run.
	stopped struct {
		by, reason string
		expired    bool // nobody confirmed it in time
	}
	// postponed: it waits on, for a slot or because it is asked after again.
	postponed struct {
		until   time.Time
		waiting bool // for a slot
		counts  bool // as a try of a dispatcher that did nothing
	}
)

// maxUnsent is how often an attempt whose request never left is sent again.
const maxUnsent = 3

// advance is the whole state machine: what an execution is after something
// happened to it at now, or why that cannot happen to it.
func advance(e Execution, event any, now time.Time) (Execution, error) {
	to, err := destination(e, event)
	if err != nil {
		return Execution{}, err
	}
	if err := allow(e.Status, to); err != nil {
		return Execution{}, err
	}
	was := e.Status
	e.Status, e.Rev = to, e.Rev+1
	e.Attempts = slices.Clone(e.Attempts)
	switch v := event.(type) {
	case confirmed:
		e.ConfirmedByID, e.Reason, e.DueAt = &v.by, nil, timestamp.Of(now.Add(requeueAfter))
	case claimed:
		e = e.claim(v, now)
	case accepted:
		a := e.attempt()
		a.Accepted, a.Ref, e.DueAt = true, v.ref, timestamp.Of(v.look)
	case ended:
		e = e.end(v, now)
	case refused:
		e.Error = &v.why
	case stopped:
		if was == Running {
			e.CancelRequestedAt, e.CancelledByID = timestamp.Ptr(now), &v.by
			break
		}
		e.Reason = &v.reason
	case postponed: // in whichever state it waits
		e.DueAt, e.Waiting = timestamp.Of(v.until), e.Waiting || v.waiting
		if v.counts {
			e.Requeued++
		}
	}
	if to != Running {
		e.Nonce, e.Slot = "", ""
	}
	if to == Running || to.Final() {
		e.Waiting = false
	}
	if to.Final() {
		e.CompletedAt, e.DueAt = timestamp.Ptr(now), timestamp.Time{}
		e.Parameters, e.Hidden = e.withoutSecrets(), nil // nobody needs them any more
	}
	return e, nil
}

// destination is the status that an event leads to.
func destination(e Execution, event any) (Status, error) {
	switch v := event.(type) {
	case confirmed:
		if e.Status != AwaitingConfirmation {
			return "", problem.Transition("confirm", string(e.Status))
		}
		return Pending, nil
	case claimed:
		if e.Status == Running {
			return "", problem.Transition("claim", string(e.Status))
		}
		return Running, nil
	case accepted:
		if e.Status != Running {
			return "", problem.Transition("go on with", string(e.Status))
		}
		return Running, nil
	case ended:
		if e.Status != Running {
			return "", problem.Transition("end", string(e.Status))
		}
		if e.triesAgain(v) {
			return Pending, nil
		}
		return Status(v.report.State), nil
	case refused:
		if e.Status != Pending {
			return "", problem.Transition("refuse", string(e.Status))
		}
		return StatusFailed, nil
	case stopped:
		if e.Status == Running {
			return Running, nil
		}
		return Cancelled, nil
	}
	return e.Status, nil
}

// triesAgain decides whether an attempt that ended is followed by another.
// What may have run is repeated only if the runbook is declared idempotent,
// which is when it has more than one attempt; what never left always may.
func (e Execution) triesAgain(v ended) bool {
	if e.CancelRequestedAt != nil || v.fatal {
		return false
	}
	if v.unsent {
		return e.Unsent < maxUnsent
	}
	return (v.report.State == target.Failed || v.report.State == target.Unknown) && e.Attempt < e.MaxAttempts
}

// backoff is how long to wait before attempt or sending n+1, n from 1: up to
// 2, 4, 8 ... seconds and 30 at most, of which random in [0,1) takes off half.
func backoff(n int, random float64) time.Duration {
	longest := min(time.Second<<min(n, 5), 30*time.Second)
	return longest - time.Duration(random*float64(longest/2))
}

func (e Execution) claim(v claimed, now time.Time) Execution {
	e.Nonce, e.DueAt, e.Requeued = v.nonce, timestamp.Of(v.until), 0
	e.Slot = e.slot()
	if e.StartedAt == nil {
		e.StartedAt = timestamp.Ptr(now)
	}
	e.Target = v.target
	e.Attempts = append(e.Attempts, Attempt{
		Attempt: e.Attempt, Status: Running, StartedAt: timestamp.Of(now), Callback: v.callback, Document: v.document,
	})
	return e
}

func (e Execution) end(v ended, now time.Time) Execution {
	a, why := e.attempt(), v.report.Error
	a.Status, a.EndedAt, a.ExitCode, a.Sent = Status(v.report.State), timestamp.Ptr(now), v.report.ExitCode, !v.unsent
	if why != "" {
		a.Error = &why
	}
	if v.report.Ref != "" {
		a.Ref = v.report.Ref
	}
	e.ExitCode, e.Invocations, e.Error = v.report.ExitCode, v.report.Invocations, a.Error
	if e.Status != Pending {
		return e
	}
	if v.unsent {
		e.Unsent++
	} else {
		e.Attempt, e.Unsent = e.Attempt+1, 0
	}
	e.ExitCode, e.Error, e.DueAt = nil, nil, timestamp.Of(now.Add(v.again+requeueAfter))
	return e
}
