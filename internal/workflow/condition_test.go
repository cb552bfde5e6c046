package workflow

import (
	"testing"
	"time"

	"pagefree/internal/incident"
	"pagefree/internal/platform/timestamp"
)

// results are those of two steps: one that ran, one that was skipped.
func results() ([]Step, []StepRun) {
	steps := []Step{{ID: "ran", Type: Runbook}, {ID: "skipped", Type: Runbook}, {ID: "asks", Type: Note}}
	return steps, []StepRun{
		{ID: "ran", Status: Completed, Output: map[string]any{"exitCode": 10.0, "stdout": "1e3\n"}},
		{ID: "skipped", Status: Skipped}, {ID: "asks", Status: Pending},
	}
}

func TestConditions(t *testing.T) {
	steps, ran := results()
	at := time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC)
	seen := world{incident: incident.Incident{ID: "inc_1", Title: "Disk", Severity: incident.High, Labels: map[string]string{"n": "10", "v": "v10", "empty": ""}, CreatedAt: timestamp.Of(at)}, now: at}
	tests := map[string]struct {
		condition string
		want      bool
	}{
		"equal texts":                          {`{{incident.title}} == "Disk"`, true},
		"other texts":                          {`{{incident.title}} == "disk"`, false},
		"by a helper":                          {`{{lower incident.title}} == "disk"`, true},
		"no space is needed":                   {`{{incident.title}}=="Disk"`, true},
		"not equal":                            {`{{incident.title}} != "disk"`, true},
		"numbers are equal as numbers":         {`{{incident.labels.n}} == "10.0"`, true},
		"and less as numbers":                  {`{{incident.labels.n}} > "9"`, true},
		"and not as texts":                     {`{{incident.labels.n}} < "9"`, false},
		"texts compare as texts":               {`{{incident.labels.v}} < "v9"`, true},
		"a number and a text are texts":        {`{{incident.labels.n}} < "9x"`, true},
		"an exit code":                         {`{{steps.ran.exitCode}} > "9"`, true},
		"output with a line's end":             {`{{trim steps.ran.stdout}} == "1000"`, true},
		"a status":                             {`{{steps.ran.status}} == "COMPLETED"`, true},
		"of one that was skipped":              {`{{steps.skipped.status}} == "SKIPPED"`, true},
		"no value is empty text":               {`{{steps.skipped.exitCode}} == ""`, true},
		"and not another":                      {`{{steps.skipped.exitCode}} != "0"`, true},
		"and not less":                         {`{{steps.skipped.exitCode}} < "1"`, false},
		"nor greater":                          {`{{steps.skipped.exitCode}} > ""`, false},
		"there is something":                   {`{{incident.title}}`, true},
		"there is nothing":                     {`{{incident.labels.empty}}`, false},
		"there is no value":                    {`{{incident.labels.other}}`, false},
		"a default":                            {`{{default incident.labels.other "x"}} == "x"`, true},
		"braces in a text":                     {`{{default incident.labels.other "}}"}} == "}}"`, true},
		"a quote in a text":                    {`{{incident.title}} != "a \" b"`, true},
		"no hexadecimal":                       {`{{incident.labels.n}} == "0xA"`, false},
		"no infinity":                          {`{{incident.labels.n}} < "Inf"`, true}, // as texts
		"a number that is too large is a text": {`{{incident.labels.n}} < "1e999"`, true},
	}
	for name, tt := range tests {
		c, err := parseCondition(tt.condition)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := c.holds(seen.fill(steps, 2, ran, nil)); got != tt.want {
			t.Errorf("%s: %s: got %v", name, tt.condition, got)
		}
	}
}

func TestWhatIsNoCondition(t *testing.T) {
	for _, text := range []string{
		"", "x", "{{incident.title", "{{}}", `{{incident.title}} = "x"`, `{{incident.title}} <= "x"`, `{{incident.title}} == x`, `{{incident.title}} == 'x'`,
		"{{incident.title}} == `x`", `{{incident.title}} == "x`, `{{incident.title}} == "x" y`, `"x" == {{incident.title}}`, `{{incident.title}} == {{incident.id}}`,
		`{{incident.title}} {{incident.id}}`, `{{incident.title}} == "x" && {{incident.id}}`, `not {{incident.title}}`, `{{upper {{incident.title}}}}`,
	} {
		if c, err := parseCondition(text); err == nil {
			t.Errorf("%q is taken for %+v", text, c)
		}
	}
}

func FuzzCondition(f *testing.F) {
	f.Add(`{{incident.title}} == "x"`)
	f.Add(`{{default incident.title "}}"}} < "9"`)
	steps, ran := results()
	scope := world{}.fill(steps, 2, ran, nil)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCondition(text)
		if err != nil {
			return
		}
		if c.left.Check(scope) == nil {
			c.holds(scope)
		}
		if len(c.left.Paths()) != 1 {
			t.Errorf("%q compares %v", text, c.left.Paths())
		}
	})
}
