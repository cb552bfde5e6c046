package runbook

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/problem"
)

// Every write below stands under the revision of the head that it was decided
// on, so that of two decisions one is made again on what the other left.

// nameItem holds a name for a runbook of a team, archived ones included.
type nameItem struct {
	PK        string `dynamodbav:"pk"`
	SK        string `dynamodbav:"sk"`
	RunbookID string `dynamodbav:"runbookId"`
}

func nameOf(r Runbook) nameItem {
	return nameItem{PK: "rbname#" + r.Team(), SK: r.Name, RunbookID: r.ID}
}

// reviewItem is a version, or a named target, that waits for its review. A runbook and a target have one at most.
type reviewItem struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	ByTeam string `dynamodbav:"byTeam"`
	ByKind string `dynamodbav:"byKind"`
	ID     string `dynamodbav:"id"` // orders the queue by the time of submitting

	Writers []string `dynamodbav:"writers,omitempty"` // of a target: who may not approve it
	Review
}

func reviewKey(runbookID string) dynamo.Key {
	return dynamo.Key{PK: runbookPK(runbookID), SK: reviewSK}
}

// commit writes ops and the record of them, or nothing.
func (s Store) commit(ctx context.Context, ops ...dynamo.Op) error {
	return dynamo.Commit(ctx, s.Table.DB, ops...)
}

// replace is the write of a head that was old.
func (s Store) replace(old, is Runbook) dynamo.Op {
	is.Rev = old.Rev + 1
	return s.Table.Put(is, dynamo.Is("rev", old.Rev))
}

func (s Store) leavesReview(runbookID string) dynamo.Op {
	return s.Table.Delete(reviewKey(runbookID), expression.Or(dynamo.Absent(), dynamo.Present()))
}

// create writes a runbook with its first version; a name in use is NameTaken.
func (s Store) create(ctx context.Context, r Runbook, v Version, record dynamo.Op) error {
	err := s.commit(ctx, append([]dynamo.Op{s.Table.Create(nameOf(r)), s.Table.Create(r), s.Table.Create(v), record}, s.uses(v)...)...)
	if lost, ok := dynamo.Failed(err); ok && lost.Index == 0 {
		return nameTaken(r.Name)
	}
	return err
}

func nameTaken(name string) error {
	return problem.New(http.StatusConflict, NameTaken, "The team has another runbook named %q; archived ones count.", name)
}

// describe writes the words of a head.
func (s Store) describe(ctx context.Context, old, is Runbook, record dynamo.Op) error {
	ops := []dynamo.Op{s.replace(old, is), record}
	if old.Name != is.Name {
		was := nameOf(old)
		ops = append(ops, s.Table.Create(nameOf(is)), s.Table.Delete(dynamo.Key{PK: was.PK, SK: was.SK}, dynamo.Is("runbookId", old.ID)))
		if old.NewestStatus == PendingReview {
			ops = append(ops, s.Table.Update(reviewKey(old.ID), expression.Set(expression.Name("runbookName"), expression.Value(is.Name)), dynamo.Present()))
		}
	}
	err := s.commit(ctx, ops...)
	if lost, ok := dynamo.Failed(err); ok && lost.Index == 2 {
		return nameTaken(is.Name)
	}
	return err
}

// addVersion writes the next version. What was in review leaves the queue:
// only the newest version can be approved.
func (s Store) addVersion(ctx context.Context, old, is Runbook, v Version, record dynamo.Op) error {
	return s.commit(ctx, append([]dynamo.Op{s.replace(old, is), s.Table.Create(v), s.leavesReview(old.ID), record}, s.uses(v)...)...)
}

// checked keeps what parsing found on a draft.
func (s Store) checked(ctx context.Context, v Version, record dynamo.Op) error {
	u := expression.Set(expression.Name("check"), expression.Value(v.Check))
	return s.commit(ctx, s.Table.Update(versionKey(v.RunbookID, v.Version), u, dynamo.Is("status", Draft)), record)
}

// submit puts a version into review, and into the queue of those who may approve it.
func (s Store) submit(ctx context.Context, old, is Runbook, v Version, waits reviewItem, record dynamo.Op, tell outbox.Event) error {
	u := expression.Set(expression.Name("status"), expression.Value(v.Status)).
		Set(expression.Name("check"), expression.Value(v.Check)).
		Set(expression.Name("submittedById"), expression.Value(v.SubmittedByID))
	return s.commit(ctx,
		s.Table.Update(versionKey(v.RunbookID, v.Version), u, dynamo.Is("status", Draft)),
		s.replace(old, is),
		s.Table.Put(waits, expression.Or(dynamo.Absent(), dynamo.Present())),
		record, outbox.Put(s.Table, tell))
}

// approve writes an approval and moves the pointer. Whoever v names as its
// reviewer must be neither its author, nor its last editor, nor its submitter:
// the condition says so once more, for whichever route leads here.
func (s Store) approve(ctx context.Context, old, is Runbook, v Version, record dynamo.Op) error {
	by := expression.Value(v.ReviewedByID)
	cond := dynamo.Is("status", PendingReview).
		And(expression.Name("reviewedById").NotEqual(by)). // NULL until now: an approval without a reviewer fails here
		And(expression.Name("createdById").NotEqual(by)).
		And(expression.Name("lastEditorId").NotEqual(by)).
		And(expression.Name("submittedById").NotEqual(by))
	u := reviewed(v).
		Set(expression.Name("contentHash"), expression.Value(v.ContentHash)).
		Set(expression.Name("document"), expression.Value(v.Document)).
		Set(expression.Name("seal"), expression.Value(v.Seal))
	return s.commit(ctx,
		s.Table.Update(versionKey(v.RunbookID, v.Version), u, cond),
		s.replace(old, is), s.Table.Create(pointerOf(is)), s.leavesReview(v.RunbookID), record)
}

func reviewed(v Version) expression.UpdateBuilder {
	return expression.Set(expression.Name("status"), expression.Value(v.Status)).
		Set(expression.Name("reviewedById"), expression.Value(v.ReviewedByID)).
		Set(expression.Name("reviewedAt"), expression.Value(v.ReviewedAt)).
		Set(expression.Name("reviewNote"), expression.Value(v.ReviewNote))
}

// reject writes a rejection.
func (s Store) reject(ctx context.Context, old, is Runbook, v Version, record dynamo.Op) error {
	ops := []dynamo.Op{
		s.Table.Update(versionKey(v.RunbookID, v.Version), reviewed(v), dynamo.Is("status", PendingReview)),
		s.replace(old, is), record,
	}
	if v.Version == old.Newest {
		ops = append(ops, s.leavesReview(v.RunbookID))
	}
	return s.commit(ctx, ops...)
}

// move writes a changed pointer.
func (s Store) move(ctx context.Context, old, is Runbook, record dynamo.Op) error {
	return s.commit(ctx, s.replace(old, is), s.Table.Create(pointerOf(is)), record)
}
