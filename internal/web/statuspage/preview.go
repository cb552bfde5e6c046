package statuspage

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/status"
)

// StaffView makes the view of a page that staff have: everything.
type StaffView interface {
	Preview(ctx context.Context, pageID string) (status.View, error)
}

// PartnerView makes the view that a partner has by an access, and tells whose it is.
type PartnerView interface {
	Preview(ctx context.Context, pageID, accessID string) (v status.View, name string, err error)
}

type previewInput struct {
	ID     string `path:"id"`
	Accept string `header:"Accept" doc:"naming text/html gets the page itself, under a bar that says whose view it is"`
}

type partnerPreviewInput struct {
	ID       string `path:"id"`
	AccessID string `path:"accessId"`
	Accept   string `header:"Accept" doc:"naming text/html gets the page itself, under a bar that says whose view it is"`
}

type previewOutput struct {
	ContentType string `header:"Content-Type"`
	Policy      string `header:"Content-Security-Policy"`
	Referrer    string `header:"Referrer-Policy"`
	Robots      string `header:"X-Robots-Tag"`
	Frames      string `header:"X-Frame-Options"`
	Vary        string `header:"Vary"`
	Body        []byte
}

// StaffPreview adds the preview of a page for its team.
func StaffPreview(api *httpapi.API, s StaffView) {
	op := previewOp(api, "GET /v1/status-pages/{id}/preview", "The whole page as staff see it, as JSON or HTML")
	httpapi.Register(api, op, func(ctx context.Context, in *previewInput) (*previewOutput, error) {
		v, err := s.Preview(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return preview(in.Accept, "../../../", v, "Preview for your team: everything on this page, whoever may see it.")
	})
}

// PartnerPreview adds the preview of a page as one of its partners.
func PartnerPreview(api *httpapi.API, s PartnerView) {
	op := previewOp(api, "GET /v1/status-pages/{id}/partners/{accessId}/preview", "The page as a partner sees it, as JSON or HTML")
	httpapi.Register(api, op, func(ctx context.Context, in *partnerPreviewInput) (*previewOutput, error) {
		v, name, err := s.Preview(ctx, in.ID, in.AccessID)
		if err != nil {
			return nil, err
		}
		return preview(in.Accept, "../../../../../", v, "Preview as "+name+": this is what they see.")
	})
}

func previewOp(api *httpapi.API, route, summary string) huma.Operation {
	op := httpapi.Op(route, summary)
	op.Responses = map[string]*huma.Response{"200": {
		Description: "The view. It counts as no access.",
		Content: map[string]*huma.MediaType{
			"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}},
			"text/html":        {Schema: &huma.Schema{Type: huma.TypeString}},
		},
	}}
	return op
}

func preview(accept, root string, v status.View, bar string) (*previewOutput, error) {
	var (
		a   answer
		err error
	)
	v = fit(v)
	if browser(&http.Request{Header: http.Header{"Accept": {accept}}}) {
		f := viewFrame(place{root: root}, principal.Principal{}, v)
		f.Preview, f.Live, f.Feed = bar, false, ""
		a, err = document("page", dataOf(f, v))
	} else {
		a, err = jsonOf(viewJSON(v))
	}
	if err != nil {
		return nil, err
	}
	return &previewOutput{
		ContentType: a.media, Policy: policy, Referrer: "no-referrer", Robots: "noindex", Frames: "DENY", Vary: "Accept, Cookie, Authorization",
		Body: a.body,
	}, nil
}
