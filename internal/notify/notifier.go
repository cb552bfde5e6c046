package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/mailstop"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/teams"
)

// Directory is who there is to tell.
type Directory interface {
	Members(ctx context.Context, teamID string) ([]teams.Person, error)
	Admins(ctx context.Context) ([]teams.Person, error)
	People(ctx context.Context, ids []string) ([]teams.Person, error)
}

// Facts are what there is to say, as it is when it is said. False: it is gone.
type Facts interface {
	Incident(ctx context.Context, incidentID string) (Incident, bool, error)
	Execution(ctx context.Context, executionID string, output bool) (Execution, bool, error)
	Version(ctx context.Context, runbookID string, n int) (Version, bool, error)
}

// Incident is what is said of one.
type Incident struct {
	ID, Title, Severity, Status, Service string
}

// Execution is what is said of one. Stdout and Stderr, where they were asked
// for, are what the execution shows: cut, and with secrets masked.
type Execution struct {
	ID, Runbook, Status, Error, Reason string
	IncidentID                         string
	Stdout, Stderr                     string
	StdoutCut, StderrCut               bool
}

// Version is what is said of a runbook's version that waits for review.
type Version struct {
	Runbook   string
	Waits     bool
	Author    string // and who submitted it: neither may approve it
	Submitter string
}

// Post takes letters.
type Post interface {
	// Deliver hands a letter over. ErrRefused is an address that gets no mail.
	Deliver(ctx context.Context, l Letter) error
}

// Pushes takes notes for devices. It hands them to a queue: what becomes of
// them holds up nothing here.
type Pushes interface {
	SendAll(ctx context.Context, messages []any) error
}

// ErrRefused is how a post refuses one letter for good.
var ErrRefused = errors.New("the address gets no mail")

// Notifier handles events, and empties heaps when their time has come.
type Notifier struct {
	Store    Store
	People   Directory
	Facts    Facts
	Post     Post
	Pushes   Pushes
	Origin   *origin.Source // of the links in what a webhook is sent
	Webhooks secret.Webhooks
	Client   *safehttp.Client
	Audit    audit.Log
	Now      func() time.Time
}

const (
	rounds        = 8 // of a heap that many write to at once
	deliverWithin = 10 * time.Second
)

// Handle puts an event before those whom it concerns, and mails what can be
// mailed at once. It may come any number of times.
func (n *Notifier) Handle(ctx context.Context, e outbox.Event) error {
	if !id.Valid(id.Event, e.ID) || e.Type == "" {
		return errors.New("this is no event")
	}
	if !told(e) {
		return nil
	}
	r := n.reading()
	severity, by, err := r.decisive(ctx, e)
	if err != nil {
		return err
	}
	w := wants(e, by...)
	people, err := n.may(ctx, e, w)
	if err != nil {
		return err
	}
	set, err := n.Store.settings(ctx, e.TeamID, people)
	if err != nil {
		return err
	}
	r.teams[e.TeamID] = answer[TeamSettings]{set.team, true}
	ids := audience(byMail, e, w, people, set.team, set.own, severity)
	heaps, told, err := n.Store.heaps(ctx, e, ids)
	if err != nil {
		return err
	}
	var errs []error
	if err := n.push(ctx, r, e, people, audience(byPush, e, w, people, set.team, set.own, severity), set); err != nil {
		errs = append(errs, fmt.Errorf("push %s: %w", e.ID, err))
	}
	if set.team.Webhook.wants(e) && e.TeamID != "" && (kinds[e.Type] != Incidents || reaches(set.team.MinimumSeverity, e, severity)) {
		errs = append(errs, n.hook(ctx, r, e, *told[hooked]))
	}
	var taken []heap
	for _, userID := range ids {
		h, ready, err := n.put(ctx, e, *heaps[userID], *told[userID])
		if err != nil {
			errs = append(errs, fmt.Errorf("tell %s of %s: %w", userID, e.ID, err))
		}
		if ready {
			taken = append(taken, h)
		}
	}
	fresh := n.reading() // begun after all was put: see there
	fresh.teams = r.teams
	for _, h := range taken {
		to := people[slices.IndexFunc(people, func(p teams.Person) bool { return p.ID == h.UserID })]
		if err := n.empty(ctx, fresh, h, to, set.stopped); err != nil {
			errs = append(errs, fmt.Errorf("mail %s about %s: %w", h.UserID, e.ID, err))
		}
	}
	return errors.Join(errs...)
}

// decisive reads what decides who is told of an event: the severity of the
// incident that it is about, "" for none, and who may not approve a version.
func (r *reading) decisive(ctx context.Context, e outbox.Event) (severity string, by []string, err error) {
	switch {
	case kinds[e.Type] == Incidents:
		i, _, err := r.incident(ctx, e.About)
		return i.Severity, nil, err
	case e.Type == outbox.RunbookSubmitted:
		v, _, err := r.version(ctx, e)
		return "", []string{v.Author, v.Submitter}, err
	}
	return "", nil, nil
}

// put lays an event onto somebody's heap, unless that was done before, and
// takes the heap if it may be mailed now and nobody else is at it. h is the heap
// as it was read.
func (n *Notifier) put(ctx context.Context, e outbox.Event, h heap, already bool) (taken heap, ready bool, err error) {
	for try := range rounds {
		if try > 0 {
			if h, err = n.Store.heap(ctx, h.UserID, h.Subject); err != nil {
				return heap{}, false, err
			}
		}
		if closes(e) && !h.Open && h.empty() { // nobody told them that it was open
			return heap{}, false, nil
		}
		now, next := n.Now(), h
		var ops []dynamo.Op
		if !already {
			next = h.add(e, now)
			ops = append(ops, n.Store.mark(e.ID, h.UserID, now))
			if h.empty() {
				ops = append(ops, due.Put(n.Store.Automation, next.reminder()))
			}
		}
		if ready = next.ready(now); ready {
			next = next.take(now)
		} else if already {
			return heap{}, false, nil
		}
		err = n.Store.commit(ctx, append(ops, n.Store.putHeap(next, now))...)
		lost, _ := dynamo.Failed(err)
		switch {
		case lost != nil && lost.Index == 0 && !already: // a message that came twice
			already = true
		case lost != nil || errors.Is(err, dynamo.ErrContended):
		case err != nil:
			return heap{}, false, err
		default:
			next.Rev++
			return next, ready, nil
		}
	}
	return heap{}, false, dynamo.ErrContended
}

// closes reports whether an event only ends what others began.
func closes(e outbox.Event) bool {
	return e.Type == outbox.IncidentAcknowledged || e.Type == outbox.IncidentResolved
}

// Due does what an item of the lane due.Notices asks for; it is the Handle of a
// due.Sweeper.
func (n *Notifier) Due(ctx context.Context, i due.Item) (kept bool, err error) {
	switch i.Kind {
	case mailKind:
		return n.remind(ctx, i)
	case hookKind:
		return false, n.deliver(ctx, i)
	}
	return false, fmt.Errorf("unknown kind %q", i.Kind)
}

// remind empties the heap that an item is the reminder of; one that stands for
// what was mailed since goes.
func (n *Notifier) remind(ctx context.Context, i due.Item) (kept bool, err error) {
	userID, of := heapOf(i.Subject)
	h, err := n.Store.heap(ctx, userID, of)
	if err != nil {
		return false, err
	}
	if h.empty() || h.reminder().SK != i.SK {
		return false, nil
	}
	taken, ready, err := n.put(ctx, outbox.Event{}, h, true)
	if err != nil || !ready {
		return true, err
	}
	people, err := n.People.People(ctx, []string{userID})
	if err != nil {
		return true, errors.Join(err, n.release(ctx, taken))
	}
	to := teams.Person{} // who is gone is told nothing
	if len(people) > 0 {
		to = people[0]
	}
	stopped, err := mailstop.Of(ctx, n.Store.Identity, to.Email)
	if err != nil {
		return true, errors.Join(err, n.release(ctx, taken))
	}
	return true, n.empty(ctx, n.reading(), taken, to, stopped)
}

// empty mails a heap that was taken, and writes that down.
func (n *Notifier) empty(ctx context.Context, r *reading, taken heap, to teams.Person, stopped map[string]mailstop.Stop) error {
	mailed, open, err := n.mail(ctx, r, taken, to, stopped)
	if err != nil {
		return errors.Join(err, n.release(ctx, taken))
	}
	return n.close(ctx, taken, mailed, open)
}

// held writes what becomes of a heap that was taken, unless another has it by
// now: as it was when it was taken, or, where that changed, as it is.
func (n *Notifier) held(ctx context.Context, taken heap, becomes func(h heap, now time.Time) []dynamo.Op) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	h := taken
	for range rounds {
		err := n.Store.commit(ctx, becomes(h, n.Now())...)
		if _, lost := dynamo.Failed(err); !lost && !errors.Is(err, dynamo.ErrContended) {
			return err
		}
		if h, err = n.Store.heap(ctx, taken.UserID, taken.Subject); err != nil || h.Busy != taken.Busy {
			return err
		}
	}
	return dynamo.ErrContended
}

// release lets others have a heap again that could not be mailed.
func (n *Notifier) release(ctx context.Context, taken heap) error {
	return n.held(ctx, taken, func(h heap, now time.Time) []dynamo.Op {
		h.Taken, h.Busy = 0, 0
		return []dynamo.Op{n.Store.putHeap(h, now)}
	})
}

// close writes down that a heap was told, with the reminder of what came since.
func (n *Notifier) close(ctx context.Context, taken heap, mailed, open bool) error {
	return n.held(ctx, taken, func(h heap, now time.Time) []dynamo.Op {
		next := h.told(taken, mailed, open, now)
		ops := []dynamo.Op{n.Store.putHeap(next, now)}
		switch {
		case next.empty():
			ops = append(ops, due.Done(n.Store.Automation, h.reminder()))
		case next.reminder().Key() != h.reminder().Key():
			ops = append(ops, due.Done(n.Store.Automation, h.reminder()), due.Put(n.Store.Automation, next.reminder()))
		}
		return ops
	})
}

// mail hands over the letter that a heap makes, if it still makes one, and
// reports whether it did, and whether it said that an incident is open.
func (n *Notifier) mail(ctx context.Context, r *reading, h heap, to teams.Person, stopped map[string]mailstop.Stop) (mailed, open bool, err error) {
	if _, is := stopped[to.Email]; is {
		slog.InfoContext(ctx, "not mailed: mail to this person is stopped", "person", to.ID)
		return false, h.Open, nil
	}
	news, err := r.news(ctx, h, to)
	if err != nil {
		return false, h.Open, err
	}
	l, open, ok := compose(h, news)
	if !ok {
		return false, h.Open, nil
	}
	l.To = to.Email
	within, cancel := context.WithTimeout(ctx, deliverWithin)
	defer cancel()
	err = n.Post.Deliver(within, l)
	if errors.Is(err, ErrRefused) {
		slog.ErrorContext(ctx, "address refused", "person", to.ID, "error", err)
		return false, h.Open, nil
	}
	return err == nil, open, err
}
