// Package engine provides the DynamoDB that the local stack and the tests store in.
//
// There are three: Dynoxide, one native binary that npm installs (the default), DynamoDB Local, a Java program that
// Maven fetches (the second opinion of the store tests), and any other that already runs at an endpoint.
// A process that Start started never outlives this one, not even when this one is killed.
package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Kind names an engine.
type Kind string

const (
	// Dynoxide runs on Linux on x86-64 only. It is made by `npm ci` in infra/local.
	Dynoxide Kind = "dynoxide"
	// DynamoDBLocal runs wherever Java 17 does. It is made by `mvn dependency:copy-dependencies` in infra/local/dynamodblocal.
	DynamoDBLocal Kind = "dynamodb-local"
	// External is an engine that somebody else started and will stop.
	External Kind = "external"
)

// ErrMissing tells that the engine's program is not installed; the message says what to run.
var ErrMissing = errors.New("the DynamoDB engine is not installed")

// readyWithin is how long an engine may take to answer. Dynoxide needs 50 ms, Java some 3 s on a free machine.
const readyWithin = 60 * time.Second

// Options say which engine to start. The zero value is the platform's default, in memory.
type Options struct {
	Kind     Kind   // empty: External with an Endpoint, Dynoxide where it runs, DynamoDBLocal elsewhere
	Endpoint string // http://host:port of an External engine
	Dir      string // where the data is kept over restarts; empty: in memory
}

// FromEnv reads DYNAMODB_ENDPOINT (use what runs there) and PAGEFREE_ENGINE (a Kind).
func FromEnv() Options {
	return Options{Kind: Kind(os.Getenv("PAGEFREE_ENGINE")), Endpoint: os.Getenv("DYNAMODB_ENDPOINT")}
}

func (o Options) kind() Kind {
	switch {
	case o.Kind != "":
		return o.Kind
	case o.Endpoint != "":
		return External
	case runtime.GOOS == "linux" && runtime.GOARCH == "amd64":
		return Dynoxide
	}
	return DynamoDBLocal
}

// Engine is a DynamoDB that answers at Endpoint.
type Engine struct {
	kind     Kind
	endpoint string
	proc     *process // nil when External
}

// Start starts the engine and returns once it answers.
func Start(ctx context.Context, o Options) (*Engine, error) {
	e := &Engine{kind: o.kind(), endpoint: strings.TrimRight(o.Endpoint, "/")}
	var err error
	switch e.kind {
	case External:
		if e.endpoint == "" {
			return nil, errors.New("engine: DYNAMODB_ENDPOINT is empty")
		}
	case Dynoxide:
		e.proc, err = startDynoxide(ctx, o.Dir)
	case DynamoDBLocal:
		e.proc, err = startDynamoDBLocal(ctx, o.Dir)
	default:
		err = fmt.Errorf("unknown kind %q: know %s and %s", e.kind, Dynoxide, DynamoDBLocal)
	}
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	if e.proc != nil {
		e.endpoint = fmt.Sprintf("http://127.0.0.1:%d", e.proc.port)
	}
	if err := e.ready(ctx); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// Kind tells which engine it is.
func (e *Engine) Kind() Kind { return e.kind }

// Endpoint is the address of the engine itself, http://host:port, without the local stack's proxy before it.
func (e *Engine) Endpoint() string { return e.endpoint }

// Done is closed when the engine's process has ended, whoever ended it. It is nil for an External engine.
func (e *Engine) Done() <-chan struct{} {
	if e.proc == nil {
		return nil
	}
	return e.proc.done
}

// Close ends the engine's process, if we started it, and waits for its end. Acknowledged writes on a file stay.
func (e *Engine) Close() {
	if e.proc != nil {
		e.proc.kill()
	}
}

// ready waits until something answers HTTP at the endpoint; any answer will do.
func (e *Engine) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.endpoint+"/", nil)
		if err != nil {
			return fmt.Errorf("engine: endpoint %q: %w", e.endpoint, err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			return resp.Body.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("engine: no answer at %s: %w", e.endpoint, err)
		case <-e.Done():
			return fmt.Errorf("engine: %s ended at its start: %s", e.kind, e.proc.lastWords())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func startDynoxide(ctx context.Context, dir string) (*process, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return nil, fmt.Errorf("dynoxide runs on linux/amd64 only: set DYNAMODB_ENDPOINT, or PAGEFREE_ENGINE=%s", DynamoDBLocal)
	}
	home, err := localDir()
	if err != nil {
		return nil, err
	}
	bin := filepath.Join(home, "node_modules", "@dynoxide", "linux-x64", "dynoxide")
	if _, err := os.Stat(bin); err != nil {
		return nil, fmt.Errorf("%w: run `npm ci` in infra/local (%w)", ErrMissing, err)
	}
	args := []string{"serve", "--host", "127.0.0.1", "--port", "0"} // the kernel picks a port that nobody else has
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		args = append(args, "--db-path", filepath.Join(dir, "dynamodb.sqlite"))
	}
	return startProcess(ctx, 0, "", bin, args...)
}

func startDynamoDBLocal(ctx context.Context, dir string) (*process, error) {
	home, err := localDir()
	if err != nil {
		return nil, err
	}
	lib := filepath.Join(home, "dynamodblocal", "lib")
	if jars, _ := filepath.Glob(filepath.Join(lib, "DynamoDBLocal-*.jar")); len(jars) == 0 {
		return nil, fmt.Errorf("%w: run `mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib -DincludeScope=runtime` in infra/local/dynamodblocal", ErrMissing)
	}
	port, err := freePort() // it refuses port 0
	if err != nil {
		return nil, err
	}
	args := []string{
		"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djava.library.path=" + lib, "-cp", filepath.Join(lib, "*"),
		"software.amazon.dynamodb.services.local.main.ServerRunner",
		"-port", fmt.Sprint(port), "-sharedDb", "-disableTelemetry",
	}
	if dir == "" {
		args = append(args, "-inMemory")
	} else {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		args = append(args, "-dbPath", dir)
	}
	return startProcess(ctx, port, lib, "java", args...)
}

// localDir finds infra/local above the working directory: tests run in their package's folder, the stack in the root.
func localDir() (string, error) {
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; at = filepath.Dir(at) {
		dir := filepath.Join(at, "infra", "local")
		if _, err := os.Stat(filepath.Join(dir, "package.json")); err == nil {
			return dir, nil
		}
		if at == filepath.Dir(at) {
			return "", errors.New("infra/local is not above the working directory")
		}
	}
}
