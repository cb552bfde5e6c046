// Command sam runs PageFree under sam local, against the services of a local stack: `make sam-local`.
//
// The main job goes through `sam local start-api`, with the local stack's CloudFront before it, without which there are
// no pages: sign in, create, submit, approve, execute, COMPLETED. Then each event of events/ goes through `sam local
// invoke`, and its answer is compared. It needs a Docker engine; where none answers it starts dockerd itself, which takes
// root, and ends it afterwards. Base images that no registry gives are made from this machine's own programs.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/infra/local/demo"
	"pagefree/infra/local/edge"
	"pagefree/infra/local/engine"
	"pagefree/infra/local/stack"
	"pagefree/infra/local/template"
	"pagefree/infra/replay"
)

// samPath is where the Makefile installs it.
const samPath = ".local/venv/bin/sam"

// fromContainers is the name of this machine inside a container.
const fromContainers = "host.docker.internal"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sam-local:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	docker, err := startDocker(ctx, out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, docker.close()) }()

	s, err := stack.Start(ctx, stack.Options{AWSHosts: []string{docker.bridge}, Engine: engine.FromEnv(), Progress: out})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	t := s.Template()
	if err := docker.images(ctx, t); err != nil {
		return err
	}

	sam := &sam{docker: docker, out: out, architecture: t.Parameters["Architecture"]}
	fmt.Fprintf(out, "building the functions for %s by sam build\n", sam.architecture)
	if err := sam.command(ctx, "build", "--config-env", "local", "--parameter-overrides", sam.parameters()).run(); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	before, err := distribution(t, fmt.Sprintf("http://127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer before.Close()
	vars, err := environments(s, before.URL)
	if err != nil {
		return err
	}
	defer os.Remove(vars)

	if err := sam.startAPI(ctx, port, vars, func(ctx context.Context) error {
		if err := page(ctx, before.URL+"/signin", http.StatusOK); err != nil {
			return err
		}
		if err := page(ctx, fmt.Sprintf("http://127.0.0.1:%d/signin", port), http.StatusForbidden); err != nil {
			return err
		}
		_, err := demo.Run(ctx, demo.Options{URL: before.URL, Mail: s.URL, Out: out})
		return err
	}); err != nil {
		return err
	}
	return sam.invokeAll(ctx, t, dynamodb.NewFromConfig(s.Config()), vars)
}

// distribution plays CloudFront in front of sam local start-api, which knows nothing of it, nor of a stage.
func distribution(t *template.Template, api string) (*httptest.Server, error) {
	to, err := url.Parse(api)
	if err != nil {
		return nil, err
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	e, err := edge.New(edge.Options{Distribution: t.Edge, Origin: http.StripPrefix(t.Edge.OriginPath, proxy)})
	if err != nil {
		return nil, err
	}
	return httptest.NewServer(e), nil
}

// page asks for a page, and wants a status.
func page(ctx context.Context, url string, want int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != want {
		return fmt.Errorf("GET %s: got %d, want %d", url, res.StatusCode, want)
	}
	return nil
}

// sam calls the SAM CLI.
type sam struct {
	docker       *docker
	out          io.Writer
	architecture string // x86_64 or arm64
}

// parameters are the template's, as sam wants them on its command line.
func (s *sam) parameters() string {
	return "Architecture=" + s.architecture + " FirstAdminEmail=admin@pagefree.test MailFrom=pagefree@pagefree.test"
}

// call is a command whose output is shown only if it fails.
type call struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
}

// command prepares a call of sam. Credentials of a real account would make it look them up over the network, and reach
// the functions.
func (s *sam) command(ctx context.Context, args ...string) *call {
	c := &call{Cmd: exec.CommandContext(ctx, samPath, args...)}
	c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "AWS_ACCESS_KEY_ID=") || strings.HasPrefix(v, "AWS_SECRET_ACCESS_KEY=") ||
			strings.HasPrefix(v, "AWS_SESSION_TOKEN=") || strings.HasPrefix(v, "AWS_PROFILE=")
	})
	c.Env = append(c.Env, "SAM_CLI_TELEMETRY=0", "AWS_DEFAULT_REGION=us-east-1", "DOCKER_HOST="+s.docker.host)
	c.Stdout, c.Stderr = &c.stdout, &c.stderr
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) } // so that it removes its containers
	c.WaitDelay = 20 * time.Second
	return c
}

func (c *call) run() error {
	if err := c.Run(); err != nil {
		return fmt.Errorf("sam %s: %w\n%s", strings.Join(c.Args[1:3], " "), err, c.stderr.Bytes())
	}
	return nil
}

// local are the options of both ways to run functions.
func (s *sam) local(vars string) []string {
	return []string{
		"--config-env", "local", "--parameter-overrides", s.parameters(), "--env-vars", vars,
		"--add-host", fromContainers + ":host-gateway", "--skip-pull-image",
	}
}

// startAPI calls use while `sam local start-api` serves, and ends it.
func (s *sam) startAPI(ctx context.Context, port int, vars string, use func(context.Context) error) error {
	fmt.Fprintln(s.out, "starting sam local start-api")
	serving, stop := context.WithCancel(ctx)
	defer stop()
	// Each function's container starts at its first call and stays.
	c := s.command(serving, append([]string{"local", "start-api", "--port", fmt.Sprint(port), "--warm-containers", "LAZY"}, s.local(vars)...)...)
	if err := c.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	err := ready(serving, fmt.Sprintf("http://127.0.0.1:%d/healthz", port), ended)
	if err == nil {
		err = use(serving)
	}
	if err != nil {
		err = fmt.Errorf("under sam local start-api: %w", err)
	}
	stop()
	<-ended
	if err != nil {
		return fmt.Errorf("%w\n%s", err, tail(c.stderr.Bytes()))
	}
	return nil
}

// ready waits for a 200.
func ready(ctx context.Context, url string, ended <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case err := <-ended:
			return fmt.Errorf("it ended: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", url, ctx.Err())
		}
	}
}

// invokeAll sends every sample event to its function.
func (s *sam) invokeAll(ctx context.Context, t *template.Template, db *dynamodb.Client, vars string) error {
	list, err := replay.Events(".", t)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range list {
		began := time.Now()
		if err := e.Give(ctx, db, t); err != nil {
			return err
		}
		payload, err := e.Payload(t)
		if err != nil {
			return err
		}
		c := s.command(ctx, append([]string{"local", "invoke", e.Function, "--event", "-"}, s.local(vars)...)...)
		c.Stdin = bytes.NewReader(payload)
		if err = c.run(); err == nil {
			err = replay.Compare(e.Path, lastLine(c.stdout.Bytes()))
		}
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w\n%s", err, tail(c.stderr.Bytes()))
		}
		errs = append(errs, err)
		verdict := "as wanted"
		if err != nil {
			verdict = "NOT as wanted"
		}
		fmt.Fprintf(s.out, "sam local invoke %-26s %-46s %4.1f s  %s\n", e.Function, filepath.ToSlash(e.Path), time.Since(began).Seconds(), verdict)
		if ctx.Err() != nil {
			break
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%d events, all as wanted\n", len(list))
	return nil
}

// lastLine is where sam local invoke prints the answer, after what the function wrote.
func lastLine(b []byte) []byte {
	b = bytes.TrimSpace(b)
	return b[bytes.LastIndexByte(b, '\n')+1:]
}

// tail is the end of a log.
func tail(b []byte) []byte { return b[max(0, len(b)-4000):] }

// environments writes what sam local takes by --env-vars: for variables that the template declares, the stack's values,
// so that tables, queues and keys are those of the stack; and where containers reach its AWS services.
func environments(s *stack.Stack, api string) (path string, err error) {
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.AWSEndpoint, "http://"))
	if err != nil {
		return "", err
	}
	env := map[string]map[string]string{}
	for id, f := range s.Template().Functions {
		env[id] = maps.Clone(f.Environment)
		for name, value := range map[string]string{"AWS_ENDPOINT_URL": "http://" + net.JoinHostPort(fromContainers, port), "PUBLIC_ORIGIN": api} {
			if _, declared := env[id][name]; declared {
				env[id][name] = value
			}
		}
	}
	b, err := json.Marshal(env)
	if err != nil {
		return "", err
	}
	path = filepath.Join(os.TempDir(), fmt.Sprintf("pagefree-sam-%d.json", os.Getpid()))
	return path, os.WriteFile(path, b, 0o600)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// machine is this machine's processor as image tags and the template's parameter name it.
func machine() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}
