package outbox

import (
	"context"

	"pagefree/internal/platform/trust"
)

type depthKey struct{}
type unattendedKey struct{}

// WithDepth returns a context in which things are done by a workflow of depth
// n, or because of a delivery that came with that depth.
func WithDepth(ctx context.Context, n int) context.Context {
	return context.WithValue(ctx, depthKey{}, n)
}

// DepthOf is how many workflows stand behind what is done in a context: 0
// where a person or a tool does it.
func DepthOf(ctx context.Context) int {
	n, _ := ctx.Value(depthKey{}).(int)
	return n
}

// WithUnattended returns a context in which what is done proves no more than r:
// a delivery by its integration's ceiling, a run of a workflow by its trigger's.
func WithUnattended(ctx context.Context, r trust.Risk) context.Context {
	return context.WithValue(ctx, unattendedKey{}, r)
}

// UnattendedOf is the ceiling of a context, and false where nobody set one.
func UnattendedOf(ctx context.Context) (trust.Risk, bool) {
	r, set := ctx.Value(unattendedKey{}).(trust.Risk)
	return r, set
}
