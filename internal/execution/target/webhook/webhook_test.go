package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"pagefree/internal/execution/target"
	"pagefree/internal/execution/target/webhook/notice"
	"pagefree/internal/incident"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/runbook"
)

const (
	executionID = "ex_01JZ0000000000000000000000"
	theToken    = "pfc_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

// received is a request as its receiver sees it.
type received struct {
	method, uri string
	header      http.Header
	body        string
}

// receiver is somebody's server on loopback, let through as the local stack's own.
type receiver struct {
	Sender
	base string // ends in a slash
	mu   sync.Mutex
	got  []received
}

func receive(t *testing.T, h http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.got = append(r.got, received{req.Method, req.RequestURI, req.Header, string(body)})
		r.mu.Unlock()
		h(w, req)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	r.base = s.URL + "/_local/echo/"
	r.Sender = Sender{Client: safehttp.New(safehttp.Options{Local: r.base}), Now: time.Now}
	return r
}

// requests are those that arrived.
func (r *receiver) requests() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got
}

const (
	secretValue = "s3cret-of-the-team"
	signing     = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

// job asks for all that can be asked for.
func (r *receiver) job() target.Job {
	key := "disk"
	return target.Job{
		ExecutionID: executionID, Attempt: 2, Nonce: "n", Language: "BASH", Script: "echo <&>", Timeout: 30 * time.Second,
		Runbook:  target.Runbook{ID: "rb_1", Name: "restart & <see>", Version: 3},
		Incident: &incident.Incident{ID: "inc_1", Title: "disk full", Severity: incident.High, DedupKey: &key, Raw: map[string]any{"much": "more"}},
		Values:   map[string]any{"HOST": "web-1", "COUNT": float64(3), "RATIO": 0.5, "FORCE": true},
		Env:      map[string]string{"PF_HOST": "web-1", "PF_COUNT": "3", "PF_RATIO": "0.5", "PF_FORCE": "true"},
		Target:   runbook.Target{Type: runbook.Webhook, Preset: generic, URL: r.base + "200?key=in-the-query", Headers: map[string]string{"authorization": "Bearer {{secrets.api}}"}, SignWith: "sign"},
		Callback: target.Callback{URL: "https://pagefree.example.com/v1/callbacks/" + executionID, Token: theToken},
		Secrets:  map[string]string{"api": secretValue, "sign": signing},
	}
}

// fromJSON makes values comparable.
func fromJSON(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestBodies(t *testing.T) {
	r := receive(t, func(http.ResponseWriter, *http.Request) {})
	const callback = `"pagefree_callback_url":"https://pagefree.example.com/v1/callbacks/` + executionID + `","pagefree_callback_token":"` + theToken + `"`
	tests := map[string]struct {
		preset string
		change func(*target.Job)
		want   string
	}{
		"generic": {preset: generic, want: `{"executionId":"` + executionID + `","runbook":{"id":"rb_1","name":"restart & <see>","version":3},
			"incident":{"id":"inc_1","title":"disk full","description":"","severity":"HIGH","status":"","serviceId":"","teamId":"","labels":null,"dedupKey":"disk",
			"source":{"kind":"","external":false},"alertCount":0,"escalatedAt":null,"acknowledgedById":null,"acknowledgedAt":null,"resolvedById":null,"resolvedAt":null,"createdById":"",
			"createdAt":"0001-01-01T00:00:00.000Z","updatedAt":"0001-01-01T00:00:00.000Z"},
			"attempt":2,"language":"BASH","script":"echo <&>","parameters":{"HOST":"web-1","COUNT":3,"RATIO":0.5,"FORCE":true},
			"callback":{"url":"https://pagefree.example.com/v1/callbacks/` + executionID + `","token":"` + theToken + `"}}`},
		"generic, the least": {preset: generic, change: func(j *target.Job) {
			j.Incident, j.Script, j.Values, j.Env = nil, "", nil, nil
		}, want: `{"executionId":"` + executionID + `","runbook":{"id":"rb_1","name":"restart & <see>","version":3},"attempt":2,"language":"BASH","parameters":{},
			"callback":{"url":"https://pagefree.example.com/v1/callbacks/` + executionID + `","token":"` + theToken + `"}}`},
		"AWX keeps types":       {preset: awx, want: `{"extra_vars":{"PF_HOST":"web-1","PF_COUNT":3,"PF_RATIO":0.5,"PF_FORCE":true,` + callback + `}}`},
		"Rundeck takes strings": {preset: rundeck, want: `{"options":{"PF_HOST":"web-1","PF_COUNT":"3","PF_RATIO":"0.5","PF_FORCE":"true",` + callback + `}}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			j := r.job()
			j.Target.Preset = tt.preset
			if tt.change != nil {
				tt.change(&j)
			}
			if _, err := r.Send(t.Context(), j); err != nil {
				t.Fatal(err)
			}
			all := r.requests()
			got := all[len(all)-1]
			if !reflect.DeepEqual(fromJSON(t, got.body), fromJSON(t, tt.want)) {
				t.Errorf("got  %s\nwant %s", got.body, tt.want)
			}
			if got.method != "POST" || got.header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %v", got.method, got.header)
			}
		})
	}
}

// TestOutcomes: what each status says, synchronously and not.
func TestOutcomes(t *testing.T) {
	var status int
	var body string
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/_local/echo/200")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
	run, done, no := target.Running, target.Completed, target.Failed
	states := []struct {
		status                   int
		sync, generic, awx, deck target.State
	}{
		{200, done, no, run, run}, {201, done, no, run, run}, {202, done, run, run, run}, {204, done, no, no, no}, {299, done, no, no, no},
		{301, no, no, no, no}, {302, no, no, no, no}, {303, no, no, no, no}, {304, no, no, no, no}, {307, no, no, no, no}, {308, no, no, no, no},
		{400, no, no, no, no}, {401, no, no, no, no}, {404, no, no, no, no}, {429, no, no, no, no}, {500, no, no, no, no}, {503, no, no, no, no},
	}
	for _, tt := range states {
		status, body = tt.status, `{"id":7}`
		if status == 204 || status == 304 {
			body = ""
		}
		for preset, async := range map[string]target.State{generic: tt.generic, awx: tt.awx, rundeck: tt.deck} {
			for isAsync, want := range map[bool]target.State{false: tt.sync, true: async} {
				j := r.job()
				j.Target.Preset, j.Target.Async = preset, isAsync
				got, err := r.Send(t.Context(), j)
				if err != nil || got.State != want || got.ExitCode != nil {
					t.Errorf("%d, %s, async %v: got %+v, %v, want %s", status, preset, isAsync, got, err, want)
				}
				failed := want == target.Failed
				if failed != strings.HasPrefix(got.Error, fmt.Sprintf("http %d", status)) || !failed && got.Error != "" {
					t.Errorf("%d, %s, async %v: error %q", status, preset, isAsync, got.Error)
				}
				if wantOut := want != target.Running; wantOut && got.Output.Stdout != body || !wantOut && got.Output.Stdout != "" {
					t.Errorf("%d, %s, async %v: stdout %q", status, preset, isAsync, got.Output.Stdout)
				}
				if want == target.Running && got.Ref != "7" {
					t.Errorf("%d, %s: ref %q", status, preset, got.Ref)
				}
			}
		}
	}
	if got, want := len(r.requests()), len(states)*6; got != want {
		t.Errorf("%d jobs made %d requests", want, got)
	}
}

func TestReferences(t *testing.T) {
	var body string
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, body)
	})
	for in, want := range map[string]string{
		`{"id":42}`: "42", `{"id":"a-1_b.c:d"}`: "a-1_b.c:d", `{"job":43,"id":44}`: "43", `{"workflow_job":45,"id":1}`: "45",
		"": "", "[1]": "", `{"id":1.5}`: "", `{"id":null}`: "", `{"id":{"a":1}}`: "", `{"id":"<script>"}`: "", `{"id":"` + strings.Repeat("a", 65) + `"}`: "", "\xff": "",
	} {
		body = in
		j := r.job()
		j.Target.Async = true
		if got, err := r.Send(t.Context(), j); err != nil || got.Ref != want || got.State != target.Running {
			t.Errorf("%s: got %+v, %v, want %q", in, got, err, want)
		}
	}
}

// TestAWXIgnoresVariables: a template that does not prompt starts its job without them, and would never report.
func TestAWXIgnoresVariables(t *testing.T) {
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{"job":9,"ignored_fields":{"extra_vars":{"%s":"%s"}},"id":9}`, notice.CallbackToken, theToken)
	})
	j := r.job()
	j.Target.Preset = awx
	for _, j.Target.Async = range []bool{true, false} {
		got, err := r.Send(t.Context(), j)
		if err != nil || got.State != target.Unknown || got.Ref != "9" || !strings.Contains(got.Error, "ask_variables_on_launch") {
			t.Errorf("got %+v, %v", got, err)
		}
		if strings.Contains(fmt.Sprint(got), theToken) {
			t.Errorf("the token shows: %+v", got)
		}
	}
}

func TestOutput(t *testing.T) {
	var body []byte
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
	full := strings.Repeat("a", target.MaxOutput)
	masked := strings.Repeat("***", 3*target.MaxOutput/len(theToken))
	tests := map[string]struct {
		body      string
		want      string
		truncated bool
	}{
		"nothing":                       {},
		"as much as fits":               {body: full, want: full},
		"one byte more":                 {body: full + "b", want: full, truncated: true},
		"much more":                     {body: strings.Repeat("a", 1<<20), want: full, truncated: true},
		"a character across the cut":    {body: full[1:] + "é", want: full[1:], truncated: true},
		"what is no UTF-8":              {body: "a\xffb", want: "a\ufffdb"},
		"an echo of what was secret":    {body: "token " + theToken + ", secret " + secretValue + ", key " + signing, want: "token ***, secret ***, key ***"},
		"a secret across the cut":       {body: full[len(theToken)/2:] + theToken, want: full[len(theToken)/2:] + "***"},
		"secrets without end":           {body: strings.Repeat(theToken, 1<<20/len(theToken)), truncated: true},
		"a secret parameter":            {body: `{"extra_vars":"{\"PF_PIN\":\"hunter-2\"}"}`, want: `{"extra_vars":"{\"PF_PIN\":\"***\"}"}`},
		"secrets in JSON":               {body: `{"a":"` + `q\"<b>&\\` + `","b":"` + `q\"\u003cb\u003e\u0026\\` + `"}`, want: `{"a":"***","b":"***"}`},
		"a secret in another":           {body: secretValue + "-and-more, " + secretValue, want: "***, ***"},
		"the beginning of one, at last": {body: "x" + theToken[:20], want: "x" + theToken[:20]},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			body = []byte(tt.body)
			j := r.job()
			j.Secrets["longer"], j.Secrets["quoted"], j.Secrets["short"] = secretValue+"-and-more", `q"<b>&\`, "a"
			j.Confidential = []string{"hunter-2"}
			got, err := r.Send(t.Context(), j)
			if err != nil || got.State != target.Completed || got.Output.StdoutTruncated != tt.truncated || got.Output.Stderr != "" {
				t.Fatalf("%s, truncated %v, %v", got.State, got.Output.StdoutTruncated, err)
			}
			if name == "secrets without end" {
				if out := got.Output.Stdout; strings.Trim(out, "*") != "" || len(out) == 0 || len(out) > len(masked) {
					t.Errorf("%d bytes, ending in %q", len(out), out[max(0, len(out)-60):])
				}
				return
			}
			if got.Output.Stdout != tt.want {
				t.Errorf("got %d bytes, want %d: ...%q", len(got.Output.Stdout), len(tt.want), got.Output.Stdout[max(0, len(got.Output.Stdout)-60):])
			}
		})
	}
}

// TestNoAnswer tells apart what never left, what nobody can tell, and what took too long.
func TestNoAnswer(t *testing.T) {
	hang, arrived := make(chan struct{}), make(chan struct{}, 10)
	r := receive(t, func(w http.ResponseWriter, req *http.Request) {
		cut := func(text string) {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_, _ = conn.Write([]byte(text))
				_ = conn.Close()
			}
		}
		switch strings.Fields(strings.TrimPrefix(req.URL.Path, "/_local/echo/"))[0] {
		case "cut":
			cut("")
		case "half":
			cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
		case "half-503":
			cut("HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nhalf")
		case "half-202":
			cut("HTTP/1.1 202 OK\r\nContent-Length: 9\r\n\r\nhalf")
		case "hang":
			arrived <- struct{}{}
			<-hang
		case "slow":
			_, _ = io.WriteString(w, "begun")
			_ = http.NewResponseController(w).Flush()
			<-hang
		}
	})
	t.Cleanup(func() { close(hang) })
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	closed := "http://" + gone.Addr().String() + "/_local/echo/"
	noNames := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") }}

	tests := map[string]struct {
		client *safehttp.Client
		url    string
		async  bool
		within time.Duration
		state  target.State // of a report
		err    error
		stdout string
	}{
		"no connection":            {client: safehttp.New(safehttp.Options{Local: closed}), url: closed + "200?key=in-the-query", err: target.ErrNotSent},
		"no name":                  {client: safehttp.New(safehttp.Options{Resolver: noNames}), url: "https://awx.example/?key=in-the-query", err: target.ErrNotSent},
		"cut":                      {url: "cut", err: target.ErrUnknown},
		"cut, asynchronous":        {url: "cut", async: true, err: target.ErrUnknown},
		"cut in a good answer":     {url: "half", err: target.ErrUnknown},
		"cut in a bad answer":      {url: "half-503", state: target.Failed, stdout: "half"},
		"accepted, and cut":        {url: "half-202", async: true, state: target.Running},
		"too slow":                 {url: "hang", within: 2 * time.Second, state: target.TimedOut},
		"too slow, after it began": {url: "slow", within: 2 * time.Second, state: target.TimedOut, stdout: "begun"},
		"too slow to accept":       {url: "hang", async: true, within: 2 * time.Second, err: target.ErrUnknown},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, j := r.Sender, r.job()
			j.Target.URL, j.Target.Async = r.base+tt.url+"?key=in-the-query", tt.async
			if tt.client != nil {
				s.Client, j.Target.URL = tt.client, tt.url
			}
			if tt.within != 0 {
				j.Timeout = tt.within
			}
			before := len(r.requests())
			got, err := s.Send(t.Context(), j)
			if tt.err == nil && err != nil || !errors.Is(err, tt.err) || got.State != tt.state || got.Output.Stdout != tt.stdout || got.ExitCode != nil {
				t.Fatalf("got %+v, %v", got, err)
			}
			if tt.stdout != "" && !got.Output.StdoutTruncated {
				t.Error("half an answer is not marked as truncated")
			}
			if n := len(r.requests()) - before; tt.client == nil && n != 1 || tt.client != nil && n != 0 {
				t.Errorf("%d requests arrived", n)
			}
			says := fmt.Sprintf("%v %+v", err, got)
			for _, secret := range []string{"in-the-query", secretValue, theToken, signing, "web-1"} {
				if strings.Contains(says, secret) {
					t.Errorf("it tells %s: %s", secret, says)
				}
			}
		})
	}

	// The dispatcher's own end is not the job's timeout.
	for len(arrived) > 0 {
		<-arrived
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-arrived; cancel(context.DeadlineExceeded) }()
	j := r.job()
	j.Target.URL = r.base + "hang"
	if got, err := r.Send(ctx, j); !errors.Is(err, target.ErrUnknown) || got.State != "" {
		t.Errorf("given up by the caller: %+v, %v", got, err)
	}
}
