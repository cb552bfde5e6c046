package status

import (
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
)

// Limits of one incident or maintenance: all its texts together, and how often
// something may be said of it. Its record is one item.
const (
	MaxUpdates  = 200
	MaxTexts    = 1 << 20 // bytes
	MaxAudience = 200
)

// errFullIncident is an incident that takes no more updates.
var errFullIncident = problem.New(http.StatusUnprocessableEntity, "incident_full",
	"It has as many updates as one can have. Publish another for what follows.")

// Audience says which partners something is meant for.
type Audience struct {
	PartnerAccessIDs []string `json:"partnerAccessIds" nullable:"false" maxItems:"200" doc:"ids of partners' accesses to this page; none is nobody"`
}

// Addressed is an audience in a request: left out, null for everybody, or some partners.
type Addressed struct{ httpapi.Nullable[Audience] }

// Schema is that of an Audience, or null.
func (Addressed) Schema(r huma.Registry) *huma.Schema {
	s := huma.SchemaFromType(r, reflect.TypeFor[Audience]())
	s.Nullable = true
	return s
}

// NewIncident is what a caller publishes.
type NewIncident struct {
	Title              string         `json:"title" minLength:"1" maxLength:"200"`
	Impact             Impact         `json:"impact" enum:"none,minor,major,critical"`
	Status             IncidentStatus `json:"status" enum:"investigating,identified,monitoring,resolved"`
	Body               string         `json:"body" doc:"Markdown, at most 32 KiB"`
	Components         []Touched      `json:"components,omitempty" maxItems:"200" doc:"what it affects, and the status that each takes on"`
	Audience           Addressed      `json:"audience,omitzero" doc:"null is everybody"`
	InternalIncidentID *string        `json:"internalIncidentId,omitempty" nullable:"true" maxLength:"64" doc:"the team's incident that it tells of; never shown outside"`
}

// NewUpdate is what a caller says of an incident.
type NewUpdate struct {
	Status     IncidentStatus `json:"status" enum:"investigating,identified,monitoring,resolved,postmortem"`
	Body       string         `json:"body" doc:"Markdown, at most 32 KiB"`
	Components []Touched      `json:"components,omitempty" maxItems:"200" doc:"what it is about, and the status that each takes on"`
}

// IncidentPatch changes what stands over an incident's updates. What is left out stays.
type IncidentPatch struct {
	httpapi.Patch
	Title              *string                  `json:"title,omitempty" minLength:"1" maxLength:"200"`
	Impact             *Impact                  `json:"impact,omitempty" enum:"none,minor,major,critical"`
	Audience           Addressed                `json:"audience,omitzero"`
	InternalIncidentID httpapi.Nullable[string] `json:"internalIncidentId,omitzero"`
}

// whole is an incident with what only staff see of it, as its record keeps it.
type whole struct {
	Incident
	InternalIncidentID *string           `json:"internalIncidentId,omitempty"`
	CreatedByID        string            `json:"createdById"`
	By                 map[string]string `json:"by"` // who said each update
	UpdatedAt          timestamp.Time    `json:"updatedAt"`
	Edits              []Edit            `json:"edits,omitempty"`
}

// publish makes the incident that n tells of, with its first update.
func (n NewIncident) publish(incidentID, updateID, by string, on Snapshot, now time.Time) (whole, error) {
	at := timestamp.Of(now)
	i := whole{
		Incident:           Incident{ID: incidentID, Title: n.Title, Impact: n.Impact, Audience: n.Audience.Value.ids(), CreatedAt: at, Rev: 1},
		InternalIncidentID: n.InternalIncidentID, CreatedByID: by, UpdatedAt: at, By: map[string]string{updateID: by},
	}
	var wrong wrongs
	i.checkHead(&wrong)
	n.Audience.Value.check(&wrong)
	u := Update{ID: updateID, At: at, Status: n.Status, Body: n.Body, Components: n.Components}
	u.check(&wrong, on)
	if n.Status == Postmortem {
		wrong.add("body.status", "a postmortem follows what was resolved")
	}
	i.Updates = []Update{u}
	return i, wrong.err()
}

func (i *whole) checkHead(wrong *wrongs) {
	i.Title = wrong.name("body.title", i.Title, MaxTitle, "1 to 200 characters")
	if _, known := impactRank[i.Impact]; !known {
		wrong.add("body.impact", "none, minor, major or critical")
	}
}

func (u Update) check(wrong *wrongs, on Snapshot) {
	if !slices.Contains(incidentStatuses, u.Status) {
		wrong.add("body.status", "not a status of incidents")
	}
	wrong.body("body.body", u.Body)
	on.checkTouched(wrong, u.Components)
}

var incidentStatuses = []IncidentStatus{Investigating, Identified, Monitoring, Resolved, Postmortem}

// mayBecome are the statuses that may follow one:
//
//	investigating, identified, monitoring -> each other, resolved
//	resolved                              -> postmortem; any of the above, which opens it again
//	postmortem                            -> postmortem
func (s IncidentStatus) mayBecome(next IncidentStatus) bool {
	switch {
	case s == Postmortem:
		return next == Postmortem
	case next == Postmortem:
		return s == Resolved
	}
	return true
}

// update adds what n says. What was said before never changes.
func (i whole) update(n NewUpdate, updateID, by string, on Snapshot, now time.Time) (whole, error) {
	var wrong wrongs
	u := Update{ID: updateID, At: latest(i.Updates[len(i.Updates)-1].At, timestamp.Of(now)), Status: n.Status, Body: n.Body, Components: n.Components}
	u.check(&wrong, on)
	if err := wrong.err(); err != nil {
		return whole{}, err
	}
	if !i.Status().mayBecome(n.Status) {
		return whole{}, problem.Transition("make "+string(n.Status), string(i.Status()))
	}
	i.Updates = append(slices.Clone(i.Updates), u)
	if len(i.Updates) > MaxUpdates || i.length() > MaxTexts {
		return whole{}, errFullIncident
	}
	i.By = said(i.By, updateID, by)
	i.UpdatedAt = u.At
	i.Rev++
	return i, nil
}

// said is the map with one more update.
func said(by map[string]string, updateID, who string) map[string]string {
	out := map[string]string{updateID: who}
	for k, v := range by {
		out[k] = v
	}
	return out
}

// length is how long all its texts are, in bytes.
func (i Incident) length() int {
	sum := 0
	for _, u := range i.Updates {
		sum += len(u.Body)
	}
	return sum
}

// patch applies p and keeps what was there before; changed tells whether anything is another.
func (i whole) patch(p IncidentPatch, by string, now time.Time) (next whole, changed bool, err error) {
	next = i
	var wrong wrongs
	set(&next.Title, p.Title)
	set(&next.Impact, p.Impact)
	next.checkHead(&wrong)
	if p.Audience.Sent {
		p.Audience.Value.check(&wrong)
		next.Audience = p.Audience.Value.ids()
	}
	if p.InternalIncidentID.Sent {
		next.InternalIncidentID = p.InternalIncidentID.Value
	}
	if err := wrong.err(); err != nil {
		return whole{}, false, err
	}
	at := timestamp.Of(now)
	note := edits{at: at, by: by, list: slices.Clone(i.Edits)}
	note.of("title", i.Title, next.Title, i.Title != next.Title)
	note.of("impact", i.Impact, next.Impact, i.Impact != next.Impact)
	note.of("audience", audienceOf(i.Audience), audienceOf(next.Audience), !sameAudience(i.Audience, next.Audience))
	note.of("internalIncidentId", i.InternalIncidentID, next.InternalIncidentID, !same(i.InternalIncidentID, next.InternalIncidentID))
	if len(note.list) == len(i.Edits) {
		return i, false, nil
	}
	if len(note.list) > maxEdits {
		return whole{}, false, errManyEdits
	}
	next.Edits, next.UpdatedAt = note.list, at
	next.Rev++
	return next, true, nil
}

// ids are those of an audience; nil is everybody.
func (a *Audience) ids() []string {
	if a == nil {
		return nil
	}
	return append([]string{}, a.PartnerAccessIDs...)
}

func (a *Audience) check(wrong *wrongs) {
	if a == nil {
		return
	}
	if a.PartnerAccessIDs == nil {
		wrong.add("body.audience.partnerAccessIds", "a list; an empty one is nobody")
	}
	if len(a.PartnerAccessIDs) > MaxAudience {
		wrong.add("body.audience.partnerAccessIds", "at most 200")
	}
	for n, accessID := range a.PartnerAccessIDs {
		if slices.Contains(a.PartnerAccessIDs[:n], accessID) {
			wrong.add(audienceAt(n), "it is named twice")
		}
	}
}

func audienceAt(n int) string { return "body.audience.partnerAccessIds[" + strconv.Itoa(n) + "]" }

// audienceOf is an audience as it is answered.
func audienceOf(ids []string) *Audience {
	if ids == nil {
		return nil
	}
	return &Audience{PartnerAccessIDs: ids}
}

func sameAudience(a, b []string) bool { return (a == nil) == (b == nil) && slices.Equal(a, b) }

// withIncident is the snapshot with an incident put in its place, or added by its age.
func (s Snapshot) withIncident(i Incident) Snapshot {
	s.Incidents = slices.DeleteFunc(slices.Clone(s.Incidents), func(other Incident) bool { return other.ID == i.ID })
	at := slices.IndexFunc(s.Incidents, func(other Incident) bool { return other.ID < i.ID })
	if at < 0 {
		at = len(s.Incidents)
	}
	s.Incidents = slices.Insert(s.Incidents, at, i)
	return s
}
