package execution

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/timestamp"
)

// Kinds of due items of this room. A pending execution whose message was lost
// is queued again; a running one whose dispatcher died is reconciled; one that
// waits for a confirmation is cancelled.
const (
	duePending = "execution.pending"
	dueRunning = "execution.running"
	dueConfirm = "execution.confirm"
)

// Store keeps executions in the automation table and idempotency keys in the
// ephemeral one.
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

// replace is the write of an execution that was at the given state: the
// status, the holder of the claim and the revision must be as they were read.
func (s Store) replace(was, is Execution) dynamo.Op {
	return s.Table.Put(s.item(is), expression.And(
		dynamo.Is("status", was.Status), dynamo.Is("rev", was.Rev), expression.Or(dynamo.Is("nonce", was.Nonce), expression.Name("nonce").AttributeNotExists())))
}

func (s Store) putOutput(e Execution, o Output) dynamo.Op {
	k := outputKey(e.ID, e.Attempt)
	return s.Table.Create(storedOutput{PK: k.PK, SK: k.SK, TTL: e.CreatedAt.Add(s.Retention).Unix(), Output: o})
}

// dueItem is the reminder of an execution in the state that it is in.
func dueItem(e Execution) due.Item {
	kind := map[Status]string{AwaitingConfirmation: dueConfirm, Pending: duePending, Running: dueRunning}[e.Status]
	return due.New(kind, e.ID, e.DueAt.Time)
}

// moveDue replaces the reminder of one state by that of the next; a final state has none.
func (s Store) moveDue(was, is Execution) []dynamo.Op {
	ops := []dynamo.Op{due.Done(s.Table, dueItem(was))}
	if !is.Status.Final() {
		ops = append(ops, due.Put(s.Table, dueItem(is)))
	}
	return ops
}

func (s Store) commit(ctx context.Context, ops ...dynamo.Op) error {
	return dynamo.Commit(ctx, s.Table.DB, ops...)
}
