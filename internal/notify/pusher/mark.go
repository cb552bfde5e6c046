package pusher

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/notify/push"
	"pagefree/internal/platform/dynamo"
)

// Marks remember what each device was sent last, in the ephemeral table.
//
//	pushed#<device>  <tag>  the last note of the tag
type Marks struct{ Ephemeral dynamo.Table }

// mark is the last note of a tag that a device was sent, or is being sent.
type mark struct {
	PK  string `dynamodbav:"pk"`
	SK  string `dynamodbav:"sk"`
	TTL int64  `dynamodbav:"ttl"`

	EventID string `dynamodbav:"eventId"`
	Done    bool   `dynamodbav:"done"`   // sent, or not worth it
	Busy    int64  `dynamodbav:"busy"`   // until when somebody is sending it, in Unix seconds
	Shown   bool   `dynamodbav:"shown"`  // the device was sent one that its person has to hear of the end of
	SentAt  int64  `dynamodbav:"sentAt"` // Unix seconds; 0: never
	Rev     int64  `dynamodbav:"rev"`
}

type action int

const (
	drop action = iota // it was sent, or a later one was, or nobody needs it
	send
	wait // somebody else is sending it
)

// quiet is the least time between two bounded notes of a tag.
const quiet = 60

var errBusy = errors.New("this push is being sent by another")

// take decides what becomes of a message. The mark is to be written where it changed.
func (m mark) take(msg push.Message, now int64) (mark, action) {
	switch {
	case m.EventID > msg.EventID || m.EventID == msg.EventID && m.Done:
		return m, drop
	case m.EventID == msg.EventID && m.Busy > now:
		return m, wait
	case m.EventID != msg.EventID && msg.Bounded && m.SentAt > now-quiet:
		return m, drop
	case m.EventID != msg.EventID && msg.Closes && !m.Shown: // nobody was told that it began, and nobody will be
		m.EventID, m.Done, m.Busy = msg.EventID, true, 0
		return m, drop
	}
	m.EventID, m.Done, m.Busy = msg.EventID, false, now+int64(lease/time.Second)
	m.Shown = m.Shown || !msg.Closes
	return m, send
}

// claim is the right to send a message.
func (s Marks) claim(ctx context.Context, msg push.Message, now time.Time) (action, error) {
	for range 8 {
		k := dynamo.Key{PK: "pushed#" + msg.DeviceID, SK: msg.Note.Tag}
		was := mark{PK: k.PK, SK: k.SK}
		if _, err := s.Ephemeral.Get(ctx, k, &was); err != nil {
			return drop, err
		}
		next, what := was.take(msg, now.Unix())
		if what == wait {
			return wait, errBusy
		}
		if next == was {
			return what, nil
		}
		cond := dynamo.Absent()
		if was.Rev > 0 {
			cond = dynamo.Is("rev", was.Rev)
		}
		next.Rev++
		next.TTL = now.Unix() + keepMark
		err := dynamo.Commit(ctx, s.Ephemeral.DB, s.Ephemeral.Put(next, cond))
		if _, lost := dynamo.Failed(err); !lost && !errors.Is(err, dynamo.ErrContended) {
			return what, err
		}
	}
	return drop, dynamo.ErrContended
}

// done writes down that a message was sent. If that fails, it is sent once more.
func (s Marks) done(ctx context.Context, msg push.Message, now time.Time) error {
	return s.change(ctx, msg, expression.Set(expression.Name("done"), expression.Value(true)).
		Set(expression.Name("busy"), expression.Value(0)).Set(expression.Name("sentAt"), expression.Value(now.Unix())))
}

// release gives a claim back.
func (s Marks) release(ctx context.Context, msg push.Message) error {
	return s.change(ctx, msg, expression.Set(expression.Name("busy"), expression.Value(0)))
}

// change changes the mark of a message while it is the last of its tag.
func (s Marks) change(ctx context.Context, msg push.Message, update expression.UpdateBuilder) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	k := dynamo.Key{PK: "pushed#" + msg.DeviceID, SK: msg.Note.Tag}
	err := dynamo.Commit(ctx, s.Ephemeral.DB, s.Ephemeral.Update(k, update.Add(expression.Name("rev"), expression.Value(1)), dynamo.Is("eventId", msg.EventID)))
	if _, later := dynamo.Failed(err); later { // a later note took its place
		return nil
	}
	return err
}
