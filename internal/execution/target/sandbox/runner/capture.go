package runner

import (
	"errors"
	"io"
	"os"

	"pagefree/internal/execution/target/sandbox/protocol"
	"pagefree/internal/platform/text"
)

// capture keeps the beginning of a stream and throws the rest away.
type capture struct {
	kept []byte
	more bool
	done chan struct{}
}

// drain reads a pipe to its end, so that a writer is never blocked for long,
// keeping no more than so many bytes in memory.
func drain(from *os.File, keep int) *capture {
	c := &capture{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		kept := make([]byte, keep)
		n, err := io.ReadFull(from, kept)
		// The end of a run sets a deadline, and a busy machine may be at it
		// before what the pipe holds was read.
		if errors.Is(err, os.ErrDeadlineExceeded) {
			n += leftover(from, kept[n:])
		}
		c.kept = kept[:n]
		if n == len(kept) {
			c.more = discard(from) > 0 || leftover(from, make([]byte, 1)) > 0
		}
	}()
	return c
}

// text waits for the end of the stream.
func (c *capture) text() (kept string, truncated bool) {
	<-c.done
	return text.Clip(c.kept, c.more, protocol.MaxOutputBytes)
}
