package workflow

import (
	"maps"
	"strconv"
	"strings"
	"time"

	"pagefree/internal/incident"
	"pagefree/internal/platform/template"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/runbook"
)

// paths are what the templates of step n of a definition may name, without
// values: the incident, the results of earlier steps, and, in a runbook step,
// that runbook.
func paths(steps []Step, n int) template.Scope {
	s := runbook.TemplateScope()
	if steps[n].Type != Runbook {
		delete(s.Fields, "runbook.id")
		delete(s.Fields, "runbook.name")
	}
	for _, earlier := range steps[:n] {
		for _, member := range []string{"status", "exitCode", "stdout"} {
			s.Fields["steps."+earlier.ID+"."+member] = nil
		}
	}
	return s
}

// world is what the templates of a run are filled from.
type world struct {
	incident incident.Incident
	service  *incident.Service // nil where it does not exist any more
	team     string            // its name; "" where it has none
	now      time.Time
}

// fill gives the paths of step n their values. results are those of the steps
// so far; of steps that have none the paths stay without a value.
func (w world) fill(steps []Step, n int, results []StepRun, runs *runbook.Runbook) template.Scope {
	s := paths(steps, n)
	set := func(path, value string) { s.Fields[path] = &value }
	i := w.incident
	set("now", timestamp.Of(w.now).String())
	set("incident.id", i.ID)
	set("incident.title", i.Title)
	set("incident.description", i.Description)
	set("incident.severity", string(i.Severity))
	set("incident.status", string(i.Status))
	set("incident.createdAt", i.CreatedAt.String())
	for name, value := range i.Labels {
		set("incident.labels."+name, value)
	}
	set("incident.service.id", i.ServiceID)
	if w.service != nil {
		set("incident.service.name", w.service.Name)
	}
	set("incident.team.id", i.TeamID)
	if w.team != "" {
		set("incident.team.name", w.team)
	}
	if runs != nil {
		set("runbook.id", runs.ID)
		set("runbook.name", runs.Name)
	}
	for k := range min(n, len(results)) {
		r := results[k]
		if !r.Status.Final() {
			continue
		}
		at := "steps." + r.ID + "."
		set(at+"status", string(r.Status))
		if code, has := exitCode(r.Output); has {
			set(at+"exitCode", strconv.Itoa(code))
		}
		for _, member := range []string{"stdout", "body"} { // of a runbook, of a webhook
			if text, has := r.Output[member].(string); has {
				set(at+"stdout", text)
			}
		}
	}
	return s
}

// isOutput tells of a path whose value a script or a receiver wrote.
func isOutput(path string) bool {
	return strings.HasPrefix(path, "steps.") && strings.HasSuffix(path, ".stdout")
}

// withheld stands for what a script wrote where people may not be told of it.
const withheld = "(its output stands in the run)"

// withoutOutput is a scope with withheld in place of every output.
func withoutOutput(s template.Scope) template.Scope {
	fields := maps.Clone(s.Fields)
	for path, value := range fields {
		if isOutput(path) && value != nil {
			fields[path] = new(withheld)
		}
	}
	s.Fields = fields
	return s
}

// exitCode reads what a step's output holds, fresh or out of the table.
func exitCode(output map[string]any) (int, bool) {
	switch code := output["exitCode"].(type) {
	case int:
		return code, true
	case float64:
		return int(code), true
	}
	return 0, false
}
