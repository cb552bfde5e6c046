package incident

import (
	"context"
	"net/http"

	"pagefree/internal/platform/httpapi"
)

type serviceID struct {
	ID string `path:"id"`
}

type serviceOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     Service
}

func answerService(v Service, err error) (*serviceOutput, error) {
	if err != nil {
		return nil, err
	}
	return &serviceOutput{ETag: httpapi.Revision(v.Rev), Body: v}, nil
}

type createService struct{ Body NewService }

type listServices struct {
	httpapi.PageInput
	TeamID string `query:"teamId" maxLength:"64"`
	Q      string `query:"q" maxLength:"120" doc:"part of the name, in any case"`
}

type patchService struct {
	ID      string `path:"id"`
	IfMatch string `header:"If-Match" doc:"the ETag that was read; another revision is a 412"`
	Body    ServicePatch
}

func catalogRoutes(api *httpapi.API, d *Desk) {
	op := httpapi.Op("POST /v1/services", "Add a service to a team", http.StatusNotFound)
	op.DefaultStatus = http.StatusCreated
	httpapi.Register(api, op, func(ctx context.Context, in *createService) (*serviceOutput, error) {
		v, err := d.CreateService(ctx, in.Body)
		out, err := answerService(v, err)
		if err == nil {
			out.Location = "/v1/services/" + v.ID
		}
		return out, err
	})
	httpapi.Register(api, httpapi.Op("GET /v1/services", "List services"), func(ctx context.Context, in *listServices) (*httpapi.ListOutput[Service], error) {
		f := ServiceFilter{TeamID: in.TeamID, Q: in.Q}
		return page(ctx, d, in.PageInput, []string{"services", f.TeamID, f.Q}, func(p httpapi.Page) ([]Service, string, error) { return d.ListServices(ctx, f, p) })
	})
	httpapi.Register(api, httpapi.Op("GET /v1/services/{id}", "Read a service"), func(ctx context.Context, in *serviceID) (*serviceOutput, error) {
		return answerService(d.GetService(ctx, in.ID))
	})
	httpapi.Register(api, httpapi.Op("PATCH /v1/services/{id}", "Change a service"), func(ctx context.Context, in *patchService) (*serviceOutput, error) {
		return answerService(d.UpdateService(ctx, in.ID, in.IfMatch, in.Body))
	})
	op = httpapi.Op("DELETE /v1/services/{id}", "Remove a service that has no open incidents")
	op.DefaultStatus = http.StatusNoContent
	httpapi.Register(api, op, func(ctx context.Context, in *serviceID) (*struct{}, error) {
		return nil, d.DeleteService(ctx, in.ID)
	})
}
