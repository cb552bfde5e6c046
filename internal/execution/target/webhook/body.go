package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"pagefree/internal/execution/target"
	"pagefree/internal/execution/target/webhook/notice"
	"pagefree/internal/incident"
)

// delivery is the generic body.
type delivery struct {
	ExecutionID string             `json:"executionId"`
	Runbook     target.Runbook     `json:"runbook"`
	Incident    *incident.Incident `json:"incident,omitempty"`
	Attempt     int                `json:"attempt"`
	Language    string             `json:"language"`
	Script      string             `json:"script,omitempty"`
	Parameters  map[string]any     `json:"parameters"`
	Callback    target.Callback    `json:"callback"`
}

// requestBody is what is posted, by the target's preset.
func requestBody(j target.Job) ([]byte, error) {
	var body any
	switch j.Target.Preset {
	case generic:
		d := delivery{
			ExecutionID: j.ExecutionID, Runbook: j.Runbook, Attempt: j.Attempt, Language: j.Language, Script: j.Script,
			Parameters: j.Values, Callback: j.Callback,
		}
		if d.Parameters == nil {
			d.Parameters = map[string]any{}
		}
		if j.Incident != nil {
			i := *j.Incident
			i.Raw = nil // what an integration sent, up to a megabyte of anything
			d.Incident = &i
		}
		body = d
	case awx:
		vars, err := extraVars(j)
		if err != nil {
			return nil, err
		}
		body = map[string]any{"extra_vars": vars}
	case rundeck: // whose options are strings, numbers too
		options := map[string]string{notice.CallbackURL: j.Callback.URL, notice.CallbackToken: j.Callback.Token}
		for name, value := range j.Env {
			options[name] = value
		}
		body = map[string]any{"options": options}
	default:
		return nil, &target.Refused{Code: presetUnknown, Reason: fmt.Sprintf("there is no preset %q", j.Target.Preset)}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		return nil, &target.Refused{Code: parameterInvalid, Reason: "the parameters cannot be written as JSON"} // the cause may quote one
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// extraVars keep their types: a survey of AWX takes a number for an integer or
// a float, and nothing but a string for a text. AWX takes extra_vars as an
// object and as a string of it.
func extraVars(j target.Job) (map[string]any, error) {
	vars := map[string]any{notice.CallbackURL: j.Callback.URL, notice.CallbackToken: j.Callback.Token}
	for name, value := range j.Values {
		if s, ok := value.(string); ok && slices.ContainsFunc([]string{"{{", "{%"}, func(open string) bool { return strings.Contains(s, open) }) {
			// AWX may be set to let Ansible evaluate them (ALLOW_JINJA_IN_EXTRA_VARS), and an alert's text is anybody's.
			return nil, &target.Refused{Code: parameterInvalid, Reason: "PF_" + name + " holds what Ansible evaluates as a template"}
		}
		vars["PF_"+name] = value
	}
	return vars, nil
}

// launch is what AWX and Rundeck answer when they have started a job, and what
// a generic receiver may answer in their way.
type launch struct {
	ID          json.RawMessage `json:"id"`
	Job         json.RawMessage `json:"job"`          // AWX
	WorkflowJob json.RawMessage `json:"workflow_job"` // AWX
	Ignored     struct {
		ExtraVars map[string]json.RawMessage `json:"extra_vars"`
	} `json:"ignored_fields"` // AWX, of a template that does not prompt
}

// readLaunch reads what it can: nothing depends on it but a name to show.
func readLaunch(body []byte) launch {
	var members map[string]json.RawMessage
	var l launch
	if json.Unmarshal(body, &members) != nil {
		return l
	}
	l.ID, l.Job, l.WorkflowJob = members["id"], members["job"], members["workflow_job"]
	_ = json.Unmarshal(members["ignored_fields"], &l.Ignored)
	return l
}

// ref is the job's id, "" where none was told.
func (l launch) ref() string {
	for _, raw := range []json.RawMessage{l.Job, l.WorkflowJob, l.ID} {
		if id := notice.Identifier(raw); id != "" {
			return id
		}
	}
	return ""
}

// ignored tells that AWX left out the callback, and with it everything.
func (l launch) ignored() bool {
	_, token := l.Ignored.ExtraVars[notice.CallbackToken]
	return token
}
