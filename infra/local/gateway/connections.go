package gateway

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// Connections is what functions reach sockets by: POST says something, GET tells of one, DELETE closes one, each below
// /<stage>/@connections/. Who may, the port decides at which it stands.
func (s *Sockets) Connections() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stage, id, ok := ConnectionOf(r)
		if !ok || stage != s.api.Stage {
			fail(w, http.StatusForbidden, "ForbiddenException")
			return
		}
		s.mu.Lock()
		one := s.open[id]
		s.mu.Unlock()
		if one == nil {
			fail(w, http.StatusGone, "GoneException")
			return
		}
		switch r.Method {
		case http.MethodPost:
			s.post(w, r, one)
		case http.MethodGet:
			one.mu.Lock()
			body, _ := json.Marshal(map[string]any{ // texts alone
				"connectedAt": one.connectedAt.UTC().Format(time.RFC3339), "lastActiveAt": one.activeAt.UTC().Format(time.RFC3339),
				"identity": map[string]string{"sourceIp": one.who.SourceIP, "userAgent": one.who.UserAgent},
			})
			one.mu.Unlock()
			_, _ = w.Write(body)
		case http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
			go one.close(websocket.StatusNormalClosure, "Connection Closed Normally") // a client that does not answer holds nobody up
		default:
			fail(w, http.StatusForbidden, "ForbiddenException")
		}
	})
}

func (s *Sockets) post(w http.ResponseWriter, r *http.Request, one *socket) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxMessage+1))
	switch {
	case err != nil || len(body) == 0:
		fail(w, http.StatusBadRequest, "BadRequestException")
	case len(body) > maxMessage:
		fail(w, http.StatusRequestEntityTooLarge, "PayloadTooLargeException")
	case one.write(body, s.opts.Idle) != nil:
		fail(w, http.StatusGone, "GoneException")
	}
}

// ConnectionOf reads stage and connection off a request, as it was escaped.
func ConnectionOf(r *http.Request) (stage, id string, ok bool) {
	before, escaped, found := strings.Cut(strings.Replace(r.URL.EscapedPath(), "%40", "@", 1), "/@connections/")
	id, err := url.PathUnescape(escaped)
	return strings.TrimPrefix(before, "/"), id, found && err == nil && id != ""
}

// Open is how many sockets are open.
func (s *Sockets) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

func fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-ErrorType", code)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"message":null}`)
}
