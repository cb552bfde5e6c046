// Command probe is a function that does what the event tells it to, for the tests of the Lambda service.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do   string // echo, env, error, panic, exit, die, sleep, big, log, spawn, context
	Text string
	N    int
}

func main() {
	if os.Getenv("PROBE_INIT") == "exit" {
		os.Exit(3)
	}
	lambda.Start(handle)
}

func handle(ctx context.Context, e event) (any, error) {
	switch e.Do {
	case "env":
		return os.Environ(), nil
	case "error":
		return nil, errors.New(e.Text)
	case "panic":
		panic(e.Text)
	case "exit":
		os.Exit(e.N)
	case "die":
		return nil, syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "sleep":
		time.Sleep(time.Duration(e.N) * time.Millisecond)
	case "big":
		return strings.Repeat("x", e.N), nil
	case "log":
		fmt.Println(e.Text)
	case "spawn": // a child in a session of its own, as a script's would be
		cmd := exec.Command("sleep", "600")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		return cmd.Process.Pid, nil
	case "context":
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		return map[string]any{
			"requestId": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "trace": os.Getenv("_X_AMZN_TRACE_ID"),
			"leftMs": time.Until(deadline).Milliseconds(), "client": lc.ClientContext.Custom["k"],
		}, nil
	}
	return map[string]any{"text": e.Text, "pid": os.Getpid()}, nil
}
