package status

import (
	"time"

	"pagefree/internal/platform/timestamp"
)

// Remembered is how many days of history a page shows, today included.
const Remembered = 90

// Snapshot is the state of a page that readers' views are made of, and the one
// item that every change of the page rewrites, under a condition on its
// revision: whoever reads it reads the newest state, or waits for nobody.
// Incidents that are over for longer than Remembered days are not in it, and of
// long texts only the beginning is; both are whole in items of their own.
type Snapshot struct {
	PageID       string         `json:"pageId"`
	TeamID       string         `json:"teamId"`
	Slug         string         `json:"slug"`
	Name         string         `json:"name"`
	Description  string         `json:"description,omitempty"`
	TimeZone     string         `json:"timeZone"`         // IANA name: where a day of the page begins
	Accent       string         `json:"accent,omitempty"` // #rrggbb
	Logo         string         `json:"logo,omitempty"`   // hash of the stored picture
	SessionDays  float64        `json:"sessionDays"`      // how long a partner's sign-in is good for here
	SaidAt       timestamp.Time `json:"saidAt"`           // when the page's own words or look changed last
	Components   []Component    `json:"components,omitempty"`
	Incidents    []Incident     `json:"incidents,omitempty"`    // newest first
	Maintenances []Maintenance  `json:"maintenances,omitempty"` // newest first
}

// Component is a part of what a team offers, with the history of its own status.
type Component struct {
	ID          string          `json:"id"`
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Group       string          `json:"group,omitempty"` // components of one group stand together
	Position    int             `json:"position"`
	Status      ComponentStatus `json:"status"` // its own; a running maintenance lies over it
	ServiceID   string          `json:"serviceId,omitempty"`
	CreatedAt   timestamp.Time  `json:"createdAt"`
	UpdatedAt   timestamp.Time  `json:"updatedAt"` // of its words and place; see ChangedAt for its status
	Rev         int64           `json:"rev"`
	Log         []Change        `json:"log"` // of its status, oldest first, of the days that are remembered; never empty
}

// Change is a status that a component took on; "" where it is not known any more.
type Change struct {
	At     timestamp.Time  `json:"at"`
	Status ComponentStatus `json:"status"`
}

// ChangedAt is when the component took on the status that it has.
func (c Component) ChangedAt() timestamp.Time { return c.Log[len(c.Log)-1].At }

// Incident is something that readers are told of, by updates.
type Incident struct {
	ID        string         `json:"id"`
	Title     string         `json:"title"`
	Impact    Impact         `json:"impact"`
	Audience  []string       `json:"audience"` // ids of partners' accesses; null is everybody
	CreatedAt timestamp.Time `json:"createdAt"`
	Rev       int64          `json:"rev"`
	Updates   []Update       `json:"updates"` // oldest first; never empty
}

// Update is one thing that was said of an incident. It never changes.
type Update struct {
	ID         string         `json:"id"`
	At         timestamp.Time `json:"at"`
	Status     IncidentStatus `json:"status"`
	Body       string         `json:"body"`           // Markdown
	More       bool           `json:"more,omitempty"` // Body is only its beginning; the incident's own item has all of it
	Components []Touched      `json:"components,omitempty"`
}

// Touched is a component and the status that an update gave it.
type Touched struct {
	ID     string          `json:"id" maxLength:"64"`
	Status ComponentStatus `json:"status" enum:"operational,degraded_performance,partial_outage,major_outage,under_maintenance"`
}

// Status is that of the newest update.
func (i Incident) Status() IncidentStatus { return i.Updates[len(i.Updates)-1].Status }

// Maintenance is planned work. It lies over the status of its components from
// its beginning to its end, by the clock alone: nothing is saved and restored.
type Maintenance struct {
	ID          string              `json:"id"`
	Title       string              `json:"title"`
	Body        string              `json:"body"` // Markdown
	More        bool                `json:"more,omitempty"`
	StartsAt    timestamp.Time      `json:"startsAt"`
	EndsAt      timestamp.Time      `json:"endsAt"`
	Components  []string            `json:"components,omitempty"`
	Audience    []string            `json:"audience"` // ids of partners' accesses; null is everybody
	CreatedAt   timestamp.Time      `json:"createdAt"`
	UpdatedAt   timestamp.Time      `json:"updatedAt"`             // when its words, times or components changed last, or it was cancelled
	CompletedAt *timestamp.Time     `json:"completedAt,omitempty"` // when it was ended by hand
	CancelledAt *timestamp.Time     `json:"cancelledAt,omitempty"`
	Rev         int64               `json:"rev"`
	Updates     []MaintenanceUpdate `json:"updates,omitempty"` // oldest first
}

// MaintenanceUpdate is one thing that was said of a maintenance. It never changes.
type MaintenanceUpdate struct {
	ID     string            `json:"id"`
	At     timestamp.Time    `json:"at"`
	Status MaintenanceStatus `json:"status"`
	Body   string            `json:"body"`
	More   bool              `json:"more,omitempty"`
}

// Status is what the clock and what was said make of it.
//
//	cancelled                      -> cancelled
//	ended by hand, or now >= end   -> completed
//	now < start                    -> scheduled
//	verifying was said last        -> verifying
//	otherwise                      -> in_progress
func (m Maintenance) Status(now time.Time) MaintenanceStatus {
	switch {
	case m.CancelledAt != nil:
		return Cancelled
	case !now.Before(m.End().Time):
		return Completed
	case now.Before(m.StartsAt.Time):
		return Scheduled
	case len(m.Updates) > 0 && m.Updates[len(m.Updates)-1].Status == Verifying:
		return Verifying
	}
	return InProgress
}

// End is when it ends or ended: as planned, or earlier by hand.
func (m Maintenance) End() timestamp.Time {
	if m.CompletedAt != nil && m.CompletedAt.Before(m.EndsAt.Time) {
		return *m.CompletedAt
	}
	return m.EndsAt
}

// live reports whether it lies over its components at now.
func (m Maintenance) live(now time.Time) bool {
	s := m.Status(now)
	return s == InProgress || s == Verifying
}
