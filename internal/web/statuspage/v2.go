package statuspage

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

// The JSON that clients of Statuspage know: version 2 of the public API that
// each of its pages has (https://metastatuspage.com/api/v2). Ids are ours.
// Groups of components are components too, with ids made of their names.
type (
	v2Page struct {
		ID        string         `json:"id"`
		Name      string         `json:"name"`
		URL       string         `json:"url"`
		TimeZone  string         `json:"time_zone"`
		UpdatedAt timestamp.Time `json:"updated_at"`
	}
	v2Status struct {
		Indicator   status.Impact `json:"indicator"`
		Description string        `json:"description"`
	}
	v2Component struct {
		ID                 string                 `json:"id"`
		Name               string                 `json:"name"`
		Status             status.ComponentStatus `json:"status"`
		CreatedAt          timestamp.Time         `json:"created_at"`
		UpdatedAt          timestamp.Time         `json:"updated_at"`
		Position           int                    `json:"position"`
		Description        *string                `json:"description"`
		Showcase           bool                   `json:"showcase"` // shows its uptime
		StartDate          *string                `json:"start_date"`
		GroupID            *string                `json:"group_id"`
		PageID             string                 `json:"page_id"`
		Group              bool                   `json:"group"`
		OnlyShowIfDegraded bool                   `json:"only_show_if_degraded"`
		Components         []string               `json:"components,omitempty"` // of a group
	}
	v2Affected struct {
		Code      string                 `json:"code"`
		Name      string                 `json:"name"`
		OldStatus status.ComponentStatus `json:"old_status"`
		NewStatus status.ComponentStatus `json:"new_status"`
	}
	v2Update struct {
		ID                   string         `json:"id"`
		Status               string         `json:"status"`
		Body                 string         `json:"body"`
		IncidentID           string         `json:"incident_id"`
		CreatedAt            timestamp.Time `json:"created_at"`
		UpdatedAt            timestamp.Time `json:"updated_at"`
		DisplayAt            timestamp.Time `json:"display_at"`
		AffectedComponents   []v2Affected   `json:"affected_components"` // null without any
		DeliverNotifications bool           `json:"deliver_notifications"`
		CustomTweet          *string        `json:"custom_tweet"`
		TweetID              *string        `json:"tweet_id"`
	}
	v2Incident struct {
		ID               string          `json:"id"`
		Name             string          `json:"name"`
		Status           string          `json:"status"`
		CreatedAt        timestamp.Time  `json:"created_at"`
		UpdatedAt        timestamp.Time  `json:"updated_at"`
		MonitoringAt     *timestamp.Time `json:"monitoring_at"`
		ResolvedAt       *timestamp.Time `json:"resolved_at"`
		Impact           string          `json:"impact"`
		Shortlink        string          `json:"shortlink"`
		StartedAt        timestamp.Time  `json:"started_at"`
		PageID           string          `json:"page_id"`
		IncidentUpdates  []v2Update      `json:"incident_updates"`
		Components       []v2Component   `json:"components"`
		ReminderInterval *string         `json:"reminder_intervals"`
		ScheduledFor     *timestamp.Time `json:"scheduled_for,omitempty"`   // of a maintenance
		ScheduledUntil   *timestamp.Time `json:"scheduled_until,omitempty"` // of a maintenance
	}
)

// v2 are its documents, by their names.
var v2 = map[string]func(v2View) map[string]any{
	"summary": func(v v2View) map[string]any {
		return map[string]any{
			"page": v.page(), "status": v.status(), "components": v.all,
			"incidents": v.incidents(v.Incidents), "scheduled_maintenances": v.maintenances(v.Maintenances),
		}
	},
	"status": func(v v2View) map[string]any { return map[string]any{"page": v.page(), "status": v.status()} },
	"components": func(v v2View) map[string]any {
		return map[string]any{"page": v.page(), "components": v.all}
	},
	"incidents": func(v v2View) map[string]any {
		return map[string]any{"page": v.page(), "incidents": v.incidents(v.Incidents, v.Past)}
	},
	"incidents/unresolved": func(v v2View) map[string]any {
		return map[string]any{"page": v.page(), "incidents": v.incidents(v.Incidents)}
	},
	"scheduled-maintenances": func(v v2View) map[string]any {
		return map[string]any{"page": v.page(), "scheduled_maintenances": v.maintenances(v.Maintenances, v.Done)}
	},
	"scheduled-maintenances/upcoming": func(v v2View) map[string]any {
		return map[string]any{"page": v.page(), "scheduled_maintenances": v.maintenances(v.during(status.Scheduled))}
	},
	"scheduled-maintenances/active": func(v v2View) map[string]any {
		return map[string]any{"page": v.page(), "scheduled_maintenances": v.maintenances(v.during(status.InProgress, status.Verifying))}
	},
}

// v2 renders one of the documents.
func (p *Pages) v2(body func(v2View) map[string]any) func(look) (answer, error) {
	return func(l look) (answer, error) {
		v := v2View{View: fit(l.View), url: p.Origin.URL}
		v.all = v.components()
		return jsonOf(body(v))
	}
}

// v2View is a view, its components, and how a path of ours becomes an address.
type v2View struct {
	status.View
	all []v2Component
	url func(string) string
}

// idOf makes an id of what has none but a name that the reader sees.
func idOf(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

func (v v2View) id() string { return idOf("page", v.Slug) }

func (v v2View) page() v2Page {
	return v2Page{v.id(), v.Name, v.url("/status/" + v.Slug), v.TimeZone, v.UpdatedAt}
}

func (v v2View) status() v2Status { return v2Status{v.Indicator, v.Summary} }

func (v v2View) groupID(name string) string { return "grp_" + idOf("group", v.Slug, name) }

// components are those of the view, each group before its own.
func (v v2View) components() []v2Component {
	out := []v2Component{}
	group := -1 // where the group of the component before stands
	for n, c := range v.Components {
		if c.Group != "" && (n == 0 || v.Components[n-1].Group != c.Group) {
			group = len(out)
			out = append(out, v2Component{
				ID: v.groupID(c.Group), Name: c.Group, Status: status.Operational, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
				PageID: v.id(), Group: true,
			})
		}
		one := v.component(c)
		if c.Group != "" {
			g := &out[group]
			g.Components = append(g.Components, c.ID)
			g.Status = graver(g.Status, c.Status)
			if c.UpdatedAt.After(g.UpdatedAt.Time) {
				g.UpdatedAt = c.UpdatedAt
			}
			if c.CreatedAt.Before(g.CreatedAt.Time) {
				g.CreatedAt = c.CreatedAt
			}
		}
		out = append(out, one)
	}
	for n := range out {
		out[n].Position = n + 1
	}
	return out
}

func (v v2View) component(c status.ViewComponent) v2Component {
	born := c.CreatedAt.In(v.Zone).Format("2006-01-02")
	out := v2Component{
		ID: c.ID, Name: c.Name, Status: c.Status, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt, Position: c.Position,
		Showcase: true, StartDate: &born, PageID: v.id(),
	}
	if c.Description != "" {
		out.Description = &c.Description
	}
	if c.Group != "" {
		id := v.groupID(c.Group)
		out.GroupID = &id
	}
	return out
}

// touched are the components that something is about, as they are now.
func (v v2View) touched(list []status.ViewTouched) []v2Component {
	out := []v2Component{}
	for _, t := range list {
		if n := slices.IndexFunc(v.all, func(c v2Component) bool { return c.ID == t.ID }); n >= 0 {
			out = append(out, v.all[n])
		}
	}
	return out
}

func (v v2View) incidents(lists ...[]status.ViewIncident) []v2Incident {
	out := []v2Incident{}
	for _, list := range lists {
		for _, i := range list {
			one := v2Incident{
				ID: i.ID, Name: i.Title, Status: string(i.Status), CreatedAt: i.StartedAt, UpdatedAt: i.UpdatedAt, ResolvedAt: i.ResolvedAt,
				Impact: string(i.Impact), Shortlink: v.url("/status/" + v.Slug + "/incidents/" + i.ID), StartedAt: i.StartedAt, PageID: v.id(),
				IncidentUpdates: []v2Update{}, Components: v.touched(i.Components),
			}
			before := map[string]status.ComponentStatus{} // of each component, by the updates until then
			for _, u := range slices.Backward(i.Updates) {
				update := v2Update{ID: u.ID, Status: string(u.Status), Body: u.Body, IncidentID: i.ID, CreatedAt: u.At, UpdatedAt: u.At, DisplayAt: u.At}
				for _, t := range u.Components {
					old := before[t.ID]
					if old == "" {
						old = status.Operational
					}
					before[t.ID] = t.Status
					update.AffectedComponents = append(update.AffectedComponents, v2Affected{t.ID, t.Name, old, t.Status})
				}
				if u.Status == status.Monitoring {
					one.MonitoringAt = &update.CreatedAt
				}
				one.IncidentUpdates = append(one.IncidentUpdates, update)
			}
			slices.Reverse(one.IncidentUpdates)
			out = append(out, one)
		}
	}
	return out
}

// during are the maintenances of one of some statuses.
func (v v2View) during(statuses ...status.MaintenanceStatus) []status.ViewMaintenance {
	return slices.DeleteFunc(slices.Clone(v.Maintenances), func(m status.ViewMaintenance) bool { return !slices.Contains(statuses, m.Status) })
}

func (v v2View) maintenances(lists ...[]status.ViewMaintenance) []v2Incident {
	out := []v2Incident{}
	for _, list := range lists {
		for _, m := range list {
			one := v2Incident{
				ID: m.ID, Name: m.Title, Status: string(m.Status), CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
				Impact: "maintenance", Shortlink: v.url("/status/" + v.Slug + "#" + m.ID), StartedAt: m.StartsAt, PageID: v.id(),
				IncidentUpdates: []v2Update{}, Components: v.touched(m.Components),
				ScheduledFor: &m.StartsAt, ScheduledUntil: &m.EndsAt,
			}
			if m.Status == status.Completed {
				one.ResolvedAt = &m.EndsAt
			}
			for _, u := range m.Updates {
				one.IncidentUpdates = append(one.IncidentUpdates, v2Update{
					ID: u.ID, Status: string(u.Status), Body: u.Body, IncidentID: m.ID, CreatedAt: u.At, UpdatedAt: u.At, DisplayAt: u.At,
				})
			}
			// Its own text stands where Statuspage has the first update.
			one.IncidentUpdates = append(one.IncidentUpdates, v2Update{
				ID: m.ID, Status: string(status.Scheduled), Body: m.Body, IncidentID: m.ID, CreatedAt: m.CreatedAt, UpdatedAt: m.CreatedAt, DisplayAt: m.CreatedAt,
				AffectedComponents: v.planned(m.Components),
			})
			out = append(out, one)
		}
	}
	return out
}

func (v v2View) planned(list []status.ViewTouched) []v2Affected {
	var out []v2Affected
	for _, t := range list {
		out = append(out, v2Affected{t.ID, t.Name, status.Operational, status.UnderMaintenance})
	}
	return out
}

// gravity orders statuses for a group: maintenance before any trouble.
var gravity = []status.ComponentStatus{
	status.Operational, status.UnderMaintenance, status.DegradedPerformance, status.PartialOutage, status.MajorOutage,
}

func graver(a, b status.ComponentStatus) status.ComponentStatus {
	if slices.Index(gravity, b) > slices.Index(gravity, a) {
		return b
	}
	return a
}
