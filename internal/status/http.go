package status

import (
	"context"
	"net/http"

	"pagefree/internal/platform/httpapi"
)

type pageID struct {
	ID string `path:"id"`
}

type pageOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     Page
}

func answerPage(p Page, err error) (*pageOutput, error) {
	if err != nil {
		return nil, err
	}
	return &pageOutput{ETag: httpapi.Revision(p.Rev), Body: p}, nil
}

type createPage struct{ Body NewPage }

type listPages struct {
	httpapi.PageInput
	TeamID string `query:"teamId" maxLength:"64"`
}

type patchPage struct {
	ID      string `path:"id"`
	IfMatch string `header:"If-Match" doc:"the ETag that was read; another revision is a 412"`
	Body    PagePatch
}

type sharedToken struct {
	Token string `json:"token" doc:"pft_..., shown this one time; whoever has it sees what is for everybody, at the page's address with ?token="`
}

// listOn are the query and path of a list of what stands on a page.
type listOn struct {
	ID string `path:"id"`
	httpapi.PageInput
}

// Routes adds the operations of this room to api. s may be nil where only
// their description is wanted.
func Routes(api *httpapi.API, s *Service) {
	op := httpapi.Op("POST /v1/status-pages", "Make a status page", http.StatusNotFound)
	op.DefaultStatus = http.StatusCreated
	httpapi.Register(api, op, func(ctx context.Context, in *createPage) (*pageOutput, error) {
		p, err := s.Create(ctx, in.Body)
		out, err := answerPage(p, err)
		if err == nil {
			out.Location = "/v1/status-pages/" + p.ID
		}
		return out, err
	})
	httpapi.Register(api, httpapi.Op("GET /v1/status-pages", "List status pages"), func(ctx context.Context, in *listPages) (*httpapi.ListOutput[Page], error) {
		return page(ctx, s, in.PageInput, []string{"status-pages", in.TeamID}, func(p httpapi.Page) ([]Page, string, error) { return s.List(ctx, in.TeamID, p) })
	})
	httpapi.Register(api, httpapi.Op("GET /v1/status-pages/{id}", "Read a status page"), func(ctx context.Context, in *pageID) (*pageOutput, error) {
		return answerPage(s.Get(ctx, in.ID))
	})
	httpapi.Register(api, httpapi.Op("PATCH /v1/status-pages/{id}", "Change a status page"), func(ctx context.Context, in *patchPage) (*pageOutput, error) {
		return answerPage(s.Update(ctx, in.ID, in.IfMatch, in.Body))
	})
	op = httpapi.Op("DELETE /v1/status-pages/{id}", "Remove a status page, and end every access to it")
	op.DefaultStatus = http.StatusNoContent
	httpapi.Register(api, op, func(ctx context.Context, in *pageID) (*struct{}, error) {
		return nil, s.Delete(ctx, in.ID)
	})
	httpapi.Register(api, httpapi.Op("POST /v1/status-pages/{id}/shared-token", "Make the page's token for everybody, and end the one before"),
		func(ctx context.Context, in *pageID) (*struct{ Body sharedToken }, error) {
			secret, err := s.ShareToken(ctx, in.ID)
			return &struct{ Body sharedToken }{sharedToken{Token: secret}}, err
		})
	logoRoutes(api, s)
	componentRoutes(api, s)
	incidentRoutes(api, s)
	maintenanceRoutes(api, s)
}

// page answers one page of a list; parts name the list and its filters to the cursor.
func page[T any](ctx context.Context, s *Service, in httpapi.PageInput, parts []string, list func(httpapi.Page) ([]T, string, error)) (*httpapi.ListOutput[T], error) {
	p, err := s.Cursors.Open(ctx, in, parts...)
	if err != nil {
		return nil, err
	}
	items, next, err := list(p)
	if err != nil {
		return nil, err
	}
	return httpapi.Answer(ctx, s.Cursors, items, next, parts...)
}
