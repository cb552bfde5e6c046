package lambda

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"time"

	"pagefree/internal/platform/settings"
)

// instance is one process of a function.
type instance struct {
	id        string
	function  *function
	cmd       *exec.Cmd
	started   time.Time
	idleSince time.Time // guarded by function.mu

	work   chan *call    // the next request
	ready  chan struct{} // closed by the first call of the Runtime API's next
	exited chan struct{} // closed when the process is gone

	mu        sync.Mutex
	call      *call // under way
	init      time.Duration
	initError []byte // what the runtime reported before it gave up
	requests  int
	dead      bool
}

// initTimeout is how long Lambda lets a function initialise.
const initTimeout = 10 * time.Second

// startError is a process that ended, or hung, before it asked for its first request.
type startError struct {
	reported []byte // by the runtime itself
	message  string
}

func (e *startError) Error() string { return e.message }

// start runs a new process and waits until it asks for work. The pool has counted it already.
func (f *function) start(ctx context.Context) (*instance, error) {
	s := f.service
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		f.uncount()
		return nil, context.Canceled
	}
	s.serial++
	i := &instance{
		id: f.spec.LogicalID + "." + strconv.Itoa(s.serial), function: f, started: time.Now(),
		work: make(chan *call, 1), ready: make(chan struct{}), exited: make(chan struct{}),
	}
	i.cmd = exec.Command(f.binary)
	i.cmd.Env = f.environment(i.id)
	i.cmd.Dir = os.TempDir() // as read-only a place as Lambda's task root: nothing of the repository
	out := f.logs.writer()
	i.cmd.Stdout, i.cmd.Stderr = out, out
	i.cmd.WaitDelay = time.Second // for what a killed process left behind and still holds the pipe
	if err := s.spawner.start(i.cmd); err != nil {
		s.mu.Unlock()
		f.uncount()
		return nil, &startError{message: fmt.Sprintf("Error: Runtime.InvalidEntrypoint: %v", err)}
	}
	s.instances[i.id] = i
	s.mu.Unlock()
	go i.wait()

	timer := time.NewTimer(initTimeout)
	defer timer.Stop()
	select {
	case <-i.ready:
		return i, nil
	case <-i.exited:
		return nil, i.startFailed()
	case <-timer.C:
		i.kill()
		return nil, &startError{message: "Error: Runtime initialization timed out after 10 seconds"}
	case <-ctx.Done():
		go func() { // it is a good process, only nobody waits for it any more
			select {
			case <-i.ready:
				f.release(i)
			case <-i.exited:
			}
		}()
		return nil, ctx.Err()
	}
}

// uncount takes back the place of a process that never ran.
func (f *function) uncount() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live--
	f.handOver(nil)
}

// wait reaps the process, fails the request it was at, and takes it out of everything.
func (i *instance) wait() {
	_ = i.cmd.Wait() // ProcessState tells more
	killGroup(i.cmd.Process.Pid)
	i.mu.Lock()
	i.dead = true
	pending := i.call
	i.call = nil
	i.mu.Unlock()

	s := i.function.service
	s.mu.Lock()
	delete(s.instances, i.id)
	s.mu.Unlock()
	close(i.exited)
	if pending != nil {
		i.finish(pending, failure("Runtime.ExitError", pending.requestID, "Error: "+i.exitMessage()))
	}
	i.function.gone(i)
}

func (i *instance) finish(c *call, otherwise Result) {
	i.mu.Lock()
	defer i.mu.Unlock()
	c.finish(otherwise)
}

// exitMessage says how the process ended, once it has.
func (i *instance) exitMessage() string {
	if i.cmd.ProcessState.Success() {
		return "Runtime exited without providing a reason"
	}
	return "Runtime exited with error: " + i.cmd.ProcessState.String()
}

func (i *instance) startFailed() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return &startError{reported: i.initError, message: "Error: " + i.exitMessage()}
}

func (i *instance) kill() { killTree(i.cmd.Process) }

// assign makes c the request under way. It says no when the process has died while it was idle.
func (i *instance) assign(c *call) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.dead {
		i.call = c
	}
	return !i.dead
}

func (i *instance) isDead() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.dead
}

// current is the request that the process is at, if any.
func (i *instance) current() *call {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.call
}

func (i *instance) stat() InstanceStat {
	i.mu.Lock()
	defer i.mu.Unlock()
	return InstanceStat{ID: i.id, Function: i.function.spec.LogicalID, PID: i.cmd.Process.Pid, Init: i.init, Requests: i.requests}
}

// environment is the template's, and what Lambda sets.
func (f *function) environment(instance string) []string {
	s, spec := f.service, f.spec
	env := map[string]string{
		"AWS_ACCESS_KEY_ID":               accessKeyPrefix + instance,
		"AWS_SECRET_ACCESS_KEY":           s.secret,
		"AWS_SESSION_TOKEN":               "local",
		"AWS_REGION":                      s.opts.Template.Region,
		"AWS_DEFAULT_REGION":              s.opts.Template.Region,
		"AWS_LAMBDA_FUNCTION_NAME":        spec.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(spec.MemoryMB),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + spec.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME":      time.Now().UTC().Format("2006/01/02") + "/[$LATEST]" + randomHex(16),
		"AWS_LAMBDA_RUNTIME_API":          s.runtime.Addr().String() + "/" + instance,
		"AWS_XRAY_CONTEXT_MISSING":        "LOG_ERROR",
		"LAMBDA_RUNTIME_DIR":              "/var/runtime",
		"LAMBDA_TASK_ROOT":                "/var/task",
		"LANG":                            "en_US.UTF-8",
		"PATH":                            "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
		"TZ":                              ":UTC",
		"_HANDLER":                        cmp.Or(spec.Handler, "bootstrap"),
	}
	if path := os.Getenv("PATH"); path != "" {
		env["PATH"] += ":" + path // interpreters that a laptop keeps elsewhere
	}
	maps.Copy(env, spec.Environment)
	delete(env, settings.LocalEchoVariable) // not the template's to give
	if endpoint, declared := spec.Environment["AWS_ENDPOINT_URL"]; declared && endpoint == "" {
		env["AWS_ENDPOINT_URL"] = s.opts.Endpoint
		if s.opts.Echo != "" {
			env[settings.LocalEchoVariable] = s.opts.Echo
		}
	}
	out := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
