package problem_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"pagefree/internal/platform/problem"
)

// logged makes the default logger write where the test can read it.
func logged(t *testing.T) *bytes.Buffer {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &log
}

func TestWrite(t *testing.T) {
	secret := errors.New("token pfs_secret")
	tests := map[string]struct {
		err    error
		status int
		want   string // the body, without instance
		header http.Header
		logs   bool
	}{
		"missing": {problem.Missing(), 404,
			`{"type":"about:blank","title":"Not Found","status":404,"detail":"There is nothing here that you may see.","code":"not_found"}`, nil, false},
		"no principal": {problem.NoPrincipal(), 401,
			`{"type":"about:blank","title":"Unauthorized","status":401,"detail":"This needs a credential: a session, or an API key.","code":"unauthenticated"}`,
			http.Header{"Www-Authenticate": {"Bearer"}}, false},
		"one field": {problem.InvalidField("body.name", "at most %d", 3), 422,
			`{"type":"about:blank","title":"Unprocessable Entity","status":422,"detail":"body.name: at most 3","code":"validation_failed","errors":[{"location":"body.name","message":"at most 3"}]}`, nil, false},
		"several fields": {problem.Invalid(problem.Field{Location: "a", Message: "b"}, problem.Field{Location: "c", Message: "d"}), 422,
			`{"type":"about:blank","title":"Unprocessable Entity","status":422,"detail":"The request has values that cannot be used.","code":"validation_failed","errors":[{"location":"a","message":"b"},{"location":"c","message":"d"}]}`, nil, false},
		"a transition names the state": {problem.Transition("approve", "DRAFT"), 409,
			`{"type":"about:blank","title":"Conflict","status":409,"detail":"Cannot approve what is DRAFT.","code":"invalid_transition"}`, nil, false},
		"a lost race shows no cause": {problem.Lost(secret), 409,
			`{"type":"about:blank","title":"Conflict","status":409,"detail":"Somebody else changed this at the same moment. Read it again and repeat.","code":"conflict"}`, nil, false},
		"any other error is a 500 that says nothing": {fmt.Errorf("get: %w", secret), 500,
			`{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"Something went wrong on our side. The request id finds it in our log.","code":"internal"}`, nil, true},
		"a wrapped problem is still the problem": {fmt.Errorf("approve: %w", problem.Missing()), 404,
			`{"type":"about:blank","title":"Not Found","status":404,"detail":"There is nothing here that you may see.","code":"not_found"}`, nil, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			log := logged(t)
			rec := httptest.NewRecorder()
			problem.Write(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil), test.err, "the-id")
			if rec.Code != test.status || rec.Header().Get("Content-Type") != "application/problem+json" || rec.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("got %d %v", rec.Code, rec.Header())
			}
			for k, want := range test.header {
				if got := rec.Header()[k]; !reflect.DeepEqual(got, want) {
					t.Errorf("%s: got %v, want %v", k, got, want)
				}
			}
			var got, want map[string]any
			if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if got["instance"] != "urn:uuid:the-id" {
				t.Errorf("instance: got %v", got["instance"])
			}
			delete(got, "instance")
			if err := json.Unmarshal([]byte(test.want), &want); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
			if strings.Contains(rec.Body.String(), "pfs_secret") {
				t.Error("the cause was shown")
			}
			if has := strings.Contains(log.String(), "pfs_secret") && strings.Contains(log.String(), "the-id"); has != test.logs {
				t.Errorf("logged with its cause: got %v, want %v: %s", has, test.logs, log)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("cause")
	lost := fmt.Errorf("x: %w", problem.Lost(cause))
	if !errors.Is(lost, cause) {
		t.Error("the cause is not in the chain")
	}
	if !errors.Is(lost, problem.New(0, problem.Conflict, "")) || errors.Is(lost, problem.Missing()) {
		t.Error("problems are told apart by their codes")
	}
	for name, test := range map[string]struct {
		err  error
		want problem.Code
	}{
		"nil":           {nil, ""},
		"a problem":     {lost, problem.Conflict},
		"anything else": {cause, problem.Internal},
	} {
		if got := problem.CodeOf(test.err); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
	if got, want := problem.Lost(cause).Error(), "conflict: Somebody else changed this at the same moment. Read it again and repeat.: cause"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
