package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"pagefree/infra/local/lambda"
	"pagefree/infra/local/template"
)

// routes is the function behind a WebSocket API.
type routes struct {
	mu      sync.Mutex
	answers map[string]string // by route
	fails   bool
	arrived chan socketEvent
}

func (r *routes) Invoke(_ context.Context, in lambda.Request) (lambda.Result, error) {
	var e socketEvent
	if err := json.Unmarshal(in.Payload, &e); err != nil {
		return lambda.Result{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arrived <- e
	if in.Function != "RealtimeFunction" {
		return lambda.Result{}, errors.New("no such function")
	}
	if r.fails {
		return lambda.Result{Payload: []byte(`{"errorMessage":"no"}`), FunctionError: "Unhandled"}, nil
	}
	if a := r.answers[e.RequestContext.RouteKey]; a != "" {
		return lambda.Result{Payload: []byte(a)}, nil
	}
	return lambda.Result{Payload: []byte(`{"statusCode":200}`)}, nil
}

func (r *routes) next(t *testing.T) socketEvent {
	t.Helper()
	select {
	case e := <-r.arrived:
		return e
	case <-time.After(time.Minute):
		t.Fatal("no event")
	}
	return socketEvent{}
}

// newSockets serves the WebSocket API of the repository's own template.
func newSockets(t *testing.T, change func(*SocketOptions)) (*Sockets, *routes, string) {
	t.Helper()
	tpl, err := template.Load("../../../template.yaml", template.Options{Parameters: map[string]string{"FirstAdminEmail": "a@pagefree.test", "MailFrom": "b@pagefree.test"}})
	if err != nil {
		t.Fatal(err)
	}
	r := &routes{answers: map[string]string{}, arrived: make(chan socketEvent, 100)}
	o := SocketOptions{Template: tpl, Functions: r}
	if change != nil {
		change(&o)
	}
	s, err := NewSockets(o)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/socket/@connections/", s.Connections())
	mux.Handle("/", s)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(func() { _ = s.Close() })
	return s, r, server.URL
}

func dial(t *testing.T, at string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), at, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

func hears(t *testing.T, conn *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, text, err := conn.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// closes waits for the end of a socket, and gives its code.
func closes(t *testing.T, conn *websocket.Conn) websocket.StatusCode {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, text, err := conn.Read(ctx)
	if err == nil {
		t.Fatalf("said %s, and ought to be closed", text)
	}
	return websocket.CloseStatus(err)
}

func TestSocketEvents(t *testing.T) {
	t.Parallel()
	_, r, at := newSockets(t, nil)
	r.answers["$default"] = `{"statusCode":200,"body":"heard"}`
	conn := dial(t, at+"/socket?ticket=a&ticket=b&x=1")
	e := r.next(t)
	c := e.RequestContext
	if c.EventType != "CONNECT" || c.RouteKey != "$connect" || c.Stage != "socket" || c.MessageDirection != "IN" || c.ConnectionID == "" || c.ConnectedAt == 0 ||
		c.Identity.SourceIP != "127.0.0.1" || !strings.HasSuffix(c.DomainName, ".execute-api.us-east-1.amazonaws.com") || !strings.HasPrefix(c.DomainName, c.APIID) || c.MessageID != nil {
		t.Errorf("got %+v", c)
	}
	if e.QueryStringParameters["ticket"] != "b" || strings.Join(e.MultiValueQueryStringParameters["ticket"], ",") != "a,b" || e.Headers["Sec-Websocket-Version"] != "13" || e.Body != nil {
		t.Errorf("got %+v", e)
	}
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"ping":true}`)); err != nil {
		t.Fatal(err)
	}
	if got := hears(t, conn); got != "heard" {
		t.Errorf("answered %q", got)
	}
	m := r.next(t)
	if m.RequestContext.EventType != "MESSAGE" || m.RequestContext.RouteKey != "$default" || m.RequestContext.ConnectionID != c.ConnectionID || *m.Body != `{"ping":true}` ||
		m.RequestContext.MessageID == nil || len(m.Headers) > 0 {
		t.Errorf("got %+v", m)
	}
	r.mu.Lock()
	r.fails = true
	r.mu.Unlock()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if got := hears(t, conn); !strings.Contains(got, `"message":"Internal server error"`) || !strings.Contains(got, c.ConnectionID) {
		t.Errorf("a function that fails: %q", got)
	}
	r.next(t)
	if err := conn.Close(websocket.StatusNormalClosure, "bye"); err != nil {
		t.Fatal(err)
	}
	d := r.next(t).RequestContext
	if d.EventType != "DISCONNECT" || d.RouteKey != "$disconnect" || d.ConnectionID != c.ConnectionID || *d.DisconnectStatusCode != 1000 {
		t.Errorf("got %+v", d)
	}
}

func TestSocketRefusals(t *testing.T) {
	t.Parallel()
	s, r, at := newSockets(t, nil)
	status := func(path string, h http.Header) int {
		t.Helper()
		_, res, err := websocket.Dial(t.Context(), at+path, &websocket.DialOptions{HTTPHeader: h})
		if err == nil || res == nil {
			t.Fatalf("%s: %v", path, err)
		}
		return res.StatusCode
	}
	r.answers["$connect"] = `{"statusCode":401}`
	if got := status("/socket", nil); got != http.StatusUnauthorized {
		t.Errorf("a function's refusal: %d", got)
	}
	r.answers["$connect"] = `{"statusCode":403}`
	if got := status("/socket", nil); got != http.StatusForbidden {
		t.Errorf("a function's refusal: %d", got)
	}
	r.fails = true
	if got := status("/socket", nil); got != http.StatusBadGateway {
		t.Errorf("a function that fails: %d", got)
	}
	if got := status("/other", nil); got != http.StatusForbidden {
		t.Errorf("another stage: %d", got)
	}
	res, err := http.Get(at + "/socket")
	if err != nil || res.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("no socket: %v, %v", res, err)
	}
	_ = res.Body.Close()
	if s.Open() != 0 {
		t.Errorf("%d are open", s.Open())
	}
}

// TestSocketThrottle: the stage's burst, and then no more at once.
func TestSocketThrottle(t *testing.T) {
	t.Parallel()
	_, r, at := newSockets(t, func(o *SocketOptions) {
		own := *o.Template.Sockets
		own.Throttle = &template.Throttle{Rate: 0.001, Burst: 1}
		o.Template.Sockets = &own
	})
	conn := dial(t, at+"/socket")
	r.next(t)
	if _, res, err := websocket.Dial(t.Context(), at+"/socket", nil); err == nil || res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("got %v, %v", res, err)
	}
	for range 2 {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if got := hears(t, conn); !strings.Contains(got, "Forbidden") {
		t.Errorf("got %q", got)
	}
}

func TestSocketLimits(t *testing.T) {
	t.Parallel()
	t.Run("messages", func(t *testing.T) {
		t.Parallel()
		_, r, at := newSockets(t, nil)
		conn := dial(t, at+"/socket")
		r.next(t)
		w, err := conn.Writer(t.Context(), websocket.MessageText) // frames of a few KB, as the library cuts them
		if err != nil {
			t.Fatal(err)
		}
		for range 16 {
			if _, err := io.WriteString(w, strings.Repeat("x", maxMessage/16)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if e := r.next(t); len(*e.Body) != maxMessage {
			t.Errorf("got %d bytes, want all %d", len(*e.Body), maxMessage)
		}
		w, err = conn.Writer(t.Context(), websocket.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		for range 17 {
			_, _ = io.WriteString(w, strings.Repeat("x", maxMessage/16)) // it may be closed already
		}
		_ = w.Close()
		if code := closes(t, conn); code != websocket.StatusMessageTooBig {
			t.Errorf("closed with %d", code)
		}
	})
	t.Run("frames", func(t *testing.T) {
		t.Parallel()
		_, r, at := newSockets(t, nil)
		for size, want := range map[int]bool{maxFrame: true, maxFrame + 1: false} {
			conn := dial(t, at+"/socket")
			r.next(t)
			if err := conn.Write(t.Context(), websocket.MessageText, bytes.Repeat([]byte("x"), size)); err != nil {
				t.Fatal(err)
			}
			if want {
				if e := r.next(t); len(*e.Body) != size {
					t.Errorf("%d: got %d bytes", size, len(*e.Body))
				}
				_ = conn.CloseNow()
				r.next(t)
				continue
			}
			if code := closes(t, conn); code != websocket.StatusMessageTooBig {
				t.Errorf("%d: closed with %d", size, code)
			}
			r.next(t)
		}
	})
	t.Run("a silent socket", func(t *testing.T) {
		t.Parallel()
		_, r, at := newSockets(t, func(o *SocketOptions) { o.Idle = 50 * time.Millisecond })
		conn := dial(t, at+"/socket")
		r.next(t)
		if code := closes(t, conn); code != websocket.StatusGoingAway {
			t.Errorf("closed with %d", code)
		}
		if d := r.next(t).RequestContext; *d.DisconnectStatusCode != 1001 || *d.DisconnectReason != "Idle timeout" {
			t.Errorf("got %+v", d)
		}
	})
	t.Run("a long one", func(t *testing.T) {
		t.Parallel()
		_, r, at := newSockets(t, func(o *SocketOptions) { o.Longest = 50 * time.Millisecond })
		conn := dial(t, at+"/socket")
		r.next(t)
		if code := closes(t, conn); code != websocket.StatusGoingAway {
			t.Errorf("closed with %d", code)
		}
	})
}

func TestConnections(t *testing.T) {
	t.Parallel()
	s, r, at := newSockets(t, nil)
	conn := dial(t, at+"/socket")
	id := r.next(t).RequestContext.ConnectionID
	call := func(method, path string, body io.Reader) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, at+path, body)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Header.Get("X-Amzn-ErrorType") + string(text)
	}
	own := "/socket/@connections/" + url.QueryEscape(id)
	if status, said := call("POST", own, strings.NewReader("hello")); status != http.StatusOK || hears(t, conn) != "hello" {
		t.Errorf("got %d %s", status, said)
	}
	if status, said := call("GET", own, nil); status != http.StatusOK || !strings.Contains(said, `"connectedAt"`) || !strings.Contains(said, `"sourceIp":"127.0.0.1"`) {
		t.Errorf("got %d %s", status, said)
	}
	for name, tt := range map[string]struct {
		method, path string
		size, want   int
		code         string
	}{
		"nobody":        {"POST", "/socket/@connections/nobody=", 1, http.StatusGone, "GoneException"},
		"too much":      {"POST", own, maxMessage + 1, http.StatusRequestEntityTooLarge, "PayloadTooLargeException"},
		"nothing":       {"POST", own, 0, http.StatusBadRequest, "BadRequestException"},
		"another way":   {"PUT", own, 1, http.StatusForbidden, "ForbiddenException"},
		"no connection": {"POST", "/socket/@connections/", 1, http.StatusForbidden, "ForbiddenException"},
	} {
		if status, said := call(tt.method, tt.path, strings.NewReader(strings.Repeat("x", tt.size))); status != tt.want || !strings.HasPrefix(said, tt.code) {
			t.Errorf("%s: got %d %s", name, status, said)
		}
	}
	if status, said := call("DELETE", own, nil); status != http.StatusNoContent {
		t.Errorf("got %d %s", status, said)
	}
	if code := closes(t, conn); code != websocket.StatusNormalClosure {
		t.Errorf("closed with %d", code)
	}
	if d := r.next(t).RequestContext; d.EventType != "DISCONNECT" {
		t.Errorf("got %+v", d)
	}
	if status, _ := call("POST", own, strings.NewReader("x")); status != http.StatusGone || s.Open() != 0 {
		t.Errorf("got %d, %d are open", status, s.Open())
	}
}

// FuzzFrames: whatever a client sends, the heads are followed without a panic, and however it is cut.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{0x81, 0x85, 1, 2, 3, 4, 'h', 'e', 'l', 'l', 'o'}, 3)
	f.Add([]byte{0x81, 0xfe, 0x80, 0x01}, 1)
	f.Add([]byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, 0x80, 0x01}, 2)
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		whole := (&frameConn{Conn: net.Conn(nil)}).pass(in)
		parts, c := true, &frameConn{}
		for step := max(1, cut%7); len(in) > 0 && parts; in = in[min(step, len(in)):] {
			parts = c.pass(in[:min(step, len(in))])
		}
		if whole != parts {
			t.Errorf("as a whole %v, in parts %v", whole, parts)
		}
	})
}
