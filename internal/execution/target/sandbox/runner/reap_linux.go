package runner

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// process is one line of the kernel's table.
type process struct {
	pid, parent, session int
	zombie               bool
}

// processes lists the ids of all that run.
func processes() []int {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// look reads /proc/<pid>/stat: pid (name) state parent group session ...
// The name is the program's own choice and may hold anything, so that the
// fields count from the last parenthesis.
func look(pid int) (process, bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return process{}, false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 4 {
		return process{}, false
	}
	p := process{pid: pid, zombie: fields[0][0] == 'Z' || fields[0][0] == 'X'}
	p.parent, _ = strconv.Atoi(string(fields[1]))
	p.session, _ = strconv.Atoi(string(fields[3]))
	return p, true
}

// below finds what descends from any of roots and still runs. A subreaper
// among its ancestors keeps a process in this tree, however it detached.
func below(roots ...int) (pids []int) {
	children := map[int][]process{}
	for _, pid := range processes() {
		if p, ok := look(pid); ok {
			children[p.parent] = append(children[p.parent], p)
		}
	}
	for len(roots) > 0 {
		var next []int
		for _, root := range roots {
			for _, p := range children[root] {
				next = append(next, p.pid)
				if !p.zombie {
					pids = append(pids, p.pid)
				}
			}
			delete(children, root)
		}
		roots = next
	}
	return pids
}

// killPatience bounds a hunt. Only what hangs in the kernel outlives it.
const killPatience = 2 * time.Second

// hunt kills what find finds until it finds nothing, and returns how many
// were left when the patience was over. All that is found is stopped before
// any of it is killed: a stopped process starts no other.
func hunt(find func() []int) (survivors int) {
	pause := time.Millisecond
	for begin := time.Now(); ; {
		pids := find()
		if len(pids) == 0 || time.Since(begin) > killPatience {
			return len(pids)
		}
		for _, signal := range []unix.Signal{unix.SIGSTOP, unix.SIGKILL} {
			for _, pid := range pids {
				unix.Kill(pid, signal)
			}
		}
		time.Sleep(pause)
		pause = min(2*pause, 20*time.Millisecond)
	}
}

// reap collects the children that have ended, of a process that waits for
// none in particular.
func reap() {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if pid <= 0 || err != nil {
			return
		}
	}
}
