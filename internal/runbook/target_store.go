package runbook

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/problem"
)

// Named targets stand in the same table.
//
//	tgt#<target>    head          the target                 byTeam tgt#<team>, byKind tgt
//	tgt#<target>    ptr#<n>       that it was approved, or at last deleted, an n-th time; the newest sorts first
//	tgt#<target>    review        its definition in review   byTeam review#<team>, byKind review
//	tgt#<target>    use#<runbook> that some version of the runbook names it
//	tgtname#<team>  <name>        who holds the name
const (
	kindTarget = "tgt"
	prefixU    = "use#"
)

func targetPK(targetID string) string { return "tgt#" + targetID }

func targetKey(targetID string) dynamo.Key { return dynamo.Key{PK: targetPK(targetID), SK: headSK} }

func targetReviewKey(targetID string) dynamo.Key {
	return dynamo.Key{PK: targetPK(targetID), SK: reviewSK}
}

// targetPointer is one change of what serves. As with runbooks the items are
// only ever added, also when the target is deleted, so that a head which was
// put back is seen.
type targetPointer struct {
	PK       string `dynamodbav:"pk"`
	SK       string `dynamodbav:"sk"`
	Sequence int64  `dynamodbav:"sequence"`
	Version  int    `dynamodbav:"version"` // 0: deleted
	MAC      []byte `dynamodbav:"mac"`
}

func targetPointerOf(t NamedTarget) targetPointer {
	return targetPointer{
		PK: targetPK(t.ID), SK: fmt.Sprintf("%s%09d", prefixP, maxSequence-t.Sequence),
		Sequence: t.Sequence, Version: t.Approved, MAC: t.Seal.MAC,
	}
}

type targetName struct {
	PK       string `dynamodbav:"pk"`
	SK       string `dynamodbav:"sk"`
	TargetID string `dynamodbav:"targetId"`
}

func targetNameOf(t NamedTarget) targetName {
	return targetName{PK: "tgtname#" + t.Team(), SK: t.Name, TargetID: t.ID}
}

// use is a runbook that named a target in some version. It stays when later
// versions do not: whether it still counts is looked up at the runbook.
type use struct {
	PK        string `dynamodbav:"pk"`
	SK        string `dynamodbav:"sk"`
	RunbookID string `dynamodbav:"runbookId"`
}

// NamedTarget reads a target for CheckTarget, with the newest sequence on
// record beside it. One that was deleted, or never was, is no error: it is
// not approved, which CheckTarget says.
func (s Store) NamedTarget(ctx context.Context, targetID string) (NamedTarget, error) {
	t, found, err := s.target(ctx, targetID)
	if err != nil || !found {
		return NamedTarget{ID: targetID}, err
	}
	return t, nil
}

// StillServes makes a transaction depend on that the definition which t was
// read with is still the one that serves.
func (s Store) StillServes(t NamedTarget) dynamo.Op {
	return s.Table.Check(targetKey(t.ID), dynamo.Is("sequence", t.Sequence))
}

func (s Store) target(ctx context.Context, targetID string) (NamedTarget, bool, error) {
	if !id.Valid(id.Target, targetID) {
		return NamedTarget{}, false, nil
	}
	q := dynamo.Query{Values: []string{targetPK(targetID)}, Sort: dynamo.SK, From: headSK, Oldest: true, Limit: 2}
	items, _, err := dynamo.List(ctx, s.Table, q, func(t NamedTarget) string { return t.SK }, nil)
	if err != nil || len(items) == 0 || items[0].SK != headSK {
		return NamedTarget{}, false, err
	}
	t := items[0]
	if len(items) > 1 && strings.HasPrefix(items[1].SK, prefixP) {
		t.Latest = items[1].Sequence
	}
	return t, true, nil
}

func (s Store) targets(ctx context.Context, c scope, limit int, before string, keep func(NamedTarget) bool) ([]NamedTarget, string, error) {
	return dynamo.List(ctx, s.Table, c.query(kindTarget, limit, before), func(t NamedTarget) string { return t.ID }, keep)
}

func (s Store) replaceTarget(old, is NamedTarget) dynamo.Op {
	is.Rev = old.Rev + 1
	return s.Table.Put(is, dynamo.Is("rev", old.Rev))
}

func (s Store) targetLeavesReview(targetID string) dynamo.Op {
	return s.Table.Delete(targetReviewKey(targetID), expression.Or(dynamo.Absent(), dynamo.Present()))
}

func targetNameTaken(name string) error {
	return problem.New(http.StatusConflict, NameTaken, "The team has another target named %q.", name)
}

// createTarget writes a target and puts it up for review; a name in use is NameTaken.
func (s Store) createTarget(ctx context.Context, t NamedTarget, waits reviewItem, record dynamo.Op) error {
	err := s.commit(ctx, s.Table.Create(targetNameOf(t)), s.Table.Create(t), s.Table.Create(waits), record)
	if lost, ok := dynamo.Failed(err); ok && lost.Index == 0 {
		return targetNameTaken(t.Name)
	}
	return err
}

// changeTarget writes another definition, another name, or both.
func (s Store) changeTarget(ctx context.Context, old, is NamedTarget, waits *reviewItem, record dynamo.Op) error {
	ops := []dynamo.Op{s.replaceTarget(old, is), record}
	if old.Name != is.Name {
		was := targetNameOf(old)
		ops = append(ops, s.Table.Create(targetNameOf(is)), s.Table.Delete(dynamo.Key{PK: was.PK, SK: was.SK}, dynamo.Is("targetId", old.ID)))
	}
	if waits != nil {
		ops = append(ops, s.Table.Put(*waits, expression.Or(dynamo.Absent(), dynamo.Present())))
	}
	err := s.commit(ctx, ops...)
	if lost, ok := dynamo.Failed(err); ok && lost.Index == 2 {
		return targetNameTaken(is.Name)
	}
	return err
}

// approveTarget makes a definition serve. Whoever is names as its reviewer
// must have written nothing of it: the condition says so once more, for
// whichever route leads here.
func (s Store) approveTarget(ctx context.Context, old, is NamedTarget, record dynamo.Op) error {
	by := expression.Value(is.ApprovedByID)
	cond := dynamo.Is("rev", old.Rev).
		And(dynamo.Is("newest.status", PendingReview)).
		And(expression.Name("newest.reviewedById").NotEqual(by)). // NULL until now: an approval without a reviewer fails here
		And(expression.Name("newest.lastEditorId").NotEqual(by)).
		And(expression.Not(expression.Contains(expression.Name("newest.writers"), is.ApprovedByID)))
	is.Rev = old.Rev + 1
	return s.commit(ctx, s.Table.Put(is, cond), s.Table.Create(targetPointerOf(is)), s.targetLeavesReview(is.ID), record)
}

// rejectTarget writes a rejection.
func (s Store) rejectTarget(ctx context.Context, old, is NamedTarget, record dynamo.Op) error {
	return s.commit(ctx, s.replaceTarget(old, is), s.targetLeavesReview(is.ID), record)
}

// deleteTarget removes a target and frees its name. Its place in the sequence
// is taken, so that the old head does not serve when somebody puts it back.
func (s Store) deleteTarget(ctx context.Context, old NamedTarget, record dynamo.Op) error {
	was, gone := targetNameOf(old), old
	gone.Sequence, gone.Approved, gone.Seal = max(old.Sequence, old.Latest)+1, 0, Seal{}
	return s.commit(ctx,
		s.Table.Delete(targetKey(old.ID), dynamo.Is("rev", old.Rev)),
		s.Table.Delete(dynamo.Key{PK: was.PK, SK: was.SK}, dynamo.Is("targetId", old.ID)),
		s.Table.Create(targetPointerOf(gone)), s.targetLeavesReview(old.ID), record)
}

// uses are the writes that keep which target a version names; none for other types.
func (s Store) uses(v Version) []dynamo.Op {
	if v.Target.Type != Named {
		return nil
	}
	u := use{PK: targetPK(v.Target.TargetID), SK: prefixU + v.RunbookID, RunbookID: v.RunbookID}
	return []dynamo.Op{s.Table.Put(u, expression.Or(dynamo.Absent(), dynamo.Present()))}
}

// inUse reports whether the approved version of a runbook that is not archived
// names the target.
func (s Store) inUse(ctx context.Context, targetID string) (bool, error) {
	before := ""
	for {
		q := dynamo.Query{Values: []string{targetPK(targetID)}, Sort: dynamo.SK, Prefix: prefixU, Before: before, Limit: 100}
		list, next, err := dynamo.List(ctx, s.Table, q, func(u use) string { return u.SK }, nil)
		if err != nil {
			return false, err
		}
		for _, u := range list {
			r, v, err := s.Runnable(ctx, u.RunbookID)
			if err != nil {
				return false, err
			}
			if !r.Archived && v.Target.Type == Named && v.Target.TargetID == targetID {
				return true, nil
			}
		}
		if before = next; before == "" {
			return false, nil
		}
	}
}
