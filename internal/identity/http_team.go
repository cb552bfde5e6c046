package identity

import (
	"context"
	"net/http"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
)

type teamBody struct {
	Name string `json:"name" minLength:"1" maxLength:"120"`
}

type createdTeam struct {
	Location string `header:"Location"`
	Body     Team
}

type memberAnswer struct {
	ETag string `header:"ETag"`
	Body Member
}

func teamRoutes(api *httpapi.API, s *Service, cursors *httpapi.Cursors) {
	httpapi.Register(api, httpapi.Op("GET /v1/teams", "List my teams, or all as a platform admin"),
		func(ctx context.Context, in *httpapi.PageInput) (*httpapi.ListOutput[Team], error) {
			page, err := cursors.Open(ctx, *in, "teams")
			if err != nil {
				return nil, err
			}
			list, next, err := s.Teams(ctx, page)
			if err != nil {
				return nil, err
			}
			return httpapi.Answer(ctx, cursors, list, next, "teams")
		})

	create := httpapi.Op("POST /v1/teams", "Create a team, and join it as TEAM_ADMIN")
	create.DefaultStatus = http.StatusCreated
	httpapi.Register(api, create, func(ctx context.Context, in *struct{ Body teamBody }) (*createdTeam, error) {
		t, err := s.CreateTeam(ctx, in.Body.Name)
		return &createdTeam{Location: "/v1/teams/" + t.ID, Body: t}, err
	})

	httpapi.Register(api, httpapi.Op("GET /v1/teams/{id}", "Read a team"),
		func(ctx context.Context, in *struct {
			ID string `path:"id"`
		}) (*struct{ Body Team }, error) {
			t, err := s.Team(ctx, in.ID)
			return &struct{ Body Team }{t}, err
		})

	httpapi.Register(api, httpapi.Op("GET /v1/teams/{id}/members", "List a team's members"),
		func(ctx context.Context, in *struct {
			ID string `path:"id"`
			httpapi.PageInput
		}) (*httpapi.ListOutput[Member], error) {
			page, err := cursors.Open(ctx, in.PageInput, "members", in.ID)
			if err != nil {
				return nil, err
			}
			members, next, err := s.Members(ctx, in.ID, page)
			if err != nil {
				return nil, err
			}
			return httpapi.Answer(ctx, cursors, members, next, "members", in.ID)
		})

	httpapi.Register(api, httpapi.Op("PUT /v1/teams/{id}/members/{userId}", "Give a user a role in a team"),
		func(ctx context.Context, in *struct {
			ID      string `path:"id"`
			UserID  string `path:"userId"`
			IfMatch string `header:"If-Match"`
			Body    struct {
				Role principal.Role `json:"role" enum:"OBSERVER,RESPONDER,TEAM_ADMIN"`
			}
		}) (*memberAnswer, error) {
			m, err := s.PutMember(ctx, in.ID, in.UserID, in.IfMatch, in.Body.Role)
			return &memberAnswer{ETag: httpapi.Revision(m.Rev), Body: m}, err
		})

	httpapi.Register(api, httpapi.Op("DELETE /v1/teams/{id}/members/{userId}", "Take a user out of a team"),
		func(ctx context.Context, in *struct {
			ID      string `path:"id"`
			UserID  string `path:"userId"`
			IfMatch string `header:"If-Match"`
		}) (*struct{}, error) {
			return nil, s.RemoveMember(ctx, in.ID, in.UserID, in.IfMatch)
		})
}
