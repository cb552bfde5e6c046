package notify

import (
	"slices"
	"strings"
	"time"

	"pagefree/internal/platform/due"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/timestamp"
)

// Limits of a heap.
const (
	quiet    = time.Minute      // between two mails about a subject to a person
	maxHeap  = 10               // events that are kept whole; the others are counted
	maxWord  = 2000             // characters of a word of an event that a heap keeps
	heapLife = 90 * 24 * 3600   // seconds after its last change: an incident may stay open for long
	lease    = 90 * time.Second // longer than the function may run
	keepTold = 15 * 24 * 3600   // seconds: longer than a message may lie in the dead-letter queue
	mailKind = "notice.mail"
	hookKind = "notice.webhook"
)

// heap is what a person is to be told about one subject, and when they were told last.
type heap struct {
	PK  string `dynamodbav:"pk"`
	SK  string `dynamodbav:"sk"`
	TTL int64  `dynamodbav:"ttl"`

	UserID  string         `dynamodbav:"userId"`
	Subject string         `dynamodbav:"subject"`
	Events  []outbox.Event `dynamodbav:"events"` // oldest first
	More    int            `dynamodbav:"more"`   // that came after those, and were only counted
	Taken   int            `dynamodbav:"taken"`  // of Events, by who mails it

	MailedAt timestamp.Time `dynamodbav:"mailedAt"` // zero: never
	Open     bool           `dynamodbav:"open"`     // the last mail said that the incident is open
	DueAt    timestamp.Time `dynamodbav:"dueAt"`    // of its reminder; zero where it is empty
	Busy     int64          `dynamodbav:"busy"`     // until when somebody is mailing it, in Unix seconds
	Rev      int64          `dynamodbav:"rev"`
}

func (h heap) empty() bool { return len(h.Events) == 0 }

// reminder is the item that sees to it that the heap is mailed.
func (h heap) reminder() due.Item {
	return due.Notices.New(mailKind, h.UserID+"/"+h.Subject, h.DueAt.Time)
}

// heapOf is the person and the subject that a reminder names.
func heapOf(reminder string) (userID, subject string) {
	userID, subject, _ = strings.Cut(reminder, "/")
	return userID, subject
}

// add puts an event onto the heap. One that was empty is due at once, or a
// minute after its last mail.
func (h heap) add(e outbox.Event, now time.Time) heap {
	if h.empty() {
		h.DueAt = timestamp.Of(now)
		if next := h.MailedAt.Add(quiet); next.After(now) {
			h.DueAt = timestamp.Of(next)
		}
	}
	if len(h.Events) < h.Taken+maxHeap {
		h.Events = append(slices.Clone(h.Events), brief(e))
	} else {
		h.More++
	}
	return h
}

// brief is an event without what a heap has no room for.
func brief(e outbox.Event) outbox.Event {
	detail := map[string]string{}
	for name, word := range e.Detail {
		if runes := []rune(word); len(runes) > maxWord {
			word = string(runes[:maxWord]) + "..."
		}
		detail[name] = word
	}
	e.Detail = detail
	return e
}

// ready reports whether the heap may be mailed now.
func (h heap) ready(now time.Time) bool {
	return !h.empty() && !h.DueAt.After(now) && h.Busy <= now.Unix()
}

// take is the heap in the hands of who mails it.
func (h heap) take(now time.Time) heap {
	h.Taken, h.Busy = len(h.Events), now.Add(lease).Unix()
	return h
}

// told is the heap after what lay on it when it was taken was mailed, or was
// not worth a mail; what came since stays, for a minute later.
func (h heap) told(taken heap, mailed, open bool, now time.Time) heap {
	gone := map[string]bool{}
	for _, e := range taken.Events {
		gone[e.ID] = true
	}
	h.Events = slices.DeleteFunc(slices.Clone(h.Events), func(e outbox.Event) bool { return gone[e.ID] })
	h.More = max(0, h.More-taken.More)
	h.Taken, h.Busy, h.DueAt = 0, 0, timestamp.Time{}
	if mailed {
		h.MailedAt, h.Open = timestamp.Of(now), open
	}
	if !h.empty() {
		h.DueAt = timestamp.Of(now)
		if mailed {
			h.DueAt = timestamp.Of(now.Add(quiet))
		}
	}
	return h
}
