package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/infra/local/client"
)

// hooks measures how long each provider waits for its 202: by a process that was just started for it, and by one that
// is there. One delivery is under way at a time, and what it led to is over before the next one.
func (w *work) hooks(ctx context.Context) (group, error) {
	g := group{title: fmt.Sprintf("Hooks: ms from a delivery's first byte until its 202 is read, through the edge; %d by a fresh process each, %d by one that is there; held against what the provider waits", w.size.Colds, w.size.Deliveries)}
	for _, s := range monitors() {
		r := row{name: s.provider, cells: map[column][]float64{}, aims: map[column]float64{}}
		if s.limit > 0 {
			r.aims[cold], r.aims[warm] = milliseconds(s.limit), milliseconds(s.limit)
		}
		for n := range w.size.Colds + w.size.Deliveries {
			c := warm
			if n < w.size.Colds {
				c = cold
				w.stack.Kill("HooksFunction")
			}
			took, err := w.send(ctx, s.provider)
			if err == nil {
				err = w.drained(ctx, "AlertsFunction")
			}
			if err != nil {
				return g, err
			}
			r.cells[c] = append(r.cells[c], milliseconds(took))
		}
		g.rows = append(g.rows, r)
	}
	return g, nil
}

// arrivals measures how many deliveries are accepted in a second, beside the bare function that does one GetItem. Their
// messages do not come meanwhile: what makes incidents of them would take its share of the cores.
func (w *work) arrivals(ctx context.Context) (group, error) {
	g := group{title: fmt.Sprintf("Hooks a second: %d bursts of %v of each kind, at the API's own address, by %d cores that do all the rest too; what was accepted is handled later", w.size.Bursts, w.size.Burst, runtime.NumCPU())}
	from := func(provider string) func(context.Context) error {
		s := w.senders[provider]
		return func(ctx context.Context) error {
			d, err := w.another(ctx, s)
			if err == nil {
				_, _, err = w.deliver(ctx, w.stack.APIURL, s, d)
			}
			return err
		}
	}
	kinds := []struct {
		name, share string // share: where its time goes is said so
		do          func(context.Context) error
	}{
		{"a bare GetItem alone", "", func(ctx context.Context) error {
			_, _, err := w.see(ctx, look{path: alonePath + w.pages.demo})
			return err
		}},
		{"datadog, by a bearer secret", "a hook of datadog", from("datadog")},
		{"standard, signed", "", from("standard")},
		{"github, signed, its body remembered", "", from("github")},
	}
	for _, k := range kinds {
		g.rows = append(g.rows, row{name: k.name, cells: map[column][]float64{}})
	}
	err := w.held(ctx, "AlertsFunction", func() error {
		for _, k := range kinds {
			if _, err := burstOf(ctx, w.size.Burst/4, k.do); err != nil { // its processes start
				return fmt.Errorf("%s: %w", k.name, err)
			}
		}
		spent, answered, names := map[string]float64{}, 0, map[string]string{}
		for range w.size.Bursts {
			var base float64
			for i, k := range kinds {
				before, began := usage(), time.Now()
				n, err := burstOf(ctx, w.size.Burst, k.do)
				if err != nil {
					return fmt.Errorf("%s: %w", k.name, err)
				}
				perCore := float64(n) / time.Since(began).Seconds() / float64(runtime.NumCPU())
				if i == 0 {
					base = perCore
				}
				if k.share != "" {
					w.processes(names)
					for pid, ms := range usage() {
						spent[pid] += ms - before[pid]
					}
					answered += n
				}
				cells := g.rows[i].cells
				cells[rate] = append(cells[rate], perCore)
				cells[ofBare] = append(cells[ofBare], 100*perCore/base)
			}
		}
		for _, k := range kinds {
			if k.share != "" {
				w.spent("Where the time goes, of "+k.share, spent, answered, names, map[string]string{"HooksFunction": byHooks}, byEngine, byHooks, byOthers, byGateway)
			}
		}
		return nil
	})
	return g, err
}

// held does something while the messages of a function's queue do not come: the queue delays them until they are thrown
// away, which SQS does once a minute.
func (w *work) held(ctx context.Context, function string, do func() error) error {
	url, _ := w.queueOf(function)
	delay := func(seconds int) error {
		_, err := w.stack.Queues().SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"DelaySeconds": strconv.Itoa(seconds)}})
		return err
	}
	if err := delay(900); err != nil {
		return err
	}
	err := do()
	if _, purged := w.stack.Queues().PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: url}); purged != nil {
		err = errors.Join(err, purged)
	}
	return errors.Join(err, delay(0))
}

// within waits for something to become so; what says what did not.
func within(ctx context.Context, what string, is func() (bool, error)) error {
	for giveUp := time.Now().Add(stalled); ; {
		if ok, err := is(); ok || err != nil {
			return err
		}
		if time.Now().After(giveUp) {
			return fmt.Errorf("waited in vain for %v: %s", stalled, what)
		}
		if err := client.Pause(ctx, 2*time.Millisecond); err != nil {
			return err
		}
	}
}
