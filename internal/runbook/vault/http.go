package vault

import (
	"context"
	"net/http"

	"pagefree/internal/platform/httpapi"
)

type input struct {
	ID string `path:"id"`
}

type answer struct {
	ETag string `header:"ETag"`
	Body View
}

type created struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     View
}

func answered(v View, err error) (*answer, error) {
	if err != nil {
		return nil, err
	}
	return &answer{ETag: httpapi.Revision(v.Version), Body: v}, nil
}

// Routes registers the operations of secrets. None answers a value.
func Routes(api *httpapi.API, s *Service) {
	create := httpapi.Op("POST /v1/secrets", "Keep a secret; its value is never read back", http.StatusNotFound)
	create.DefaultStatus = http.StatusCreated
	httpapi.Register(api, create, func(ctx context.Context, in *struct{ Body Creation }) (*created, error) {
		v, err := s.Create(ctx, in.Body)
		if err != nil {
			return nil, err
		}
		return &created{Location: "/v1/secrets/" + v.ID, ETag: httpapi.Revision(v.Version), Body: v}, nil
	})

	type listInput struct {
		httpapi.PageInput
		TeamID string `query:"teamId" maxLength:"64"`
	}
	httpapi.Register(api, httpapi.Op("GET /v1/secrets", "List secrets, newest first, without their values"), func(ctx context.Context, in *listInput) (*httpapi.ListOutput[View], error) {
		list := []string{"secrets", in.TeamID}
		at, err := s.Cursors.Open(ctx, in.PageInput, list...)
		if err != nil {
			return nil, err
		}
		items, next, err := s.Secrets(ctx, in.TeamID, at)
		if err != nil {
			return nil, err
		}
		return httpapi.Answer(ctx, s.Cursors, items, next, list...)
	})

	httpapi.Register(api, httpapi.Op("GET /v1/secrets/{id}", "Read what is known of a secret, which is not its value"), func(ctx context.Context, in *input) (*answer, error) {
		return answered(s.Secret(ctx, in.ID))
	})

	type replaceInput struct {
		ID      string `path:"id"`
		IfMatch string `header:"If-Match"`
		Body    Replacement
	}
	httpapi.Register(api, httpapi.Op("PUT /v1/secrets/{id}", "Replace the value of a secret"), func(ctx context.Context, in *replaceInput) (*answer, error) {
		return answered(s.Replace(ctx, in.ID, in.Body, func(version int64) error { return httpapi.Match(in.IfMatch, version) }))
	})

	remove := httpapi.Op("DELETE /v1/secrets/{id}", "Delete a secret; what names it fails from then on")
	remove.DefaultStatus = http.StatusNoContent
	httpapi.Register(api, remove, func(ctx context.Context, in *input) (*struct{}, error) {
		return nil, s.Delete(ctx, in.ID)
	})
}
