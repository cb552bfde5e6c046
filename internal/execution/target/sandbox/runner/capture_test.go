package runner

import (
	"bytes"
	"os"
	"testing"
	"time"

	"pagefree/internal/execution/target/sandbox/protocol"
)

// TestADeadlineLosesNothing: what a script wrote before its end is kept, even
// if the end of the run comes before anybody read it.
func TestADeadlineLosesNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		holds     int
		truncated bool
	}{
		"little": {holds: 10_000}, "nothing": {}, "the limit": {holds: protocol.MaxOutputBytes},
	} {
		from, to, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer from.Close()
		defer to.Close() // held open, as by a process that was left behind
		if _, err := to.Write(bytes.Repeat([]byte("x"), test.holds)); err != nil {
			t.Fatal(err)
		}
		if err := from.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
			t.Fatal(err)
		}
		text, truncated := drain(from, protocol.MaxOutputBytes).text()
		if len(text) != test.holds || truncated != test.truncated {
			t.Errorf("%s: got %d bytes, truncated %v; want %d, %v", name, len(text), truncated, test.holds, test.truncated)
		}
	}
}
