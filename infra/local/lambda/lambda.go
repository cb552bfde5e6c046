// Package lambda is a small Lambda service: it builds the functions just as `sam build` does and runs them as child
// processes over the Lambda Runtime API, one request at a time each, more of them under load.
//
// A process gets the environment that template.yaml gives its function, and what Lambda itself sets, and nothing else.
// A process that dies gives its invoker the error that Lambda gives, and the next request a new process. One that
// exceeds its function's timeout is killed. No process outlives the Service.
//
// Not like Lambda: memory is not limited, and idle processes are never frozen.
package lambda

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"pagefree/infra/local/loopback"
	"pagefree/infra/local/template"
)

// Options of New. Only Template and Binaries are required.
type Options struct {
	Template *template.Template
	Binaries string // folder of the binaries that Build made
	Logs     string // folder for one log file a function; empty keeps the lines in memory only
	Endpoint string // origin of the local AWS port; functions whose template declares AWS_ENDPOINT_URL empty get it
	Echo     string // address below which those functions may call webhooks by plain http, see settings.LocalEcho; empty: none
	// MaxInstances a function, default 10, and five times that where a request may take minutes, since others would
	// wait as long. Requests over it wait, unless the template reserves a concurrency: then they are throttled, as in
	// the cloud.
	MaxInstances int
	Timeouts     map[string]time.Duration // override a function's own, by logical id
	IdleFor      time.Duration            // how long an unused process is kept, default 5 minutes
	RetryAfter   []time.Duration          // waits before each retry of an asynchronous call, default 1 and 2 minutes
	Output       io.Writer                // gets each log line of each function too, when set
}

// Service runs the functions of one template.
type Service struct {
	opts      Options
	functions map[string]*function // by logical id
	byName    map[string]*function
	runtime   net.Listener
	server    *http.Server
	spawner   *spawner
	secret    string

	mu        sync.Mutex
	instances map[string]*instance // by id
	serial    int
	closed    bool

	background sync.WaitGroup
	ctx        context.Context // ends with Close
	cancel     context.CancelFunc
}

// New opens the Runtime API on a loopback port. Processes start with the first request to their function.
func New(opts Options) (*Service, error) {
	opts.MaxInstances = cmp.Or(opts.MaxInstances, 10)
	opts.IdleFor = cmp.Or(opts.IdleFor, 5*time.Minute)
	if opts.RetryAfter == nil {
		opts.RetryAfter = []time.Duration{time.Minute, 2 * time.Minute}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the Runtime API: %w", err)
	}
	s := &Service{
		opts: opts, runtime: listener, spawner: newSpawner(), secret: randomHex(20),
		functions: map[string]*function{}, byName: map[string]*function{}, instances: map[string]*instance{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for id, spec := range opts.Template.Functions {
		most := opts.MaxInstances
		if spec.Timeout > time.Minute {
			most *= 5
		}
		f := &function{
			service: s, spec: spec, timeout: cmp.Or(opts.Timeouts[id], spec.Timeout),
			binary: filepath.Join(opts.Binaries, path.Base(spec.Folder)), max: cmp.Or(spec.MaxConcurrency, most),
		}
		if f.logs, err = newLogs(opts.Logs, id, opts.Output); err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.functions[id], s.byName[spec.Name] = f, f
	}
	s.server = &http.Server{Handler: loopback.Guard(http.HandlerFunc(s.serveRuntime))}
	s.background.Go(func() { _ = s.server.Serve(listener) })
	s.background.Go(s.reapIdle)
	return s, nil
}

// Close kills every process and waits until all are gone. Requests under way fail. A second Close does nothing.
func (s *Service) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	live := make([]*instance, 0, len(s.instances))
	for _, i := range s.instances {
		live = append(live, i)
	}
	s.mu.Unlock()
	s.cancel()
	for _, i := range live {
		i.kill()
	}
	for _, i := range live {
		<-i.exited
	}
	var err error
	if s.server != nil {
		err = s.server.Close()
	} else {
		err = s.runtime.Close()
	}
	s.background.Wait()
	s.spawner.close()
	for _, f := range s.functions {
		err = errors.Join(err, f.logs.close())
	}
	return err
}

// Caller is who signs with an access key.
type Caller struct {
	Function  *template.Function
	Instance  string // for Kill
	RequestID string // of the Lambda request that the instance is at; empty while it starts, and between two
	TraceID   string // of the API request, message or schedule that it all began with
}

// accessKeyPrefix makes an instance's id its access key id, so that the AWS side knows who calls.
const accessKeyPrefix = "LOCAL"

// Caller finds the process that an access key id was given to.
func (s *Service) Caller(accessKeyID string) (Caller, bool) {
	i := s.instance(accessKeyID)
	if i == nil {
		return Caller{}, false
	}
	c := Caller{Function: i.function.spec, Instance: i.id}
	if call := i.current(); call != nil {
		c.RequestID, c.TraceID = call.requestID, call.traceID
	}
	return c, true
}

// instance finds a live instance by its id or its access key id.
func (s *Service) instance(name string) *instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.instances[strings.TrimPrefix(name, accessKeyPrefix)]
}

// Kill ends the process of an instance with SIGKILL and returns when it is gone. It says whether there was one.
func (s *Service) Kill(instance string) bool {
	i := s.instance(instance)
	if i == nil {
		return false
	}
	i.kill()
	<-i.exited
	return true
}

// KillFunction kills every process of a function, by its logical id, and says how many there were.
func (s *Service) KillFunction(id string) int {
	n := 0
	for _, stat := range s.Instances() {
		if stat.Function == id && s.Kill(stat.ID) {
			n++
		}
	}
	return n
}

// InstanceStat describes a live process.
type InstanceStat struct {
	ID, Function string        // Function is a logical id
	PID          int           // of the process
	Init         time.Duration // from exec to the first call of the Runtime API; 0 while it starts
	Requests     int           // answered so far
}

// Instances lists the live processes.
func (s *Service) Instances() []InstanceStat {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []InstanceStat
	for _, i := range s.instances {
		out = append(out, i.stat())
	}
	return out
}

// Logs are the newest lines that a function wrote, oldest first, at most 1,000.
func (s *Service) Logs(id string) []string {
	f := s.functions[id]
	if f == nil {
		return nil
	}
	return f.logs.lines()
}

// reapIdle ends processes that nobody has asked anything for a while.
func (s *Service) reapIdle() {
	tick := time.NewTicker(s.opts.IdleFor / 4)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
			for _, f := range s.functions {
				for _, i := range f.expired(time.Now().Add(-s.opts.IdleFor)) {
					i.kill()
				}
			}
		}
	}
}
