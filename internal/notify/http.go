package notify

import (
	"context"
	"net/http"

	"pagefree/internal/platform/httpapi"
)

type mineOutput struct {
	ETag string `header:"ETag"`
	Body Mine
}

type teamOutput struct {
	ETag string `header:"ETag"`
	Body Teams
}

// TeamInput is the path of a team's settings; exported, so that huma sees what it is embedded in.
type TeamInput struct {
	ID string `path:"id"`
}

func showMine(m Mine, err error) (*mineOutput, error) {
	if err != nil {
		return nil, err
	}
	return &mineOutput{ETag: httpapi.Revision(m.rev), Body: m}, nil
}

func showTeam(t Teams, err error) (*teamOutput, error) {
	if err != nil {
		return nil, err
	}
	return &teamOutput{ETag: httpapi.Revision(t.rev), Body: t}, nil
}

// Routes registers the routes of settings. For the OpenAPI document alone, s may be nil.
func Routes(api *httpapi.API, s *Service) {
	httpapi.Register(api, httpapi.Op("GET /v1/me/notifications", "What I am told of"),
		func(ctx context.Context, _ *struct{}) (*mineOutput, error) { return showMine(s.Mine(ctx)) })
	httpapi.Register(api, httpapi.Op("PUT /v1/me/notifications", "Set what I am told of"),
		func(ctx context.Context, in *struct {
			IfMatch string `header:"If-Match" doc:"the ETag that was read; another revision is a 412"`
			Body    OwnPut
		}) (*mineOutput, error) {
			return showMine(s.PutMine(ctx, in.IfMatch, in.Body))
		})
	httpapi.Register(api, httpapi.Op("POST /v1/me/notifications/resume-mail", "Let notifications be mailed to me again, after a bounce or a complaint"),
		func(ctx context.Context, _ *struct{}) (*mineOutput, error) { return showMine(s.ResumeMail(ctx)) })

	httpapi.Register(api, httpapi.Op("GET /v1/teams/{id}/notifications", "What a team is told of, and where"),
		func(ctx context.Context, in *TeamInput) (*teamOutput, error) { return showTeam(s.Team(ctx, in.ID)) })
	httpapi.Register(api, httpapi.Op("PUT /v1/teams/{id}/notifications", "Set what a team is told of, and where"),
		func(ctx context.Context, in *struct {
			TeamInput
			IfMatch string `header:"If-Match" doc:"the ETag that was read; another revision is a 412"`
			Body    TeamPut
		}) (*teamOutput, error) {
			return showTeam(s.PutTeam(ctx, in.ID, in.IfMatch, in.Body))
		})
	httpapi.Register(api, httpapi.Op("POST /v1/teams/{id}/notifications/rotate-secret", "Give the team's webhook a new secret", http.StatusConflict),
		func(ctx context.Context, in *TeamInput) (*struct{ Body NewSecret }, error) {
			out, err := s.RotateSecret(ctx, in.ID)
			return &struct{ Body NewSecret }{out}, err
		})
}
