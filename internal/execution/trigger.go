package execution

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"pagefree/internal/incident"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/runbook"
)

// maxValues bounds the JSON of an execution's values, in bytes, templates
// filled: DynamoDB keeps items of up to 400 KB.
const maxValues = 256 << 10

// Request is what a caller asks to run.
type Request struct {
	RunbookID      string
	IncidentID     *string
	Parameters     map[string]any
	IdempotencyKey string
}

// plan is a request that passed every check: what would run, exactly.
type plan struct {
	runbook  runbook.Runbook
	version  runbook.Version
	incident *incident.Incident
	brakes   brakes
	teamID   string
	values   map[string]any
	encoded  string // values, as JSON
	who      principal.Principal
	step     *Step // of the workflow that asks for it; nil for everybody else
}

// prepare authorizes a request and resolves it. Trigger and Preview share it,
// so that a preview shows what a trigger does.
func (s *Service) prepare(ctx context.Context, req Request) (plan, error) {
	p, err := s.admit(ctx, req)
	if err != nil {
		return plan{}, err
	}
	if p.values, err = runbook.Values(p.version.Parameters, req.Parameters, s.resolver(ctx, p.runbook, p.incident)); err != nil {
		return plan{}, err
	}
	if p.encoded, err = encode(p.values); err == nil && len(p.encoded) > maxValues {
		err = problem.New(http.StatusUnprocessableEntity, runbook.ParameterInvalid, "The values are larger than 256 KiB together.")
	}
	return p, err
}

// admit authorizes a request and reads what it is about; its values are not looked at.
func (s *Service) admit(ctx context.Context, req Request) (plan, error) {
	who, err := principal.Authenticated(ctx)
	if err != nil {
		return plan{}, err
	}
	rb, err := s.Runbooks.Runbook(ctx, req.RunbookID)
	if err != nil {
		return plan{}, err
	}
	if _, err := principal.Require(ctx, rb.Team(), principal.Responder); err != nil {
		return plan{}, err
	}
	p := plan{runbook: rb, who: who, teamID: rb.Team()}
	if p.teamID == "" {
		p.teamID = onlyTeam(who)
	}
	if err := s.read(ctx, &p, req.IncidentID); err != nil {
		return plan{}, err
	}
	if err := rb.MayRun(); err != nil {
		return plan{}, err
	}
	if ver := p.version; ver.ServiceID != nil && (p.incident == nil || p.incident.ServiceID != *ver.ServiceID) {
		return plan{}, problem.New(http.StatusConflict, "service_mismatch", "This runbook runs only for incidents of its service.")
	}
	return p, nil
}

// read reads what else a plan needs in one call: the version, the pauses and
// the incident, which must be of the runbook's team and one that the caller may
// respond to. Nothing of it is told before that is certain.
func (s *Service) read(ctx context.Context, p *plan, incidentID *string) error {
	reads := append(runbook.Reading(p.runbook, &p.version), p.brakes.reads(p.teamID)...)
	var inc incident.Incident
	var found bool
	if incidentID != nil {
		if !id.Valid(id.Incident, *incidentID) {
			return problem.Missing()
		}
		reads = append(reads, incident.Reading(*incidentID, &inc, &found))
	}
	if err := s.Store.Table.ReadAll(ctx, reads...); err != nil || incidentID == nil {
		return err
	}
	if !found {
		return problem.Missing()
	}
	if _, err := principal.Require(ctx, inc.TeamID, principal.Responder); err != nil {
		return err
	}
	if team := p.runbook.Team(); team != "" && team != inc.TeamID {
		return problem.InvalidField("body.incidentId", "the incident belongs to another team than the runbook")
	}
	p.incident = &inc
	if p.teamID == inc.TeamID {
		return nil
	}
	// A global runbook runs for the incident's team, whose pause was not known to matter.
	p.teamID, p.brakes = inc.TeamID, brakes{}
	return s.Store.Table.ReadAll(ctx, p.brakes.reads(p.teamID)...)
}

// onlyTeam is the one team in which the caller may run things, or "" if there are several.
func onlyTeam(who principal.Principal) string {
	only := ""
	for team, role := range who.Teams {
		if role.AtLeast(principal.Responder) {
			if only != "" {
				return ""
			}
			only = team
		}
	}
	return only
}

// Preview shows what Trigger would run, and runs nothing.
func (s *Service) Preview(ctx context.Context, req Request) (Preview, error) {
	p, err := s.prepare(ctx, req)
	if err != nil {
		return Preview{}, err
	}
	e := p.execution(s.Now())
	v := Preview{
		Parameters: e.view(nil).Parameters, Script: p.version.ScriptContent, Target: p.version.Target, Version: p.version.Version,
		Warnings: p.runbook.Warnings(), deprecation: p.runbook.Deprecation(),
	}
	if v.Target.Type == runbook.Named {
		named, err := s.Runbooks.NamedTarget(ctx, v.Target.TargetID)
		if err != nil {
			return Preview{}, err
		}
		if v.Target, err = named.Serves(p.runbook.Team()); err != nil {
			return Preview{}, err
		}
	}
	if v.Target.Type == runbook.SSM && s.Nodes != nil {
		v.Nodes, err = s.Nodes.Nodes(ctx, v.Target)
	}
	return v, err
}

// Trigger starts the approved version of a runbook. replayed tells that the
// idempotency key was used for the very same request before, and nothing was started.
func (s *Service) Trigger(ctx context.Context, req Request) (v View, replayed bool, err error) {
	keyHash := hashKey(req.IdempotencyKey)
	bodyHash, err := s.fingerprint(ctx, req)
	if err != nil {
		return View{}, false, err
	}
	if v, replayed, err = s.replay(ctx, keyHash, bodyHash); err != nil || replayed {
		return v, replayed, err
	}
	p, err := s.prepare(ctx, req)
	if err != nil {
		return View{}, false, err
	}
	if err := p.brakes.paused(); err != nil {
		return View{}, false, err
	}
	now := s.Now()
	e, ops, err := s.begin(ctx, p, now)
	if err != nil {
		return View{}, false, err
	}
	if keyHash != "" {
		ops = append(ops, s.Store.remember(p.who.ID, keyHash, bodyHash, e.ID, now))
	}
	if err := s.Store.commit(ctx, ops...); err != nil {
		if _, lost := dynamo.Failed(err); lost { // the same key came twice at once: the other one is the execution
			if v, replayed, rerr := s.replay(ctx, keyHash, bodyHash); rerr != nil || replayed {
				return v, replayed, rerr
			}
			return View{}, false, problem.Lost(err)
		}
		return View{}, false, err
	}
	s.Hurry(ctx, e)
	v = e.view(&Output{})
	v.Warnings, v.deprecation = p.runbook.Warnings(), p.runbook.Deprecation()
	return v, false, nil
}

// begin makes the execution of a plan, and all of its writes.
func (s *Service) begin(ctx context.Context, p plan, now time.Time) (Execution, []dynamo.Op, error) {
	e, err := p.execution(now).hide(ctx, s.Hidden, p.values)
	if err != nil {
		return Execution{}, nil, err
	}
	ops := append(s.Journal.tell(ctx, e, now, "execution.triggered", map[string]any{"runbookId": e.RunbookID, "version": e.VersionUsed}),
		s.Store.create(e), due.Put(s.Store.Table, dueItem(e)))
	if e.Status == AwaitingConfirmation {
		ops = append(ops, outbox.Put(s.Store.Table, e.event(ctx, outbox.ExecutionWaits, now)))
	}
	return e, ops, nil
}

// Hurry sends an execution that was committed to the dispatcher. One that waits
// for its confirmation, or whose message is lost, needs nothing.
func (s *Service) Hurry(ctx context.Context, e Execution) {
	if e.Status == Pending {
		s.enqueue(ctx, e, 0)
	}
}

func (p plan) execution(now time.Time) Execution {
	e := Execution{
		ID: id.New(id.Execution, now), RunbookID: p.runbook.ID, RunbookName: p.runbook.Name, VersionUsed: p.version.Version, Sequence: p.runbook.Sequence,
		TeamID: p.teamID, TriggeredBy: ByPerson, TriggeredByID: p.who.ID, Status: Pending, Parameters: p.encoded,
		Target: p.version.Target, Timeout: p.version.TimeoutSeconds, Attempt: 1, MaxAttempts: 1 + p.version.MaxRetries,
		CreatedAt: timestamp.Of(now), DueAt: timestamp.Of(now.Add(requeueAfter)), Rev: 1,
	}
	if p.who.Kind == principal.APIKey {
		e.TriggeredBy = ByAPI
	}
	if p.step != nil {
		e.TriggeredBy, e.RunID, e.StepID, e.Unattended, e.Depth = ByWorkflow, p.step.RunID, p.step.StepID, p.step.Unattended, p.step.Depth
	}
	if p.incident != nil {
		e.IncidentID, e.ServiceID = &p.incident.ID, p.incident.ServiceID
	}
	if reason := p.waits(); reason != "" {
		e.Status, e.Reason, e.DueAt = AwaitingConfirmation, &reason, timestamp.Of(now.Add(ConfirmWithin))
	}
	for _, param := range p.version.Parameters {
		if _, set := p.values[param.Name]; set && param.Secret {
			e.Secret = append(e.Secret, param.Name)
		}
	}
	e.External = p.external()
	return e
}

// replay finds the execution that the same key of the same principal made.
func (s *Service) replay(ctx context.Context, keyHash, bodyHash string) (View, bool, error) {
	if keyHash == "" {
		return View{}, false, nil
	}
	who, err := principal.Authenticated(ctx)
	if err != nil {
		return View{}, false, err
	}
	r, found, err := s.Store.Replay(ctx, who.ID, keyHash, s.Now())
	if err != nil || !found {
		return View{}, false, err
	}
	if r.BodyHash != bodyHash {
		return View{}, false, problem.New(http.StatusUnprocessableEntity, "idempotency_mismatch", "This Idempotency-Key was used for another request.")
	}
	v, err := s.Execution(ctx, r.ExecutionID)
	if errors.Is(err, problem.Missing()) { // the key outlived its execution, or a right was lost
		return View{}, false, err
	}
	return v, true, err
}

func hashKey(idempotencyKey string) string {
	if idempotencyKey == "" {
		return ""
	}
	return hash([]byte(idempotencyKey))
}

// fingerprint identifies a request that has an idempotency key: maps are
// encoded with sorted keys. It is keyed, since a body may hold a secret that is
// short enough to be guessed from a plain hash of it.
func (s *Service) fingerprint(ctx context.Context, req Request) (string, error) {
	if req.IdempotencyKey == "" {
		return "", nil
	}
	req.IdempotencyKey = ""
	raw, err := json.Marshal(req)
	if err != nil {
		return "", err
	}
	keyed, err := s.Cursors.Seal(ctx, hash(raw), "idempotency")
	if err != nil {
		return "", err
	}
	return *keyed, nil
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
