package runbook

import (
	"context"
	"net/http"

	"pagefree/internal/platform/httpapi"
)

type targetAnswer struct {
	ETag string `header:"ETag"`
	Body TargetView
}

type targetCreated struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     TargetView
}

type targetInput struct {
	ID string `path:"id"`
}

func answerTarget(v TargetView, err error) (*targetAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &targetAnswer{ETag: httpapi.Revision(v.rev), Body: v}, nil
}

func matches(ifMatch string) func(rev int64) error {
	return func(rev int64) error { return httpapi.Match(ifMatch, rev) }
}

func targetRoutes(api *httpapi.API, s *Service) {
	create := httpapi.Op("POST /v1/targets", "Make a named target, which serves once somebody else approved it", http.StatusNotFound)
	create.DefaultStatus = http.StatusCreated
	httpapi.Register(api, create, func(ctx context.Context, in *struct{ Body TargetCreation }) (*targetCreated, error) {
		v, err := s.CreateTarget(ctx, in.Body)
		if err != nil {
			return nil, err
		}
		return &targetCreated{Location: "/v1/targets/" + v.ID, ETag: httpapi.Revision(v.rev), Body: v}, nil
	})

	api.Describe(create, httpapi.Example(map[string]any{"name": "production web", "target": map[string]any{"type": "ssm", "tags": map[string][]string{"role": {"web"}}, "maxNodes": 3}}))

	type listInput struct {
		httpapi.PageInput
		TeamID string `query:"teamId" maxLength:"64"`
	}
	httpapi.Register(api, httpapi.Op("GET /v1/targets", "List named targets, newest first"), func(ctx context.Context, in *listInput) (*httpapi.ListOutput[TargetView], error) {
		return page(ctx, s, in.PageInput, []string{"targets", in.TeamID}, func(p httpapi.Page) ([]TargetView, string, error) {
			return s.NamedTargets(ctx, in.TeamID, p)
		})
	})

	httpapi.Register(api, httpapi.Op("GET /v1/targets/{id}", "Read a named target"), func(ctx context.Context, in *targetInput) (*targetAnswer, error) {
		return answerTarget(s.Target(ctx, in.ID))
	})

	type changeInput struct {
		ID      string `path:"id"`
		IfMatch string `header:"If-Match"`
		Body    TargetChange
	}
	change := httpapi.Op("PUT /v1/targets/{id}", "Write another definition; the approved one serves until it is approved")
	api.Describe(change, httpapi.Example(map[string]any{"target": map[string]any{"type": "sandbox"}}))
	httpapi.Register(api, change, func(ctx context.Context, in *changeInput) (*targetAnswer, error) {
		return answerTarget(s.ChangeTarget(ctx, in.ID, in.Body, matches(in.IfMatch)))
	})

	remove := httpapi.Op("DELETE /v1/targets/{id}", "Delete a named target that no approved runbook names")
	remove.DefaultStatus = http.StatusNoContent
	httpapi.Register(api, remove, func(ctx context.Context, in *targetInput) (*struct{}, error) {
		return nil, s.DeleteTarget(ctx, in.ID)
	})

	type approveInput struct {
		ID      string `path:"id"`
		IfMatch string `header:"If-Match" doc:"the ETag of what was read: something newer is not approved unseen"`
	}
	httpapi.Register(api, httpapi.Op("POST /v1/targets/{id}/approve", "Approve and seal what waits; not one's own"), func(ctx context.Context, in *approveInput) (*targetAnswer, error) {
		return answerTarget(s.ApproveTarget(ctx, in.ID, matches(in.IfMatch)))
	})

	type rejectInput struct {
		ID      string `path:"id"`
		IfMatch string `header:"If-Match"`
		Body    struct {
			Reason string `json:"reason" minLength:"1" maxLength:"2000"`
		}
	}
	httpapi.Register(api, httpapi.Op("POST /v1/targets/{id}/reject", "Reject what waits"), func(ctx context.Context, in *rejectInput) (*targetAnswer, error) {
		return answerTarget(s.RejectTarget(ctx, in.ID, in.Body.Reason, matches(in.IfMatch)))
	})
}
