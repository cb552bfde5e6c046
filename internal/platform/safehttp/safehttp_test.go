package safehttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func isForbidden(err error) bool {
	_, ok := errors.AsType[*Forbidden](err)
	return ok
}

// world is a server with TLS, named so that DNS finds it, and a client to whom
// the one address 127.0.0.1 is as public as any other.
type world struct {
	*Client
	names names
	base  string // https://hook.example:port
	calls atomic.Int32
}

func serve(t *testing.T, h http.HandlerFunc) *world {
	t.Helper()
	w := &world{}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.calls.Add(1)
		h(rw, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS() // its certificate is for example.com
	t.Cleanup(s.Close)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	w.names = names{answers: map[string][]string{"example.com": {"127.0.0.1"}}}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	w.Client = New(Options{Resolver: w.names.resolver(t), Roots: roots})
	w.forbids = func(a netip.Addr) bool { return a != netip.MustParseAddr("127.0.0.1") && inside(a) }
	w.base = "https://example.com:" + port
	return w
}

func TestDo(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1") // which would refuse every connection
	var seen http.Request
	var body []byte
	w := serve(t, func(rw http.ResponseWriter, r *http.Request) {
		seen = *r
		body, _ = io.ReadAll(r.Body)
		rw.Header().Set("X-Answer", "1")
		rw.WriteHeader(http.StatusTeapot)
		_, _ = rw.Write([]byte("short and stout"))
	})
	header := http.Header{"X-Question": {"2"}}
	got, err := w.Do(t.Context(), Request{URL: w.base + "/a?b=c", Header: header, Body: []byte("hello")})
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != http.StatusTeapot || string(got.Body) != "short and stout" || got.More || got.Header.Get("X-Answer") != "1" {
		t.Errorf("got %+v", got)
	}
	if seen.Method != "POST" || seen.RequestURI != "/a?b=c" || seen.Header.Get("X-Question") != "2" || string(body) != "hello" || seen.ContentLength != 5 {
		t.Errorf("sent %s %s %v %q", seen.Method, seen.RequestURI, seen.Header, body)
	}
	if !seen.Close || seen.ProtoMajor != 1 || seen.TLS.Version < tls.VersionTLS12 || seen.Header.Get("Accept-Encoding") != "" {
		t.Errorf("close %v, HTTP/%d, TLS %x, %v", seen.Close, seen.ProtoMajor, seen.TLS.Version, seen.Header)
	}
	if len(header) != 1 {
		t.Errorf("the caller's headers were changed: %v", header)
	}
}

// TestRedirects: none is followed, wherever it leads.
func TestRedirects(t *testing.T) {
	var to string
	w := serve(t, func(rw http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		rw.Header().Set("Location", to)
		rw.WriteHeader(status)
	})
	for _, location := range []string{"http://169.254.169.254/latest/meta-data/", "https://127.0.0.1/", "/200", w.base + "/200"} {
		to = location
		for _, status := range []int{300, 301, 302, 303, 307, 308} {
			before := w.calls.Load()
			got, err := w.Do(t.Context(), Request{URL: fmt.Sprintf("%s/%d", w.base, status), Body: []byte("x")})
			if err != nil || got.Status != status || w.calls.Load() != before+1 {
				t.Errorf("%d to %s: %d, %v, %d requests", status, location, got.Status, err, w.calls.Load()-before)
			}
		}
	}
}

// TestNamesThatLeadInside: each address that DNS may give is seen before the socket connects.
func TestNamesThatLeadInside(t *testing.T) {
	n := names{answers: map[string][]string{"both.example": {"10.0.0.1 127.0.0.1 fd00:ec2::254"}}}
	i := 0
	for name, address := range shut {
		host := fmt.Sprintf("h%d.example", i)
		n.set(host, address)
		i++
		t.Run(name, func(t *testing.T) {
			c := New(Options{Local: local, Resolver: n.resolver(t)})
			if err := c.Check("https://" + host + "/"); err != nil {
				t.Fatal("the name alone says nothing:", err)
			}
			_, err := c.Do(t.Context(), Request{URL: "https://" + host + "/"})
			if !isForbidden(err) {
				t.Errorf("%s: got %v", address, err)
			} else if strings.Contains(err.Error(), address) {
				t.Errorf("the error tells what DNS said: %v", err)
			}
		})
	}
	c := New(Options{Resolver: n.resolver(t)})
	if _, err := c.Do(t.Context(), Request{URL: "https://both.example/"}); !isForbidden(err) {
		t.Errorf("several addresses: %v", err)
	}
}

// TestRebinding: a name that was public when it was looked at is inside when it is called.
func TestRebinding(t *testing.T) {
	w := serve(t, func(http.ResponseWriter, *http.Request) {})
	w.names.set("example.com", "127.0.0.1", "127.0.0.1", "127.0.0.2")
	for range 2 {
		if _, err := w.Do(t.Context(), Request{URL: w.base}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Do(t.Context(), Request{URL: w.base}); !isForbidden(err) || w.calls.Load() != 2 {
		t.Errorf("got %v after %d calls", err, w.calls.Load())
	}
}

// TestLocal: the exception is for plain http to one address, and for nothing else at it.
func TestLocal(t *testing.T) {
	var paths []string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { paths = append(paths, r.RequestURI) }))
	t.Cleanup(s.Close)
	c := New(Options{Local: s.URL + "/_local/echo/"})
	if got, err := c.Do(t.Context(), Request{URL: s.URL + "/_local/echo/200?x=1"}); err != nil || got.Status != 200 {
		t.Fatalf("%d, %v", got.Status, err)
	}
	for _, url := range []string{s.URL + "/_local/mail", s.URL + "/_local/echo/../mail", strings.Replace(s.URL, "http", "https", 1) + "/_local/echo/200"} {
		if _, err := c.Do(t.Context(), Request{URL: url}); !isForbidden(err) {
			t.Errorf("%s: %v", url, err)
		}
	}
	if len(paths) != 1 {
		t.Errorf("called: %q", paths)
	}
	if err := c.admit("tcp4", "127.0.0.1:1", true); !isForbidden(err) {
		t.Errorf("the exception dials another address: %v", err)
	}
	for _, network := range []string{"udp4", "unix", "tcp"} {
		if err := c.admit(network, "8.8.8.8:443", false); !isForbidden(err) {
			t.Errorf("%s: %v", network, err)
		}
	}
}

// TestNotSent: what fails before there is a connection.
func TestNotSent(t *testing.T) {
	w := serve(t, func(http.ResponseWriter, *http.Request) {})
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.Config.ErrorLog = log.New(io.Discard, "", 0)
	old.StartTLS()
	t.Cleanup(old.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	deaf := listen(t, func(net.Conn) {}) // takes connections and says nothing
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	at := func(a net.Addr) string {
		return "https://example.com:" + strconv.Itoa(a.(*net.TCPAddr).Port) + "/?secret=q"
	}
	w.names.set("other.example", "127.0.0.1")

	tests := map[string]struct {
		url     string
		words   string
		timeout time.Duration
	}{
		"no such name":           {"https://nowhere.example/?secret=q", "the name does not exist", 0},
		"a refused connection":   {at(gone.Addr()), "the connection was refused", 0},
		"a foreign certificate":  {strings.Replace(w.base, "example.com", "other.example", 1) + "/?secret=q", "the certificate cannot be trusted", 0},
		"an old TLS":             {at(old.Listener.Addr()), "does not speak TLS", 0},
		"no TLS":                 {at(plain.Listener.Addr()), "does not speak TLS", 0},
		"silence instead of TLS": {at(deaf), "no connection in time", 100 * time.Millisecond},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := w.Do(t.Context(), Request{URL: tt.url, Body: []byte("x"), Timeout: tt.timeout})
			if !errors.Is(err, ErrNotSent) || errors.Is(err, ErrNoAnswer) || !strings.Contains(err.Error(), tt.words) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want %s", err, tt.words)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Do(ctx, Request{URL: w.base}); !errors.Is(err, ErrNotSent) || !errors.Is(err, context.Canceled) {
		t.Errorf("given up before: %v", err)
	}
	if _, err := w.Do(t.Context(), Request{URL: w.base, Header: http.Header{"X-A": {"s3cret\r\nx: y"}}}); !errors.Is(err, ErrNotSent) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a header of two lines: %v", err)
	}
	if _, err := w.Do(t.Context(), Request{URL: w.base, Method: "A B"}); !errors.Is(err, ErrNotSent) {
		t.Errorf("no method: %v", err)
	}
	if n := w.calls.Load(); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
}

// listen takes connections and hands them on until the test ends.
func listen(t *testing.T, with func(net.Conn)) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			go with(conn)
		}
	}()
	return l.Addr()
}

// TestNoAnswer: what fails once there is a connection may have been received.
func TestNoAnswer(t *testing.T) {
	hang, arrived := make(chan struct{}), make(chan struct{}, 1)
	w := serve(t, func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cut := func(text string) {
			conn, _, err := http.NewResponseController(rw).Hijack()
			if err == nil {
				_, _ = conn.Write([]byte(text))
				_ = conn.Close()
			}
		}
		switch r.URL.Path {
		case "/cut":
			cut("")
		case "/half":
			cut("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		case "/garbage":
			cut("pfc_token echoed by nobody's protocol\r\n\r\n")
		case "/headers":
			cut("HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 2*maxHeader) + "\r\n\r\n")
		case "/hang":
			arrived <- struct{}{}
			<-hang
		case "/slow":
			_, _ = rw.Write([]byte("part"))
			_ = http.NewResponseController(rw).Flush()
			<-hang
		}
	})
	t.Cleanup(func() { close(hang) })
	tests := map[string]struct {
		path     string
		words    string
		status   int
		body     string
		timedOut bool
	}{
		"cut before an answer": {path: "/cut", words: "the connection was cut"},
		"cut in the answer":    {path: "/half", words: "the connection was cut", status: 200, body: "half"},
		"no HTTP":              {path: "/garbage", words: "the connection was cut"},
		"headers without end":  {path: "/headers", words: "the connection was cut"},
		"no answer in time":    {path: "/hang", words: "the time was up", timedOut: true},
		"no whole one in time": {path: "/slow", words: "the time was up", status: 200, body: "part", timedOut: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := w.calls.Load()
			ctx := t.Context()
			timeout := DefaultTimeout
			if tt.path == "/slow" { // nobody tells when the first part has arrived
				timeout = 2 * time.Second
			} else if tt.timedOut { // once the request is there, however long that takes
				withCause, end := context.WithCancelCause(ctx)
				ctx = withCause
				go func() { <-arrived; end(context.DeadlineExceeded) }()
			}
			got, err := w.Do(ctx, Request{URL: w.base + tt.path + "?secret=q", Body: []byte("x"), Timeout: timeout})
			if !errors.Is(err, ErrNoAnswer) || errors.Is(err, ErrNotSent) || errors.Is(err, context.DeadlineExceeded) != tt.timedOut {
				t.Fatalf("got %v", err)
			}
			if err.Error() != ErrNoAnswer.Error()+": "+tt.words {
				t.Errorf("it says %q", err)
			}
			if got.Status != tt.status || string(got.Body) != tt.body || got.More != (tt.status != 0) {
				t.Errorf("got %d %q, more %v", got.Status, got.Body, got.More)
			}
			if n := w.calls.Load() - before; n != 1 {
				t.Errorf("sent %d times", n)
			}
		})
	}
}

// TestNeverReplayed: a server that takes a request and closes gets it once, even with what makes net/http repeat.
func TestNeverReplayed(t *testing.T) {
	var requests atomic.Int32
	addr := listen(t, func(conn net.Conn) {
		buffer := make([]byte, 4096)
		if n, _ := conn.Read(buffer); bytes.HasPrefix(buffer[:n], []byte("POST ")) {
			requests.Add(1)
		}
		_ = conn.Close()
	})
	base := "http://" + addr.String() + "/_local/echo/"
	c := New(Options{Local: base})
	for range 3 {
		for _, body := range [][]byte{nil, []byte("x")} {
			_, err := c.Do(t.Context(), Request{URL: base + "200", Body: body, Header: http.Header{"Idempotency-Key": {"1"}}})
			if !errors.Is(err, ErrNoAnswer) {
				t.Errorf("got %v", err)
			}
		}
	}
	if n := requests.Load(); n != 6 {
		t.Errorf("6 requests were sent %d times", n)
	}
}

func TestAnswerIsBounded(t *testing.T) {
	w := serve(t, func(rw http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		_, _ = io.Copy(rw, io.LimitReader(zeros{}, int64(n)))
	})
	for _, tt := range []struct {
		n, limit, want int
		more           bool
	}{
		{n: 0, want: 0}, {n: 10, limit: 10, want: 10}, {n: 11, limit: 10, want: 10, more: true},
		{n: MaxAnswer, want: MaxAnswer}, {n: 100 << 20, want: MaxAnswer, more: true},
	} {
		got, err := w.Do(t.Context(), Request{URL: w.base + "?" + url.Values{"n": {strconv.Itoa(tt.n)}}.Encode(), Limit: tt.limit})
		if err != nil || len(got.Body) != tt.want || got.More != tt.more {
			t.Errorf("%d bytes, limit %d: got %d, more %v, %v", tt.n, tt.limit, len(got.Body), got.More, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
