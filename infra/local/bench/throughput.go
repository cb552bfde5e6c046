package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"pagefree/infra/local/aws"
	"pagefree/infra/local/client"
	"pagefree/internal/execution"
)

// spreadOver is how many runbooks queued executions belong to: under the limit of any, and a hot item for none.
const spreadOver = 20

// stalled is how long nothing may be handled before throughput gives up.
const stalled = time.Minute

// burst is a number of executions of one kind that are there at once.
type burst struct {
	name     string
	runs     content
	runbooks []string
	ids      []string
}

// runbookOf is the runbook of execution i.
func (b *burst) runbookOf(i int) string { return b.runbooks[i%len(b.runbooks)] }

// throughput queues executions that end at once, all before the first is
// dispatched, and measures how fast they are handled, kind by kind.
func (w *work) throughput(ctx context.Context) (group, error) {
	g := group{title: fmt.Sprintf("Throughput: %d queued executions, which end at once, by %d cores that do all the rest too", w.size.Executions, runtime.NumCPU())}
	bursts := []*burst{
		{name: "queued webhook executions", runs: w.webhook("200", false)},
		{name: "queued sandbox executions", runs: scripted("BASH", "exit\n")},
	}
	for _, b := range bursts {
		for range spreadOver {
			id, err := w.approved(ctx, b.runs)
			if err != nil {
				return g, err
			}
			b.runbooks = append(b.runbooks, id)
		}
	}
	if err := w.queued(ctx, bursts); err != nil {
		return g, err
	}
	for _, b := range bursts {
		rows, err := w.handled(ctx, b)
		if err != nil {
			return g, fmt.Errorf("%s: %w", b.name, err)
		}
		g.rows = append(g.rows, rows...)
	}
	return g, nil
}

// handled puts a burst's messages into the queue and measures until the last one is gone.
func (w *work) handled(ctx context.Context, b *burst) ([]row, error) {
	w.stack.Counts().Reset()
	before := usage()
	if err := w.enqueue(ctx, b); err != nil {
		return nil, err
	}
	began := time.Now()
	rates, err := w.rates(ctx, len(b.ids))
	if err != nil {
		return nil, err
	}
	overall := float64(len(b.ids)) / time.Since(began).Seconds()
	used := usage()
	for pid := range used {
		used[pid] -= before[pid]
	}
	w.spent("Where the time goes, of "+b.name, used, len(b.ids), w.processes(map[string]string{}), map[string]string{
		"DispatcherFunction": byDispatcher, "SandboxBashFunction": bySandbox, "SandboxBashFunction/": byScripts,
	}, byEngine, byDispatcher, bySandbox, byScripts, byOthers, byStack)
	calls := w.stack.Counts().Number(aws.Call{Function: "DispatcherFunction", Service: "dynamodb"})
	for _, id := range b.ids {
		if err := w.ended(ctx, id); err != nil {
			return nil, err
		}
	}
	cores := float64(runtime.NumCPU())
	for i := range rates {
		rates[i] /= cores
	}
	return []row{
		{name: b.name, cells: map[column][]float64{databaseCalls: {float64(calls) / float64(len(b.ids))}, rate: {overall / cores}}, aims: map[column]float64{rate: aimRate}},
		{name: "  each tenth of them", cells: map[column][]float64{rate: rates}},
	}, nil
}

// queueOf is where a function gets its work.
func (w *work) queueOf(function string) (url *string, arn string) {
	for _, q := range w.stack.Template().Queues {
		for _, source := range w.stack.Template().Functions[function].QueueSources {
			if q.ARN == source.QueueARN {
				return &q.URL, q.ARN
			}
		}
	}
	return nil, ""
}

// queue is where dispatchers get their work.
func (w *work) queue() (url *string, arn string) { return w.queueOf("DispatcherFunction") }

// drained waits until every message of a function's queue has been handled and deleted.
func (w *work) drained(ctx context.Context, function string) error {
	_, arn := w.queueOf(function)
	for {
		if visible, inFlight, _ := w.stack.Queues().Depth(arn); visible+inFlight == 0 {
			return nil
		}
		if err := client.Pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

// queued triggers all executions of all bursts. Their messages do not come.
func (w *work) queued(ctx context.Context, bursts []*burst) error {
	return w.held(ctx, "DispatcherFunction", func() error {
		for _, b := range bursts {
			if err := w.triggered(ctx, b); err != nil {
				return err
			}
		}
		return nil
	})
}

// triggered triggers the executions of a burst.
func (w *work) triggered(ctx context.Context, b *burst) error {
	b.ids = make([]string, w.size.Executions)
	const side = 8
	errs := make([]error, side)
	var wg sync.WaitGroup
	for s := range side {
		wg.Go(func() {
			for i := s; i < len(b.ids) && errs[s] == nil; i += side {
				b.ids[i], errs[s] = w.trigger(ctx, b.runbookOf(i), "")
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// enqueue puts a message for each execution into the queue, just as their triggers did.
func (w *work) enqueue(ctx context.Context, b *burst) error {
	url, _ := w.queue()
	var messages []execution.Message
	for i, id := range b.ids {
		messages = append(messages, execution.Message{ExecutionID: id, RunbookID: b.runbookOf(i), Version: 1, Sequence: 1, TeamID: w.team, Slot: "-"})
	}
	for len(messages) > 0 {
		n := min(10, len(messages))
		in := &sqs.SendMessageBatchInput{QueueUrl: url}
		for i, m := range messages[:n] {
			body, err := json.Marshal(m)
			if err != nil {
				return err
			}
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: sdk.String(strconv.Itoa(i)), MessageBody: sdk.String(string(body))})
		}
		out, err := w.stack.Queues().SendMessageBatch(ctx, in)
		if err != nil {
			return err
		}
		if len(out.Failed) > 0 {
			return fmt.Errorf("the queue took %d of %d messages", len(out.Successful), n)
		}
		messages = messages[n:]
	}
	return nil
}

// rates watches the queue empty and returns, for each tenth of it, how many were handled in a second.
func (w *work) rates(ctx context.Context, all int) ([]float64, error) {
	_, arn := w.queue()
	var out []float64
	since, counted := time.Now(), 0
	moved, last := time.Now(), 0
	for {
		visible, inFlight, _ := w.stack.Queues().Depth(arn)
		handled, now := all-visible-inFlight, time.Now()
		if handled != last {
			moved, last = now, handled
		}
		if handled-counted >= max(all/10, 1) || handled == all && handled > counted {
			out = append(out, float64(handled-counted)/now.Sub(since).Seconds())
			since, counted = now, handled
		}
		if handled == all {
			return out, nil
		}
		if now.Sub(moved) > stalled {
			return nil, fmt.Errorf("%d of %d queued executions were handled, and then none for %v", handled, all, stalled)
		}
		if err := client.Pause(ctx, time.Millisecond); err != nil {
			return nil, err
		}
	}
}
