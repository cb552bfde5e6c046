package engine

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// process is a child that listens on one loopback port.
type process struct {
	port int
	cmd  *exec.Cmd
	done chan struct{} // closed once the child has ended and was waited for
	out  tail
}

// startProcess starts a program and waits until it listens. A port of 0 takes whatever port the child took.
func startProcess(ctx context.Context, port int, dir, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(name, args...), done: make(chan struct{}), port: port}
	p.cmd.Dir = dir
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir()}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	dieWithParent(p.cmd)

	started := make(chan error)
	go func() {
		// The kernel sends the death signal when the thread that started the child ends, not the process:
		// so this goroutine keeps its thread as long as the child lives.
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	if err := p.awaitPort(ctx); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

// awaitPort waits until the child itself listens, so that a neighbour's engine on a recycled port is never taken for ours.
// Where there is no /proc the caller's own readiness check has to do.
func (p *process) awaitPort(ctx context.Context) error {
	if runtime.GOOS != "linux" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		if port := listening(p.cmd.Process.Pid); port != 0 {
			p.port = port
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen: %w: %s", p.cmd.Path, ctx.Err(), p.lastWords())
		case <-p.done:
			return fmt.Errorf("%s ended at its start: %s", p.cmd.Path, p.lastWords())
		case <-time.After(wait):
		}
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

func (p *process) lastWords() string { return p.out.String() }

// listening returns the TCP port that the process listens on, or 0: its sockets are the links in /proc/<pid>/fd,
// and /proc/<pid>/net/tcp (tcp6 for Java) tells the state and port of each socket's inode.
func listening(pid int) int {
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	own := map[string]bool{}
	for _, fd := range fds {
		if link, err := os.Readlink(fd); err == nil && strings.HasPrefix(link, "socket:[") {
			own[strings.TrimSuffix(strings.TrimPrefix(link, "socket:["), "]")] = true
		}
	}
	for _, table := range []string{"tcp", "tcp6"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			continue
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			const local, state, inode, listen = 1, 3, 9, "0A"
			col := strings.Fields(lines.Text())
			if len(col) <= inode || col[state] != listen || !own[col[inode]] {
				continue
			}
			if _, port, ok := strings.Cut(col[local], ":"); ok {
				if b, err := hex.DecodeString(port); err == nil && len(b) == 2 {
					return int(b[0])<<8 | int(b[1])
				}
			}
		}
	}
	return 0
}

// freePort returns a port that was free a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}

// tail keeps the last 2 KB of what a child printed, for the error that tells of its end.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - 2048; over > 0 {
		t.buf = t.buf[over:]
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.buf))
}
