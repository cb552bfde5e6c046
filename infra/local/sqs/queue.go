package sqs

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxInFlight is how many messages of a standard queue may be with consumers at once.
const maxInFlight = 120_000

// maxVisibility is how long a message may stay with a consumer, in all, since it was received.
const maxVisibility = 12 * time.Hour

// settings are a queue's attributes that somebody chose.
type settings struct {
	Visibility, Delay, Retention, ReceiveWait time.Duration

	MaximumSize     int
	DeadLetterARN   string
	MaxReceiveCount int
}

var defaults = settings{Visibility: 30 * time.Second, Retention: 4 * 24 * time.Hour, MaximumSize: 1 << 20}

// queue is one standard queue. Its messages are in the order in which they were sent.
type queue struct {
	Name     string
	Settings settings
	Created  time.Time
	Modified time.Time

	messages []*message
	purged   time.Time
	changed  chan struct{} // closed and replaced when a message may have become visible
}

// message is as it is in the journal.
type message struct {
	ID         string
	Body       string
	Attributes map[string]attribute `json:",omitempty"`
	Trace      string               `json:",omitempty"` // AWSTraceHeader
	Group      string               `json:",omitempty"` // MessageGroupId, which a standard queue only carries
	Sender     string               `json:",omitempty"`
	Source     string               `json:",omitempty"` // ARN of the queue that it was dead in
	Sent       time.Time
	Visible    time.Time // from then on it can be received; before its first receipt this is its delay
	First      time.Time `json:",omitzero"` // of its first receipt
	Last       time.Time `json:",omitzero"` // of its latest receipt
	Receives   int
}

type attribute struct {
	Type   string
	Text   string `json:",omitempty"`
	Binary []byte `json:",omitempty"`
}

func newQueue(name string, created time.Time) *queue {
	return &queue{Name: name, Created: created, changed: make(chan struct{})}
}

// wake lets long polls look again.
func (q *queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *queue) at(id string) int {
	return slices.IndexFunc(q.messages, func(m *message) bool { return m.ID == id })
}

func (q *queue) remove(id string) *message {
	i := q.at(id)
	if i < 0 {
		return nil
	}
	m := q.messages[i]
	q.messages = slices.Delete(q.messages, i, i+1)
	return m
}

// inFlight tells whether a consumer holds the message.
func (m *message) inFlight(now time.Time) bool { return m.Receives > 0 && m.Visible.After(now) }

func (q *queue) depth(now time.Time) (visible, inFlight, delayed int) {
	for _, m := range q.messages {
		switch {
		case m.inFlight(now):
			inFlight++
		case m.Visible.After(now):
			delayed++
		default:
			visible++
		}
	}
	return visible, inFlight, delayed
}

// next is when the first hidden message becomes visible.
func (q *queue) next(now time.Time) (at time.Time, ok bool) {
	for _, m := range q.messages {
		if m.Visible.After(now) && (!ok || m.Visible.Before(at)) {
			at, ok = m.Visible, true
		}
	}
	return at, ok
}

// found is what one look at a queue gives.
type found struct {
	give    []*message // to the consumer
	dead    []*message // received too often: to the dead-letter queue
	expired []*message // older than the retention
}

// look sorts the messages that can be received now.
func (q *queue) look(now time.Time, most int) found {
	var f found
	for _, m := range q.messages {
		switch {
		case !m.Sent.Add(q.Settings.Retention).After(now):
			f.expired = append(f.expired, m)
		case m.Visible.After(now), len(f.give) == most:
		case q.Settings.DeadLetterARN != "" && m.Receives >= q.Settings.MaxReceiveCount:
			f.dead = append(f.dead, m)
		default:
			f.give = append(f.give, m)
		}
	}
	return f
}

// handle names one receipt of a message. It is opaque to callers, and means the same after a restart.
func (m *message) handle() string {
	return base64.StdEncoding.EncodeToString([]byte("r1/" + m.ID + "/" + strconv.Itoa(m.Receives)))
}

// parseHandle gives the message and the number of the receipt; ok is false for what is no handle of ours.
func parseHandle(handle string) (id string, receipt int, ok bool) {
	plain, err := base64.StdEncoding.DecodeString(handle)
	if err != nil {
		return "", 0, false
	}
	part := strings.Split(string(plain), "/")
	if len(part) != 3 || part[0] != "r1" {
		return "", 0, false
	}
	receipt, err = strconv.Atoi(part[2])
	return part[1], receipt, err == nil
}
