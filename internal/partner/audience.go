package partner

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

// maxSeeing bounds who an answer names.
const maxSeeing = 1000

// Draft is an incident that is not published: of its body, what decides who
// would see it has to be there.
type Draft struct {
	Title              string                `json:"title,omitempty"`
	Impact             status.Impact         `json:"impact,omitempty" enum:"none,minor,major,critical"`
	Status             status.IncidentStatus `json:"status,omitempty" enum:"investigating,identified,monitoring,resolved,postmortem"`
	Body               string                `json:"body,omitempty"`
	Components         []DraftTouched        `json:"components,omitempty" maxItems:"200"`
	Audience           status.Addressed      `json:"audience,omitzero" doc:"null is everybody"`
	InternalIncidentID *string               `json:"internalIncidentId,omitempty" nullable:"true"`
}

// DraftTouched is a component that an incident is about.
type DraftTouched struct {
	ID     string                 `json:"id"`
	Status status.ComponentStatus `json:"status" enum:"operational,degraded_performance,partial_outage,major_outage,under_maintenance"`
}

// Audience is who would see something.
type Audience struct {
	Partners []Seeing `json:"partners" nullable:"false" doc:"newest first; who sees nothing is left out"`
	Nobody   bool     `json:"nobody"`
	More     bool     `json:"more" doc:"there are more than are named here"`
}

// Seeing is a partner who would see something.
type Seeing struct {
	ID   string          `json:"id" doc:"of the access"`
	Name string          `json:"name"`
	Sees []SeenComponent `json:"sees" nullable:"false" doc:"the components that it would show them"`
}

// SeenComponent is a component that a partner would see.
type SeenComponent struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// AudienceOf tells who of a page's live accesses would see an incident, and
// what of it, by what the page itself shows of incidents.
func (s *Service) AudienceOf(ctx context.Context, pageID string, d Draft) (Audience, error) {
	return s.audience(ctx, pageID, func(page status.Snapshot, at timestamp.Time) (status.Incident, error) { return d.incident(page, at) })
}

// AudienceOfUpdate is AudienceOf for one more update of an incident that the
// page shows: who sees that update, and not merely what was said before.
func (s *Service) AudienceOfUpdate(ctx context.Context, pageID, incidentID string, d Draft) (Audience, error) {
	return s.audience(ctx, pageID, func(page status.Snapshot, at timestamp.Time) (status.Incident, error) {
		draft, err := d.incident(page, at)
		if err != nil {
			return status.Incident{}, err
		}
		n := slices.IndexFunc(page.Incidents, func(i status.Incident) bool { return i.ID == incidentID })
		if n < 0 {
			return status.Incident{}, problem.Missing()
		}
		whole := page.Incidents[n]
		whole.Updates = append(slices.Clone(whole.Updates), draft.Updates...)
		return whole, nil
	})
}

// audience tells who would see the last update of the incident that make makes
// for the page, and which of its components.
func (s *Service) audience(ctx context.Context, pageID string, make func(status.Snapshot, timestamp.Time) (status.Incident, error)) (Audience, error) {
	page, _, err := s.page(ctx, pageID, principal.Responder)
	if err != nil {
		return Audience{}, err
	}
	snapshot, found, err := s.Store.snapshot(ctx, page)
	if err != nil {
		return Audience{}, err
	}
	if !found {
		return Audience{}, problem.Lost(nil)
	}
	draft, err := make(snapshot, timestamp.Of(s.Now()))
	if err != nil {
		return Audience{}, err
	}
	last := draft.Updates[len(draft.Updates)-1]
	seeing := func(a Access) (Seeing, bool) {
		shown, ok := snapshot.Incident(draft, a.reader())
		ok = ok && shown.Updates[0].ID == last.ID
		v := Seeing{ID: a.ID, Name: a.PartnerName, Sees: []SeenComponent{}}
		if ok {
			for _, c := range shown.Components {
				if slices.ContainsFunc(shown.Updates[0].Components, func(now status.ViewTouched) bool { return now.ID == c.ID }) {
					v.Sees = append(v.Sees, SeenComponent{ID: c.ID, Name: c.Name})
				}
			}
		}
		return v, ok && a.RevokedAt == nil && !a.expired(s.Now())
	}
	list, more, err := s.candidates(ctx, pageID, draft.Audience, func(a Access) bool { _, ok := seeing(a); return ok })
	if err != nil {
		return Audience{}, err
	}
	out := Audience{Partners: []Seeing{}, Nobody: len(list) == 0, More: more}
	for _, a := range list {
		v, _ := seeing(a)
		out.Partners = append(out.Partners, v)
	}
	return out, nil
}

// incident is the draft as it would be published in a page.
func (d Draft) incident(page status.Snapshot, at timestamp.Time) (status.Incident, error) {
	known := map[string]bool{}
	for _, c := range page.Components {
		known[c.ID] = true
	}
	first := status.Update{At: at, Status: d.Status, Body: d.Body}
	var wrong []problem.Field
	for i, c := range d.Components {
		if !known[c.ID] {
			wrong = append(wrong, unknownComponent("body.components", i))
		}
		first.Components = append(first.Components, status.Touched{ID: c.ID, Status: c.Status})
	}
	only := d.Audience.Value
	if only != nil && only.PartnerAccessIDs == nil {
		wrong = append(wrong, problem.Field{Location: "body.audience.partnerAccessIds", Message: "a list; an empty one is nobody"})
	}
	if len(wrong) > 0 {
		return status.Incident{}, problem.Invalid(wrong...)
	}
	i := status.Incident{Title: d.Title, Impact: d.Impact, CreatedAt: at, Updates: []status.Update{first}}
	if only != nil {
		i.Audience = append([]string{}, only.PartnerAccessIDs...)
	}
	return i, nil
}

// candidates are the accesses of a page that keep lets through and whose
// accounts are active, newest first: of an audience, or of all when it is nil.
func (s *Service) candidates(ctx context.Context, pageID string, audience []string, keep func(Access) bool) (list []Access, more bool, err error) {
	if audience != nil {
		asked := make([]Access, len(audience))
		reads := make([]dynamo.Read, len(audience))
		var wrong []problem.Field
		for i, one := range audience {
			reads[i] = dynamo.Read{Key: accessKey(pageID, one), Out: &asked[i]}
			if !id.Valid(id.PartnerAccess, one) { // keeps foreign text out of keys
				wrong = append(wrong, unknownAccess(i))
			}
		}
		if len(wrong) > 0 {
			return nil, false, problem.Invalid(wrong...)
		}
		if err := s.Store.Table.ReadAll(ctx, reads...); err != nil {
			return nil, false, err
		}
		for i, a := range asked {
			if a.ID == "" {
				wrong = append(wrong, unknownAccess(i))
			}
		}
		if len(wrong) > 0 {
			return nil, false, problem.Invalid(wrong...)
		}
		list, err = s.active(ctx, distinct(asked, keep))
		return list, false, err
	}
	before := ""
	for {
		found, next, err := s.Store.accesses(ctx, pageID, httpapi.Page{Limit: maxSeeing, Before: before}, keep)
		if err != nil {
			return nil, false, err
		}
		found, err = s.active(ctx, found)
		if err != nil {
			return nil, false, err
		}
		list = append(list, found...)
		if len(list) > maxSeeing {
			return list[:maxSeeing], true, nil
		}
		if before = next; next == "" {
			return list, false, nil
		}
	}
}

// distinct are the accesses that keep lets through, each once, newest first.
func distinct(list []Access, keep func(Access) bool) []Access {
	list = slices.DeleteFunc(list, func(a Access) bool { return !keep(a) })
	slices.SortFunc(list, func(a, b Access) int { return cmp.Compare(b.ID, a.ID) })
	return slices.CompactFunc(list, func(a, b Access) bool { return a.ID == b.ID })
}

// active leaves out accesses whose accounts are deactivated.
func (s *Service) active(ctx context.Context, list []Access) ([]Access, error) {
	keys := make([]dynamo.Key, len(list))
	for i, a := range list {
		keys[i] = accountKey(a.PartnerID)
	}
	accounts, err := dynamo.GetAll[Account](ctx, s.Store.Table, keys)
	if err != nil {
		return nil, err
	}
	on := map[string]bool{}
	for _, a := range accounts {
		on[a.ID] = a.Active
	}
	var out []Access
	for _, a := range list {
		if on[a.PartnerID] {
			out = append(out, a)
		}
	}
	return out, nil
}

func unknownAccess(i int) problem.Field {
	return problem.Field{Location: fmt.Sprintf("body.audience.partnerAccessIds[%d]", i), Message: "is no access of this page"}
}

// Preview is a page as an access shows it. It is for staff, and no look.
func (s *Service) Preview(ctx context.Context, pageID, accessID string) (status.View, Access, error) {
	at, err := s.may(ctx, pageID, accessID, principal.TeamAdmin)
	if err != nil {
		return status.View{}, Access{}, err
	}
	snapshot, found, err := s.Store.snapshot(ctx, at.page)
	if err != nil {
		return status.View{}, Access{}, err
	}
	if !found { // deleted at this moment
		return status.View{}, Access{}, problem.Lost(nil)
	}
	return snapshot.For(at.access.reader(), s.Now()), at.access, nil
}
