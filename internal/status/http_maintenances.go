package status

import (
	"context"
	"net/http"

	"pagefree/internal/platform/httpapi"
)

type maintenanceID struct {
	ID            string `path:"id"`
	MaintenanceID string `path:"maintenanceId"`
}

type maintenanceOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     PlannedMaintenance
}

func answerMaintenance(m PlannedMaintenance, err error) (*maintenanceOutput, error) {
	if err != nil {
		return nil, err
	}
	return &maintenanceOutput{ETag: httpapi.Revision(m.Rev), Body: m}, nil
}

// madeMaintenance answers what was made, and where it is.
func madeMaintenance(m PlannedMaintenance, err error) (*maintenanceOutput, error) {
	out, err := answerMaintenance(m, err)
	if err == nil {
		out.Location = "/v1/status-pages/" + m.StatusPageID + "/maintenances/" + m.ID
	}
	return out, err
}

type createMaintenance struct {
	ID   string `path:"id"`
	Body NewMaintenance
}

type patchMaintenance struct {
	ID            string `path:"id"`
	MaintenanceID string `path:"maintenanceId"`
	IfMatch       string `header:"If-Match" doc:"the ETag that was read; another revision is a 412"`
	Body          MaintenancePatch
}

type createMaintenanceUpdate struct {
	ID            string `path:"id"`
	MaintenanceID string `path:"maintenanceId"`
	Body          NewMaintenanceUpdate
}

func maintenanceRoutes(api *httpapi.API, s *Service) {
	const path = "/v1/status-pages/{id}/maintenances"
	op := httpapi.Op("POST "+path, "Plan a maintenance")
	op.DefaultStatus = http.StatusCreated
	httpapi.Register(api, op, func(ctx context.Context, in *createMaintenance) (*maintenanceOutput, error) {
		return madeMaintenance(s.Schedule(ctx, in.ID, in.Body))
	})
	httpapi.Register(api, httpapi.Op("GET "+path, "List the maintenances of a page"), func(ctx context.Context, in *listOn) (*httpapi.ListOutput[PlannedMaintenance], error) {
		return page(ctx, s, in.PageInput, []string{"maintenances", in.ID}, func(p httpapi.Page) ([]PlannedMaintenance, string, error) { return s.ListMaintenances(ctx, in.ID, p) })
	})
	httpapi.Register(api, httpapi.Op("GET "+path+"/{maintenanceId}", "Read a maintenance"), func(ctx context.Context, in *maintenanceID) (*maintenanceOutput, error) {
		return answerMaintenance(s.GetMaintenance(ctx, in.ID, in.MaintenanceID))
	})
	httpapi.Register(api, httpapi.Op("PATCH "+path+"/{maintenanceId}", "Change a maintenance that has not ended; a later end extends it"), func(ctx context.Context, in *patchMaintenance) (*maintenanceOutput, error) {
		return answerMaintenance(s.Replan(ctx, in.ID, in.MaintenanceID, in.IfMatch, in.Body))
	})
	op = httpapi.Op("POST "+path+"/{maintenanceId}/updates", "Say something of a maintenance; completed ends it")
	op.DefaultStatus = http.StatusCreated
	httpapi.Register(api, op, func(ctx context.Context, in *createMaintenanceUpdate) (*maintenanceOutput, error) {
		return madeMaintenance(s.SayOf(ctx, in.ID, in.MaintenanceID, in.Body))
	})
	httpapi.Register(api, httpapi.Op("POST "+path+"/{maintenanceId}/cancel", "Take a maintenance back"), func(ctx context.Context, in *maintenanceID) (*maintenanceOutput, error) {
		return answerMaintenance(s.Cancel(ctx, in.ID, in.MaintenanceID))
	})
}
