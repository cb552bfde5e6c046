package execution

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/runbook"
)

// Confirm lets a waiting execution run. Only a person confirms; whether the
// version may still run is checked again, and repeated in the write.
func (s *Service) Confirm(ctx context.Context, id string) (View, error) {
	e, err := s.find(ctx, id)
	if err != nil {
		return View{}, err
	}
	who, err := principal.RequirePerson(ctx, e.TeamID, principal.Responder)
	if err != nil {
		return View{}, err
	}
	now := s.Now()
	if _, err := advance(e, confirmed{by: who.ID}, now); err != nil {
		return View{}, err
	}
	if !now.Before(e.CreatedAt.Add(ConfirmWithin)) {
		return s.cancelled(ctx, e, tooLate, problem.Transition("confirm", "too old"))
	}
	rb, ver, err := s.Runbooks.Runnable(ctx, e.RunbookID)
	if err != nil {
		return View{}, err
	}
	if why, ok := errors.AsType[*problem.Error](mayStillRun(rb, ver, e)); ok {
		return s.cancelled(ctx, e, stopped{reason: why.Detail}, problem.New(http.StatusConflict, runbook.NotApproved, "%s", why.Detail))
	}
	is, err := s.step(ctx, e, confirmed{by: who.ID}, told{"execution.confirmed", map[string]any{}}, s.Runbooks.StillRuns(rb))
	if err != nil {
		return View{}, lostRace(err)
	}
	s.enqueue(ctx, is, 0)
	return is.view(&Output{}), nil
}

// Cancel ends an execution that has not started. One that runs is asked to
// stop where its target can do that; cannot tells that it cannot, or not now.
// Either way how it really ended is what will be recorded.
func (s *Service) Cancel(ctx context.Context, id string) (v View, cannot bool, err error) {
	for try := 1; ; try++ { // it may begin or end at the very moment
		v, cannot, err = s.cancel(ctx, id)
		if !errors.Is(err, problem.Lost(nil)) || try == races || !pause(ctx, try) {
			return v, cannot, err
		}
	}
}

func (s *Service) cancel(ctx context.Context, id string) (v View, cannot bool, err error) {
	e, err := s.find(ctx, id)
	if err != nil {
		return View{}, false, err
	}
	who, err := principal.Require(ctx, e.TeamID, principal.Responder)
	if err != nil {
		return View{}, false, err
	}
	if e.Status.Final() {
		return View{}, false, problem.Transition("cancel", string(e.Status))
	}
	if e.Status != Running {
		v, err = s.cancelled(ctx, e, stopped{reason: "Cancelled by a responder."}, nil)
		return v, false, err
	}
	if e.CancelRequestedAt == nil {
		if e, err = s.step(ctx, e, stopped{by: who.ID}, told{"execution.cancel_requested", map[string]any{"attempt": e.Attempt}}); err != nil {
			return View{}, false, lostRace(err)
		}
	}
	t, can := s.Trackers[e.Target.Type]
	if can && e.attempt().Ref != "" { // else its dispatcher passes it on
		if err := t.Cancel(ctx, e.sent()); err != nil { // it is on record, and the watchdog asks again
			slog.WarnContext(ctx, "not cancelled yet", "execution", e.ID, "error", err)
			can = false
		}
	}
	out, err := s.Store.Output(ctx, e.ID, e.Attempt)
	return e.view(&out), !can, err
}

// tooLate is that nobody confirmed an execution in time.
var tooLate = stopped{reason: "The confirmation did not come in time.", expired: true}

// cancelled ends e, which does not run, then returns it, or why it had to end.
func (s *Service) cancelled(ctx context.Context, e Execution, stop stopped, why error) (View, error) {
	is, err := s.step(ctx, e, stop, told{toldAs[Cancelled], map[string]any{"reason": stop.reason}})
	if err != nil {
		return View{}, lostRace(err)
	}
	return is.view(&Output{}), why
}

// lostRace tells whoever lost a race so.
func lostRace(err error) error {
	if _, lost := dynamo.Failed(err); lost {
		return problem.Lost(err)
	}
	return err
}

// mayStillRun reports why the version of an execution may no longer run, or nil.
func mayStillRun(rb runbook.Runbook, ver runbook.Version, e Execution) error {
	if err := rb.MayRun(); err != nil {
		return err
	}
	if ver.Version != e.VersionUsed {
		return problem.New(http.StatusConflict, runbook.NotApproved, "Version %d is no longer the approved one.", e.VersionUsed)
	}
	return nil
}
