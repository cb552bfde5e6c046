package execution

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/template"
	"pagefree/internal/platform/trust"
	"pagefree/internal/runbook"
)

// Step is a step of a workflow's run that starts a runbook.
type Step struct {
	RunID, StepID string
	TeamID        string // of the workflow
	RunbookID     string
	IncidentID    string            // "" for none
	Parameters    map[string]string // texts, converted to the types that the runbook declares
	Unattended    trust.Risk        // the highest risk that what set the run off may start by itself
	Depth         int               // how many workflows stand behind it, this one included
	External      bool              // its parameters hold values that came from outside
}

// Start makes the execution of a step, as the run in whose name the context
// is: its principal has the kind Workflow, the run's id, and the role RESPONDER
// in the workflow's team. It gives the execution and its writes, for the
// transaction that parks the step; Hurry sends what was committed on its way.
//
// A runbook of a risk above what the step's trigger proves waits for a person's
// confirmation, as does one that asks for it. What may not run is a
// *problem.Error, as it is for Trigger: the codes are those of the HTTP contract.
func (s *Service) Start(ctx context.Context, step Step) (Execution, []dynamo.Op, error) {
	p, err := s.prepareStep(ctx, step, nil)
	if err != nil {
		return Execution{}, nil, err
	}
	if err := p.brakes.paused(); err != nil {
		return Execution{}, nil, err
	}
	return s.begin(ctx, p, s.Now())
}

// prepareStep is prepare for a step. Of the parameters that later names, the
// text is the template that will give it.
func (s *Service) prepareStep(ctx context.Context, step Step, later []string) (plan, error) {
	who, err := principal.Require(ctx, step.TeamID, principal.Responder)
	if err != nil {
		return plan{}, err
	}
	if who.Kind != principal.Workflow || who.ID != step.RunID {
		return plan{}, problem.Denied("Only a workflow's run starts a step.")
	}
	req := Request{RunbookID: step.RunbookID, Parameters: map[string]any{}}
	if step.IncidentID != "" {
		req.IncidentID = &step.IncidentID
	}
	for name, value := range step.Parameters {
		req.Parameters[name] = runbook.Text(value)
		if slices.Contains(later, name) {
			req.Parameters[name] = runbook.Later(value)
		}
	}
	p, err := s.prepare(ctx, req)
	p.step = &step
	return p, err
}

// Rehearsal is what a step would start.
type Rehearsal struct {
	Parameters map[string]any // all that the script would get, by name; secrets masked
	Waits      string         // why it would wait for a person's confirmation, "" if it would not
}

// Rehearse shows what Start would start, and starts nothing. later names the
// parameters whose text is still the template that will give it; they are shown
// as they are. What may not run is the error that it is for Start; where that is
// a pause, which passes, the rehearsal is whole.
func (s *Service) Rehearse(ctx context.Context, step Step, later []string) (Rehearsal, error) {
	p, err := s.prepareStep(ctx, step, later)
	if err != nil {
		return Rehearsal{}, err
	}
	return Rehearsal{Parameters: p.execution(s.Now()).view(nil).Parameters, Waits: p.waits()}, p.brakes.paused()
}

// waits is why a plan needs somebody's confirmation, "" if it does not.
func (p plan) waits() string {
	var reasons []string
	if p.version.RequiresConfirm {
		reasons = append(reasons, "This runbook asks for a confirmation before it runs.")
	}
	if p.step != nil && !p.step.Unattended.Covers(trust.Risk(p.version.Risk)) {
		reasons = append(reasons, fmt.Sprintf("%s starts %s by itself; this one is %s.", cause(p.incident, p.step.Unattended), covered(p.step.Unattended), p.version.Risk))
	}
	return strings.Join(reasons, " ")
}

// cause says what set a step off whose ceiling is that of its incident's source.
func cause(i *incident.Incident, ceiling trust.Risk) string {
	if i == nil || i.Ceiling() != ceiling {
		return "What set the workflow off"
	}
	switch {
	case i.Source.Kind == incident.API:
		return "The incident was opened by an API key, which"
	case i.Source.Trust == trust.Bearer:
		return "The alert came by a bearer secret, and its integration"
	case i.Source.Trust == trust.Signed:
		return "The alert was signed without a time, and its integration"
	case i.Source.Trust == trust.SignedTime:
		return "The alert was signed, and its integration"
	}
	return "What set the workflow off"
}

// covered says in words what a ceiling admits.
func covered(ceiling trust.Risk) string {
	switch ceiling {
	case trust.Low:
		return "runbooks of risk LOW"
	case trust.Medium:
		return "runbooks of risk LOW and MEDIUM"
	case trust.High:
		return "every runbook"
	}
	return "no runbook"
}

// outside begin the paths whose values are an alert's own words, of an incident
// that came from outside.
var outside = []string{"incident.title", "incident.description", "incident.labels."}

// external names the parameters whose values came from outside, in the order of
// their declaration.
func (p plan) external() []string {
	var names []string
	for _, param := range p.version.Parameters {
		_, set := p.values[param.Name]
		filled := param.Template != "" && p.incident != nil && p.incident.Source.External && namesOutside(param.Template)
		given := false
		if p.step != nil && p.step.External {
			_, given = p.step.Parameters[param.Name]
		}
		if set && (filled || given) {
			names = append(names, param.Name)
		}
	}
	return names
}

func namesOutside(text string) bool {
	t, err := template.Parse(text)
	return err == nil && slices.ContainsFunc(t.Paths(), func(path string) bool {
		return slices.ContainsFunc(outside, func(begin string) bool { return strings.HasPrefix(path, begin) })
	})
}
