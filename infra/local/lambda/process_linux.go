package lambda

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// spawner starts processes from one thread that lives as long as the service does: the kernel sends a child its
// parent-death signal when the thread that started it ends, not the process.
type spawner struct {
	jobs chan spawn
}

type spawn struct {
	cmd  *exec.Cmd
	done chan error
}

func newSpawner() *spawner {
	s := &spawner{jobs: make(chan spawn)}
	go func() {
		runtime.LockOSThread()
		for job := range s.jobs {
			job.done <- job.cmd.Start()
		}
	}()
	return s
}

// start runs cmd in a process group of its own. The kernel kills it when this program ends, however it ends.
func (s *spawner) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	done := make(chan error)
	s.jobs <- spawn{cmd, done}
	return <-done
}

func (s *spawner) close() { close(s.jobs) }

// killTree kills a process, its group, and whatever it started, in groups and sessions of their own too: on Lambda
// the whole machine would be gone. A process that was reaped already is left alone: its number may be another's.
func killTree(p *os.Process) {
	if p.Signal(syscall.SIGSTOP) != nil { // stopped, it starts nothing more while we look
		return
	}
	killBelow(p.Pid)
	killGroup(p.Pid)
	_ = p.Kill()
}

func killBelow(pid int) {
	for _, child := range children(pid) {
		_ = syscall.Kill(child, syscall.SIGSTOP)
		killBelow(child)
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
}

// killGroup kills what is left of a process group.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

func children(pid int) []int {
	files, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	var out []int
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				out = append(out, child)
			}
		}
	}
	return out
}
