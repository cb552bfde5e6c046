// Package bench measures what PageFree costs where it counts on Lambda: cold
// starts beside the smallest possible function, resident memory, and calls of
// DynamoDB by operation, counted on the wire. It prints tables and judges nothing.
package bench

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
	"pagefree/infra/local/lambda"
	"pagefree/infra/local/stack"
)

// Rounds of cold starts, and calls to each function before its memory is read.
const (
	rounds = 30
	calls  = 200
)

// Run measures on a stack of its own, in a throw-away folder, and prints as it goes.
func Run(ctx context.Context, o stack.Options, out io.Writer) error {
	o.Every = time.Hour // schedules would be counted too
	s, err := stack.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	if err := starts(ctx, s, out); err != nil {
		return err
	}
	people, err := demo.Run(ctx, demo.Options{URL: s.URL, Out: io.Discard})
	if err != nil {
		return err
	}
	w := &work{stack: s, api: client.Client{URL: s.URL}, people: people, out: out}
	if err := w.operations(ctx); err != nil {
		return err
	}
	return w.memory(ctx)
}

// starts prints the cold starts of every function beside the baseline.
func starts(ctx context.Context, s *stack.Stack, out io.Writer) error {
	dir := filepath.Join(s.Dir, "bench")
	binaries := environments(s.Template())
	folders := []string{"infra/local/bench/hello"}
	for _, name := range slices.Sorted(maps.Keys(binaries)) {
		folders = append(folders, "functions/"+name)
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	if err := lambda.Build(ctx, root, dir, folders); err != nil {
		return err
	}
	took, more, err := coldStarts(ctx, binaries, dir, rounds)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Cold start, ms from exec to the first call of the Runtime API, %d rounds, all binaries in turn\n", rounds)
	fmt.Fprintf(out, "%-14s %7s %7s %7s   above hello: %7s %7s %7s\n", "", "min", "median", "max", "min", "median", "max")
	fmt.Fprintf(out, "%-14s %v\n", hello, took[hello])
	for _, name := range slices.Sorted(maps.Keys(binaries)) {
		fmt.Fprintf(out, "%-14s %v                %v\n", name, took[name], more[name])
	}
	fmt.Fprintln(out)
	return nil
}

// moduleRoot is the folder of go.mod, here or above.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("go.mod is neither here nor in a folder above")
		}
		dir = parent
	}
}
