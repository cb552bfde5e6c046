package execution

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pagefree/internal/execution/target"
	"pagefree/internal/platform/token"
	"pagefree/internal/runbook"
)

// callback posts to the callbacks' function as a receiver does.
func (w *world) callback(ex, bearer string, body any) answer {
	w.t.Helper()
	headers := []string{}
	if bearer != "" {
		headers = append(headers, "Authorization", "Bearer "+bearer)
	}
	return w.send(w.callbacks, "nobody", "POST", "/v1/callbacks/"+ex, body, headers...)
}

// accepted triggers a runbook whose receiver took it, and gives the token that it got.
func (w *world) accepted(runbookID string) (ex, bearer string) {
	w.t.Helper()
	w.remote.report = target.Report{State: target.Running, Ref: "job-7"}
	ex = w.trigger(runbookID)
	w.dispatch(ex)
	return ex, w.remote.jobs[len(w.remote.jobs)-1].Callback.Token
}

func TestACallbackEndsIt(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 40_000) // 80,000 bytes
	tests := map[string]struct {
		body         map[string]any
		status, code string
		exit         any
		stdout       int
	}{
		"completed":                    {map[string]any{"status": "COMPLETED", "stdout": "ok\n"}, "COMPLETED", "", nil, 3},
		"completed, exit code 0":       {map[string]any{"status": "COMPLETED", "exitCode": 0}, "COMPLETED", "", 0.0, 0},
		"completed, another exit code": {map[string]any{"status": "COMPLETED", "exitCode": 4}, "FAILED", "exit code 4", 4.0, 0},
		"failed":                       {map[string]any{"status": "FAILED", "error": "no such host"}, "FAILED", "no such host", nil, 0},
		"failed, without a word":       {map[string]any{"status": "FAILED"}, "FAILED", "reported a failure", nil, 0},
		"too much output":              {map[string]any{"status": "COMPLETED", "stdout": long}, "COMPLETED", "", nil, 65_536},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ex, bearer := w.accepted(w.runbook("Launch", async(10)))
			if got := w.read(ex).text("status"); got != "RUNNING" {
				t.Fatalf("got %s", got)
			}
			if a := w.report(ex, bearer, tt.body); a.body["ignored"] != false {
				t.Errorf("got %v", a.body)
			}
			got := w.read(ex)
			if got.text("status") != tt.status || got.body["exitCode"] != tt.exit || !strings.Contains(got.text("error"), tt.code) {
				t.Errorf("got %s, exit code %v, error %q", got.text("status"), got.body["exitCode"], got.text("error"))
			}
			if len(got.text("stdout")) != tt.stdout || got.body["stdoutTruncated"] != (tt.stdout == 65_536) {
				t.Errorf("got %d bytes of stdout, truncated %v", len(got.text("stdout")), got.body["stdoutTruncated"])
			}
			t.Log("what comes later is on record, each kind once, and changes nothing")
			for range 3 {
				if a := w.report(ex, bearer, map[string]any{"status": "RUNNING"}); a.body["ignored"] != true {
					t.Errorf("late: got %v", a.body)
				}
				if a := w.report(ex, bearer, map[string]any{"status": "FAILED", "stdout": "late"}); a.body["ignored"] != true {
					t.Errorf("late: got %v", a.body)
				}
			}
			if late := w.read(ex); late.text("status") != tt.status || late.text("stdout") == "late" {
				t.Errorf("a late callback changed it: %v", late.body)
			}
			if got := w.trail(ex); strings.Count(got, "execution.callback_ignored") != 2 {
				t.Errorf("the audit trail tells %q", got)
			}
			if len(w.due()) != 0 {
				t.Errorf("still due: %v", w.due())
			}
		})
	}
}

func TestProgressShowsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ex, bearer := w.accepted(w.runbook("Launch", async(10)))
	for _, text := range []string{"one\n", "one\ntwo\n"} {
		w.report(ex, bearer, map[string]any{"status": "RUNNING", "stdout": text})
		if got := w.read(ex); got.text("status") != "RUNNING" || got.text("stdout") != text {
			t.Errorf("got %s, %q", got.text("status"), got.text("stdout"))
		}
	}
	w.report(ex, bearer, map[string]any{"status": "COMPLETED"})
	if got := w.read(ex); got.text("status") != "COMPLETED" || got.text("stdout") != "one\ntwo\n" {
		t.Errorf("an end that says nothing of output keeps what there was: got %s, %q", got.text("status"), got.text("stdout"))
	}
}

// TestACallbackBeforeTheAnswer: a fast receiver reports before the dispatcher
// has its 202.
func TestACallbackBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ex := w.trigger(w.runbook("Launch", async(10)))
	w.remote.report = target.Report{State: target.Running, Ref: "job-7"}
	w.remote.meanwhile = func(j target.Job) {
		w.report(ex, j.Callback.Token, map[string]any{"status": "COMPLETED", "stdout": "fast\n"})
	}
	w.dispatch(ex)
	if got := w.read(ex); got.text("status") != "COMPLETED" || got.text("stdout") != "fast\n" {
		t.Errorf("got %v", got.body)
	}
	if len(w.due()) != 0 {
		t.Errorf("still due: %v", w.due())
	}
}

// TestEachAttemptHasAToken: the receiver of a failed attempt cannot speak for the next one.
func TestEachAttemptHasAToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ex, first := w.accepted(w.runbook("Launch", func(c *runbook.Creation) { async(10)(c); retried(1)(c) }))
	w.report(ex, first, map[string]any{"status": "FAILED", "error": "busy"})
	if got := w.read(ex); got.text("status") != "PENDING" {
		t.Fatalf("got %v", got.body)
	}
	w.dispatch(ex)
	second := w.remote.jobs[1].Callback.Token
	if a := w.report(ex, first, map[string]any{"status": "COMPLETED"}); a.body["ignored"] != true || w.read(ex).text("status") != "RUNNING" {
		t.Errorf("the first attempt's token: got %v, %s", a.body, w.read(ex).text("status"))
	}
	w.report(ex, second, map[string]any{"status": "COMPLETED"})
	if got := w.read(ex).text("status"); got != "COMPLETED" || first == second {
		t.Errorf("got %s", got)
	}
}

func TestBadCallbacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Launch", async(10))
	ex, bearer := w.accepted(rb)
	_, other := w.accepted(rb)
	done := map[string]any{"status": "COMPLETED"}
	tests := map[string]struct {
		ex, bearer string
		body       any
		status     int
	}{
		"no token":                  {ex, "", done, 401},
		"a token of another kind":   {ex, token.New(token.Session), done, 401},
		"a token of nobody":         {ex, token.New(token.Callback), done, 401},
		"another execution's token": {ex, other, done, 401},
		"an execution that is none": {"ex_01KC9Q6Z5R8T1V3X5Z7B9D1F3H", bearer, done, 404},
		"an id that is none":        {"nothing", bearer, done, 404},
		"an unknown status":         {ex, bearer, map[string]any{"status": "DONE"}, 422},
		"no status":                 {ex, bearer, map[string]any{}, 422},
		"an unknown member":         {ex, bearer, map[string]any{"status": "COMPLETED", "result": 1}, 422},
		"an exit code that is none": {ex, bearer, map[string]any{"status": "COMPLETED", "exitCode": "0"}, 422},
		"running, and its end":      {ex, bearer, map[string]any{"status": "RUNNING", "exitCode": 0}, 422},
		"a body that is too large":  {ex, bearer, map[string]any{"status": "COMPLETED", "stdout": strings.Repeat("x", 300<<10)}, 413},
	}
	for name, tt := range tests {
		if a := w.callback(tt.ex, tt.bearer, tt.body); a.status != tt.status || a.status == 401 && a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: got %d %v, want %d", name, a.status, a.body, tt.status)
		}
	}
	if got := w.read(ex).text("status"); got != "RUNNING" {
		t.Errorf("a bad callback made it %s", got)
	}
	for range maxRefused { // whoever knows the id cannot fill the record
		w.callback(ex, token.New(token.Callback), done)
	}
	if got := strings.Count(w.trail(ex), "execution.callback_refused"); got != maxRefused {
		t.Errorf("%d refusals are on record, want %d", got, maxRefused)
	}
}

// TestAJobThatPrintsItsToken: whoever may look at an execution may not end it.
func TestAJobThatPrintsItsToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ex, bearer := w.accepted(w.runbook("Launch", async(10)))
	w.report(ex, bearer, map[string]any{"status": "RUNNING", "stdout": "token=" + bearer + "\n", "stderr": strings.Repeat("x", 65_530) + bearer})
	if got := w.read(ex); got.text("stdout") != "token=***\n" || strings.Contains(got.raw, bearer[:6]) {
		t.Errorf("got %q, and stderr that ends in %q", got.text("stdout"), got.text("stderr")[65_500:])
	}
	w.report(ex, bearer, map[string]any{"status": "FAILED", "error": "no answer to " + bearer})
	if got := w.read(ex).text("error"); got != "no answer to ***" {
		t.Errorf("got %q", got)
	}
}

func TestTheTokenIsKeptAsAHash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ex, bearer := w.accepted(w.runbook("Launch", async(10)))
	e, _, err := w.service.Store.Execution(t.Context(), ex)
	if err != nil || e.attempt().Callback != token.Hash(bearer) || e.attempt().Ref != "job-7" {
		t.Errorf("got %+v, %v", e.attempt(), err)
	}
	if got := w.remote.jobs[0].Callback.URL; got != "https://pagefree.test/v1/callbacks/"+ex {
		t.Errorf("got %s", got)
	}
	if a := w.as("lead", "GET", "/v1/executions/"+ex, nil); a.status != http.StatusOK || strings.Contains(a.raw, bearer) || strings.Contains(a.raw, token.Hash(bearer)) {
		t.Errorf("the token shows: %s", a.raw)
	}
}

// TestRefusedCallbacksAreLogged: what is wrong with a body too, and nothing that its sender wrote.
func TestRefusedCallbacksAreLogged(t *testing.T) {
	const ex = "ex_01KC9Q6Z5R8T1V3X5Z7B9D1F3H"
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(before)
	h := Refusals(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/callbacks/"+ex {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		w.WriteHeader(map[string]int{"/v1/callbacks/awx": 400, "/v1/callbacks/fine": 200}[r.URL.Path])
	}))
	for _, path := range []string{ex, "awx", "fine"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/v1/callbacks/"+path, strings.NewReader("pfc_secret")))
	}
	if got := out.String(); strings.Count(got, "callback refused") != 2 || !strings.Contains(got, "of="+ex+" status=422") || !strings.Contains(got, "of=awx status=400") || strings.Contains(got, "secret") {
		t.Errorf("got %s", got)
	}
}
