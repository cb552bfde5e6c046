// Package acme is a status page to look at: acme-cloud, with groups, an open incident, a coming maintenance and 90 days of
// plausible history, and two partners who see different parts of it. It stands in for a page that staff have made, in
// tests of what readers get and in pictures; it is the same for the same time, to the byte.
package acme

import (
	"fmt"
	"time"

	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

// Slug of the page, and its id.
const (
	Slug   = "acme-cloud"
	PageID = "sp_01K9ZD3R5N0000000000000001"
)

// AccessAcme and AccessGlobex are the ids of the two partners' accesses.
const (
	AccessAcme   = "acc_01K9ZD3R5N0000000000000001"
	AccessGlobex = "acc_01K9ZD3R5N0000000000000002"
)

// Acme sees everything that is for everybody.
func Acme() status.Reader { return status.Reader{AccessID: AccessAcme} }

// Globex sees payments and the console, and nothing of the API.
func Globex() status.Reader {
	return status.Reader{AccessID: AccessGlobex, Components: []string{component(3), component(4), component(5), component(6)}}
}

func id(prefix string, n int) string { return fmt.Sprintf("%s_01K9ZD3R5N%016d", prefix, n) }

func component(n int) string { return id("cmp", n) }

// Open is the id of the open incident, Past that of one that is over, and Coming that of the maintenance to come.
var Open, Past, Coming = id("spi", 1), id("spi", 2), id("mnt", 1)

// trouble is a time in which a component was not well.
type trouble struct {
	component int
	daysAgo   int
	hour      float64 // of the day, UTC
	lasts     time.Duration
	status    status.ComponentStatus
}

var troubles = []trouble{
	{0, 71, 9.5, 38 * time.Minute, status.DegradedPerformance},
	{0, 47, 14.2, 52 * time.Minute, status.PartialOutage},
	{1, 47, 14.2, 95 * time.Minute, status.MajorOutage},
	{1, 33, 2, 4 * time.Hour, status.DegradedPerformance},
	{2, 61, 20, 12 * time.Minute, status.MajorOutage},
	{3, 19, 7.75, 31 * time.Minute, status.PartialOutage},
	{5, 9, 16.1, 84 * time.Minute, status.PartialOutage},
	{5, 4, 11, 26 * time.Minute, status.DegradedPerformance},
	{6, 26, 5, 3 * time.Hour, status.DegradedPerformance},
}

// Snapshot is the page at a time.
func Snapshot(now time.Time) status.Snapshot {
	now = now.UTC().Truncate(time.Minute)
	ago := func(d time.Duration) timestamp.Time { return timestamp.Of(now.Add(-d)) }
	at := func(days int, hour float64) timestamp.Time {
		midnight := now.Truncate(24 * time.Hour)
		return timestamp.Of(midnight.AddDate(0, 0, -days).Add(time.Duration(hour * float64(time.Hour))))
	}
	born := ago(500 * 24 * time.Hour)
	s := status.Snapshot{
		PageID: PageID, TeamID: "team_01K9ZD3R5N0000000000000001", Slug: Slug, Name: "Acme Cloud",
		Description: "How our services are doing, for the partners who build on them.", TimeZone: "Europe/Berlin", Accent: "#0f766e",
		SessionDays: 7, SaidAt: born,
	}
	for n, c := range []struct{ name, group, description string }{
		{"REST API", "Developer platform", "Everything below api.acme.example"},
		{"Webhooks", "Developer platform", "Events that we send to you"},
		{"Sign-in and keys", "Developer platform", ""},
		{"Web console", "Console", ""},
		{"Mobile apps", "Console", "iOS and Android"},
		{"Card payments", "Payments", "Authorisation and capture"},
		{"Payouts", "Payments", "Daily runs at 06:00 Berlin time"},
		{"Documentation", "", "docs.acme.example"},
	} {
		one := status.Component{
			ID: component(n), Name: c.name, Group: c.group, Description: c.description, Position: n + 1, Status: status.Operational,
			CreatedAt: born, UpdatedAt: born, Rev: 1, Log: []status.Change{{At: born, Status: status.Operational}},
		}
		if n == 4 { // it is new
			one.CreatedAt = at(38, 8)
			one.UpdatedAt, one.Log[0].At = one.CreatedAt, one.CreatedAt
		}
		for _, t := range troubles {
			if t.component != n {
				continue
			}
			from := at(t.daysAgo, t.hour)
			one.Log = append(one.Log, status.Change{At: from, Status: t.status}, status.Change{At: timestamp.Of(from.Add(t.lasts)), Status: status.Operational})
		}
		if n == 1 { // of the open incident
			one.Log = append(one.Log, status.Change{At: ago(95 * time.Minute), Status: status.DegradedPerformance})
			one.Status = status.DegradedPerformance
		}
		s.Components = append(s.Components, one)
	}
	said := func(n int, when timestamp.Time, st status.IncidentStatus, body string, touched ...status.Touched) status.Update {
		return status.Update{ID: id("spu", n), At: when, Status: st, Body: body, Components: touched}
	}
	s.Incidents = []status.Incident{
		{ID: Open, Title: "Webhooks arrive late", Impact: status.ImpactMinor, CreatedAt: ago(95 * time.Minute), Rev: 3, Updates: []status.Update{
			said(1, ago(95*time.Minute), status.Investigating, "Some webhooks arrive **up to ten minutes late**. None are lost: each is kept until you have taken it.",
				status.Touched{ID: component(1), Status: status.DegradedPerformance}),
			said(2, ago(61*time.Minute), status.Identified, "A queue in one of three zones is being drained too slowly. We are moving its work to the others.\n\n- Deliveries to `eu-1` are on time again\n- `eu-2` still lags by some four minutes",
				status.Touched{ID: component(1), Status: status.DegradedPerformance}),
		}},
		{ID: Past, Title: "Card payments declined by mistake", Impact: status.ImpactMajor, CreatedAt: at(9, 16.1), Rev: 5, Updates: []status.Update{
			said(3, at(9, 16.1), status.Investigating, "Some card payments are declined although the card is good.", status.Touched{ID: component(5), Status: status.PartialOutage}),
			said(4, at(9, 16.6), status.Identified, "One of our acquirers answers with errors. We are routing around it.", status.Touched{ID: component(5), Status: status.PartialOutage}),
			said(5, at(9, 17.2), status.Monitoring, "All payments go through another acquirer now, and decline rates are back to normal.", status.Touched{ID: component(5), Status: status.PartialOutage}),
			said(6, at(9, 17.5), status.Resolved, "This is resolved. Payments that were declined in this time were **not** charged.", status.Touched{ID: component(5), Status: status.Operational}),
			said(7, at(7, 10), status.Postmortem, "## What happened\n\nAn acquirer changed a certificate two hours before the time that it had told us. We had pinned the old one.\n\n## What we changed\n\n1. Certificates are compared with what the acquirer publishes, every five minutes\n2. A second acquirer takes over **by itself** when one fails"),
		}},
		{ID: id("spi", 3), Title: "Slow card payments", Impact: status.ImpactMinor, CreatedAt: at(4, 11), Rev: 2, Updates: []status.Update{
			said(8, at(4, 11), status.Investigating, "Authorisations take up to six seconds.", status.Touched{ID: component(5), Status: status.DegradedPerformance}),
			said(9, at(4, 11.44), status.Resolved, "A database index was rebuilt; times are normal.", status.Touched{ID: component(5), Status: status.Operational}),
		}},
		{ID: id("spi", 4), Title: "Console partly unreachable", Impact: status.ImpactMajor, CreatedAt: at(19, 7.75), Rev: 2, Updates: []status.Update{
			said(10, at(19, 7.75), status.Investigating, "The console does not load for some.", status.Touched{ID: component(3), Status: status.PartialOutage}),
			said(11, at(19, 8.27), status.Resolved, "A release was taken back.", status.Touched{ID: component(3), Status: status.Operational}),
		}},
		{ID: id("spi", 5), Title: "Webhooks and API interrupted", Impact: status.ImpactCritical, CreatedAt: at(47, 14.2), Rev: 2, Updates: []status.Update{
			said(12, at(47, 14.2), status.Identified, "A network provider has an outage in Frankfurt.",
				status.Touched{ID: component(0), Status: status.PartialOutage}, status.Touched{ID: component(1), Status: status.MajorOutage}),
			said(13, at(47, 15.8), status.Resolved, "The provider has repaired it. Webhooks that were held back have been sent.",
				status.Touched{ID: component(0), Status: status.Operational}, status.Touched{ID: component(1), Status: status.Operational}),
		}},
	}
	begins := timestamp.Of(now.Truncate(24*time.Hour).AddDate(0, 0, 2).Add(4 * time.Hour))
	done := at(6, 3)
	ended := timestamp.Of(done.Add(70 * time.Minute))
	s.Maintenances = []status.Maintenance{
		{ID: Coming, Title: "Payouts move to a larger database", Body: "Payouts are held back for up to 30 minutes while we move. **Nothing is lost**, and nothing has to be done on your side.",
			StartsAt: begins, EndsAt: timestamp.Of(begins.Add(90 * time.Minute)), Components: []string{component(6)}, CreatedAt: ago(30 * time.Hour), UpdatedAt: ago(30 * time.Hour), Rev: 1},
		{ID: id("mnt", 2), Title: "New certificates for the REST API", Body: "Connections are closed once, and open again at once.",
			StartsAt: done, EndsAt: timestamp.Of(done.Add(2 * time.Hour)), CompletedAt: &ended, Components: []string{component(0)}, CreatedAt: at(12, 9), UpdatedAt: at(12, 9), Rev: 2,
			Updates: []status.MaintenanceUpdate{{ID: id("spu", 14), At: ended, Status: status.Completed, Body: "All certificates are new."}}},
	}
	return s
}

// Incident is one of the page's incidents, and false where there is none of the id.
func Incident(s status.Snapshot, incidentID string) (status.Incident, bool) {
	for _, i := range s.Incidents {
		if i.ID == incidentID {
			return i, true
		}
	}
	return status.Incident{}, false
}
