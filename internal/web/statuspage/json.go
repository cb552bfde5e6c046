package statuspage

import (
	"errors"
	"net/http"
	"strconv"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

// The JSON of a page, as the contract has it; more, formula, name and
// maintenances of a day are beyond it.
type (
	pageJSON struct {
		Page         headJSON          `json:"page"`
		Status       statusJSON        `json:"status"`
		Components   []componentJSON   `json:"components"`
		Incidents    []incidentJSON    `json:"incidents"`
		Maintenances []maintenanceJSON `json:"maintenances"`
		Formula      string            `json:"formula"`
	}
	headJSON struct {
		Name        string         `json:"name"`
		Slug        string         `json:"slug"`
		Description string         `json:"description"`
		TimeZone    string         `json:"timeZone"`
		UpdatedAt   timestamp.Time `json:"updatedAt"`
	}
	statusJSON struct {
		Indicator   status.Impact `json:"indicator"`
		Description string        `json:"description"`
	}
	componentJSON struct {
		ID          string                 `json:"id"`
		Name        string                 `json:"name"`
		Description string                 `json:"description"`
		Group       *string                `json:"group"`
		Status      status.ComponentStatus `json:"status"`
		Uptime90d   *float64               `json:"uptime90d"` // percent
	}
	touchedJSON struct {
		ID     string                 `json:"id"`
		Name   string                 `json:"name"`
		Status status.ComponentStatus `json:"status"`
	}
	updateJSON struct {
		At     timestamp.Time `json:"at"`
		Status string         `json:"status"`
		Body   string         `json:"body"` // Markdown
		More   bool           `json:"more,omitempty"`
	}
	incidentJSON struct {
		ID         string                `json:"id"`
		Title      string                `json:"title"`
		Impact     status.Impact         `json:"impact"`
		Status     status.IncidentStatus `json:"status"`
		Components []touchedJSON         `json:"components"`
		Updates    []updateJSON          `json:"updates"` // newest first
		StartedAt  timestamp.Time        `json:"startedAt"`
		ResolvedAt *timestamp.Time       `json:"resolvedAt"`
	}
	maintenanceJSON struct {
		ID         string                   `json:"id"`
		Title      string                   `json:"title"`
		Body       string                   `json:"body"` // Markdown
		More       bool                     `json:"more,omitempty"`
		Status     status.MaintenanceStatus `json:"status"`
		StartsAt   timestamp.Time           `json:"startsAt"`
		EndsAt     timestamp.Time           `json:"endsAt"`
		Components []touchedJSON            `json:"components"`
		Updates    []updateJSON             `json:"updates"` // newest first
	}
	historyJSON struct {
		Days       []dayJSON `json:"days"` // newest first
		NextCursor *string   `json:"nextCursor"`
		Formula    string    `json:"formula"`
	}
	dayJSON struct {
		Date         string             `json:"date"` // 2006-01-02, in the page's zone
		Components   []componentDayJSON `json:"components"`
		Incidents    []incidentJSON     `json:"incidents"` // that began on the day
		Maintenances []maintenanceJSON  `json:"maintenances"`
	}
	componentDayJSON struct {
		ID     string                  `json:"id"`
		Worst  *status.ComponentStatus `json:"worst"`  // null: no data
		Uptime *float64                `json:"uptime"` // percent
	}
)

func viewJSON(v status.View) pageJSON {
	out := pageJSON{
		Page:         headJSON{Name: v.Name, Slug: v.Slug, Description: v.Description, TimeZone: v.TimeZone, UpdatedAt: v.UpdatedAt},
		Status:       statusJSON{v.Indicator, v.Summary},
		Components:   []componentJSON{},
		Incidents:    incidentsJSON(v.Incidents, v.Past),
		Maintenances: maintenancesJSON(v.Maintenances, v.Done),
		Formula:      status.Formula,
	}
	for _, c := range v.Components {
		one := componentJSON{ID: c.ID, Name: c.Name, Description: c.Description, Status: c.Status, Uptime90d: c.Uptime}
		if c.Group != "" {
			one.Group = &c.Group
		}
		out.Components = append(out.Components, one)
	}
	return out
}

func incidentsJSON(lists ...[]status.ViewIncident) []incidentJSON {
	out := []incidentJSON{}
	for _, list := range lists {
		for _, i := range list {
			out = append(out, oneIncidentJSON(i))
		}
	}
	return out
}

func oneIncidentJSON(i status.ViewIncident) incidentJSON {
	out := incidentJSON{
		ID: i.ID, Title: i.Title, Impact: i.Impact, Status: i.Status, Components: touchedsJSON(i.Components), Updates: []updateJSON{},
		StartedAt: i.StartedAt, ResolvedAt: i.ResolvedAt,
	}
	for _, u := range i.Updates {
		out.Updates = append(out.Updates, updateJSON{u.At, string(u.Status), u.Body, u.More})
	}
	return out
}

func maintenancesJSON(lists ...[]status.ViewMaintenance) []maintenanceJSON {
	out := []maintenanceJSON{}
	for _, list := range lists {
		for _, m := range list {
			one := maintenanceJSON{
				ID: m.ID, Title: m.Title, Body: m.Body, More: m.More, Status: m.Status, StartsAt: m.StartsAt, EndsAt: m.EndsAt,
				Components: touchedsJSON(m.Components), Updates: []updateJSON{},
			}
			for _, u := range m.Updates {
				one.Updates = append(one.Updates, updateJSON{u.At, string(u.Status), u.Body, u.More})
			}
			out = append(out, one)
		}
	}
	return out
}

func touchedsJSON(list []status.ViewTouched) []touchedJSON {
	out := []touchedJSON{}
	for _, t := range list {
		out = append(out, touchedJSON(t))
	}
	return out
}

func (p *Pages) page(l look) (answer, error) {
	v := fit(l.View)
	if browser(l.r) {
		return statusPage(l.at, whoOf(l.r), v)
	}
	return jsonOf(viewJSON(v))
}

func (p *Pages) incident(l look) (answer, error) {
	i := fitIncident(*l.Incident)
	if browser(l.r) {
		return incidentPage(l.at, whoOf(l.r), l.View, i)
	}
	return jsonOf(oneIncidentJSON(i))
}

// Bounds of a page of the history, in days.
const (
	defaultDays = 30
	maxDays     = status.Remembered
)

// history shows days, newest first. Its position is a date: the days before it come next.
func (p *Pages) history(l look) (answer, error) {
	q := l.r.URL.Query()
	limit := defaultDays
	if q.Has("limit") {
		n, err := strconv.Atoi(q.Get("limit"))
		if err != nil || n < 1 || n > maxDays {
			return answer{}, problem.InvalidField("query.limit", "is no whole number from 1 to %d", maxDays)
		}
		limit = n
	}
	if q.Has("cursor") && q.Get("cursor") == "" {
		return answer{}, problem.InvalidField("query.cursor", "is empty; leave it out instead")
	}
	ctx, list := l.r.Context(), []string{"status history", l.View.Slug}
	at, err := p.Cursors.Open(ctx, httpapi.PageInput{Limit: limit, Cursor: q.Get("cursor")}, list...)
	if _, ours := errors.AsType[*problem.Error](err); err != nil && !ours {
		err = unsealed(err)
	}
	if err != nil {
		return answer{}, err
	}
	v := fit(l.View)
	days, next := daysOf(v, at)
	cursor, err := p.Cursors.Seal(ctx, next, list...)
	if err != nil {
		return answer{}, unsealed(err)
	}
	if browser(l.r) {
		return historyPage(l.at, whoOf(l.r), v, days, cursor, q)
	}
	out := historyJSON{Days: []dayJSON{}, NextCursor: cursor, Formula: status.Formula}
	for _, d := range days {
		one := dayJSON{Date: d.date, Components: []componentDayJSON{}, Incidents: incidentsJSON(d.incidents), Maintenances: maintenancesJSON(d.maintenances)}
		for n, c := range v.Components {
			worst, uptime := &c.Days[d.at].Worst, c.Days[d.at].Uptime
			if *worst == "" {
				worst = nil
			}
			one.Components = append(one.Components, componentDayJSON{v.Components[n].ID, worst, uptime})
		}
		out.Days = append(out.Days, one)
	}
	return jsonOf(out)
}

// unsealed is a history whose next page cannot be named for now.
func unsealed(cause error) error {
	e := problem.New(http.StatusServiceUnavailable, problem.Unavailable, "The history cannot be shown for a moment. Try again.")
	e.Header = http.Header{"Retry-After": {"5"}}
	e.Cause = cause
	return e
}
