package runner

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// supervisor is the Runner's hold on the process of the same name.
type supervisor struct {
	cmd     *exec.Cmd
	control *os.File // closing it ends everything below the supervisor
	reports chan report
	vouched bool // it has said that nothing is left
	exited  chan struct{}
	out     *os.File // our ends of the script's streams
	err     *os.File
}

// pipeSize lets a script that writes fast be drained in large bites.
const pipeSize = 1 << 20

var (
	// starting keeps the moment short and alone in which we are not hidden.
	starting sync.Mutex
	// supervisors are those alive, which sweepOrphans has to spare.
	supervisors sync.Map // pid -> nil
)

// startSupervisor starts one and hands it s. A failure means that nothing of
// the script has run.
func startSupervisor(o Options, s spec) (*supervisor, error) {
	var pipes [4][2]*os.File // control, report, stdout, stderr; read and write end
	defer func() {
		for _, p := range pipes {
			for _, f := range p {
				if f != nil {
					f.Close()
				}
			}
		}
	}()
	for i := range pipes {
		var err error
		if pipes[i][0], pipes[i][1], err = os.Pipe(); err != nil {
			return nil, err
		}
	}
	launcher := o.launcher
	if launcher == "" {
		launcher = "/proc/self/exe"
	}
	cmd := &exec.Cmd{
		Path:        launcher,
		Args:        []string{"pagefree-sandbox", launchArg, supervisorIs},
		Env:         []string{},
		Dir:         "/",
		Stderr:      os.Stderr,
		ExtraFiles:  []*os.File{pipes[0][0], pipes[1][1], pipes[2][1], pipes[3][1]},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if s.Walls.Namespaces {
		cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	}
	if s.Walls.UserNS {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
		cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
	}
	if err := startCommand(cmd, s.Walls.UserNS); err != nil {
		return nil, fmt.Errorf("start the supervisor: %w", err)
	}
	sup := &supervisor{cmd: cmd, control: pipes[0][1], out: pipes[2][0], err: pipes[3][0], reports: make(chan report, 4), exited: make(chan struct{})}
	go sup.listen(pipes[1][0])
	go func() {
		cmd.Wait() // how it ended says nothing: its reports do
		supervisors.Delete(cmd.Process.Pid)
		close(sup.exited)
	}()
	pipes[0][1], pipes[1][0], pipes[2][0], pipes[3][0] = nil, nil, nil, nil // ours now
	for _, stream := range []*os.File{sup.out, sup.err} {
		if raw, err := stream.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
		}
	}
	if err := writeSpec(sup.control, s); err != nil && !errors.Is(err, syscall.EPIPE) { // then it says why
		sup.finish(s.Walls)
		return nil, err
	}
	return sup, nil
}

// startCommand starts cmd. For a user namespace it lifts the veil meanwhile:
// scripts that run at that time cannot see us, having no sight of our pids.
func startCommand(cmd *exec.Cmd, userNS bool) error {
	starting.Lock()
	defer starting.Unlock()
	if userNS {
		show()
		defer hide()
	}
	err := cmd.Start()
	if err == nil {
		supervisors.Store(cmd.Process.Pid, nil)
	}
	return err
}

// listen passes reports on until the supervisor has no more to say.
func (sup *supervisor) listen(from *os.File) {
	defer from.Close()
	defer close(sup.reports)
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		var r report
		if json.Unmarshal(lines.Bytes(), &r) == nil {
			sup.reports <- r
		}
	}
}

// terminate asks the script's process group to end.
func (sup *supervisor) terminate() { sup.control.Write([]byte{terminate}) }

// kill ends the script and all that it started, at once.
func (sup *supervisor) kill(w walls) (survivors int) {
	if w.Namespaces {
		sup.cmd.Process.Kill() // and the kernel kills the rest of its namespace
		return 0
	}
	return hunt(thrice(func() []process { return below(sup.cmd.Process.Pid) }))
}

// exitPatience is how long a supervisor may take to exit when all is done.
const exitPatience = time.Second

// finish sees to it that nothing is left, the supervisor included, and that
// the streams end. It returns the number of processes that could not be
// killed.
func (sup *supervisor) finish(w walls) (survivors int) {
	select {
	case <-sup.exited:
	case <-time.After(exitPatience):
		survivors = sup.kill(w)
		sup.cmd.Process.Kill()
		select {
		case <-sup.exited:
		case <-time.After(exitPatience):
			survivors++ // it hangs in the kernel
		}
	}
	sup.control.Close()
	if !w.Namespaces && !sup.vouched {
		survivors = max(survivors, sweepOrphans())
	}
	// Whatever still holds the other end must not delay the answer.
	soon := time.Now().Add(100 * time.Millisecond)
	sup.out.SetReadDeadline(soon)
	sup.err.SetReadDeadline(soon)
	return survivors
}

// close gives the streams back, once they have been read.
func (sup *supervisor) close() {
	sup.out.Close()
	sup.err.Close()
}

// sweepOrphans kills what came to us because its supervisor was killed, which
// a script of the same user may do. A supervisor's children are in sessions
// of their own; other children of this process share its session.
func sweepOrphans() (survivors int) {
	self, ok := look(os.Getpid())
	if !ok {
		return 0
	}
	return hunt(thrice(func() (found []process) {
		starting.Lock() // a supervisor is known only once it has been started
		defer starting.Unlock()
		var adopted []int
		for _, pid := range processes() {
			p, ok := look(pid)
			if _, known := supervisors.Load(pid); !ok || known || p.parent != self.pid || p.session == self.session {
				continue
			}
			adopted = append(adopted, pid)
			if p.zombie {
				unix.Wait4(pid, nil, unix.WNOHANG, nil)
			} else {
				found = append(found, p)
			}
		}
		return append(found, below(adopted...)...)
	}))
}
