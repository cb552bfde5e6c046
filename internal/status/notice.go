package status

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/timestamp"
)

// dueNotice is the kind of a Notice among what is due.
const dueNotice = "page.mail"

// What a notice is of, where it is of no update: "changed" has the revision behind it.
const (
	whatPlanned   = "planned"
	whatChanged   = "changed."
	whatCancelled = "cancelled"
	whatBegan     = "began"
	whatEnded     = "ended"
)

const (
	hurried = time.Minute      // how long the message of a notice has, before the clock sends it again
	hurry   = 10 * time.Minute // and from then on, each time
)

// Notice is something that was said of a page, or that came to pass on it, and
// that partners are to be mailed of. It is put in the transaction of its cause,
// and removed when all were mailed; its message only hurries it.
type Notice struct {
	due.Item                // its subject is page/item/what
	Since    timestamp.Time `dynamodbav:"since"`         // when it was said
	Was      *Before        `dynamodbav:"was,omitempty"` // of a maintenance that was changed
	Next     int64          `dynamodbav:"next"`          // Unix seconds: the clock leaves it alone until then

	// How far it has come; the partner room keeps these.
	Cursor string `dynamodbav:"cursor"` // the last access that was gone through; "" at the beginning
	Again  bool   `dynamodbav:"again"`  // somebody before it could not be mailed
	Busy   int64  `dynamodbav:"busy"`   // Unix seconds: somebody is at it until then
}

// Before is what decided, before a maintenance was changed, who saw what of it.
type Before struct {
	Words      bool     `dynamodbav:"words"` // what whoever sees it sees is another: its title, text or times
	Components []string `dynamodbav:"components"`
	Audience   []string `dynamodbav:"audience"`
}

// NoticeMessage names a notice in the queue.
type NoticeMessage struct {
	Subject string         `json:"subject"`
	At      timestamp.Time `json:"at"` // of its due item
}

// Key is where the notice stands, and false where the message names none.
func (m NoticeMessage) Key() (dynamo.Key, bool) {
	pageID, itemID, what := parts(m.Subject)
	ok := id.Valid(id.StatusPage, pageID) && (id.Valid(id.PageIncident, itemID) || id.Valid(id.Maintenance, itemID)) && len(what) > 0 && len(what) < 64
	return due.New(dueNotice, m.Subject, m.At.Time).Key(), ok
}

// Outbox takes the messages of notices.
type Outbox interface {
	Send(ctx context.Context, message any) error
}

func notice(pageID, itemID, what string, now time.Time) *Notice {
	return &Notice{Item: due.New(dueNotice, pageID+"/"+itemID+"/"+what, now.Add(hurried)), Since: timestamp.Of(now)}
}

func parts(subject string) (pageID, itemID, what string) {
	pageID, rest, _ := strings.Cut(subject, "/")
	itemID, what, _ = strings.Cut(rest, "/")
	return pageID, itemID, what
}

// PageID is the page that it happened on.
func (n Notice) PageID() string {
	pageID, _, _ := parts(n.Subject)
	return pageID
}

// Name is the same for nothing else that anybody is mailed of.
func (n Notice) Name() string {
	_, itemID, what := parts(n.Subject)
	return itemID + "#" + what
}

// tell sends the message of a notice that was put. One that is lost is sent again by the clock.
func tell(ctx context.Context, to Outbox, n *Notice) {
	if n == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := to.Send(ctx, NoticeMessage{Subject: n.Subject, At: n.At}); err != nil {
		slog.WarnContext(ctx, "notice waits for the clock", "subject", n.Subject, "error", err)
	}
}

// noticeOf is the notice of a maintenance that was changed, whichever way.
func noticeOf(pageID string, was, is Maintenance, now time.Time) *Notice {
	switch {
	case is.CancelledAt != nil:
		return notice(pageID, is.ID, whatCancelled, now)
	case len(is.Updates) > len(was.Updates):
		return notice(pageID, is.ID, is.Updates[len(is.Updates)-1].ID, now)
	}
	n := notice(pageID, is.ID, fmt.Sprint(whatChanged, is.Rev), now)
	n.Was = &Before{Words: !is.UpdatedAt.Equal(was.UpdatedAt.Time), Components: was.Components, Audience: was.Audience}
	return n
}

// noticeAt is the notice of what the clock makes of a maintenance, nil where
// what was said last has told it: it was put on record late, moved into the
// past, or ended by an update.
func noticeAt(kind, pageID string, m Maintenance, now time.Time) *Notice {
	switch {
	case kind == dueStarts && m.UpdatedAt.Before(m.StartsAt.Time):
		return notice(pageID, m.ID, whatBegan, now)
	case kind == dueEnds && m.CompletedAt == nil && m.UpdatedAt.Before(m.EndsAt.Time):
		return notice(pageID, m.ID, whatEnded, now)
	}
	return nil
}

// hasten sends the message of a notice again that still stands, and that nobody is at.
func (c *Clock) hasten(ctx context.Context, item due.Item) error {
	var n Notice
	found, err := c.Store.Table.Get(ctx, item.Key(), &n)
	now := c.Now()
	if err != nil || !found || now.Unix() < max(n.Next, n.Busy) {
		return err
	}
	if err := c.Notices.Send(ctx, NoticeMessage{Subject: n.Subject, At: n.At}); err != nil {
		return err
	}
	err = c.Store.Table.Nudge(ctx, item.Key(), expression.Set(expression.Name("next"), expression.Value(now.Add(hurry).Unix())), dynamo.Present())
	if _, gone := dynamo.Failed(err); gone {
		return nil
	}
	return err
}

// News is what a notice tells one reader: nothing that is not in their View.
type News struct {
	Page     string // its name
	Slug     string
	Zone     *time.Location
	ItemID   string
	Incident bool // else a maintenance
	Title    string
	Status   string // in words
	Changed  bool   // a maintenance is another than it was
	At       timestamp.Time
	Body     string // Markdown
	More     bool   // Body is only its beginning
	// Of a maintenance.
	StartsAt, EndsAt timestamp.Time
	Components       []ViewTouched
}

// For is what the notice tells a reader of the page as it is at now, and false
// where it tells them nothing: their view does not show it, shows nothing new,
// or has gone past it.
func (n Notice) For(s Snapshot, r Reader, now time.Time) (News, bool) {
	_, itemID, what := parts(n.Subject)
	s = s.only(itemID, what == whatCancelled)
	v := s.For(r, now)
	news := News{Page: v.Name, Slug: v.Slug, Zone: v.Zone, ItemID: itemID, At: n.Since}
	for _, i := range slices.Concat(v.Incidents, v.Past) {
		at := slices.IndexFunc(i.Updates, func(u ViewUpdate) bool { return u.ID == what })
		if at < 0 {
			continue
		}
		u := i.Updates[at]
		news.ItemID = i.ID // as this reader knows it
		news.Incident, news.Title, news.Status, news.At = true, i.Title, IncidentWords[u.Status], u.At
		news.Body, news.More, news.Components = u.Body, u.More, u.Components
		return news, true
	}
	m, seen := v.maintenance(itemID)
	if !seen {
		return News{}, false
	}
	news.Title, news.Status, news.Body, news.More = m.Title, MaintenanceWords[m.Status], m.Body, m.More
	news.StartsAt, news.EndsAt, news.Components = m.StartsAt, m.EndsAt, m.Components
	switch {
	case what == whatCancelled:
		news.Status = MaintenanceWords[Cancelled]
	case what == whatPlanned:
		news.Status = MaintenanceWords[n.said(m)]
	case what == whatBegan:
		news.At = m.StartsAt
		return news, m.Status == InProgress || m.Status == Verifying
	case what == whatEnded:
		news.At = m.EndsAt
		return news, m.Status == Completed
	case n.Was != nil:
		before, saw := s.as(*n.Was).For(r, now).maintenance(itemID)
		news.Changed, news.Status = saw, MaintenanceWords[n.said(m)]
		return news, n.Was.Words || !saw || !slices.Equal(before.Components, m.Components)
	default:
		at := slices.IndexFunc(m.Updates, func(u ViewMaintenanceUpdate) bool { return u.ID == what })
		if at < 0 {
			return News{}, false
		}
		u := m.Updates[at]
		news.Status, news.At, news.Body, news.More = MaintenanceWords[u.Status], u.At, u.Body, u.More
	}
	return news, true
}

// said is how a maintenance was when it was put on record or changed. That it
// began since then is news of its own.
func (n Notice) said(m ViewMaintenance) MaintenanceStatus {
	if n.Since.Before(m.StartsAt.Time) {
		return Scheduled
	}
	return m.Status
}

func (v View) maintenance(itemID string) (ViewMaintenance, bool) {
	for _, m := range slices.Concat(v.Maintenances, v.Done) {
		if m.ID == itemID {
			return m, true
		}
	}
	return ViewMaintenance{}, false
}

// only is the snapshot with nothing but one incident or maintenance beside its
// components, whose past is left out: a view of it costs little. recalled makes
// a maintenance what it was before it was cancelled: those who saw it are told.
func (s Snapshot) only(itemID string, recalled bool) Snapshot {
	s.Incidents = slices.DeleteFunc(slices.Clone(s.Incidents), func(i Incident) bool { return i.ID != itemID })
	s.Maintenances = slices.DeleteFunc(slices.Clone(s.Maintenances), func(m Maintenance) bool { return m.ID != itemID })
	for i := range s.Maintenances {
		if recalled {
			s.Maintenances[i].CancelledAt = nil
		}
	}
	s.Components = slices.Clone(s.Components)
	for i, c := range s.Components {
		s.Components[i].Log = c.Log[len(c.Log)-1:]
	}
	return s
}

// as is the snapshot with its one maintenance touching what it touched before.
func (s Snapshot) as(was Before) Snapshot {
	s.Maintenances = slices.Clone(s.Maintenances)
	for i := range s.Maintenances {
		s.Maintenances[i].Components, s.Maintenances[i].Audience = was.Components, was.Audience
	}
	return s
}

// Statuses in words, as mails have them.
var (
	IncidentWords = map[IncidentStatus]string{
		Investigating: "Investigating", Identified: "Identified", Monitoring: "Monitoring", Resolved: "Resolved", Postmortem: "Postmortem",
	}
	MaintenanceWords = map[MaintenanceStatus]string{
		Scheduled: "Scheduled", InProgress: "In progress", Verifying: "Verifying", Completed: "Completed", Cancelled: "Cancelled",
	}
	ComponentWords = map[ComponentStatus]string{
		Operational: "Operational", DegradedPerformance: "Degraded performance", PartialOutage: "Partial outage",
		MajorOutage: "Major outage", UnderMaintenance: "Under maintenance",
	}
)
