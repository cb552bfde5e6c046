package ratelimit

import (
	"context"
	"time"

	"pagefree/internal/platform/dynamo"
)

// Limiter keeps its counters in the ephemeral table, and asks it each time. Its
// errors are for the caller to decide on; what must not be open when DynamoDB
// fails returns them.
type Limiter struct {
	Table dynamo.Table
	Now   func() time.Time
}

// Take admits one of what key stands for, or not. key begins with the tier.
func (l Limiter) Take(ctx context.Context, key string, limit Limit) (Result, error) {
	c, now := charge{key: key, limit: limit, want: 1}, l.Now().UnixMicro()
	if err := take(ctx, l.Table, &c, now); err != nil {
		return Result{}, err
	}
	return limit.result(c.got > 0, c.tat, now, 0), nil
}
