//go:build linux

package runner

import (
	"runtime"
	"strings"
	"testing"

	"pagefree/internal/execution/target/sandbox/protocol"
)

func TestOutputIsCutAtItsLimit(t *testing.T) {
	t.Parallel()
	const limit = protocol.MaxOutputBytes
	tests := map[string]struct {
		script    string // python, where bytes are bytes
		want      string
		truncated bool
	}{
		"nothing":                           {"pass", "", false},
		"exactly the limit":                 {"w(b'x' * 65536)", strings.Repeat("x", limit), false},
		"one byte more":                     {"w(b'x' * 65537)", strings.Repeat("x", limit), true},
		"a character across the limit":      {"w(b'x' * 65535 + 'é'.encode())", strings.Repeat("x", limit-1), true},
		"four bytes across the limit":       {"w(b'x' * 65533 + '😀'.encode() + b'y')", strings.Repeat("x", limit-3), true},
		"a character that ends at it":       {"w(b'x' * 65534 + 'é'.encode())", strings.Repeat("x", limit-2) + "é", false},
		"invalid bytes":                     {"w(b'a\\xffb')", "a\uFFFDb", false},
		"invalid bytes beyond the limit":    {"w(b'\\xff' * 30000)", strings.Repeat("\uFFFD", limit/3), true},
		"NUL":                               {"w(b'a\\0b')", "a\x00b", false},
		"the start of a character, the end": {"w('é'.encode()[:1])", "\uFFFD", false},
	}
	each(t, protocol.Python, func(t *testing.T, r *Runner) {
		for name, test := range tests {
			res := run(t, r, "import os, sys\nw = sys.stdout.buffer.write\n"+test.script+"\nsys.stdout.flush()\nos.write(2, b'e')")
			exited(t, res, 0)
			if res.Stdout != test.want || res.StdoutTruncated != test.truncated {
				t.Errorf("%s: got %d bytes, truncated %v; want %d, %v", name, len(res.Stdout), res.StdoutTruncated, len(test.want), test.truncated)
			}
			if res.Stderr != "e" || res.StderrTruncated {
				t.Errorf("%s: stderr is %q", name, res.Stderr)
			}
		}
	})
}

func TestBothStreamsHaveTheirOwnLimit(t *testing.T) {
	t.Parallel()
	each(t, protocol.Bash, func(t *testing.T, r *Runner) {
		res := run(t, r, "head -c 100000 /dev/zero | tr '\\0' o; head -c 100000 /dev/zero | tr '\\0' e >&2; exit 3")
		exited(t, res, 3)
		if len(res.Stdout) != protocol.MaxOutputBytes || len(res.Stderr) != protocol.MaxOutputBytes || !res.StdoutTruncated || !res.StderrTruncated {
			t.Errorf("got %d and %d bytes, truncated %v and %v", len(res.Stdout), len(res.Stderr), res.StdoutTruncated, res.StderrTruncated)
		}
	})
}

func TestAClosedStreamIsNoEnd(t *testing.T) {
	t.Parallel()
	each(t, protocol.Bash, func(t *testing.T, r *Runner) {
		res := run(t, r, "echo first; exec 1>&-; sleep 0.1; echo later >&2; exit 4")
		exited(t, res, 4)
		if res.Stdout != "first\n" || res.Stderr != "later\n" {
			t.Errorf("got %q and %q", res.Stdout, res.Stderr)
		}
	})
}

// TestALotOfOutputIsThrownAway lets a script write 10 GB. It is drained at
// some gigabytes a second, and none of it may stay in memory.
func TestALotOfOutputIsThrownAway(t *testing.T) {
	r := runnerFor(protocol.Bash, walls{})
	if r.Confinement().Refused != "" {
		return // each holds the runner to its refusal, in every other test
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	res := runFor(t, r, 60, "dd if=/dev/zero bs=1M count=10000 status=none; echo $? >&2")
	runtime.ReadMemStats(&after)
	exited(t, res, 0)
	if res.Stderr != "0\n" || len(res.Stdout) != protocol.MaxOutputBytes || !res.StdoutTruncated {
		t.Errorf("dd ended with %q; %d bytes kept, truncated %v", res.Stderr, len(res.Stdout), res.StdoutTruncated)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("allocated %d bytes for it", grown)
	}
	t.Logf("10 GB in %d ms", res.DurationMs)
}
