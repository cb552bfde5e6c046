package runbook

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pagefree/internal/platform/problem"
)

// content is one that passes, for tests to change.
func content() Content {
	return Content{Language: Bash, ScriptContent: "echo", Target: Target{Type: Sandbox}}.withDefaults()
}

var everyTarget = []string{Sandbox, SSM, Webhook, Named}

func locations(err error) []string {
	var at []string
	if p, ok := errors.AsType[*problem.Error](err); ok {
		for _, f := range p.Fields {
			at = append(at, strings.TrimPrefix(f.Location, "body."))
		}
	}
	return at
}

func TestContent(t *testing.T) {
	params := func(p ...Parameter) func(*Content) { return func(c *Content) { c.Parameters = p } }
	p := func(p Parameter) func(*Content) { p.Name = "P"; return params(p) }
	target := func(to Target) func(*Content) { return func(c *Content) { c.Target = to } }
	many := func(n int) (all []Parameter) {
		for i := range n {
			all = append(all, Parameter{Name: fmt.Sprintf("P%d", i), Type: String})
		}
		return all
	}
	hook := Target{Type: Webhook, URL: "https://awx.example/api", Preset: "awx"}
	header := func(name, value string) func(*Content) {
		to := hook
		to.Headers = map[string]string{name: value}
		return target(to)
	}
	nodes := Target{Type: SSM, InstanceIDs: []string{"mi-local", "i-0123456789abcdef0"}, MaxNodes: 2, MaxConcurrency: "50%", MaxErrors: "0"}
	tests := map[string]struct {
		change func(*Content)
		want   string // where it is wrong; "" nowhere
	}{
		"the least":                          {func(*Content) {}, ""},
		"the largest script":                 {func(c *Content) { c.ScriptContent = strings.Repeat("x", MaxScript) }, ""},
		"a script of one byte more":          {func(c *Content) { c.ScriptContent = strings.Repeat("x", MaxScript+1) }, "scriptContent"},
		"bytes count, not characters":        {func(c *Content) { c.ScriptContent = strings.Repeat("ä", MaxScript/2+1) }, "scriptContent"},
		"a script of white space":            {func(c *Content) { c.ScriptContent = " \n\t" }, "scriptContent"},
		"a script that is no UTF-8":          {func(c *Content) { c.ScriptContent = "\xff" }, "scriptContent"},
		"a script that shows another order":  {func(c *Content) { c.ScriptContent = "echo \u202e}; rm" }, "scriptContent"},
		"a script with a hidden line":        {func(c *Content) { c.ScriptContent = "# seen\rrm -r ." }, "scriptContent"},
		"a script with a line separator":     {func(c *Content) { c.ScriptContent = "// seen\u2028hidden()" }, "scriptContent"},
		"a script with CRLF":                 {func(c *Content) { c.ScriptContent = "echo one\r\necho two\r\n" }, ""},
		"a script from right to left":        {func(c *Content) { c.ScriptContent = "echo שלום" }, ""},
		"a note that shows another order":    {func(c *Content) { c.ChangeNote = "\u2066x" }, "changeNote"},
		"a script with NUL":                  {func(c *Content) { c.ScriptContent = "a\x00" }, "scriptContent"},
		"timeout 5":                          {func(c *Content) { c.TimeoutSeconds = 5 }, ""},
		"timeout 300":                        {func(c *Content) { c.TimeoutSeconds = 300 }, ""},
		"timeout 301":                        {func(c *Content) { c.TimeoutSeconds = 301 }, "timeoutSeconds"},
		"timeout 4":                          {func(c *Content) { c.TimeoutSeconds = 4 }, "timeoutSeconds"},
		"concurrency 100":                    {func(c *Content) { c.Concurrency = 100 }, ""},
		"concurrency 101":                    {func(c *Content) { c.Concurrency = 101 }, "concurrency"},
		"concurrency below 0":                {func(c *Content) { c.Concurrency = -1 }, "concurrency"},
		"runs 1 an hour":                     {func(c *Content) { c.MaxRunsPerHour = ptr(1) }, ""},
		"runs 1000 an hour":                  {func(c *Content) { c.MaxRunsPerHour = ptr(1000) }, ""},
		"runs 0 an hour":                     {func(c *Content) { c.MaxRunsPerHour = ptr(0) }, "maxRunsPerHour"},
		"runs 1001 an hour":                  {func(c *Content) { c.MaxRunsPerHour = ptr(1001) }, "maxRunsPerHour"},
		"3 retries, idempotent":              {func(c *Content) { c.MaxRetries, c.Idempotent = 3, true }, ""},
		"4 retries":                          {func(c *Content) { c.MaxRetries, c.Idempotent = 4, true }, "maxRetries"},
		"a retry, not idempotent":            {func(c *Content) { c.MaxRetries = 1 }, "maxRetries"},
		"idempotent, no retry":               {func(c *Content) { c.Idempotent = true }, ""},
		"a language of none":                 {func(c *Content) { c.Language = "RUBY" }, "language"},
		"a risk of none":                     {func(c *Content) { c.Risk = "NONE" }, "risk"},
		"a long change note":                 {func(c *Content) { c.ChangeNote = strings.Repeat("x", 2001) }, "changeNote"},
		"32 parameters":                      {params(many(32)...), ""},
		"33 parameters":                      {params(many(33)...), "parameters"},
		"one name twice":                     {params(Parameter{Name: "A", Type: String}, Parameter{Name: "A", Type: Integer}), "parameters[1].name"},
		"a name of 40":                       {params(Parameter{Name: strings.Repeat("A", 40), Type: String}), ""},
		"a name of 41":                       {params(Parameter{Name: strings.Repeat("A", 41), Type: String}), "parameters[0].name"},
		"a name in lower case":               {params(Parameter{Name: "a", Type: String}), "parameters[0].name"},
		"a name that starts with a digit":    {params(Parameter{Name: "1A", Type: String}), "parameters[0].name"},
		"a name with a new line":             {params(Parameter{Name: "A\n", Type: String}), "parameters[0].name"},
		"a name with =":                      {params(Parameter{Name: "A=B", Type: String}), "parameters[0].name"},
		"no name":                            {params(Parameter{Type: String}), "parameters[0].name"},
		"no type":                            {p(Parameter{}), "parameters[0].type"},
		"the type password":                  {p(Parameter{Type: "password"}), "parameters[0].type"},
		"a pattern that does not compile":    {p(Parameter{Type: String, Pattern: "("}), "parameters[0].pattern"},
		"a pattern that RE2 refuses":         {p(Parameter{Type: String, Pattern: `(a)\1`}), "parameters[0].pattern"},
		"a pattern that explodes":            {p(Parameter{Type: String, Pattern: "((a{1000}){1000}){1000}"}), "parameters[0].pattern"},
		"a pattern that repeats much":        {p(Parameter{Type: String, Pattern: "[a-z]{1,1000}"}), ""},
		"a pattern that takes minutes":       {p(Parameter{Type: String, Pattern: strings.Repeat("[a-z]{0,1000}", 38), Default: strings.Repeat("a", MaxValue)}), "parameters[0].pattern"},
		"the same, for short values":         {p(Parameter{Type: String, Pattern: strings.Repeat("[a-z]{0,1000}", 38), MaxLength: ptr(200)}), ""},
		"a pattern that is anchored already": {p(Parameter{Type: String, Pattern: "^a$", Default: "a"}), ""},
		"a pattern of an integer":            {p(Parameter{Type: Integer, Pattern: "1"}), "parameters[0]"},
		"a maxLength of a boolean":           {p(Parameter{Type: Boolean, MaxLength: ptr(1)}), "parameters[0]"},
		"a maxLength of 0":                   {p(Parameter{Type: String, MaxLength: ptr(0)}), "parameters[0].maxLength"},
		"a default of another type":          {p(Parameter{Type: Integer, Default: "1"}), "parameters[0].default"},
		"a default that is no integer":       {p(Parameter{Type: Integer, Default: 1.5}), "parameters[0].default"},
		"a default outside the enum":         {p(Parameter{Type: String, Enum: []any{"a"}, Default: "b"}), "parameters[0].default"},
		"a default in the enum":              {p(Parameter{Type: Number, Enum: []any{1.5}, Default: 1.5}), ""},
		"a default against the pattern":      {p(Parameter{Type: String, Pattern: "a", Default: "aa"}), "parameters[0].default"},
		"a default over maxLength":           {p(Parameter{Type: String, MaxLength: ptr(1), Default: "aa"}), "parameters[0].default"},
		"a default with braces":              {p(Parameter{Type: String, Default: "{{now}}"}), "parameters[0].default"},
		"an enum of another type":            {p(Parameter{Type: Boolean, Enum: []any{"true"}}), "parameters[0].enum[0]"},
		"an enum that holds null":            {p(Parameter{Type: String, Enum: []any{nil}}), "parameters[0].enum[0]"},
		"an enum that holds a list":          {p(Parameter{Type: String, Enum: []any{[]any{"a"}}}), "parameters[0].enum[0]"},
		"an enum of one list twice":          {p(Parameter{Type: String, Enum: []any{[]any{"a"}, []any{"a"}}}), "parameters[0].enum[0]"},
		"an enum of one object twice":        {p(Parameter{Type: String, Enum: []any{map[string]any{}, map[string]any{}}}), "parameters[0].enum[0]"},
		"an enum with one value twice":       {p(Parameter{Type: Integer, Enum: []any{1.0, 1.0}}), "parameters[0].enum[1]"},
		"an enum against the pattern":        {p(Parameter{Type: String, Pattern: "a", Enum: []any{"b"}}), "parameters[0].enum[0]"},
		"an enum of 101":                     {p(Parameter{Type: Integer, Enum: make([]any, 101)}), "parameters[0].enum"},
		"a template":                         {p(Parameter{Type: String, Template: `{{default incident.labels.zone "eu"}}`}), ""},
		"a template with an unknown path":    {p(Parameter{Type: String, Template: "{{incident.raw}}"}), "parameters[0].template"},
		"a template over steps":              {p(Parameter{Type: String, Template: "{{steps.one.stdout}}"}), "parameters[0].template"},
		"a template over secrets":            {p(Parameter{Type: String, Template: "{{secrets.one}}"}), "parameters[0].template"},
		"a template with an unknown helper":  {p(Parameter{Type: String, Template: "{{env incident.title}}"}), "parameters[0].template"},
		"a template that is not closed":      {p(Parameter{Type: String, Template: "{{now"}), "parameters[0].template"},
		"a template and a default":           {p(Parameter{Type: String, Template: "{{now}}", Default: "x"}), "parameters[0].default"},
		"a secret for the sandbox":           {p(Parameter{Type: String, Secret: true}), ""},
		"a secret for ssm":                   {func(c *Content) { c.Target, c.Parameters = nodes, []Parameter{{Name: "P", Type: String, Secret: true}} }, "parameters[0].secret"},
		"no target":                          {target(Target{}), "target.type"},
		"an unknown target":                  {target(Target{Type: "ssh"}), "target.type"},
		"a sandbox with a url":               {target(Target{Type: Sandbox, URL: "https://a.example"}), "target"},
		"a sandbox with nodes":               {target(Target{Type: Sandbox, MaxNodes: 1}), "target"},
		"ssm by ids":                         {target(nodes), ""},
		"ssm by tags":                        {target(Target{Type: SSM, Tags: map[string][]string{"env": {"prod"}}, MaxNodes: 1}), ""},
		"ssm without a script":               {func(c *Content) { c.Target, c.ScriptContent = nodes, "" }, "scriptContent"},
		"ssm by both":                        {target(Target{Type: SSM, InstanceIDs: []string{"mi-local"}, Tags: map[string][]string{"a": {"b"}}, MaxNodes: 1}), "target"},
		"ssm by neither":                     {target(Target{Type: SSM, MaxNodes: 1}), "target"},
		"ssm by something else":              {target(Target{Type: SSM, InstanceIDs: []string{"web-1"}, MaxNodes: 1}), "target.instanceIds[0]"},
		"ssm by 51 ids":                      {target(Target{Type: SSM, InstanceIDs: slices.Repeat([]string{"mi-local"}, 51), MaxNodes: 1}), "target.instanceIds"},
		"ssm by an empty tag":                {target(Target{Type: SSM, Tags: map[string][]string{"env": {}}, MaxNodes: 1}), "target.tags"},
		"ssm with a share of 101%":           {target(Target{Type: SSM, InstanceIDs: []string{"mi-local"}, MaxNodes: 1, MaxConcurrency: "101%"}), "target.maxConcurrency"},
		"ssm with a concurrency of 0":        {target(Target{Type: SSM, InstanceIDs: []string{"mi-local"}, MaxNodes: 1, MaxConcurrency: "0"}), "target.maxConcurrency"},
		"a webhook":                          {target(hook), ""},
		"a webhook without a script":         {func(c *Content) { c.Target, c.ScriptContent = hook, "" }, ""},
		"a webhook to a file":                {target(Target{Type: Webhook, URL: "file:///etc/passwd", Preset: "generic"}), "target.url"},
		"a webhook with a password":          {target(Target{Type: Webhook, URL: "https://u:p@a.example", Preset: "generic"}), "target.url"},
		"a webhook to nowhere":               {target(Target{Type: Webhook, Preset: "generic"}), "target.url"},
		"a webhook of no preset":             {target(Target{Type: Webhook, URL: "https://a.example", Preset: "jenkins"}), "target.preset"},
		"a header with a secret":             {header("Authorization", "Bearer {{secrets.awx-token}}"), ""},
		"a header with a template":           {header("X-Title", "{{incident.title}}"), "target.headers"},
		"a header of two lines":              {header("X-A", "a\r\nX-B: b"), "target.headers"},
		"a header with a space in its name":  {header("X A", "a"), "target.headers"},
		"the idempotency key":                {header("X-Idempotency-Key", "a"), "target.headers"},
		"our own header":                     {header("x-pagefree-depth", "0"), "target.headers"},
		"a named target":                     {target(Target{Type: Named, TargetID: "tgt_1"}), ""},
		"a named target without a name":      {target(Target{Type: Named}), "target.targetId"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := content()
			test.change(&c)
			err := c.check(everyTarget)
			if got := locations(err); (test.want == "") != (err == nil) || (test.want != "" && !slices.Contains(got, test.want)) {
				t.Errorf("got %v (%v), want %q", got, err, test.want)
			}
		})
	}
}

func TestATargetThatNothingDispatchesToIsRefused(t *testing.T) {
	c := content()
	c.Target = Target{Type: SSM, InstanceIDs: []string{"mi-local"}, MaxNodes: 1}
	err := c.check([]string{Sandbox})
	if got := locations(err); !slices.Equal(got, []string{"target.type"}) || !strings.Contains(err.Error(), "cannot be dispatched to yet") {
		t.Errorf("got %v", err)
	}
}

func TestDefaults(t *testing.T) {
	c := Content{Target: Target{Type: SSM}}.withDefaults()
	if c.TimeoutSeconds != 60 || c.Concurrency != 10 || c.Risk != "HIGH" || c.MaxRetries != 0 || c.MaxRunsPerHour != nil || c.Parameters == nil || c.Target.MaxNodes != 1 {
		t.Errorf("got %+v", c)
	}
	if c = (Content{Target: Target{Type: Webhook}}).withDefaults(); c.Target.Preset != "generic" {
		t.Errorf("got %+v", c.Target)
	}
}

func TestEveryMemberOfATargetBelongsToOneType(t *testing.T) {
	members := map[string]Target{
		"instanceIds": {InstanceIDs: []string{"mi-local"}}, "tags": {Tags: map[string][]string{"a": {"b"}}}, "maxNodes": {MaxNodes: 1},
		"maxConcurrency": {MaxConcurrency: "1"}, "maxErrors": {MaxErrors: "1"}, "url": {URL: "https://a.example"}, "preset": {Preset: "awx"},
		"async": {Async: true}, "headers": {Headers: map[string]string{"A": "b"}}, "signWith": {SignWith: "a"}, "targetId": {TargetID: "a"},
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		to := members[name]
		to.Type = Sandbox
		var f faults
		to.check(&f, everyTarget)
		if !slices.Contains(locations(f.err()), "target") {
			t.Errorf("a sandbox with %s: got %v", name, f)
		}
	}
}
