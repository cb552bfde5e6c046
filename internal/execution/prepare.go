package execution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/oklog/ulid/v2"

	"pagefree/internal/execution/target"
	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/token"
	"pagefree/internal/runbook"
)

// candidate is all that a dispatch decides on.
type candidate struct {
	execution Execution
	runbook   runbook.Runbook
	version   runbook.Version
	incident  *incident.Incident
	brakes    brakes
	slots     slots
	hour      hour
	secrets   *secret.Expected
}

// read reads it in one call, if everything is as the message remembers it.
func (d *Dispatcher) read(ctx context.Context, m Message) (candidate, error) {
	c := candidate{secrets: d.Secrets.Expect(m.TeamID, m.secretNames())}
	var found, hasIncident bool
	var inc incident.Incident
	expected := runbook.Expect(m.Version, m.Sequence)
	reads := append(expected.Reads(m.RunbookID),
		dynamo.Read{Key: key(m.ExecutionID), Out: &c.execution, Found: &found},
		dynamo.Read{Key: slotsKey(m.RunbookID, m.Slot), Out: &c.slots},
		dynamo.Read{Key: hourKey(m.RunbookID), Out: &c.hour})
	if m.IncidentID != "" {
		reads = append(reads, incident.Reading(m.IncidentID, &inc, &hasIncident))
	}
	reads = append(reads, c.secrets.Reads()...)
	if err := d.Store.Table.ReadAll(ctx, append(reads, c.brakes.reads(m.TeamID)...)...); err != nil {
		return candidate{}, err
	}
	if !found {
		return candidate{}, errors.New("it does not exist")
	}
	if own := c.execution.message(); own != m { // whoever sent it knew less
		return d.read(ctx, own)
	}
	if hasIncident {
		c.incident = &inc
	}
	if rb, ver, as := expected.Runnable(); as {
		c.runbook, c.version = rb, ver
		return c, nil
	}
	rb, ver, err := d.Runbooks.Runnable(ctx, c.execution.RunbookID)
	if err != nil && problem.CodeOf(err) != problem.NotFound { // a runbook that was removed breaks the seal
		return candidate{}, err
	}
	c.runbook, c.version = rb, ver
	return c, nil
}

// refusalOf is what the error of an execution says that may not run; "" for any other error.
func refusalOf(err error) string {
	if r, ok := errors.AsType[*target.Refused](err); ok {
		return r.Error()
	}
	return ""
}

// prepared is a job that may be sent, and the named target that it goes to, if any.
type prepared struct {
	job   target.Job
	named *runbook.NamedTarget
}

// prepare decides, right before a job is sent, whether it still may be, and
// makes it. One that may not is a *target.Refused.
func (d *Dispatcher) prepare(ctx context.Context, c candidate) (prepared, error) {
	p, err := d.underSeal(ctx, c)
	if errors.Is(err, runbook.ErrSealBroken) {
		e := c.execution
		slog.ErrorContext(ctx, "seal broken", "execution", e.ID, "runbook", e.RunbookID, "version", e.VersionUsed, "cause", err)
		log.Count(d.metrics(), d.Now(), "SealBroken", 1)
		return p, &target.Refused{Code: "seal_broken"}
	}
	if err != nil {
		return p, err
	}
	if _, can := d.Targets[p.job.Target.Type]; !can {
		return p, &target.Refused{Code: "target_unsupported"}
	}
	if names := p.job.Target.SecretNames(); len(names) > 0 {
		team := c.runbook.Team()
		if p.named != nil { // a global target has global secrets
			team = p.named.Team()
		}
		p.job.Secrets, err = c.secrets.Resolve(ctx, team, names)
		if missing, is := errors.AsType[*secret.MissingError](err); is {
			return p, &target.Refused{Code: "secret_missing", Reason: missing.Error()}
		}
		if err != nil {
			return p, err
		}
	}
	if p.job.Target.Type == runbook.Webhook {
		p.job.Callback.Token = token.New(token.Callback)
		p.job.Callback.URL, err = d.Callback(ctx, p.job.ExecutionID)
	}
	return p, err
}

// underSeal makes the job of an execution out of what was sealed. Its
// confirmation, its service and its values were right when it was triggered,
// and lay in the table since: they are held against the seal once more.
func (d *Dispatcher) underSeal(ctx context.Context, c candidate) (prepared, error) {
	e, ver := c.execution, c.version
	if err := runbook.CheckSeal(ctx, d.Seal, c.runbook, ver); err != nil {
		return prepared{}, err
	}
	if why, no := errors.AsType[*problem.Error](mayStillRun(c.runbook, ver, e)); no {
		return prepared{}, &target.Refused{Code: string(why.Code)}
	}
	if ver.RequiresConfirm && e.ConfirmedByID == nil {
		return prepared{}, fmt.Errorf("%w: nobody confirmed it", runbook.ErrSealBroken)
	}
	if err := e.withinCeiling(ver); err != nil {
		return prepared{}, err
	}
	if ver.ServiceID != nil && (c.incident == nil || c.incident.ServiceID != *ver.ServiceID) {
		return prepared{}, fmt.Errorf("%w: it is for another service", runbook.ErrSealBroken)
	}
	if err := c.withinSeal(); err != nil {
		return prepared{}, err
	}
	var values map[string]any
	if err := json.Unmarshal([]byte(e.Parameters), &values); err != nil {
		return prepared{}, fmt.Errorf("%w: its values are no JSON", runbook.ErrSealBroken)
	}
	if err := e.reveal(ctx, d.Hidden, values); err != nil {
		return prepared{}, err
	}
	env, err := runbook.Environment(ver.Parameters, values)
	if err != nil {
		return prepared{}, err
	}
	p := prepared{job: target.Job{
		ExecutionID: e.ID, Attempt: e.Attempt, Nonce: ulid.Make().String(), Depth: e.Depth,
		Runbook:  target.Runbook{ID: c.runbook.ID, Name: c.runbook.Name, Version: ver.Version},
		Incident: c.incident, Language: ver.Language, Script: ver.ScriptContent, Values: values, Env: env,
		Confidential: confidential(ver.Parameters, env),
		Timeout:      time.Duration(ver.TimeoutSeconds) * time.Second, Target: ver.Target, Document: ver.Document,
	}}
	if ver.Target.Type != runbook.Named {
		return p, nil
	}
	named, err := d.Runbooks.NamedTarget(ctx, ver.Target.TargetID)
	if err != nil {
		return p, err
	}
	p.job.Target, err = runbook.CheckTarget(ctx, d.Seal, named, c.runbook.Team())
	if problem.CodeOf(err) == runbook.NotApproved {
		err = &target.Refused{Code: string(runbook.NotApproved), Reason: "nobody approved the target that it names"}
	}
	p.named = &named
	return p, err
}

func (d *Dispatcher) metrics() io.Writer {
	if d.Metrics == nil {
		return os.Stdout
	}
	return d.Metrics
}
