// Command fuzz sends made-up requests to a local stack, by the OpenAPI document that it serves, and holds every answer
// against that document: schemathesis makes and judges them, as each kind of caller in turn.
//
//	go run ./infra/local/fuzz                  all callers, with the seed of CI
//	go run ./infra/local/fuzz -seed 7 -as lead one caller, other requests
//
// It exits with 1 when an answer was not as it has to be, and then leaves schemathesis's reports where it says.
// What is checked, and what is left out and why, stands in schemathesis.toml.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"pagefree/infra/local/demo"
	"pagefree/infra/local/engine"
	"pagefree/infra/local/stack"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

// settings are what the command line says.
type settings struct {
	seed     uint
	examples int
	as       []string
	program  string // schemathesis
	reports  string // folder
}

// roomy lets through what a script sends; what is refused for its number alone says nothing.
var roomy = map[string]string{
	"ApiRateLimit": "10000", "ApiBurstLimit": "10000", "ApiCallerRate": "10000", "ApiCallerBurst": "100000", "ApiSourceRate": "10000", "ApiSourceBurst": "100000",
	"PublicSourceRate": "10000", "PublicSourceBurst": "100000", "SigninSourceRate": "10000", "SigninSourceBurst": "100000",
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args, out)
	if err != nil {
		return err
	}
	if o.program, err = exec.LookPath(o.program); err != nil {
		return fmt.Errorf("schemathesis is not there (%w): `make fuzz-api` installs it into .local/venv, from infra/tools/requirements.txt, which takes Python 3 and its package index", err)
	}
	o.program, err = filepath.Abs(o.program) // it runs in another folder
	if err != nil {
		return err
	}
	if o.reports, err = filepath.Abs(o.reports); err != nil {
		return err
	}
	if err := os.RemoveAll(o.reports); err != nil {
		return err
	}
	if err := os.MkdirAll(o.reports, 0o755); err != nil {
		return err
	}
	s, err := stack.Start(ctx, stack.Options{
		Parameters: roomy, Engine: engine.FromEnv(), Progress: out,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	err = all(ctx, s, o, out)
	return errors.Join(err, s.Close())
}

func parse(args []string, out io.Writer) (o settings, err error) {
	flags := flag.NewFlagSet("fuzz", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.UintVar(&o.seed, "seed", 1, "of the made-up requests; the same one makes the same, as far as ids allow")
	flags.IntVar(&o.examples, "examples", 10, "of each operation, in each of two phases, at most")
	names := flags.String("as", strings.Join(order(), ","), "callers, in this order")
	flags.StringVar(&o.program, "schemathesis", filepath.Join(".local", "venv", "bin", "schemathesis"), "the program")
	flags.StringVar(&o.reports, "reports", filepath.Join(".local", "fuzz"), "folder of schemathesis's own reports; emptied first")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("it takes no %q", flags.Arg(0))
	}
	if o.examples < 1 {
		return o, errors.New("-examples is 1 or more")
	}
	for name := range strings.SplitSeq(*names, ",") {
		if !slices.Contains(order(), name) {
			return o, fmt.Errorf("-as takes %s, and no %q", strings.Join(order(), ", "), name)
		}
		o.as = append(o.as, name)
	}
	return o, nil
}

// all runs schemathesis as each caller, and tells what came of it.
func all(ctx context.Context, s *stack.Stack, o settings, out io.Writer) error {
	data, err := demo.Run(ctx, demo.Options{URL: s.URL, Out: io.Discard})
	if err != nil {
		return err
	}
	// At the API's own address, since CloudFront answers some of it by itself, and not by the document.
	w, err := newWorld(ctx, s.APIURL, s.URL, data)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "seed %d, %d examples\n\n", o.seed, o.examples)
	var table []row
	var errs []error
	for _, name := range o.as {
		r, err := w.fuzz(ctx, o, callers[name], out)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("as %s: %w", name, err))
		}
		table = append(table, r)
	}
	show(out, table)
	if names := unreached(table, w.private); len(names) > 0 {
		fmt.Fprintf(out, "\ngranted to none of them: %s\n", strings.Join(names, ", "))
	}
	if len(errs) > 0 {
		fmt.Fprintf(out, "\nreports: %s; again: go run ./infra/local/fuzz -seed %d -examples %d -as %s\n", o.reports, o.seed, o.examples, strings.Join(o.as, ","))
	}
	return errors.Join(errs...)
}
