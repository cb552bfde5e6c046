package ssm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// content is a document of schema 2.2, as far as it is run here.
type content struct {
	SchemaVersion string               `json:"schemaVersion"`
	Description   string               `json:"description"`
	Parameters    map[string]parameter `json:"parameters"`
	MainSteps     []step               `json:"mainSteps"`
}

type parameter struct {
	Type              string   `json:"type"`
	Description       string   `json:"description"`
	Default           *string  `json:"default"`
	AllowedValues     []string `json:"allowedValues"`
	AllowedPattern    string   `json:"allowedPattern"`
	MinChars          *int     `json:"minChars"`
	MaxChars          *int     `json:"maxChars"`
	InterpolationType string   `json:"interpolationType"`
}

type step struct {
	Action string `json:"action"`
	Name   string `json:"name"`
	Inputs struct {
		RunCommand     []string `json:"runCommand"`
		TimeoutSeconds any      `json:"timeoutSeconds"` // text or a number
	} `json:"inputs"`
}

const envVar = "ENV_VAR"

// parameterName is what agents take. Source: the SSM agent, framework/docparser/parameters.
var parameterName = regexp.MustCompile(`^[a-zA-Z0-9]+$`)

// parse reads a document. What is not understood is refused, so that nothing runs otherwise than on a real node.
func parse(text string) (content, error) {
	var c content
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, failure("InvalidDocumentContent", "JSON not well-formed, or not known to the local stack: %v", err)
	}
	if c.SchemaVersion != "2.2" {
		return c, failure("InvalidDocumentSchemaVersion", "the local stack knows schema 2.2, not %q", c.SchemaVersion)
	}
	if len(c.MainSteps) != 1 || c.MainSteps[0].Action != "aws:runShellScript" || c.MainSteps[0].Name == "" {
		return c, failure("InvalidDocumentContent", "the local stack runs documents of one named aws:runShellScript step")
	}
	body := strings.Join(c.MainSteps[0].Inputs.RunCommand, "\n")
	for _, name := range slices.Sorted(maps.Keys(c.Parameters)) {
		p := c.Parameters[name]
		_, badPattern := regexp.Compile(p.AllowedPattern)
		switch {
		case !parameterName.MatchString(name):
			return c, failure("InvalidDocumentContent", "parameter name %q: agents take letters and digits only", name)
		case p.Type != "String":
			return c, failure("InvalidDocumentContent", "parameter %s: the local stack knows the type String only", name)
		case p.InterpolationType != "" && p.InterpolationType != envVar && p.InterpolationType != "TEXT":
			return c, failure("InvalidDocumentContent", "parameter %s: interpolationType %q", name, p.InterpolationType)
		case badPattern != nil:
			return c, failure("InvalidDocumentContent", "parameter %s: %v", name, badPattern)
		case p.InterpolationType == envVar && mention(name).MatchString(body):
			return c, failure("InvalidDocumentContent", "parameter %s: the local stack does not put an ENV_VAR parameter into text", name)
		}
	}
	return c, nil
}

func mention(name string) *regexp.Regexp { return regexp.MustCompile(`\{\{\s*` + name + `\s*\}\}`) }

// reference is text that the service itself would resolve: {{ssm:name}} and {{ssm-secure:name}}.
var reference = regexp.MustCompile(`\{\{\s*(ssm|ssm-secure|secretsmanager)\s*:`)

// values checks what a command gives against the document, and fills in defaults.
func (c content) values(given map[string][]string) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, ok := c.Parameters[name]; !ok {
			return nil, failure("InvalidParameters", "Parameter %s is not defined in the document.", name)
		}
		if len(given[name]) != 1 {
			return nil, failure("InvalidParameters", "Parameter %s requires exactly one value.", name)
		}
		if reference.MatchString(given[name][0]) {
			return nil, failure("InvalidParameters", "the local stack resolves no reference to Parameter Store; a real one would, in the value of %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Parameters)) {
		p := c.Parameters[name]
		switch v, is := given[name]; {
		case is:
			out[name] = v[0]
		case p.Default != nil:
			out[name] = *p.Default
		default:
			return nil, failure("InvalidParameters", "Parameter %s requires a value.", name)
		}
		if err := p.check(name, out[name]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (p parameter) check(name, value string) error {
	n := len([]rune(value))
	switch {
	case len(p.AllowedValues) > 0 && !slices.Contains(p.AllowedValues, value),
		p.AllowedPattern != "" && !regexp.MustCompile(p.AllowedPattern).MatchString(value),
		p.MinChars != nil && n < *p.MinChars, p.MaxChars != nil && n > *p.MaxChars:
		return failure("InvalidParameters", "The value of parameter %s is not allowed by the document.", name)
	}
	return nil
}

// script is what an agent of a node runs: text with values put in, and the environment that it adds. One that does not
// know ENV_VAR passes over such parameters.
func (c content) script(values map[string]string, knowsEnv bool) (text string, env map[string]string) {
	text, env = strings.Join(c.MainSteps[0].Inputs.RunCommand, "\n")+"\n", map[string]string{}
	for name, p := range c.Parameters {
		if p.InterpolationType != envVar {
			text = mention(name).ReplaceAllLiteralString(text, values[name])
		} else if knowsEnv {
			env["SSM_"+name] = values[name]
		}
	}
	return text, env
}

// Bounds of a run. Source: the SSM agent, pluginutil: what lies outside is silently the default.
const (
	minExecution     = 5
	maxExecution     = 172_800
	defaultExecution = 3600
)

// executionTimeout is how long the agent lets the step run, in seconds.
func (c content) executionTimeout(values map[string]string) int {
	text := fmt.Sprint(c.MainSteps[0].Inputs.TimeoutSeconds)
	for name := range c.Parameters {
		text = mention(name).ReplaceAllLiteralString(text, values[name])
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < minExecution || n > maxExecution {
		return defaultExecution
	}
	return n
}

func (s *Service) seconds(n int) time.Duration { return time.Duration(n) * s.opts.Second }
