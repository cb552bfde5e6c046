package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"pagefree/infra/local/client"
	"pagefree/internal/execution"
)

// spreadOver is how many runbooks queued executions belong to: under the limit of any, and a hot item for none.
const spreadOver = 20

// stalled is how long nothing may be handled before throughput gives up.
const stalled = time.Minute

// throughput queues executions whose script ends at once, all before the first
// is dispatched, and measures how fast they are handled.
func (w *work) throughput(ctx context.Context) (group, error) {
	cores := float64(runtime.NumCPU())
	g := group{title: fmt.Sprintf("Throughput: %d queued executions, whose script ends at once, by %d cores that do all the rest too", w.size.Executions, runtime.NumCPU())}
	var runbooks []string
	for range spreadOver {
		id, err := w.approved(ctx, "BASH", "exit\n")
		if err != nil {
			return g, err
		}
		runbooks = append(runbooks, id)
	}
	ids, err := w.queued(ctx, runbooks)
	if err != nil {
		return g, err
	}
	before := usage()
	if err := w.send(ctx, ids); err != nil {
		return g, err
	}
	began := time.Now()
	rates, err := w.rates(ctx, len(ids))
	if err != nil {
		return g, err
	}
	overall := float64(len(ids)) / time.Since(began).Seconds()
	w.spent(before, usage(), len(ids))
	for _, id := range ids {
		if err := w.ended(ctx, id); err != nil {
			return g, err
		}
	}
	for i := range rates {
		rates[i] /= cores
	}
	g.rows = []row{
		{name: "queued sandbox executions", cells: map[column][]float64{rate: {overall / cores}}, aims: map[column]float64{rate: aimRate}},
		{name: "  each tenth of them", cells: map[column][]float64{rate: rates}},
	}
	return g, nil
}

// queue is where dispatchers get their work.
func (w *work) queue() (url *string, arn string) {
	for _, q := range w.stack.Template().Queues {
		for _, source := range w.stack.Template().Functions["DispatcherFunction"].QueueSources {
			if q.ARN == source.QueueARN {
				return &q.URL, q.ARN
			}
		}
	}
	return nil, ""
}

// drained waits until every message has been handled and deleted.
func (w *work) drained(ctx context.Context) error {
	_, arn := w.queue()
	for {
		if visible, inFlight, _ := w.stack.Queues().Depth(arn); visible+inFlight == 0 {
			return nil
		}
		if err := client.Pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

// queued triggers executions whose messages do not come: the queue delays them
// until they are thrown away.
func (w *work) queued(ctx context.Context, runbooks []string) ([]string, error) {
	url, _ := w.queue()
	delay := func(seconds int) error {
		_, err := w.stack.Queues().SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"DelaySeconds": strconv.Itoa(seconds)}})
		return err
	}
	if err := delay(900); err != nil {
		return nil, err
	}
	ids := make([]string, w.size.Executions)
	const side = 8
	errs := make([]error, side)
	var wg sync.WaitGroup
	for s := range side {
		wg.Go(func() {
			for i := s; i < len(ids) && errs[s] == nil; i += side {
				ids[i], errs[s] = w.trigger(ctx, runbooks[i%len(runbooks)], "")
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if _, err := w.stack.Queues().PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: url}); err != nil {
		return nil, err
	}
	return ids, delay(0)
}

// send puts a message for each execution into the queue, as the watchdog does when one was lost.
func (w *work) send(ctx context.Context, ids []string) error {
	url, _ := w.queue()
	for len(ids) > 0 {
		n := min(10, len(ids))
		in := &sqs.SendMessageBatchInput{QueueUrl: url}
		for i, id := range ids[:n] {
			body, err := json.Marshal(execution.Message{ExecutionID: id})
			if err != nil {
				return err
			}
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(string(body))})
		}
		out, err := w.stack.Queues().SendMessageBatch(ctx, in)
		if err != nil {
			return err
		}
		if len(out.Failed) > 0 {
			return fmt.Errorf("the queue took %d of %d messages", len(out.Successful), n)
		}
		ids = ids[n:]
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

// spent makes the rows that say which process the time of an execution goes to.
func (w *work) spent(before, after map[string]float64, executions int) {
	w.share = group{title: "Where the time of one such execution goes: ms of a core, over all of them"}
	names := map[string]string{}
	for _, s := range w.stack.Functions().Instances() {
		names[strconv.Itoa(s.PID)] = s.Function
	}
	self := strconv.Itoa(os.Getpid())
	sums := map[string]float64{}
	for pid, ms := range after {
		spent := ms - before[pid]
		own, below := filepath.Split(pid)
		switch {
		case own == "" && below == self:
			sums["local stack: queue, KMS, Lambda service, IAM, counting"] += spent
		case own == "" && names[below] == "DispatcherFunction":
			sums["dispatcher"] += spent
		case own == "" && names[below] == "SandboxBashFunction":
			sums["sandbox function"] += spent
		case own != "" && names[filepath.Clean(own)] == "SandboxBashFunction":
			sums["processes below it: walls, bash, their end"] += spent
		case own == "" && names[below] == "":
			sums["DynamoDB engine"] += spent
		}
	}
	for _, name := range []string{"DynamoDB engine", "dispatcher", "sandbox function", "processes below it: walls, bash, their end", "local stack: queue, KMS, Lambda service, IAM, counting"} {
		w.share.rows = append(w.share.rows, row{name: name, cells: map[column][]float64{took: {sums[name] / float64(executions)}}})
	}
}

// usage is the time that this process and those below it have used, in ms, by
// pid; that of children which have ended is under "<pid>/children". Source:
// proc(5), fields 14 to 17 of stat, in hundredths of a second.
func usage() map[string]float64 {
	out := map[string]float64{}
	known := map[int]bool{os.Getpid(): true}
	for grown := true; grown; {
		grown = false
		dirs, _ := os.ReadDir("/proc")
		for _, d := range dirs {
			pid, err := strconv.Atoi(d.Name())
			if err != nil {
				continue
			}
			f := statOf(pid)
			if len(f) < 15 {
				continue
			}
			parent, _ := strconv.Atoi(f[1])
			if !known[pid] && known[parent] {
				known[pid], grown = true, true
			}
			if known[pid] {
				out[d.Name()] = ticks(f[11]) + ticks(f[12])
				out[d.Name()+"/children"] = ticks(f[13]) + ticks(f[14])
			}
		}
	}
	return out
}

// statOf are the fields of a process's stat from the third on, after its name, which may hold anything.
func statOf(pid int) []string {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	_, rest, _ := cutLast(string(raw), ") ")
	return strings.Fields(rest)
}

func ticks(field string) float64 {
	n, _ := strconv.ParseFloat(field, 64)
	return n * 10
}

func cutLast(s, sep string) (before, after string, found bool) {
	if at := strings.LastIndex(s, sep); at >= 0 {
		return s[:at], s[at+len(sep):], true
	}
	return "", s, false
}
