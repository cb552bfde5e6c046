package lambda

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

const (
	maxLines   = 1000
	maxLine    = 256 * 1024 // bytes; a longer one is cut, as CloudWatch cuts it
	maxLogFile = 16 << 20   // bytes; then a new file is begun and one old one kept
)

// logs keeps the newest lines of a function in memory, and all of them in a file.
type logs struct {
	mu     sync.Mutex
	ring   []string
	start  int // of the oldest line in ring
	path   string
	file   *os.File
	size   int64
	output io.Writer
	name   string
}

func newLogs(dir, name string, output io.Writer) (*logs, error) {
	l := &logs{output: output, name: name}
	if dir == "" {
		return l, nil
	}
	l.path = filepath.Join(dir, name+".log")
	return l, l.open(os.O_APPEND)
}

func (l *logs) open(mode int) error {
	if err := os.MkdirAll(filepath.Dir(l.path), 0o755); err != nil {
		return fmt.Errorf("logs of %s: %w", l.name, err)
	}
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|mode, 0o600)
	if err != nil {
		return fmt.Errorf("logs of %s: %w", l.name, err)
	}
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("logs of %s: %w", l.name, err)
	}
	l.file, l.size = file, info.Size()
	return nil
}

// add takes one line without its end.
func (l *logs) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ring) < maxLines {
		l.ring = append(l.ring, line)
	} else {
		l.ring[l.start] = line
		l.start = (l.start + 1) % maxLines
	}
	if l.file != nil {
		n, _ := io.WriteString(l.file, line+"\n")
		if l.size += int64(n); l.size > maxLogFile {
			_ = l.file.Close()
			_ = os.Rename(l.path, l.path+".1")
			if l.open(os.O_TRUNC) != nil {
				l.file = nil
			}
		}
	}
	if l.output != nil {
		_, _ = fmt.Fprintf(l.output, "%s: %s\n", l.name, line)
	}
}

func (l *logs) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append(append([]string{}, l.ring[l.start:]...), l.ring[:l.start]...)
}

func (l *logs) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

// writer splits one process's output into lines.
func (l *logs) writer() io.Writer { return &lineWriter{logs: l} }

type lineWriter struct {
	logs *logs
	part []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		before, after, found := bytes.Cut(p, []byte("\n"))
		if room := maxLine - len(w.part); room > 0 {
			w.part = append(w.part, before[:min(room, len(before))]...)
		}
		if !found {
			return n, nil
		}
		w.logs.add(string(w.part))
		w.part = w.part[:0]
		p = after
	}
}
