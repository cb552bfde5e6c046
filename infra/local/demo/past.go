package demo

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

// Past is what was before anybody looked, which no API can tell of: a page's ninety days, and a week of incidents.
type Past struct {
	Automation, Status dynamo.Table
	Now                func() time.Time
}

// page gives a page ninety days of history: it writes the page's snapshot as if the components had been there, with the
// outages of the demo's summer.
func (past Past) page(ctx context.Context, slug string) error {
	table, now := past.Status, past.Now
	var at status.Address
	if found, err := table.Get(ctx, status.AddressKey(slug), &at); err != nil || !found {
		return fmt.Errorf("there is no page %s: %w", slug, err)
	}
	var p status.Published
	if found, err := table.Get(ctx, status.PublishedKey(at.PageID), &p); err != nil || !found {
		return fmt.Errorf("the page %s is not published: %w", slug, err)
	}
	s, err := status.Unpack(p.Packed)
	if err != nil {
		return err
	}
	s = pastOf(s, now())
	if p.Packed, err = s.Pack(now()); err != nil {
		return err
	}
	rev := p.Rev
	p.Rev++
	ops := []dynamo.Op{table.Put(p, dynamo.Is("rev", rev))}
	for _, i := range s.Incidents {
		packed, err := packed(i)
		if err != nil {
			return err
		}
		k := status.RecordKey(s.PageID, i.ID)
		ops = append(ops, table.Create(status.Record{PK: k.PK, SK: k.SK, ID: i.ID, Packed: packed}))
	}
	return dynamo.Commit(ctx, table.DB, ops...)
}

// packed is the form of a record: gzipped JSON.
func packed(v any) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(v); err != nil {
		return nil, err
	}
	err := z.Close()
	return b.Bytes(), err
}

// outage is one thing that happened, days ago.
type outage struct {
	days     int
	hour     int
	minutes  int
	parts    []string
	status   status.ComponentStatus
	impact   status.Impact
	title    string
	cause    string
	resolved string
}

var outages = []outage{
	{83, 7, 34, []string{"Public API"}, status.PartialOutage, status.ImpactMajor, "Errors at the public API", "One of three zones dropped connections.", "The zone was taken out of service."},
	{61, 13, 95, []string{"Checkout", "Catalogue"}, status.MajorOutage, status.ImpactCritical, "Shop not reachable", "A certificate had run out.", "A new certificate is in place, and its renewal is watched."},
	{44, 22, 18, []string{"Sign-in"}, status.DegradedPerformance, status.ImpactMinor, "Sign-in was slow", "A cache was cold after a release.", "The cache is warm again."},
	{31, 9, 52, []string{"Acme data link"}, status.MajorOutage, status.ImpactMajor, "Acme's data link was down", "A router restarted at the carrier.", "The carrier repaired it. Data was sent again."},
	{24, 3, 41, []string{"Globex data link"}, status.PartialOutage, status.ImpactMajor, "Globex's data link lost packets", "A line card was faulty.", "The card was replaced."},
	{12, 16, 27, []string{"Reports"}, status.DegradedPerformance, status.ImpactMinor, "Reports came late", "A query waited for a lock.", "The lock is gone."},
	{5, 11, 12, []string{"Public API", "Checkout"}, status.PartialOutage, status.ImpactMajor, "Timeouts for some requests", "A deployment went out with too few instances.", "It was rolled back."},
}

// pastOf is a page whose components are as old as its history.
func pastOf(s status.Snapshot, now time.Time) status.Snapshot {
	rng := rand.New(rand.NewPCG(7, 7)) // the same past each time
	born := timestamp.Of(now.AddDate(0, 0, -status.Remembered-5))
	ids := map[string]int{}
	for i, c := range s.Components {
		ids[c.Name] = i
		s.Components[i].CreatedAt, s.Components[i].Log = born, []status.Change{{At: born, Status: status.Operational}}
		if c.Name == "Reports" { // newer than the rest: no data before
			young := timestamp.Of(now.AddDate(0, 0, -40))
			s.Components[i].CreatedAt, s.Components[i].Log[0].At = young, young
		}
	}
	for _, o := range outages {
		from := now.AddDate(0, 0, -o.days).Truncate(24 * time.Hour).Add(time.Duration(o.hour)*time.Hour + time.Duration(rng.IntN(50))*time.Minute)
		to := from.Add(time.Duration(o.minutes) * time.Minute)
		var hit, well []status.Touched
		for _, name := range o.parts {
			i, there := ids[name]
			if !there {
				continue
			}
			c := &s.Components[i]
			c.Log = append(c.Log, status.Change{At: timestamp.Of(from), Status: o.status}, status.Change{At: timestamp.Of(to), Status: status.Operational})
			hit, well = append(hit, status.Touched{ID: c.ID, Status: o.status}), append(well, status.Touched{ID: c.ID, Status: status.Operational})
		}
		if len(hit) == 0 {
			continue
		}
		update := func(at time.Time, is status.IncidentStatus, body string, touched []status.Touched) status.Update {
			return status.Update{ID: id.New(id.PageUpdate, at), At: timestamp.Of(at), Status: is, Body: body, Components: touched}
		}
		s.Incidents = append(s.Incidents, status.Incident{
			ID: id.New(id.PageIncident, from), Title: o.title, Impact: o.impact, CreatedAt: timestamp.Of(from), Rev: 1,
			Updates: []status.Update{
				update(from, status.Investigating, "We see it and are looking for the cause.", hit),
				update(from.Add(to.Sub(from)/2), status.Identified, o.cause, nil),
				update(to, status.Resolved, o.resolved, well),
			},
		})
	}
	for _, c := range s.Components {
		slices.SortFunc(c.Log, func(a, b status.Change) int { return a.At.Compare(b.At.Time) })
	}
	slices.SortFunc(s.Incidents, func(a, b status.Incident) int { return b.CreatedAt.Compare(a.CreatedAt.Time) })
	return s
}
