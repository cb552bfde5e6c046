// Command local is PageFree on this machine: the functions of template.yaml as processes behind an API Gateway and a
// CloudFront, with the AWS services that they use on a loopback port.
//
//	go run ./infra/local run     the stack with demo data, until Ctrl-C; data in .local/, PORT moves it (8080)
//	go run ./infra/local demo    the same in a throw-away folder and on a free port, checked: exit 0 or 1
//	go run ./infra/local bench   cold starts, memory, DynamoDB calls and views, measured on such a stack
//
// Each takes -h.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/infra/local/bench"
	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
	"pagefree/infra/local/engine"
	"pagefree/infra/local/stack"
	"pagefree/internal/platform/dynamo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "local:", err)
		os.Exit(1)
	}
}

// commands are what may stand on the command line; none is run.
var commands = map[string]func(context.Context, []string, io.Writer) error{
	"run":   serve,
	"demo":  check,
	"bench": measure,
}

func run(ctx context.Context, args []string, out io.Writer) error {
	name := "run"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	command, ok := commands[name]
	if !ok {
		return fmt.Errorf("unknown command %q: know run, demo and bench", name)
	}
	return command(ctx, args, out)
}

// settings are what the command line and the environment say.
type settings struct {
	stack.Options
	noDemo  bool
	samEnv  string // file for sam local --env-vars
	samHost string // under which a container of sam local reaches this machine
}

func parse(name string, args []string, out io.Writer) (o settings, err error) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.StringVar(&o.Dir, "dir", "", "folder of data, keys and logs (run: .local; demo: a throw-away one)")
	flags.IntVar(&o.APIPort, "api-port", 0, "port of the API's own address, around the distribution; 0 picks a free one")
	flags.IntVar(&o.AWSPort, "aws-port", 0, "port of the AWS services; 0 picks a free one")
	hosts := flags.String("aws-host", "", "one more address for that port, such as a container bridge's")
	flags.BoolVar(&o.noDemo, "no-demo", false, "leave the demo data out")
	flags.StringVar(&o.samEnv, "sam-env", "", "write this file for sam local's --env-vars")
	flags.StringVar(&o.samHost, "sam-host", "host.docker.internal", "name of this machine in that file")
	verbose := flags.Bool("v", false, "print every line that the functions log")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%s takes no %q", name, flags.Arg(0))
	}
	if *hosts != "" {
		o.AWSHosts = []string{*hosts}
	}
	if *verbose {
		o.Output = os.Stderr
	}
	o.Engine, o.Progress = engine.FromEnv(), out
	o.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	return o, nil
}

// serve is `run`: everything, kept over restarts, until it is told to stop.
func serve(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse("run", args, out)
	if err != nil {
		return err
	}
	if o.Dir == "" {
		o.Dir = ".local"
	}
	o.Port = 8080
	if port := os.Getenv("PORT"); port != "" {
		if o.Port, err = strconv.Atoi(port); err != nil || o.Port < 0 || o.Port > 65535 {
			return fmt.Errorf("PORT is %q, and no port", port)
		}
	}
	began := time.Now()
	s, err := stack.Start(ctx, o.Options)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	fmt.Fprintf(out, "ready in %.1f s at %s\n", time.Since(began).Seconds(), s.URL)
	if o.samEnv != "" {
		if err := s.WriteSAMEnvironment(o.samEnv, o.samHost); err != nil {
			return err
		}
	}
	people := demo.Admin
	if !o.noDemo {
		people = strings.Join([]string{demo.Lead, demo.Reviewer, demo.Responder}, ", ")
		result, err := demo.Run(ctx, demo.Options{URL: s.URL, Out: out, Whole: true, Colour: terminal(out), Past: past(s), Topics: s.Topics()})
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("the demo: %w\n`make clean` begins anew; `go run ./infra/local -no-demo` starts with what is there", err)
		}
		if err != nil {
			return ctx.Err()
		}
		paste(out, s.URL, s.Dir, result)
		if err := welcome(ctx, out, s.URL); err != nil && ctx.Err() == nil {
			return err
		}
	}
	fmt.Fprintf(out, `
console   %[1]s/console (sign in as %[2]s)
sign in   %[1]s/signin
mail      %[1]s/_local/mail (where the links of all who sign in arrive)
page      %[1]s/status/%[6]s (sign in as %[7]s or %[8]s: each sees another part)
webhooks  %[1]s/_local/webhooks (what %[1]s/_local/echo/200 received)
at        %[1]s (as CloudFront; the API by itself: %[5]s)
data      %[3]s (kept)
logs      %[3]s/logs
AWS       %[4]s (any keys)

Ctrl-C stops it.
`, s.URL, people, s.Dir, s.AWSEndpoint, s.APIURL, demo.Slug, demo.Acme, demo.Globex)
	<-ctx.Done()
	fmt.Fprintln(out, "stopping")
	return s.Close()
}

// welcome prints links that sign in at the console, which go on to where each of these people would begin.
func welcome(ctx context.Context, out io.Writer, at string) error {
	c := client.Client{URL: at}
	fmt.Fprintf(out, "\nThe console: %s/console\nLinks that sign in, each good for 15 minutes, once. One browser holds one session: take a private window for another.\n", at)
	for _, who := range []struct{ email, next, does string }{
		{demo.Responder, "/console/incidents", "one incident is open, and its runbook waits for a confirmation"},
		{demo.Reviewer, "/console/reviews", "one runbook waits for a review"},
		{demo.Lead, "/console/status-pages", "a page with partners; writes runbooks, workflows, integrations"},
	} {
		began := time.Now()
		if _, err := c.Want(ctx, http.StatusAccepted, "POST", "/v1/auth/magic-link", "", map[string]any{"email": who.email, "next": who.next}); err != nil {
			return err
		}
		link, err := c.Link(ctx, who.email, began)
		if err != nil {
			return err
		}
		name, _, _ := strings.Cut(who.email, "@")
		fmt.Fprintf(out, "  %-10s %s (%s)\n", name, link, who.does)
	}
	return nil
}

// past is how the demo gets its history.
func past(s *stack.Stack) *demo.Past {
	db := dynamodb.NewFromConfig(s.Config())
	return &demo.Past{
		Automation: dynamo.Table{Name: s.Template().Tables["AutomationTable"].Name, DB: db},
		Status:     dynamo.Table{Name: s.Template().Tables["StatusTable"].Name, DB: db},
		Now:        time.Now,
	}
}

// paste prints lines for a second shell, with what they need in them.
func paste(out io.Writer, url, dir string, r demo.Result) {
	fmt.Fprintf(out, `
For a second shell. An alert, which a workflow handles within a second; the status page as a program of Acme reads it; the audit trail, verified:

curl -s -H 'Authorization: Bearer %[2]s' -H 'Content-Type: application/json' -d '{"title":"Disk of web-3 is full","severity":"critical","labels":{"remedy":"%[3]s"}}' %[4]s
curl -s -H 'Authorization: Bearer %[5]s' %[1]s/status/%[6]s
curl -s -H 'Authorization: Bearer %[7]s' '%[1]s/v1/audit/export?limit=200' > %[8]s && go run ./infra/audit verify %[8]s
`, url, r.HookSecret, demo.RemedyLabel, r.Hook, r.Tokens["Acme"], demo.Slug, r.Sessions[demo.Admin], filepath.Join(dir, "audit.ndjson"))
}

// check is `demo`: the demo against a stack of its own, which goes with it.
func check(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse("demo", args, out)
	if err != nil {
		return err
	}
	s, err := stack.Start(ctx, o.Options)
	if err != nil {
		return err
	}
	_, err = demo.Run(ctx, demo.Options{URL: s.URL, Out: out, Whole: true, Colour: terminal(out), Past: past(s), Topics: s.Topics()})
	if err != nil && ctx.Err() == nil {
		for _, f := range s.Functions().Instances() {
			for _, line := range s.Functions().Logs(f.Function) {
				fmt.Fprintf(os.Stderr, "%s: %s\n", f.Function, line)
			}
		}
	}
	return errors.Join(err, s.Close())
}

// measure is `bench`.
func measure(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse("bench", args, out)
	if err != nil {
		return err
	}
	return bench.Run(ctx, o.Options, bench.Full, out)
}

// terminal tells whether out is one that shows attributes.
func terminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
