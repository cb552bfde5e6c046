package partner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/status"
)

// Teller mails what happens on pages to the persons of those accesses that have
// mail switched on, each in the words of their own view.
//
// Nobody is missed: what failed is tried again for a day. Nobody is mailed
// twice, however often a message comes, but for one case: a mail that was
// handed over, and of which that could not be written down, since the function
// died or the post's answer was lost.
type Teller struct {
	Store Store
	Queue Outbox // of notices: a long list goes on in another message
	Post  Post
	Now   func() time.Time
}

// Post takes letters.
type Post interface {
	// Deliver hands a letter over. ErrRefused is an address that gets no mail,
	// ErrReturned a letter that was not taken now; any other error is the post's own.
	Deliver(ctx context.Context, l Letter) error
}

// How a post refuses one letter, and takes others.
var (
	ErrRefused  = errors.New("the address gets no mail")
	ErrReturned = errors.New("the letter was not taken")
)

// Letter is news for one person.
type Letter struct {
	status.News
	To      string
	Partner string // through whose access they see the page
}

// Limits of what one message does; the next goes on.
const (
	lettersAtOnce = 100
	accessesRead  = 25
	lettersLease  = 90 * time.Second // longer than the function may run
	closing       = 15 * time.Second // what is kept of the function's time for the end
	deliverWithin = 10 * time.Second
	giveUpAfter   = 3 // letters in a row that the post failed at: it is down
	newsLife      = 24 * time.Hour
	markLife      = 48 * time.Hour
)

// mailedKey is the mark that a person was mailed of something.
func mailedKey(notice, personID string) dynamo.Key {
	return dynamo.Key{PK: "mailed#" + notice, SK: personID}
}

type mailedItem struct {
	PK  string `dynamodbav:"pk"`
	SK  string `dynamodbav:"sk"`
	TTL int64  `dynamodbav:"ttl"`
}

// Handle goes on with the notice that a message names. One that is gone is
// done, and one that somebody else is at is left to them.
func (t *Teller) Handle(ctx context.Context, m status.NoticeMessage) error {
	k, ok := m.Key()
	if !ok {
		return fmt.Errorf("%q is no notice", m.Subject)
	}
	now := t.Now()
	busy := expression.Name("busy")
	err := t.Store.Table.Nudge(ctx, k, expression.Set(busy, expression.Value(now.Add(lettersLease).Unix())),
		dynamo.Present().And(busy.LessThanEqual(expression.Value(now.Unix()))))
	if _, gone := dynamo.Failed(err); gone {
		return nil
	}
	var n status.Notice
	if err == nil {
		_, err = t.Store.Table.Get(ctx, k, &n)
	}
	if err != nil {
		return err
	}
	if age := now.Sub(n.Since.Time); age > newsLife {
		slog.WarnContext(ctx, "news not mailed: it is too old", "notice", n.Subject, "age", age.String())
		return t.done(ctx, n)
	}
	ended, err := t.tell(ctx, &n)
	switch {
	case err != nil:
	case ended && !n.Again:
		return t.done(ctx, n)
	case ended:
		n.Cursor, n.Again = "", false
		err = errors.New("some could not be mailed")
	}
	if kept := t.keep(ctx, n); kept != nil {
		return errors.Join(err, kept)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", n.Subject, err)
	}
	return t.Queue.Send(ctx, m)
}

func (t *Teller) done(ctx context.Context, n status.Notice) error {
	return dynamo.Commit(ctx, t.Store.Table.DB, due.Done(t.Store.Table, n.Item))
}

// keep writes down how far a notice has come, and leaves it to whoever comes next.
func (t *Teller) keep(ctx context.Context, n status.Notice) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	set := expression.Set(expression.Name("busy"), expression.Value(0)).
		Set(expression.Name("cursor"), expression.Value(n.Cursor)).Set(expression.Name("again"), expression.Value(n.Again))
	return t.Store.Table.Nudge(ctx, n.Key(), set, dynamo.Present())
}

// round is what one message does.
type round struct {
	*Teller
	notice   *status.Notice
	snapshot status.Snapshot
	left     int // letters
	failed   int // in a row
}

// tell goes through the accesses of the page from where the notice stands, and
// reports whether it came to their end.
func (t *Teller) tell(ctx context.Context, n *status.Notice) (ended bool, err error) {
	var p status.Page
	found, err := t.Store.Table.Get(ctx, status.PageKey(n.PageID()), &p)
	if err != nil || !found {
		return !found, err
	}
	snapshot, found, err := t.Store.snapshot(ctx, p)
	if err != nil {
		return false, err
	}
	if !found {
		return false, errors.New("the page is moving")
	}
	r := &round{Teller: t, notice: n, snapshot: snapshot, left: lettersAtOnce}
	for {
		list, next, err := t.Store.accesses(ctx, p.ID, httpapi.Page{Before: n.Cursor, Limit: accessesRead},
			func(a Access) bool { return a.Mail && a.RevokedAt == nil })
		if err != nil {
			return false, err
		}
		for _, a := range list {
			if late(ctx) {
				return false, nil
			}
			if all, err := r.access(ctx, a.StatusPageID, a.ID, a.PartnerID); err != nil || !all {
				return false, err
			}
			n.Cursor = a.ID
		}
		if next == "" {
			return true, nil
		}
		n.Cursor = next
	}
}

// late reports whether the function has to come to its end.
func late(ctx context.Context) bool {
	until, bounded := ctx.Deadline()
	return bounded && time.Until(until) < closing
}

// access mails the persons of one, as it is at this moment, and reports whether it came to all of them.
func (r *round) access(ctx context.Context, pageID, accessID, partnerID string) (all bool, err error) {
	var account Account
	var a Access
	if err := r.Store.Table.ReadAll(ctx, dynamo.Read{Key: accountKey(partnerID), Out: &account}, dynamo.Read{Key: accessKey(pageID, accessID), Out: &a}); err != nil {
		return false, err
	}
	now := r.Now()
	if !a.Mail || a.RevokedAt != nil || a.expired(now) || !account.Active || account.ID != a.PartnerID { // if it moved between the two reads, it comes again
		r.notice.Again = r.notice.Again || a.Mail && a.PartnerID != partnerID
		return true, nil
	}
	news, ok := r.notice.For(r.snapshot, a.reader(), now)
	if !ok {
		return true, nil
	}
	people, err := r.Store.seated(ctx, a.ID)
	if err != nil {
		return false, err
	}
	keys := make([]dynamo.Key, len(people))
	for i, p := range people {
		keys[i] = mailedKey(r.notice.Name(), p.ID)
	}
	marks, err := dynamo.GetAll[mailedItem](ctx, r.Store.Table, keys)
	if err != nil {
		return false, err
	}
	mailed := map[string]bool{}
	for _, m := range marks {
		mailed[m.SK] = true
	}
	stopped, err := r.Store.stopped(ctx, people)
	if err != nil {
		return false, err
	}
	for _, p := range people {
		if _, stop := stopped[p.Email]; mailed[p.ID] || stop {
			continue
		}
		if r.left == 0 || late(ctx) {
			return false, nil
		}
		r.left--
		if err := r.mail(ctx, p, Letter{News: news, To: p.Email, Partner: a.PartnerName}); err != nil {
			return false, err
		}
	}
	return true, nil
}

// mail hands over one letter and marks that. An error is one that the others would meet too.
func (r *round) mail(ctx context.Context, p Person, l Letter) error {
	within, cancel := context.WithTimeout(ctx, deliverWithin)
	defer cancel()
	err := r.Post.Deliver(within, l)
	refused := errors.Is(err, ErrRefused)
	if err == nil || refused {
		r.failed = 0
		if refused {
			slog.ErrorContext(ctx, "address refused", "notice", r.notice.Subject, "person", p.ID, "error", err)
		}
		k := mailedKey(r.notice.Name(), p.ID)
		err := dynamo.Commit(ctx, r.Store.Table.DB, r.Store.Table.Create(mailedItem{PK: k.PK, SK: k.SK, TTL: r.Now().Add(markLife).Unix()}))
		if _, marked := dynamo.Failed(err); marked {
			return nil
		}
		return err
	}
	r.notice.Again = true
	slog.WarnContext(ctx, "person not mailed", "notice", r.notice.Subject, "person", p.ID, "error", err)
	if errors.Is(err, ErrReturned) {
		return nil
	}
	if r.failed++; r.failed == giveUpAfter {
		return fmt.Errorf("the post is down: %w", err)
	}
	return nil
}
