package status

import (
	"context"
	"net/http"

	"pagefree/internal/platform/httpapi"
)

type componentID struct {
	ID          string `path:"id"`
	ComponentID string `path:"componentId"`
}

type componentOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     PageComponent
}

func answerComponent(c PageComponent, err error) (*componentOutput, error) {
	if err != nil {
		return nil, err
	}
	return &componentOutput{ETag: httpapi.Revision(c.Rev), Body: c}, nil
}

type createComponent struct {
	ID   string `path:"id"`
	Body NewComponent
}

type patchComponent struct {
	ID          string `path:"id"`
	ComponentID string `path:"componentId"`
	IfMatch     string `header:"If-Match" doc:"the ETag that was read; another revision is a 412"`
	Body        ComponentPatch
}

func componentRoutes(api *httpapi.API, s *Service) {
	const path = "/v1/status-pages/{id}/components"
	op := httpapi.Op("POST "+path, "Add a component to a page")
	op.DefaultStatus = http.StatusCreated
	httpapi.Register(api, op, func(ctx context.Context, in *createComponent) (*componentOutput, error) {
		c, err := s.CreateComponent(ctx, in.ID, in.Body)
		out, err := answerComponent(c, err)
		if err == nil {
			out.Location = "/v1/status-pages/" + in.ID + "/components/" + c.ID
		}
		return out, err
	})
	httpapi.Register(api, httpapi.Op("GET "+path, "List the components of a page"), func(ctx context.Context, in *listOn) (*httpapi.ListOutput[PageComponent], error) {
		return page(ctx, s, in.PageInput, []string{"components", in.ID}, func(p httpapi.Page) ([]PageComponent, string, error) { return s.ListComponents(ctx, in.ID, p) })
	})
	httpapi.Register(api, httpapi.Op("GET "+path+"/{componentId}", "Read a component"), func(ctx context.Context, in *componentID) (*componentOutput, error) {
		return answerComponent(s.GetComponent(ctx, in.ID, in.ComponentID))
	})
	httpapi.Register(api, httpapi.Op("PATCH "+path+"/{componentId}", "Change a component, or its status"), func(ctx context.Context, in *patchComponent) (*componentOutput, error) {
		return answerComponent(s.UpdateComponent(ctx, in.ID, in.ComponentID, in.IfMatch, in.Body))
	})
	op = httpapi.Op("DELETE "+path+"/{componentId}", "Take a component off a page")
	op.DefaultStatus = http.StatusNoContent
	httpapi.Register(api, op, func(ctx context.Context, in *componentID) (*struct{}, error) {
		return nil, s.DeleteComponent(ctx, in.ID, in.ComponentID)
	})
}
