package status

import (
	"context"
	"net/http"

	"pagefree/internal/platform/httpapi"
)

type incidentID struct {
	ID         string `path:"id"`
	IncidentID string `path:"incidentId"`
}

type incidentOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     PageIncident
}

func answerIncident(i PageIncident, err error) (*incidentOutput, error) {
	if err != nil {
		return nil, err
	}
	return &incidentOutput{ETag: httpapi.Revision(i.Rev), Body: i}, nil
}

// madeIncident answers what was made, and where it is.
func madeIncident(i PageIncident, err error) (*incidentOutput, error) {
	out, err := answerIncident(i, err)
	if err == nil {
		out.Location = "/v1/status-pages/" + i.StatusPageID + "/incidents/" + i.ID
	}
	return out, err
}

type createIncident struct {
	ID   string `path:"id"`
	Body NewIncident
}

type patchIncident struct {
	ID         string `path:"id"`
	IncidentID string `path:"incidentId"`
	IfMatch    string `header:"If-Match" doc:"the ETag that was read; another revision is a 412"`
	Body       IncidentPatch
}

type createUpdate struct {
	ID         string `path:"id"`
	IncidentID string `path:"incidentId"`
	Body       NewUpdate
}

func incidentRoutes(api *httpapi.API, s *Service) {
	const path = "/v1/status-pages/{id}/incidents"
	op := httpapi.Op("POST "+path, "Publish an incident, with its first update")
	op.DefaultStatus = http.StatusCreated
	httpapi.Register(api, op, func(ctx context.Context, in *createIncident) (*incidentOutput, error) {
		return madeIncident(s.Publish(ctx, in.ID, in.Body))
	})
	httpapi.Register(api, httpapi.Op("GET "+path, "List the incidents of a page"), func(ctx context.Context, in *listOn) (*httpapi.ListOutput[PageIncident], error) {
		return page(ctx, s, in.PageInput, []string{"page-incidents", in.ID}, func(p httpapi.Page) ([]PageIncident, string, error) { return s.ListIncidents(ctx, in.ID, p) })
	})
	httpapi.Register(api, httpapi.Op("GET "+path+"/{incidentId}", "Read an incident of a page"), func(ctx context.Context, in *incidentID) (*incidentOutput, error) {
		return answerIncident(s.GetIncident(ctx, in.ID, in.IncidentID))
	})
	httpapi.Register(api, httpapi.Op("PATCH "+path+"/{incidentId}", "Change title, impact, audience or link; what was there before is kept"), func(ctx context.Context, in *patchIncident) (*incidentOutput, error) {
		return answerIncident(s.Edit(ctx, in.ID, in.IncidentID, in.IfMatch, in.Body))
	})
	op = httpapi.Op("POST "+path+"/{incidentId}/updates", "Say something new of an incident; it never changes")
	op.DefaultStatus = http.StatusCreated
	httpapi.Register(api, op, func(ctx context.Context, in *createUpdate) (*incidentOutput, error) {
		return madeIncident(s.Say(ctx, in.ID, in.IncidentID, in.Body))
	})
	httpapi.Register(api, httpapi.Op("GET /v1/status-pages/{id}/proposals", "What could be published of the open incidents that responders work on"),
		func(ctx context.Context, in *pageID) (*httpapi.ListOutput[Proposal], error) {
			list, err := s.Proposals(ctx, in.ID)
			return &httpapi.ListOutput[Proposal]{Body: httpapi.List[Proposal]{Items: list}}, err
		})
}
