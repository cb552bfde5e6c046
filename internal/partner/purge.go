package partner

import (
	"context"
	"fmt"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/seat"
)

// Purger removes what a deleted page leaves in this room: its accesses, their
// people, names and passes, and the room that they take in their accounts. It
// is what status.Clock calls.
//
// Accounts stay: they are the team's, and other pages may be theirs. So do looks,
// and the marks of sessions in the ephemeral table: each has a TTL of its own.
// Nor is a picture removed, which has its hash for a key and may be on another page.
type Purger struct{ Store Store }

const (
	// removedPeople is how many go in one transaction, which takes a hundred
	// writes: each is two.
	removedPeople = 45
	// purgeLimit bounds one call, in items; one transaction may go beyond it.
	purgeLimit = 500
)

// Purge removes some of what a page left, and reports whether that was the
// rest. The page itself has to be gone: then nothing new is granted. An access
// is the last to go of what is its own, so that a call which broke off is made
// up for by the next.
func (p *Purger) Purge(ctx context.Context, pageID string) (done bool, err error) {
	list, next, err := p.Store.accesses(ctx, pageID, httpapi.Page{Limit: purgeLimit}, nil)
	if err != nil {
		return false, err
	}
	done = next == ""
	for left, i := purgeLimit, 0; i < len(list); i++ {
		n, gone, err := p.remove(ctx, list[i], left)
		if err != nil {
			return false, fmt.Errorf("purge %s: %w", list[i].ID, err)
		}
		done = done && gone
		if left -= n; left <= 0 {
			return done && i == len(list)-1, nil
		}
	}
	return done, nil
}

// remove removes an access and all that is its own: all of it, or some limit
// items. It counts those that it removed. An access that somebody changed
// meanwhile stays for the next time.
func (p *Purger) remove(ctx context.Context, a Access, limit int) (n int, gone bool, err error) {
	for n < limit {
		people, _, err := p.Store.people(ctx, a.ID, httpapi.Page{Limit: removedPeople})
		if err != nil {
			return n, false, err
		}
		if len(people) == 0 {
			ops := p.Store.erase(a)
			err := dynamo.Commit(ctx, p.Store.Table.DB, ops...)
			if failed, lost := dynamo.Failed(err); lost && failed.Index == 0 {
				return n, false, nil
			}
			return n + len(ops), err == nil, err
		}
		var ops []dynamo.Op
		places := map[dynamo.Key]bool{} // a transaction takes a key once, and who came back is there twice
		for _, one := range people {
			ops = append(ops, p.Store.Table.Delete(personKey(a.ID, one.ID), either()))
			if at := viewerKey(one.Email, a.ID); !places[at] {
				places[at] = true
				ops = append(ops, p.Store.Table.Delete(at, either()))
			}
		}
		if err := dynamo.Commit(ctx, p.Store.Table.DB, ops...); err != nil {
			return n, false, err
		}
		n += len(ops)
	}
	return n, false, nil
}

// erase are the writes that remove an access without people. The first fails
// when it is not as it was read: each person that is added counts it up.
func (s Store) erase(a Access) []dynamo.Op {
	ops := []dynamo.Op{
		s.Table.Delete(accessKey(a.StatusPageID, a.ID), dynamo.Is("rev", a.Rev)),
		seat.Withdraw(s.Table, a.TokenHash),
	}
	if a.FeedHash != "" {
		ops = append(ops, seat.Withdraw(s.Table, a.FeedHash))
	}
	if a.RevokedAt == nil { // else both went when it was revoked, and the name may be another's
		ops = append(ops, s.dropName(a), s.leave(a.PartnerID, a.ID))
	}
	return ops
}
