package identity

import (
	"context"
	"net/http"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/timestamp"
)

type apiKeyBody struct {
	Name      string          `json:"name" minLength:"1" maxLength:"120"`
	TeamID    string          `json:"teamId" minLength:"1" maxLength:"64"`
	Role      principal.Role  `json:"role" enum:"OBSERVER,RESPONDER,TEAM_ADMIN"`
	ExpiresAt *timestamp.Time `json:"expiresAt,omitempty" nullable:"true" doc:"in the future; without it the key works until it is revoked"`
}

type createdAPIKey struct {
	Location string `header:"Location"`
	Body     NewAPIKey
}

func apiKeyRoutes(api *httpapi.API, s *Service, cursors *httpapi.Cursors) {
	httpapi.Register(api, httpapi.Op("GET /v1/api-keys", "List the API keys of the teams that I administer"),
		func(ctx context.Context, in *httpapi.PageInput) (*httpapi.ListOutput[APIKey], error) {
			page, err := cursors.Open(ctx, *in, "api-keys")
			if err != nil {
				return nil, err
			}
			list, next, err := s.APIKeys(ctx, page)
			if err != nil {
				return nil, err
			}
			return httpapi.Answer(ctx, cursors, list, next, "api-keys")
		})

	create := httpapi.Op("POST /v1/api-keys", "Create an API key", http.StatusNotFound)
	create.DefaultStatus = http.StatusCreated
	httpapi.Register(api, create, func(ctx context.Context, in *struct{ Body apiKeyBody }) (*createdAPIKey, error) {
		k, err := s.CreateAPIKey(ctx, in.Body.Name, in.Body.TeamID, in.Body.Role, in.Body.ExpiresAt)
		return &createdAPIKey{Location: "/v1/api-keys/" + k.ID, Body: k}, err
	})

	httpapi.Register(api, httpapi.Op("GET /v1/api-keys/{id}", "Read an API key"),
		func(ctx context.Context, in *struct {
			ID string `path:"id"`
		}) (*struct{ Body APIKey }, error) {
			k, err := s.APIKey(ctx, in.ID)
			return &struct{ Body APIKey }{k}, err
		})

	httpapi.Register(api, httpapi.Op("DELETE /v1/api-keys/{id}", "Revoke an API key, at once"),
		func(ctx context.Context, in *struct {
			ID string `path:"id"`
		}) (*struct{}, error) {
			return nil, s.RevokeAPIKey(ctx, in.ID)
		})
}
