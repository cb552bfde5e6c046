package runner

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// spec is all that a supervisor and its launcher need to know. It travels
// over a pipe, so that nothing of it stands in a command line or in the
// environment of a process that a script could look at.
type spec struct {
	Walls    walls    `json:"walls"`
	Probe    bool     `json:"probe"` // try each wall and tell; run nothing
	Lambda   bool     `json:"lambda"`
	UID      int      `json:"uid"`      // of the script, if Walls.OwnUser
	Dir      string   `json:"dir"`      // the work directory
	File     string   `json:"file"`     // the script's name in it
	Script   []byte   `json:"script"`   //
	Argv     []string `json:"argv"`     //
	Env      []string `json:"env"`      // complete
	Readable []string `json:"readable"` // beside the system's directories
	Limits   limits   `json:"limits"`
}

// The arguments by which this binary knows that it is to be one of the two.
const (
	launchArg    = "sandbox-exec"
	supervisorIs = "supervise"
	launcherIs   = "launch"
)

// Launch must be the first call of a main that makes a Runner, with os.Args.
// It returns at once if the process is the program itself. If it was started
// by a Runner, it never returns.
func Launch(args []string) {
	if len(args) != 3 || args[1] != launchArg {
		return
	}
	switch args[2] {
	case supervisorIs:
		supervise()
	case launcherIs:
		launch()
	}
	os.Exit(2)
}

// report is what a supervisor tells its Runner, one JSON object a line.
type report struct {
	Failed  string            `json:"failed,omitempty"`  // nothing was run, for this reason
	Probed  map[string]string `json:"probed"`            // by wall, what went wrong; empty: it stands
	Started bool              `json:"started,omitempty"` // the interpreter has been started
	Ended   *ended            `json:"ended,omitempty"`
}

// ended is how the interpreter ended.
type ended struct {
	Exit      int    `json:"exit"`
	Signal    string `json:"signal,omitempty"`
	Survivors int    `json:"survivors,omitempty"`
}

// writeSpec writes s with its length in front, since the pipe stays open for
// commands.
func writeSpec(w io.Writer, s spec) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

func readSpec(r io.Reader) (s spec, err error) {
	var size [4]byte
	if _, err = io.ReadFull(r, size[:]); err != nil {
		return s, fmt.Errorf("read the spec: %w", err)
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err = io.ReadFull(r, body); err != nil {
		return s, fmt.Errorf("read the spec: %w", err)
	}
	return s, json.Unmarshal(body, &s)
}

// inherited takes a descriptor that this process was started with, and lets
// no program that it becomes or starts inherit it.
func inherited(fd int, name string) *os.File {
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), name)
}
