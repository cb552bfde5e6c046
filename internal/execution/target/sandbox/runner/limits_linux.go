package runner

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"pagefree/internal/execution/target/sandbox/protocol"
)

// What one script may take. Memory and processes are per process and per
// user; the files of a private /tmp are bounded together by its size.
const (
	dataLimit  = 512 << 20 // private writable memory of one process, bytes
	spaceLimit = 1 << 30   // address space of one process, bash alone, bytes
	fileLimit  = 256 << 20 // one file, bytes
	tmpLimit   = 512 << 20 // a private /tmp, bytes: what Lambda gives
	tmpFiles   = 32 << 10  // and its number of files
	openLimit  = 1024      // open files
	taskLimit  = 128       // processes and threads; Node.js alone takes 11
)

// limits are the rlimits of a script; soft and hard are the same.
type limits struct {
	CPU   uint64 `json:"cpu"`   // seconds, of one process
	Tasks uint64 `json:"tasks"` // RLIMIT_NPROC
	Space uint64 `json:"space"` // RLIMIT_AS, 0 for none
}

// limitsFor gives the limits of a run. The time limit rules; CPU time is
// only the net below it, for a process that nobody found to kill.
//
// RLIMIT_AS is for bash alone: Node.js reserves far more address space than
// it uses. RLIMIT_DATA counts what can be written to, and suits all three.
func limitsFor(language protocol.Language, w walls, limit time.Duration) limits {
	l := limits{
		CPU:   uint64(limit.Seconds()+5) * uint64(runtime.NumCPU()),
		Tasks: taskLimit,
	}
	if language == protocol.Bash {
		l.Space = spaceLimit
	}
	if !w.OwnUser && !w.UserNS {
		// The count is the user's whole, not the script's.
		l.Tasks += tasksOf(os.Getuid())
	}
	return l
}

// limits are those of a run. A node's shell may become any program, so that
// its address space is not bound.
func (r *Runner) limits(limit time.Duration) limits {
	l := limitsFor(r.options.Language, r.walls, limit)
	if r.options.Node {
		l.Space = 0
	}
	return l
}

// limitNames are the limits that hold, for the report of the confinement.
func limitNames(language protocol.Language) []string {
	names := []string{"cpu", "data", "fsize", "nofile", "nproc", "core", "msgqueue"}
	if language == protocol.Bash {
		names = append(names, "as")
	}
	return names
}

// apply sets what can be set while this is still a Go program.
func (l limits) apply() error {
	for _, set := range []struct {
		resource int
		value    uint64
	}{
		{unix.RLIMIT_CPU, l.CPU},
		{unix.RLIMIT_NPROC, l.Tasks},
		{unix.RLIMIT_FSIZE, fileLimit},
		{unix.RLIMIT_NOFILE, openLimit},
		{unix.RLIMIT_CORE, 0},
		{unix.RLIMIT_MSGQUEUE, 0}, // POSIX queues would outlive the run
	} {
		if err := setLimit(set.resource, set.value); err != nil {
			return err
		}
	}
	return nil
}

// setLimit never raises a hard limit, which may be lower already.
func setLimit(resource int, value uint64) error {
	var now unix.Rlimit
	if err := unix.Prlimit(0, resource, nil, &now); err != nil {
		return os.NewSyscallError("prlimit", err)
	}
	value = min(value, now.Max)
	return os.NewSyscallError("prlimit", unix.Prlimit(0, resource, &unix.Rlimit{Cur: value, Max: value}, nil))
}

// tasksOf counts the processes and threads of a user.
func tasksOf(uid int) (n uint64) {
	for _, pid := range processes() {
		status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		if err != nil {
			continue // gone meanwhile
		}
		var owner, threads string
		for line := range strings.Lines(string(status)) {
			switch name, value, _ := strings.Cut(line, ":"); name {
			case "Uid":
				owner = strings.Fields(value)[0]
			case "Threads":
				threads = strings.TrimSpace(value)
			}
		}
		if owner == strconv.Itoa(uid) {
			count, _ := strconv.ParseUint(threads, 10, 64)
			n += count
		}
	}
	return n
}
