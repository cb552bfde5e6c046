// Package status is a team's status pages: components, incidents, maintenances,
// and what of them each reader sees.
//
// Everything that a reader gets is made by one pure function, Snapshot.For, from
// one stored item, the page's snapshot: HTML, JSON, feed, mail and preview render
// its result, a View, and nothing else. What is hidden from a reader is not in
// the View at all: not in a count, an indicator, a time or an order.
//
// Page incidents have nothing to do with the incidents that responders work on.
package status

// ComponentStatus is how one component does. The words are those that clients
// of status pages match on.
type ComponentStatus string

// The statuses of a component, best first but for maintenance.
const (
	Operational         ComponentStatus = "operational"
	DegradedPerformance ComponentStatus = "degraded_performance"
	PartialOutage       ComponentStatus = "partial_outage"
	MajorOutage         ComponentStatus = "major_outage"
	UnderMaintenance    ComponentStatus = "under_maintenance"
)

// ComponentStatuses are all of them.
var ComponentStatuses = []ComponentStatus{Operational, DegradedPerformance, PartialOutage, MajorOutage, UnderMaintenance}

// gravity orders statuses by what a day is remembered for: maintenance is
// worse than nothing, and anything that was not planned is worse than it.
var gravity = map[ComponentStatus]int{"": 0, Operational: 1, UnderMaintenance: 2, DegradedPerformance: 3, PartialOutage: 4, MajorOutage: 5}

// Valid reports whether s is one of the five.
func (s ComponentStatus) Valid() bool { return gravity[s] > 0 }

// worse is the graver of two statuses.
func worse(a, b ComponentStatus) ComponentStatus {
	if gravity[b] > gravity[a] {
		return b
	}
	return a
}

// IncidentStatus is how far an incident has come.
type IncidentStatus string

// The statuses of an incident. A postmortem follows a resolved one.
const (
	Investigating IncidentStatus = "investigating"
	Identified    IncidentStatus = "identified"
	Monitoring    IncidentStatus = "monitoring"
	Resolved      IncidentStatus = "resolved"
	Postmortem    IncidentStatus = "postmortem"
)

// Over reports whether an incident of this status is past.
func (s IncidentStatus) Over() bool { return s == Resolved || s == Postmortem }

// MaintenanceStatus is how far a maintenance has come.
type MaintenanceStatus string

// The statuses of a maintenance. Cancelled is for staff alone.
const (
	Scheduled  MaintenanceStatus = "scheduled"
	InProgress MaintenanceStatus = "in_progress"
	Verifying  MaintenanceStatus = "verifying"
	Completed  MaintenanceStatus = "completed"
	Cancelled  MaintenanceStatus = "cancelled"
)

// Impact is how bad an incident is.
type Impact string

// The impacts of an incident, mildest first.
const (
	ImpactNone     Impact = "none"
	ImpactMinor    Impact = "minor"
	ImpactMajor    Impact = "major"
	ImpactCritical Impact = "critical"
)

var impactRank = map[Impact]int{ImpactNone: 0, ImpactMinor: 1, ImpactMajor: 2, ImpactCritical: 3}

// impactOf is what a component's status does to the page as a whole.
var impactOf = map[ComponentStatus]Impact{
	Operational: ImpactNone, UnderMaintenance: ImpactNone,
	DegradedPerformance: ImpactMinor, PartialOutage: ImpactMajor, MajorOutage: ImpactCritical,
}
