package aws

import (
	"fmt"
	"slices"
	"strings"

	"pagefree/infra/local/template"
)

// need is one right that a call takes.
type need struct {
	action   string
	resource string
	context  map[string][]string // condition keys in lower case, with the call's values
}

// policy is what a role may do: a statement must allow it, and none deny it.
type policy struct{ statements []statement }

type statement struct {
	template.Statement
	conditions []condition
}

// condition is one key of a statement's Condition block.
type condition struct {
	operator string // StringLike
	set      string // ForAllValues, ForAnyValue or empty
	ifExists bool
	key      string // in lower case
	values   []string
}

// compileKey reads a key's own policy. The account's root stands for every role of the account, each by its own policies.
func compileKey(list []template.Statement) (*policy, error) {
	p, err := compile(list)
	if err != nil {
		return nil, err
	}
	for i, s := range p.statements {
		if !slices.ContainsFunc(s.Principals, func(who string) bool { return who == "*" || strings.HasSuffix(who, ":root") }) {
			p.statements[i].conditions = append(s.conditions, condition{operator: "ArnEquals", key: "aws:principalarn", values: s.Principals})
		}
	}
	return p, nil
}

// known are the condition keys that calls carry. A policy that leans on another one could only be judged wrongly.
var known = []string{
	"aws:principalarn", "dynamodb:leadingkeys", "kms:encryptioncontextkeys", "kms:macalgorithm", "kms:signingalgorithm",
	"lambda:sourcefunctionarn", "ses:fromaddress", "ses:recipients",
}

// compile checks that every condition can be judged.
func compile(list []template.Statement) (*policy, error) {
	p := &policy{}
	for _, t := range list {
		s := statement{Statement: t}
		for operator, keys := range t.Conditions {
			for key, values := range keys {
				c := condition{operator: operator, key: strings.ToLower(key), values: values}
				if set, rest, ok := strings.Cut(operator, ":"); ok {
					c.set, c.operator = set, rest
				}
				c.operator, c.ifExists = strings.CutSuffix(c.operator, "IfExists")
				if _, ok := operators[c.operator]; !ok || c.set != "" && c.set != "ForAllValues" && c.set != "ForAnyValue" {
					return nil, fmt.Errorf("statement %s: unknown operator %s", t.Sid, operator)
				}
				if !slices.Contains(known, c.key) && !strings.HasPrefix(c.key, "kms:encryptioncontext:") {
					return nil, fmt.Errorf("statement %s: unknown condition key %s", t.Sid, key)
				}
				s.conditions = append(s.conditions, c)
			}
		}
		p.statements = append(p.statements, s)
	}
	return p, nil
}

// allows judges one need. denied tells whether a Deny statement was what refused it.
func (p *policy) allows(n need) (ok, denied bool) {
	for _, s := range p.statements {
		if !s.covers(n) {
			continue
		}
		if s.Effect == "Deny" {
			return false, true
		}
		ok = true
	}
	return ok, false
}

func (s *statement) covers(n need) bool {
	matches := func(patterns []string, value string, match func(pattern, value string) bool) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool { return match(pattern, value) })
	}
	action := func(pattern, value string) bool { return like(strings.ToLower(pattern), strings.ToLower(value)) }
	if len(s.Actions) > 0 && !matches(s.Actions, n.action, action) || len(s.NotActions) > 0 && matches(s.NotActions, n.action, action) {
		return false
	}
	if len(s.Resources) > 0 && !matches(s.Resources, n.resource, like) || len(s.NotResources) > 0 && matches(s.NotResources, n.resource, like) {
		return false
	}
	return !slices.ContainsFunc(s.conditions, func(c condition) bool { return !c.holds(n.context) })
}

// operators compare one value of the call with one of the policy. Those that end in true hold when no value of the policy
// matches, and when the call has none.
var operators = map[string]struct {
	match   func(pattern, value string) bool
	negated bool
}{
	"StringEquals":              {func(p, v string) bool { return p == v }, false},
	"StringNotEquals":           {func(p, v string) bool { return p == v }, true},
	"StringEqualsIgnoreCase":    {strings.EqualFold, false},
	"StringNotEqualsIgnoreCase": {strings.EqualFold, true},
	"StringLike":                {like, false},
	"StringNotLike":             {like, true},
	"ArnEquals":                 {like, false},
	"ArnLike":                   {like, false},
	"ArnNotEquals":              {like, true},
	"ArnNotLike":                {like, true},
	"Bool":                      {strings.EqualFold, false},
	"Null":                      {nil, false},
}

func (c *condition) holds(context map[string][]string) bool {
	values, present := context[c.key]
	if c.operator == "Null" {
		return slices.Contains(c.values, fmt.Sprint(!present))
	}
	op := operators[c.operator]
	one := func(value string) bool {
		return slices.ContainsFunc(c.values, func(pattern string) bool { return op.match(pattern, value) }) != op.negated
	}
	switch {
	case c.set == "ForAllValues": // true without any value, as AWS warns
		return !slices.ContainsFunc(values, func(v string) bool { return !one(v) })
	case !present:
		return c.ifExists || op.negated && c.set == ""
	default: // ForAnyValue, or the one value that there is
		return slices.ContainsFunc(values, one)
	}
}

// like matches * (anything) and ? (one character).
func like(pattern, value string) bool {
	for pattern != "" {
		switch pattern[0] {
		case '*':
			pattern = strings.TrimLeft(pattern, "*")
			if pattern == "" {
				return true
			}
			for i := range len(value) {
				if like(pattern, value[i:]) {
					return true
				}
			}
			return false
		case '?':
			if value == "" {
				return false
			}
		default:
			if value == "" || value[0] != pattern[0] {
				return false
			}
		}
		pattern, value = pattern[1:], value[1:]
	}
	return value == ""
}
