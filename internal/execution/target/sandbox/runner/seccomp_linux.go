package runner

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// deniedCalls are what no script needs, and an attack on the kernel or on
// another process does. They fail with EPERM.
var deniedCalls = append([]uint32{
	// other processes
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP, unix.SYS_PIDFD_GETFD,
	unix.SYS_PROCESS_MADVISE,
	// keys, which outlive a run
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	// mounts and namespaces
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE,
	unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_OPEN_BY_HANDLE_AT,
	// large and lively parts of the kernel
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_FANOTIFY_INIT,
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_PERSONALITY, unix.SYS_MBIND, unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES, unix.SYS_SET_MEMPOLICY,
	// the machine
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_REBOOT,
	unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_SYSLOG, unix.SYS_VHANGUP,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX,
	unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
}, deniedHere...)

// sharedCalls are denied where the script shares our namespaces: System V
// objects are every process's of a user, and outlive the script.
var sharedCalls = []uint32{
	unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_SHMCTL, unix.SYS_MSGGET, unix.SYS_MSGSND, unix.SYS_MSGRCV, unix.SYS_MSGCTL,
	unix.SYS_SEMGET, unix.SYS_SEMOP, unix.SYS_SEMTIMEDOP, unix.SYS_SEMCTL,
}

// ownerCalls are denied where the script shares our user and our root, too:
// Landlock (7) lets the owner of a file change who may read it. The price is
// that a script cannot chmod what it wrote.
var ownerCalls = append([]uint32{
	unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_FCHOWNAT,
	unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR,
	unix.SYS_SETXATTRAT, unix.SYS_REMOVEXATTRAT,
}, ownerCallsHere...)

// processCalls change a process of the same user, which their argument
// names. Where the script shares our user it may name itself only, by 0.
var processCalls = map[uint32]uint32{ // call -> offset of the argument
	unix.SYS_PRLIMIT64: firstOffset, unix.SYS_SCHED_SETAFFINITY: firstOffset, unix.SYS_SCHED_SETATTR: firstOffset,
	unix.SYS_SCHED_SETPARAM: firstOffset, unix.SYS_SCHED_SETSCHEDULER: firstOffset,
	unix.SYS_SETPRIORITY: secondOffset, unix.SYS_IOPRIO_SET: secondOffset,
}

// namespaceFlags of clone(2).
const namespaceFlags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// Offsets in struct seccomp_data. Arguments have 64 bits, little-endian; the
// ones looked at are ints.
const (
	callOffset   = 0
	archOffset   = 4
	firstOffset  = 16
	secondOffset = 24
)

// filter is the program that judges each system call.
//
// Sockets are AF_UNIX alone, and only where no socket of the machine is in
// sight, in a root of the script's own; a pair of connected ones is always allowed. clone3 hides its flags
// from a filter and is said not to exist, upon which libraries use clone.
func filter(w walls) []bpf.Instruction {
	deny := bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}
	allow := bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}
	p := []bpf.Instruction{
		bpf.LoadAbsolute{Off: archOffset, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS}, // a 32-bit program's calls have other numbers
		bpf.LoadAbsolute{Off: callOffset, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: 0x40000000, SkipTrue: 1},
		deny, // x32 has yet others
	}
	on := func(call uint32, then ...bpf.Instruction) {
		p = append(p, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: call, SkipTrue: uint8(len(then))})
		p = append(p, then...)
	}
	onlyUnix := []bpf.Instruction{
		bpf.LoadAbsolute{Off: firstOffset, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.AF_UNIX, SkipTrue: 1},
		deny,
		allow,
	}
	on(unix.SYS_SOCKETPAIR, onlyUnix...)
	if w.Namespaces {
		on(unix.SYS_SOCKET, onlyUnix...)
	} else {
		on(unix.SYS_SOCKET, deny)
	}
	on(unix.SYS_CLONE,
		bpf.LoadAbsolute{Off: firstOffset, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: namespaceFlags, SkipTrue: 1},
		deny,
		allow,
	)
	on(unix.SYS_CLONE3, bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)})
	denied := deniedCalls
	if !w.Namespaces {
		denied = slices.Concat(denied, sharedCalls)
	}
	if !w.Namespaces && !w.OwnUser {
		denied = slices.Concat(denied, ownerCalls)
		for call, offset := range processCalls {
			on(call,
				bpf.LoadAbsolute{Off: offset, Size: 4},
				bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1},
				deny,
				allow,
			)
		}
	}
	for _, call := range denied {
		on(call, deny)
	}
	return append(p, allow)
}

// filterCalls puts this thread, and what it becomes and starts, under the
// filter. It needs no_new_privs.
func filterCalls(w walls) error {
	if auditArch == 0 {
		return errors.New("no filter for " + runtime.GOARCH)
	}
	raw, err := bpf.Assemble(filter(w))
	if err != nil {
		return fmt.Errorf("assemble the filter: %w", err)
	}
	program := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		program[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	return nil
}
