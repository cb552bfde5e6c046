// Package edge is CloudFront as the template sets it up in front of the API: behaviors by path, the viewer function run
// as it is, headers and path to the origin, what is cached and for how long (errors too), compression, and the response
// headers policy.
//
// The viewer's address is the socket's own. The origin sees another one, the edge's.
//
// Not like CloudFront: plain HTTP, so no redirect to https; one edge and no invalidation; gzip alone; no ranges; no
// access logs. What is cached is gone with the process.
package edge

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"pagefree/infra/local/template"
)

// Address is where requests come from, as the origin sees it: of a block for documentation, so that it is nobody's.
const Address = "198.51.100.77"

// Options of New. Distribution and Origin are required.
type Options struct {
	Distribution *template.Distribution
	Origin       http.Handler     // the API at its own address, with its stage
	Sockets      http.Handler     // the WebSocket API at its own address; nil without one
	Now          func() time.Time // default time.Now
	Log          *slog.Logger     // gets what a viewer is not told; default none
}

// Edge serves a distribution.
type Edge struct {
	opts      Options
	d         *template.Distribution
	cache     cache
	functions map[string]*function // by their code
}

// New compiles the distribution's functions.
func New(opts Options) (*Edge, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	e := &Edge{opts: opts, d: opts.Distribution, cache: cache{kept: map[string]*answer{}}, functions: map[string]*function{}}
	for _, b := range e.d.Behaviors {
		if b.ViewerRequest == "" || e.functions[b.ViewerRequest] != nil {
			continue
		}
		f, err := compile(b.ViewerRequest)
		if err != nil {
			return nil, fmt.Errorf("edge: the function of %s: %w", b.Pattern, err)
		}
		e.functions[b.ViewerRequest] = f
	}
	return e, nil
}

// answer is a whole one, of the origin or of the edge.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer

	from  string // for X-Cache
	until time.Time
	since time.Time
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// own is an answer of CloudFront itself.
func own(status int, from, text string) *answer {
	a := &answer{status: status, header: http.Header{"Content-Type": {"text/html"}, "Server": {"CloudFront"}}, from: from}
	fmt.Fprintf(&a.body, "<!DOCTYPE html><title>ERROR: The request could not be satisfied</title><h1>%d ERROR</h1><p>%s</p>\n", status, text)
	return a
}

const (
	failed    = "Error from cloudfront"
	missed    = "Miss from cloudfront"
	hit       = "Hit from cloudfront"
	generated = "FunctionGeneratedResponse from cloudfront"
	broken    = "FunctionExecutionError from cloudfront"
)

func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.EscapedPath(), "/") {
		e.finish(w, r, template.Behavior{}, own(http.StatusBadRequest, failed, "Bad request."))
		return
	}
	// The path that decides is free of dots and double slashes; what goes on is as it came.
	b := e.d.BehaviorFor(path.Clean(r.URL.EscapedPath()))
	if b.Sockets && e.opts.Sockets != nil {
		e.socket(w, r, b)
		return
	}
	e.finish(w, r, b, e.answer(r, b))
}

func (e *Edge) answer(r *http.Request, b template.Behavior) *answer {
	if !slices.Contains(b.Methods, r.Method) {
		return own(http.StatusForbidden, failed, "This distribution is not configured to allow the HTTP request method that was used for this request.")
	}
	if r.Method == http.MethodGet && r.ContentLength != 0 {
		return own(http.StatusForbidden, failed, "A GET request has no body.")
	}
	viewer := r
	if f := e.functions[b.ViewerRequest]; f != nil {
		var err error
		var instead *answer
		viewer, instead, err = f.run(r, e.d)
		switch {
		case errors.Is(err, errForbidden):
			e.opts.Log.Error("edge function", "path", r.URL.Path, "cause", err.Error())
			return own(http.StatusBadGateway, broken, "The function did what it may not.")
		case err != nil:
			e.opts.Log.Error("edge function", "path", r.URL.Path, "cause", err.Error())
			return own(http.StatusServiceUnavailable, broken, "The function failed.")
		case instead != nil:
			return instead
		}
	}
	key, now := keyOf(viewer, b), e.opts.Now()
	cacheable := r.Method == http.MethodGet || r.Method == http.MethodHead
	if cacheable {
		if kept := e.cache.get(key, now); kept != nil {
			return kept.again(r, now)
		}
	}
	a := &answer{header: http.Header{}, from: missed}
	e.opts.Origin.ServeHTTP(a, e.toOrigin(viewer, b))
	a.WriteHeader(http.StatusOK)
	if a.status >= http.StatusBadRequest {
		a.from = failed
	}
	if b.Compress && b.Cache.Encodings {
		compress(a, r)
	}
	// A copy is of the whole: HEAD's has no body.
	if life := e.life(a, b); r.Method == http.MethodGet && life > 0 {
		a.since, a.until = now, now.Add(life)
		e.cache.put(key, a)
	}
	return a.again(r, now)
}

// toOrigin is the request as the origin gets it.
func (e *Edge) toOrigin(viewer *http.Request, b template.Behavior) *http.Request {
	r := viewer.Clone(viewer.Context())
	if !b.ForwardsHeaders {
		r.Header = http.Header{"User-Agent": {"Amazon CloudFront"}}
		r.URL.RawQuery = ""
	}
	if b.Cache.Encodings {
		r.Header.Del("Accept-Encoding")
		if accepted := encodings(viewer); accepted != "" {
			r.Header.Set("Accept-Encoding", accepted)
		}
	}
	if b.Cache != (template.CachePolicy{}) { // a copy is of the whole: the edge itself finds that a viewer has it already
		r.Header.Del("If-None-Match")
		r.Header.Del("If-Modified-Since")
		r.Header.Del("Range")
	}
	for name := range r.Header {
		if slices.Contains(dropped, name) || strings.HasPrefix(name, "X-Edge-") || strings.HasPrefix(name, "X-Amz-Cf-") {
			r.Header.Del(name)
		}
	}
	r.Header.Set("X-Forwarded-For", strings.Join(append(r.Header["X-Forwarded-For"], viewerIP(viewer)), ", "))
	r.Header.Set("Via", fmt.Sprintf("%d.%d %s (CloudFront)", r.ProtoMajor, r.ProtoMinor, e.via()))
	r.Header.Set("X-Amz-Cf-Id", requestID())
	for name, value := range e.d.OriginHeaders {
		r.Header.Set(name, value)
	}
	r.Host, r.RemoteAddr = e.d.OriginDomain, net.JoinHostPort(Address, "443")
	escaped := viewer.URL.EscapedPath()
	r.URL.Path, r.URL.RawPath = e.d.OriginPath+r.URL.Path, e.d.OriginPath+escaped
	r.RequestURI = r.URL.RequestURI()
	return r
}

// dropped are the headers of a viewer that CloudFront does not hand on.
var dropped = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding",
	"Upgrade", "X-Forwarded-Proto", "X-Real-Ip",
}

// finish writes an answer with what CloudFront adds to all of them.
func (e *Edge) finish(w http.ResponseWriter, r *http.Request, b template.Behavior, a *answer) {
	h := w.Header()
	maps.Copy(h, a.header.Clone())
	for name, policy := range b.Headers {
		if policy.Override || h.Get(name) == "" {
			h.Set(name, policy.Value)
		}
	}
	h.Set("X-Cache", a.from)
	h.Set("Via", "1.1 "+e.via()+" (CloudFront)")
	h.Set("X-Amz-Cf-Id", requestID())
	h.Set("X-Amz-Cf-Pop", "LOCAL1-P1")
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified && r.Method != http.MethodHead {
		h.Set("Content-Length", strconv.Itoa(a.body.Len()))
	}
	w.WriteHeader(a.status)
	_, _ = io.Copy(w, bytes.NewReader(a.body.Bytes())) // refused for HEAD, 204 and 304, which have none
}

func (e *Edge) via() string { return strings.ToLower(e.d.ID) + ".cloudfront.net" }

func requestID() string {
	id := make([]byte, 40)
	_, _ = rand.Read(id) // never fails
	return base64.RawURLEncoding.EncodeToString(id)
}

// viewerIP is the other end of the socket.
func viewerIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	host, _, _ = strings.Cut(host, "%") // a zone is this machine's own business
	if err != nil {
		return cmp.Or(r.RemoteAddr, "127.0.0.1")
	}
	return host
}
