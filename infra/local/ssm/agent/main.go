// Command agent is what the local stack's managed nodes have in place of the SSM agent: it runs one shell script behind
// the sandbox's walls. It is a program of its own, since whoever runs scripts so becomes the parent of all that they leave.
//
// It reads one Job from its standard input, and writes one Result. Where its input ends before, the script is ended too.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"pagefree/infra/local/ssm/agent/job"
	"pagefree/internal/execution/target/sandbox/protocol"
	"pagefree/internal/execution/target/sandbox/runner"
)

func main() {
	runner.Launch(os.Args)
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	var j job.Job
	if err := json.Unmarshal(line, &j); err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, lines) // until whoever started us closes it, or dies
		cancel()
	}()
	r := runner.New(runner.Options{Language: protocol.Bash, Path: os.Getenv("PATH"), Node: true})
	ended, err := r.Shell(ctx, runner.Shell{Script: j.Script, Env: j.Env, Limit: time.Duration(j.LimitMillis) * time.Millisecond, Keep: j.Keep})
	result := job.Result{Exit: ended.Exit, Signal: ended.Signal, TimedOut: ended.TimedOut, Stdout: ended.Stdout, Stderr: ended.Stderr}
	if _, notRun := errors.AsType[*protocol.NotRun](err); notRun {
		if ctx.Err() == nil {
			result.Refused = err.Error()
		}
	} else if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(result)
}
