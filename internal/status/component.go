package status

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
)

// MaxComponents is how many components a page has.
const MaxComponents = 200

// maxPosition bounds a component's place.
const maxPosition = 1_000_000

// NewComponent is what a caller says of a component.
type NewComponent struct {
	Name        string          `json:"name" minLength:"1" maxLength:"120"`
	Description string          `json:"description,omitempty" doc:"at most 500 characters"`
	Group       *string         `json:"group,omitempty" nullable:"true" doc:"components of one group stand together; at most 120 characters"`
	Position    *int            `json:"position,omitempty" nullable:"true" minimum:"0" maximum:"1000000" doc:"its place on the page; the last one when left out"`
	Status      ComponentStatus `json:"status,omitempty" enum:"operational,degraded_performance,partial_outage,major_outage,under_maintenance" doc:"operational when left out"`
	ServiceID   *string         `json:"serviceId,omitempty" nullable:"true" maxLength:"64" doc:"the team's service that it stands for; never shown outside"`
}

// ComponentPatch changes what a caller said of a component. What is left out stays.
type ComponentPatch struct {
	httpapi.Patch
	Name        *string                  `json:"name,omitempty" minLength:"1" maxLength:"120"`
	Description *string                  `json:"description,omitempty" doc:"at most 500 characters"`
	Group       httpapi.Nullable[string] `json:"group,omitzero" doc:"null or empty: none"`
	Position    *int                     `json:"position,omitempty" minimum:"0" maximum:"1000000"`
	Status      *ComponentStatus         `json:"status,omitempty" enum:"operational,degraded_performance,partial_outage,major_outage,under_maintenance"`
	ServiceID   httpapi.Nullable[string] `json:"serviceId,omitzero" doc:"null or empty: none"`
}

// errManyComponents is a page that takes no more components.
var errManyComponents = problem.New(http.StatusUnprocessableEntity, problem.ValidationFailed, "A page has at most %d components.", MaxComponents)

// create makes the component that n tells of, at the end of a page unless it says where.
func (n NewComponent) create(componentID string, on Snapshot, now time.Time) (Component, error) {
	if len(on.Components) >= MaxComponents {
		return Component{}, errManyComponents
	}
	at := timestamp.Of(now)
	c := Component{
		ID: componentID, Name: n.Name, Description: n.Description, Status: cmp.Or(n.Status, Operational), CreatedAt: at, UpdatedAt: at, Rev: 1,
	}
	c.Log = []Change{{At: at, Status: c.Status}}
	set(&c.Group, n.Group)
	set(&c.ServiceID, n.ServiceID)
	for _, other := range on.Components {
		c.Position = min(max(c.Position, other.Position+1), maxPosition)
	}
	set(&c.Position, n.Position)
	return c.checked()
}

// checked is the component with its words as they are kept, or what is wrong with them.
func (c Component) checked() (Component, error) {
	var wrong wrongs
	c.Name = wrong.name("body.name", c.Name, MaxName, "1 to 120 characters")
	c.Description = wrong.short("body.description", c.Description, MaxShort, "500 characters")
	if c.Group != "" {
		c.Group = wrong.name("body.group", c.Group, MaxName, "at most 120 characters")
	}
	if c.Position < 0 || c.Position > maxPosition {
		wrong.add("body.position", "0 to 1,000,000")
	}
	if !c.Status.Valid() {
		wrong.add("body.status", "not a status of components")
	}
	return c, wrong.err()
}

// patch applies p; changed tells whether anything is another than before.
func (c Component) patch(p ComponentPatch, now time.Time) (next Component, changed bool, err error) {
	next = c
	set(&next.Name, p.Name)
	set(&next.Description, p.Description)
	set(&next.Position, p.Position)
	set(&next.Status, p.Status)
	if p.Group.Sent {
		next.Group = ""
		set(&next.Group, p.Group.Value)
	}
	if p.ServiceID.Sent {
		next.ServiceID = ""
		set(&next.ServiceID, p.ServiceID.Value)
	}
	if next, err = next.checked(); err != nil {
		return Component{}, false, err
	}
	if next.Name != c.Name || next.Description != c.Description || next.Group != c.Group || next.Position != c.Position {
		changed, next.UpdatedAt = true, timestamp.Of(now)
	}
	changed = changed || next.Status != c.Status || next.ServiceID != c.ServiceID
	if changed {
		next.Rev++
	}
	to := next.Status
	next.Status = c.Status
	return next.became(to, now), changed, nil
}

// became is the component with another status, and its log with the change.
// Time never goes back in a log, whatever two clocks say.
func (c Component) became(s ComponentStatus, now time.Time) Component {
	if c.Status == s {
		return c
	}
	at := latest(c.ChangedAt(), timestamp.Of(now))
	c.Status = s
	c.Log = append(slices.Clone(c.Log), Change{At: at, Status: s})
	return c
}

// component finds one of the page.
func (s Snapshot) component(componentID string) (Component, bool) {
	i := slices.IndexFunc(s.Components, func(c Component) bool { return c.ID == componentID })
	if i < 0 {
		return Component{}, false
	}
	return s.Components[i], true
}

// withComponent is the snapshot with a component put in its place, or added.
func (s Snapshot) withComponent(c Component) Snapshot {
	s.Components = slices.Clone(s.Components)
	i := slices.IndexFunc(s.Components, func(other Component) bool { return other.ID == c.ID })
	if i < 0 {
		s.Components = append(s.Components, c)
	} else {
		s.Components[i] = c
	}
	return s
}

// withoutComponent is the snapshot without a component. What was said of it
// stays, and shows it no more.
func (s Snapshot) withoutComponent(componentID string) Snapshot {
	s.Components = slices.DeleteFunc(slices.Clone(s.Components), func(c Component) bool { return c.ID == componentID })
	return s
}

// touch gives components the statuses that an update says.
func (s Snapshot) touch(touched []Touched, now time.Time) Snapshot {
	for _, t := range touched {
		c, found := s.component(t.ID)
		if !found || c.Status == t.Status {
			continue
		}
		c = c.became(t.Status, now)
		c.Rev++
		s = s.withComponent(c)
	}
	return s
}

// checkTouched tells what is wrong with the components of an update: each is
// one of the page, and there once.
func (s Snapshot) checkTouched(wrong *wrongs, touched []Touched) {
	ids := make([]string, len(touched))
	for i, t := range touched {
		ids[i] = t.ID
		if !t.Status.Valid() {
			wrong.add("body.components["+strconv.Itoa(i)+"].status", "not a status of components")
		}
	}
	s.checkComponents(wrong, ids, ".id")
}

// checkComponents tells which ids are not of components of the page, or there twice.
func (s Snapshot) checkComponents(wrong *wrongs, ids []string, member string) {
	seen := map[string]bool{}
	for i, componentID := range ids {
		at := "body.components[" + strconv.Itoa(i) + "]" + member
		if _, found := s.component(componentID); !found {
			wrong.add(at, "no component of this page")
		} else if seen[componentID] {
			wrong.add(at, "it is named twice")
		}
		seen[componentID] = true
	}
}

// byAge are components, the newest first.
func byAge(components []Component) []Component {
	out := slices.Clone(components)
	slices.SortFunc(out, func(a, b Component) int { return cmp.Compare(b.ID, a.ID) })
	return out
}
