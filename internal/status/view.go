package status

import (
	"cmp"
	"slices"
	"time"

	"pagefree/internal/platform/id"
	"pagefree/internal/platform/timestamp"
)

// Reader is who a view is made for. The zero value sees every component, and
// what is meant for everybody.
type Reader struct {
	AccessID   string   // of a partner; "" for who came by the page's shared token
	Components []string // ids of what is shown; nil is all, empty is nothing
	Staff      bool     // sees all, whatever its audience
}

// sees reports whether a component is shown to the reader.
func (r Reader) sees(componentID string) bool {
	return r.Staff || r.Components == nil || slices.Contains(r.Components, componentID)
}

// addressed reports whether the reader is in an audience.
func (r Reader) addressed(audience []string) bool {
	return r.Staff || audience == nil || r.AccessID != "" && slices.Contains(audience, r.AccessID)
}

// View is a page as one reader sees it. Times are of what the reader sees.
type View struct {
	Slug         string
	Name         string
	Description  string
	TimeZone     string
	Zone         *time.Location
	Accent       string // #rrggbb, or ""
	Logo         string // hash of the picture, or ""
	UpdatedAt    timestamp.Time
	Indicator    Impact
	Summary      string // the indicator, in words
	Components   []ViewComponent
	Incidents    []ViewIncident    // open ones, newest first
	Past         []ViewIncident    // those that are over, of the remembered days, newest first
	Maintenances []ViewMaintenance // running ones, then coming ones by their beginning
	Done         []ViewMaintenance // completed ones of the remembered days, newest first
	Now          time.Time
}

// ViewComponent is a component as a reader sees it.
type ViewComponent struct {
	ID          string
	Name        string
	Description string
	Group       string
	Position    int             // 1, 2, ... among those that the reader sees
	Status      ComponentStatus // under_maintenance while a maintenance runs that the reader sees
	CreatedAt   timestamp.Time
	UpdatedAt   timestamp.Time
	Uptime      *float64 // percent over the remembered days; nil without data
	Days        []Day    // Remembered of them, oldest first
}

// ViewIncident is an incident as a reader sees it.
type ViewIncident struct {
	ID         string // its time is StartedAt where the reader does not see how it began
	Title      string
	Impact     Impact
	Status     IncidentStatus // of the newest update that the reader sees
	StartedAt  timestamp.Time // of the oldest
	UpdatedAt  timestamp.Time // of the newest
	ResolvedAt *timestamp.Time
	Components []ViewTouched // each once, with the status that it was given last
	Updates    []ViewUpdate  // newest first
}

// ViewUpdate is an update as a reader sees it.
type ViewUpdate struct {
	ID         string
	At         timestamp.Time
	Status     IncidentStatus
	Body       string // Markdown
	More       bool   // Body is only its beginning
	Components []ViewTouched
}

// ViewTouched is a component that something is about. One that was removed
// from the page since has no place here.
type ViewTouched struct {
	ID     string
	Name   string
	Status ComponentStatus
}

// ViewMaintenance is a maintenance as a reader sees it.
type ViewMaintenance struct {
	ID         string
	Title      string
	Body       string
	More       bool
	Status     MaintenanceStatus
	StartsAt   timestamp.Time
	EndsAt     timestamp.Time // as planned, or when it was ended
	CreatedAt  timestamp.Time
	UpdatedAt  timestamp.Time
	Components []ViewTouched
	Updates    []ViewMaintenanceUpdate // newest first
}

// ViewMaintenanceUpdate is what was said of a maintenance.
type ViewMaintenanceUpdate struct {
	ID     string
	At     timestamp.Time
	Status MaintenanceStatus
	Body   string
	More   bool
}

// summaries are the indicator in words, which clients of status pages know.
//
//	indicator | from components           | from open incidents | words
//	none      | all operational           | none                | All Systems Operational
//	none      | some under maintenance    | none                | Service Under Maintenance
//	minor     | degraded performance      | minor               | Partially Degraded Service
//	major     | partial outage            | major               | Partial System Outage
//	critical  | major outage              | critical            | Major Service Outage
//
// The indicator is the worst of both columns.
var summaries = map[Impact]string{
	ImpactNone:     "All Systems Operational",
	ImpactMinor:    "Partially Degraded Service",
	ImpactMajor:    "Partial System Outage",
	ImpactCritical: "Major Service Outage",
}

const maintained = "Service Under Maintenance"

// For makes the view of a reader at now. It is the only way from a page's state
// to anything that somebody is shown.
func (s Snapshot) For(r Reader, now time.Time) View {
	zone := s.zone()
	v := View{
		Slug: s.Slug, Name: s.Name, Description: s.Description, TimeZone: s.TimeZone, Zone: zone, Accent: s.Accent, Logo: s.Logo,
		UpdatedAt: s.SaidAt, Indicator: ImpactNone, Now: now,
	}
	names := s.names(r)
	windows := map[string][]window{}
	since := midnight(now.In(zone), 1-Remembered, zone)
	for _, m := range s.Maintenances {
		shown, ok := m.For(r, names, now)
		if !ok {
			continue
		}
		switch {
		case shown.Status != Completed && shown.Status != Cancelled:
			v.Maintenances = append(v.Maintenances, shown)
		case !shown.EndsAt.Before(since):
			v.Done = append(v.Done, shown)
		}
		v.seen(shown.UpdatedAt)
		if shown.Status != Scheduled && shown.Status != Cancelled {
			for _, c := range shown.Components {
				windows[c.ID] = append(windows[c.ID], window{shown.StartsAt.Time, shown.EndsAt.Time})
			}
		}
	}
	slices.SortStableFunc(v.Maintenances, func(a, b ViewMaintenance) int {
		return cmp.Or(a.StartsAt.Compare(b.StartsAt.Time), cmp.Compare(a.ID, b.ID))
	})
	slices.SortStableFunc(v.Done, func(a, b ViewMaintenance) int {
		return cmp.Or(b.EndsAt.Compare(a.EndsAt.Time), cmp.Compare(b.ID, a.ID))
	})
	v.components(s.Components, r, windows, now)
	for _, i := range s.Incidents {
		shown, ok := i.For(r, names)
		if !ok {
			continue
		}
		v.seen(shown.UpdatedAt)
		if !shown.Status.Over() {
			v.Incidents = append(v.Incidents, shown)
			v.raise(shown.Impact)
		} else if !shown.ResolvedAt.Before(since) {
			v.Past = append(v.Past, shown)
		}
	}
	for _, list := range [][]ViewIncident{v.Incidents, v.Past} { // by what is seen: the oldest update may be hidden
		slices.SortStableFunc(list, func(a, b ViewIncident) int {
			return cmp.Or(b.StartedAt.Compare(a.StartedAt.Time), cmp.Compare(b.ID, a.ID))
		})
	}
	v.Summary = summaries[v.Indicator]
	if v.Indicator == ImpactNone && slices.ContainsFunc(v.Components, func(c ViewComponent) bool { return c.Status == UnderMaintenance }) {
		v.Summary = maintained
	}
	return v
}

// Incident is one incident of the page as a reader sees it, from its record: with every word of it.
func (s Snapshot) Incident(i Incident, r Reader) (ViewIncident, bool) { return i.For(r, s.names(r)) }

// Incident is the incident that a reader knows by an id, as the view has it.
func (v View) Incident(shown string) (ViewIncident, bool) {
	for _, list := range [][]ViewIncident{v.Incidents, v.Past} {
		for _, i := range list {
			if i.ID == shown {
				return i, true
			}
		}
	}
	return ViewIncident{}, false
}

// names are those of the components that the reader sees, by id.
func (s Snapshot) names(r Reader) map[string]string {
	names := map[string]string{}
	for _, c := range s.Components {
		if r.sees(c.ID) {
			names[c.ID] = c.Name
		}
	}
	return names
}

// components adds those that the reader sees, in the order of the page: by
// position, a group where its first one stands.
func (v *View) components(all []Component, r Reader, windows map[string][]window, now time.Time) {
	for _, c := range all {
		if !r.sees(c.ID) {
			continue
		}
		over := windows[c.ID]
		slices.SortFunc(over, func(a, b window) int { return a.from.Compare(b.from) })
		days := c.days(Remembered, over, v.Zone, now)
		shown := ViewComponent{
			ID: c.ID, Name: c.Name, Description: c.Description, Group: c.Group, Position: c.Position, Status: c.Status,
			CreatedAt: c.CreatedAt, UpdatedAt: latest(c.UpdatedAt, c.ChangedAt()), Uptime: uptime(days), Days: days,
		}
		if slices.ContainsFunc(over, func(w window) bool { return !now.Before(w.from) && now.Before(w.to) }) {
			shown.Status = UnderMaintenance
		}
		v.seen(shown.UpdatedAt)
		v.raise(impactOf[shown.Status])
		v.Components = append(v.Components, shown)
	}
	first := map[string]ViewComponent{}
	order := func(a, b ViewComponent) int {
		return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.ID, b.ID))
	}
	slices.SortFunc(v.Components, order)
	for _, c := range v.Components {
		if _, known := first[c.Group]; c.Group != "" && !known {
			first[c.Group] = c
		}
	}
	head := func(c ViewComponent) ViewComponent {
		if c.Group == "" {
			return c
		}
		return first[c.Group]
	}
	slices.SortStableFunc(v.Components, func(a, b ViewComponent) int { return order(head(a), head(b)) })
	for i := range v.Components { // gaps would tell of what is hidden
		v.Components[i].Position = i + 1
	}
}

func (v *View) seen(at timestamp.Time) { v.UpdatedAt = latest(v.UpdatedAt, at) }

func (v *View) raise(i Impact) {
	if impactRank[i] > impactRank[v.Indicator] {
		v.Indicator = i
	}
}

func latest(a, b timestamp.Time) timestamp.Time {
	if b.After(a.Time) {
		return b
	}
	return a
}

// For is an incident as a reader sees it, and false where it does not exist for
// them: they are not in its audience, or it touches only what they do not see.
// Else they see the updates that touch something visible, or nothing at all.
// names are those of the components that the reader sees.
func (i Incident) For(r Reader, names map[string]string) (ViewIncident, bool) {
	if !r.addressed(i.Audience) {
		return ViewIncident{}, false
	}
	v := ViewIncident{ID: i.ID, Title: i.Title, Impact: i.Impact}
	touches, seen := false, false
	last := map[string]ViewTouched{}
	for _, u := range i.Updates {
		visible := len(u.Components) == 0
		shown := ViewUpdate{ID: u.ID, At: u.At, Status: u.Status, Body: u.Body, More: u.More}
		for _, t := range u.Components {
			touches = true
			if !r.sees(t.ID) {
				continue
			}
			visible, seen = true, true
			if name, there := names[t.ID]; there {
				touched := ViewTouched{ID: t.ID, Name: name, Status: t.Status}
				shown.Components = append(shown.Components, touched)
				last[t.ID] = touched
			}
		}
		if !visible {
			continue
		}
		v.Updates = append(v.Updates, shown)
		v.Status, v.UpdatedAt = shown.Status, shown.At
		switch {
		case !shown.Status.Over():
			v.ResolvedAt = nil
		case v.ResolvedAt == nil:
			v.ResolvedAt = &shown.At
		}
	}
	if touches && !seen || len(v.Updates) == 0 {
		return ViewIncident{}, false
	}
	v.StartedAt = v.Updates[0].At
	if v.Updates[0].ID != i.Updates[0].ID { // an id holds the time of its making
		v.ID = id.Redated(i.ID, v.StartedAt.Time)
	}
	slices.Reverse(v.Updates)
	v.Components = sortedTouched(last)
	return v, true
}

// For is a maintenance as a reader sees it, and false where it does not exist
// for them, by the rules of incidents; a cancelled one is for staff alone.
func (m Maintenance) For(r Reader, names map[string]string, now time.Time) (ViewMaintenance, bool) {
	if !r.addressed(m.Audience) || m.CancelledAt != nil && !r.Staff {
		return ViewMaintenance{}, false
	}
	v := ViewMaintenance{
		ID: m.ID, Title: m.Title, Body: m.Body, More: m.More, Status: m.Status(now), StartsAt: m.StartsAt, EndsAt: m.End(),
		CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
	if len(m.Components) > 0 && !slices.ContainsFunc(m.Components, r.sees) {
		return ViewMaintenance{}, false
	}
	own := map[string]ViewTouched{}
	for _, id := range m.Components {
		if name, there := names[id]; there {
			own[id] = ViewTouched{ID: id, Name: name, Status: UnderMaintenance}
		}
	}
	v.Components = sortedTouched(own)
	for _, u := range m.Updates {
		v.Updates = append(v.Updates, ViewMaintenanceUpdate(u))
		v.UpdatedAt = latest(v.UpdatedAt, u.At)
	}
	slices.Reverse(v.Updates)
	for _, at := range []timestamp.Time{v.StartsAt, v.EndsAt} { // beginning and ending are changes too
		if m.CancelledAt == nil && !now.Before(at.Time) {
			v.UpdatedAt = latest(v.UpdatedAt, at)
		}
	}
	return v, true
}

func sortedTouched(m map[string]ViewTouched) []ViewTouched {
	out := make([]ViewTouched, 0, len(m))
	for _, t := range m {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b ViewTouched) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
