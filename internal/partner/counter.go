package partner

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
)

// chunk is how many looks are put on record at once.
const chunk = 50

// Counter keeps the record of looks, and counts them: each once, however often
// its message comes.
type Counter struct {
	Table     dynamo.Table
	Retention time.Duration // how long a look is kept
}

// message is a look and the messages that it came in.
type message struct {
	look Look
	ids  []string
}

// Handle puts a batch of looks on record, those of an access together: many
// may look at one page at once, and its access is one item. What could not be
// recorded comes back.
func (c *Counter) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	var mu sync.Mutex
	fail := func(err error, ids ...string) {
		mu.Lock()
		defer mu.Unlock()
		slog.ErrorContext(ctx, "looks not recorded", "messages", len(ids), "error", err)
		for _, one := range ids {
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: one})
		}
	}
	groups := map[dynamo.Key][]*message{} // by access
	known := map[string]*message{}
	for _, r := range batch.Records {
		var l Look
		err := json.Unmarshal([]byte(r.Body), &l)
		if err == nil && (!id.Valid(id.PartnerLook, l.ID) || !id.Valid(id.PartnerAccess, l.AccessID) || !id.Valid(id.StatusPage, l.PageID)) {
			err = errors.New("this is no look")
		}
		if err != nil {
			fail(err, r.MessageId)
			continue
		}
		if m := known[l.ID]; m != nil { // a transaction takes a key once
			m.ids = append(m.ids, r.MessageId)
			continue
		}
		known[l.ID] = &message{look: l, ids: []string{r.MessageId}}
		of := accessKey(l.PageID, l.AccessID)
		groups[of] = append(groups[of], known[l.ID])
	}
	var wg sync.WaitGroup
	for _, group := range groups {
		wg.Go(func() { // one access after another would wait for the one that many look at
			for len(group) > 0 {
				some := group[:min(chunk, len(group))]
				group = group[len(some):]
				var looks []Look
				var ids []string
				for _, m := range some {
					looks, ids = append(looks, m.look), append(ids, m.ids...)
				}
				if err := c.record(ctx, looks); err != nil {
					fail(err, ids...)
				}
			}
		})
	}
	wg.Wait()
	return answer, nil
}

// record writes looks of one access, of which some may be on record, and
// counts the others in the same transaction.
func (c *Counter) record(ctx context.Context, looks []Look) error {
	later := false // the access was looked at after these
	for range rounds {
		if len(looks) == 0 {
			return nil
		}
		var ops []dynamo.Op
		for _, l := range looks {
			ops = append(ops, c.Table.Create(c.item(l)))
		}
		err := dynamo.Commit(ctx, c.Table.DB, append(ops, c.count(looks, later)...)...)
		failed, lost := dynamo.Failed(err)
		switch {
		case lost && failed.Index < len(looks):
			if looks, err = c.missing(ctx, looks); err != nil {
				return err
			}
		case lost && failed.Item == nil:
			return errors.New("there is no such access")
		case lost:
			later = true
		case !errors.Is(err, dynamo.ErrContended):
			return err
		}
	}
	return dynamo.ErrContended
}

func (c *Counter) item(l Look) lookItem {
	k := lookKey(l.AccessID, l.ID)
	return lookItem{PK: k.PK, SK: k.SK, TTL: l.At.Add(c.Retention).Unix(), LookEntry: LookEntry{
		ID: l.ID, At: l.At, Method: l.Method, Path: l.Path, IP: l.IP, UserAgent: l.UserAgent, Outcome: l.Outcome, Via: l.Via, PersonID: l.PersonID,
	}}
}

// count is the write that adds to an access what was served, if anything was.
// It fails where the access was looked at later, unless that is known.
func (c *Counter) count(looks []Look, later bool) []dynamo.Op {
	served, last := 0, looks[0].At
	for _, l := range looks {
		if l.Outcome != Served {
			continue
		}
		if served++; served == 1 || l.At.After(last.Time) {
			last = l.At
		}
	}
	if served == 0 {
		return nil
	}
	update := expression.Add(expression.Name("accessCount"), expression.Value(served))
	cond := dynamo.Present()
	if !later {
		at := expression.Name("lastAccessAt")
		update = update.Set(at, expression.Value(last))
		cond = cond.And(expression.Or(at.AttributeNotExists(), at.LessThan(expression.Value(last))))
	}
	return []dynamo.Op{c.Table.Update(accessKey(looks[0].PageID, looks[0].AccessID), update, cond)}
}

// missing are the looks that are not on record yet.
func (c *Counter) missing(ctx context.Context, looks []Look) ([]Look, error) {
	keys := make([]dynamo.Key, len(looks))
	for i, l := range looks {
		keys[i] = lookKey(l.AccessID, l.ID)
	}
	there, err := dynamo.GetAll[lookItem](ctx, c.Table, keys)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, l := range there {
		known[l.ID] = true
	}
	var left []Look
	for _, l := range looks {
		if !known[l.ID] {
			left = append(left, l)
		}
	}
	return left, nil
}
