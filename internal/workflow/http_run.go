package workflow

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/outbox"
)

type runOutput struct {
	ETag string `header:"ETag"`
	Body Run
}

func answerRun(r Run, err error) (*runOutput, error) {
	if err != nil {
		return nil, err
	}
	return &runOutput{ETag: httpapi.Revision(r.Rev), Body: r}, nil
}

// outcomeOf is the answer of a request to run: the run, or what it would be.
type outcomeOf struct {
	run *Run
	dry *DryRun
}

// MarshalJSON writes whichever it is.
func (o outcomeOf) MarshalJSON() ([]byte, error) {
	if o.dry != nil {
		return json.Marshal(o.dry)
	}
	return json.Marshal(o.run)
}

// Schema is that of a run; the route's description says what a dry one is.
func (outcomeOf) Schema(r huma.Registry) *huma.Schema {
	r.Schema(reflect.TypeFor[DryRun](), true, "")
	return r.Schema(reflect.TypeFor[Run](), true, "")
}

type startOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     outcomeOf
}

type startInput struct {
	ID    string `path:"id"`
	Depth int    `header:"X-PageFree-Depth" minimum:"0" maximum:"1000" doc:"of a webhook of a workflow that led to this request: how many stand behind it"`
	Body  startBody
}

type startBody struct {
	IncidentID string `json:"incidentId" maxLength:"64"`
	DryRun     bool   `json:"dryRun,omitempty" doc:"answer what a run would do, and do nothing"`
}

type listRuns struct {
	ID string `path:"id"`
	httpapi.PageInput
}

type listRunsFor struct {
	httpapi.PageInput
	IncidentID string `query:"incidentId" required:"true" minLength:"1" maxLength:"64"`
}

func runRoutes(api *httpapi.API, s *Service) {
	op := httpapi.Op("POST /v1/workflows/{id}/runs", "Run a workflow for an incident, or see what that would do")
	op.DefaultStatus = http.StatusAccepted
	httpapi.Register(api, op, func(ctx context.Context, in *startInput) (*startOutput, error) {
		if in.Body.DryRun {
			dry, err := s.Try(ctx, in.ID, in.Body.IncidentID)
			return &startOutput{Status: http.StatusOK, Body: outcomeOf{dry: &dry}}, err
		}
		r, err := s.Start(ctx, in.ID, in.Body.IncidentID, min(in.Depth, outbox.MaxDepth))
		return &startOutput{Status: http.StatusAccepted, Location: "/v1/workflow-runs/" + r.ID, Body: outcomeOf{run: &r}}, err
	})
	api.Describe(op, func(d *huma.Operation) {
		d.Responses["200"] = &huma.Response{Description: "With dryRun: what a run would do", Content: map[string]*huma.MediaType{
			"application/json": {Schema: &huma.Schema{Ref: "#/components/schemas/WorkflowDryRun"}},
		}}
	})
	httpapi.Register(api, httpapi.Op("GET /v1/workflows/{id}/runs", "List the runs of a workflow, newest first"), func(ctx context.Context, in *listRuns) (*httpapi.ListOutput[Run], error) {
		return page(ctx, s, in.PageInput, []string{"runs", in.ID}, func(p httpapi.Page) ([]Run, string, error) { return s.RunsOf(ctx, in.ID, p) })
	})
	httpapi.Register(api, httpapi.Op("GET /v1/workflow-runs", "List the runs for an incident, newest first"), func(ctx context.Context, in *listRunsFor) (*httpapi.ListOutput[Run], error) {
		return page(ctx, s, in.PageInput, []string{"runsfor", in.IncidentID}, func(p httpapi.Page) ([]Run, string, error) { return s.RunsFor(ctx, in.IncidentID, p) })
	})
	httpapi.Register(api, httpapi.Op("GET /v1/workflow-runs/{id}", "Read a run"), func(ctx context.Context, in *byID) (*runOutput, error) {
		return answerRun(s.Run(ctx, in.ID))
	})
	httpapi.Register(api, httpapi.Op("POST /v1/workflow-runs/{id}/cancel", "End a run"), func(ctx context.Context, in *byID) (*runOutput, error) {
		return answerRun(s.Cancel(ctx, in.ID))
	})
	httpapi.Register(api, httpapi.Op("POST /v1/workflow-runs/{id}/retry", "Let a run begin again at the step that it failed at"), func(ctx context.Context, in *byID) (*runOutput, error) {
		return answerRun(s.Retry(ctx, in.ID))
	})
}
