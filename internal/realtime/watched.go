package realtime

import (
	"context"
	"log/slog"
	"strings"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/stream"
)

// watched are the items of the automation table that sockets are told of, as
// their rooms keep them: under the prefix and the id, in the one sort key. What
// is below another begins so: a new entry on an incident's timeline changes no
// incident, and yet what people see of it.
var watched = []struct{ kind, id, prefix, sk, below string }{
	{Incident, id.Incident, "inc#", "inc", "tl#"},
	{Execution, id.Execution, "ex#", "ex", ""},
	{WorkflowRun, id.WorkflowRun, "wfr#", "run", ""},
}

// thing is what is read of such an item.
type thing struct {
	TeamID        string `dynamodbav:"teamId"`
	TriggeredByID string `dynamodbav:"triggeredById"`
	Rev           int64  `dynamodbav:"rev"`
}

// scope is who may see it: a team, or else whoever started it.
func (t thing) scope() string {
	if t.TeamID == "" {
		return t.TriggeredByID
	}
	return t.TeamID
}

// known tells whether sockets are told of a kind.
func known(kind string) bool {
	for _, w := range watched {
		if w.kind == kind {
			return true
		}
	}
	return false
}

// keyOf is where a thing stands.
func keyOf(thingID string) dynamo.Key {
	for _, w := range watched {
		if id.Valid(w.id, thingID) {
			return dynamo.Key{PK: w.prefix + thingID, SK: w.sk}
		}
	}
	return dynamo.Key{}
}

// Message is what travels through the live queue.
type Message struct {
	Change
	Scope string `json:"scope,omitempty"` // "" where only the id is known

	// A part of those who listen in one scope: from a connection on, until
	// before another; "" for the last. Empty At is all of the change's listeners.
	At   string `json:"at,omitempty"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`

	// UserID alone asks for another look at somebody's connections.
	UserID string `json:"userId,omitempty"`

	// Close alone is a connection that is to end.
	Close string `json:"close,omitempty"`
}

// Changes are the messages about a batch of the automation table's stream, one
// for each thing, as it was last.
func Changes(in stream.Event) []Message {
	var out []Message
	at := map[string]int{}
	for _, r := range in.Records {
		m, told := changeOf(r)
		if !told {
			continue
		}
		i, before := at[m.ID]
		switch {
		case !before:
			at[m.ID], out = len(out), append(out, m)
		case m.Scope != "":
			out[i] = m
		}
	}
	return out
}

// Feed sends what a batch of the automation table's stream tells of. What
// cannot be sent is tried again as often as the event source says, and then
// lost: people see it at the next change, or when they look.
func Feed(ctx context.Context, in stream.Event, send func([]Message) error) stream.Answer {
	if err := send(Changes(in)); err != nil {
		slog.WarnContext(ctx, "changes not told", "error", err)
		return stream.Failed(in.Records[0])
	}
	return stream.Done()
}

func changeOf(r stream.Record) (Message, bool) {
	key := r.Key()
	for _, w := range watched {
		name, ok := strings.CutPrefix(key.PK, w.prefix)
		if !ok || !id.Valid(w.id, name) || r.EventName == stream.Remove {
			continue
		}
		m := Message{Change: Change{Kind: w.kind, ID: name}}
		switch {
		case key.SK == w.sk:
			var t thing
			if err := dynamo.Decode(dynamo.Item(r.Change.NewImage), &t); err != nil {
				return m, true // as if only the id were known
			}
			m.Scope, m.Version = t.scope(), t.Rev
			return m, true
		case w.below != "" && strings.HasPrefix(key.SK, w.below):
			return m, true
		}
	}
	return Message{}, false
}

// find reads the thing that an id names.
func find(ctx context.Context, automation dynamo.Table, thingID string) (thing, bool, error) {
	var t thing
	k := keyOf(thingID)
	if k.PK == "" {
		return t, false, nil
	}
	found, err := automation.Get(ctx, k, &t)
	return t, found, err
}
