// Package httpapi is how a room speaks HTTP: operations are described once
// (validation and the OpenAPI document come from that), errors are rendered
// once, and every answer has the headers that the contract promises.
package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

// MaxBody is the largest request body in bytes; a larger one is a 413.
const MaxBody = 256 << 10

// API collects the operations of a function. Make one with New, let each room
// register its routes, then serve Handler.
type API struct {
	huma   huma.API
	mux    *http.ServeMux
	lazy   lazy
	tag    string   // of the operation that is being registered
	routes []string // "GET /v1/runbooks/{id}", in the order of their registration
	denied func(context.Context, *http.Request, *problem.Error)
	pages  func(http.ResponseWriter, *http.Request, *problem.Error) error // of Unrouted, below under
	under  string

	described map[*huma.Operation]bool           // whose description is complete
	words     map[string]func(d *huma.Operation) // of Describe, by operation id
}

// New returns an API without operations.
func New() *API {
	a := &API{mux: http.NewServeMux(), lazy: lazy{mux: http.NewServeMux()}, described: map[*huma.Operation]bool{}, words: map[string]func(*huma.Operation){}}
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI:    "3.1.0",
			Info:       &huma.Info{Title: "PageFree", Version: "1", Description: "Runbooks for responders, status for partners."},
			Components: &huma.Components{Schemas: huma.NewMapRegistry("#/components/schemas/", a.schemaName), SecuritySchemes: securitySchemes},
			Servers:    []*huma.Server{{URL: "/"}},
		},
		Formats:       map[string]huma.Format{"application/json": jsonFormat, problem.ContentType: jsonFormat},
		DefaultFormat: "application/json",
	}
	a.huma = humago.New(a.lazy.mux, config)
	a.huma.UseMiddleware(a.refuseEmpty)
	return a
}

var securitySchemes = map[string]*huma.SecurityScheme{
	"bearer":  {Type: "http", Scheme: "bearer", Description: "A session (pfs_) or an API key (pfk_)."},
	"apiKey":  {Type: "apiKey", In: "header", Name: "X-API-Key"},
	"session": {Type: "apiKey", In: "cookie", Name: "__Host-pf_session"},
}

// OnDenied sets what is told of every 403 that this API answers.
func (a *API) OnDenied(f func(context.Context, *http.Request, *problem.Error)) { a.denied = f }

// Unrouted sets who answers for paths under a prefix that no route takes, or
// not by their method, instead of a problem: people read pages. h gets that
// problem, and may return another.
func (a *API) Unrouted(under string, h func(http.ResponseWriter, *http.Request, *problem.Error) error) {
	a.under, a.pages = under, h
}

// Handle adds a route that is no API operation, such as a page for people.
func (a *API) Handle(pattern string, h Handler) {
	a.routes = append(a.routes, pattern)
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := Shown(h(w, r)); err != nil {
			remember(r.Context(), err)
			problem.Write(w, r, err, principal.OriginOf(r.Context()).RequestID)
		}
	})
}

// Refused tells OnDenied of a refusal that a page renders by itself.
func Refused(ctx context.Context, err error) { remember(ctx, err) }

// Shown turns what every room's writes may meet into a problem: contention is
// nobody's mistake, and trying again will do.
func Shown(err error) error {
	if _, ours := errors.AsType[*problem.Error](err); !ours && errors.Is(err, dynamo.ErrContended) {
		return problem.Busy(err)
	}
	return err
}

// Handler answers a request or returns the error to be rendered.
type Handler func(http.ResponseWriter, *http.Request) error

// Routes are the patterns that were registered, pages without a method among
// them, for the tests that hold template, functions and document together.
func (a *API) Routes() []string { return slices.Clone(a.routes) }

// OpenAPI is the document of what was registered.
func (a *API) OpenAPI() *huma.OpenAPI {
	a.lazy.all()
	doc := a.huma.OpenAPI()
	a.complete(doc)
	return doc
}

// Op describes one operation: "GET /v1/runbooks/{id}", a summary, and the
// statuses that it refuses with beside those that every operation of its kind
// does (see document.go).
func Op(route, summary string, refusals ...int) huma.Operation {
	method, path, _ := strings.Cut(route, " ")
	return huma.Operation{
		Method: method, Path: path, Summary: summary,
		OperationID:  operationID(method, path),
		Tags:         []string{tag(path)},
		MaxBodyBytes: MaxBody + 1, // huma refuses a body of this size already
		Errors:       refusals,
		Security:     []map[string][]string{{"bearer": {}}, {"apiKey": {}}, {"session": {}}},
	}
}

// Public is Op for a route that anyone may call.
func Public(route, summary string, refusals ...int) huma.Operation {
	op := Op(route, summary, refusals...)
	op.Security = []map[string][]string{}
	return op
}

// Personal is Op for a route of a person's session: an API key counts as none
// there (see identity.Authorizer).
func Personal(route, summary string, refusals ...int) huma.Operation {
	op := Op(route, summary, refusals...)
	op.Security = []map[string][]string{{"bearer": {}}, {"session": {}}}
	return op
}

// Describe says more of an operation in the document than its types do. say is
// called when somebody asks for the document, and changes nothing of how the
// operation works.
func (a *API) Describe(op huma.Operation, say func(*huma.Operation)) { a.words[op.OperationID] = say }

// Register adds an operation. The handler's errors are rendered here and
// nowhere else.
func Register[I, O any](a *API, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	pattern := op.Method + " " + op.Path
	a.routes = append(a.routes, pattern)
	a.mux.Handle(pattern, a.lazy.handler(func() {
		a.tag = tag(op.Path)
		huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
			out, err := handler(ctx, in)
			if err == nil {
				return out, nil
			}
			err = Shown(err)
			remember(ctx, err)
			return nil, problem.Render(ctx, err, principal.OriginOf(ctx).RequestID)
		})
	}))
}

// refuseEmpty refuses a query parameter that was sent empty and is no free
// text: huma takes it for one that was left out, and a filter that is not
// applied shows more than was asked for.
func (a *API) refuseEmpty(ctx huma.Context, next func(huma.Context)) {
	u := ctx.URL()
	if u.RawQuery != "" {
		query := u.Query()
		for _, p := range ctx.Operation().Parameters {
			if p.In == "query" && slices.Equal(query[p.Name], []string{""}) && !free(p.Schema) {
				huma.WriteErr(a.huma, ctx, http.StatusUnprocessableEntity, "", &huma.ErrorDetail{Location: "query." + p.Name, Message: "is empty; leave it out instead"})
				return
			}
		}
	}
	next(ctx)
}

// free reports whether a schema takes any text, the empty one too.
func free(s *huma.Schema) bool {
	return s.Type == huma.TypeString && s.Pattern == "" && s.Format == "" && len(s.Enum) == 0
}

func operationID(method, path string) string {
	id := strings.ToLower(method)
	for _, part := range strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune("/{}.", r) }) {
		if part != "v1" {
			id += "-" + part
		}
	}
	return id
}

func tag(path string) string {
	parts := strings.Split(strings.TrimPrefix(path, "/v1"), "/")
	if len(parts) > 1 {
		return parts[1]
	}
	return "meta"
}

// huma takes the making of its own errors (validation, body, media type) as
// package variables. Ours carry a code, and never echo the value back: it may
// be a secret. Members of a body are told apart by case, as JSON does, and
// lists are never null.
func init() {
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return humaError(context.Background(), status, msg, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		return humaError(ctx.Context(), status, msg, errs)
	}
}

func humaError(ctx context.Context, status int, msg string, errs []error) *problem.Body {
	return problem.Render(ctx, invalid(status, msg, errs), principal.OriginOf(ctx).RequestID)
}

// invalid is a problem of what huma found.
func invalid(status int, msg string, errs []error) *problem.Error {
	p := problem.New(status, problem.Code(""), "%s", msg)
	for _, err := range errs {
		if d, ok := err.(huma.ErrorDetailer); ok {
			detail := d.ErrorDetail()
			p.Fields = append(p.Fields, problem.Field{Location: detail.Location, Message: detail.Message})
		}
	}
	switch {
	case status == http.StatusUnprocessableEntity || beyond(p.Fields):
		p.Status = http.StatusUnprocessableEntity
		p.Code, p.Detail = problem.ValidationFailed, "The request has values that cannot be used."
	case status == http.StatusBadRequest:
		p.Code, p.Detail = "body_invalid", "The body is not the JSON that this route takes."
	case status == http.StatusRequestEntityTooLarge:
		p.Code, p.Detail = problem.BodyTooLarge, "The body is larger than this route takes."
	case status == http.StatusUnsupportedMediaType:
		p.Code, p.Detail = "unsupported_media_type", "This route takes application/json."
	case status >= http.StatusInternalServerError:
		p.Code, p.Detail, p.Cause, p.Fields = problem.Internal, "Something went wrong on our side.", errors.Join(errs...), nil
	default:
		p.Code = problem.Code(strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_"))
	}
	return p
}
