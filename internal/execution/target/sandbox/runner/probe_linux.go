package runner

import (
	"cmp"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"pagefree/internal/execution/target/sandbox/protocol"
)

// raise tries every wall once, by starting a supervisor and a launcher that
// raise each of them and then run nothing. What works, works for each run:
// should a wall fail later, nothing is run.
func raise(o Options) (walls, protocol.Confinement) {
	root := os.Geteuid() == 0
	starting.Lock() // another Runner may be showing us
	hide()
	starting.Unlock()
	unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	want := walls{
		Namespaces: !o.without.Namespaces,
		UserNS:     !o.without.Namespaces && !root,
		OwnUser:    root && !o.without.OwnUser,
		Seccomp:    !o.without.Seccomp,
	}
	if o.without.Landlock == 0 {
		want.Landlock = landlockVersion()
	}
	got, missing := tryWalls(o, want)
	return got, describe(o, got, missing)
}

// tryWalls gives up what fails, most of all namespaces, until the rest holds.
func tryWalls(o Options, w walls) (walls, []string) {
	var missing []string
	if w.Landlock == 0 {
		missing = append(missing, "landlock: not available")
	}
	for {
		probed, err := probe(o, w)
		if err != nil && w.Namespaces {
			missing = append(missing, "namespaces: "+err.Error())
			w.Namespaces, w.UserNS = false, false
			continue
		}
		if err != nil {
			return walls{}, append(missing, "everything: "+err.Error())
		}
		for _, wall := range []string{"directory", "limits", "capabilities", "noNewPrivileges"} {
			if probed[wall] != "" {
				missing = append(missing, wall+": "+probed[wall])
			}
		}
		if probed["ownUser"] != "" {
			missing, w.OwnUser = append(missing, "own user: "+probed["ownUser"]), false
		}
		if probed["landlock"] != "" {
			missing, w.Landlock = append(missing, "landlock: "+probed["landlock"]), 0
		}
		if probed["seccomp"] != "" {
			missing, w.Seccomp = append(missing, "seccomp: "+probed["seccomp"]), false
		}
		return w, missing
	}
}

// probe runs nothing behind the walls w, and says which of them fell.
func probe(o Options, w walls) (map[string]string, error) {
	s := spec{Walls: w, Probe: true, Lambda: o.OnLambda, UID: newUID(), File: "probe", Limits: limitsFor(o.Language, w, 1)}
	dir, err := workDir(o, w)
	if err != nil {
		return nil, err
	}
	defer clean(o, w, dir)
	s.Dir = dir
	sup, err := startSupervisor(o, s)
	if err != nil {
		return nil, err
	}
	defer sup.close()
	defer sup.finish(w)
	said := <-sup.reports
	if said.Probed == nil {
		return nil, fmt.Errorf("%s", cmp.Or(said.Failed, "the supervisor said nothing"))
	}
	return said.Probed, nil
}

// describe puts the walls into words, and decides whether they are enough:
// there has to be one wall before the network, one before the files of the
// machine, and the script must be neither root nor able to read our memory.
func describe(o Options, w walls, missing []string) protocol.Confinement {
	c := protocol.Confinement{
		Lambda:     o.OnLambda,
		Namespaces: []string{},
		OwnUser:    w.OwnUser,
		Landlock:   w.Landlock,
		Seccomp:    w.Seccomp,
		Limits:     limitNames(o.Language),
		Missing:    append([]string{}, missing...),
	}
	if w.Namespaces {
		c.Namespaces = append(c.Namespaces, "net", "pid", "mnt", "ipc", "uts")
	}
	if w.UserNS {
		c.Namespaces = append(c.Namespaces, "user")
	}
	if !w.Namespaces {
		c.Missing = append(c.Missing, "processes of the machine can be seen, their memory cannot")
		if !w.OwnUser && w.Seccomp {
			c.Missing = append(c.Missing, "files of the same user are guarded by denying chmod and chown to scripts altogether")
		}
		if !w.OwnUser && w.Landlock < 6 {
			c.Missing = append(c.Missing, "processes of the same user can be signalled, the function's own among them")
		}
		if !w.Seccomp {
			c.Missing = append(c.Missing, "sockets can be made: the network is closed by the template alone")
		}
		if !w.Seccomp && w.Landlock < 4 {
			c.Missing = append(c.Missing, "the Runtime API can be reached")
		}
	}
	if !o.OnLambda { // there the virtual machine bounds both
		c.Missing = append(c.Missing, "memory: each process is bounded, all of them together are not")
		if !w.Namespaces {
			c.Missing = append(c.Missing, "disk: each file is bounded, all of them together are not")
		}
	}
	if o.without != (walls{}) {
		c.Missing = append(c.Missing, "left out on purpose: "+fmt.Sprintf("%+v", o.without))
	}
	switch {
	case os.Geteuid() == 0 && !w.OwnUser:
		c.Refused = "a script would run as root"
	case o.OnLambda:
	case !w.Namespaces && !w.Seccomp:
		c.Refused = "the network cannot be kept from a script: neither namespaces nor seccomp work here"
	case !w.Namespaces && w.Landlock == 0:
		c.Refused = "files cannot be kept from a script: neither namespaces nor Landlock work here"
	}
	return c
}

// hide keeps our memory and environment from a script that runs as our own
// user. show undoes it: it makes our /proc files our own again, which it
// takes to write the maps of a user namespace.
func hide() { unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

func show() { unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }
