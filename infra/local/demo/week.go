package demo

import (
	"context"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/incident"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
)

// trouble is an incident of the week before.
type trouble struct {
	days, hour, minute int // before today, and when
	lasted             time.Duration
	service            string
	severity           incident.Severity
	alerts             int64
	title, about       string
	notes              []string
	resolved           string
}

var week = []trouble{
	{6, 2, 14, 47 * time.Minute, "checkout", incident.Critical, 9, "Checkout answers 500 for one request in five", "The canary in eu-west fails since the release of 2 a.m.",
		[]string{"Rolled the release back. Errors fall.", "Cause: a column that the old schema does not have."}, "Rolled back; the migration goes out first next time."},
	{5, 9, 3, 22 * time.Minute, "search", incident.Medium, 2, "Search index is 20 minutes behind", "",
		[]string{"Restarted the consumer by its runbook."}, "Caught up."},
	{5, 16, 40, 8 * time.Minute, "checkout", incident.Low, 1, "Certificate of pay.example.com ends in 14 days", "", nil, "Renewed."},
	{4, 11, 27, 73 * time.Minute, "checkout", incident.High, 14, "Replica of checkout-db lags 6 minutes", "Writes are fine; reads of orders are old.",
		[]string{"A report holds a transaction open since 10:50.", "Ended it. The lag falls by a minute each minute."}, "The report runs on its own replica from now on."},
	{3, 3, 51, 19 * time.Minute, "search", incident.High, 3, "Search answers slowly: p99 is 4 s", "",
		[]string{"One of three nodes was swapping. Drained it."}, "Node replaced."},
	{2, 13, 8, 31 * time.Minute, "checkout", incident.Medium, 2, "Queue of receipts grows", "Mails with receipts wait for 12 minutes.",
		[]string{"The provider answers 429. Sending at half the rate."}, "The provider let go; the queue is empty."},
	{1, 7, 35, 12 * time.Minute, "checkout", incident.Critical, 21, "Disk of web-2 is 99 % full", "",
		[]string{"Ran \"Free disk space\": 41 GB freed."}, "Log rotation was off on web-2; it is on again."},
	{1, 20, 2, 26 * time.Minute, "search", incident.Low, 1, "Backup of the index took 3 h", "", nil, "Within its window."},
}

// incidents writes the week before, as a team that acts through people would have left it.
func (past Past) incidents(ctx context.Context, teamID string, services map[string]string, responder string) error {
	store, now := incident.Store{Table: past.Automation}, past.Now().UTC()
	for _, w := range week {
		serviceID := services[w.service]
		if serviceID == "" {
			continue
		}
		day := now.AddDate(0, 0, -w.days)
		began := time.Date(day.Year(), day.Month(), day.Day(), w.hour, w.minute, 11, 0, time.UTC)
		seen, over := began.Add(w.lasted/9), began.Add(w.lasted)
		i := incident.Incident{
			ID: id.New(id.Incident, began), Title: w.title, Description: w.about, Severity: w.severity, Status: incident.Resolved, ServiceID: serviceID, TeamID: teamID,
			Labels: map[string]string{}, Source: incident.Source{Kind: incident.Manual, Trust: trust.Person}, AlertCount: w.alerts,
			AcknowledgedByID: &responder, AcknowledgedAt: timestamp.Ptr(seen), ResolvedByID: &responder, ResolvedAt: timestamp.Ptr(over),
			CreatedByID: responder, CreatedAt: timestamp.Of(began), UpdatedAt: timestamp.Of(over), Rev: 3,
		}
		by := audit.Ref{Kind: "user", ID: responder}
		entries := []incident.Entry{
			{At: timestamp.Of(began), Kind: incident.EntryCreated, Actor: by, Status: string(incident.Triggered), Text: w.title},
			{At: timestamp.Of(seen), Kind: incident.EntryAcknowledged, Actor: by, Status: string(incident.Acknowledged)},
		}
		for n, text := range w.notes {
			at := seen.Add(time.Duration(n+1) * over.Sub(seen) / time.Duration(len(w.notes)+2))
			entries = append(entries, incident.Entry{At: timestamp.Of(at), Kind: incident.EntryNote, Actor: by, Text: text})
		}
		entries = append(entries, incident.Entry{At: timestamp.Of(over), Kind: incident.EntryResolved, Actor: by, Status: string(incident.Resolved), Text: w.resolved})
		if err := dynamo.Commit(ctx, past.Automation.DB, store.Remember(i, entries)...); err != nil {
			return err
		}
	}
	return nil
}
