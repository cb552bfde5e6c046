package runner

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Descriptors that a launcher is started with, after stdin, stdout, stderr.
const (
	specFD      = 3
	complaintFD = 4
)

// launch gives up, one after the other, everything that the script must not
// have, and becomes its interpreter. The order matters: changing the user
// needs rights, Landlock opens paths as that user, the filter forbids both,
// and a Go program can hardly live with the limits on memory.
func launch() {
	runtime.LockOSThread() // the filter is this thread's, and it is the one that goes on
	unix.CloseRange(complaintFD+1, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
	in, out := inherited(specFD, "spec"), inherited(complaintFD, "complaints")
	s, err := readSpec(in)
	if err != nil {
		complain(out, err)
	}
	steps := []struct {
		wall string
		skip bool
		do   func() error
	}{
		{"directory", false, func() error { unix.Umask(0o077); return os.Chdir(s.Dir) }},
		{"limits", false, s.Limits.apply},
		{"ownUser", !s.Walls.OwnUser, func() error { return becomeUser(s.UID) }},
		{"capabilities", false, dropCapabilities},
		{"noNewPrivileges", false, func() error {
			return os.NewSyscallError("prctl(PR_SET_NO_NEW_PRIVS)", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		}},
		{"landlock", s.Walls.Landlock == 0, func() error { return restrictPaths(s) }},
		{"seccomp", !s.Walls.Seccomp, func() error { return filterCalls(s.Walls) }},
	}
	probed := map[string]string{}
	for _, step := range steps {
		if step.skip {
			continue
		}
		if err := step.do(); err != nil {
			if !s.Probe {
				complain(out, fmt.Errorf("%s: %w", step.wall, err))
			}
			probed[step.wall] = err.Error()
		}
	}
	if s.Probe {
		json.NewEncoder(out).Encode(probed)
		os.Exit(0)
	}
	complain(out, become(s))
}

// complain says why nothing is run.
func complain(out *os.File, err error) {
	fmt.Fprintln(out, err)
	os.Exit(1)
}

// becomeUser gives up root, in every thread, for good.
func becomeUser(uid int) error {
	if err := syscall.Setgroups(nil); err != nil {
		return os.NewSyscallError("setgroups", err)
	}
	if err := syscall.Setresgid(uid, uid, uid); err != nil {
		return os.NewSyscallError("setresgid", err)
	}
	if err := syscall.Setresuid(uid, uid, uid); err != nil {
		return os.NewSyscallError("setresuid", err)
	}
	return nil
}

// dropCapabilities gives up those that a supervisor in a user namespace needs
// to mount. Without ambient ones the interpreter starts with none, since it
// is not root.
func dropCapabilities() error {
	if os.Getuid() == 0 {
		return fmt.Errorf("a script must not run as root")
	}
	err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	if err == unix.EINVAL { // a kernel without them
		err = nil
	}
	return os.NewSyscallError("prctl(PR_CAP_AMBIENT)", err)
}

// become replaces this program by the interpreter. It returns only an error.
//
// The limits on memory are below what Go has mapped already, so that from
// then on it may not allocate: everything is made ready before, and the calls
// are made bare.
func become(s spec) error {
	program, err := syscall.BytePtrFromString(s.Argv[0])
	if err != nil {
		return err
	}
	argv, err := syscall.SlicePtrFromStrings(s.Argv)
	if err != nil {
		return err
	}
	env, err := syscall.SlicePtrFromStrings(s.Env)
	if err != nil {
		return err
	}
	data := unix.Rlimit{Cur: dataLimit, Max: dataLimit}
	space := unix.Rlimit{Cur: s.Limits.Space, Max: s.Limits.Space}
	prlimit := func(resource int, l *unix.Rlimit) {
		syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, uintptr(resource), uintptr(unsafe.Pointer(l)), 0, 0, 0)
	}
	prlimit(unix.RLIMIT_DATA, &data)
	if s.Limits.Space > 0 {
		prlimit(unix.RLIMIT_AS, &space)
	}
	_, _, errno := syscall.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(program)),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&env[0])))
	return fmt.Errorf("start %s: %w", s.Argv[0], errno)
}
