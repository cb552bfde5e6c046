package stack

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/aws"
)

const fixture = "testdata/template.yaml"

func start(t *testing.T, o Options) *Stack {
	t.Helper()
	if o.Template == "" {
		o.Template = fixture
	}
	s, err := Start(t.Context(), o)
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

// get asks the API, and returns the status, the trace and the body.
func get(t *testing.T, url string) (status int, trace, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("X-Amzn-Trace-Id"), string(text)
}

func mustGet(t *testing.T, url string) string {
	t.Helper()
	status, _, body := get(t, url)
	if status != http.StatusOK {
		t.Fatalf("GET %s: %d %s", url, status, body)
	}
	return body
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited 15 s in vain for %s", what)
		}
	}
}

// TestRoundTrip goes through everything: API, function, table, queue, function, table.
func TestRoundTrip(t *testing.T) {
	s := start(t, Options{})
	_, trace, _ := get(t, s.URL+"/put/a")
	waitFor(t, "the worker", func() bool { return mustGet(t, s.URL+"/get/a") == "1" })
	for operation, want := range map[string]int{"PutItem": 1, "SendMessage": 1, "UpdateItem": 0} {
		if got := s.Counts().Number(aws.Call{TraceID: trace, Operation: operation}); got != want {
			t.Errorf("the request made %d calls of %s, want %d", got, operation, want)
		}
	}
	if got := s.Counts().Number(aws.Call{Function: "WorkerFunction", Operation: "UpdateItem"}); got != 1 {
		t.Errorf("the worker made %d calls, want 1", got)
	}
	if got := mustGet(t, s.URL+"/origin/"); got != s.URL {
		t.Errorf("the public origin is %s, want %s", got, s.URL)
	}
}

// TestTheAPIsOwnAddress: it has the stage before every path, and nothing of this machine beside.
func TestTheAPIsOwnAddress(t *testing.T) {
	s := start(t, Options{})
	if !strings.HasSuffix(s.APIURL, "/live") || strings.HasPrefix(s.APIURL, s.URL) {
		t.Fatalf("the API is at %s, what people reach at %s", s.APIURL, s.URL)
	}
	mustGet(t, s.APIURL+"/put/a")
	if got := mustGet(t, s.URL+"/get/a"); got == "" {
		t.Error("they are not the same")
	}
	for _, path := range []string{strings.TrimSuffix(s.APIURL, "/live") + "/pid/", strings.TrimSuffix(s.APIURL, "/live") + "/_local/health"} {
		if status, _, body := get(t, path); status != http.StatusForbidden {
			t.Errorf("%s: got %d %s", path, status, body)
		}
	}
	if status, _, body := get(t, s.APIURL+"/_local/mail"); status == http.StatusOK && strings.HasPrefix(body, "[") {
		t.Errorf("the mailbox is there: %s", body)
	}
}

func TestFailures(t *testing.T) {
	tests := map[string]struct {
		path   string
		status int
		want   string
	}{
		"a function that dies":       {"/die/", 502, "Internal server error"},
		"a function that takes long": {"/sleep/", 502, "Internal server error"},
		"a right that it lacks":      {"/delete/a", 500, "is not authorized to perform: dynamodb:DeleteItem"},
	}
	s := start(t, Options{Timeouts: map[string]time.Duration{"WebFunction": 2 * time.Second}})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if status, _, body := get(t, s.URL+tt.path); status != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("got %d %s, want %d %s", status, body, tt.status, tt.want)
			}
			mustGet(t, s.URL+"/pid/") // and it is started again
		})
	}
}

func TestFaultKillsAtACall(t *testing.T) {
	s := start(t, Options{Visibility: time.Second})
	s.Faults().Add(aws.Fault{Function: "WebFunction", Operation: "PutItem", Do: aws.KillAfter})
	if status, _, _ := get(t, s.URL+"/put/a"); status != http.StatusBadGateway {
		t.Errorf("the caller got %d, want 502", status)
	}
	if got := mustGet(t, s.URL+"/get/a"); got != "0" {
		t.Errorf("the item that was written before the end is %s", got)
	}
	// The worker dies twice before its update; its message comes a third time.
	struck := s.Faults().Add(aws.Fault{Function: "WorkerFunction", Operation: "UpdateItem", Times: 2, Do: aws.KillBefore})
	mustGet(t, s.URL+"/put/b")
	waitFor(t, "the third delivery", func() bool { return mustGet(t, s.URL+"/get/b") == "1" })
	if struck.Struck() != 2 {
		t.Errorf("the worker was killed %d times, want 2", struck.Struck())
	}
}

func TestDeadLetters(t *testing.T) {
	s := start(t, Options{Visibility: time.Second})
	s.Faults().Add(aws.Fault{Function: "WorkerFunction", Operation: "UpdateItem", Times: -1, Do: aws.Fail})
	mustGet(t, s.URL+"/put/a")
	waitFor(t, "the dead letter", func() bool {
		visible, _, _ := s.Queues().Depth(s.Template().Queues["Dead"].ARN)
		return visible == 1
	})
}

func TestKill(t *testing.T) {
	s := start(t, Options{})
	pid := mustGet(t, s.URL+"/pid/")
	if n := s.Kill("WebFunction"); n != 1 {
		t.Errorf("killed %d processes, want 1", n)
	}
	if next := mustGet(t, s.URL+"/pid/"); next == pid {
		t.Errorf("process %s answers after its end", pid)
	}
}

func TestSchedule(t *testing.T) {
	s := start(t, Options{Every: 20 * time.Millisecond})
	waitFor(t, "the clock", func() bool {
		n, err := strconv.Atoi(mustGet(t, s.URL+"/get/clock"))
		return err == nil && n >= 3
	})
}

// TestTopic: a function hears what is published to the topic that the template subscribes it to.
func TestTopic(t *testing.T) {
	s := start(t, Options{})
	if _, err := s.SNS().Publish(s.Template().Topics["Words"].ARN, "", "heard"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the subscriber", func() bool { return mustGet(t, s.URL+"/get/heard") == "1" })
}

func TestMail(t *testing.T) {
	s := start(t, Options{})
	mustGet(t, s.URL+"/mail/b@pagefree.test")
	for url, want := range map[string]int{s.URL + "/_local/mail?to=b@pagefree.test": 1, s.URL + "/_local/mail?to=c@pagefree.test": 0, s.URL + "/_local/mail": 1} {
		var mails []struct {
			To, Subject string
			Links       []string
		}
		body := mustGet(t, url)
		if err := json.Unmarshal([]byte(body), &mails); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if len(mails) != want || mails == nil {
			t.Errorf("%s: got %s, want %d mails", url, body, want)
		}
	}
	mustGet(t, s.URL+"/_local/health")
}

// TestWebhooks: a function reaches the echo target, and nothing else on this machine; a person sees what it sent.
func TestWebhooks(t *testing.T) {
	s := start(t, Options{})
	if got := mustGet(t, s.URL+"/_local/webhooks"); strings.TrimSpace(got) != "[]" {
		t.Errorf("before anything was sent: %s", got)
	}
	call := func(target string) string {
		_, _, body := get(t, s.URL+"/call/?url="+url.QueryEscape(target))
		return body
	}
	echo := s.URL + "/_local/echo/"
	for target, want := range map[string]string{
		echo + "202?x=1": "202 ", echo + "302": "302 /_local/echo/200",
		s.URL + "/_local/mail": "address_forbidden", s.URL + "/pid/": "address_forbidden", s.AWSEndpoint + "/_local/echo/200": "address_forbidden",
		"http://localhost:" + strconv.Itoa(listenerPort(t, s.URL)) + "/_local/echo/200": "address_forbidden", echo + "../mail": "address_forbidden", s.APIURL + "/pid/": "address_forbidden",
	} {
		if got := call(target); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, want %s", target, got, want)
		}
	}
	call(echo + "503?last")
	var got []struct {
		Method, Path, Body, At string
		Headers                map[string]string
	}
	if err := json.Unmarshal([]byte(mustGet(t, s.URL+"/_local/webhooks")), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0].Path != "/_local/echo/503?last" {
		t.Fatalf("got %+v", got)
	}
	for _, r := range got {
		if r.Method != "POST" || r.Body != `{"a":1}` || r.Headers["x-a"] != "b" || r.At == "" {
			t.Errorf("got %+v", r)
		}
	}
	if len(s.Webhooks()) != 3 {
		t.Errorf("a test sees %d", len(s.Webhooks()))
	}
}

// TestRestart: what was acknowledged is there after a restart: items, messages, mails, keys.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	first := start(t, Options{Dir: dir, Visibility: 2 * time.Second})
	first.Faults().Add(aws.Fault{Function: "WorkerFunction", Times: -1, Do: aws.Throttle})
	mustGet(t, first.URL+"/put/a")
	mustGet(t, first.URL+"/mail/b@pagefree.test")
	waitFor(t, "the worker's log", func() bool { return len(first.Functions().Logs("WorkerFunction")) > 0 })
	if _, err := Start(t.Context(), Options{Template: fixture, Dir: dir}); err == nil || !strings.Contains(err.Error(), "in use by another stack") {
		t.Errorf("a second stack in the same folder: got %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := start(t, Options{Dir: dir, Visibility: time.Second})
	if got := len(second.Mail("b@pagefree.test")); got != 1 {
		t.Errorf("%d mails are left, want 1", got)
	}
	waitFor(t, "the message that the first one left", func() bool { return mustGet(t, second.URL+"/get/a") == "1" })
	logs, err := os.ReadFile(filepath.Join(dir, "logs", "WorkerFunction.log"))
	if err != nil || !strings.Contains(string(logs), "operation error DynamoDB") {
		t.Errorf("the log of the first run: %q, %v", logs, err)
	}
}

func TestStartFails(t *testing.T) {
	s := start(t, Options{})
	port := listenerPort(t, s.URL)
	tests := map[string]struct {
		o    Options
		want string
	}{
		"a used port":          {Options{Template: fixture, Port: port}, "is in use"},
		"no template":          {Options{Template: "testdata/nothing.yaml"}, "no such file"},
		"an unknown parameter": {Options{Template: fixture, Parameters: map[string]string{"Nothing": "1"}}, "parameter Nothing"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := Start(t.Context(), tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func listenerPort(t *testing.T, url string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestTheRealOne starts what is deployed.
func TestTheRealOne(t *testing.T) {
	s := start(t, Options{Template: "../../../template.yaml"})
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/healthz":      {200, "ok"},
		"/v1/me":        {401, `"code":"unauthenticated"`},
		"/v1/nothing":   {404, `"code":"not_found"`},
		"/openapi.json": {200, `"openapi": "3.1`},
	} {
		if status, _, body := get(t, s.URL+path); status != want.status || !strings.Contains(body, want.body) {
			t.Errorf("%s: got %d %.200s, want %d %s", path, status, body, want.status, want.body)
		}
	}
}

// TestAPageOfTheWebReachesNothing: a page whose own name leads to this machine gets no mail, with its links, and no
// service of AWS. The API itself answers to any name, as in the cloud.
func TestAPageOfTheWebReachesNothing(t *testing.T) {
	s := start(t, Options{})
	for url, want := range map[string]int{
		s.URL + "/_local/mail": http.StatusMisdirectedRequest, s.URL + "/_local/webhooks": http.StatusMisdirectedRequest,
		s.URL + "/_local/echo/200": http.StatusMisdirectedRequest, s.URL + "/_local/health": http.StatusMisdirectedRequest,
		s.AWSEndpoint + "/": http.StatusMisdirectedRequest, s.URL + "/get/a": http.StatusOK,
	} {
		for host, want := range map[string]int{"evil.example:8080": want, "localhost:8080": 0} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if want != 0 && resp.StatusCode != want || want == 0 && resp.StatusCode == http.StatusMisdirectedRequest {
				t.Errorf("%s as %s: got %d", url, host, resp.StatusCode)
			}
		}
	}
}
