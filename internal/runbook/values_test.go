package runbook

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/template"
)

func ptr[T any](v T) *T { return &v }

// filled stands for templates over an incident.
func filled(text string) (string, error) {
	title, evil, count := "Disk full", "x{{y", "12"
	t, err := template.Parse(text)
	if err != nil {
		return "", err
	}
	return t.Resolve(template.Scope{Fields: map[string]*string{"incident.title": &title, "incident.description": &evil, "incident.id": &count, "now": nil}})
}

func TestValues(t *testing.T) {
	one := func(p Parameter) []Parameter { p.Name = "P"; return []Parameter{p} }
	given := func(v any) map[string]any { return map[string]any{"P": v} }
	none := map[string]any{}
	tests := map[string]struct {
		params []Parameter
		given  map[string]any
		want   map[string]any
		code   problem.Code
	}{
		"a string":                         {one(Parameter{Type: String}), given("x"), given("x"), ""},
		"an empty string is a value":       {one(Parameter{Type: String, Required: true}), given(""), given(""), ""},
		"a shell's dream stays text":       {one(Parameter{Type: String}), given("$(rm -rf /)`;'\"\n"), given("$(rm -rf /)`;'\"\n"), ""},
		"one brace":                        {one(Parameter{Type: String}), given("{x}"), given("{x}"), ""},
		"two braces":                       {one(Parameter{Type: String}), given("{{x}}"), nil, ParameterInvalid},
		"a template of what is not known":  {one(Parameter{Type: Integer, Pattern: "x"}), given(Later("{{steps.a.stdout}}")), given("{{steps.a.stdout}}"), ""},
		"one where the value is fixed":     {one(Parameter{Type: String, Template: "x"}), given(Later("{{steps.a.stdout}}")), nil, ParameterFixed},
		"two braces that open nothing":     {one(Parameter{Type: String}), given("a{{"), nil, ParameterInvalid},
		"a number for a string":            {one(Parameter{Type: String}), given(1.0), nil, ParameterInvalid},
		"null for a string":                {one(Parameter{Type: String}), given(nil), nil, ParameterInvalid},
		"a list for a string":              {one(Parameter{Type: String}), given([]any{"x"}), nil, ParameterInvalid},
		"an object for a string":           {one(Parameter{Type: String}), given(map[string]any{}), nil, ParameterInvalid},
		"a NUL":                            {one(Parameter{Type: String}), given("a\x00b"), nil, ParameterInvalid},
		"no UTF-8":                         {one(Parameter{Type: String}), given("\xff"), nil, ParameterInvalid},
		"the longest":                      {one(Parameter{Type: String}), given(strings.Repeat("x", MaxValue)), given(strings.Repeat("x", MaxValue)), ""},
		"longer than the longest":          {one(Parameter{Type: String}), given(strings.Repeat("x", MaxValue+1)), nil, ParameterInvalid},
		"maxLength counts characters":      {one(Parameter{Type: String, MaxLength: ptr(2)}), given("äö"), given("äö"), ""},
		"over maxLength":                   {one(Parameter{Type: String, MaxLength: ptr(2)}), given("äöü"), nil, ParameterInvalid},
		"a pattern":                        {one(Parameter{Type: String, Pattern: "[a-z]+"}), given("abc"), given("abc"), ""},
		"a pattern is of the whole":        {one(Parameter{Type: String, Pattern: "[a-z]+"}), given("abc;"), nil, ParameterInvalid},
		"a line more":                      {one(Parameter{Type: String, Pattern: "[a-z]+$"}), given("abc\n"), nil, ParameterInvalid},
		"in many lines":                    {one(Parameter{Type: String, Pattern: "(?m)^abc$"}), given("abc\nrm"), nil, ParameterInvalid},
		"alternatives stay inside":         {one(Parameter{Type: String, Pattern: "a|b"}), given("ax"), nil, ParameterInvalid},
		"the longer alternative":           {one(Parameter{Type: String, Pattern: "a|ab"}), given("ab"), given("ab"), ""},
		"a lazy pattern":                   {one(Parameter{Type: String, Pattern: "a*?"}), given("aaa"), given("aaa"), ""},
		"an open quote":                    {one(Parameter{Type: String, Pattern: `\Qa.b`}), given("a.b"), given("a.b"), ""},
		"an empty match":                   {one(Parameter{Type: String, Pattern: "x*"}), given("yyy"), nil, ParameterInvalid},
		"an enum":                          {one(Parameter{Type: String, Enum: []any{"a", "b"}}), given("b"), given("b"), ""},
		"not in the enum":                  {one(Parameter{Type: String, Enum: []any{"a", "b"}}), given("B"), nil, ParameterInvalid},
		"an enum of numbers":               {one(Parameter{Type: Integer, Enum: []any{1.0, 2.0}}), given(2.0), given(2.0), ""},
		"an integer":                       {one(Parameter{Type: Integer}), given(7.0), given(7.0), ""},
		"an integer as json.Number":        {one(Parameter{Type: Integer}), given(json.Number("7")), given(7.0), ""},
		"a fraction for an integer":        {one(Parameter{Type: Integer}), given(7.5), nil, ParameterInvalid},
		"text for an integer":              {one(Parameter{Type: Integer}), given("7"), nil, ParameterInvalid},
		"the largest integer":              {one(Parameter{Type: Integer}), given(float64(maxInteger)), given(float64(maxInteger)), ""},
		"an integer that floats round":     {one(Parameter{Type: Integer}), given(float64(maxInteger + 1)), nil, ParameterInvalid},
		"a number":                         {one(Parameter{Type: Number}), given(-0.5), given(-0.5), ""},
		"a number too large":               {one(Parameter{Type: Number}), given(1e101), nil, ParameterInvalid},
		"a number too small":               {one(Parameter{Type: Number}), given(1e-101), nil, ParameterInvalid},
		"infinity":                         {one(Parameter{Type: Number}), given(math.Inf(1)), nil, ParameterInvalid},
		"not a number":                     {one(Parameter{Type: Number}), given(math.NaN()), nil, ParameterInvalid},
		"minus zero":                       {one(Parameter{Type: Number}), given(math.Copysign(0, -1)), given(0.0), ""},
		"true":                             {one(Parameter{Type: Boolean}), given(true), given(true), ""},
		"text for true":                    {one(Parameter{Type: Boolean}), given("true"), nil, ParameterInvalid},
		"a number for true":                {one(Parameter{Type: Boolean}), given(1.0), nil, ParameterInvalid},
		"required and missing":             {one(Parameter{Type: String, Required: true}), none, nil, ParameterMissing},
		"optional and missing is unset":    {one(Parameter{Type: String}), none, none, ""},
		"a default":                        {one(Parameter{Type: String, Default: "d"}), none, given("d"), ""},
		"a default that is false":          {one(Parameter{Type: Boolean, Default: false}), none, given(false), ""},
		"a default that is required":       {one(Parameter{Type: Integer, Required: true, Default: 0.0}), none, given(0.0), ""},
		"a value over a default":           {one(Parameter{Type: String, Default: "d"}), given("x"), given("x"), ""},
		"unknown":                          {one(Parameter{Type: String}), map[string]any{"Q": "x"}, nil, ParameterUnknown},
		"unknown, in another case":         {one(Parameter{Type: String}), map[string]any{"p": "x"}, nil, ParameterUnknown},
		"unknown, with the prefix":         {one(Parameter{Type: String}), map[string]any{"PF_P": "x"}, nil, ParameterUnknown},
		"nothing is known":                 {nil, given("x"), nil, ParameterUnknown},
		"a template":                       {one(Parameter{Type: String, Template: "<{{upper incident.title}}>"}), none, given("<DISK FULL>"), ""},
		"a template without braces":        {one(Parameter{Type: String, Template: "fixed"}), none, given("fixed"), ""},
		"a template is not overridden":     {one(Parameter{Type: String, Template: "fixed"}), given("fixed"), nil, ParameterFixed},
		"a template gives an integer":      {one(Parameter{Type: Integer, Template: "{{incident.id}}"}), none, given(12.0), ""},
		"a template gives no integer":      {one(Parameter{Type: Integer, Template: "{{incident.title}}"}), none, nil, ParameterInvalid},
		"a template gives a hexadecimal":   {one(Parameter{Type: Integer, Template: "0x1p4"}), none, nil, ParameterInvalid},
		"a template gives infinity":        {one(Parameter{Type: Number, Template: "Infinity"}), none, nil, ParameterInvalid},
		"a template gives an exponent":     {one(Parameter{Type: Number, Template: " 1e2 "}), none, given(100.0), ""},
		"a template gives a boolean":       {one(Parameter{Type: Boolean, Template: " true "}), none, given(true), ""},
		"a template gives no boolean":      {one(Parameter{Type: Boolean, Template: "{{incident.id}}"}), none, nil, ParameterInvalid},
		"a template obeys the pattern":     {one(Parameter{Type: String, Template: "{{incident.title}}", Pattern: "[a-z]*"}), none, nil, ParameterInvalid},
		"a template obeys the enum":        {one(Parameter{Type: Boolean, Template: "true", Enum: []any{false}}), none, nil, ParameterInvalid},
		"a template resolves to braces":    {one(Parameter{Type: String, Template: "{{incident.description}}"}), none, nil, ParameterInvalid},
		"a template has no value":          {one(Parameter{Type: String, Template: "{{now}}"}), none, nil, TemplateUnresolved},
		"a template names what is not":     {one(Parameter{Type: String, Template: "{{incident.secret}}"}), none, nil, TemplateUnresolved},
		"unknown comes before invalid":     {one(Parameter{Type: String}), map[string]any{"P": 1.0, "Q": "x"}, nil, ParameterUnknown},
		"a type that nobody knows refuses": {one(Parameter{Type: "password"}), given("x"), nil, ParameterInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Values(test.params, test.given, filled)
			if problem.CodeOf(err) != test.code {
				t.Fatalf("got %v, want code %q", err, test.code)
			}
			if err == nil && !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if p, ok := errors.AsType[*problem.Error](err); ok && (p.Status != 422 || len(p.Fields) == 0 || !strings.HasPrefix(p.Fields[0].Location, "body.parameters.")) {
				t.Errorf("got status %d, fields %v", p.Status, p.Fields)
			}
		})
	}
}

func TestValuesNameEveryParameterAtFaultAndNoValue(t *testing.T) {
	params := []Parameter{{Name: "A", Type: String, Pattern: "x"}, {Name: "B", Type: Integer}, {Name: "C", Type: String}}
	_, err := Values(params, map[string]any{"A": "hunter2", "B": "hunter3", "C": "fine"}, filled)
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || len(p.Fields) != 2 || p.Fields[0].Location != "body.parameters.A" || p.Fields[1].Location != "body.parameters.B" {
		t.Fatalf("got %+v", err)
	}
	if strings.Contains(p.Error(), "hunter") || strings.Contains(p.Fields[0].Message+p.Fields[1].Message, "hunter") {
		t.Errorf("the error shows a value: %+v", p)
	}
}

func TestAFailureBehindATemplateIsNotTheCallers(t *testing.T) {
	down := errors.New("the table does not answer")
	_, err := Values([]Parameter{{Name: "A", Type: String, Template: "{{now}}"}}, nil, func(string) (string, error) { return "", down })
	if !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
}

func TestEnvValue(t *testing.T) {
	tests := []struct {
		value any
		want  string
	}{
		{"a b", "a b"}, {"", ""}, {true, "true"}, {false, "false"},
		{0.0, "0"}, {math.Copysign(0, -1), "0"}, {7.0, "7"}, {-7.0, "-7"}, {int64(7), "7"}, {7, "7"}, {json.Number("12"), "12"},
		{1e6, "1000000"}, {1e21, "1000000000000000000000"}, {float64(maxInteger), "9007199254740991"},
		{0.1, "0.1"}, {1e-7, "0.0000001"}, {-2.5, "-2.5"},
	}
	for _, test := range tests {
		if got := EnvValue(test.value); got != test.want {
			t.Errorf("%#v: got %q, want %q", test.value, got, test.want)
		}
	}
}
