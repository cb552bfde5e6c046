// Package origin is where people reach PageFree: what mails and links begin
// with. It comes from configuration, never from a Host header.
package origin

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
)

// Origin is an address such as https://pagefree.example.com, with a path where
// the API is reached by its stage. The zero value is an unknown origin.
type Origin struct {
	site string // scheme and host, as a browser's Origin header has them
	path string // without a slash at its end
}

// Parse reads an origin: http or https, a host, perhaps a path, nothing else.
// Empty text is the unknown origin.
func Parse(text string) (Origin, error) {
	if text == "" {
		return Origin{}, nil
	}
	u, err := url.Parse(strings.TrimRight(text, "/"))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return Origin{}, fmt.Errorf("%q is no origin such as https://pagefree.example.com", text)
	}
	return Origin{site: strings.ToLower(u.Scheme + "://" + u.Host), path: u.EscapedPath()}, nil
}

// Known reports whether there is an origin at all.
func (o Origin) Known() bool { return o.site != "" }

// Site is scheme and host, in the form of a browser's Origin header.
func (o Origin) Site() string { return o.site }

// Path is the path under which a path of ours is reached from outside.
func (o Origin) Path(ours string) string { return o.path + ours }

// URL is the whole address of a path of ours, which begins with a slash.
func (o Origin) URL(ours string) string { return o.site + o.path + ours }

// Source gives the origin when it is first needed: a fixed one, or else what
// read says. A function cannot be told the address of an API that it stands
// behind when it is deployed, so then it is read from a parameter.
type Source struct {
	read func(context.Context) (string, error)

	mu    sync.Mutex
	known Origin
}

// NewSource returns a Source of fixed, or of read where fixed is unknown.
func NewSource(fixed Origin, read func(context.Context) (string, error)) *Source {
	return &Source{known: fixed, read: read}
}

// Get returns the origin. What was read once is kept; a failure is not.
func (s *Source) Get(ctx context.Context) (Origin, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known.Known() {
		return s.known, nil
	}
	text, err := s.read(ctx)
	if err != nil {
		return Origin{}, err
	}
	o, err := Parse(text)
	if err == nil && !o.Known() {
		err = fmt.Errorf("the public origin is empty")
	}
	if err == nil {
		s.known = o
	}
	return o, err
}
