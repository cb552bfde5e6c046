package workflows

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"pagefree/internal/platform/problem"
	"pagefree/internal/runbook"
	"pagefree/internal/web/console"
	"pagefree/internal/workflow"
)

// draft is a workflow as its form holds it: all of it text, also what is no
// workflow yet.
type draft struct {
	Name, TeamID, Seconds, Concurrency string
	Enabled                            bool
	On, Severities, Services           []string
	Labels                             []pair
	Steps                              []step
}

type step struct {
	ID, Type, If, OnFailure      string
	RunbookID                    string
	Parameters                   []pair
	URL, Body, SignWith          string
	Headers                      []pair
	To                           []string
	Someone                      string // one more to tell, by id
	Subject, Message, Note, Text string
	Seconds                      string
}

// most is how many rows or steps a form is read for: more than a workflow has, so that too many are told of.
const most = 120

// read takes a form apart. Rows without a name and a value are dropped.
func read(f console.Form) draft {
	d := draft{
		Name: f.Get("name"), TeamID: f.Get("teamId"), Seconds: f.Get("timeLimitSeconds"), Concurrency: f.Get("concurrency"), Enabled: f.Has("enabled", "true"),
		On: f.All("trigger.on"), Severities: f.All("trigger.severities"), Services: f.All("trigger.serviceIds"), Labels: readPairs(f, "trigger.labels"),
	}
	for n := range most {
		at := place(n)
		if !slices.ContainsFunc(kinds, func(o console.Option) bool { return o.Value == f.Get(at+".type") }) {
			break
		}
		get := func(name string) string { return f.Get(at + "." + name) }
		d.Steps = append(d.Steps, step{
			ID: get("id"), Type: get("type"), If: get("if"), OnFailure: get("onFailure"),
			RunbookID: get("runbookId"), Parameters: readPairs(f, at+".parameters"),
			URL: get("url"), Headers: readPairs(f, at+".headers"), Body: get("body"), SignWith: get("signWith"),
			To: f.All(at + ".to"), Someone: strings.TrimSpace(get("someone")), Subject: get("subject"), Message: get("message"),
			Seconds: get("seconds"), Note: get("note"), Text: get("text"),
		})
	}
	return d
}

func place(n int) string { return fmt.Sprintf("steps[%d]", n) }

func readPairs(f console.Form, at string) []pair {
	var out []pair
	for n := range most {
		name := fmt.Sprintf("%s[%d].name", at, n)
		if _, there := f.Values[name]; !there {
			break
		}
		if p := (pair{strings.TrimSpace(f.Get(name)), f.Get(fmt.Sprintf("%s[%d].value", at, n))}); p != (pair{}) {
			out = append(out, p)
		}
	}
	return out
}

// of is a workflow as its form shows it.
func of(w workflow.Definition) draft {
	d := draft{
		Name: w.Name, TeamID: w.TeamID, Seconds: strconv.Itoa(w.TimeLimitSeconds), Concurrency: w.Concurrency, Enabled: w.Enabled,
		On: w.Trigger.On, Severities: w.Trigger.Severities, Services: w.Trigger.ServiceIDs, Labels: sorted(w.Trigger.Labels, same),
	}
	for _, s := range w.Steps {
		is := step{
			ID: s.ID, Type: s.Type, If: s.If, OnFailure: s.OnFailure, RunbookID: s.RunbookID, Parameters: sorted(s.Parameters, valueText),
			URL: s.URL, Headers: sorted(s.Headers, same), SignWith: s.SignWith, To: s.To, Subject: s.Subject, Message: s.Message, Note: s.Note, Text: s.Text,
		}
		if s.Body != nil {
			is.Body = *s.Body
		}
		if s.Seconds > 0 {
			is.Seconds = strconv.Itoa(s.Seconds)
		}
		d.Steps = append(d.Steps, is)
	}
	return d
}

// values are the fields of the form, and every place that something can be
// wrong at, so that it is told there.
func (d draft) values() url.Values {
	v := url.Values{"trigger.on": d.On, "trigger.severities": d.Severities, "trigger.serviceIds": d.Services, "trigger.labels": nil, "steps": nil}
	set := func(name, value string) { v.Set(name, value) }
	set("name", d.Name)
	set("teamId", d.TeamID)
	set("timeLimitSeconds", d.Seconds)
	set("concurrency", d.Concurrency)
	if d.Enabled {
		set("enabled", "true")
	}
	pairs := func(at string, list []pair) {
		v[at] = nil
		for n, p := range list {
			set(fmt.Sprintf("%s[%d].name", at, n), p.Name)
			set(fmt.Sprintf("%s[%d].value", at, n), p.Value)
			v[at+"."+p.Name] = nil
		}
	}
	pairs("trigger.labels", d.Labels)
	for n, s := range d.Steps {
		at := place(n)
		v[at] = nil
		v[at+".to"] = s.To
		for name, value := range map[string]string{
			"id": s.ID, "type": s.Type, "if": s.If, "onFailure": s.OnFailure, "runbookId": s.RunbookID, "url": s.URL, "body": s.Body, "signWith": s.SignWith,
			"someone": s.Someone, "subject": s.Subject, "message": s.Message, "seconds": s.Seconds, "note": s.Note, "text": s.Text,
		} {
			set(at+"."+name, value)
		}
		pairs(at+".parameters", s.Parameters)
		pairs(at+".headers", s.Headers)
	}
	return v
}

// act is what a button of the form asks for besides saving: "add:wait",
// "up:2", "down:2", "remove:2", "more". It gives the step that was meant, or -1.
func (d *draft) act(do string) int {
	verb, arg, _ := strings.Cut(do, ":")
	if verb == "add" {
		if len(d.Steps) < most && slices.ContainsFunc(kinds, func(o console.Option) bool { return o.Value == arg }) {
			d.Steps = append(d.Steps, step{ID: d.freeID(arg), Type: arg, OnFailure: workflow.Stop})
		}
		return len(d.Steps) - 1
	}
	n, err := strconv.Atoi(arg)
	if err != nil || n < 0 || n >= len(d.Steps) {
		return -1
	}
	switch {
	case verb == "up" && n > 0:
		d.Steps[n-1], d.Steps[n] = d.Steps[n], d.Steps[n-1]
		return n - 1
	case verb == "down" && n+1 < len(d.Steps):
		d.Steps[n+1], d.Steps[n] = d.Steps[n], d.Steps[n+1]
		return n + 1
	case verb == "remove":
		d.Steps = slices.Delete(d.Steps, n, n+1)
		return -1
	}
	return n
}

// require adds a row for each parameter that the runbook cannot do without.
func (s *step) require(of []runbook.Parameter) {
	for _, k := range of {
		if k.Required && k.Template == "" && !slices.ContainsFunc(s.Parameters, func(p pair) bool { return p.Name == k.Name }) {
			s.Parameters = append(s.Parameters, pair{Name: k.Name})
		}
	}
}

// freeID names a new step by what it does.
func (d *draft) freeID(kind string) string {
	name := map[string]string{workflow.Runbook: "run", workflow.Webhook: "call", workflow.Notify: "tell"}[kind]
	if name == "" {
		name = kind
	}
	id := name
	for n := 2; slices.ContainsFunc(d.Steps, func(s step) bool { return s.ID == id }); n++ {
		id = name + "_" + strconv.Itoa(n)
	}
	return id
}

// body is the draft as the API takes it. known are the parameters of a runbook.
func (d draft) body(known func(runbookID string) []runbook.Parameter) (map[string]any, error) {
	var wrong []problem.Field
	trigger := map[string]any{"on": list(d.On)}
	if len(d.Severities) > 0 {
		trigger["severities"] = d.Severities
	}
	if len(d.Services) > 0 {
		trigger["serviceIds"] = d.Services
	}
	if len(d.Labels) > 0 {
		trigger["labels"] = named(&wrong, "trigger.labels", d.Labels, func(p pair) any { return p.Value })
	}
	steps := []any{}
	for n, s := range d.Steps {
		steps = append(steps, s.body(&wrong, place(n), known))
	}
	body := map[string]any{"name": d.Name, "teamId": d.TeamID, "enabled": d.Enabled, "trigger": trigger, "steps": steps, "concurrency": d.Concurrency}
	if d.Seconds != "" {
		body["timeLimitSeconds"] = number(d.Seconds)
	}
	if wrong != nil {
		return nil, problem.Invalid(wrong...)
	}
	return body, nil
}

// list is a list that is never null.
func list(of []string) []string { return append([]string{}, of...) }

func number(text string) any {
	if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil {
		return n
	}
	return text
}

// named makes a map of rows. Two of the same name would be one of them, and a
// value without a name none.
func named(wrong *[]problem.Field, at string, rows []pair, value func(pair) any) map[string]any {
	out := map[string]any{}
	for n, p := range rows {
		_, twice := out[p.Name]
		switch {
		case p.Name == "":
			*wrong = append(*wrong, problem.Field{Location: fmt.Sprintf("body.%s[%d].name", at, n), Message: "a name is missing"})
		case twice:
			*wrong = append(*wrong, problem.Field{Location: fmt.Sprintf("body.%s[%d].name", at, n), Message: "another row has this name"})
		default:
			out[p.Name] = value(p)
		}
	}
	return out
}

// body is a step with the members of its type.
func (s step) body(wrong *[]problem.Field, at string, known func(string) []runbook.Parameter) map[string]any {
	b := map[string]any{"id": strings.TrimSpace(s.ID), "type": s.Type}
	set := func(name, value string) {
		if value != "" {
			b[name] = value
		}
	}
	set("if", strings.TrimSpace(s.If))
	set("onFailure", s.OnFailure)
	switch s.Type {
	case workflow.Runbook:
		set("runbookId", s.RunbookID)
		parameters := known(s.RunbookID)
		if len(s.Parameters) > 0 {
			b["parameters"] = named(wrong, at+".parameters", s.Parameters, func(p pair) any { return valueOf(p, parameters) })
		}
	case workflow.Webhook:
		set("url", strings.TrimSpace(s.URL))
		set("body", s.Body)
		set("signWith", strings.TrimSpace(s.SignWith))
		if len(s.Headers) > 0 {
			b["headers"] = named(wrong, at+".headers", s.Headers, func(p pair) any { return p.Value })
		}
	case workflow.Notify:
		to := list(s.To)
		if s.Someone != "" {
			to = append(to, s.Someone)
		}
		b["to"] = to
		set("subject", s.Subject)
		set("message", s.Message)
	case workflow.Wait:
		b["seconds"] = number(s.Seconds)
	case workflow.Resolve:
		set("note", s.Note)
	case workflow.Note:
		set("text", s.Text)
	}
	return b
}

// valueOf is a value of the type that its parameter has, as far as it is known
// and the text is one: a template is a text until it is filled.
func valueOf(p pair, of []runbook.Parameter) any {
	n := slices.IndexFunc(of, func(k runbook.Parameter) bool { return k.Name == p.Name })
	if n < 0 {
		return p.Value
	}
	switch of[n].Type {
	case runbook.Integer, runbook.Number:
		if f, err := strconv.ParseFloat(strings.TrimSpace(p.Value), 64); err == nil && f-f == 0 { // a finite one
			return f
		}
	case runbook.Boolean:
		if b, err := strconv.ParseBool(p.Value); err == nil && (p.Value == "true" || p.Value == "false") {
			return b
		}
	}
	return p.Value
}
