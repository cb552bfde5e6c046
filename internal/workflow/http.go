package workflow

import (
	"context"
	"net/http"
	"strconv"

	"pagefree/internal/platform/httpapi"
)

type byID struct {
	ID string `path:"id"`
}

type workflowOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     Workflow
}

func answer(w Workflow, err error) (*workflowOutput, error) {
	if err != nil {
		return nil, err
	}
	return &workflowOutput{ETag: httpapi.Revision(w.Version), Body: w}, nil
}

type createWorkflow struct{ Body Draft }

type replaceWorkflow struct {
	ID      string `path:"id"`
	IfMatch string `header:"If-Match" doc:"the ETag that was read; another version is a 412"`
	Body    Edit
}

type listWorkflows struct {
	httpapi.PageInput
	TeamID  string `query:"teamId" maxLength:"64"`
	Enabled string `query:"enabled" enum:"true,false"`
}

// Routes adds the operations of this room to api. s may be nil where only
// their description is wanted.
func Routes(api *httpapi.API, s *Service) {
	op := httpapi.Op("POST /v1/workflows", "Write a workflow", http.StatusNotFound)
	op.DefaultStatus = http.StatusCreated
	httpapi.Register(api, op, func(ctx context.Context, in *createWorkflow) (*workflowOutput, error) {
		w, err := s.Create(ctx, in.Body)
		out, err := answer(w, err)
		if err == nil {
			out.Location = "/v1/workflows/" + w.ID
		}
		return out, err
	})
	api.Describe(op, httpapi.Example(map[string]any{
		"name": "Free the disk", "teamId": "team_01ARZ3NDEKTSV4RRFFQ69G5FAV", "trigger": map[string]any{"on": []string{"incident.created"}, "severities": []string{"CRITICAL", "HIGH"}},
		"steps": []map[string]any{
			{"id": "clean", "type": "runbook", "runbookId": "rb_01ARZ3NDEKTSV4RRFFQ69G5FAV", "parameters": map[string]any{"HOST": "{{incident.labels.host}}"}},
			{"id": "done", "type": "resolve", "if": `{{steps.clean.exitCode}} == "0"`, "note": "{{steps.clean.stdout}}"},
		},
	}))

	httpapi.Register(api, httpapi.Op("GET /v1/workflows", "List workflows, newest first"), func(ctx context.Context, in *listWorkflows) (*httpapi.ListOutput[Workflow], error) {
		f := Filter{TeamID: in.TeamID}
		if enabled, err := strconv.ParseBool(in.Enabled); err == nil {
			f.Enabled = &enabled
		}
		return page(ctx, s, in.PageInput, []string{"workflows", in.TeamID, in.Enabled}, func(p httpapi.Page) ([]Workflow, string, error) { return s.List(ctx, f, p) })
	})
	httpapi.Register(api, httpapi.Op("GET /v1/workflows/{id}", "Read a workflow"), func(ctx context.Context, in *byID) (*workflowOutput, error) {
		return answer(s.Get(ctx, in.ID))
	})
	op = httpapi.Op("PUT /v1/workflows/{id}", "Write the next version of a workflow")
	httpapi.Register(api, op, func(ctx context.Context, in *replaceWorkflow) (*workflowOutput, error) {
		return answer(s.Replace(ctx, in.ID, in.IfMatch, in.Body))
	})
	op = httpapi.Op("DELETE /v1/workflows/{id}", "Remove a workflow; runs that have begun go on")
	op.DefaultStatus = http.StatusNoContent
	httpapi.Register(api, op, func(ctx context.Context, in *byID) (*struct{}, error) {
		return nil, s.Delete(ctx, in.ID)
	})
	runRoutes(api, s)
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
