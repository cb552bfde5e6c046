package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/stream"
	"pagefree/internal/platform/timestamp"
)

// Page is how many connections one message is about; more are fanned out.
const Page = 100

// posts is how many connections are told at once.
const posts = 16

// ErrGone is a connection that is not open any more, ErrFull one that takes
// nothing more for now: its client does not read what it was sent.
var (
	ErrGone = errors.New("the connection is gone")
	ErrFull = errors.New("the connection takes nothing more")
)

// Poster reaches open sockets.
type Poster interface {
	// Post sends a message; ErrGone where nobody is there to get it, ErrFull where it cannot be kept for them.
	Post(ctx context.Context, connectionID string, message []byte) error
	// Close ends a connection, whether or not it is still there.
	Close(ctx context.Context, connectionID string) error
}

// Publisher tells connections what changed, and ends those of sessions that ended.
type Publisher struct {
	Store      Store
	Automation dynamo.Table // where the scope of what is known by its id alone is looked up
	Sessions   Sessions
	Sockets    Poster
	// Fan hands on what is for connections beyond a page.
	Fan func(ctx context.Context, m []Message) error
	Now func() time.Time

	mu     sync.Mutex
	looked map[string]look
}

// look is what a look at a session found, and when.
type look struct {
	live  principal.Live
	holds bool
	at    time.Time
}

// Handle does what a message of the live queue asks for. Doing it twice tells
// some connections twice.
func (p *Publisher) Handle(ctx context.Context, m Message) error {
	switch {
	case m.ID == "" && m.Close != "":
		return p.end(ctx, m.Close)
	case m.ID == "" && m.UserID != "":
		return p.check(ctx, m.UserID)
	case m.ID == "" || !known(m.Kind):
		return errors.New("neither a change nor somebody to look at")
	case m.At != "":
		return p.tell(ctx, m)
	}
	if m.Scope == "" {
		t, found, err := find(ctx, p.Automation, m.ID)
		if err != nil || !found {
			return err
		}
		m.Scope, m.Version = t.scope(), t.Rev
	}
	var parts []Message
	for _, scope := range []string{m.Scope, Everywhere} {
		of, err := p.parts(ctx, m, scope)
		if err != nil {
			return err
		}
		parts = append(parts, of...)
	}
	if len(parts) > 2 { // others tell them meanwhile
		if err := p.Fan(ctx, parts[2:]); err != nil {
			return err
		}
	}
	var errs []error
	for _, part := range parts[:min(2, len(parts))] {
		errs = append(errs, p.tell(ctx, part))
	}
	return errors.Join(errs...)
}

// parts divides those who listen in a scope into pages.
func (p *Publisher) parts(ctx context.Context, m Message, scope string) ([]Message, error) {
	var parts []Message
	m.At = scope
	n := 0
	for after := ""; ; {
		found, next, err := p.Store.listeners(ctx, scope, "", "", after, 10*Page)
		if err != nil {
			return nil, err
		}
		for _, l := range found {
			if n++; n%Page == 1 {
				if len(parts) > 0 {
					parts[len(parts)-1].To = l.ConnectionID
				}
				m.From = l.ConnectionID
				parts = append(parts, m)
			}
		}
		if after = next; next == "" {
			return parts, nil
		}
	}
}

// tell tells a page of connections.
func (p *Publisher) tell(ctx context.Context, m Message) error {
	for after := ""; ; {
		found, next, err := p.Store.listeners(ctx, m.At, m.From, m.To, after, Page)
		if err != nil {
			return err
		}
		if err := p.push(ctx, m, found); err != nil {
			return err
		}
		if after = next; next == "" {
			return nil
		}
	}
}

// push tells those who care for it and may know of it.
func (p *Publisher) push(ctx context.Context, m Message, to []listener) error {
	to = slices.DeleteFunc(to, func(l listener) bool { return !l.cares(m.Change) })
	if len(to) == 0 {
		return nil
	}
	hashes := make([]string, len(to))
	for i, l := range to {
		hashes[i] = l.SessionHash
	}
	seen, err := p.look(ctx, hashes, Fresh)
	if err != nil {
		return err
	}
	body, err := json.Marshal(m.Change)
	if err != nil {
		return err
	}
	return each(to, func(l listener) error {
		switch s := seen[l.SessionHash]; {
		case !s.holds:
			return p.end(ctx, l.ConnectionID)
		case !sees(s.live.Principal, m.Scope):
			return p.Store.drop(ctx, dynamo.Key{PK: l.PK, SK: l.SK})
		}
		err := p.Sockets.Post(ctx, l.ConnectionID, body)
		switch {
		case errors.Is(err, ErrGone):
			return p.forget(ctx, l.ConnectionID, dynamo.Key{PK: l.PK, SK: l.SK})
		case errors.Is(err, ErrFull): // who comes back looks anew; the others are not told again because of one
			return p.end(ctx, l.ConnectionID)
		}
		return err
	})
}

// each handles many, some at once.
func each[T any](all []T, handle func(T) error) error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	places := make(chan struct{}, posts)
	for i, one := range all {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			errs[i] = handle(one)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// look looks sessions up, but for those that were within the time.
func (p *Publisher) look(ctx context.Context, hashes []string, within time.Duration) (map[string]look, error) {
	now := p.Now()
	out := make(map[string]look, len(hashes))
	var wanted []string
	p.mu.Lock()
	for hash, l := range p.looked {
		if now.Sub(l.at) > Fresh {
			delete(p.looked, hash)
		}
	}
	for _, hash := range hashes {
		if l, ok := p.looked[hash]; ok && now.Sub(l.at) < within {
			out[hash] = l
		} else {
			wanted = append(wanted, hash)
		}
	}
	p.mu.Unlock()
	if len(wanted) == 0 {
		return out, nil
	}
	live, err := p.Sessions.Look(ctx, wanted)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.looked == nil {
		p.looked = map[string]look{}
	}
	for _, hash := range wanted {
		l := look{at: now}
		l.live, l.holds = live[hash]
		p.looked[hash], out[hash] = l, l
	}
	return out, nil
}

// end closes a connection and forgets it.
func (p *Publisher) end(ctx context.Context, connectionID string) error {
	if err := p.Sockets.Close(ctx, connectionID); err != nil {
		return err
	}
	return p.forget(ctx, connectionID)
}

// forget removes what there is of a connection that is gone, and single items that led to it.
func (p *Publisher) forget(ctx context.Context, connectionID string, beside ...dynamo.Key) error {
	c, found, err := p.Store.connection(ctx, connectionID)
	if err != nil {
		return err
	}
	if found {
		return p.Store.forget(ctx, c)
	}
	for _, k := range beside {
		if err := p.Store.drop(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// Ended looks again at the connections of those whose sessions or roles changed,
// as the audit record's stream tells: that of a change stands in the change's own transaction.
func (p *Publisher) Ended(ctx context.Context, in stream.Event) stream.Answer {
	seen := map[string]bool{}
	for _, r := range in.Records {
		var e struct {
			Subject struct {
				Kind string `dynamodbav:"kind"`
				ID   string `dynamodbav:"id"`
			} `dynamodbav:"subject"`
		}
		if err := dynamo.Decode(dynamo.Item(r.Change.NewImage), &e); err != nil {
			slog.ErrorContext(ctx, "an event of the record cannot be read", "error", err)
			continue
		}
		if e.Subject.Kind != string(principal.User) || seen[e.Subject.ID] {
			continue
		}
		if err := p.check(ctx, e.Subject.ID); err != nil {
			slog.ErrorContext(ctx, "connections not looked at", "user", e.Subject.ID, "error", err)
			return stream.Failed(r)
		}
		seen[e.Subject.ID] = true
	}
	return stream.Done()
}

// check looks at a user's sessions now, ends the connections of those that
// ended and has the others listen where the user may hear something.
func (p *Publisher) check(ctx context.Context, userID string) error {
	open, err := p.Store.connections(ctx, userID)
	if err != nil || len(open) == 0 {
		return err
	}
	return p.settle(ctx, open)
}

func (p *Publisher) settle(ctx context.Context, open []Connection) error {
	hashes := make([]string, len(open))
	for i, c := range open {
		hashes[i] = c.SessionHash
	}
	seen, err := p.look(ctx, hashes, 0)
	if err != nil {
		return err
	}
	return each(open, func(c Connection) error {
		s := seen[c.SessionHash]
		if !s.holds {
			return p.end(ctx, c.ID)
		}
		is := c
		is.EndsAt = timestamp.Of(s.live.Until)
		is.Scopes = scopesOf(s.live.Principal, c.Kinds, c.IDs)
		if is.EndsAt == c.EndsAt && slices.Equal(is.Scopes, c.Scopes) {
			return nil
		}
		err := p.Store.change(ctx, c, is)
		if _, lost := dynamo.Failed(err); lost { // gone, or it has just subscribed, by rights that it has now
			return nil
		}
		return err
	})
}

// Sweep ends the connections of sessions that nobody used for too long, or that
// came to their end.
func (p *Publisher) Sweep(ctx context.Context) error {
	var errs []error
	for shard := range shards {
		errs = append(errs, p.sweep(ctx, shard))
	}
	return errors.Join(errs...)
}

func (p *Publisher) sweep(ctx context.Context, shard int) error {
	for {
		found, err := p.Store.ending(ctx, shard, p.Now(), Page)
		if err != nil || len(found) == 0 {
			return err
		}
		ids := make([]string, len(found))
		for i, m := range found {
			ids[i] = m.ConnectionID
		}
		open, err := p.Store.byID(ctx, ids)
		if err != nil {
			return err
		}
		if err := p.settle(ctx, open); err != nil {
			return err
		}
		if open, err = p.Store.byID(ctx, ids); err != nil {
			return err
		}
		standing := map[dynamo.Key]bool{}
		for _, c := range open {
			standing[endKey(c)] = true
		}
		dropped := 0
		for _, m := range found { // each connection stands at its new time, or nowhere; but who was busy is left to the next sweep
			if standing[m.key()] {
				continue
			}
			if err := p.Store.drop(ctx, m.key()); err != nil {
				return err
			}
			dropped++
		}
		if dropped == 0 {
			return nil
		}
	}
}
