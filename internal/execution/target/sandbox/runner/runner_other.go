//go:build !linux

package runner

import (
	"context"
	"io"
	"os"
	"runtime"
	"time"

	"pagefree/internal/execution/target/sandbox/protocol"
)

// Launch does nothing here: there is nothing to launch.
func Launch([]string) {}

// raise refuses: the walls are all Linux's.
func raise(Options) (walls, protocol.Confinement) {
	return walls{}, protocol.Confinement{
		Namespaces: []string{}, Limits: []string{}, Missing: []string{"everything"},
		Refused: "scripts can be confined on Linux only, this is " + runtime.GOOS,
	}
}

func (r *Runner) execute(context.Context, protocol.Request, func() []string, time.Duration, int) (outcome, error) {
	return outcome{}, &protocol.NotRun{Reason: r.confinement.Refused}
}

func discard(from *os.File) int64 {
	n, _ := io.Copy(io.Discard, from)
	return n
}

func leftover(*os.File, []byte) int { return 0 }
