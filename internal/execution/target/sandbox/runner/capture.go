package runner

import (
	"io"
	"os"

	"pagefree/internal/execution/target/sandbox/protocol"
)

// capture keeps the beginning of a stream and throws the rest away.
type capture struct {
	kept []byte
	more bool
	done chan struct{}
}

// drain reads a pipe to its end, so that a writer is never blocked for long,
// keeping no more than protocol.MaxOutputBytes in memory.
func drain(from *os.File) *capture {
	c := &capture{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		var err error
		// An error is the end, or the deadline that the end of a run sets.
		c.kept, err = io.ReadAll(io.LimitReader(from, protocol.MaxOutputBytes))
		if err != nil || len(c.kept) < protocol.MaxOutputBytes {
			return
		}
		c.more = discard(from) > 0
	}()
	return c
}

// text waits for the end of the stream.
func (c *capture) text() (text string, truncated bool) {
	<-c.done
	return protocol.Clip(c.kept, c.more, protocol.MaxOutputBytes)
}
