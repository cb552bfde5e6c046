package status

import (
	"slices"
	"time"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/timestamp"
)

// PageComponent is a component as staff are answered.
type PageComponent struct {
	ID           string          `json:"id"`
	StatusPageID string          `json:"statusPageId"`
	Name         string          `json:"name"`
	Description  string          `json:"description"`
	Group        *string         `json:"group"`
	Position     int             `json:"position"`
	Status       ComponentStatus `json:"status" enum:"operational,degraded_performance,partial_outage,major_outage,under_maintenance" doc:"its own"`
	ShownStatus  ComponentStatus `json:"shownStatus" enum:"operational,degraded_performance,partial_outage,major_outage,under_maintenance" doc:"under_maintenance while a maintenance lies over it"`
	ServiceID    *string         `json:"serviceId"`
	CreatedAt    timestamp.Time  `json:"createdAt"`
	UpdatedAt    timestamp.Time  `json:"updatedAt"`

	Rev int64 `json:"-"`
}

// PageIncident is an incident as staff are answered: whole, with who did what.
type PageIncident struct {
	ID                 string                   `json:"id"`
	StatusPageID       string                   `json:"statusPageId"`
	Title              string                   `json:"title"`
	Impact             Impact                   `json:"impact" enum:"none,minor,major,critical"`
	Status             IncidentStatus           `json:"status" enum:"investigating,identified,monitoring,resolved,postmortem"`
	Components         []Touched                `json:"components" nullable:"false" doc:"each once, with the status that it was given last"`
	Updates            []PageUpdate             `json:"updates" nullable:"false" doc:"newest first"`
	Audience           httpapi.OrNull[Audience] `json:"audience"`
	InternalIncidentID *string                  `json:"internalIncidentId"`
	CreatedByID        string                   `json:"createdById"`
	CreatedAt          timestamp.Time           `json:"createdAt"`
	UpdatedAt          timestamp.Time           `json:"updatedAt"`
	ResolvedAt         *timestamp.Time          `json:"resolvedAt"`
	Edits              []Edit                   `json:"edits" nullable:"false" doc:"oldest first"`

	Rev int64 `json:"-"`
}

// PageUpdate is one thing that was said of an incident.
type PageUpdate struct {
	ID         string         `json:"id"`
	At         timestamp.Time `json:"at"`
	Status     IncidentStatus `json:"status" enum:"investigating,identified,monitoring,resolved,postmortem"`
	Body       string         `json:"body"`
	Components []Touched      `json:"components" nullable:"false"`
	ByID       string         `json:"byId"`
}

// PlannedMaintenance is a maintenance as staff are answered.
type PlannedMaintenance struct {
	ID           string                   `json:"id"`
	StatusPageID string                   `json:"statusPageId"`
	Title        string                   `json:"title"`
	Body         string                   `json:"body"`
	Status       MaintenanceStatus        `json:"status" enum:"scheduled,in_progress,verifying,completed,cancelled" doc:"by the clock"`
	StartsAt     timestamp.Time           `json:"startsAt"`
	EndsAt       timestamp.Time           `json:"endsAt" doc:"as planned; completedAt where it was ended before"`
	Components   []string                 `json:"components" nullable:"false"`
	Updates      []PlannedUpdate          `json:"updates" nullable:"false" doc:"newest first"`
	Audience     httpapi.OrNull[Audience] `json:"audience"`
	CreatedByID  string                   `json:"createdById"`
	CreatedAt    timestamp.Time           `json:"createdAt"`
	UpdatedAt    timestamp.Time           `json:"updatedAt"`
	CompletedAt  *timestamp.Time          `json:"completedAt" doc:"when it was ended by hand"`
	CancelledAt  *timestamp.Time          `json:"cancelledAt"`
	Edits        []Edit                   `json:"edits" nullable:"false" doc:"oldest first"`

	Rev int64 `json:"-"`
}

// PlannedUpdate is one thing that was said of a maintenance.
type PlannedUpdate struct {
	ID     string            `json:"id"`
	At     timestamp.Time    `json:"at"`
	Status MaintenanceStatus `json:"status" enum:"scheduled,in_progress,verifying,completed"`
	Body   string            `json:"body"`
	ByID   string            `json:"byId"`
}

func (s Snapshot) answer(c Component, now time.Time) PageComponent {
	a := PageComponent{
		ID: c.ID, StatusPageID: s.PageID, Name: c.Name, Description: c.Description, Group: orNull(c.Group), Position: c.Position,
		Status: c.Status, ShownStatus: c.Status, ServiceID: orNull(c.ServiceID), CreatedAt: c.CreatedAt, UpdatedAt: latest(c.UpdatedAt, c.ChangedAt()), Rev: c.Rev,
	}
	if slices.ContainsFunc(s.Maintenances, func(m Maintenance) bool { return m.live(now) && m.over(c.ID) }) {
		a.ShownStatus = UnderMaintenance
	}
	return a
}

func (i whole) answer(pageID string) PageIncident {
	a := PageIncident{
		ID: i.ID, StatusPageID: pageID, Title: i.Title, Impact: i.Impact, Components: []Touched{}, Updates: []PageUpdate{},
		Audience: httpapi.OrNull[Audience]{Value: audienceOf(i.Audience)}, InternalIncidentID: i.InternalIncidentID,
		CreatedByID: i.CreatedByID, CreatedAt: i.CreatedAt, UpdatedAt: i.UpdatedAt, Edits: append([]Edit{}, i.Edits...), Rev: i.Rev,
	}
	for _, u := range i.Updates {
		a.Updates = append(a.Updates, PageUpdate{ID: u.ID, At: u.At, Status: u.Status, Body: u.Body, Components: append([]Touched{}, u.Components...), ByID: i.By[u.ID]})
		for _, t := range u.Components {
			a.Components = append(slices.DeleteFunc(a.Components, func(o Touched) bool { return o.ID == t.ID }), t)
		}
		a.Status = u.Status
		switch {
		case !u.Status.Over():
			a.ResolvedAt = nil
		case a.ResolvedAt == nil:
			a.ResolvedAt = &u.At
		}
	}
	slices.Reverse(a.Updates)
	return a
}

func (m planned) answer(pageID string, now time.Time) PlannedMaintenance {
	a := PlannedMaintenance{
		ID: m.ID, StatusPageID: pageID, Title: m.Title, Body: m.Body, Status: m.Status(now), StartsAt: m.StartsAt, EndsAt: m.EndsAt,
		Components: append([]string{}, m.Components...), Updates: []PlannedUpdate{}, Audience: httpapi.OrNull[Audience]{Value: audienceOf(m.Audience)},
		CreatedByID: m.CreatedByID, CreatedAt: m.CreatedAt, UpdatedAt: m.ChangedAt, CompletedAt: m.CompletedAt, CancelledAt: m.CancelledAt,
		Edits: append([]Edit{}, m.Edits...), Rev: m.Rev,
	}
	for _, u := range m.Updates {
		a.Updates = append(a.Updates, PlannedUpdate{ID: u.ID, At: u.At, Status: u.Status, Body: u.Body, ByID: m.By[u.ID]})
	}
	slices.Reverse(a.Updates)
	return a
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
