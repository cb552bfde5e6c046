// Package echo is a receiver of webhooks on this machine: it takes any request, keeps it for a person or a test to look
// at, and answers as its path says. Nothing of a request is in its answer.
package echo

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"pagefree/internal/platform/text"
)

// Limits of what is kept: so many requests, so many bytes of a body, and of all of them. Older ones go first.
const (
	kept    = 1000
	maxBody = 1 << 20
	maxAll  = 64 << 20
)

// MaxDelay is the longest that an answer is held back.
const MaxDelay = 60 * time.Second

// Request is one that was received, in the shape of `GET /_local/webhooks`.
type Request struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`    // with the query
	Headers map[string]string `json:"headers"` // names in lower case; several values of one are joined by a comma
	Body    string            `json:"body"`    // what is no UTF-8 in it is replaced
	At      string            `json:"at"`      // RFC 3339, UTC, milliseconds
}

// Target is the receiver. The zero value is ready.
type Target struct {
	mu   sync.Mutex
	got  []Request // oldest first
	size int       // of all bodies
}

// Requests lists what was received, newest first, and is never null.
func (t *Target) Requests() []Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := slices.Clone(t.got)
	slices.Reverse(list)
	if list == nil {
		list = []Request{}
	}
	return list
}

// ServeHTTP keeps a request, and answers with the status that its path ends in, 200 to 599, and an empty JSON object. A
// 3xx leads to /_local/echo/200. With ?delayMs= the answer is late; the request is seen at once.
func (t *Target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, err := strconv.Atoi(r.PathValue("status"))
	if err != nil || status < 200 || status > 599 {
		http.Error(w, "the path ends in a status from 200 to 599", http.StatusNotFound)
		return
	}
	var delay time.Duration
	if ms := r.URL.Query().Get("delayMs"); ms != "" {
		n, err := strconv.Atoi(ms)
		if delay = time.Duration(n) * time.Millisecond; err != nil || n < 0 || n > int(MaxDelay/time.Millisecond) {
			http.Error(w, fmt.Sprintf("delayMs is a number from 0 to %d", MaxDelay/time.Millisecond), http.StatusBadRequest)
			return
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "the body is larger than 1 MiB, or was cut", http.StatusRequestEntityTooLarge)
		return
	}
	t.keep(r, body)
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done(): // the caller has left
			return
		}
	}
	if status >= 300 && status < 400 {
		w.Header().Set("Location", "/_local/echo/200")
	}
	w.Header().Set("Cache-Control", "no-store")
	if status == http.StatusNoContent || status == http.StatusNotModified {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "{}\n") // the caller left: nobody to tell
}

func (t *Target) keep(r *http.Request, body []byte) {
	headers := map[string]string{"host": r.Host}
	for name, values := range r.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	valid, _ := text.Clip(body, false, 3*len(body)) // each invalid byte becomes three
	got := Request{
		Method: r.Method, Path: r.URL.RequestURI(), Headers: headers, Body: valid, At: time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.got = append(t.got, got)
	t.size += len(valid)
	drop := 0
	for ; len(t.got)-drop > kept || t.size > maxAll; drop++ {
		t.size -= len(t.got[drop].Body)
	}
	t.got = slices.Delete(t.got, 0, drop)
}
