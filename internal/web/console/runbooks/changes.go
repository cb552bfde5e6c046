package runbooks

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"pagefree/internal/runbook"
)

// change is one thing beside the script that differs between two versions.
type change struct {
	What     string
	Old, New string // "" where there was, or is, nothing
	// Danger is why it deserves a second look, "" where it does not: what was
	// guarded before is guarded less, or it runs elsewhere.
	Danger string
}

// speak is how a setting reads to people.
type speak struct {
	service func(id *string) string
	target  func(t runbook.Target) string
}

// changes lists what differs beside the script. A zero from is no version: all
// of to is then new, and only what has no guard at all is listed.
func changes(from, to runbook.Version, s speak) []change {
	first := from.Version == 0
	var all []change
	add := func(what, old, new, danger string) {
		if first {
			old = ""
		}
		if old != new && (!first || danger != "") {
			all = append(all, change{what, old, new, danger})
		}
	}
	when := func(bad bool, why string) string {
		if bad && !first {
			return why
		}
		return ""
	}
	add("Language", language(from.Language), language(to.Language), when(true, "Another interpreter reads the script."))
	add("Target", s.target(from.Target), s.target(to.Target), when(true, "It runs somewhere else, or in another way."))
	add("Service", cmp.Or(s.service(from.ServiceID), "any"), cmp.Or(s.service(to.ServiceID), "any"), when(from.ServiceID != nil, "It runs for other services than before."))
	risk := []string{"LOW", "MEDIUM", "HIGH"}
	add("Risk", lower(from.Risk), lower(to.Risk), when(slices.Index(risk, to.Risk) < slices.Index(risk, from.Risk), "It is said to be less dangerous than before."))
	confirm := when(!to.RequiresConfirm, "It runs without asking a person.")
	if first && !to.RequiresConfirm && to.Risk == "HIGH" {
		confirm = "Of high risk, and runs without asking a person."
	}
	add("Confirmation", yes(from.RequiresConfirm), yes(to.RequiresConfirm), confirm)
	add("Timeout", seconds(from.TimeoutSeconds), seconds(to.TimeoutSeconds), "")
	add("Retries", strconv.Itoa(from.MaxRetries), strconv.Itoa(to.MaxRetries), when(to.MaxRetries > from.MaxRetries, "It is tried again more often."))
	add("Idempotent", yes(from.Idempotent), yes(to.Idempotent), when(to.Idempotent, "It is said to do no harm when it runs twice."))
	add("At the same time", strconv.Itoa(from.Concurrency), strconv.Itoa(to.Concurrency), when(to.Concurrency > from.Concurrency, "More of it runs at once."))
	add("Runs an hour", perHour(from.MaxRunsPerHour), perHour(to.MaxRunsPerHour),
		when(to.MaxRunsPerHour == nil || from.MaxRunsPerHour != nil && *to.MaxRunsPerHour > *from.MaxRunsPerHour, "It runs more often."))
	if first {
		return all
	}
	return append(all, parameterChanges(from.Parameters, to.Parameters)...)
}

func parameterChanges(from, to []runbook.Parameter) []change {
	named := func(all []runbook.Parameter, name string) (runbook.Parameter, bool) {
		i := slices.IndexFunc(all, func(p runbook.Parameter) bool { return p.Name == name })
		if i < 0 {
			return runbook.Parameter{}, false
		}
		return all[i], true
	}
	var all []change
	for _, new := range to {
		old, was := named(from, new.Name)
		c := change{What: "Parameter " + new.Name, New: rule(new)}
		if was {
			c.Old, c.Danger = rule(old), looser(old, new)
		}
		if c.Old != c.New {
			all = append(all, c)
		}
	}
	for _, old := range from {
		if _, still := named(to, old.Name); !still {
			all = append(all, change{What: "Parameter " + old.Name, Old: rule(old)})
		}
	}
	var before, after []string
	for _, p := range from {
		before = append(before, p.Name)
	}
	for _, p := range to {
		after = append(after, p.Name)
	}
	if len(all) == 0 && !slices.Equal(before, after) {
		all = append(all, change{What: "Order of parameters", Old: strings.Join(before, ", "), New: strings.Join(after, ", ")})
	}
	return all
}

// looser is why a parameter takes values that it did not take before, "" where it does not.
func looser(old, new runbook.Parameter) string {
	switch {
	case old.Secret && !new.Secret:
		return "Its value will be seen on executions."
	case old.Type != new.Type && new.Type == runbook.String:
		return "It takes any text now."
	case old.Pattern != new.Pattern && old.Pattern != "":
		return "Its pattern changed."
	case len(old.Enum) > 0 && (len(new.Enum) == 0 || slices.ContainsFunc(new.Enum, func(v any) bool { return !slices.Contains(texts(old.Enum), runbook.EnvValue(v)) })):
		return "It takes values that were not listed before."
	case old.MaxLength != nil && (new.MaxLength == nil || *new.MaxLength > *old.MaxLength):
		return "It takes longer values."
	case old.Template != "" && new.Template != old.Template:
		return "Its value was fixed by the incident in another way."
	}
	return ""
}

func texts(values []any) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = runbook.EnvValue(v)
	}
	return all
}

// rule is what a parameter takes, in one line.
func rule(p runbook.Parameter) string {
	parts := []string{p.Type}
	for _, k := range kinds {
		if k.Value == p.Type {
			parts[0] = k.Name
		}
	}
	add := func(has bool, format string, args ...any) {
		if has {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(p.Required, "required")
	add(p.Secret, "secret")
	add(p.Template != "", "from %s", p.Template)
	if text, is := p.Default.(string); is {
		add(true, "default %q", text)
	} else {
		add(p.Default != nil, "default %s", runbook.EnvValue(p.Default))
	}
	add(len(p.Enum) > 0, "one of %s", quoted(texts(p.Enum)))
	add(p.Pattern != "", "matches %s", p.Pattern)
	if p.MaxLength != nil {
		add(true, "up to %d characters", *p.MaxLength)
	}
	add(p.Description != "", "%q", p.Description)
	return strings.Join(parts, ", ")
}

func quoted(all []string) string {
	var b strings.Builder
	for i, s := range all {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Quote(s))
	}
	return b.String()
}

func language(l string) string {
	switch l {
	case runbook.Bash:
		return "Bash"
	case runbook.Python:
		return "Python"
	case runbook.JavaScript:
		return "JavaScript"
	}
	return l
}

func lower(s string) string { return strings.ToLower(s) }

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func seconds(n int) string { return strconv.Itoa(n) + " s" }

func perHour(n *int) string {
	if n == nil {
		return "no limit"
	}
	return strconv.Itoa(*n)
}

// targetText is where a version runs, in one line for people. named is what a named target is called.
func targetText(t runbook.Target, named func(id string) string) string {
	switch t.Type {
	case runbook.Sandbox:
		return "sandbox"
	case runbook.Named:
		return "target " + named(t.TargetID)
	case runbook.SSM:
		parts := []string{"SSM, nodes " + strings.Join(t.InstanceIDs, ", ")}
		if len(t.Tags) > 0 {
			parts[0] = "SSM, nodes tagged " + strings.Join(tagLines(t.Tags), "; ")
		}
		parts = append(parts, fmt.Sprintf("at most %d", t.MaxNodes))
		if t.MaxConcurrency != "" {
			parts = append(parts, t.MaxConcurrency+" at once")
		}
		if t.MaxErrors != "" {
			parts = append(parts, "ends after "+t.MaxErrors+" errors")
		}
		return strings.Join(parts, ", ")
	case runbook.Webhook:
		parts := []string{"webhook " + t.URL, "as " + t.Preset}
		if t.Async {
			parts = append(parts, "completed by a callback")
		}
		for _, name := range slices.Sorted(maps.Keys(t.Headers)) {
			parts = append(parts, name+": "+t.Headers[name])
		}
		if t.SignWith != "" {
			parts = append(parts, "signed with "+t.SignWith)
		}
		return strings.Join(parts, ", ")
	}
	return ""
}
