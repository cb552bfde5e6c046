package sqs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// What a line of the journal tells.
const (
	opQueue    = "queue"    // a queue with its settings, new or changed
	opDrop     = "drop"     // a queue is gone
	opPurge    = "purge"    // its messages are gone
	opPut      = "put"      // a message, new or moved here, at the end of the queue
	opReceipt  = "receipt"  // a message was given to a consumer
	opVisible  = "visible"  // a message's visibility was changed
	opDelete   = "delete"   // a message is gone
	opTransfer = "transfer" // a message went to the end of another queue
)

// entry is one change of state.
type entry struct {
	Op       string
	Queue    string    `json:",omitempty"`
	Settings *settings `json:",omitempty"`
	Message  *message  `json:",omitempty"`
	ID       string    `json:",omitempty"` // of a message
	To       string    `json:",omitempty"` // queue
	At       time.Time `json:",omitzero"`
	Visible  time.Time `json:",omitzero"`
}

// apply makes a change. It is the only place that does, so that reading the journal leads to the same state.
func (s *Service) apply(e entry) {
	q := s.queues[e.Queue]
	if q == nil {
		if e.Op != opQueue {
			return
		}
		q = newQueue(e.Queue, e.At)
		s.queues[e.Queue] = q
	}
	switch e.Op {
	case opQueue:
		q.Settings, q.Modified = *e.Settings, e.At
	case opDrop:
		delete(s.queues, e.Queue)
		q.wake()
	case opPurge:
		q.messages, q.purged = nil, e.At
	case opPut:
		q.messages = append(q.messages, e.Message)
		q.wake()
	case opReceipt:
		if i := q.at(e.ID); i >= 0 {
			m := q.messages[i]
			m.Receives++
			m.Visible, m.Last = e.Visible, e.At
			if m.First.IsZero() {
				m.First = e.At
			}
			q.wake() // a wait for the next visible message has to be reckoned anew
		}
	case opVisible:
		if i := q.at(e.ID); i >= 0 {
			q.messages[i].Visible = e.Visible
			q.wake()
		}
	case opDelete:
		q.remove(e.ID)
	case opTransfer:
		to, m := s.queues[e.To], q.remove(e.ID)
		if to == nil || m == nil {
			return
		}
		m.Source, m.Visible = s.ARN(e.Queue), e.At
		to.messages = append(to.messages, m)
		to.wake()
	}
}

// journal is a file of one JSON entry a line. A nil journal keeps nothing.
type journal struct {
	path       string
	file       *os.File
	size, base int64 // bytes now, and after the last compaction
}

// bloat is how large a journal grows beyond four times what it was after its last compaction, before the next one.
const bloat = 8 << 20

func openJournal(path string, apply func(entry)) (*journal, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	j := &journal{path: path}
	data, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return j, nil
	}
	if err != nil {
		return nil, err
	}
	defer data.Close()
	for r := bufio.NewReader(data); ; {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return j, nil // a line without its end was never acknowledged
		}
		if err != nil {
			return nil, err
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		apply(e)
	}
}

// append writes entries in one call, so that a process that dies leaves whole lines.
func (j *journal) append(entries ...entry) error {
	if j == nil {
		return nil
	}
	var b bytes.Buffer
	for _, e := range entries {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	if _, err := j.file.Write(b.Bytes()); err != nil {
		// A full disk: what was not acknowledged must not stay as half a line in the middle.
		_, seekErr := j.file.Seek(j.size, io.SeekStart)
		return errors.Join(err, j.file.Truncate(j.size), seekErr)
	}
	j.size += int64(b.Len())
	return nil
}

func (j *journal) bloated() bool { return j != nil && j.size > 4*j.base+bloat }

// compact puts a new file in the old one's place.
func (j *journal) compact(entries []entry) error {
	if j == nil {
		return nil
	}
	file, err := os.OpenFile(j.path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	fresh := &journal{path: j.path, file: file}
	if err := fresh.append(entries...); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := os.Rename(file.Name(), j.path); err != nil {
		return errors.Join(err, file.Close())
	}
	old := j.file
	fresh.base = fresh.size
	*j = *fresh
	if old != nil {
		return old.Close()
	}
	return nil
}

func (j *journal) close() error {
	if j == nil || j.file == nil {
		return nil
	}
	return j.file.Close()
}
