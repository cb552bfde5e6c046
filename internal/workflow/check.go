package workflow

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"pagefree/internal/platform/id"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/template"
	"pagefree/internal/platform/text"
	"pagefree/internal/runbook"
)

var (
	stepID        = text.Pattern(`^[a-z][a-z0-9_]{0,39}$`)
	parameterName = text.Pattern(`^[A-Z][A-Z0-9_]{0,39}$`)
	triggers      = []string{"incident.created", "incident.acknowledged", "incident.resolved", "incident.escalated"}
	severities    = []string{"CRITICAL", "HIGH", "MEDIUM", "LOW"}
)

// faults collects what is wrong with a body.
type faults []problem.Field

func (f *faults) add(location, format string, args ...any) {
	*f = append(*f, problem.Field{Location: "body." + location, Message: fmt.Sprintf(format, args...)})
}

func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return problem.Invalid(f...)
}

// words checks text for people: its length in bytes, no NUL, no marks that
// reorder it. lines tells whether it may have several.
func (f *faults) words(location, s string, limit int, lines bool) {
	switch {
	case len(s) > limit:
		f.add(location, "it has at most %d bytes", limit)
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0) || text.Reorders(s):
		f.add(location, "it holds what is no text")
	case !lines && strings.ContainsFunc(s, unicode.IsControl):
		f.add(location, "it is one line")
	}
}

// check reports everything that is wrong with a definition by itself, or nil.
func (d Definition) check() error {
	var f faults
	if n := utf8.RuneCountInString(d.Name); n < 1 || n > maxName {
		f.add("name", "it has 1 to %d characters", maxName)
	}
	f.words("name", d.Name, 4*maxName, false)
	if d.TimeLimitSeconds < 1 || d.TimeLimitSeconds > MaxSeconds {
		f.add("timeLimitSeconds", "it is between 1 and %d", MaxSeconds)
	}
	if !slices.Contains([]string{Skip, Queue, Replace}, d.Concurrency) {
		f.add("concurrency", "it is one of skip, queue, replace")
	}
	d.Trigger.check(&f)
	if len(d.Steps) < 1 || len(d.Steps) > MaxSteps {
		f.add("steps", "there are 1 to %d", MaxSteps)
		return f.err()
	}
	seen := map[string]bool{}
	for n, s := range d.Steps {
		at := fmt.Sprintf("steps[%d]", n)
		if !stepID().MatchString(s.ID) {
			f.add(at+".id", "it matches %s", stepID())
		} else if seen[s.ID] {
			f.add(at+".id", "another step has the same id")
		}
		seen[s.ID] = true
		if s.OnFailure != Stop && s.OnFailure != Continue {
			f.add(at+".onFailure", "it is stop or continue")
		}
		s.check(&f, at, paths(d.Steps, n))
	}
	return f.err()
}

func (t Trigger) check(f *faults) {
	subset := func(location string, values, of []string) {
		for n, v := range values {
			at := fmt.Sprintf("%s[%d]", location, n)
			if !slices.Contains(of, v) {
				f.add(at, "it is one of %s", strings.Join(of, ", "))
			} else if slices.Contains(values[:n], v) {
				f.add(at, "it is there twice")
			}
		}
	}
	if len(t.On) == 0 {
		f.add("trigger.on", "it names at least one of %s", strings.Join(triggers, ", "))
	}
	subset("trigger.on", t.On, triggers)
	subset("trigger.severities", t.Severities, severities)
	if len(t.ServiceIDs) > 100 {
		f.add("trigger.serviceIds", "there are at most 100")
	}
	if len(t.Labels) > 32 {
		f.add("trigger.labels", "there are at most 32")
	}
	for _, name := range slices.Sorted(maps.Keys(t.Labels)) {
		f.words("trigger.labels", name, 64, false)
		f.words("trigger.labels."+name, t.Labels[name], 512, true)
	}
}

// only is the step with the members of its type alone.
func (s Step) only() (Step, bool) {
	o := Step{ID: s.ID, Type: s.Type, If: s.If, OnFailure: s.OnFailure}
	switch s.Type {
	case Runbook:
		o.RunbookID, o.Parameters = s.RunbookID, s.Parameters
	case Webhook:
		o.URL, o.Headers, o.Body, o.SignWith = s.URL, s.Headers, s.Body, s.SignWith
	case Notify:
		o.To, o.Subject, o.Message = s.To, s.Subject, s.Message
	case Wait:
		o.Seconds = s.Seconds
	case Resolve:
		o.Note = s.Note
	case Note:
		o.Text = s.Text
	default:
		return s, false
	}
	return o, true
}

// check reports what is wrong with a step, whose templates may name the paths of scope.
func (s Step) check(f *faults, at string, scope template.Scope) {
	own, known := s.only()
	if !known {
		f.add(at+".type", "it is one of runbook, webhook, notify, wait, resolve, note")
		return
	}
	foreign(f, at, s, own)
	if s.If != "" {
		c, err := parseCondition(s.If)
		if err == nil {
			err = c.left.Check(scope)
		}
		if err != nil {
			f.add(at+".if", "%v", err)
		}
	}
	switch s.Type {
	case Runbook:
		s.checkParameters(f, at, scope)
	case Webhook:
		*f = append(*f, runbook.CheckWebhook(at, s.URL, s.Headers, s.SignWith)...)
		if strings.Contains(s.URL, "{{") {
			f.add(at+".url", "it is no template: what comes from outside would choose who is called")
		}
		for _, name := range slices.Sorted(maps.Keys(s.Headers)) {
			if ours(name) {
				f.add(at+".headers", "%s cannot be set: PageFree sets it", name)
			}
		}
		if s.Body != nil {
			f.template(at+".body", *s.Body, MaxBody, scope)
		}
	case Notify:
		s.checkPeople(f, at)
		f.words(at+".subject", s.Subject, 4*maxSubject, false)
		if utf8.RuneCountInString(s.Subject) > maxSubject {
			f.add(at+".subject", "it has at most %d characters", maxSubject)
		}
		f.template(at+".subject", s.Subject, 4*maxSubject, scope)
		f.required(at+".message", s.Message)
		f.template(at+".message", s.Message, MaxMessage, scope)
	case Wait:
		if s.Seconds < 1 || s.Seconds > MaxSeconds {
			f.add(at+".seconds", "it is between 1 and %d", MaxSeconds)
		}
	case Resolve:
		f.template(at+".note", s.Note, MaxMessage, scope)
	case Note:
		f.required(at+".text", s.Text)
		f.template(at+".text", s.Text, MaxMessage, scope)
	}
}

// foreign names the members that steps of another type have.
func foreign(f *faults, at string, s, own Step) {
	all, kept := reflect.ValueOf(s), reflect.ValueOf(own)
	for field, value := range all.Fields() {
		if !reflect.DeepEqual(value.Interface(), kept.FieldByIndex(field.Index).Interface()) {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			f.add(at+"."+name, "a %s step does not have it", s.Type)
		}
	}
}

// ours are headers that every webhook of a workflow carries by itself. The one
// that a hook of PageFree takes its secret in is the workflow's to set.
func ours(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "x-pagefree-") && name != "x-pagefree-secret"
}

func (f *faults) required(location, s string) {
	if strings.TrimSpace(s) == "" {
		f.add(location, "it is required")
	}
}

// template checks a text that is filled when its step runs.
func (f *faults) template(location, s string, limit int, scope template.Scope) {
	f.words(location, s, limit, true)
	t, err := template.Parse(s)
	if err == nil {
		err = t.Check(scope)
	}
	if err != nil {
		f.add(location, "%v", err)
	}
}

func (s Step) checkParameters(f *faults, at string, scope template.Scope) {
	if !id.Valid(id.Runbook, s.RunbookID) {
		f.add(at+".runbookId", "it is the id of a runbook")
	}
	if len(s.Parameters) > maxValues {
		f.add(at+".parameters", "there are at most %d", maxValues)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.Parameters)) {
		if !parameterName().MatchString(name) {
			f.add(at+".parameters", "the name of a parameter matches %s", parameterName())
			continue
		}
		switch v := s.Parameters[name].(type) {
		case string:
			f.template(at+".parameters."+name, v, MaxBody, scope)
		case float64, bool:
		default:
			f.add(at+".parameters."+name, "it is a text, a number or a boolean")
		}
	}
}

func (s Step) checkPeople(f *faults, at string) {
	if len(s.To) == 0 || len(s.To) > maxPeople+2 {
		f.add(at+".to", "it names 1 to %d: ids of users, team, responders", maxPeople+2)
	}
	for n, to := range s.To {
		switch {
		case to != Team && to != Responders && !id.Valid(id.User, to):
			f.add(fmt.Sprintf("%s.to[%d]", at, n), "it is the id of a user, team or responders")
		case slices.Contains(s.To[:n], to):
			f.add(fmt.Sprintf("%s.to[%d]", at, n), "it is there twice")
		}
	}
}
