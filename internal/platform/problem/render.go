package problem

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
)

// ContentType is the media type of every error body.
const ContentType = "application/problem+json"

// Body is the wire form of an error (RFC 9457, with our code).
type Body struct {
	Type     string  `json:"type" doc:"always about:blank: the code tells errors apart"`
	Title    string  `json:"title"`
	Status   int     `json:"status"`
	Detail   string  `json:"detail"`
	Code     Code    `json:"code" doc:"stable, lower snake case"`
	Instance string  `json:"instance" doc:"urn:uuid of the request, also in X-Request-Id"`
	Errors   []Field `json:"errors,omitempty"`

	header http.Header
}

// Error, GetStatus and ContentType make a Body what huma writes as an error.
func (b *Body) Error() string { return string(b.Code) + ": " + b.Detail }

// GetStatus is the HTTP status.
func (b *Body) GetStatus() int { return b.Status }

// GetHeaders are the extra headers of the answer.
func (b *Body) GetHeaders() http.Header { return b.header }

// ContentType replaces JSON's media type by the one for problems.
func (b *Body) ContentType(string) string { return ContentType }

// Render turns any error into what the caller may see of it. What is not a
// problem, and every 5xx, is logged with its cause and shown without.
func Render(ctx context.Context, err error, requestID string) *Body {
	p, ok := errors.AsType[*Error](err)
	if !ok {
		p = New(http.StatusInternalServerError, Internal, "Something went wrong on our side. The request id finds it in our log.")
		p.Cause = err
	}
	if p.Status >= http.StatusInternalServerError {
		slog.ErrorContext(ctx, "request failed", "code", p.Code, "error", err, "requestId", requestID)
	}
	return &Body{
		Type: "about:blank", Title: http.StatusText(p.Status), Status: p.Status, Detail: p.Detail,
		Code: p.Code, Instance: "urn:uuid:" + requestID, Errors: p.Fields, header: p.Header,
	}
}

// Write renders err as the whole answer.
func Write(w http.ResponseWriter, r *http.Request, err error, requestID string) {
	b := Render(r.Context(), err, requestID)
	for k, vs := range b.header {
		w.Header()[http.CanonicalHeaderKey(k)] = vs
	}
	w.Header().Set("Content-Type", ContentType)
	if w.Header().Get("Cache-Control") == "" { // else the route has said something stricter
		w.Header().Set("Cache-Control", "no-store")
	}
	w.WriteHeader(b.Status)
	json.NewEncoder(w).Encode(b) // the status is out: a failed write has nobody left to tell
}
