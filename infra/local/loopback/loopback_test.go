package loopback

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestGuard(t *testing.T) {
	h := Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "127.0.0.2": 200, "[::1]:8080": 200, "[::1]": 200, "172.17.0.1:4566": 200,
		"localhost": 200, "localhost:8080": 200, "LOCALHOST:8080": 200, "localhost.:8080": 200, "pagefree.localhost": 200,
		"host.docker.internal:4566": 200, "stack:4566": 200, "": 200,
		"evil.example": 421, "evil.example:8080": 421, "127.0.0.1.evil.example:8080": 421, "localhost.evil.example": 421,
		"evil.example.": 421, "127.0.0.1.nip.io": 421, "internal.example": 421, "[::1].evil.example": 421, "evil.example:127.0.0.1": 421,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: got %d, want %d", host, w.Code, want)
		}
	}
}
