// Package notice reads what AWX and Rundeck tell, by notifications of their
// own, of jobs that a webhook started. Who may tell it is not decided here: the
// token that a notification carries still has to be the execution's.
package notice

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"pagefree/internal/execution/target"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/text"
	"pagefree/internal/platform/token"
)

// Names of the variables by which AWX's and Rundeck's jobs know where to report to.
const (
	CallbackURL   = "pagefree_callback_url"
	CallbackToken = "pagefree_callback_token"
)

// Notice is what AWX or Rundeck tells of a job that a webhook started.
type Notice struct {
	ExecutionID string // well-formed; found in the callback's URL
	Token       string // well-formed, a callback's; whether it is the right one, its user checks
	State       target.State
	Ref         string // what AWX or Rundeck calls the job
	Output      target.Output
	Error       string // why it did not complete; "" for Running and Completed
}

// maxNotice is more than the API lets through.
const maxNotice = 1 << 20

func tooLarge() error {
	return problem.New(http.StatusRequestEntityTooLarge, problem.BodyTooLarge, "The notification is larger than 1 MiB.")
}

// malformed is a 400: not the format that it says it is.
func malformed(what string) error {
	return problem.New(http.StatusBadRequest, "body_invalid", "The notification is not %s.", what)
}

// unusable is a 422: the format is right, and what is in it is not.
func unusable(location, format string, args ...any) error {
	return problem.InvalidField(location, format, args...)
}

// object reads JSON that is one object, and nothing after it.
func object(body []byte, into any) error {
	if len(body) > maxNotice {
		return tooLarge()
	}
	if !utf8.Valid(body) {
		return malformed("UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return malformed("JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return malformed("one JSON value")
	}
	if httpapi.Unambiguous(raw) != nil {
		return malformed("unambiguous: an object names a member twice")
	}
	if !bytes.HasPrefix(raw, []byte("{")) {
		return unusable("body", "it is a JSON object")
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return unusable("body", "a member has another type than the product gives it")
	}
	return nil
}

// variables are the two that a job was given, however it carries them.
type variables struct{ url, token string }

// find reads both from a map of names to values of any type.
func find(values map[string]json.RawMessage) (v variables) {
	_ = json.Unmarshal(values[CallbackURL], &v.url) // another type is as good as none
	_ = json.Unmarshal(values[CallbackToken], &v.token)
	return v
}

// identify fills in which execution a notice is of. The URL is ours, and yet
// only a job's variable: no more than the id in it is believed, and only
// together with the token.
func (n *Notice) identify(v variables, location string) error {
	if v.url == "" || v.token == "" {
		return unusable(location, "it lacks %s or %s: only jobs that a runbook started report here", CallbackURL, CallbackToken)
	}
	u, err := url.Parse(v.url)
	if err != nil {
		return unusable(location+"."+CallbackURL, "it is not the URL that the job was given")
	}
	_, executionID, found := strings.Cut(u.Path, "/v1/callbacks/")
	if !found || !id.Valid(id.Execution, executionID) {
		return unusable(location+"."+CallbackURL, "it is not the URL that the job was given")
	}
	if kind, ok := token.KindOf(v.token); !ok || kind != token.Callback {
		// What hides variables replaces their values: AWX by $encrypted$.
		return unusable(location+"."+CallbackToken, "it is not the token that the job was given: the job must not hide it, as survey passwords and secure options are")
	}
	n.ExecutionID, n.Token = executionID, v.token
	return nil
}

// keep bounds a text from outside.
func keep(s string, limit int) (string, bool) { return text.Clip([]byte(s), false, limit) }

// word makes a name from outside fit to stand in an error.
func word(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	s, _ = keep(s, 64)
	return s
}

// Identifier reads an id that is a whole number, or a short word of plain letters.
func Identifier(raw json.RawMessage) string {
	var id string
	if json.Unmarshal(raw, &id) != nil {
		var n int64
		if json.Unmarshal(raw, &n) != nil {
			return ""
		}
		return fmt.Sprint(n)
	}
	plain := func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("-_.:", r)
	}
	if len(id) > 64 || strings.ContainsFunc(id, func(r rune) bool { return !plain(r) }) {
		return ""
	}
	return id
}
