package e2e

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pagefree/infra/local/client"
)

var (
	uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	codeForm = regexp.MustCompile(`^[a-z]+(_[a-z0-9]+)*$`)
	timeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
	idForm   = regexp.MustCompile(`^(rb|ex|inc|svc|team|usr|key|aud|tl|tgt|sec|sp|cmp|spi|spu|mnt|prt|acc|prs|pse|look|int|dlv|wf|wfr|dev)_[0-9A-HJKMNP-TV-Z]{26}$`)
)

// innards are words of what is behind the API, which no answer says.
var innards = []string{
	"json:", "Go struct", "Go value", "goroutine", "runtime error", "panic", ".go:", "dynamo", "ConditionalCheck", "TransactionCanceled",
	"arn:aws", "sqs", "lambda", "strconv", "reflect", "encoding/", "huma", "/root/", "/home/", "/internal/", "/infra/",
}

// private are members of what is stored that are nobody else's business.
var private = []string{"pk", "sk", "byTeam", "byKind", "byRunbook", "byIncident", "ttl", "hash", "epoch", "rev", "nonce", "seal", "env", "dueAt", "lastEditorId", "writers", "newest", "sequence", "ciphertext"}

// hold holds an answer against what the contract says of all answers.
func hold(t *testing.T, do string, a client.Answer) {
	t.Helper()
	wrong := func(format string, args ...any) {
		t.Helper()
		t.Errorf(do+": "+format+"\n%d %v\n%s", append(args, a.Status, a.Header, clip(a.Raw))...)
	}
	if a.Status >= 500 {
		wrong("an answer of the 500s")
	}
	holdLimits(wrong, do, a)
	id := a.Header.Get("X-Request-Id")
	if !uuidForm.MatchString(id) {
		wrong("X-Request-Id is %q", id)
	}
	switch {
	case a.Status >= 400 && !strings.HasPrefix(do, "HEAD "):
		holdProblem(wrong, a, id)
	case a.Status == http.StatusNoContent || a.Status == http.StatusNotModified || strings.HasPrefix(do, "HEAD "):
		if a.Raw != "" {
			wrong("it has a body")
		}
	case a.Header.Get("Content-Type") == "application/x-ndjson":
		for line := range strings.Lines(a.Raw) {
			if !json.Valid([]byte(line)) {
				wrong("a line is no JSON: %s", line)
			}
		}
	case a.Body == nil && !strings.Contains(do, " /signin"):
		wrong("it is no JSON")
	}
	if strings.HasPrefix(do, "GET ") && a.Status == http.StatusOK && a.Header.Get("ETag") == "" {
		wrong("a read without ETag")
	}
	if a.Status == http.StatusCreated && !strings.HasPrefix(a.Header.Get("Location"), "/v1/") {
		wrong("created without Location")
	}
	if items, list := a.Body["items"]; list {
		_, hasCursor := a.Body["nextCursor"]
		if _, ok := items.([]any); !ok || !hasCursor || len(a.Body) != 2 {
			wrong("a list has items and nextCursor")
		}
	}
	for _, o := range append(a.Items(), a.Body) {
		if id, ok := o["id"].(string); ok && !idForm.MatchString(id) {
			wrong("the id is %q", id)
		}
	}
	holdMembers(wrong, "", a.Body)
}

// holdProblem holds an error against RFC 9457 and the contract.
func holdProblem(wrong func(string, ...any), a client.Answer, requestID string) {
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		wrong("a problem is sent as %q", got)
	}
	if a.Body["type"] != "about:blank" || a.Body["status"] != float64(a.Status) || a.Text("title") == "" || a.Text("detail") == "" {
		wrong("a problem lacks members")
	}
	if !codeForm.MatchString(a.Text("code")) {
		wrong("the code is %q", a.Text("code"))
	}
	if a.Text("instance") != "urn:uuid:"+requestID {
		wrong("the instance is %q", a.Text("instance"))
	}
	for _, word := range innards {
		if strings.Contains(a.Raw, word) {
			wrong("it says %q", word)
		}
	}
	for name := range a.Body {
		if !slices.Contains([]string{"type", "title", "status", "detail", "code", "instance", "errors"}, name) {
			wrong("a problem has a member %q", name)
		}
	}
	if fields, ok := a.Body["errors"].([]any); ok {
		for _, f := range fields {
			if f, ok := f.(map[string]any); !ok || f["location"] == "" || f["message"] == "" || len(f) != 2 {
				wrong("errors have location and message")
			}
		}
	}
	if a.Text("code") == "validation_failed" && a.Body["errors"] == nil {
		wrong("validation that does not say what is wrong")
	}
	switch a.Status {
	case http.StatusUnauthorized:
		if a.Header.Get("WWW-Authenticate") != "Bearer" && a.Header.Get("X-Amzn-Remapped-Www-Authenticate") != "Bearer" {
			wrong("401 without WWW-Authenticate")
		}
	case http.StatusMethodNotAllowed:
		if a.Header.Get("Allow") == "" {
			wrong("405 without Allow")
		}
	case http.StatusTooManyRequests:
		if a.Header.Get("Retry-After") == "" {
			wrong("429 without Retry-After")
		}
	}
}

// holdMembers walks an answer: times, ids and names have one form everywhere.
func holdMembers(wrong func(string, ...any), name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for member, value := range v {
			free := name == "parameters" || name == "labels" || name == "detail" || name == "paths" || name == "tags" || name == "components" || name == "properties"
			if !free && slices.Contains(private, member) {
				wrong("it shows %q", member)
			}
			if !free {
				holdMembers(wrong, member, value)
			}
		}
	case []any:
		for _, value := range v {
			holdMembers(wrong, name, value)
		}
	case string:
		switch {
		case (name == "at" || name == "since" || strings.HasSuffix(name, "At")) && !timeForm.MatchString(v):
			wrong("%s is %q, and no time", name, v)
		case strings.HasSuffix(name, "Id") && name != "requestId" && name != "nodeId" && !idForm.MatchString(v):
			wrong("%s is %q, and no id", name, v)
		}
	}
}

func clip(s string) string {
	if len(s) > 1000 {
		return s[:1000] + "..."
	}
	return s
}
