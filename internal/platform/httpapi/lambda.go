package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/core"

	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

// Names under which the authorizer hands its findings to the functions, as
// strings of API Gateway's request context.
const (
	ContextPrincipal = "principal" // the JSON of a principal.Principal
	ContextProblem   = "problem"   // a code of Refusals: the function answers it
)

// Refusals are the answers that the authorizer can see but not give: API
// Gateway would render any of its refusals as one status.
var Refusals = map[string]*problem.Error{
	"ambiguous_credentials": problem.New(http.StatusBadRequest, "ambiguous_credentials", "The request carries two different credentials. Send one."),
	"cross_origin":          problem.New(http.StatusForbidden, "cross_origin", "A session cookie is only taken from pages of this site."),
	"unavailable":           later(problem.New(http.StatusServiceUnavailable, problem.Unavailable, "Your credential could not be looked up. Try again in a moment.")),
}

// later tells programs when to try again.
func later(e *problem.Error) *problem.Error {
	e.Header = http.Header{"Retry-After": {"5"}}
	return e
}

// Lambda answers API Gateway proxy events with the handler. Who calls is taken
// from the request context that API Gateway vouches for, never from a header;
// and so is from where, unless the request came by the edge, which vouches for
// its viewer. A page is served by the edge alone. count is for functions with
// routes that have no authorizer: what an authorizer counted holds.
func Lambda(h http.Handler, edge Edge, count ...Count) func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	h = gate(h)
	var accessor core.RequestAccessor
	return func(ctx context.Context, event events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		began := time.Now()
		passed, viewer := edge.receive(&event)
		origin := principal.Origin{
			IP: event.RequestContext.Identity.SourceIP, UserAgent: event.RequestContext.Identity.UserAgent,
			RequestID: event.RequestContext.RequestID,
		}
		if viewer != "" {
			origin.IP = viewer
		}
		ctx = principal.WithOrigin(ctx, origin)
		ctx, err := withAuthorizer(ctx, event.RequestContext.Authorizer)
		if err != nil {
			return events.APIGatewayProxyResponse{}, err
		}
		req, err := accessor.EventToRequestWithContext(ctx, event)
		if err != nil {
			answer := malformed(origin.RequestID)
			if rate, ok := counted(event.RequestContext.Authorizer); ok {
				label(&answer, rate)
			}
			return answer, nil
		}
		req, rate, known := measure(req, event.RequestContext.Authorizer, count)
		switch page := !open(req.URL.EscapedPath()); {
		case page && !passed:
			req = req.WithContext(context.WithValue(req.Context(), refusalKey{}, around))
		case page:
			req = req.WithContext(leave(req.Context()))
		}
		w := core.NewProxyResponseWriter()
		h.ServeHTTP(w, req)
		answer, err := w.GetProxyResponse()
		if known {
			label(&answer, rate)
		}
		slog.InfoContext(ctx, "request", "method", event.HTTPMethod, "route", event.Resource, "status", answer.StatusCode,
			"ms", time.Since(began).Milliseconds(), "requestId", origin.RequestID)
		return answer, err
	}
}

type (
	refusalKey struct{} // what the gate answers
	leftKey    struct{} // what is left to a page, to say it as a page
)

// leave moves the authorizer's refusal from the gate to the page that was asked for.
func leave(ctx context.Context) context.Context {
	refusal, _ := ctx.Value(refusalKey{}).(*problem.Error)
	return context.WithValue(context.WithValue(ctx, refusalKey{}, (*problem.Error)(nil)), leftKey{}, refusal)
}

// RefusalOf is what the authorizer refused a request for a page with, nil
// where it did not. There is no principal then.
func RefusalOf(ctx context.Context) *problem.Error {
	refusal, _ := ctx.Value(leftKey{}).(*problem.Error)
	return refusal
}

func withAuthorizer(ctx context.Context, given map[string]any) (context.Context, error) {
	if code, _ := given[ContextProblem].(string); code != "" {
		refusal, ok := Refusals[code]
		if !ok {
			return nil, fmt.Errorf("the authorizer gave an unknown problem %q", code)
		}
		return context.WithValue(ctx, refusalKey{}, refusal), nil
	}
	raw, _ := given[ContextPrincipal].(string)
	if raw == "" {
		return ctx, nil
	}
	var p principal.Principal
	if err := json.Unmarshal([]byte(raw), &p); err != nil {
		return nil, fmt.Errorf("the authorizer's principal: %w", err)
	}
	return principal.With(ctx, p), nil
}

// gate answers what was refused before the handler is asked.
func gate(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refusal, _ := r.Context().Value(refusalKey{}).(*problem.Error); refusal != nil {
			id := principal.OriginOf(r.Context()).RequestID
			unseen(w.Header(), id)
			problem.Write(w, r, refusal, id)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// unseen sets what an answer carries that no handler has a hand in: it may be that of a page.
func unseen(h http.Header, requestID string) {
	stamp(h, requestID)
	h.Set("Cache-Control", "private, no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex")
}

// malformed is the answer to a request whose path or encoding net/http cannot hold.
func malformed(requestID string) events.APIGatewayProxyResponse {
	body, _ := json.Marshal(problem.Render(context.Background(), // a struct of strings always marshals
		problem.New(http.StatusBadRequest, "request_malformed", "The request's path or encoding cannot be read."), requestID))
	h := http.Header{"Content-Type": {problem.ContentType}}
	unseen(h, requestID)
	return events.APIGatewayProxyResponse{StatusCode: http.StatusBadRequest, MultiValueHeaders: h, Body: string(body)}
}
