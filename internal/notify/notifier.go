package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
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

// ErrRefused is how a post refuses one letter for good.
var ErrRefused = errors.New("the address gets no mail")

// Notifier handles events, and empties heaps when their time has come.
type Notifier struct {
	Store    Store
	People   Directory
	Facts    Facts
	Post     Post
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
	team, err := n.Store.team(ctx, e.TeamID)
	if err != nil {
		return err
	}
	severity, err := n.severity(ctx, e)
	if err != nil {
		return err
	}
	already, err := n.Store.toldOf(ctx, e.ID)
	if err != nil {
		return err
	}
	var errs []error
	if team.Webhook.wants(e) && e.TeamID != "" && (kinds[e.Type] != Incidents || reaches(team.MinimumSeverity, e, severity)) {
		errs = append(errs, n.hook(ctx, e, already[hooked]))
	}
	ids, err := n.audience(ctx, e, team, severity)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	for _, userID := range ids {
		if err := n.tell(ctx, e, userID, already[userID]); err != nil {
			errs = append(errs, fmt.Errorf("tell %s of %s: %w", userID, e.ID, err))
		}
	}
	return errors.Join(errs...)
}

// severity is that of the incident that an event is about, "" for none.
func (n *Notifier) severity(ctx context.Context, e outbox.Event) (string, error) {
	if kinds[e.Type] != Incidents {
		return "", nil
	}
	i, _, err := n.Facts.Incident(ctx, e.About)
	return i.Severity, err
}

// audience reads who may be concerned, and their settings, and decides.
func (n *Notifier) audience(ctx context.Context, e outbox.Event, team TeamSettings, severity string) ([]string, error) {
	var by []string
	if e.Type == outbox.RunbookSubmitted {
		number, _ := strconv.Atoi(e.Detail["version"])
		v, found, err := n.Facts.Version(ctx, e.About, number)
		if err != nil || !found {
			return nil, err
		}
		by = []string{v.Author, v.Submitter}
	}
	w := wants(e, by...)
	var people []teams.Person
	for _, read := range []func() ([]teams.Person, error){
		func() ([]teams.Person, error) {
			if e.TeamID == "" {
				return nil, nil
			}
			return n.People.Members(ctx, e.TeamID)
		},
		func() ([]teams.Person, error) {
			if !w.admins {
				return nil, nil
			}
			return n.People.Admins(ctx)
		},
		func() ([]teams.Person, error) {
			if len(w.people) == 0 {
				return nil, nil
			}
			return n.People.People(ctx, w.people)
		},
	} {
		some, err := read()
		if err != nil {
			return nil, err
		}
		people = append(people, some...)
	}
	var ids []string
	seen := map[string]bool{}
	for _, p := range people {
		if !seen[p.ID] {
			ids, seen[p.ID] = append(ids, p.ID), true
		}
	}
	own, err := n.Store.owns(ctx, ids)
	if err != nil {
		return nil, err
	}
	return audience(e, w, people, team, own, severity), nil
}

// tell puts an event onto somebody's heap, unless it was put there before, and
// empties the heap if it may be mailed.
func (n *Notifier) tell(ctx context.Context, e outbox.Event, userID string, already bool) error {
	of := subject(e)
	for range rounds {
		h, err := n.Store.heap(ctx, userID, of)
		if err != nil {
			return err
		}
		if closes(e) && !h.Open && h.empty() { // nobody told them that it was open
			return nil
		}
		if !already {
			now := n.Now()
			next := h.add(e, now)
			ops := []dynamo.Op{n.Store.mark(e.ID, userID, now), n.Store.putHeap(next, now)}
			if h.empty() {
				ops = append(ops, due.Put(n.Store.Automation, next.reminder()))
			}
			err = n.Store.commit(ctx, ops...)
			lost, _ := dynamo.Failed(err)
			switch {
			case lost != nil && lost.Index == 0: // a message that came twice
			case lost != nil || errors.Is(err, dynamo.ErrContended):
				continue
			case err != nil:
				return err
			}
		}
		_, err = n.empty(ctx, userID, of)
		return err
	}
	return dynamo.ErrContended
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
	_, err = n.empty(ctx, userID, of)
	return true, err
}

// empty mails a heap if its time has come and nobody else is at it, and
// reports whether a mail left.
func (n *Notifier) empty(ctx context.Context, userID, of string) (bool, error) {
	h, err := n.Store.heap(ctx, userID, of)
	if err != nil {
		return false, err
	}
	now := n.Now()
	if !h.ready(now) {
		return false, nil
	}
	taken := h.take(now)
	err = n.Store.commit(ctx, n.Store.putHeap(taken, now))
	if _, lost := dynamo.Failed(err); lost || errors.Is(err, dynamo.ErrContended) { // somebody else is; or the reminder comes
		return false, nil
	}
	if err != nil {
		return false, err
	}
	mailed, open, err := n.mail(ctx, taken)
	if err != nil {
		return false, errors.Join(err, n.release(ctx, taken))
	}
	return mailed, n.close(ctx, taken, mailed, open)
}

// release lets others have a heap again that could not be mailed.
func (n *Notifier) release(ctx context.Context, taken heap) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for range rounds {
		h, err := n.Store.heap(ctx, taken.UserID, taken.Subject)
		if err != nil || h.Busy != taken.Busy {
			return err
		}
		h.Taken, h.Busy = 0, 0
		err = n.Store.commit(ctx, n.Store.putHeap(h, n.Now()))
		if _, lost := dynamo.Failed(err); !lost {
			return err
		}
	}
	return nil // its lease ends
}

// close writes down that a heap was told, with the reminder of what came since.
func (n *Notifier) close(ctx context.Context, taken heap, mailed, open bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for range rounds {
		h, err := n.Store.heap(ctx, taken.UserID, taken.Subject)
		if err != nil || h.Busy != taken.Busy {
			return err
		}
		now := n.Now()
		next := h.told(taken, mailed, open, now)
		ops := []dynamo.Op{n.Store.putHeap(next, now), due.Done(n.Store.Automation, h.reminder())}
		if !next.empty() {
			if next.reminder().Key() == h.reminder().Key() {
				ops = ops[:1]
			} else {
				ops = append(ops, due.Put(n.Store.Automation, next.reminder()))
			}
		}
		err = n.Store.commit(ctx, ops...)
		if _, lost := dynamo.Failed(err); lost || errors.Is(err, dynamo.ErrContended) {
			continue
		}
		return err
	}
	return dynamo.ErrContended
}

// mail hands over the letter that a heap makes, if it still makes one, and
// reports whether it did, and whether it said that an incident is open.
func (n *Notifier) mail(ctx context.Context, h heap) (mailed, open bool, err error) {
	people, err := n.People.People(ctx, []string{h.UserID})
	if err != nil || len(people) == 0 {
		return false, h.Open, err
	}
	to := people[0]
	stopped, err := mailstop.Of(ctx, n.Store.Identity, to.Email)
	if err != nil {
		return false, h.Open, err
	}
	if _, is := stopped[to.Email]; is {
		slog.InfoContext(ctx, "not mailed: mail to this person is stopped", "person", to.ID)
		return false, h.Open, nil
	}
	news, err := n.news(ctx, h, to)
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
