package integration

import (
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"pagefree/internal/incident/hook"
	"pagefree/internal/platform/httpapi"
)

// delivered is a request as it came. It is read by hand: a signature is over
// the very bytes, and what is wrong with a body is judged after whose it is.
type delivered struct {
	ID      string `path:"id"`
	request hook.Request
	failed  error
}

// Resolve reads headers and body, of which one byte more than is taken is enough.
func (d *delivered) Resolve(ctx huma.Context) []error {
	d.request.Header = http.Header{}
	ctx.EachHeader(func(name, value string) { d.request.Header.Add(name, value) })
	if body := ctx.BodyReader(); body != nil {
		d.request.Body, d.failed = io.ReadAll(io.LimitReader(body, hook.MaxBody+1))
	}
	return nil
}

// HookRoutes adds what monitoring systems call. d may be nil where only the
// description is wanted.
func HookRoutes(api *httpapi.API, d *Door) {
	op := httpapi.Public("POST /v1/hooks/{id}", "Deliver an alert, as the provider of the integration sends it", http.StatusUnauthorized, http.StatusGone)
	op.DefaultStatus = http.StatusAccepted
	httpapi.Register(api, op, func(ctx context.Context, in *delivered) (*struct{ Body Receipt }, error) {
		if in.failed != nil {
			return nil, outage(in.failed)
		}
		receipt, err := d.Receive(ctx, in.ID, in.request)
		if err != nil {
			return nil, err
		}
		return &struct{ Body Receipt }{receipt}, nil
	})
	api.Describe(op, func(o *huma.Operation) {
		any := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "what the provider sends; of an unknown shape, it becomes an incident with `raw`"}
		o.RequestBody = &huma.RequestBody{
			Description: "At most 1 MiB, unpacked too. What else than JSON a provider sends is taken as well: a form of github and datadog, text/plain of cloudwatch.",
			Content:     map[string]*huma.MediaType{"application/json": {Schema: any}},
		}
	})
}
