package echo

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// ask sends one request through a mux, as the stack serves it.
func ask(t *Target, method, path, body string) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	mux.Handle("/_local/echo/{status}", t)
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("X-Secret", "s3cret")
	r.Header.Add("X-Two", "a")
	r.Header.Add("X-Two", "b")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

func TestEcho(t *testing.T) {
	tests := map[string]struct {
		method, path     string
		status           int
		location, answer string
		kept             bool
	}{
		"accepted":              {method: "POST", path: "/_local/echo/200?x=s3cret", status: 200, answer: "{}\n", kept: true},
		"any method":            {method: "PURGE", path: "/_local/echo/202", status: 202, answer: "{}\n", kept: true},
		"an error":              {method: "PUT", path: "/_local/echo/503", status: 503, answer: "{}\n", kept: true},
		"the last status":       {method: "GET", path: "/_local/echo/599", status: 599, answer: "{}\n", kept: true},
		"a redirect":            {method: "POST", path: "/_local/echo/307", status: 307, location: "/_local/echo/200", answer: "{}\n", kept: true},
		"another":               {method: "GET", path: "/_local/echo/301", status: 301, location: "/_local/echo/200", answer: "{}\n", kept: true},
		"no content":            {method: "DELETE", path: "/_local/echo/204", status: 204, kept: true},
		"not modified":          {method: "GET", path: "/_local/echo/304", status: 304, location: "/_local/echo/200", kept: true},
		"no delay":              {method: "POST", path: "/_local/echo/200?delayMs=0", status: 200, answer: "{}\n", kept: true},
		"an interim status":     {method: "POST", path: "/_local/echo/100", status: 404},
		"no status":             {method: "POST", path: "/_local/echo/600", status: 404},
		"a word":                {method: "POST", path: "/_local/echo/ok", status: 404},
		"nothing":               {method: "POST", path: "/_local/echo/", status: 404},
		"more":                  {method: "POST", path: "/_local/echo/200/x", status: 404},
		"a delay without end":   {method: "POST", path: "/_local/echo/200?delayMs=60001", status: 400},
		"a delay into the past": {method: "POST", path: "/_local/echo/200?delayMs=-1", status: 400},
		"a delay in words":      {method: "POST", path: "/_local/echo/200?delayMs=long", status: 400},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var target Target
			w := ask(&target, tt.method, tt.path, "s3cret body")
			if w.Code != tt.status || w.Header().Get("Location") != tt.location || tt.kept && w.Body.String() != tt.answer {
				t.Errorf("got %d %q %q", w.Code, w.Header().Get("Location"), w.Body)
			}
			if strings.Contains(fmt.Sprint(w.Body, w.Header()), "s3cret") {
				t.Errorf("it echoes: %v %s", w.Header(), w.Body)
			}
			got := target.Requests()
			if !tt.kept {
				if len(got) != 0 || got == nil {
					t.Errorf("kept %v", got)
				}
				return
			}
			if len(got) != 1 {
				t.Fatalf("kept %d", len(got))
			}
			g := got[0]
			if g.Method != tt.method || g.Path != tt.path || g.Body != "s3cret body" || g.Headers["x-secret"] != "s3cret" || g.Headers["x-two"] != "a, b" || g.Headers["host"] != "example.com" {
				t.Errorf("kept %+v", g)
			}
			if _, err := time.Parse("2006-01-02T15:04:05.000Z", g.At); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	var target Target
	for i := range kept + 5 {
		ask(&target, "POST", "/_local/echo/200", fmt.Sprint(i))
	}
	if got := target.Requests(); len(got) != kept || got[0].Body != fmt.Sprint(kept+4) || got[kept-1].Body != "5" {
		t.Errorf("kept %d, from %s to %s", len(got), got[len(got)-1].Body, got[0].Body)
	}
	big := strings.Repeat("a", maxBody)
	if w := ask(&target, "POST", "/_local/echo/200", big+"a"); w.Code != http.StatusRequestEntityTooLarge || target.Requests()[0].Body != fmt.Sprint(kept+4) {
		t.Errorf("a body too large: %d", w.Code)
	}
	for range 70 {
		if w := ask(&target, "POST", "/_local/echo/200", big); w.Code != http.StatusOK {
			t.Fatalf("got %d", w.Code)
		}
	}
	all := 0
	for _, r := range target.Requests() {
		all += len(r.Body)
	}
	if all > maxAll || all < maxAll-maxBody {
		t.Errorf("%d bytes are kept", all)
	}
	ask(&target, "POST", "/_local/echo/200", "\xff")
	if got := target.Requests()[0].Body; got != "\ufffd" {
		t.Errorf("what is no UTF-8 is %q", got)
	}
}

// TestDelay: the request is seen before the answer, and nobody waits for a caller that has left.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var target Target
		answered := make(chan int)
		began := time.Now()
		go func() { answered <- ask(&target, "POST", "/_local/echo/202?delayMs=5000", "").Code }()
		synctest.Wait()
		if len(target.Requests()) != 1 {
			t.Error("the request is not seen before its answer")
		}
		if status := <-answered; status != 202 || time.Since(began) != 5*time.Second {
			t.Errorf("%d after %v", status, time.Since(began))
		}
	})
	var target Target
	s := httptest.NewServer(func() http.Handler { m := http.NewServeMux(); m.Handle("/{status}", &target); return m }())
	defer s.Close() // which waits for every request under way
	ctx := t.Context()
	req, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/200?delayMs=60000", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 100 * time.Millisecond}
	if resp, err := client.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		t.Error("it answered at once")
	}
}
