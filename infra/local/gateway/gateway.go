// Package gateway is API Gateway (REST) as the template sets it up: routes, the Lambda authorizer, usage plans, method
// throttling, payload limits, the exact events, renamed response headers, gateway responses, compression both ways.
//
// A route that the template lacks does not exist here either. The address of a caller is the socket's own.
//
// Not like API Gateway: no access logs, no CORS preflight of its own, no stage variables; throttling is exact.
// AWS does not let a template change the body of its 413; here it does. A body that is not in the coding it claims goes
// on to its function, which by the contract answers 400; API Gateway answers 415 by itself.
package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pagefree/infra/local/lambda"
	"pagefree/infra/local/template"
)

// Invoker calls a function by its logical id.
type Invoker interface {
	Invoke(context.Context, lambda.Request) (lambda.Result, error)
}

// Options of New. Template and Functions are required.
type Options struct {
	Template           *template.Template
	Functions          Invoker
	StagePrefix        bool          // the stage is the first part of every path, as at API Gateway's own address
	IntegrationTimeout time.Duration // default 29 s
	Log                *slog.Logger  // gets what a caller is not told; default none
}

// API Gateway's limits, in bytes: of a body, and of the request line and all header values together.
const (
	maxBody    = 10 * 1024 * 1024
	maxHeaders = 10240
)

// Gateway serves the template's API.
type Gateway struct {
	opts   Options
	api    *template.API
	routes []route
	wall   *wall
}

// New makes the handler of the template's one API.
func New(opts Options) (*Gateway, error) {
	if opts.Template.API == nil {
		return nil, errors.New("gateway: the template has no AWS::Serverless::Api")
	}
	opts.IntegrationTimeout = cmp.Or(opts.IntegrationTimeout, 29*time.Second)
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	api := opts.Template.API
	return &Gateway{opts: opts, api: api, routes: parseRoutes(api.Routes), wall: newWall(api)}, nil
}

// Staged is the same API at its own address, where the stage is the first part of every path.
func (g *Gateway) Staged() *Gateway {
	staged := *g
	staged.opts.StagePrefix = true
	return &staged
}

func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := newCompressor(w, r, g.api.MinCompress)
	g.serve(c, r)
	c.finish()
}

// exchange is one request on its way through the gateway.
type exchange struct {
	*Gateway
	request *http.Request
	path    string // escaped, without the stage
	route   *route
	params  map[string]string // of the path, decoded
	query   url.Values
	traceID string
	context requestContext
	caller  map[string]any // the authorizer's context, as functions get it
}

func (g *Gateway) serve(w http.ResponseWriter, r *http.Request) {
	x := &exchange{Gateway: g, request: r, path: r.URL.EscapedPath(), traceID: cmp.Or(r.Header.Get("X-Amzn-Trace-Id"), lambda.NewTraceID())}
	if headerSize(r) > maxHeaders {
		x.context = x.newContext()
		x.render(w, longHeaders)
		return
	}
	if g.opts.StagePrefix {
		rest, ok := strings.CutPrefix(x.path, "/"+g.api.Stage)
		if !ok || rest != "" && rest[0] != '/' {
			x.context = x.newContext()
			x.render(w, wrongStage)
			return
		}
		x.path = cmp.Or(rest, "/")
	}
	x.context = x.newContext()
	if err := x.answer(w); err != nil {
		var refused *refusal
		if !errors.As(err, &refused) {
			refused = internalError
		}
		if refused.status >= 500 {
			g.opts.Log.Error("gateway", "method", r.Method, "path", x.path, "status", refused.status, "cause", err.Error(), "requestId", x.context.RequestID)
		}
		x.render(w, refused)
	}
}

// answer passes the request through the walls in API Gateway's order, to the function, and writes its answer.
func (x *exchange) answer(w http.ResponseWriter) error {
	if x.route, x.params = match(x.routes, x.path, x.request.Method); x.route == nil {
		return missingToken
	}
	x.context.ResourcePath, x.context.ResourceID = x.route.Path, resourceID(x.route.Path)
	// API Gateway splits at a semicolon too, and Go refuses it.
	query, err := url.ParseQuery(strings.ReplaceAll(x.request.URL.RawQuery, ";", "&"))
	if err != nil {
		return badRequest
	}
	x.query = query
	now := time.Now()
	if !x.wall.admitMethod(x.route.Path, x.request.Method, now) {
		return throttled
	}
	body, err := io.ReadAll(io.LimitReader(x.request.Body, maxBody+1))
	if err != nil {
		return badRequest
	}
	if len(body) > maxBody {
		return tooLarge
	}
	if body, err = unpacked(x.request.Header, body); err != nil {
		return err
	}
	key, err := x.authorize()
	if err != nil {
		return err
	}
	if x.api.KeySource == "HEADER" {
		key = x.request.Header.Get("X-Api-Key")
	}
	if x.route.APIKeyRequired {
		id, err := x.wall.admitKey(key, x.route.Path, x.request.Method, now)
		if err != nil {
			return err
		}
		x.context.Identity.APIKey, x.context.Identity.APIKeyID = key, id
	}
	return x.integrate(w, body)
}

// integrate calls the function behind the route.
func (x *exchange) integrate(w http.ResponseWriter, body []byte) error {
	payload, err := json.Marshal(x.proxyEvent(body))
	if err != nil {
		return err
	}
	if len(payload) > lambda.MaxPayload {
		return tooLarge
	}
	// The function goes on when the caller hangs up, so the request's own context is not used.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.request.Context()), x.opts.IntegrationTimeout)
	defer cancel()
	result, err := x.opts.Functions.Invoke(ctx, lambda.Request{Function: x.route.Function, Payload: payload, TraceID: x.traceID})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return integrationTimeout
	case err != nil:
		return internalError.because("invoke %s: %v", x.route.Function, err)
	case result.FunctionError != "":
		return badGateway.because("%s failed: %s", x.route.Function, result.Payload)
	}
	answer, err := parseAnswer(result.Payload)
	if err != nil {
		return badGateway.because("malformed Lambda proxy response of %s: %v", x.route.Function, err)
	}
	x.write(w, answer)
	return nil
}

func headerSize(r *http.Request) int {
	size := len(r.Method) + len(r.RequestURI) + len(r.Proto) + len(r.Host)
	for _, values := range r.Header {
		for _, value := range values {
			size += len(value)
		}
	}
	return size
}

// sourceIP is the other end of the socket.
func sourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	host, _, _ = strings.Cut(host, "%") // a zone is this machine's own business
	return host
}
