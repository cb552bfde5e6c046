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
	pid, parent, group, session int
	zombie                      bool
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
	p.group, _ = strconv.Atoi(string(fields[2]))
	p.session, _ = strconv.Atoi(string(fields[3]))
	return p, true
}

// below finds what descends from any of roots and still runs. A subreaper
// among its ancestors keeps a process in this tree, however it detached.
func below(roots ...int) (found []process) {
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
					found = append(found, p)
				}
			}
			delete(children, root)
		}
		roots = next
	}
	return found
}

// A hunt is over after killPatience, but not before killRounds: where the whole
// machine stood still, time says nothing of what was tried. Only what hangs in
// the kernel outlives both.
const (
	killPatience = 2 * time.Second
	killRounds   = 50
)

// hunt kills what find finds until find says that nothing is left, and
// returns how many were when the patience was over.
//
// All that is found is stopped before any of it is killed: a stopped process
// starts no other. Signals go to groups, too: the kernel lets no fork slip
// through those, which a process that is always another one counts on.
func hunt(find func() (found []process, gone bool)) (survivors int) {
	own := unix.Getpgrp()
	pause := time.Millisecond
	begin := time.Now()
	for round := 0; ; round++ {
		found, gone := find()
		if gone {
			return 0
		}
		if round >= killRounds && time.Since(begin) > killPatience {
			return max(len(found), 1)
		}
		for _, signal := range []unix.Signal{unix.SIGSTOP, unix.SIGKILL} {
			for _, p := range found {
				unix.Kill(p.pid, signal)
				if p.group > 1 && p.group != own {
					unix.Kill(-p.group, signal)
				}
			}
		}
		time.Sleep(pause)
		pause = min(2*pause, 20*time.Millisecond)
	}
}

// ownDescendants is for hunts of a subreaper that has no other children. A
// look at /proc can miss a process that starts another one and ends
// meanwhile; but as long as there is any, the first of them is a child of
// ours, and the kernel knows whether we have one.
func ownDescendants() (found []process, gone bool) {
	for {
		switch pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); {
		case err == unix.ECHILD:
			return nil, true
		case pid <= 0:
			return below(os.Getpid()), false
		}
	}
}

// thrice is for hunts of processes whose parent is another: they are gone
// when three looks in a row have found none.
func thrice(look func() []process) func() ([]process, bool) {
	none := 0
	return func() ([]process, bool) {
		found := look()
		if none++; len(found) > 0 {
			none = 0
		}
		return found, none == 3
	}
}
