package ratelimit

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/dynamo"
)

// prefix is what the keys of all counters begin with; the key of a counter
// begins with its tier, so that a function's role can be narrowed to its own.
const prefix = "rate#"

// counter is a counter as it is stored.
type counter struct {
	TAT int64 `dynamodbav:"tat"` // theoretical arrival time, Unix microseconds
}

// charge is what somebody wants of a counter, and what they know of it.
type charge struct {
	key   string
	limit Limit
	want  int
	tat   int64 // the last that was heard of it; 0 for nothing
	got   int   // after it went through: of what was wanted, what was there
}

// lag is how long a counter is kept after it is full again: TTL deletes late
// anyway, and clocks differ.
const lag = time.Minute

// op is the write for a charge at a time, by what is known of the counter; n is
// how many it takes. Nothing is to be written where n is 0, but for mend.
func (c *charge) op(now int64) (n int, u expression.UpdateBuilder, cond expression.ConditionBuilder, mend bool) {
	tat, period := expression.Name("tat"), c.limit.Period.Microseconds()
	n, next := c.limit.spend(c.tat, now, c.want)
	ttl := expression.Set(expression.Name("ttl"), expression.Value(time.UnixMicro(next).Add(lag).Unix()))
	switch {
	case n == 0:
		return 0, ttl.Set(tat, expression.Value(next)), tat.GreaterThan(expression.Value(next)), c.tat > next
	case c.tat <= now: // nobody was here for a while
		return n, ttl.Set(tat, expression.Value(next)), tat.AttributeNotExists().Or(tat.LessThanEqual(expression.Value(now))), false
	}
	cost := next - c.tat
	return n, ttl.Set(tat, tat.Plus(expression.Value(cost))), // whatever others added since
		tat.Between(expression.Value(now+1), expression.Value(now+period-cost)), false
}

// learn takes in why a write was not done.
func (c *charge) learn(lost *dynamo.ConditionError) error {
	var stored counter
	if err := dynamo.Decode(lost.Item, &stored); err != nil {
		return err
	}
	c.tat = stored.TAT
	return nil
}

// tries bounds how often a charge is planned anew by what a failed condition
// told. Only the first plan is a guess; where others were faster twice it wants
// one alone, which fails where there is none.
const tries = 5

// again is a charge for another try.
func (c *charge) again(try int) {
	if try >= 2 {
		c.want = 1
	}
}

// take charges one counter, or refuses: c.got is then 0.
func take(ctx context.Context, table dynamo.Table, c *charge, now int64) error {
	for try := range tries {
		c.again(try)
		n, u, cond, mend := c.op(now)
		if n == 0 && !mend {
			return nil
		}
		is, err := table.Change(ctx, dynamo.Key{PK: prefix + c.key, SK: "rate"}, u, cond)
		if lost, failed := dynamo.Failed(err); failed {
			if err := c.learn(lost); err != nil {
				return err
			}
			continue
		}
		if errors.Is(err, dynamo.ErrContended) { // another instance's transaction, which is over in a moment
			continue
		}
		if err != nil {
			return err
		}
		var stored counter
		if err := dynamo.Decode(is, &stored); err != nil {
			return err
		}
		c.tat, c.got = stored.TAT, n
		return nil
	}
	return errContended
}

// takeBoth charges both of two counters in one call, or none of them: one that
// refuses has nothing free by its tat.
func takeBoth(ctx context.Context, table dynamo.Table, a, b *charge, now int64) error {
	both := [2]*charge{a, b}
	for try := range tries {
		var ops []dynamo.Op
		var taken [2]int
		for i, c := range both {
			c.again(try)
			n, u, cond, mend := c.op(now)
			if mend {
				return take(ctx, table, c, now)
			}
			if n == 0 {
				return nil
			}
			taken[i], ops = n, append(ops, table.Update(dynamo.Key{PK: prefix + c.key, SK: "rate"}, u, cond))
		}
		err := dynamo.CommitOnce(ctx, table.DB, ops...)
		if lost, failed := dynamo.Failed(err); failed {
			if err := both[lost.Index].learn(lost); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		for i, c := range both { // at least: others may have added
			c.tat, c.got = max(c.tat, now)+int64(taken[i])*c.limit.each(), taken[i]
		}
		return nil
	}
	return errContended
}

// errContended is a counter that changed, or that a transaction was at, each
// time before it could be charged.
var errContended = errors.New("a rate's counter is contended")
