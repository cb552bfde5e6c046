package httpapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"pagefree/internal/platform/problem"
)

// refusals are the problems of the document, each described once. That an
// operation is not without one says that a client has to know what to do then.
var refusals = map[int]string{
	http.StatusBadRequest:            "The request cannot be read: its body is no JSON, its cursor is not one of this list, or it carries two different credentials.",
	http.StatusUnauthorized:          "No credential, or one that is not, no longer or not here good.",
	http.StatusForbidden:             "The credential does not give this right, or came in a cookie from another site's page.",
	http.StatusNotFound:              "There is nothing here that the credential may see. What does not exist and what is not shown are told alike.",
	http.StatusConflict:              "The present state does not allow it, or somebody else was faster. `code` says which.",
	http.StatusGone:                  "It was there, and is not any more: stop sending to it.",
	http.StatusPreconditionFailed:    "It was changed since the revision that `If-Match` names.",
	http.StatusRequestEntityTooLarge: "The body is larger than this route takes.",
	http.StatusUnsupportedMediaType:  "The body is of a media type that this route does not take.",
	http.StatusUnprocessableEntity:   "Values cannot be used; `errors` says where and why.",
	http.StatusTooManyRequests:       "Too many requests. Try again after `Retry-After`.",
	http.StatusInternalServerError:   "Something went wrong on our side.",
	http.StatusBadGateway:            "Something went wrong on our side, and no answer could be made; what was asked for may have been done.",
	http.StatusServiceUnavailable:    "Something that is needed cannot be reached now. Try again.",
	http.StatusGatewayTimeout:        "The answer took too long; what was asked for may have been done.",
}

// always are those that any operation may meet, at API Gateway if not before.
var always = []int{
	http.StatusBadRequest, http.StatusTooManyRequests,
	http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}

func text(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: doc} }

// headers of the document. huma makes those of a room's own answers.
func headers() map[string]*huma.Header {
	seconds := &huma.Schema{Type: huma.TypeString, Pattern: "^[0-9]+$"}
	return map[string]*huma.Header{
		"X-Request-Id":     {Required: true, Description: "Finds the request in our log; a problem's `instance` holds it too.", Schema: text("")},
		"ETag":             {Required: true, Description: "What was read, for `If-None-Match`, and its revision, for `If-Match`.", Schema: text("")},
		"Location":         {Required: true, Description: "The path of what was made.", Schema: &huma.Schema{Type: huma.TypeString, Pattern: "^/v1/"}},
		"WWW-Authenticate": {Required: true, Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"Bearer"}}},
		"Retry-After":      {Required: true, Description: "Seconds.", Schema: seconds},
		"Retry-Hint":       {Description: "Seconds, where a time can be told.", Schema: seconds},

		"X-RateLimit-Limit":     {Description: "How many requests are admitted at once, by the limit that is nearest: the caller's own, or that of their address.", Schema: seconds},
		"X-RateLimit-Remaining": {Description: "How many of them are left now. Others may use what an address shares.", Schema: seconds},
		"X-RateLimit-Reset":     {Description: "Seconds until all of them are there again.", Schema: seconds},
	}
}

// rates are the headers of every answer that somebody was counted for: all but
// what API Gateway refuses by itself, before it knows who asks.
func rates(h map[string]*huma.Header) {
	for _, name := range []string{"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} {
		h[name] = header(name)
	}
}

func header(name string) *huma.Header { return &huma.Header{Ref: "#/components/headers/" + name} }

// shared puts into the components what operations point at.
func (a *API) shared(doc *huma.OpenAPI) {
	doc.Components.Headers = headers()
	doc.Components.Parameters = map[string]*huma.Param{"If-None-Match": {
		Name: "If-None-Match", In: "header", Schema: text(""), Description: "ETags that the caller has: the same one is answered 304, without a body.",
	}}
	doc.Components.Responses = map[string]*huma.Response{"NotModified": {
		Description: "The caller has it already, by `If-None-Match`.",
		Headers:     map[string]*huma.Header{"X-Request-Id": header("X-Request-Id"), "ETag": header("ETag")},
	}}
	rates(doc.Components.Responses["NotModified"].Headers)
	body := &huma.Schema{Ref: "#/components/schemas/ProblemBody"}
	for status, description := range refusals {
		r := &huma.Response{
			Description: description,
			Content:     map[string]*huma.MediaType{problem.ContentType: {Schema: body}},
			Headers:     map[string]*huma.Header{"X-Request-Id": header("X-Request-Id")},
		}
		rates(r.Headers)
		switch status {
		case http.StatusTooManyRequests:
			r.Headers["Retry-After"] = header("Retry-After")
		case http.StatusServiceUnavailable:
			r.Headers["Retry-After"] = header("Retry-Hint")
		}
		doc.Components.Responses[camel(http.StatusText(status))] = r
		if status == http.StatusUnauthorized { // API Gateway gives this header another name when it comes from a function
			known := *r
			known.Headers = map[string]*huma.Header{"X-Request-Id": header("X-Request-Id"), "WWW-Authenticate": header("WWW-Authenticate")}
			rates(known.Headers)
			doc.Components.Responses["Unauthenticated"] = &known
		}
	}
}

// complete writes into the document what every operation of its kind answers
// besides what its room says: the refusals, and the headers of all answers. A
// function that starts has no use for it, so it is done when the document is asked for.
func (a *API) complete(doc *huma.OpenAPI) {
	if doc.Components.Responses == nil {
		a.shared(doc)
	}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Patch, item.Delete} {
			if op == nil || a.described[op] {
				continue
			}
			a.described[op] = true
			if say := a.words[op.OperationID]; say != nil {
				say(op)
			}
			refuses(op)
			answers(op)
			a.asks(doc, op)
		}
	}
}

// refuses replaces huma's errors by those that the operation's kind may answer.
func refuses(op *huma.Operation) {
	codes := slices.Concat(always, op.Errors)
	changes, private := op.Method != http.MethodGet, len(op.Security) > 0
	if private {
		codes = append(codes, http.StatusUnauthorized, http.StatusForbidden)
		if changes {
			codes = append(codes, http.StatusConflict)
		}
	}
	if strings.Contains(op.Path, "{") {
		codes = append(codes, http.StatusNotFound)
	}
	if op.RequestBody != nil {
		codes = append(codes, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity)
	}
	for _, p := range op.Parameters {
		switch {
		case p.Name == "If-Match":
			codes = append(codes, http.StatusPreconditionFailed)
		case p.In == "query":
			codes = append(codes, http.StatusUnprocessableEntity)
			if strings.HasSuffix(p.Name, "Id") { // a list of what belongs to something that is not shown
				codes = append(codes, http.StatusNotFound)
			}
		}
	}
	delete(op.Responses, "default")
	for _, code := range codes {
		name := camel(http.StatusText(code))
		if code == http.StatusUnauthorized && private {
			name = "Unauthenticated"
		}
		op.Responses[strconv.Itoa(code)] = &huma.Response{Ref: "#/components/responses/" + name}
	}
}

// answers gives the operation's own answers the headers that each of them carries.
func answers(op *huma.Operation) {
	for status, r := range op.Responses {
		if r.Ref != "" {
			continue
		}
		if r.Headers == nil {
			r.Headers = map[string]*huma.Header{}
		}
		delete(r.Headers, "Content-Type") // content says it
		r.Headers["X-Request-Id"] = header("X-Request-Id")
		if strings.HasPrefix(op.Path, "/v1/") {
			rates(r.Headers)
		}
		if _, made := r.Headers["Location"]; made {
			delete(r.Headers, "Location") // rooms share a type among what makes and what shows
			if status != "200" {
				r.Headers["Location"] = header("Location")
			}
		}
		if _, revised := r.Headers["ETag"]; revised || op.Method == http.MethodGet {
			r.Headers["ETag"] = header("ETag")
		}
	}
	if op.Method == http.MethodGet {
		op.Responses["304"] = &huma.Response{Ref: "#/components/responses/NotModified"}
		op.Parameters = append(op.Parameters, &huma.Param{Ref: "#/components/parameters/If-None-Match"})
	}
}

// Example, for Describe, puts a body into the document that shows what belongs together.
func Example(body any) func(*huma.Operation) {
	return func(d *huma.Operation) { d.RequestBody.Content["application/json"].Example = body }
}

// asks says of a request what huma takes and does not write: null, for a member
// that may be left out, is as good as leaving it out (but in a PATCH, see
// Patch), and a list in a query that is there has something in it.
func (a *API) asks(doc *huma.OpenAPI, op *huma.Operation) {
	for _, p := range op.Parameters {
		if p.In == "query" && p.Schema.Type == huma.TypeArray && p.Schema.MinItems == nil {
			p.Schema.MinItems = new(1)
		}
	}
	if op.RequestBody == nil || op.Method == http.MethodPatch {
		return
	}
	for _, media := range op.RequestBody.Content {
		optional(doc.Components.Schemas, media.Schema, map[*huma.Schema]bool{})
	}
}

func optional(registry huma.Registry, s *huma.Schema, seen map[*huma.Schema]bool) {
	if s != nil && s.Ref != "" {
		s = registry.SchemaFromRef(s.Ref)
	}
	if s == nil || seen[s] {
		return
	}
	seen[s] = true
	for name, member := range s.Properties {
		if !slices.Contains(s.Required, name) && member.Type != "" {
			member.Nullable = true
			if len(member.Enum) > 0 && !slices.Contains(member.Enum, nil) {
				member.Enum = append(slices.Clone(member.Enum), nil)
			}
		}
		optional(registry, member, seen)
	}
	optional(registry, s.Items, seen)
}
