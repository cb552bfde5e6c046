package edge

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"pagefree/infra/local/template"
)

// TestSocketsPass: the opening of a socket goes on to the WebSocket API, as a request does: with the secret, without what
// only the edge may say, and with what opens it.
func TestSocketsPass(t *testing.T) {
	tpl, err := template.Load("../../../template.yaml", template.Options{Parameters: map[string]string{"FirstAdminEmail": "a@pagefree.test", "MailFrom": "b@pagefree.test"}})
	if err != nil {
		t.Fatal(err)
	}
	var got *http.Request
	e, err := New(Options{
		Distribution: tpl.Edge, Origin: http.NotFoundHandler(),
		Sockets: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got = r; w.WriteHeader(http.StatusTeapot) }),
	})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, target string) int {
		got = nil
		r := httptest.NewRequest(method, target, nil)
		r.RemoteAddr = "203.0.113.7:1"
		for name, value := range map[string]string{
			"Connection": "keep-alive, Upgrade", "Upgrade": "websocket", "Sec-Websocket-Key": "k", "Origin": "https://a.example",
			"X-Pagefree-Origin": "a guess", "X-Pagefree-Viewer": "192.0.2.1", "X-Forwarded-For": "192.0.2.1",
		} {
			r.Header.Set(name, value)
		}
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, r)
		return rec.Code
	}
	if status := ask("GET", "/socket?ticket=a"); status != http.StatusTeapot || got == nil {
		t.Fatalf("got %d", status)
	}
	for name, want := range map[string]string{
		"Connection": "keep-alive, Upgrade", "Upgrade": "websocket", "Sec-Websocket-Key": "k", "Origin": "https://a.example",
		"X-Pagefree-Origin": tpl.Secrets["OriginSecret"].Value, "X-Pagefree-Viewer": "203.0.113.7", "X-Forwarded-For": "203.0.113.7",
	} {
		if values := got.Header.Values(name); len(values) != 1 || values[0] != want {
			t.Errorf("%s: got %q, want %q", name, values, want)
		}
	}
	if got.Host != tpl.Edge.SocketDomain || got.URL.String() != "/socket?ticket=a" {
		t.Errorf("goes on to %s %s", got.Host, got.URL)
	}
	if status := ask("POST", "/socket"); status != http.StatusForbidden || got != nil {
		t.Errorf("another method: %d", status)
	}
	if status := ask("GET", "/socket/x"); status != http.StatusNotFound || got != nil {
		t.Errorf("another path: %d", status)
	}
}
