package execution

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/timestamp"
)

// Kinds of due items of this room. A pending execution whose message was lost
// is queued again; a running one whose dispatcher died, or whose job goes on by
// itself, is followed; one that waits for a confirmation is cancelled.
const (
	duePending = "execution.pending"
	dueRunning = "execution.running"
	dueConfirm = "execution.confirm"
)

// Store keeps executions in the automation table and idempotency keys in the
// ephemeral one. The brake's items and the pauses stand beside (brake.go, pause.go).
//
//	ex#<execution>  ex         the execution   byTeam ex#<team>, byKind ex, byRunbook ex#<runbook>, byIncident ex#<incident>
//	ex#<execution>  out#<n>    what attempt n wrote
//	ex#<execution>  refused    how many callbacks were refused
type Store struct {
	Table     dynamo.Table
	Ephemeral dynamo.Table
	Retention time.Duration // how long executions and their output are kept
}

// stored is an execution with its keys and its places in lists.
type stored struct {
	PK         string `dynamodbav:"pk"`
	SK         string `dynamodbav:"sk"`
	ByTeam     string `dynamodbav:"byTeam"`
	ByKind     string `dynamodbav:"byKind"`
	ByRunbook  string `dynamodbav:"byRunbook"`
	ByIncident string `dynamodbav:"byIncident,omitempty"`
	TTL        int64  `dynamodbav:"ttl"`
	Execution
}

type storedOutput struct {
	PK  string `dynamodbav:"pk"`
	SK  string `dynamodbav:"sk"`
	TTL int64  `dynamodbav:"ttl"`
	Output
}

// replay is an idempotency key and the execution that it made.
type replay struct {
	PK          string         `dynamodbav:"pk"`
	SK          string         `dynamodbav:"sk"`
	ExecutionID string         `dynamodbav:"executionId"`
	BodyHash    string         `dynamodbav:"bodyHash"`
	ExpiresAt   timestamp.Time `dynamodbav:"expiresAt"`
	TTL         int64          `dynamodbav:"ttl"`
}

func key(id string) dynamo.Key { return dynamo.Key{PK: "ex#" + id, SK: "ex"} }

func outputKey(id string, attempt int) dynamo.Key {
	return dynamo.Key{PK: "ex#" + id, SK: fmt.Sprintf("out#%02d", attempt)}
}

func replayKey(principalID, keyHash string) dynamo.Key {
	return dynamo.Key{PK: "idem#" + principalID + "#" + keyHash, SK: "idem"}
}

func (s Store) item(e Execution) stored {
	k := key(e.ID)
	it := stored{
		PK: k.PK, SK: k.SK, ByTeam: "ex#" + e.TeamID, ByKind: "ex", ByRunbook: "ex#" + e.RunbookID,
		TTL: e.CreatedAt.Add(s.Retention).Unix(), Execution: e,
	}
	if e.IncidentID != nil {
		it.ByIncident = "ex#" + *e.IncidentID
	}
	return it
}

// Execution reads one.
func (s Store) Execution(ctx context.Context, id string) (Execution, bool, error) {
	var it stored
	found, err := s.Table.Get(ctx, key(id), &it)
	return it.Execution, found, err
}

// Output reads what an attempt wrote; nothing is the zero Output.
func (s Store) Output(ctx context.Context, id string, attempt int) (Output, error) {
	var it storedOutput
	_, err := s.Table.Get(ctx, outputKey(id, attempt), &it)
	return it.Output, err
}

// Replay returns what an idempotency key of a principal made, if it is younger than a day.
func (s Store) Replay(ctx context.Context, principalID, keyHash string, now time.Time) (replay, bool, error) {
	var r replay
	found, err := s.Ephemeral.Get(ctx, replayKey(principalID, keyHash), &r)
	return r, found && now.Before(r.ExpiresAt.Time), err
}

// create is the write of a new execution.
func (s Store) create(e Execution) dynamo.Op { return s.Table.Create(s.item(e)) }

// remember is the write of an idempotency key, which must be new or expired.
func (s Store) remember(principalID, keyHash, bodyHash, executionID string, now time.Time) dynamo.Op {
	k := replayKey(principalID, keyHash)
	expires := timestamp.Of(now.Add(24 * time.Hour))
	return s.Ephemeral.Put(
		replay{PK: k.PK, SK: k.SK, ExecutionID: executionID, BodyHash: bodyHash, ExpiresAt: expires, TTL: expires.Unix() + 3600},
		expression.Or(dynamo.Absent(), expression.Name("expiresAt").LessThanEqual(expression.Value(timestamp.Of(now)))))
}

// putOutput keeps what an attempt wrote, over what a callback told of it before.
func (s Store) putOutput(e Execution, o Output) dynamo.Op {
	k := outputKey(e.ID, e.Attempt)
	return s.Table.Put(storedOutput{PK: k.PK, SK: k.SK, TTL: e.CreatedAt.Add(s.Retention).Unix(), Output: o}, expression.Or(dynamo.Absent(), dynamo.Present()))
}

// countRefusal counts a callback that was refused, up to maxRefused.
func (s Store) countRefusal(e Execution) dynamo.Op {
	n := expression.Name("refused")
	u := expression.Add(n, expression.Value(1)).Set(expression.Name("ttl"), expression.Value(e.CreatedAt.Add(s.Retention).Unix()))
	return s.Table.Update(dynamo.Key{PK: key(e.ID).PK, SK: "refused"}, u, expression.Or(n.AttributeNotExists(), n.LessThan(expression.Value(maxRefused))))
}

// longestWaiting is the message of the execution that waits longest for a slot.
func (s Store) longestWaiting(ctx context.Context, runbookID, slot string) (Message, bool, error) {
	q := dynamo.Query{Values: []string{brakePK(runbookID)}, Sort: dynamo.SK, Prefix: waitPrefix(slot), Oldest: true, Limit: 1}
	found, _, err := dynamo.List(ctx, s.Table, q, func(w waiter) string { return w.SK }, nil)
	if err != nil || len(found) == 0 {
		return Message{}, false, err
	}
	return found[0].Message, true, nil
}

func (s Store) commit(ctx context.Context, ops ...dynamo.Op) error {
	return dynamo.Commit(ctx, s.Table.DB, ops...)
}
