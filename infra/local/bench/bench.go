// Package bench measures what PageFree costs where it counts on Lambda: cold
// starts beside the smallest possible function, resident memory, calls of
// DynamoDB by operation, counted on the wire, how fast queued executions are
// handled, how long monitoring systems wait for the answer to an alert and what
// that costs and leads to, and what a view of a status page costs, weighs and how
// many there are in a second. It prints one table, and which aims are missed. It fails
// only when something does not work, never because a machine is slow.
package bench

import (
	"context"
	"io"
	"os"
	"syscall"
	"time"

	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
	"pagefree/infra/local/stack"
)

// What is aimed at, of medians.
const (
	aimAboveHello = 3    // ms that a function of the API may take to start beyond the smallest
	aimResident   = 40   // MB that a function may hold after calls requests
	aimRate       = 1000 // queued executions that one core handles in a second
	aimCalls      = 6    // of DynamoDB, for a webhook execution over its life: without an incident, without an Idempotency-Key
	aimReads      = 1    // of DynamoDB, for a view of a status page: in the authorizer, and behind it
	aimCounts     = 1    // of DynamoDB, to count a request by caller and address
)

// Size says how much is measured. More takes longer and spreads less.
type Size struct {
	Rounds     int // of cold starts
	Calls      int // to each function before its memory is read
	Times      int // that each operation is counted
	Executions int // that are queued at once
	Views      int // times that each view of a status page is counted
	Bursts     int // of each kind of view, one as long as
	Burst      time.Duration
	Colds      int // deliveries of each provider, to a fresh process each
	Deliveries int // of each provider, to a process that is there
	Reactions  int // alerts that are followed to what they lead to
	Sockets    int // that are open at once
	Partners   int // of the demo's page, at last
}

// Full is the size of `make bench`.
var Full = Size{Rounds: 30, Calls: 200, Times: 5, Executions: 1000, Views: 20, Bursts: 8, Burst: time.Second, Colds: 100, Deliveries: 200, Reactions: 200, Sockets: 1000, Partners: 100_000}

// memory is a folder that no disk is behind, if this machine has one with room for all that is written: how fast a disk
// is, and who else uses it, says nothing of what is measured. Else it is "", the usual folder.
func memory() string {
	const shared, room = "/dev/shm", 2 << 30
	var s syscall.Statfs_t
	if syscall.Statfs(shared, &s) != nil || s.Bavail*uint64(s.Bsize) < room {
		return ""
	}
	return shared
}

// Run measures on a stack of its own, in a throw-away folder, and prints the table at the end.
func Run(ctx context.Context, o stack.Options, size Size, out io.Writer) error {
	o.Every = time.Hour // schedules would be counted too
	o.Adjust = adjust
	o.Parameters = roomy
	if o.Dir == "" {
		dir, err := os.MkdirTemp(memory(), "pagefree-bench-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		o.Dir = dir
	}
	s, err := stack.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	w := &work{stack: s, api: client.Client{URL: s.URL}, size: size, functions: rowsOf(s.Template())}
	hello, err := w.starts(ctx)
	if err != nil {
		return err
	}
	if w.people, err = demo.Run(ctx, demo.Options{URL: s.URL, Out: io.Discard, Page: true, Past: w.past()}); err != nil {
		return err
	}
	defer func() {
		if w.topic != nil {
			w.topic.server.Close()
		}
	}()
	if err := w.prepare(ctx); err != nil {
		return err
	}
	var groups []group
	for _, measure := range []func(context.Context) (group, error){w.operations, w.lives, w.memory, w.hooks, w.reactions, w.sockets, w.behind, w.arrivals, w.throughput, w.limits, w.weights, w.console, w.viewsOfFew, w.serving, w.viewsOfMany} {
		g, err := measure(ctx)
		if err != nil {
			return err
		}
		groups = append(groups, g)
	}
	groups[2].rows = append([]row{hello}, groups[2].rows...)
	groups[0], groups[1], groups[2] = groups[2], groups[0], groups[1] // functions come first
	print(out, append(groups, w.shares...))
	return nil
}
