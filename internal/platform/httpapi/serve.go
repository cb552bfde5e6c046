package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"runtime/debug"
	"strconv"
	"strings"

	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

// Handler serves the API: routing, its 404 and 405 as problems, ETags, and the
// headers of every answer. A panic is a 500 and a log line, never a dead function.
func (a *API) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requestID := principal.OriginOf(r.Context()).RequestID
		var refused refusal
		r = uniform(r.WithContext(context.WithValue(r.Context(), refusedKey{}, &refused)))
		rec := &recorder{header: http.Header{}, status: http.StatusOK}
		func() {
			defer func() {
				if v := recover(); v != nil {
					slog.ErrorContext(r.Context(), "panic", "value", fmt.Sprint(v), "stack", string(debug.Stack()), "requestId", requestID)
					*rec = recorder{header: http.Header{}}
					problem.Write(rec, r, fmt.Errorf("panic: %v", v), requestID)
				}
			}()
			a.route(rec, r, requestID)
		}()
		if refused.problem != nil && a.denied != nil {
			a.denied(r.Context(), r, refused.problem)
		}
		rec.tag(r)
		if rec.status < http.StatusBadRequest && rec.header.Get("Content-Type") == problem.ContentType { // it is what the caller accepts
			rec.header.Set("Content-Type", "application/json")
		}
		stamp(rec.header, requestID)
		if rec.header.Get("Cache-Control") == "" {
			rec.header.Set("Cache-Control", "private, no-store")
		}
		rec.flush(w, r)
	})
}

// stamp sets what every answer of a function carries. Browsers that were here
// once come back by TLS alone, for two years; over plain HTTP, as on a laptop,
// they ignore that (RFC 6797, 8.1).
func stamp(h http.Header, requestID string) {
	h.Set("X-Request-Id", requestID)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Strict-Transport-Security", "max-age=63072000")
}

// uniform brings what may be written in several ways to the one that huma
// reads. A parameter that is repeated is a list, whose values stand between
// commas; of the repetitions of any other, huma would take the first and say
// nothing. Media types have no case (RFC 9110, 8.3.1).
func uniform(r *http.Request) *http.Request {
	if lines := r.Header.Values("Accept"); len(lines) > 0 {
		r.Header.Set("Accept", accepted(lines))
	}
	if media, parameters, found := strings.Cut(r.Header.Get("Content-Type"), ";"); media != strings.ToLower(media) {
		if media = strings.ToLower(media); found {
			media += ";" + parameters
		}
		r.Header.Set("Content-Type", media)
	}
	query, repeated := r.URL.Query(), false
	for name, values := range query {
		if len(values) > 1 {
			query[name], repeated = []string{strings.Join(values, ",")}, true
		}
	}
	if repeated {
		u := *r.URL
		u.RawQuery = query.Encode()
		r.URL = &u
	}
	return r
}

// accepted is what an Accept header says, with what is no media type left out:
// huma takes a parameter of one letter for a part of a string that is not there.
func accepted(lines []string) string {
	var all []string
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			media, parameters, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			if _, err := strconv.ParseFloat(parameters["q"], 64); err == nil {
				media += ";q=" + parameters["q"]
			}
			all = append(all, media)
		}
	}
	return strings.Join(all, ",")
}

// refusal is where a handler's 403 is kept until the answer is recorded.
type refusal struct{ problem *problem.Error }
type refusedKey struct{}

// remember keeps err for OnDenied when it is a 403.
func remember(ctx context.Context, err error) {
	p, ok := errors.AsType[*problem.Error](err)
	if kept, _ := ctx.Value(refusedKey{}).(*refusal); ok && kept != nil && p.Status == http.StatusForbidden {
		kept.problem = p
	}
}

func (a *API) route(w *recorder, r *http.Request, requestID string) {
	if !clean(r.URL.EscapedPath()) { // net/http would redirect, without the stage that is before the path
		problem.Write(w, r, problem.Missing(), requestID)
		return
	}
	if _, pattern := a.mux.Handler(r); pattern != "" {
		a.mux.ServeHTTP(w, r)
		return
	}
	// net/http knows which methods the path would have taken; its text is replaced by ours.
	probe := &recorder{header: http.Header{}, status: http.StatusOK}
	a.mux.ServeHTTP(probe, r)
	e := problem.Missing()
	if probe.status == http.StatusMethodNotAllowed {
		e = problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "This path does not take %s.", r.Method)
		e.Header = http.Header{"Allow": probe.header["Allow"]}
	}
	if a.pages == nil || !strings.HasPrefix(r.URL.Path, a.under) {
		problem.Write(w, r, e, requestID)
	} else if err := a.pages(w, r, e); err != nil {
		problem.Write(w, r, err, requestID)
	}
}

// clean reports whether a path has no empty, "." or ".." segment.
func clean(p string) bool {
	c := path.Clean(p)
	return p == c || c != "/" && p == c+"/"
}

// recorder holds an answer until its ETag is known. Lambda sends whole answers
// anyway, so nothing is delayed by it.
type recorder struct {
	header http.Header
	status int
	wrote  bool
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if !w.wrote {
		w.status, w.wrote = status, true
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// tag gives a successful read its ETag: the revision that the handler set, if
// any, and a hash of what this caller sees, since rights change what is shown.
// If-None-Match compares the whole, If-Match (see Match) the revision alone.
func (w *recorder) tag(r *http.Request) {
	if w.status != http.StatusOK || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		return
	}
	sum := sha256.Sum256(w.body.Bytes())
	hash := hex.EncodeToString(sum[:8])
	etag := `"` + hash + `"`
	if rev := strings.Trim(w.header.Get("ETag"), `"`); rev != "" {
		etag = `"` + rev + "-" + hash + `"`
	}
	w.header.Set("ETag", etag)
	for _, candidate := range strings.Split(r.Header.Get("If-None-Match"), ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == etag || candidate == "*" {
			w.status = http.StatusNotModified
			w.body.Reset()
			w.header.Del("Content-Type")
			return
		}
	}
}

func (w *recorder) flush(to http.ResponseWriter, r *http.Request) {
	for k, vs := range w.header {
		to.Header()[k] = vs
	}
	to.WriteHeader(w.status)
	if r.Method != http.MethodHead {
		to.Write(w.body.Bytes()) // the caller left: nobody to tell
	}
}

// Revision is the ETag of a resource at a revision, as handlers set it.
func Revision(rev int64) string { return fmt.Sprintf(`"%d"`, rev) }

// Match refuses a change that was made from another revision than rev: 412
// precondition_failed. An empty If-Match, and "*", match everything. A weak
// tag, as it comes out of a compressing edge, is as good: it is the revision
// that counts, not the bytes.
func Match(ifMatch string, rev int64) error {
	if ifMatch == "" {
		return nil
	}
	want := fmt.Sprint(rev)
	for _, candidate := range strings.Split(ifMatch, ",") {
		candidate = strings.Trim(strings.TrimPrefix(strings.TrimSpace(candidate), "W/"), `"`)
		had, _, _ := strings.Cut(candidate, "-")
		if candidate == "*" || had == want {
			return nil
		}
	}
	return problem.New(http.StatusPreconditionFailed, problem.PreconditionFailed, "It was changed since you read it. Read it again and repeat.")
}
