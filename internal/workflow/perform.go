package workflow

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"pagefree/internal/audit"
	"pagefree/internal/execution"
	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/teams"
	"pagefree/internal/platform/template"
	"pagefree/internal/platform/text"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/runbook"
)

// What is kept of a step, in bytes: fifty steps have to fit into an item of 400 KB.
const (
	maxStdout = 4 << 10
	maxInput  = 2 << 10 // of each long text, or of all values together
	maxWhy    = 500
)

func clip(s string, limit int) (string, bool) { return text.Clip([]byte(s), false, limit) }

// perform does the step that a run has come to, after those whose condition
// does not hold were skipped.
func (e *Engine) perform(ctx context.Context, was Run, d Definition, n int, now time.Time) (bool, error) {
	w, err := survey(ctx, e.Store.Table, e.Incidents, was.IncidentID, now)
	if err != nil {
		return false, err
	}
	is := was.next()
	if w.incident.ID == "" {
		is = is.leave(n, Stop, Failed, nil, "The incident does not exist any more.", now)
		return true, e.commit(ctx, was, is, now)
	}
	for ; n >= 0 && is.Status == Running; n = is.current() {
		runs, known, err := e.named(ctx, d.Steps[n])
		if err != nil {
			return false, err
		}
		scope := w.fill(d.Steps, n, is.Steps, runs)
		if d.Steps[n].wanted(scope) {
			return e.do(ctx, step{Step: d.Steps[n], n: n, was: was, is: is, scope: scope, world: w, known: known, now: now})
		}
		is = is.leave(n, d.Steps[n].OnFailure, Skipped, nil, "", now)
	}
	return true, e.commit(ctx, was, is, now)
}

// wanted reports whether a step's condition holds.
func (s Step) wanted(scope template.Scope) bool {
	if s.If == "" {
		return true
	}
	c, err := parseCondition(s.If)
	return err == nil && c.holds(scope)
}

// survey reads what the templates of a run for an incident may name.
func survey(ctx context.Context, t dynamo.Table, incidents incident.Store, incidentID string, now time.Time) (world, error) {
	w := world{now: now}
	inc, found, err := incidents.Incident(ctx, incidentID)
	if err != nil || !found {
		return w, err
	}
	w.incident = inc
	on, found, err := incidents.Service(ctx, inc.ServiceID)
	if err != nil {
		return w, err
	}
	if found {
		w.service = &on
	}
	w.team, _, err = teams.Name(ctx, t, inc.TeamID)
	return w, err
}

// named is the runbook that a step names, for its templates and to know what to
// hide of its parameters; nil where there is none.
func (e *Engine) named(ctx context.Context, s Step) (*runbook.Runbook, *runbook.Version, error) {
	return readRunbook(ctx, e.Runbooks, s)
}

func readRunbook(ctx context.Context, store runbook.Store, s Step) (*runbook.Runbook, *runbook.Version, error) {
	if s.Type != Runbook {
		return nil, nil, nil
	}
	rb, version, err := store.Runnable(ctx, s.RunbookID)
	if errors.Is(err, problem.Missing()) {
		return nil, nil, nil
	}
	return &rb, &version, err
}

// step is one that is about to be done.
type step struct {
	Step
	n       int
	was, is Run
	scope   template.Scope
	world   world
	known   *runbook.Version
	now     time.Time
}

// fill fills a template. What has no value here is an error that names it.
func (s step) fill(t string) (string, error) {
	parsed, err := template.Parse(t)
	if err != nil {
		return "", err
	}
	return parsed.Resolve(s.scope)
}

// failed ends the step, or is the error of a write that may be tried again.
func (e *Engine) failed(ctx context.Context, s step, why string) (bool, error) {
	return true, e.commit(ctx, s.was, s.is.leave(s.n, s.OnFailure, Failed, nil, why, s.now), s.now)
}

// completed ends the step with the writes that it is.
func (e *Engine) completed(ctx context.Context, s step, output map[string]any, ops ...dynamo.Op) (bool, error) {
	return true, e.commit(ctx, s.was, s.is.leave(s.n, s.OnFailure, Completed, output, "", s.now), s.now, ops...)
}

const unresolved = "template_unresolved: "

func (e *Engine) do(ctx context.Context, s step) (bool, error) {
	switch s.Type {
	case Runbook:
		return e.doRunbook(ctx, s)
	case Webhook:
		return e.doWebhook(ctx, s)
	case Notify:
		return e.doNotify(ctx, s)
	case Wait:
		s.is = s.is.enter(s.n, Waiting, map[string]any{"seconds": s.Seconds}, s.now)
		s.is.Steps[s.n].Until = timestamp.Ptr(s.now.Add(time.Duration(s.Seconds) * time.Second))
		if err := e.commit(ctx, s.was, s.is, s.now); err != nil {
			return false, err
		}
		e.punctual(ctx, s.is, s.now)
		return false, nil
	case Resolve:
		return e.doResolve(ctx, s)
	case Note:
		return e.doNote(ctx, s)
	}
	return e.failed(ctx, s, "There is no such step: "+s.Type)
}

// doRunbook starts an execution, and parks the run until it is over.
func (e *Engine) doRunbook(ctx context.Context, s step) (bool, error) {
	values, err := s.values()
	if err != nil {
		return e.failed(ctx, s, unresolved+err.Error())
	}
	s.is = s.is.enter(s.n, Waiting, map[string]any{"runbookId": s.RunbookID, "parameters": shown(s, values, maxInput)}, s.now)
	ex, ops, err := e.Executions.Start(ctx, execution.Step{
		RunID: s.is.ID, StepID: s.ID, TeamID: s.is.TeamID, RunbookID: s.RunbookID, IncidentID: s.is.IncidentID,
		Parameters: values, Unattended: s.is.Unattended, Depth: s.is.Depth, External: s.external(),
	})
	if why, is := refused(err); is {
		return e.failed(ctx, s, why)
	}
	if err != nil {
		return false, err
	}
	s.is.Steps[s.n].ExecutionID = &ex.ID
	if err := e.commit(ctx, s.was, s.is, s.now, ops...); err != nil {
		return false, err
	}
	e.Executions.Hurry(ctx, ex)
	if s.is.Deadline.Before(s.now.Add(look)) { // else it is looked at meanwhile
		e.punctual(ctx, s.is, s.now)
	}
	return false, nil
}

// refused is the refusal that an error of the executions is, and whether it is
// one: of any other, or of a lost race, something may come yet.
func refused(err error) (string, bool) {
	why, is := errors.AsType[*problem.Error](err)
	if !is || why.Status >= 500 || why.Code == problem.Conflict {
		return "", false
	}
	return refusal(why), true
}

// refusal is why an execution may not start, in words that begin with the code.
func refusal(why *problem.Error) string {
	if why.Code == problem.NotFound {
		return "not_found: There is no such runbook that the team may run."
	}
	said := string(why.Code) + ": " + why.Detail
	for _, f := range why.Fields {
		if !strings.Contains(said, f.Message) {
			said += " " + f.Location + ": " + f.Message + "."
		}
	}
	return said
}

// values are the parameters of a runbook step as texts.
func (s step) values() (map[string]string, error) {
	values := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(s.Parameters)) {
		switch v := s.Parameters[name].(type) {
		case string:
			filled, err := s.fill(v)
			if err != nil {
				return nil, errors.New(name + ": " + err.Error())
			}
			values[name] = filled
		case bool:
			values[name] = strconv.FormatBool(v)
		case float64:
			values[name] = strconv.FormatFloat(v, 'f', -1, 64)
		}
	}
	return values, nil
}

// external tells whether a parameter quotes what no member of the team wrote: an
// incident that came from outside, or what a webhook was answered.
func (s step) external() bool {
	from := func(path string) bool {
		if rest, is := strings.CutPrefix(path, "incident."); is {
			return s.world.incident.Source.External && (rest == "title" || rest == "description" || strings.HasPrefix(rest, "labels."))
		}
		rest, is := strings.CutSuffix(strings.TrimPrefix(path, "steps."), ".stdout")
		return is && slices.ContainsFunc(s.is.Steps, func(r StepRun) bool { return r.ID == rest && r.Type == Webhook })
	}
	for _, v := range s.Parameters {
		text, _ := v.(string)
		if t, err := template.Parse(text); err == nil && slices.ContainsFunc(t.Paths(), from) {
			return true
		}
	}
	return false
}

// masked is what stands for the value of a secret parameter.
const masked = "***"

// shown are values as people may see them: without secrets, which the runbook
// declares, and texts cut to limit bytes together, names included. Of a runbook
// whose declaration cannot be read all are secret.
func shown[V any](s step, values map[string]V, limit int) map[string]any {
	seen, left := map[string]any{}, limit
	for name := range values {
		left -= len(name)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		hide := s.known == nil || s.known.Version == 0
		if !hide {
			hide = slices.ContainsFunc(s.known.Parameters, func(p runbook.Parameter) bool { return p.Name == name && p.Secret })
		}
		if hide {
			seen[name] = masked
			continue
		}
		seen[name] = values[name]
		if text, is := seen[name].(string); is {
			text, _ = clip(text, max(left, 0))
			left -= len(text)
			seen[name] = text
		}
	}
	return seen
}

// doNotify hands a message to whoever mails.
func (e *Engine) doNotify(ctx context.Context, s step) (bool, error) {
	subject, message, err := s.words()
	if err != nil {
		return e.failed(ctx, s, unresolved+err.Error())
	}
	seen, _ := clip(message, maxInput)
	s.is = s.is.enter(s.n, Running, map[string]any{"to": s.To, "subject": subject, "message": seen}, s.now)
	ev := outbox.New(outbox.WorkflowNotify, s.is.ID, s.is.TeamID, s.now)
	ev.ActorID, ev.Depth, ev.Unattended = s.is.ID, s.is.Depth, s.is.Unattended
	ev.Detail = map[string]string{
		"to": strings.Join(s.To, ","), "subject": subject, "message": message,
		"workflowId": s.is.WorkflowID, "workflowName": s.is.WorkflowName, "incidentId": s.is.IncidentID, "stepId": s.ID,
	}
	if quotesOutput(s.Subject) || quotesOutput(s.Message) { // whether people are mailed that is the team's choice
		ev.Detail["subjectWithOutput"], ev.Detail["messageWithOutput"] = subject, message
		s.scope = withoutOutput(s.scope)
		if ev.Detail["subject"], ev.Detail["message"], err = s.words(); err != nil {
			return e.failed(ctx, s, unresolved+err.Error())
		}
	}
	return e.completed(ctx, s, map[string]any{}, outbox.Put(e.Store.Table, ev))
}

// words are the subject and the message of a notify step, filled and cut.
func (s step) words() (subject, message string, err error) {
	if subject, err = s.fill(s.Subject); err != nil {
		return "", "", err
	}
	if message, err = s.fill(s.Message); err != nil {
		return "", "", err
	}
	subject, _ = clip(strings.Map(oneLine, subject), maxSubject)
	message, _ = clip(message, MaxMessage)
	return subject, message, nil
}

// quotesOutput tells whether a template names what a script or a receiver wrote.
func quotesOutput(t string) bool {
	parsed, err := template.Parse(t)
	return err != nil || slices.ContainsFunc(parsed.Paths(), isOutput)
}

func oneLine(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

// doResolve resolves the incident. That is a transaction of its own; one that
// is resolved already, by whoever, is as good.
func (e *Engine) doResolve(ctx context.Context, s step) (bool, error) {
	note, err := s.fill(s.Note)
	if err != nil {
		return e.failed(ctx, s, unresolved+err.Error())
	}
	note, _ = clip(note, MaxMessage)
	seen, _ := clip(note, maxInput)
	s.is = s.is.enter(s.n, Running, map[string]any{"note": seen}, s.now)
	_, err = e.Desk.Resolve(ctx, s.is.IncidentID, note)
	if why, is := errors.AsType[*problem.Error](err); is && why.Status < 500 && why.Code != problem.InvalidTransition && why.Code != problem.Conflict {
		return e.failed(ctx, s, refusal(why))
	}
	if err != nil && problem.CodeOf(err) != problem.InvalidTransition {
		return false, err
	}
	s.now = e.Now() // its line on the timeline stands below that of the resolving
	return e.completed(ctx, s, map[string]any{"alreadyResolved": err != nil})
}

// doNote writes on the timeline.
func (e *Engine) doNote(ctx context.Context, s step) (bool, error) {
	note, err := s.fill(s.Text)
	if err != nil {
		return e.failed(ctx, s, unresolved+err.Error())
	}
	note, _ = clip(note, incident.MaxNote)
	seen, _ := clip(note, maxInput)
	s.is = s.is.enter(s.n, Running, map[string]any{"text": seen}, s.now)
	entry := incident.Entry{
		At: timestamp.Of(s.now), Kind: incident.EntryNote, Actor: audit.ActorOf(ctx), Text: note,
		Detail: map[string]any{"workflowId": s.is.WorkflowID, "runId": s.is.ID, "stepId": s.ID},
	}
	told := e.Audit.Record(ctx, s.now, audit.Entry{
		Type: "incident.noted", Subject: audit.Ref{Kind: "incident", ID: s.is.IncidentID}, TeamID: s.is.TeamID, Detail: map[string]any{"runId": s.is.ID},
	})
	return e.completed(ctx, s, map[string]any{}, e.Incidents.Append(s.is.IncidentID, entry), told)
}
