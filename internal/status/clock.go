package status

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
)

// Kinds of what is due on a page.
const (
	dueStarts = "maintenance.starts"
	dueEnds   = "maintenance.ends"
	duePurge  = "status_page.purge"
)

func starts(pageID string, m Maintenance) due.Item {
	return due.New(dueStarts, pageID+"/"+m.ID, m.StartsAt.Time)
}

func ends(pageID string, m Maintenance) due.Item {
	return due.New(dueEnds, pageID+"/"+m.ID, m.End().Time)
}

// Clock puts on record, each minute, which maintenances began and ended, has
// mailed of it, and of what lost its message, and removes what deleted pages left. What readers see never waits for it: they
// see maintenances by their own clock.
type Clock struct {
	Store   Store
	Audit   audit.Log
	Notices Outbox
	Left    Leavings
	Now     func() time.Time
}

// Leavings is what others keep for a page. Purge removes some of it each time,
// of a page that is deleted, and reports whether that was the rest. What is gone
// already is no error.
type Leavings interface {
	Purge(ctx context.Context, pageID string) (done bool, err error)
}

// purgeAfter is how long what a deleted page left stays: looks that are still
// in their queue find the accesses that they count in.
const purgeAfter = 10 * time.Minute

// Limits of one sweep; the rest waits a minute.
const (
	sweepLimit = 100 // due items of a shard
	purgeLimit = 500 // items of a deleted page
)

// Sweep handles every due item of this room. One that fails stays due.
func (c *Clock) Sweep(ctx context.Context) error {
	var errs []error
	for shard := range due.Shards {
		items, err := due.Before(ctx, c.Store.Table, shard, c.Now(), sweepLimit)
		errs = append(errs, err)
		for _, item := range items {
			if err := c.handle(ctx, item); err != nil {
				slog.ErrorContext(ctx, "due item not handled", "kind", item.Kind, "subject", item.Subject, "error", err)
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

func (c *Clock) handle(ctx context.Context, item due.Item) error {
	switch item.Kind {
	case duePurge:
		return c.purge(ctx, item)
	case dueNotice:
		return c.hasten(ctx, item)
	}
	pageID, maintenanceID, _ := strings.Cut(item.Subject, "/")
	p, there, err := c.Store.page(ctx, pageID)
	if err != nil {
		return err
	}
	ops := []dynamo.Op{c.Store.Table.Delete(item.Key(), dynamo.Present())} // whoever removes it tells it: once
	var news *Notice
	if there {
		var m planned
		if _, err := c.Store.read(ctx, pageID, maintenanceID, &m); err != nil {
			return err
		}
		if news = noticeAt(item.Kind, pageID, m.Maintenance, c.Now()); news != nil {
			ops = append(ops, c.Store.Table.Put(*news, either()))
		}
		event := map[string]string{dueStarts: "maintenance.started", dueEnds: "maintenance.ended"}[item.Kind]
		entry := about(event, "maintenance", maintenanceID, pageID, map[string]any{"at": item.At.String()})
		entry.TeamID = p.TeamID
		ops = append(ops, c.Audit.Record(ctx, c.Now(), entry))
	}
	err = dynamo.Commit(ctx, c.Store.Table.DB, ops...)
	if _, lost := dynamo.Failed(err); lost { // it was told, moved or cancelled meanwhile
		return nil
	}
	if err == nil {
		tell(ctx, c.Notices, news)
	}
	return err
}

// purge removes what a deleted page left, some of it each time.
func (c *Clock) purge(ctx context.Context, item due.Item) error {
	q := dynamo.Query{Values: []string{pagePK(item.Subject)}, Sort: dynamo.SK, Limit: purgeLimit}
	list, next, err := dynamo.List(ctx, c.Store.Table, q, func(r linkItem) string { return r.SK }, nil)
	if err != nil {
		return err
	}
	for len(list) > 0 {
		n := min(50, len(list))
		ops := make([]dynamo.Op, n)
		for i, r := range list[:n] {
			ops[i] = c.Store.Table.Delete(dynamo.Key{PK: r.PK, SK: r.SK}, either())
		}
		if err := dynamo.Commit(ctx, c.Store.Table.DB, ops...); err != nil {
			return err
		}
		list = list[n:]
	}
	if next != "" {
		return nil
	}
	if done, err := c.Left.Purge(ctx, item.Subject); err != nil || !done {
		return err
	}
	return dynamo.Commit(ctx, c.Store.Table.DB, due.Done(c.Store.Table, item))
}
