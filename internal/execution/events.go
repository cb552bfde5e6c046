package execution

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/text"
	"pagefree/internal/runbook"
)

// events are what workflows and notifications learn of a step: that an
// execution ended, if a workflow waits for it or it did not complete. That
// nobody confirmed it in time has an event of its own, beside the end that a
// workflow waits for.
func (w write) events(ctx context.Context, now time.Time) []outbox.Event {
	e := w.is
	if !e.Status.Final() || w.was.Status.Final() {
		return nil
	}
	var events []outbox.Event
	if w.expired {
		events = append(events, e.event(ctx, outbox.ExecutionExpired, now))
	}
	if e.RunID != "" || e.Status != Completed && !w.expired {
		end := e.event(ctx, outbox.ExecutionEnded, now)
		if w.expired {
			end.Detail["expired"] = "true"
		}
		events = append(events, end)
	}
	return events
}

// codes are what errors of ours begin with, as they are told. Receivers of
// webhooks write errors too, in words of their own, which may hold anything.
var codes = []string{
	"address_forbidden", "agent_too_old", "cancelled", "document_differs", "document_missing", "header_forbidden", "no_nodes",
	"node_unknown", "node_unsupported", "not_approved", "not_dispatched", "not_sent", "parameter_invalid", "preset_unknown",
	"rate_exceeded", "runbook_archived", "sandbox_refused", "seal_broken", "secret_invalid", "secret_missing", "ssm_refused",
	"target_unsupported", "timeout", "too_many_nodes", "unknown",
}

func codeOf(failure *string) string {
	if failure == nil {
		return ""
	}
	code, _, _ := strings.Cut(*failure, ":")
	if _, known := slices.BinarySearch(codes, code); !known {
		return ""
	}
	return code
}

var httpStatus = text.Pattern(`^http [0-9]{3}`)

// Told is why an execution did not work, in words of ours alone: of a webhook,
// whose receiver may have written the error, its code, status or exit code. It
// is what mails and others may say who are not told what a script wrote.
func (e Execution) Told() string {
	switch code := codeOf(e.Error); {
	case e.Error == nil:
		return ""
	case e.Target.Type != runbook.Webhook:
		return *e.Error
	case code != "":
		return code
	case e.ExitCode != nil:
		return fmt.Sprintf("exit code %d", *e.ExitCode)
	case httpStatus().MatchString(*e.Error):
		return httpStatus().FindString(*e.Error)
	}
	return "the receiver reported a failure"
}

// event is what is told of an execution: neither output nor parameters, and of
// an error its code alone, since receivers of webhooks write errors too.
func (e Execution) event(ctx context.Context, kind string, now time.Time) outbox.Event {
	v := outbox.New(kind, e.ID, e.TeamID, now)
	if who, is := principal.From(ctx); is {
		v.ActorID = who.ID
	}
	v.Unattended, v.Depth = e.Unattended, e.Depth
	v.Detail = map[string]string{
		"status": string(e.Status), "runbookId": e.RunbookID, "runbookName": e.RunbookName,
		"triggeredBy": e.TriggeredBy, "triggeredById": e.TriggeredByID,
	}
	set := func(name, value string) {
		if value != "" {
			v.Detail[name] = value
		}
	}
	set("runId", e.RunID)
	set("stepId", e.StepID)
	if e.IncidentID != nil {
		set("incidentId", *e.IncidentID)
	}
	if e.Reason != nil {
		set("reason", *e.Reason)
	}
	set("error", codeOf(e.Error))
	if e.ExitCode != nil {
		set("exitCode", strconv.Itoa(*e.ExitCode))
	}
	return v
}
