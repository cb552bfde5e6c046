package incident

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/timestamp"
)

// Store keeps incidents, timelines and services in the automation table.
//
//	inc#<incident>         inc             the incident         byTeam inc#<team>, byKind inc
//	inc#<incident>         tl#<ulid>       a timeline entry
//	dedup#<service>#...    dedup           which open incident holds the dedup key (slot)
//	dedup#<service>#...    last            when its sender last said that it is over; it expires
//	taken#<delivery>       taken           what became of an alert; it expires
//	svc#<service>          svc             the service          byTeam svc#<team>, byKind svc
//	svc#<service>          open#<incident> an open incident of the service
//	svcname#<team>         <name>          which service holds the name
type Store struct{ Table dynamo.Table }

const (
	incidentSK     = "inc"
	incidentKind   = "inc"
	incidentTeam   = "inc#"
	pointerSK      = "dedup"
	lastSK         = "last"
	pointerSubject = "incidentId"
)

type incidentItem struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	ByTeam string `dynamodbav:"byTeam"`
	ByKind string `dynamodbav:"byKind"`
	Incident
}

// pointer names the open incident that holds a dedup key.
type pointer struct {
	PK         string `dynamodbav:"pk"`
	SK         string `dynamodbav:"sk"`
	IncidentID string `dynamodbav:"incidentId"`
}

func incidentPK(incidentID string) string { return "inc#" + incidentID }

func incidentKey(incidentID string) dynamo.Key {
	return dynamo.Key{PK: incidentPK(incidentID), SK: incidentSK}
}

// slot is what one open incident at a time holds: a dedup key of a service. Each
// integration has its keys for itself, so that who learns the secret of one
// neither ends what another opened, nor holds a key that another would open by;
// those of people and API keys are one space.
type slot struct{ service, integration, dedupKey string }

// slotOf is the slot of an incident, and false for one without a dedup key.
func slotOf(i Incident) (slot, bool) {
	if i.DedupKey == nil {
		return slot{}, false
	}
	s := slot{service: i.ServiceID, dedupKey: *i.DedupKey}
	if i.Source.IntegrationID != nil {
		s.integration = *i.Source.IntegrationID
	}
	return s, true
}

func (s slot) key() dynamo.Key {
	pk := "dedup#" + s.service + "#"
	if s.integration != "" {
		pk += s.integration + "#"
	}
	sum := sha256.Sum256([]byte(s.dedupKey)) // callers' text stays out of keys, and their length is bounded
	return dynamo.Key{PK: pk + hex.EncodeToString(sum[:]), SK: pointerSK}
}

func itemOf(i Incident) incidentItem {
	return incidentItem{PK: incidentPK(i.ID), SK: incidentSK, ByTeam: incidentTeam + i.TeamID, ByKind: incidentKind, Incident: i}
}

// Incident reads an incident, and false where there is none.
func (s Store) Incident(ctx context.Context, incidentID string) (Incident, bool, error) {
	var i Incident
	found, err := s.Table.Get(ctx, incidentKey(incidentID), &i)
	return i, found, err
}

// Reading reads an incident together with other things.
func Reading(incidentID string, out *Incident, found *bool) dynamo.Read {
	return dynamo.Read{Key: incidentKey(incidentID), Out: out, Found: found}
}

// holder is the open incident that holds a slot.
func (s Store) holder(ctx context.Context, of slot) (incidentID string, found bool, err error) {
	var p pointer
	found, err = s.Table.Get(ctx, of.key(), &p)
	return p.IncidentID, found, err
}

// last is when what a dedup key stands for last ended, by the sender's clock.
type last struct {
	PK  string         `dynamodbav:"pk"`
	SK  string         `dynamodbav:"sk"`
	TTL int64          `dynamodbav:"ttl"`
	At  timestamp.Time `dynamodbav:"at"`
}

// ended reads that, and false where it is not known, or too long ago to matter.
func (s Store) ended(ctx context.Context, of slot, now time.Time) (timestamp.Time, bool, error) {
	var l last
	found, err := s.Table.Get(ctx, dynamo.Key{PK: of.key().PK, SK: lastSK}, &l)
	return l.At, found && l.TTL > now.Unix(), err
}

// end remembers it for keep.
func (s Store) end(of slot, at timestamp.Time, keep time.Duration, now time.Time) dynamo.Op {
	return s.Table.Put(last{PK: of.key().PK, SK: lastSK, TTL: now.Add(keep).Unix(), At: at}, either())
}

// open are the writes of a new incident. One fails when another incident holds its dedup key.
func (s Store) open(i Incident) []dynamo.Op {
	return append([]dynamo.Op{s.Table.Create(itemOf(i))}, s.claim(i)...)
}

// Remember are the writes of an incident that is over, with its timeline: what
// another system knows of the past. Nobody is told of it, and nothing acts on it.
func (s Store) Remember(i Incident, timeline []Entry) []dynamo.Op {
	ops := []dynamo.Op{s.Table.Create(itemOf(i))}
	for _, e := range timeline {
		ops = append(ops, s.Append(i.ID, e))
	}
	return ops
}

// replace is the write of what a decision changed, of an incident that was
// read at the revision before its own. It leaves alertCount alone: alerts that
// come in meanwhile are neither lost nor a lost race.
func (s Store) replace(i Incident) dynamo.Op {
	update := expression.Set(expression.Name("rev"), expression.Value(i.Rev))
	for name, value := range map[string]any{
		"title": i.Title, "description": i.Description, "severity": i.Severity, "labels": i.Labels,
		"status": i.Status, "acknowledgedById": i.AcknowledgedByID, "acknowledgedAt": i.AcknowledgedAt,
		"resolvedById": i.ResolvedByID, "resolvedAt": i.ResolvedAt, "updatedAt": i.UpdatedAt,
		"escalatedAt": i.EscalatedAt, "escalateAt": i.EscalateAt, "source": i.Source, "unattended": i.Ceiling(),
	} {
		update = update.Set(expression.Name(name), expression.Value(value))
	}
	return s.Table.Update(incidentKey(i.ID), update, dynamo.Is("rev", i.Rev-1))
}

// fold raises the alert count of an incident that is still open, and at least as bad as the alert.
func (s Store) fold(incidentID string, alert Severity, fired *timestamp.Time, at timestamp.Time) dynamo.Op {
	update := expression.Add(expression.Name("alertCount"), expression.Value(1)).
		Set(expression.Name("updatedAt"), expression.Value(at.String()))
	if fired != nil {
		update = update.Set(expression.Name("firedAt"), expression.Value(fired))
	}
	var bad expression.ConditionBuilder
	for _, s := range atLeast(alert) {
		if is := dynamo.Is("severity", s); bad.IsSet() {
			bad = bad.Or(is)
		} else {
			bad = is
		}
	}
	return s.Table.Update(incidentKey(incidentID), update, dynamo.Present().And(
		expression.Name("status").NotEqual(expression.Value(Resolved)), bad))
}

// worsen is fold for an alert that is worse than the incident was when it was
// seen: i is what it becomes.
func (s Store) worsen(i Incident) dynamo.Op {
	update := expression.Add(expression.Name("alertCount"), expression.Value(1)).
		Set(expression.Name("updatedAt"), expression.Value(i.UpdatedAt)).
		Set(expression.Name("severity"), expression.Value(i.Severity)).
		Set(expression.Name("unattended"), expression.Value(i.Unattended)).
		Set(expression.Name("rev"), expression.Value(i.Rev))
	if i.FiredAt != nil {
		update = update.Set(expression.Name("firedAt"), expression.Value(i.FiredAt))
	}
	return s.Table.Update(incidentKey(i.ID), update, dynamo.Is("rev", i.Rev-1))
}

// claim makes an open incident known to its service, the holder of its dedup
// key, and one that escalates in time.
func (s Store) claim(i Incident) []dynamo.Op {
	k := openKey(i.ServiceID, i.ID)
	ops := []dynamo.Op{s.Table.Put(openItem{PK: k.PK, SK: k.SK}, either())}
	if i.EscalateAt != nil {
		ops = append(ops, due.Put(s.Table, escalation(i)))
	}
	if held, has := slotOf(i); has {
		p := held.key()
		ops = append(ops, s.Table.Create(pointer{PK: p.PK, SK: p.SK, IncidentID: i.ID}))
	}
	return ops
}

// release undoes claim.
func (s Store) release(i Incident) []dynamo.Op {
	ops := append(s.forget(i), s.Table.Delete(openKey(i.ServiceID, i.ID), either()))
	if held, has := slotOf(i); has {
		ops = append(ops, s.Table.Delete(held.key(), expression.Or(dynamo.Absent(), dynamo.Is(pointerSubject, i.ID))))
	}
	return ops
}

// escalation is the reminder of an incident that escalates.
func escalation(i Incident) due.Item {
	return due.React.New(DueEscalate, i.ID, i.EscalateAt.Time)
}

// forget are the writes of an incident that does not escalate any more.
func (s Store) forget(i Incident) []dynamo.Op {
	if i.EscalateAt == nil {
		return nil
	}
	return []dynamo.Op{due.Done(s.Table, escalation(i))}
}

// either holds whether or not there is an item: the write is the same both ways.
func either() expression.ConditionBuilder { return expression.Or(dynamo.Absent(), dynamo.Present()) }

// incidents lists what keep accepts of the teams, or of all when teams is nil, newest first.
func (s Store) incidents(ctx context.Context, teams []string, keep func(Incident) bool, page httpapi.Page) ([]Incident, string, error) {
	return dynamo.List(ctx, s.Table, query(incidentKind, teams, page), func(i Incident) string { return i.ID }, keep)
}

// query reads a kind of thing by team, or all of it when teams is nil.
func query(kind string, teams []string, page httpapi.Page) dynamo.Query {
	q := dynamo.Query{Index: "byKind", Values: []string{kind}, Sort: "id", Before: page.Before, Limit: page.Limit}
	if teams != nil {
		q.Index, q.Values = "byTeam", nil
		for _, t := range teams {
			q.Values = append(q.Values, kind+"#"+t)
		}
	}
	return q
}

// timeline lists an incident's entries, newest first.
func (s Store) timeline(ctx context.Context, incidentID string, page httpapi.Page) ([]Entry, string, error) {
	q := dynamo.Query{Values: []string{incidentPK(incidentID)}, Sort: dynamo.SK, Prefix: entryPrefix, Before: page.Before, Limit: page.Limit}
	return dynamo.List(ctx, s.Table, q, func(e Entry) string { return entrySK(e.ID) }, nil)
}
