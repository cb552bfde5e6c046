package runbook

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/problem"
)

// Store keeps runbooks in the automation table.
//
//	rb#<runbook>   head          the runbook           byTeam rb#<team>, byKind rb
//	rb#<runbook>   ptr#<n>       that the pointer was changed an n-th time; the newest sorts first
//	rb#<runbook>   review        its version in review byTeam review#<team>, byKind review
//	rb#<runbook>   v#<number>    a version
//	rbname#<team>  <name>        who holds the name
type Store struct{ Table dynamo.Table }

const (
	headSK   = "head"
	reviewSK = "review"
	prefixP  = "ptr#"
	prefixV  = "v#"
)

func runbookPK(runbookID string) string { return "rb#" + runbookID }

func headKey(runbookID string) dynamo.Key { return dynamo.Key{PK: runbookPK(runbookID), SK: headSK} }

func versionKey(runbookID string, n int) dynamo.Key {
	return dynamo.Key{PK: runbookPK(runbookID), SK: fmt.Sprintf("%s%08d", prefixV, n)}
}

// pointer is one change of a runbook's pointer. The items are only ever added,
// so that a head which was set back to an older pointer, MAC and all, is seen.
type pointer struct {
	PK       string `dynamodbav:"pk"`
	SK       string `dynamodbav:"sk"`
	Sequence int64  `dynamodbav:"sequence"`
	Version  int    `dynamodbav:"version"`
	Status   Status `dynamodbav:"status"`
	MAC      []byte `dynamodbav:"mac"`
}

// maxSequence minus a sequence is its sort key: one query then reads the head
// and the newest pointer, which follows it.
const maxSequence = 999_999_999

func pointerOf(r Runbook) pointer {
	return pointer{
		PK: runbookPK(r.ID), SK: fmt.Sprintf("%s%09d", prefixP, maxSequence-r.Sequence),
		Sequence: r.Sequence, Version: r.Approved, Status: pointerStatus(r), MAC: r.PointerMAC,
	}
}

// Runbook reads a head, with the newest sequence on record beside it.
func (s Store) Runbook(ctx context.Context, runbookID string) (Runbook, error) {
	if !id.Valid(id.Runbook, runbookID) {
		return Runbook{}, problem.Missing()
	}
	return s.head(ctx, runbookID)
}

// Version reads version n of a runbook.
func (s Store) Version(ctx context.Context, runbookID string, n int) (Version, error) {
	var v Version
	found, err := s.Table.Get(ctx, versionKey(runbookID, n), &v)
	if err != nil {
		return Version{}, err
	}
	if !found {
		return Version{}, problem.Missing()
	}
	return v, nil
}

// Reading reads the approved version of a runbook together with other things;
// nothing where none is approved. A version that was removed leaves out as it
// is: CheckSeal says so.
func Reading(r Runbook, out *Version) []dynamo.Read {
	if r.Approved == 0 {
		return nil
	}
	return []dynamo.Read{{Key: versionKey(r.ID, r.Approved), Out: out}}
}

// Runnable reads a runbook and its approved version, which is zero if none is
// approved. The pointer may move between the two reads; what was read still
// belongs together, since versions do not change, and StillRuns tells at the
// moment that counts.
func (s Store) Runnable(ctx context.Context, runbookID string) (Runbook, Version, error) {
	r, err := s.Runbook(ctx, runbookID)
	if err != nil || r.Approved == 0 {
		return r, Version{}, err
	}
	v, err := s.Version(ctx, r.ID, r.Approved)
	if errors.Is(err, problem.Missing()) { // a version that was removed: CheckSeal says so
		return r, Version{}, nil
	}
	return r, v, err
}

// StillRuns makes a transaction depend on the runbook's pointer being the one
// that r was read with: nothing was approved, rolled back or archived since.
func (s Store) StillRuns(r Runbook) dynamo.Op {
	return s.Table.Check(headKey(r.ID), dynamo.Is("sequence", r.Sequence).
		And(dynamo.Is("approved", r.Approved)).And(dynamo.Is("archived", false)))
}

// head reads the head and what follows it, the newest pointer, in one query.
func (s Store) head(ctx context.Context, runbookID string) (Runbook, error) {
	q := dynamo.Query{Values: []string{runbookPK(runbookID)}, Sort: dynamo.SK, From: headSK, Oldest: true, Limit: 2}
	items, _, err := dynamo.List(ctx, s.Table, q, func(r Runbook) string { return r.SK }, nil)
	if err != nil {
		return Runbook{}, err
	}
	if len(items) == 0 || items[0].SK != headSK {
		return Runbook{}, problem.Missing()
	}
	r := items[0]
	if len(items) > 1 && strings.HasPrefix(items[1].SK, prefixP) {
		r.Latest = items[1].Sequence
	}
	return r, nil
}

// Versions lists a runbook's versions, newest first; positions are sort keys.
func (s Store) Versions(ctx context.Context, runbookID string, limit int, before string) ([]Version, string, error) {
	q := dynamo.Query{Values: []string{runbookPK(runbookID)}, Sort: dynamo.SK, Prefix: prefixV, Before: before, Limit: limit}
	return dynamo.List(ctx, s.Table, q, func(v Version) string { return v.SK }, nil)
}

// scope is whose runbooks a list is drawn from: those of teams ("" is the
// global ones), or all.
type scope struct {
	teams []string
	all   bool
}

func (c scope) query(kind string, limit int, before string) dynamo.Query {
	q := dynamo.Query{Index: "byKind", Values: []string{kind}, Sort: "id", Before: before, Limit: limit}
	if !c.all {
		q.Index, q.Values = "byTeam", nil
		for _, t := range c.teams {
			q.Values = append(q.Values, kind+"#"+t)
		}
	}
	return q
}

// Kinds of the indexes.
const (
	kindRunbook = "rb"
	kindReview  = "review"
)

func (s Store) runbooks(ctx context.Context, c scope, limit int, before string, keep func(Runbook) bool) ([]Runbook, string, error) {
	return dynamo.List(ctx, s.Table, c.query(kindRunbook, limit, before), func(r Runbook) string { return r.ID }, keep)
}

func (s Store) reviews(ctx context.Context, c scope, limit int, before string, keep func(reviewItem) bool) ([]reviewItem, string, error) {
	return dynamo.List(ctx, s.Table, c.query(kindReview, limit, before), func(r reviewItem) string { return r.ID }, keep)
}
