package integration

import (
	"context"
	"net/http"

	"pagefree/internal/platform/httpapi"
)

type byID struct {
	ID string `path:"id"`
}

type output struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     View
}

func answer(v View, err error) (*output, error) {
	if err != nil {
		return nil, err
	}
	return &output{ETag: httpapi.Revision(v.Rev), Body: v}, nil
}

type createInput struct{ Body New }

type listInput struct {
	httpapi.PageInput
	TeamID string `query:"teamId" maxLength:"64"`
}

type patchInput struct {
	ID      string `path:"id"`
	IfMatch string `header:"If-Match" doc:"the ETag that was read; another revision is a 412"`
	Body    Patch
}

type rotateInput struct {
	ID   string `path:"id"`
	Body *replacement
}

type replacement struct {
	Secret *string `json:"secret,omitempty" nullable:"true" minLength:"1" maxLength:"256" doc:"that the sender made; without it one is made here"`
}

type deliveriesInput struct {
	ID string `path:"id"`
	httpapi.PageInput
}

// Routes adds what staff do with integrations. s may be nil where only their
// description is wanted.
func Routes(api *httpapi.API, s *Service) {
	op := httpapi.Op("POST /v1/integrations", "Connect a monitoring system; its secret is shown this once", http.StatusNotFound)
	op.DefaultStatus = http.StatusCreated
	httpapi.Register(api, op, func(ctx context.Context, in *createInput) (*output, error) {
		v, err := s.Create(ctx, in.Body)
		out, err := answer(v, err)
		if err == nil {
			out.Location = "/v1/integrations/" + v.ID
		}
		return out, err
	})
	httpapi.Register(api, httpapi.Op("GET /v1/integrations", "List integrations"), func(ctx context.Context, in *listInput) (*httpapi.ListOutput[View], error) {
		return page(ctx, s, in.PageInput, []string{"integrations", in.TeamID}, func(p httpapi.Page) ([]View, string, error) { return s.List(ctx, in.TeamID, p) })
	})
	httpapi.Register(api, httpapi.Op("GET /v1/integrations/{id}", "Read an integration, without its secret"), func(ctx context.Context, in *byID) (*output, error) {
		return answer(s.Get(ctx, in.ID))
	})
	httpapi.Register(api, httpapi.Op("PATCH /v1/integrations/{id}", "Change the name, or what it may start unattended"), func(ctx context.Context, in *patchInput) (*output, error) {
		return answer(s.Update(ctx, in.ID, in.IfMatch, in.Body))
	})
	httpapi.Register(api, httpapi.Op("POST /v1/integrations/{id}/rotate-secret", "Replace the secret; the one before is taken for another day"), func(ctx context.Context, in *rotateInput) (*struct{ Body Rotation }, error) {
		var given *string
		if in.Body != nil {
			given = in.Body.Secret
		}
		r, err := s.Rotate(ctx, in.ID, given)
		if err != nil {
			return nil, err
		}
		return &struct{ Body Rotation }{r}, nil
	})
	httpapi.Register(api, httpapi.Op("GET /v1/integrations/{id}/deliveries", "What was delivered, newest first, and why some of it was refused"), func(ctx context.Context, in *deliveriesInput) (*httpapi.ListOutput[Delivery], error) {
		return page(ctx, s, in.PageInput, []string{"deliveries", in.ID}, func(p httpapi.Page) ([]Delivery, string, error) { return s.Deliveries(ctx, in.ID, p) })
	})
	op = httpapi.Op("DELETE /v1/integrations/{id}", "Disconnect a monitoring system; what it delivers is answered 410")
	op.DefaultStatus = http.StatusNoContent
	httpapi.Register(api, op, func(ctx context.Context, in *byID) (*struct{}, error) {
		return nil, s.Delete(ctx, in.ID)
	})
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
