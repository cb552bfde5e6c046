package notice

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"pagefree/internal/execution/target"
	"pagefree/internal/platform/problem"
)

// rundeckNotice is what Rundeck's webhook notification holds, in JSON and in
// XML alike: the notification's own words, and the execution as its API shows it.
type rundeckNotice struct {
	trigger, status, executionID string
	vars                         variables
	succeeded, failed            []string // nodes
}

// rundeckStates are Rundeck's words for how far an execution has come. One that
// failed and is tried again has not ended: its next one reports.
var rundeckStates = map[string]target.State{
	"scheduled": target.Running, "queued": target.Running, "running": target.Running, "failed-with-retry": target.Running,
	"succeeded": target.Completed, "failed": target.Failed, "aborted": target.Cancelled, "timedout": target.TimedOut, "missed": target.Failed,
}

// Rundeck reads a webhook notification of Rundeck, in either of its two
// formats. An error is a *problem.Error: 400 for what cannot be read, 413, 415
// for another media type, 422 for what is no notification of a job that we started.
func Rundeck(contentType string, body []byte) (Notice, error) {
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		mediaType = ""
	}
	read := readRundeckJSON
	switch mediaType {
	case "application/json":
	case "text/xml", "application/xml":
		read = readRundeckXML
	default:
		return Notice{}, problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type", "Rundeck's notifications are application/json or text/xml.")
	}
	r, err := read(body)
	if err != nil {
		return Notice{}, err
	}
	var n Notice
	if err := n.identify(r.vars, "body.execution.job.options"); err != nil {
		return Notice{}, err
	}
	if n.Ref = Identifier(json.RawMessage(r.executionID)); n.Ref == "" {
		return Notice{}, unusable("body.executionId", "it is the execution's number")
	}
	if n.State, err = r.state(); err != nil {
		return Notice{}, err
	}
	n.Output.Stdout, n.Output.StdoutTruncated = keep(r.nodes(), target.MaxOutput)
	if n.State != target.Running && n.State != target.Completed {
		n.Error = fmt.Sprintf("Rundeck execution %s: %s", n.Ref, word(r.status))
	}
	return n, nil
}

// state goes by the status. A job may end with a word of its own; what that
// means the trigger tells.
func (r rundeckNotice) state() (target.State, error) {
	if r.status == "" {
		return "", unusable("body.status", "it is missing")
	}
	if state, known := rundeckStates[r.status]; known {
		return state, nil
	}
	switch r.trigger {
	case "success":
		return target.Completed, nil
	case "failure":
		return target.Failed, nil
	}
	return "", unusable("body.status", "it is not a status of Rundeck, and the trigger is neither success nor failure")
}

func (r rundeckNotice) nodes() string {
	var b strings.Builder
	for _, node := range r.succeeded {
		fmt.Fprintf(&b, "%s: succeeded\n", word(node))
	}
	for _, node := range r.failed {
		fmt.Fprintf(&b, "%s: failed\n", word(node))
	}
	return b.String()
}

func readRundeckJSON(body []byte) (rundeckNotice, error) {
	var in struct {
		Trigger     string          `json:"trigger"`
		Status      string          `json:"status"`
		ExecutionID json.RawMessage `json:"executionId"`
		Execution   *struct {
			ID     json.RawMessage `json:"id"`
			Status string          `json:"status"`
			Job    struct {
				Options map[string]json.RawMessage `json:"options"`
			} `json:"job"`
			Succeeded []string `json:"successfulNodes"`
			Failed    []string `json:"failedNodes"`
		} `json:"execution"`
	}
	if err := object(body, &in); err != nil {
		return rundeckNotice{}, err
	}
	if in.Execution == nil {
		return rundeckNotice{}, unusable("body.execution", "it is missing")
	}
	number := in.ExecutionID
	if number == nil {
		number = in.Execution.ID
	}
	return rundeckNotice{
		trigger: in.Trigger, status: cmp.Or(in.Status, in.Execution.Status), executionID: string(number),
		vars: find(in.Execution.Job.Options), succeeded: in.Execution.Succeeded, failed: in.Execution.Failed,
	}, nil
}

// rundeckXML is <notification> with one <execution> in it.
type rundeckXML struct {
	XMLName     xml.Name `xml:"notification"`
	Trigger     string   `xml:"trigger,attr"`
	Status      string   `xml:"status,attr"`
	ExecutionID string   `xml:"executionId,attr"`
	Executions  []struct {
		ID      string `xml:"id,attr"`
		Status  string `xml:"status,attr"`
		Options []struct {
			Name  string `xml:"name,attr"`
			Value string `xml:"value,attr"`
		} `xml:"job>options>option"`
		Succeeded []rundeckNode `xml:"successfulNodes>node"`
		Failed    []rundeckNode `xml:"failedNodes>node"`
	} `xml:"executions>execution"`
}

type rundeckNode struct {
	Name string `xml:"name,attr"`
}

func readRundeckXML(body []byte) (rundeckNotice, error) {
	if len(body) > maxNotice {
		return rundeckNotice{}, tooLarge()
	}
	var in rundeckXML
	d := xml.NewTokenDecoder(&plainXML{from: xml.NewDecoder(bytes.NewReader(body))})
	err := d.Decode(&in)
	if err == nil {
		err = ended(d)
	}
	if err != nil {
		// The words of encoding/xml for another root, which it reports as the error of a type.
		if unexpected, ok := errors.AsType[xml.UnmarshalError](err); ok && strings.HasPrefix(string(unexpected), "expected element") {
			return rundeckNotice{}, unusable("body", "its root is <notification>")
		}
		return rundeckNotice{}, malformed("XML without a document type")
	}
	if len(in.Executions) != 1 {
		return rundeckNotice{}, unusable("body.executions", "there is one execution")
	}
	e := in.Executions[0]
	r := rundeckNotice{trigger: in.Trigger, status: cmp.Or(in.Status, e.Status), executionID: cmp.Or(in.ExecutionID, e.ID)}
	for _, option := range e.Options {
		switch option.Name {
		case CallbackURL:
			r.vars.url = option.Value
		case CallbackToken:
			r.vars.token = option.Value
		}
	}
	for _, node := range e.Succeeded {
		r.succeeded = append(r.succeeded, node.Name)
	}
	for _, node := range e.Failed {
		r.failed = append(r.failed, node.Name)
	}
	return r, nil
}

// ended holds that nothing but space and comments follows the root.
func ended(d *xml.Decoder) error {
	for {
		t, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if text, ok := t.(xml.CharData); !ok || len(bytes.TrimSpace(text)) > 0 {
			if _, comment := t.(xml.Comment); !comment {
				return errors.New("something follows the root")
			}
		}
	}
}

const (
	maxDepth    = 32
	maxElements = 20_000
)

// plainXML reads XML that is no more than elements: a document type, where
// entities are defined, is refused, and so is what is nested without end.
type plainXML struct {
	from            *xml.Decoder
	depth, elements int
}

func (p *plainXML) Token() (xml.Token, error) {
	t, err := p.from.Token()
	switch t.(type) {
	case xml.Directive:
		return nil, errors.New("a document type")
	case xml.StartElement:
		p.depth++
		p.elements++
	case xml.EndElement:
		p.depth--
	}
	if p.depth > maxDepth || p.elements > maxElements {
		return nil, errors.New("too deep, or too many elements")
	}
	return t, err
}
