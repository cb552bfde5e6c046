//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"pagefree/internal/execution/target/sandbox/protocol"
)

// bootstrap is the function, built as it is shipped. likeLambda stands for
// the same in the surroundings that pretendLambda makes.
var bootstrap string

const likeLambda = "like Lambda"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == likeLambda {
		panic(pretendLambda(os.Args[2]))
	}
	dir, err := os.MkdirTemp("", "pagefree-sandbox-")
	if err != nil {
		panic(err)
	}
	bootstrap = filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", bootstrap, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build the function: %v\n%s", err, out))
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// runningFunction is a process of the binary and the Runtime API that it speaks to.
// Source of the API: the Lambda developer guide, "Using the Lambda runtime
// API".
type runningFunction struct {
	cmd      *exec.Cmd
	requests chan string // bodies of events
	answers  chan answered
	mu       sync.Mutex
	log      bytes.Buffer
}

type answered struct {
	failed bool
	body   []byte
}

// startFunction starts program, or the binary as on Lambda.
func startFunction(t *testing.T, program string, language protocol.Language) *runningFunction {
	t.Helper()
	f := &runningFunction{requests: make(chan string), answers: make(chan answered, 1)}
	api := httptest.NewServer(f)
	t.Cleanup(api.Close)
	arguments := []string{program, "/var/lang/bin/python3.13", "/var/runtime/bootstrap.py"} // of a wrapper
	f.cmd = &exec.Cmd{Path: program, Args: arguments}
	f.cmd.Env = []string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(api.URL, "http://"), "SANDBOX_LANGUAGE=" + string(language),
		"PATH=" + os.Getenv("PATH"), "AWS_SECRET_ACCESS_KEY=" + secret, "LAMBDA_TASK_ROOT=/var/task",
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand", "AWS_LAMBDA_FUNCTION_NAME=sandbox", "_HANDLER=bootstrap",
	}
	if program == likeLambda {
		f.cmd.Path, f.cmd.Args = "/proc/self/exe", []string{"test", likeLambda, bootstrap}
		f.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWIPC} // what it removes must not be ours
		if uid := os.Getuid(); uid != 0 {
			f.cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
			f.cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
			f.cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
			f.cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
		}
	}
	f.cmd.Stdout, f.cmd.Stderr = (*logged)(f), (*logged)(f)
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.cmd.Process.Kill()
		f.cmd.Wait()
	})
	return f
}

func (f *runningFunction) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const prefix = "/2018-06-01/runtime/invocation/"
	switch path := strings.TrimPrefix(r.URL.Path, prefix); path {
	case "next":
		select {
		case event := <-f.requests:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "request-1")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
			io.WriteString(w, event)
		case <-r.Context().Done():
		}
	case "request-1/response", "request-1/error":
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		f.answers <- answered{failed: strings.HasSuffix(path, "error"), body: body}
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// invoke sends one request, and gives the answer or the function's error.
func (f *runningFunction) invoke(t *testing.T, req protocol.Request) (protocol.Result, map[string]any) {
	t.Helper()
	event, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	patience := time.After(40 * time.Second)
	select {
	case f.requests <- string(event):
	case <-patience:
		t.Fatalf("the function does not ask for a request:\n%s", f.logs())
	}
	select {
	case a := <-f.answers:
		if a.failed {
			return protocol.Result{}, decode[map[string]any](t, a.body)
		}
		return decode[protocol.Result](t, a.body), nil
	case <-patience:
		t.Fatalf("no answer:\n%s", f.logs())
	}
	panic("unreached")
}

func (f *runningFunction) run(t *testing.T, req protocol.Request) protocol.Result {
	t.Helper()
	res, failure := f.invoke(t, req)
	if failure != nil {
		t.Fatalf("the function failed: %v\n%s", failure, f.logs())
	}
	return res
}

func (f *runningFunction) pid() int { return f.cmd.Process.Pid }

func (f *runningFunction) logs() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.String()
}

// starts counts how often the function has begun.
func (f *runningFunction) starts() int { return strings.Count(f.logs(), "scripts are confined") }

// logged is the function's streams.
type logged runningFunction

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(p)
}

// pretendLambda becomes the function at /var/task/bootstrap, in a mount
// namespace of its own, as a user without rights, with all walls forbidden
// that are reported to be forbidden on Lambda. It returns only an error.
func pretendLambda(program string) error {
	code, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	for _, step := range []error{
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("var", "/var", "tmpfs", 0, "mode=0755"),
		unix.Mount("tmp", "/tmp", "tmpfs", 0, "mode=1777"),
		os.MkdirAll("/var/task", 0o755),
		os.Mkdir("/var/tmp", 0o777),
		os.Chmod("/var/tmp", 0o777),
		os.WriteFile("/var/task/bootstrap", code, 0o755),
	} {
		if step != nil {
			return step
		}
	}
	eperm := bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}
	rules := []bpf.Instruction{bpf.LoadAbsolute{Off: 0, Size: 4}}
	for _, call := range []uint32{unix.SYS_SECCOMP, unix.SYS_UNSHARE, unix.SYS_LANDLOCK_CREATE_RULESET} {
		rules = append(rules, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: call, SkipTrue: 1}, eperm)
	}
	rules = append(rules,
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_CLONE, SkipTrue: 3},
		bpf.LoadAbsolute{Off: 16, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: unix.CLONE_NEWUSER | unix.CLONE_NEWNS, SkipTrue: 1},
		eperm,
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW})
	raw, err := bpf.Assemble(rules)
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	if os.Getuid() == 0 {
		if err := syscall.Setresgid(61235, 61235, 61235); err != nil {
			return err
		}
		// The capability to filter goes with root, so that it must be first.
		if err := install(filter); err != nil {
			return err
		}
		if err := syscall.Setresuid(61235, 61235, 61235); err != nil {
			return err
		}
	} else {
		if err := install(filter); err != nil {
			return err
		}
		unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	}
	return syscall.Exec("/var/task/bootstrap", []string{"/var/task/bootstrap"}, os.Environ())
}

// install puts every thread under the filter.
func install(filter []unix.SockFilter) error {
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	return nil
}
