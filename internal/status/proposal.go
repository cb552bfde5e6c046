package status

import (
	"slices"
	"strings"
)

// expected is what an internal incident does to its components, where nobody says better.
var expected = map[Impact]ComponentStatus{
	ImpactNone: Operational, ImpactMinor: DegradedPerformance, ImpactMajor: PartialOutage, ImpactCritical: MajorOutage,
}

// services are those that components stand for, each once.
func (s Snapshot) services() []string {
	var out []string
	for _, c := range s.Components {
		if c.ServiceID != "" {
			out = append(out, c.ServiceID)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// propose makes of an internal incident what could be said of it.
func (s Snapshot) propose(i Internal) Proposal {
	p := Proposal{InternalIncidentID: i.ID, Title: i.Title, Impact: i.Impact, Status: Investigating, Components: []Touched{}}
	var names []string
	for _, c := range s.Components {
		if c.ServiceID == i.ServiceID {
			p.Components = append(p.Components, Touched{ID: c.ID, Status: expected[i.Impact]})
			names = append(names, c.Name)
		}
	}
	p.Body = "We are looking into a problem with " + strings.Join(names, ", ") + "."
	if len(names) > 3 {
		p.Body = "We are looking into a problem with " + strings.Join(names[:3], ", ") + " and more."
	}
	return p
}
