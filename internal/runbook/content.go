package runbook

import (
	"errors"
	"fmt"
	"maps"
	"net/textproto"
	"net/url"
	"reflect"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/template"
	"pagefree/internal/platform/text"
)

// Limits of the contract.
const (
	MaxName       = 120      // characters
	MaxScript     = 48 << 10 // bytes
	MaxParameters = 32
	maxEnum       = 100
	maxWords      = 2000 // characters of notes and reasons
)

// Content is what a writer says of a version: everything that decides what
// runs, and when.
type Content struct {
	Language        string      `json:"language" enum:"BASH,PYTHON,JAVASCRIPT"`
	ScriptContent   string      `json:"scriptContent,omitempty" doc:"at most 48 KiB of UTF-8 without NUL; required for ssm and sandbox"`
	Parameters      []Parameter `json:"parameters,omitempty" maxItems:"32"`
	Target          Target      `json:"target"`
	TimeoutSeconds  int         `json:"timeoutSeconds,omitempty" minimum:"5" maximum:"300" default:"60"`
	MaxRetries      int         `json:"maxRetries,omitempty" minimum:"0" maximum:"3" default:"0" doc:"above 0 only with idempotent"`
	Idempotent      bool        `json:"idempotent,omitempty" doc:"running it twice does no more than running it once"`
	Concurrency     int         `json:"concurrency,omitempty" minimum:"1" maximum:"100" default:"10" doc:"live runs per runbook and service"`
	MaxRunsPerHour  *int        `json:"maxRunsPerHour,omitempty" minimum:"1" maximum:"1000" nullable:"true"`
	ServiceID       *string     `json:"serviceId,omitempty" nullable:"true" doc:"it then runs only for incidents of that service"`
	RequiresConfirm bool        `json:"requiresConfirm,omitempty"`
	Risk            string      `json:"risk,omitempty" enum:"LOW,MEDIUM,HIGH" default:"HIGH"`
	ChangeNote      string      `json:"changeNote,omitempty" maxLength:"2000"`
}

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

// withDefaults fills what a writer may leave out.
func (c Content) withDefaults() Content {
	if c.TimeoutSeconds == 0 {
		c.TimeoutSeconds = 60
	}
	if c.Concurrency == 0 {
		c.Concurrency = 10
	}
	if c.Risk == "" {
		c.Risk = "HIGH"
	}
	if c.Parameters == nil {
		c.Parameters = []Parameter{}
	}
	c.Target = c.Target.withDefaults()
	return c
}

func (t Target) withDefaults() Target {
	if t.Type == SSM && t.MaxNodes == 0 {
		t.MaxNodes = 1
	}
	if t.Type == Webhook && t.Preset == "" {
		t.Preset = "generic"
	}
	return t
}

// check reports everything that is wrong with the content, or nil. targets are
// the types that something can dispatch to.
func (c Content) check(targets []string) error {
	var f faults
	if !slices.Contains([]string{Bash, Python, JavaScript}, c.Language) {
		f.add("language", "it is one of %s, %s, %s", Bash, Python, JavaScript)
	}
	switch {
	case len(c.ScriptContent) > MaxScript:
		f.add("scriptContent", "it is longer than %d bytes", MaxScript)
	case !utf8.ValidString(c.ScriptContent):
		f.add("scriptContent", "it is no UTF-8")
	case strings.ContainsRune(c.ScriptContent, 0):
		f.add("scriptContent", "it holds a NUL")
	case text.Reorders(c.ScriptContent): // a reviewer would approve what they do not see
		f.add("scriptContent", "it holds marks that change the order in which it is shown; write them as escapes")
	case text.HidesLines(c.ScriptContent):
		f.add("scriptContent", "it holds ends of lines that are not seen: a carriage return alone, U+2028 or U+2029; write them as escapes")
	}
	c.checkScript(&f, c.Target.Type)
	within(&f, "timeoutSeconds", c.TimeoutSeconds, 5, 300)
	within(&f, "maxRetries", c.MaxRetries, 0, 3)
	within(&f, "concurrency", c.Concurrency, 1, 100)
	if c.MaxRunsPerHour != nil {
		within(&f, "maxRunsPerHour", *c.MaxRunsPerHour, 1, 1000)
	}
	if c.MaxRetries > 0 && !c.Idempotent {
		f.add("maxRetries", "only an idempotent runbook is tried again")
	}
	if !slices.Contains([]string{"LOW", "MEDIUM", "HIGH"}, c.Risk) {
		f.add("risk", "it is one of LOW, MEDIUM, HIGH")
	}
	words(&f, "changeNote", c.ChangeNote, 0, maxWords)
	checkParameters(&f, c.Parameters, c.Target.Type)
	c.Target.check(&f, targets)
	return f.err()
}

// checkScript wants a script for a type of target that runs it.
func (c Content) checkScript(f *faults, target string) {
	if strings.TrimSpace(c.ScriptContent) == "" && (target == Sandbox || target == SSM) {
		f.add("scriptContent", "the target %s needs a script", target)
	}
}

func within(f *faults, location string, n, low, high int) {
	if n < low || n > high {
		f.add(location, "it is between %d and %d", low, high)
	}
}

// words checks text for people: length in characters, no NUL.
func words(f *faults, location, s string, low, high int) {
	switch n := utf8.RuneCountInString(s); {
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0) || text.Reorders(s):
		f.add(location, "it holds what is no text")
	case low > 0 && strings.TrimSpace(s) == "":
		f.add(location, "it is required")
	case n < low || n > high:
		f.add(location, "it has %d to %d characters", low, high)
	}
}

// checkName checks a name that was trimmed already: one line, 1 to 120 characters.
func checkName(f *faults, name string) {
	words(f, "name", name, 1, MaxName)
	if strings.ContainsFunc(name, unicode.IsControl) {
		f.add("name", "it is one line")
	}
}

var parameterName = text.Pattern(`^[A-Z][A-Z0-9_]{0,39}$`)

func checkParameters(f *faults, params []Parameter, target string) {
	if len(params) > MaxParameters {
		f.add("parameters", "there are at most %d", MaxParameters)
		return
	}
	seen := map[string]bool{}
	for i, p := range params {
		at := fmt.Sprintf("parameters[%d]", i)
		if !parameterName().MatchString(p.Name) {
			f.add(at+".name", "it matches %s", parameterName())
		}
		if seen[p.Name] {
			f.add(at+".name", "another parameter has the same name")
		}
		seen[p.Name] = true
		if p.Secret && target == SSM {
			f.add(at+".secret", "SSM shows parameters in its history: a secret one cannot go there")
		}
		p.check(f, at)
	}
}

// check reports what is wrong with the definition of a parameter.
func (p Parameter) check(f *faults, at string) {
	if !slices.Contains([]string{String, Integer, Number, Boolean}, p.Type) {
		f.add(at+".type", "it is one of string, integer, number, boolean")
		return
	}
	words(f, at+".description", p.Description, 0, 1000)
	if p.Type != String && (p.Pattern != "" || p.MaxLength != nil) {
		f.add(at, "pattern and maxLength are for strings")
		return
	}
	if p.MaxLength != nil {
		within(f, at+".maxLength", *p.MaxLength, 1, MaxValue)
	}
	if p.Pattern != "" {
		if err := p.affordable(); err != nil {
			f.add(at+".pattern", "%v", err)
			return
		}
		words(f, at+".pattern", p.Pattern, 0, 500)
	}
	p.checkEnum(f, at)
	if p.Default != nil {
		if _, err := p.value(p.Default); err != nil {
			f.add(at+".default", "%v", err)
		}
	}
	if p.Template == "" {
		return
	}
	if p.Default != nil {
		f.add(at+".default", "a template fixes the value, so the default would never be used")
	}
	words(f, at+".template", p.Template, 0, 4096)
	t, err := template.Parse(p.Template)
	if err == nil {
		err = t.Check(TemplateScope())
	}
	if err != nil {
		f.add(at+".template", "%v", err)
	}
}

// maxWork bounds what matching one value may take: steps of the pattern's
// program times bytes. It is some seconds of the small share of a processor
// that a function has; without a bound, 500 characters of pattern take hours.
const maxWork = 1 << 26

// affordable reports why a pattern does not compile, or costs too much.
func (p Parameter) affordable() error {
	if _, err := compile(p.Pattern); err != nil {
		return err
	}
	re, err := syntax.Parse(p.Pattern, syntax.Perl)
	if err != nil {
		return err
	}
	program, err := syntax.Compile(re.Simplify())
	if err != nil {
		return err
	}
	longest := MaxValue
	if p.MaxLength != nil {
		longest = min(longest, *p.MaxLength*utf8.UTFMax)
	}
	if len(program.Inst)*longest > maxWork {
		return errors.New("it takes too long on long values: repeat less, or set a smaller maxLength")
	}
	return nil
}

func (p Parameter) checkEnum(f *faults, at string) {
	if len(p.Enum) > maxEnum {
		f.add(at+".enum", "it has at most %d values", maxEnum)
		return
	}
	for i, v := range p.Enum {
		if _, err := p.typed(v); err != nil {
			f.add(fmt.Sprintf("%s.enum[%d]", at, i), "%v", err)
			continue
		}
		if slices.ContainsFunc(p.Enum[:i], func(e any) bool { return same(e, v) }) {
			f.add(fmt.Sprintf("%s.enum[%d]", at, i), "the value is listed twice")
		}
	}
}

// check reports what is wrong with a target: members that its type does not
// have, and values that could never be dispatched to.
func (t Target) check(f *faults, types []string) {
	only := Target{Type: t.Type}
	switch t.Type {
	case Sandbox:
	case SSM:
		only.InstanceIDs, only.Tags, only.MaxNodes, only.MaxConcurrency, only.MaxErrors = t.InstanceIDs, t.Tags, t.MaxNodes, t.MaxConcurrency, t.MaxErrors
		t.checkSSM(f)
	case Webhook:
		only.URL, only.Preset, only.Async, only.Headers, only.SignWith = t.URL, t.Preset, t.Async, t.Headers, t.SignWith
		t.checkWebhook(f)
	case Named:
		only.TargetID = t.TargetID
		words(f, "target.targetId", t.TargetID, 1, 64)
	default:
		f.add("target.type", "it is one of sandbox, ssm, webhook, named")
		return
	}
	if !reflect.DeepEqual(t, only) {
		f.add("target", "it has members that a %s target does not have", t.Type)
	}
	if !slices.Contains(types, t.Type) {
		f.add("target.type", "%s targets cannot be dispatched to yet; there is %s", t.Type, strings.Join(types, ", "))
	}
}

var (
	nodeID      = text.Pattern(`^m?i-[a-z0-9-]{2,60}$`)
	concurrency = text.Pattern(`^([1-9][0-9]{0,6}|[1-9][0-9]?%|100%)$`)
	errorLimit  = text.Pattern(`^(0|[1-9][0-9]{0,6}|[0-9]{1,2}%|100%)$`)
)

// checkSSM follows the limits of SendCommand: 50 ids, 5 tags, 50 values of a tag.
func (t Target) checkSSM(f *faults) {
	if (len(t.InstanceIDs) > 0) == (len(t.Tags) > 0) {
		f.add("target", "it has either instanceIds or tags")
	}
	if len(t.InstanceIDs) > 50 {
		f.add("target.instanceIds", "there are at most 50")
	}
	for i, id := range t.InstanceIDs {
		if !nodeID().MatchString(id) {
			f.add(fmt.Sprintf("target.instanceIds[%d]", i), "it is the id of a managed node (i-... or mi-...)")
		}
	}
	if len(t.Tags) > 5 {
		f.add("target.tags", "there are at most 5")
	}
	for _, key := range slices.Sorted(maps.Keys(t.Tags)) {
		values := t.Tags[key]
		if key == "" || len(key) > 128 || len(values) == 0 || len(values) > 50 || slices.ContainsFunc(values, func(v string) bool { return v == "" || len(v) > 256 }) {
			f.add("target.tags", "a tag has a key of up to 128 bytes and 1 to 50 values of up to 256 bytes")
		}
	}
	within(f, "target.maxNodes", t.MaxNodes, 1, 1000)
	if t.MaxConcurrency != "" && !concurrency().MatchString(t.MaxConcurrency) {
		f.add("target.maxConcurrency", "it is a number, or a share such as 10%%")
	}
	if t.MaxErrors != "" && !errorLimit().MatchString(t.MaxErrors) {
		f.add("target.maxErrors", "it is a number, or a share such as 10%%")
	}
}

var (
	headerName   = text.Pattern("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$") // RFC 9110, token
	secretName   = text.Pattern(`^[a-z][a-z0-9-]{0,39}$`)
	secretInText = text.Pattern(`\{\{secrets\.([a-z][a-z0-9-]{0,39})\}\}`)
)

// reserved are headers that belong to the connection, or to us. What would
// make net/http, or anybody on the way, send a request again is among them.
var reserved = []string{
	"Connection", "Content-Encoding", "Content-Length", "Expect", "Host", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Webhook-Id", "Webhook-Signature", "Webhook-Timestamp",
	"X-Pagefree-Depth", "X-Pagefree-Execution",
}

// ReservedHeader reports whether a webhook's target may not set the header.
func ReservedHeader(name string) bool {
	return slices.Contains(reserved, textproto.CanonicalMIMEHeaderKey(name)) || strings.Contains(strings.ToLower(name), "idempotency-key")
}

func (t Target) checkWebhook(f *faults) {
	u, err := url.Parse(t.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || (u.Scheme != "https" && u.Scheme != "http") || len(t.URL) > 2048 {
		f.add("target.url", "it is an absolute https address of up to 2048 bytes, without user and fragment")
	}
	if !slices.Contains([]string{"generic", "awx", "rundeck"}, t.Preset) {
		f.add("target.preset", "it is one of generic, awx, rundeck")
	}
	if len(t.Headers) > 20 {
		f.add("target.headers", "there are at most 20")
	}
	for _, name := range slices.Sorted(maps.Keys(t.Headers)) {
		value := t.Headers[name]
		switch rest := secretInText().ReplaceAllString(value, ""); {
		case !headerName().MatchString(name):
			f.add("target.headers", "a header's name is an HTTP token")
		case ReservedHeader(name):
			f.add("target.headers", "%s is not a target's to set: it belongs to the connection, or makes a repeated request look like a first one", name)
		case len(value) > 2048 || strings.ContainsFunc(value, unicode.IsControl):
			f.add("target.headers", "a header's value is one line of up to 2048 bytes")
		case strings.Contains(rest, "{{"):
			f.add("target.headers", "a header's value may hold {{secrets.<name>}} and no other template")
		}
	}
	if t.SignWith != "" && !secretName().MatchString(t.SignWith) {
		f.add("target.signWith", "it is the name of a secret")
	}
}
