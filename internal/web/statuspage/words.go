package statuspage

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"pagefree/internal/status"
)

// state is how a status is told: by an icon and a word, with a colour beside.
type state struct {
	Class string // of the style sheet, and the icon's name
	Word  string
}

var componentStates = map[status.ComponentStatus]state{
	"":                         {"gap", "No data"},
	status.Operational:         {"ok", "Operational"},
	status.DegradedPerformance: {"slow", "Degraded performance"},
	status.PartialOutage:       {"part", "Partial outage"},
	status.MajorOutage:         {"down", "Major outage"},
	status.UnderMaintenance:    {"work", "Under maintenance"},
}

var impactStates = map[status.Impact]state{
	status.ImpactNone:     {"gap", "No impact"},
	status.ImpactMinor:    {"slow", "Minor impact"},
	status.ImpactMajor:    {"part", "Major impact"},
	status.ImpactCritical: {"down", "Critical impact"},
}

// bannerStates are the indicator's; the words come from the view.
var bannerStates = map[status.Impact]string{
	status.ImpactNone: "ok", status.ImpactMinor: "slow", status.ImpactMajor: "part", status.ImpactCritical: "down",
}

var incidentWords = map[status.IncidentStatus]string{
	status.Investigating: "Investigating", status.Identified: "Identified", status.Monitoring: "Monitoring",
	status.Resolved: "Resolved", status.Postmortem: "Postmortem",
}

var maintenanceWords = map[status.MaintenanceStatus]string{
	status.Scheduled: "Scheduled", status.InProgress: "In progress", status.Verifying: "Verifying",
	status.Completed: "Completed", status.Cancelled: "Cancelled",
}

// clock is a moment for people, in its own zone: 12 Mar 2026, 14:05 CET.
func clock(t time.Time) string { return t.Format("2 Jan 2006, 15:04 ") + zoneName(t) }

// span is a time from one moment to another, in one zone; what both have in
// common is written once: 12 Mar 2026, 14:05, and 15:10 CET.
func span(from, to time.Time) (string, string) {
	if from.Format(time.DateOnly) != to.Format(time.DateOnly) || zoneName(from) != zoneName(to) {
		return clock(from), clock(to)
	}
	return from.Format("2 Jan 2006, 15:04"), to.Format("15:04 ") + zoneName(to)
}

// zoneName is the short name of a time's zone; some have none but numbers.
func zoneName(t time.Time) string {
	name, offset := t.Zone()
	if name == "" || strings.Trim(name, "+-0123456789") == "" {
		return fmt.Sprintf("UTC%+03d:%02d", offset/3600, max(offset, -offset)/60%60)
	}
	return name
}

// percent is an uptime for people: 100 %, 99.98 %.
func percent(p float64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(p, 'f', 2, 64), "0"), ".") + " %"
}

// spell is a time span in seconds for people, in its two largest units.
func spell(seconds int) string {
	minutes := (seconds + 59) / 60
	switch {
	case seconds < 60:
		return "under 1 min"
	case minutes < 60:
		return fmt.Sprintf("%d min", minutes)
	case minutes%60 == 0:
		return fmt.Sprintf("%d h", minutes/60)
	}
	return fmt.Sprintf("%d h %d min", minutes/60, minutes%60)
}
