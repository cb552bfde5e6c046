package status

import (
	"context"
	"mime"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"pagefree/internal/platform/httpapi"
)

type putLogo struct {
	ID          string `path:"id"`
	IfMatch     string `header:"If-Match" doc:"the ETag of the page that was read; another revision is a 412"`
	ContentType string `header:"Content-Type"`
	RawBody     []byte `contentType:"image/png"`
}

func logoRoutes(api *httpapi.API, s *Service) {
	op := httpapi.Op("PUT /v1/status-pages/{id}/logo", "Set the page's logo: PNG or JPEG of at most 256 KiB; it is scaled down to 512 by 128 pixels")
	httpapi.Register(api, op, func(ctx context.Context, in *putLogo) (*pageOutput, error) {
		return answerPage(s.SetLogo(ctx, in.ID, in.IfMatch, in.ContentType, in.RawBody))
	})
	api.Describe(op, func(d *huma.Operation) { d.RequestBody.Content["image/jpeg"] = d.RequestBody.Content["image/png"] })
	op = httpapi.Op("DELETE /v1/status-pages/{id}/logo", "Take the page's logo away")
	op.DefaultStatus = http.StatusNoContent
	httpapi.Register(api, op, func(ctx context.Context, in *pageID) (*struct{}, error) {
		return nil, s.RemoveLogo(ctx, in.ID)
	})
}

// pictured reports whether a media type is one that logos are taken in.
func pictured(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "image/png" || media == "image/jpeg")
}
