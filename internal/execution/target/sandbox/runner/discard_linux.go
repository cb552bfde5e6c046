package runner

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// discard reads a pipe to its end and counts what was in it. The bytes are
// dropped within the kernel, not copied.
func discard(from *os.File) (n int64) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		n, _ = io.Copy(io.Discard, from)
		return n
	}
	defer null.Close()
	raw, err := from.SyscallConn()
	if err != nil {
		return 0
	}
	for {
		var dropped int64
		var cause error
		// Read waits for the pipe to hold something, or for its deadline.
		err := raw.Read(func(fd uintptr) bool {
			dropped, cause = unix.Splice(int(fd), nil, int(null.Fd()), nil, pipeSize, unix.SPLICE_F_NONBLOCK)
			return cause != unix.EAGAIN
		})
		if cause == unix.EINTR {
			continue
		}
		if err != nil || cause != nil || dropped == 0 {
			return n
		}
		n += dropped
	}
}

// leftover reads what a pipe holds, without waiting for more and whatever its
// deadline, and returns how much it was.
func leftover(from *os.File, into []byte) (n int) {
	raw, err := from.SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) {
		for n < len(into) {
			read, err := unix.Read(int(fd), into[n:])
			if err == unix.EINTR {
				continue
			}
			if err != nil || read == 0 {
				return
			}
			n += read
		}
	})
	return n
}
