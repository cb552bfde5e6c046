package notice

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"pagefree/internal/execution/target"
	"pagefree/internal/platform/problem"
)

// awxNotice is the body of AWX's webhook notifications, as a notification
// template sends it unless somebody changes it. Jobs of a workflow template
// have the same members but hosts.
type awxNotice struct {
	ID        json.RawMessage         `json:"id"`
	Status    *string                 `json:"status"`
	Traceback string                  `json:"traceback"`
	ExtraVars json.RawMessage         `json:"extra_vars"` // a string that holds JSON; an object where the body was changed
	Hosts     map[string]awxHostStats `json:"hosts"`
}

// awxHostStats are what AWX counts of a host; dark is what Ansible prints as unreachable.
type awxHostStats struct {
	OK       int64 `json:"ok"`
	Changed  int64 `json:"changed"`
	Dark     int64 `json:"dark"`
	Failures int64 `json:"failures"`
	Skipped  int64 `json:"skipped"`
}

// awxStates are AWX's words for how far a job has come.
var awxStates = map[string]target.State{
	"new": target.Running, "pending": target.Running, "waiting": target.Running, "running": target.Running,
	"successful": target.Completed, "failed": target.Failed, "error": target.Failed, "canceled": target.Cancelled,
}

// AWX reads a webhook notification of AWX. An error is a *problem.Error:
// 400 for what is no JSON, 413, 422 for what is no notification of a job that
// we started.
func AWX(contentType string, body []byte) (Notice, error) {
	if media, _, err := mime.ParseMediaType(cmp.Or(contentType, "application/json")); err != nil || media != "application/json" {
		return Notice{}, problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type", "AWX sends application/json.")
	}
	var a awxNotice
	if err := object(body, &a); err != nil {
		return Notice{}, err
	}
	vars, err := a.variables()
	if err != nil {
		return Notice{}, err
	}
	var n Notice
	if err := n.identify(vars, "body.extra_vars"); err != nil {
		return Notice{}, err
	}
	if n.Ref = Identifier(a.ID); n.Ref == "" {
		return Notice{}, unusable("body.id", "it is the job's number")
	}
	if a.Status == nil {
		return Notice{}, unusable("body.status", "it is missing")
	}
	state, known := awxStates[*a.Status]
	if !known {
		return Notice{}, unusable("body.status", "it is not a status of AWX")
	}
	n.State = state
	n.Output.Stdout, n.Output.StdoutTruncated = keep(a.recap(), target.MaxOutput)
	n.Output.Stderr, n.Output.StderrTruncated = keep(a.Traceback, target.MaxOutput)
	if state != target.Running && state != target.Completed {
		n.Error = fmt.Sprintf("AWX job %s: %s", n.Ref, *a.Status)
	}
	return n, nil
}

func (a awxNotice) variables() (variables, error) {
	raw := a.ExtraVars
	var inString string
	if json.Unmarshal(raw, &inString) == nil {
		raw = json.RawMessage(inString)
	}
	var values map[string]json.RawMessage
	if json.Unmarshal(raw, &values) != nil {
		return variables{}, unusable("body.extra_vars", "it is an object, or a string of one in JSON")
	}
	return find(values), nil
}

// recap tells of each host what Ansible's own recap does.
func (a awxNotice) recap() string {
	var b strings.Builder
	for _, host := range slices.Sorted(maps.Keys(a.Hosts)) {
		s := a.Hosts[host]
		fmt.Fprintf(&b, "%s: ok=%d changed=%d unreachable=%d failed=%d skipped=%d\n", word(host), s.OK, s.Changed, s.Dark, s.Failures, s.Skipped)
	}
	return b.String()
}
