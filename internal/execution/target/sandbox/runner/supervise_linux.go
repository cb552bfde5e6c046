package runner

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Descriptors that a supervisor is started with. Its stderr is the Runner's,
// for the panics that never come.
const (
	controlFD = 3 // the spec, then commands; its end means that the Runner is gone
	reportFD  = 4
	outFD     = 5
	errFD     = 6
)

// terminate is the one command: SIGTERM to the script's process group.
const terminate = 'T'

// supervise is the life of the process between Runner and script: process 1
// of its namespace where there is one, else a subreaper. Either way all that
// the script starts, detached or not, stays below it.
func supervise() {
	runtime.LockOSThread() // capabilities and parentage are those of a thread
	control, out := inherited(controlFD, "control"), inherited(reportFD, "report")
	unix.CloseOnExec(outFD)
	unix.CloseOnExec(errFD)
	tell := json.NewEncoder(out)
	fail := func(err error) {
		tell.Encode(report{Failed: err.Error()})
		os.Exit(1)
	}

	// The first process of a namespace is spared only those signals that it
	// has no handler for, and Go has one for each.
	signal.Notify(make(chan os.Signal, 1))
	s, err := readSpec(control)
	if err != nil {
		fail(err)
	}
	unix.Umask(0o022) // what is laid out is for another user to read
	unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fail(os.NewSyscallError("prctl(PR_SET_CHILD_SUBREAPER)", err))
	}
	if s.Walls.Namespaces {
		if err := privateRoot(s); err != nil {
			fail(err)
		}
	}
	if err := layOut(s); err != nil {
		fail(err)
	}
	pid, complaints, err := startLauncher(s)
	if err != nil {
		fail(err)
	}
	said, _ := io.ReadAll(complaints) // ends when the launcher becomes the interpreter
	switch {
	case s.Probe:
		var probed map[string]string
		if err := json.Unmarshal(said, &probed); err != nil {
			fail(err)
		}
		tell.Encode(report{Probed: probed})
		os.Exit(0)
	case len(said) > 0:
		tell.Encode(report{Failed: string(bytes.TrimSpace(said))})
		os.Exit(1)
	}
	tell.Encode(report{Started: true})
	go obey(control, pid, s.Walls)

	e := await(pid)
	if !s.Walls.Namespaces { // else the kernel does it when we exit
		e.Survivors = hunt(ownDescendants)
	}
	tell.Encode(report{Ended: &e})
	os.Exit(0)
}

// obey carries out commands until the Runner is gone, and then ends it all.
func obey(control io.Reader, pid int, w walls) {
	command := make([]byte, 1)
	for {
		if _, err := control.Read(command); err != nil {
			if !w.Namespaces {
				hunt(ownDescendants)
			}
			os.Exit(1)
		}
		if command[0] == terminate {
			unix.Kill(-pid, unix.SIGTERM)
		}
	}
}

// layOut fills the work directory: the script, and nothing else.
func layOut(s spec) error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	file := filepath.Join(s.Dir, s.File)
	if err := os.WriteFile(file, s.Script, 0o400); err != nil {
		return err
	}
	if !s.Walls.OwnUser {
		return nil
	}
	for _, path := range []string{s.Dir, file} {
		if err := os.Chown(path, s.UID, s.UID); err != nil {
			return err
		}
	}
	// Without this the script could not open /dev/stdout and /dev/stderr,
	// which lead to pipes that we own.
	for _, fd := range []int{outFD, errFD} {
		if err := unix.Fchown(fd, s.UID, s.UID); err != nil {
			return os.NewSyscallError("fchown", err)
		}
	}
	return nil
}

// startLauncher starts the process that becomes the script, in a session and
// a group of its own, and closes our ends of its output. What it writes to
// complaints is why it did not become the interpreter.
func startLauncher(s spec) (pid int, complaints *os.File, err error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, nil, err
	}
	specR, specW, err := os.Pipe()
	if err != nil {
		return 0, nil, err
	}
	complaints, complaintsW, err := os.Pipe()
	if err != nil {
		return 0, nil, err
	}
	pid, err = syscall.ForkExec("/proc/self/exe", []string{"pagefree-sandbox", launchArg, launcherIs}, &syscall.ProcAttr{
		Env:   []string{},
		Files: []uintptr{null.Fd(), outFD, errFD, specR.Fd(), complaintsW.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, nil, os.NewSyscallError("start the launcher", err)
	}
	for _, f := range []*os.File{null, specR, complaintsW} {
		f.Close()
	}
	unix.Close(outFD)
	unix.Close(errFD)
	if err := writeSpec(specW, s); err != nil {
		return 0, nil, err
	}
	return pid, complaints, specW.Close()
}

// await collects every child that ends until it is the script.
func await(pid int) ended {
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return ended{Signal: "lost: " + err.Error()}
		case got != pid:
		case status.Signaled():
			return ended{Signal: unix.SignalName(status.Signal())}
		case status.Exited():
			return ended{Exit: status.ExitStatus()}
		}
	}
}
