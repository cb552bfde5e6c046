package status

import (
	"slices"
	"time"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
)

// NewMaintenance is what a caller plans.
type NewMaintenance struct {
	Title      string         `json:"title" minLength:"1" maxLength:"200"`
	Body       string         `json:"body" doc:"Markdown, at most 32 KiB"`
	StartsAt   timestamp.Time `json:"startsAt"`
	EndsAt     timestamp.Time `json:"endsAt" doc:"after startsAt"`
	Components []string       `json:"components,omitempty" maxItems:"200" doc:"ids of what it lies over"`
	Audience   Addressed      `json:"audience,omitzero" doc:"null is everybody"`
}

// MaintenancePatch changes a plan. What is left out stays.
type MaintenancePatch struct {
	httpapi.Patch
	Title      *string         `json:"title,omitempty" minLength:"1" maxLength:"200"`
	Body       *string         `json:"body,omitempty" doc:"Markdown, at most 32 KiB"`
	StartsAt   *timestamp.Time `json:"startsAt,omitempty" doc:"once it runs, it cannot be moved"`
	EndsAt     *timestamp.Time `json:"endsAt,omitempty" doc:"a later one extends it"`
	Components []string        `json:"components,omitempty" maxItems:"200" doc:"all of them anew"`
	Audience   Addressed       `json:"audience,omitzero"`
}

// NewMaintenanceUpdate is what a caller says of a maintenance.
type NewMaintenanceUpdate struct {
	Status MaintenanceStatus `json:"status" enum:"scheduled,in_progress,verifying,completed" doc:"completed ends one that runs"`
	Body   string            `json:"body" doc:"Markdown, at most 32 KiB"`
}

// planned is a maintenance with what only staff see of it, as its record keeps it.
type planned struct {
	Maintenance
	CreatedByID string            `json:"createdById"`
	By          map[string]string `json:"by"`        // who said each update
	ChangedAt   timestamp.Time    `json:"changedAt"` // in any way, also one that readers are not told of
	Edits       []Edit            `json:"edits,omitempty"`
}

// schedule makes the maintenance that n tells of. One that lies in the past is
// put on record so.
func (n NewMaintenance) schedule(maintenanceID, by string, on Snapshot, now time.Time) (planned, error) {
	at := timestamp.Of(now)
	m := planned{
		Maintenance: Maintenance{
			ID: maintenanceID, Title: n.Title, Body: n.Body, StartsAt: n.StartsAt, EndsAt: n.EndsAt, Components: n.Components,
			Audience: n.Audience.Value.ids(), CreatedAt: at, UpdatedAt: at, Rev: 1,
		},
		CreatedByID: by, By: map[string]string{}, ChangedAt: at,
	}
	var wrong wrongs
	n.Audience.Value.check(&wrong)
	on.checkComponents(&wrong, m.Components, "")
	m.check(&wrong)
	return m, wrong.err()
}

func (m *planned) check(wrong *wrongs) {
	m.Title = wrong.name("body.title", m.Title, MaxTitle, "1 to 200 characters")
	wrong.body("body.body", m.Body)
	if !m.StartsAt.Before(m.EndsAt.Time) {
		wrong.add("body.endsAt", "it has to be after startsAt")
	}
}

// patch applies p; changed tells whether anything is another than before. What
// has ended or was cancelled does not change, and what runs keeps its beginning.
func (m planned) patch(p MaintenancePatch, by string, on Snapshot, now time.Time) (next planned, changed bool, err error) {
	state := m.Status(now)
	if state == Completed || state == Cancelled {
		return planned{}, false, problem.Transition("change", string(state))
	}
	next = m
	var wrong wrongs
	set(&next.Title, p.Title)
	set(&next.Body, p.Body)
	set(&next.StartsAt, p.StartsAt)
	set(&next.EndsAt, p.EndsAt)
	if p.Components != nil {
		next.Components = p.Components
		on.checkComponents(&wrong, next.Components, "")
	}
	if p.Audience.Sent {
		p.Audience.Value.check(&wrong)
		next.Audience = p.Audience.Value.ids()
	}
	next.check(&wrong)
	if state != Scheduled && !next.EndsAt.Equal(m.EndsAt.Time) && !now.Before(next.EndsAt.Time) {
		wrong.add("body.endsAt", "it lies in the past; to end it now, say so in an update that is completed")
	}
	if err := wrong.err(); err != nil {
		return planned{}, false, err
	}
	if state != Scheduled && !next.StartsAt.Equal(m.StartsAt.Time) {
		return planned{}, false, problem.Transition("move the beginning of", string(state))
	}
	at := timestamp.Of(now)
	note := edits{at: at, by: by, list: slices.Clone(m.Edits)}
	note.of("title", m.Title, next.Title, m.Title != next.Title)
	note.of("body", m.Body, next.Body, m.Body != next.Body)
	note.of("startsAt", m.StartsAt, next.StartsAt, !m.StartsAt.Equal(next.StartsAt.Time))
	note.of("endsAt", m.EndsAt, next.EndsAt, !m.EndsAt.Equal(next.EndsAt.Time))
	seen := len(note.list) > len(m.Edits)
	note.of("components", m.Components, next.Components, !slices.Equal(m.Components, next.Components))
	note.of("audience", audienceOf(m.Audience), audienceOf(next.Audience), !sameAudience(m.Audience, next.Audience))
	if len(note.list) == len(m.Edits) {
		return m, false, nil
	}
	if next.Edits = note.list; len(note.list) > maxEdits || next.length() > MaxTexts {
		return planned{}, false, errManyEdits
	}
	if next.ChangedAt = at; seen { // that a hidden component was added is no news to who does not see it
		next.UpdatedAt = at
	}
	next.Rev++
	return next, true, nil
}

// length is how long all its texts are, in bytes, with those that edits replaced.
func (m planned) length() int {
	sum := len(m.Body)
	for _, u := range m.Updates {
		sum += len(u.Body)
	}
	for _, e := range m.Edits {
		from, _ := e.From.value.(string)
		to, _ := e.To.value.(string)
		sum += len(from) + len(to)
	}
	return sum
}

// update adds what n says. A maintenance begins and ends by the clock: what is
// said has to fit, but for completed, which ends one that runs.
//
//	scheduled               -> scheduled
//	in_progress, verifying  -> in_progress, verifying, completed
//	completed, cancelled    -> nothing
func (m planned) update(n NewMaintenanceUpdate, updateID, by string, now time.Time) (planned, error) {
	var wrong wrongs
	wrong.body("body.body", n.Body)
	if !slices.Contains([]MaintenanceStatus{Scheduled, InProgress, Verifying, Completed}, n.Status) {
		wrong.add("body.status", "not a status of maintenances")
	}
	if err := wrong.err(); err != nil {
		return planned{}, err
	}
	state := m.Status(now)
	if state == Completed || state == Cancelled || (state == Scheduled) != (n.Status == Scheduled) {
		return planned{}, problem.Transition("make "+string(n.Status), string(state))
	}
	at := timestamp.Of(now)
	m.Updates = append(slices.Clone(m.Updates), MaintenanceUpdate{ID: updateID, At: at, Status: n.Status, Body: n.Body})
	if len(m.Updates) > MaxUpdates || m.length() > MaxTexts {
		return planned{}, errFullIncident
	}
	if n.Status == Completed {
		m.CompletedAt = &at
	}
	m.By = said(m.By, updateID, by)
	m.ChangedAt = at
	m.Rev++
	return m, nil
}

// cancel takes it back, whether it runs or is to come.
func (m planned) cancel(now time.Time) (planned, error) {
	if state := m.Status(now); state == Completed || state == Cancelled {
		return planned{}, problem.Transition("cancel", string(state))
	}
	at := timestamp.Of(now)
	m.CancelledAt, m.UpdatedAt, m.ChangedAt = &at, at, at
	m.Rev++
	return m, nil
}

// withMaintenance is the snapshot with a maintenance put in its place, or added by its age.
func (s Snapshot) withMaintenance(m Maintenance) Snapshot {
	s.Maintenances = slices.DeleteFunc(slices.Clone(s.Maintenances), func(other Maintenance) bool { return other.ID == m.ID })
	at := slices.IndexFunc(s.Maintenances, func(other Maintenance) bool { return other.ID < m.ID })
	if at < 0 {
		at = len(s.Maintenances)
	}
	s.Maintenances = slices.Insert(s.Maintenances, at, m)
	return s
}

// over reports whether it lies over a component while it runs.
func (m Maintenance) over(componentID string) bool { return slices.Contains(m.Components, componentID) }
