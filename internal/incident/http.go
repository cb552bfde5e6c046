package incident

import (
	"context"
	"maps"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/outbox"
)

type incidentID struct {
	ID string `path:"id"`
}

type incidentOutput struct {
	Status   int
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     Incident
}

func answer(i Incident, err error) (*incidentOutput, error) {
	if err != nil {
		return nil, err
	}
	return &incidentOutput{Status: http.StatusOK, ETag: httpapi.Revision(i.Rev), Body: i}, nil
}

type createIncident struct {
	Depth int `header:"X-PageFree-Depth" minimum:"0" maximum:"99" doc:"of a workflow's webhook, to be handed on: at 5 nothing is triggered any more"`
	Body  NewIncident
}

type listIncidents struct {
	httpapi.PageInput
	ServiceID string     `query:"serviceId" maxLength:"64"`
	TeamID    string     `query:"teamId" maxLength:"64"`
	Status    []Status   `query:"status" enum:"TRIGGERED,ACKNOWLEDGED,RESOLVED" doc:"one or more"`
	Severity  []Severity `query:"severity" enum:"CRITICAL,HIGH,MEDIUM,LOW" doc:"one or more"`
	Q         string     `query:"q" maxLength:"200" doc:"part of the title, in any case"`
}

type patchIncident struct {
	ID      string `path:"id"`
	IfMatch string `header:"If-Match" doc:"the ETag that was read; another revision is a 412"`
	Body    IncidentPatch
}

type resolveIncident struct {
	ID   string `path:"id"`
	Body *resolution
}

type resolution struct {
	Note string `json:"note,omitempty" doc:"at most 8 KiB"`
}

type addNote struct {
	ID   string `path:"id"`
	Body note
}

type note struct {
	Text string `json:"text" minLength:"1" doc:"at most 8 KiB"`
}

type entryOutput struct {
	Location string `header:"Location"`
	Body     Entry
}

type timelineInput struct {
	ID string `path:"id"`
	httpapi.PageInput
}

// Routes adds the operations of this room to api. d may be nil where only
// their description is wanted.
func Routes(api *httpapi.API, d *Desk) {
	op := httpapi.Op("POST /v1/incidents", "Open an incident, or count an alert of an open one", http.StatusNotFound)
	op.DefaultStatus = http.StatusCreated
	httpapi.Register(api, op, func(ctx context.Context, in *createIncident) (*incidentOutput, error) {
		i, opened, err := d.Create(outbox.WithDepth(ctx, in.Depth), in.Body)
		out, err := answer(i, err)
		if err == nil && opened {
			out.Status, out.Location = http.StatusCreated, "/v1/incidents/"+i.ID
		}
		return out, err
	})
	api.Describe(op, func(d *huma.Operation) {
		made := d.Responses["201"]
		d.Responses["200"] = &huma.Response{Description: "An open incident has this dedup key: its alertCount was raised", Content: made.Content, Headers: maps.Clone(made.Headers)}
	})

	httpapi.Register(api, httpapi.Op("GET /v1/incidents", "List incidents"), func(ctx context.Context, in *listIncidents) (*httpapi.ListOutput[Incident], error) {
		f := Filter{ServiceID: in.ServiceID, TeamID: in.TeamID, Status: in.Status, Severity: in.Severity, Q: in.Q}
		return page(ctx, d, in.PageInput, f.parts(), func(p httpapi.Page) ([]Incident, string, error) { return d.List(ctx, f, p) })
	})
	httpapi.Register(api, httpapi.Op("GET /v1/incidents/{id}", "Read an incident"), func(ctx context.Context, in *incidentID) (*incidentOutput, error) {
		return answer(d.Get(ctx, in.ID))
	})
	httpapi.Register(api, httpapi.Op("PATCH /v1/incidents/{id}", "Change title, description, severity or labels"), func(ctx context.Context, in *patchIncident) (*incidentOutput, error) {
		return answer(d.Update(ctx, in.ID, in.IfMatch, in.Body))
	})
	httpapi.Register(api, httpapi.Op("POST /v1/incidents/{id}/acknowledge", "Say that you work on it"), func(ctx context.Context, in *incidentID) (*incidentOutput, error) {
		return answer(d.Acknowledge(ctx, in.ID))
	})
	httpapi.Register(api, httpapi.Op("POST /v1/incidents/{id}/resolve", "End an incident"), func(ctx context.Context, in *resolveIncident) (*incidentOutput, error) {
		if in.Body == nil {
			in.Body = &resolution{}
		}
		return answer(d.Resolve(ctx, in.ID, in.Body.Note))
	})
	httpapi.Register(api, httpapi.Op("POST /v1/incidents/{id}/reopen", "Take up a resolved incident again"), func(ctx context.Context, in *incidentID) (*incidentOutput, error) {
		return answer(d.Reopen(ctx, in.ID))
	})
	op = httpapi.Op("POST /v1/incidents/{id}/notes", "Add a note to the timeline")
	op.DefaultStatus = http.StatusCreated
	httpapi.Register(api, op, func(ctx context.Context, in *addNote) (*entryOutput, error) {
		e, err := d.Note(ctx, in.ID, in.Body.Text)
		return &entryOutput{Location: "/v1/incidents/" + in.ID + "/timeline", Body: e}, err
	})
	httpapi.Register(api, httpapi.Op("GET /v1/incidents/{id}/timeline", "What happened, newest first"), func(ctx context.Context, in *timelineInput) (*httpapi.ListOutput[Entry], error) {
		return page(ctx, d, in.PageInput, []string{"timeline", in.ID}, func(p httpapi.Page) ([]Entry, string, error) { return d.Timeline(ctx, in.ID, p) })
	})
	catalogRoutes(api, d)
}

// page answers one page of a list; parts name the list and its filters to the cursor.
func page[T any](ctx context.Context, d *Desk, in httpapi.PageInput, parts []string, list func(httpapi.Page) ([]T, string, error)) (*httpapi.ListOutput[T], error) {
	p, err := d.Cursors.Open(ctx, in, parts...)
	if err != nil {
		return nil, err
	}
	items, next, err := list(p)
	if err != nil {
		return nil, err
	}
	return httpapi.Answer(ctx, d.Cursors, items, next, parts...)
}
