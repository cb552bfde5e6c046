package execution

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"pagefree/internal/platform/httpapi"
)

type requestBody struct {
	RunbookID  string         `json:"runbookId" minLength:"1" maxLength:"64"`
	IncidentID *string        `json:"incidentId,omitempty" maxLength:"64"`
	Parameters map[string]any `json:"parameters,omitempty" doc:"plain values, typed as the runbook declares"`
}

func (b requestBody) request(idempotencyKey string) Request {
	return Request{RunbookID: b.RunbookID, IncidentID: b.IncidentID, Parameters: b.Parameters, IdempotencyKey: idempotencyKey}
}

type triggerInput struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"the same key with the same body within 24 h gives the same execution"`
	Body           requestBody
}

type triggerOutput struct {
	Location    string `header:"Location"`
	Replayed    string `header:"Idempotency-Replayed"`
	Deprecation string `header:"Deprecation" doc:"RFC 9745: since when the runbook is deprecated"`
	Body        View
}

type previewOutput struct {
	Deprecation string `header:"Deprecation"`
	Body        Preview
}

type oneInput struct {
	ID string `path:"id"`
}

type oneOutput struct {
	Body View
}

type cancelOutput struct {
	Status int
	Body   View
}

type listInput struct {
	httpapi.PageInput
	RunbookID  string   `query:"runbookId" maxLength:"64"`
	IncidentID string   `query:"incidentId" maxLength:"64"`
	Status     []Status `query:"status" enum:"AWAITING_CONFIRMATION,PENDING,RUNNING,COMPLETED,FAILED,TIMEOUT,CANCELLED,UNKNOWN" doc:"one or more"`
}

// Routes adds the executions of the HTTP contract to an API.
func Routes(api *httpapi.API, s *Service) {
	trigger := httpapi.Op("POST /v1/executions", "Run the approved version of a runbook", http.StatusNotFound)
	trigger.DefaultStatus = http.StatusAccepted
	httpapi.Register(api, trigger, func(ctx context.Context, in *triggerInput) (*triggerOutput, error) {
		v, replayed, err := s.Trigger(ctx, in.Body.request(in.IdempotencyKey))
		if err != nil {
			return nil, err
		}
		out := &triggerOutput{Location: "/v1/executions/" + v.ID, Deprecation: v.deprecation, Body: v}
		if replayed {
			out.Replayed = "true"
		}
		return out, nil
	})

	httpapi.Register(api, httpapi.Op("POST /v1/executions/preview", "Show what would run, and run nothing", http.StatusNotFound),
		func(ctx context.Context, in *struct{ Body requestBody }) (*previewOutput, error) {
			p, err := s.Preview(ctx, in.Body.request(""))
			return &previewOutput{Deprecation: p.deprecation, Body: p}, err
		})

	httpapi.Register(api, httpapi.Op("GET /v1/executions", "List executions"),
		func(ctx context.Context, in *listInput) (*httpapi.ListOutput[View], error) {
			name := []string{"executions", in.RunbookID, in.IncidentID, fmt.Sprint(in.Status)}
			page, err := s.Cursors.Open(ctx, in.PageInput, name...)
			if err != nil {
				return nil, err
			}
			items, next, err := s.List(ctx, Filter{RunbookID: in.RunbookID, IncidentID: in.IncidentID, Status: in.Status}, page)
			if err != nil {
				return nil, err
			}
			return httpapi.Answer(ctx, s.Cursors, items, next, name...)
		})

	one := func(op huma.Operation, act func(context.Context, string) (View, error)) {
		httpapi.Register(api, op, func(ctx context.Context, in *oneInput) (*oneOutput, error) {
			v, err := act(ctx, in.ID)
			return &oneOutput{Body: v}, err
		})
	}
	one(httpapi.Op("GET /v1/executions/{id}", "Read an execution with its output"), s.Execution)
	one(httpapi.Op("POST /v1/executions/{id}/confirm", "Let a waiting execution run"), s.Confirm)

	cancel := httpapi.Op("POST /v1/executions/{id}/cancel", "Cancel an execution, or ask a running one to stop; 202 where its target cannot")
	httpapi.Register(api, cancel, func(ctx context.Context, in *oneInput) (*cancelOutput, error) {
		v, cannot, err := s.Cancel(ctx, in.ID)
		out := &cancelOutput{Status: http.StatusOK, Body: v}
		if cannot {
			out.Status = http.StatusAccepted
		}
		return out, err
	})
	api.Describe(cancel, func(d *huma.Operation) {
		d.Responses["202"] = &huma.Response{Description: "It was asked for, and the target cannot do it: `cancelRequestedAt` says when", Content: d.Responses["200"].Content}
	})
	pauseRoutes(api, s)
}
