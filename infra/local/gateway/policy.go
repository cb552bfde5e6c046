package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// policy is the IAM policy that an authorizer answers.
type policy struct {
	Version   string
	Statement oneOrMore[statement]
}

type statement struct {
	Sid         string
	Effect      string
	Action      oneOrMore[string]
	Resource    oneOrMore[string]
	NotAction   json.RawMessage
	NotResource json.RawMessage
	Condition   json.RawMessage
}

// oneOrMore is a JSON value that may stand alone or in a list.
type oneOrMore[T any] []T

func (o *oneOrMore[T]) UnmarshalJSON(data []byte) error {
	var list []T
	if json.Unmarshal(data, &list) == nil {
		*o = list
		return nil
	}
	var one T
	if err := json.Unmarshal(data, &one); err != nil {
		return err
	}
	*o = []T{one}
	return nil
}

// check refuses what decide does not understand.
func (p *policy) check() error {
	if len(p.Statement) == 0 {
		return errors.New("the policy has no statement")
	}
	for _, s := range p.Statement {
		switch {
		case s.Effect != "Allow" && s.Effect != "Deny":
			return fmt.Errorf("the effect of a statement is %q", s.Effect)
		case len(s.Action) == 0 || len(s.Resource) == 0:
			return errors.New("a statement has no Action or no Resource")
		case s.NotAction != nil || s.NotResource != nil || present(s.Condition):
			return errors.New("the local gateway does not know NotAction, NotResource and Condition")
		}
	}
	return nil
}

func present(raw json.RawMessage) bool {
	s := string(raw)
	return s != "" && s != "null" && s != "{}"
}

// decide evaluates the policy for one method: a Deny wins, and what nothing allows is denied too, not explicitly.
func (p *policy) decide(methodARN string) (allowed, explicit bool) {
	for _, s := range p.Statement {
		if !matchesAny(s.Action, "execute-api:Invoke", true) || !matchesAny(s.Resource, methodARN, false) {
			continue
		}
		if s.Effect == "Deny" {
			return false, true
		}
		allowed = true
	}
	return allowed, false
}

func matchesAny(patterns []string, s string, foldCase bool) bool {
	for _, pattern := range patterns {
		if foldCase {
			pattern, s = strings.ToLower(pattern), strings.ToLower(s)
		}
		if wildcard(pattern, s) {
			return true
		}
	}
	return false
}

// wildcard matches * for any run of characters and ? for one.
func wildcard(pattern, s string) bool {
	star, mark := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
