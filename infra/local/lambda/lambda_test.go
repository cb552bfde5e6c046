package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pagefree/infra/local/template"
	"pagefree/internal/platform/settings"
)

var binaries string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "lambda-test-")
	if err == nil {
		err = Build(context.Background(), ".", dir, []string{"internal/probe"})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binaries = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// newService has one function, Probe, as change leaves it.
func newService(t *testing.T, change func(*template.Function, *Options)) *Service {
	t.Helper()
	f := &template.Function{
		LogicalID: "Probe", Name: "st-Probe", ARN: "arn:aws:lambda:us-east-1:000000000000:function:st-Probe",
		Folder: "functions/probe", Handler: "bootstrap", Timeout: 10 * time.Second, MemoryMB: 128, Environment: map[string]string{},
	}
	opts := Options{Binaries: binaries, Logs: t.TempDir(), Endpoint: "http://127.0.0.1:1", Template: &template.Template{
		Region: "us-east-1", AccountID: "000000000000", Functions: map[string]*template.Function{"Probe": f},
	}}
	if change != nil {
		change(f, &opts)
	}
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func invoke(t *testing.T, s *Service, payload string) Result {
	t.Helper()
	r, err := s.Invoke(context.Background(), Request{Function: "Probe", Payload: []byte(payload)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func pidOf(t *testing.T, r Result) int {
	t.Helper()
	var answer struct{ PID int }
	if err := json.Unmarshal(r.Payload, &answer); err != nil {
		t.Fatalf("%s: %v", r.Payload, err)
	}
	return answer.PID
}

func TestAnswers(t *testing.T) {
	s := newService(t, nil)
	tests := map[string]struct {
		payload, want string
		failed        bool
	}{
		"an answer":                 {`{"Do":"big","N":3}`, `"xxx"`, false},
		"an error":                  {`{"Do":"error","Text":"no luck"}`, `{"errorMessage":"no luck","errorType":"errorString"}`, true},
		"a panic":                   {`{"Do":"panic","Text":"aua"}`, `"errorMessage":"aua","errorType":"string"`, true},
		"a process that is killed":  {`{"Do":"die"}`, ` Error: Runtime exited with error: signal: killed"`, true},
		"a process that exits":      {`{"Do":"exit","N":4}`, ` Error: Runtime exited with error: exit status 4"`, true},
		"a process that just stops": {`{"Do":"exit"}`, ` Error: Runtime exited without providing a reason"`, true},
		"an answer over 6 MB":       {`{"Do":"big","N":6291456}`, `"errorType":"Function.ResponseSizeTooLarge"`, true},
		"an event of another shape": {`[]`, `cannot unmarshal array`, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := invoke(t, s, tt.payload)
			if got := string(r.Payload); !strings.Contains(got, tt.want) || (r.FunctionError != "") != tt.failed {
				t.Errorf("got %q (%q), want %q", got, r.FunctionError, tt.want)
			}
			if again := invoke(t, s, `{"Do":"big","N":1}`); string(again.Payload) != `"x"` {
				t.Errorf("the next request got %s", again.Payload)
			}
		})
	}
}

func TestExitErrorShape(t *testing.T) {
	r := invoke(t, newService(t, nil), `{"Do":"die"}`)
	want := `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ` + r.RequestID + ` Error: Runtime exited with error: signal: killed"}`
	if string(r.Payload) != want || r.FunctionError != "Unhandled" {
		t.Errorf("got %s (%s), want %s", r.Payload, r.FunctionError, want)
	}
}

func TestTimeoutKillsTheProcess(t *testing.T) {
	s := newService(t, func(_ *template.Function, o *Options) {
		o.Timeouts = map[string]time.Duration{"Probe": 150 * time.Millisecond}
	})
	pid := pidOf(t, invoke(t, s, `{}`))
	r := invoke(t, s, `{"Do":"sleep","N":60000}`)
	if got := string(r.Payload); !strings.Contains(got, "Task timed out after 0.15 seconds") || !strings.Contains(got, "Sandbox.Timedout") {
		t.Errorf("got %s", got)
	}
	if next := pidOf(t, invoke(t, s, `{}`)); next == pid {
		t.Errorf("process %d answers after its timeout", pid)
	}
}

func TestOneRequestAtATime(t *testing.T) {
	s := newService(t, func(_ *template.Function, o *Options) { o.MaxInstances = 3 })
	first := pidOf(t, invoke(t, s, `{}`))
	if again := pidOf(t, invoke(t, s, `{}`)); again != first {
		t.Errorf("an idle process was not used again: %d, then %d", first, again)
	}
	var mu sync.Mutex
	pids := map[int]int{}
	var all sync.WaitGroup
	for range 9 {
		all.Go(func() {
			pid := pidOf(t, invoke(t, s, `{"Do":"sleep","N":100}`))
			mu.Lock()
			pids[pid]++
			mu.Unlock()
		})
	}
	all.Wait()
	if len(pids) != 3 {
		t.Errorf("9 requests at once ran in %d processes, want the cap, 3", len(pids))
	}
}

// TestNothingIsLost: under load, with processes that die all the time, every request gets an answer of its own.
func TestNothingIsLost(t *testing.T) {
	s := newService(t, func(_ *template.Function, o *Options) { o.MaxInstances = 4 })
	var all sync.WaitGroup
	for n := range 16 {
		all.Go(func() {
			for k := range 12 {
				text := fmt.Sprintf("%d/%d", n, k)
				if (n+k)%5 == 0 {
					if r := invoke(t, s, `{"Do":"die"}`); !strings.Contains(string(r.Payload), "signal: killed") {
						t.Errorf("%s: got %s", text, r.Payload)
					}
					continue
				}
				if r := invoke(t, s, `{"Text":"`+text+`"}`); !strings.Contains(string(r.Payload), `"`+text+`"`) {
					t.Errorf("%s: got %s", text, r.Payload)
				}
			}
		})
	}
	all.Wait()
	f := s.functions["Probe"]
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.live > 4 || len(f.waiting) != 0 {
		t.Errorf("%d processes live and %d requests wait", f.live, len(f.waiting))
	}
}

func TestReservedConcurrencyThrottles(t *testing.T) {
	s := newService(t, func(f *template.Function, _ *Options) { f.MaxConcurrency = 1 })
	invoke(t, s, `{}`)
	busy := make(chan struct{})
	go func() {
		defer close(busy)
		_, _ = s.Invoke(context.Background(), Request{Function: "Probe", Payload: []byte(`{"Do":"sleep","N":300}`)})
	}()
	waitFor(t, func() bool { c, _ := s.Caller("LOCALProbe.1"); return c.RequestID != "" })
	if _, err := s.Invoke(context.Background(), Request{Function: "Probe"}); err == nil || !strings.Contains(err.Error(), "rate exceeded") {
		t.Errorf("got %v, want it throttled", err)
	}
	<-busy
}

func waitFor(t *testing.T, what func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !what(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited 5 s in vain")
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("SECRET_OF_THE_LAPTOP", "1")
	s := newService(t, func(f *template.Function, o *Options) {
		f.Environment = map[string]string{"TABLE": "t", "AWS_ENDPOINT_URL": "", settings.LocalEchoVariable: "the template's"}
		o.Echo = "http://127.0.0.1:2/_local/echo/"
	})
	var env []string
	if err := json.Unmarshal(invoke(t, s, `{"Do":"env"}`).Payload, &env); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"TABLE=t", "AWS_ENDPOINT_URL=http://127.0.0.1:1", settings.LocalEchoVariable + "=http://127.0.0.1:2/_local/echo/", "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=LOCALProbe.1", "TZ=:UTC",
		"AWS_LAMBDA_FUNCTION_NAME=st-Probe", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128", "LANG=en_US.UTF-8", "_HANDLER=bootstrap",
	} {
		if !slices.Contains(env, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, line := range env {
		if strings.HasPrefix(line, "SECRET_OF") || strings.HasPrefix(line, "HOME=") {
			t.Errorf("the machine's %s reached the function", line)
		}
	}
	bare := newService(t, func(f *template.Function, o *Options) {
		f.Environment = map[string]string{settings.LocalEchoVariable: "the template's"}
		o.Echo = "http://127.0.0.1:2/_local/echo/"
	})
	if got := string(invoke(t, bare, `{"Do":"env"}`).Payload); strings.Contains(got, "AWS_ENDPOINT_URL") || strings.Contains(got, settings.LocalEchoVariable) {
		t.Error("a function that does not declare AWS_ENDPOINT_URL was given one, or the way to the echo target")
	}
}

func TestContext(t *testing.T) {
	s := newService(t, nil)
	r, err := s.Invoke(context.Background(), Request{Function: "Probe", Payload: []byte(`{"Do":"context"}`), TraceID: "Root=1-a", ClientContext: `{"custom":{"k":"v"}}`})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		RequestID, Arn, Trace, Client string
		LeftMs                        int
	}
	if err := json.Unmarshal(r.Payload, &got); err != nil {
		t.Fatal(err)
	}
	if got.RequestID != r.RequestID || got.Arn != "arn:aws:lambda:us-east-1:000000000000:function:st-Probe" || got.Trace != "Root=1-a" || got.Client != "v" {
		t.Errorf("got %+v", got)
	}
	if got.LeftMs < 9000 || got.LeftMs > 10000 {
		t.Errorf("%d ms are left of 10 s", got.LeftMs)
	}
}

func TestInitFails(t *testing.T) {
	s := newService(t, func(f *template.Function, _ *Options) { f.Environment = map[string]string{"PROBE_INIT": "exit"} })
	for range 2 { // each request tries again
		r := invoke(t, s, `{}`)
		if want := "Error: Runtime exited with error: exit status 3"; !strings.Contains(string(r.Payload), want) {
			t.Errorf("got %s, want %s", r.Payload, want)
		}
	}
	missing := newService(t, func(f *template.Function, _ *Options) { f.Folder = "functions/nothing" })
	if r := invoke(t, missing, `{}`); r.FunctionError == "" || !strings.Contains(string(r.Payload), "Runtime.InvalidEntrypoint") {
		t.Errorf("got %s", r.Payload)
	}
}

func TestKill(t *testing.T) {
	s := newService(t, nil)
	pid := pidOf(t, invoke(t, s, `{}`))
	caller, ok := s.Caller("LOCALProbe.1")
	if !ok || caller.Function.LogicalID != "Probe" || caller.RequestID != "" {
		t.Errorf("caller is %+v, %v", caller, ok)
	}
	answer := make(chan Result)
	go func() {
		r, _ := s.Invoke(context.Background(), Request{Function: "st-Probe", Payload: []byte(`{"Do":"sleep","N":60000}`), TraceID: "Root=1-b"})
		answer <- r
	}()
	waitFor(t, func() bool { caller, _ = s.Caller("LOCALProbe.1"); return caller.RequestID != "" })
	if caller.TraceID != "Root=1-b" {
		t.Errorf("trace of the caller is %q", caller.TraceID)
	}
	if !s.Kill(caller.Instance) {
		t.Error("there was nothing to kill")
	}
	if r := <-answer; !strings.Contains(string(r.Payload), "signal: killed") || r.RequestID != caller.RequestID {
		t.Errorf("got %s", r.Payload)
	}
	if s.Kill(caller.Instance) {
		t.Error("it could be killed twice")
	}
	if next := pidOf(t, invoke(t, s, `{}`)); next == pid {
		t.Error("the killed process answers")
	}
	if n := s.KillFunction("Probe"); n != 1 {
		t.Errorf("killed %d processes of the function, want 1", n)
	}
}

// gone tells whether a process does not exist, or is only waiting to be reaped by its new parent.
func gone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestNothingOutlivesTheService(t *testing.T) {
	s := newService(t, nil)
	pid := pidOf(t, invoke(t, s, `{}`))
	child, err := strconv.Atoi(string(invoke(t, s, `{"Do":"spawn"}`).Payload))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return gone(pid) && gone(child) })
	if _, err := s.Invoke(context.Background(), Request{Function: "Probe"}); err == nil {
		t.Error("a closed service answers")
	}
}

func TestIdleProcessesAreReaped(t *testing.T) {
	s := newService(t, func(_ *template.Function, o *Options) { o.IdleFor = 40 * time.Millisecond })
	invoke(t, s, `{}`)
	waitFor(t, func() bool { return len(s.Instances()) == 0 })
	invoke(t, s, `{}`)
}

func TestLogs(t *testing.T) {
	var dir string
	s := newService(t, func(_ *template.Function, o *Options) { dir = o.Logs })
	for n := range maxLines + 5 {
		s.functions["Probe"].logs.add(strconv.Itoa(n))
	}
	invoke(t, s, `{"Do":"log","Text":"a line"}`)
	waitFor(t, func() bool { return slices.Contains(s.Logs("Probe"), "a line") })
	lines := s.Logs("Probe")
	if len(lines) != maxLines || lines[0] != "6" || lines[maxLines-1] != "a line" {
		t.Errorf("%d lines from %q to %q", len(lines), lines[0], lines[len(lines)-1])
	}
	file, err := os.ReadFile(filepath.Join(dir, "Probe.log"))
	if err != nil || !strings.HasSuffix(string(file), "\n1004\na line\n") {
		t.Errorf("the file ends %q, %v", file[max(0, len(file)-20):], err)
	}
}

func TestRequestOutlivesItsCaller(t *testing.T) {
	s := newService(t, func(_ *template.Function, o *Options) { o.MaxInstances = 1 })
	pid := pidOf(t, invoke(t, s, `{}`))
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Invoke(ctx, Request{Function: "Probe", Payload: []byte(`{"Do":"sleep","N":200}`)}); err != context.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	ctx2, cancel2 := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel2()
	if _, err := s.Invoke(ctx2, Request{Function: "Probe"}); err != context.DeadlineExceeded {
		t.Errorf("waiting for a busy process: got %v", err)
	}
	if next := pidOf(t, invoke(t, s, `{}`)); next != pid {
		t.Errorf("process %d was not used again, but %d", pid, next)
	}
}
