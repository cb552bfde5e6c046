// Package pushservice is a push service on this machine, as browsers' vendors run them (RFC 8030), and a browser's side of
// a subscription (Device). It takes what a push service would take, says why it does not take something, and keeps what
// came. It shares no code with what sends: it checks tokens and opens messages by the standards' own words.
package pushservice

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Path is where a device's endpoint lies: Path + its name. It is below the echo target's, the one place that functions of
// the local stack may call on loopback.
const Path = "/_local/echo/push/"

// Limits of what is kept, and of a message (RFC 8030, 7.2).
const (
	kept    = 500
	maxBody = 4096
)

// Push is one that was received, or was refused.
type Push struct {
	Device  string `json:"device"`
	At      string `json:"at"` // RFC 3339, UTC, milliseconds
	Status  int    `json:"status"`
	Problem string `json:"problem,omitempty"` // why it was refused
	Token   Token  `json:"token"`
	TTL     int    `json:"ttl"`
	Urgency string `json:"urgency"`
	Topic   string `json:"topic"`
	Body    []byte `json:"body"` // encrypted: who has the device opens it
}

// Service is the push service. The zero value is ready.
type Service struct {
	mu     sync.Mutex
	got    []Push // oldest first
	answer map[string]Answer
	keys   map[string]string
}

// Answer is what a device's endpoint answers with, instead of taking the push.
type Answer struct {
	Status     int
	RetryAfter string
}

// Answer sets what the endpoint of a device answers with from now on; the zero value takes pushes.
func (s *Service) Answer(device string, with Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer == nil {
		s.answer = map[string]Answer{}
	}
	s.answer[device] = with
}

// Restrict binds a device to the sender of a public key, as a browser does that subscribes with it: others get a 403.
func (s *Service) Restrict(device, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = map[string]string{}
	}
	s.keys[device] = key
}

// Pushes lists what came, newest first, and is never null.
func (s *Service) Pushes() []Push {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Clone(s.got)
	slices.Reverse(list)
	if list == nil {
		list = []Push{}
	}
	return list
}

var (
	topicForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
	urgencies = []string{"", "very-low", "low", "normal", "high"}
)

// ServeHTTP takes a push for the device that its path names.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := Push{Device: r.PathValue("device"), At: time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), Urgency: r.Header.Get("Urgency"), Topic: r.Header.Get("Topic")}
	s.mu.Lock()
	answer, key := s.answer[p.Device], s.keys[p.Device]
	s.mu.Unlock()
	refuse := func(status int, format string, args ...any) {
		if p.Problem == "" {
			p.Status, p.Problem = status, fmt.Sprintf(format, args...)
		}
	}
	var err error
	if p.Body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
		refuse(http.StatusRequestEntityTooLarge, "the message has more than %d bytes", maxBody)
	}
	if r.Method != http.MethodPost {
		refuse(http.StatusMethodNotAllowed, "the method is %s", r.Method)
	}
	if p.TTL, err = strconv.Atoi(r.Header.Get("TTL")); err != nil || p.TTL < 0 {
		refuse(http.StatusBadRequest, "TTL is %q", r.Header.Get("TTL"))
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "aes128gcm" {
		refuse(http.StatusUnsupportedMediaType, "Content-Encoding is %q", coding)
	}
	if !slices.Contains(urgencies, p.Urgency) {
		refuse(http.StatusBadRequest, "Urgency is %q", p.Urgency)
	}
	if p.Topic != "" && !topicForm.MatchString(p.Topic) {
		refuse(http.StatusBadRequest, "Topic is %q", p.Topic)
	}
	if p.Token, err = verify(r.Header.Get("Authorization"), "http://"+r.Host, time.Now()); err != nil {
		refuse(http.StatusForbidden, "the token is not to be believed: %v", err)
	}
	if key != "" && key != p.Token.Key {
		refuse(http.StatusForbidden, "the subscription is another sender's")
	}
	if p.Problem == "" {
		if p.Status = http.StatusCreated; answer.Status != 0 {
			p.Status = answer.Status
		}
	}
	s.mu.Lock()
	s.got = append(s.got, p)
	s.got = s.got[max(0, len(s.got)-kept):]
	s.mu.Unlock()
	if answer.RetryAfter != "" {
		w.Header().Set("Retry-After", answer.RetryAfter)
	}
	if p.Problem != "" {
		http.Error(w, p.Problem, p.Status)
		return
	}
	w.WriteHeader(p.Status)
}
