package runbook

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/template"
)

// Codes of Values, each a 422.
const (
	ParameterMissing   problem.Code = "parameter_missing"
	ParameterInvalid   problem.Code = "parameter_invalid"
	ParameterUnknown   problem.Code = "parameter_unknown"
	ParameterFixed     problem.Code = "parameter_fixed"
	TemplateUnresolved problem.Code = "template_unresolved"
)

// MaxValue bounds a string value, in bytes: Linux takes 128 KiB in one
// environment variable, DynamoDB 400 KB in one item.
const MaxValue = 32 << 10

// maxInteger is the largest integer that JSON numbers carry exactly in every
// language (2^53-1), and the bounds of a number are what DynamoDB keeps.
const (
	maxInteger = 1<<53 - 1
	maxNumber  = 1e100
	minNumber  = 1e-100
)

// Text is a value that is to be read as the type that its parameter declares:
// what a template gave, of a workflow's step as of a runbook.
type Text string

// Later stands for a value that is not known yet, by the template that will
// give it. It is taken as it is: only what comes of it can be held against its
// parameter.
type Later string

// Values makes the values that a script is given out of what a caller gave:
// checked against params, with defaults, and with templates filled by
// fromTemplate. Strings stay strings, numbers are float64, booleans bool; an
// optional parameter without a value is absent. What is wrong is one problem
// that names every parameter with the first kind of fault, and no value:
// it may be a secret.
func Values(params []Parameter, given map[string]any, fromTemplate func(tmpl string) (string, error)) (map[string]any, error) {
	faults := map[problem.Code][]problem.Field{}
	fault := func(code problem.Code, name, format string, args ...any) {
		faults[code] = append(faults[code], problem.Field{Location: "body.parameters." + name, Message: fmt.Sprintf(format, args...)})
	}
	known := make(map[string]bool, len(params))
	for _, p := range params {
		known[p.Name] = true
	}
	for name := range given {
		if !known[name] {
			fault(ParameterUnknown, clip(name), "the runbook has no such parameter")
		}
	}
	values := map[string]any{}
	for _, p := range params {
		v, isGiven := given[p.Name]
		var err error
		switch {
		case p.Template != "" && isGiven:
			fault(ParameterFixed, p.Name, "its value is fixed by the runbook")
			continue
		case p.Template != "":
			text, terr := fromTemplate(p.Template)
			if terr != nil {
				if _, ours := errors.AsType[*template.Error](terr); !ours && problem.CodeOf(terr) != TemplateUnresolved {
					return nil, terr
				}
				fault(TemplateUnresolved, p.Name, "%s", reason(terr))
				continue
			}
			v, err = p.parse(text)
		case isGiven:
			switch given := v.(type) {
			case Later:
				v = string(given)
			case Text:
				v, err = p.parse(string(given))
			default:
				v, err = p.value(v)
			}
		case p.Default != nil:
			v, err = p.value(p.Default)
		case p.Required:
			fault(ParameterMissing, p.Name, "it is required")
			continue
		default:
			continue
		}
		if err != nil {
			fault(ParameterInvalid, p.Name, "%v", err)
			continue
		}
		values[p.Name] = v
	}
	return values, refusal(faults)
}

func refusal(faults map[problem.Code][]problem.Field) error {
	sentences := map[problem.Code]string{
		ParameterUnknown: "The runbook does not have this parameter.", ParameterFixed: "The runbook fixes this parameter itself.",
		ParameterMissing: "A required parameter has no value.", ParameterInvalid: "A parameter has a value that it does not take.",
		TemplateUnresolved: "A parameter's template has no value here.",
	}
	for _, code := range []problem.Code{ParameterUnknown, ParameterFixed, ParameterMissing, ParameterInvalid, TemplateUnresolved} {
		fields := faults[code]
		if len(fields) == 0 {
			continue
		}
		slices.SortFunc(fields, func(a, b problem.Field) int { return strings.Compare(a.Location, b.Location) })
		e := problem.New(http.StatusUnprocessableEntity, code, "%s", sentences[code])
		e.Detail = fmt.Sprintf("%s %s: %s.", e.Detail, strings.TrimPrefix(fields[0].Location, "body.parameters."), fields[0].Message)
		e.Fields = fields
		return e
	}
	return nil
}

func reason(err error) string {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p.Detail
	}
	return err.Error()
}

func clip(name string) string {
	if r := []rune(name); len(r) > 60 {
		return string(r[:60]) + "..."
	}
	return name
}

// parse reads a template's text as the declared type, then checks it like any value.
func (p Parameter) parse(text string) (any, error) {
	switch p.Type {
	case Integer, Number:
		text = strings.TrimSpace(text)
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || strings.Trim(text, "0123456789+-.eE") != "" { // it reads hexadecimals, too
			return nil, errors.New("its template gives no number")
		}
		return p.value(f)
	case Boolean:
		switch strings.TrimSpace(text) {
		case "true":
			return p.value(true)
		case "false":
			return p.value(false)
		}
		return nil, errors.New("its template gives neither true nor false")
	}
	return p.value(text)
}

// value checks a value against everything that the parameter declares.
func (p Parameter) value(v any) (any, error) {
	v, err := p.typed(v)
	if err != nil {
		return nil, err
	}
	if len(p.Enum) > 0 && !slices.ContainsFunc(p.Enum, func(e any) bool { return same(e, v) }) {
		return nil, errors.New("it is not one of the listed values")
	}
	return v, nil
}

// typed checks all but the enum, and brings numbers to one form.
func (p Parameter) typed(v any) (any, error) {
	switch p.Type {
	case String:
		s, ok := v.(string)
		if !ok {
			return nil, errors.New("it takes a string")
		}
		return s, p.text(s)
	case Integer, Number:
		f, ok := number(v)
		if !ok {
			return nil, fmt.Errorf("it takes %s", map[string]string{Integer: "an integer", Number: "a number"}[p.Type])
		}
		return f, p.inRange(f)
	case Boolean:
		b, ok := v.(bool)
		if !ok {
			return nil, errors.New("it takes true or false")
		}
		return b, nil
	}
	return nil, fmt.Errorf("it has the unknown type %q", p.Type)
}

func (p Parameter) text(s string) error {
	switch {
	case !utf8.ValidString(s):
		return errors.New("it is no UTF-8")
	case strings.ContainsRune(s, 0):
		return errors.New("it holds a NUL, which an environment variable cannot")
	case strings.Contains(s, "{{"):
		return errors.New("it holds {{, and values are not templates")
	case len(s) > MaxValue:
		return fmt.Errorf("it is longer than %d bytes", MaxValue)
	case p.MaxLength != nil && utf8.RuneCountInString(s) > *p.MaxLength:
		return fmt.Errorf("it is longer than %d characters", *p.MaxLength)
	case p.Pattern != "":
		re, err := compile(p.Pattern)
		if err != nil {
			return err
		}
		if !matchesWhole(re, s) {
			return errors.New("it does not match the pattern")
		}
	}
	return nil
}

func (p Parameter) inRange(f float64) error {
	switch {
	case p.Type == Integer && f != math.Trunc(f):
		return errors.New("it takes an integer")
	case p.Type == Integer && math.Abs(f) > maxInteger:
		return fmt.Errorf("it takes integers up to %d", maxInteger)
	case f != 0 && (math.Abs(f) > maxNumber || math.Abs(f) < minNumber):
		return fmt.Errorf("it takes 0, and numbers from %g to %g of either sign", minNumber, maxNumber)
	}
	return nil
}

// number is v as a float64, without a negative zero.
func number(v any) (float64, bool) {
	var f float64
	switch n := v.(type) {
	case float64:
		f = n
	case int:
		f = float64(n)
	case int64:
		f = float64(n)
	case json.Number:
		var err error
		if f, err = n.Float64(); err != nil {
			return 0, false
		}
	default:
		return 0, false
	}
	return f + 0, !math.IsNaN(f) && !math.IsInf(f, 0)
}

// same tells whether two values are one. Lists and objects are none, and
// comparing them would panic.
func same(a, b any) bool {
	if x, is := number(a); is {
		y, is := number(b)
		return is && x == y
	}
	switch a.(type) {
	case string, bool:
		return a == b
	}
	return false
}

// compile reads a pattern. RE2 takes time linear in the value, whatever the pattern.
func compile(pattern string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("the pattern does not compile: %v", err)
	}
	re.Longest()
	return re, nil
}

// matchesWhole reports whether the pattern matches all of s. Anchors are not
// pasted around the text of a pattern: a|b, or \Q without its end, would
// escape from them. The leftmost-longest match is the whole if any is.
func matchesWhole(re *regexp.Regexp, s string) bool {
	loc := re.FindStringIndex(s)
	return loc != nil && loc[0] == 0 && loc[1] == len(s)
}

// Environment is what a script gets of values that Values made: PF_<NAME> each.
// Where they were kept in between, somebody may have changed them; so they are
// checked once more, and what params do not allow is an ErrSealBroken.
func Environment(params []Parameter, values map[string]any) (map[string]string, error) {
	env := make(map[string]string, len(values))
	for _, p := range params {
		given, is := values[p.Name]
		if !is {
			if p.Required || p.Default != nil || p.Template != "" {
				return nil, fmt.Errorf("%w: %s has no value", ErrSealBroken, p.Name)
			}
			continue
		}
		v, err := p.value(given)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrSealBroken, p.Name, err)
		}
		env["PF_"+p.Name] = EnvValue(v)
	}
	if len(env) != len(values) {
		return nil, fmt.Errorf("%w: there are values of no parameter", ErrSealBroken)
	}
	return env, nil
}

// EnvValue is how a value becomes the text of PF_<NAME>: strings as they are,
// numbers in plain decimals without an exponent, true or false.
func EnvValue(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case bool:
		return strconv.FormatBool(x)
	}
	if f, ok := number(v); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}
