// Command sandbox runs the scripts of one language, sent to it by the
// dispatcher alone. See internal/execution/target/sandbox/runner for what it
// promises.
//
// It is a custom runtime: bootstrap on provided.al2023 for bash, and on the
// managed runtimes of Python and Node.js, which have the interpreters, the
// program that AWS_LAMBDA_EXEC_WRAPPER names. Lambda then starts it in place
// of the runtime's own program (whose path and arguments it is given, and
// does not need), and it speaks the Runtime API as ever.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"github.com/aws/aws-lambda-go/lambda"

	"pagefree/internal/execution/target/sandbox/protocol"
	"pagefree/internal/execution/target/sandbox/runner"
	"pagefree/internal/platform/log"
)

func main() {
	runner.Launch(os.Args) // does not return in a supervisor or a launcher
	log.Setup(os.Stdout, "sandbox")
	f := function{runner.New(runner.Options{
		Language: protocol.Language(os.Getenv("SANDBOX_LANGUAGE")),
		Path:     os.Getenv("PATH"),
		OnLambda: onLambda(os.Getenv, executable(), os.Getuid()),
		Log:      slog.Default(),
	})}
	lambda.Start(f.handle)
}

// onLambda tells AWS Lambda itself from all that resembles it, since there
// scripts run behind fewer walls, and /tmp is wiped. AWS_EXECUTION_ENV does
// not tell: provided.al2023 lacks it. Neither the local stack (where the
// program stands elsewhere) nor sam local (which says so) counts.
func onLambda(getenv func(string) string, executable string, uid int) bool {
	return executable == "/var/task/bootstrap" &&
		getenv("LAMBDA_TASK_ROOT") == "/var/task" &&
		getenv("AWS_LAMBDA_INITIALIZATION_TYPE") != "" &&
		getenv("AWS_SAM_LOCAL") == "" &&
		uid != 0
}

func executable() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return path
}

type function struct{ runner *runner.Runner }

func (f function) handle(ctx context.Context, req protocol.Request) (*answer, error) {
	res, err := f.runner.Run(ctx, req)
	if err != nil {
		return nil, err // a NotRun travels by its type's name
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(res); err != nil {
		return nil, fmt.Errorf("write the answer: %w", err)
	}
	return &answer{Reader: bytes.NewReader(body.Bytes()), afresh: f.runner.Tainted()}, nil
}

// answer is a response that aws-lambda-go sends as it is, and closes between
// sending it and asking for the next request.
type answer struct {
	*bytes.Reader
	afresh bool
}

// ContentType is that of the response.
func (*answer) ContentType() string { return "application/json" }

// Close makes a process of its own out of this one, if a run had to be killed
// that might have left its mark. Exiting would not do: before asking for the
// next request it would fail the answer that was just sent, and after that,
// perhaps, the request that just came. Seen from outside nothing happens:
// the process keeps its id, and what asks for the next request is new.
func (a *answer) Close() error {
	if !a.afresh {
		return nil
	}
	slog.Info("starting afresh after a run that had to be killed")
	err := syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	slog.Error("could not start afresh", "cause", err)
	os.Exit(1)
	return err
}
