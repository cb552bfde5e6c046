package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"pagefree/infra/local/lambda"
)

// memory gives every function real work until one of its processes has
// answered as many requests as are asked for, and reads what that holds then.
func (w *work) memory(ctx context.Context) (group, error) {
	g := group{title: fmt.Sprintf("Functions: ms from exec to the first call of the Runtime API, %d rounds, all binaries in turn; memory after %d requests to one process", w.size.Rounds, w.size.Calls)}
	drivers, err := w.drivers(ctx)
	if err != nil {
		return g, err
	}
	for _, id := range slices.Sorted(maps.Keys(w.functions)) {
		r := w.functions[id]
		drive := drivers[id]
		if id == "AuthorizerFunction" { // everybody's requests pass it
			drive = drivers["IdentityFunction"]
		}
		if drive == nil {
			r.note = "nothing here calls it: add it to the drivers"
		} else if err := w.drive(ctx, id, drive); err != nil {
			return g, fmt.Errorf("%s: %w", r.name, err)
		}
	}
	// Read at the end: whoever was early has been used by others' requests since.
	for id, s := range w.busiest() {
		if s.Requests < w.size.Calls {
			continue
		}
		mb, err := residentOf(s.PID)
		if err != nil {
			return g, fmt.Errorf("memory of %s: %w", id, err)
		}
		w.functions[id].cells[resident] = []float64{mb}
	}
	for _, id := range slices.Sorted(maps.Keys(w.functions)) {
		g.rows = append(g.rows, *w.functions[id])
	}
	return g, nil
}

// busiest is the process of each function that has answered most.
func (w *work) busiest() map[string]lambda.InstanceStat {
	most := map[string]lambda.InstanceStat{}
	for _, s := range w.stack.Functions().Instances() {
		if s.Requests > most[s.Function].Requests {
			most[s.Function] = s
		}
	}
	return most
}

// drive calls a function one request at a time, which come to the process that was used last.
func (w *work) drive(ctx context.Context, id string, do func(context.Context, int) error) error {
	for n := 0; w.busiest()[id].Requests < w.size.Calls; n++ {
		if n > 20*w.size.Calls {
			return errors.New("no process of it gets that many requests")
		}
		if err := do(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// invoke calls a function and reads its answer into out, unless that is nil.
func (w *work) invoke(ctx context.Context, function string, event, out any) error {
	payload, err := json.Marshal(event)
	if err != nil {
		return err
	}
	res, err := w.stack.Functions().Invoke(ctx, lambda.Request{Function: function, Payload: payload})
	if err != nil {
		return err
	}
	if res.FunctionError != "" {
		return fmt.Errorf("it failed: %s", res.Payload)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(res.Payload, out)
}

// residentOf is what a process holds in memory now, in MB (proc(5), VmRSS).
func residentOf(pid int) (float64, error) {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024, err
		}
	}
	return 0, errors.New("no VmRSS")
}
