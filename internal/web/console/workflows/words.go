package workflows

import (
	"fmt"
	"strconv"
	"strings"

	"pagefree/internal/incident"
	"pagefree/internal/web/console"
	"pagefree/internal/workflow"
)

// happened are the events that start a workflow, as people say them.
var happened = []console.Option{
	{Value: "incident.created", Name: "opened"},
	{Value: "incident.acknowledged", Name: "acknowledged"},
	{Value: "incident.resolved", Name: "resolved"},
	{Value: "incident.escalated", Name: "escalated"},
}

// trigger is a trigger in words: "When an incident is opened, of severity high".
func trigger(t workflow.Trigger, services map[string]incident.Service) string {
	var on, severities, about, labels []string
	for _, event := range t.On {
		on = append(on, nameOf(happened, event, event))
	}
	s := "When an incident is " + either(on)
	for _, severity := range t.Severities {
		severities = append(severities, strings.ToLower(severity))
	}
	if severities != nil {
		s += ", of severity " + either(severities)
	}
	for _, id := range t.ServiceIDs {
		name := services[id].Name
		if name == "" {
			name = "a deleted service"
		}
		about = append(about, name)
	}
	if about != nil {
		s += ", on " + either(about)
	}
	for _, l := range sorted(t.Labels, same) {
		labels = append(labels, l.Name+" = "+l.Value)
	}
	if labels != nil {
		s += ", labelled " + strings.Join(labels, " and ")
	}
	return s
}

// kinds are the types of step, and what each does.
var kinds = []console.Option{
	{Value: workflow.Runbook, Name: "Run a runbook"},
	{Value: workflow.Notify, Name: "Tell people"},
	{Value: workflow.Webhook, Name: "Call a webhook"},
	{Value: workflow.Wait, Name: "Wait"},
	{Value: workflow.Note, Name: "Note on the timeline"},
	{Value: workflow.Resolve, Name: "Resolve the incident"},
}

// stepView is a step as its workflow's page tells it.
type stepView struct {
	workflow.Step
	N      int
	What   string
	Book   string // the name of its runbook
	Fields []pair // what it is given
}

type pair struct{ Name, Value string }

// what is a step in words, all but the names of runbooks and people.
func what(s workflow.Step) string {
	switch s.Type {
	case workflow.Runbook:
		return "Run"
	case workflow.Webhook:
		return "Call " + s.URL
	case workflow.Notify:
		return "Tell " + joined(recipients(s.To), " and ")
	case workflow.Wait:
		return "Wait " + lasting(s.Seconds)
	}
	return nameOf(kinds, s.Type, s.Type)
}

// lasting is a time that somebody set, in whole units: "20 min", "1 min 30 s".
func lasting(seconds int) string {
	var parts []string
	for _, unit := range []struct {
		of   int
		name string
	}{{3600, "h"}, {60, "min"}, {1, "s"}} {
		if n := seconds / unit.of; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, unit.name))
		}
		seconds %= unit.of
	}
	return strings.Join(parts, " ")
}

// recipients are whom a step tells; people by their number.
func recipients(to []string) []string {
	var out []string
	people := 0
	for _, who := range to {
		switch who {
		case workflow.Team:
			out = append(out, "the team")
		case workflow.Responders:
			out = append(out, "the responders")
		default:
			people++
		}
	}
	switch {
	case people == 1:
		out = append(out, "one person")
	case people > 1:
		out = append(out, fmt.Sprintf("%d people", people))
	}
	return out
}

// fields are the texts that a step is given.
func fields(s workflow.Step) []pair {
	var out []pair
	add := func(name, value string) {
		if value != "" {
			out = append(out, pair{name, value})
		}
	}
	switch s.Type {
	case workflow.Runbook:
		return sorted(s.Parameters, valueText)
	case workflow.Webhook:
		for _, h := range sorted(s.Headers, same) {
			add(h.Name, h.Value)
		}
		if s.Body != nil {
			add("Body", *s.Body)
		}
		if s.SignWith != "" {
			add("Signed with", s.SignWith)
		}
	case workflow.Notify:
		add("Subject", s.Subject)
		add("Message", s.Message)
	case workflow.Resolve:
		add("Note", s.Note)
	case workflow.Note:
		add("Text", s.Text)
	}
	return out
}

// valueText is the value of a parameter as people write it.
func valueText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}
