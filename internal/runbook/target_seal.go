package runbook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"

	"pagefree/internal/platform/problem"
)

// targetLabel keeps a target's MAC from being taken for a version's.
const targetLabel = "pagefree/target/v1/"

// targetFormat is the encoding of new seals of targets; see sealFormat.
const targetFormat = 1

// Serves returns the definition of a named target for a runbook of a team (""
// for a global one): a problem not_approved when none serves, be it deleted or
// not approved yet, or an error that is ErrSealBroken when it belongs to
// another team. That it is what was approved, CheckTarget tells.
func (t NamedTarget) Serves(teamID string) (Target, error) {
	if t.PK == "" || t.Target == nil && t.Sequence == 0 && t.Latest == 0 {
		return Target{}, problem.New(http.StatusConflict, NotApproved, "The target %s is not approved, or was deleted.", t.ID)
	}
	if t.Target == nil || t.PK != targetPK(t.ID) || t.Target.Type != t.Type || t.Type == Named {
		return Target{}, fmt.Errorf("%w: the target %s is not what it says", ErrSealBroken, t.ID)
	}
	if t.TeamID != nil && (t.Team() == "" || t.Team() != teamID) {
		return Target{}, fmt.Errorf("%w: the target %s is of another team", ErrSealBroken, t.ID)
	}
	return *t.Target, nil
}

// CheckTarget is Serves for whoever sends: an error that is ErrSealBroken when
// the target is not what was approved, or why it could not be found out. t is
// what Store.NamedTarget read.
func CheckTarget(ctx context.Context, v Verifier, t NamedTarget, teamID string) (Target, error) {
	if _, err := t.Serves(teamID); err != nil {
		return Target{}, err
	}
	if t.Sequence != t.Latest {
		return Target{}, fmt.Errorf("%w: the target %s is number %d of %d", ErrSealBroken, t.ID, t.Sequence, t.Latest)
	}
	hash, err := targetHash(t.Seal.Format, t)
	if err != nil {
		return Target{}, err
	}
	if t.ContentHash != hash {
		return Target{}, fmt.Errorf("%w: the target %s has another hash", ErrSealBroken, t.ID)
	}
	if err := verify(ctx, v, []byte(targetLabel+hash), t.Seal.MAC, "the target "+t.ID); err != nil {
		return Target{}, err
	}
	return *t.Target, nil
}

// sealTarget hashes and seals the definition that a reviewer approved, as the next in sequence.
func sealTarget(ctx context.Context, m Maker, t NamedTarget) (NamedTarget, error) {
	t.Sequence = max(t.Sequence, t.Latest) + 1
	t.Latest = t.Sequence
	hash, err := targetHash(targetFormat, t)
	if err != nil {
		return NamedTarget{}, err
	}
	mac, err := m.MAC(ctx, []byte(targetLabel+hash))
	if err != nil {
		return NamedTarget{}, fmt.Errorf("seal the target %s: %w", t.ID, err)
	}
	t.ContentHash, t.Seal = hash, Seal{Format: targetFormat, MAC: mac}
	return t, nil
}

// namedTargetV1 is format 1: JSON with every member present, in this order.
type namedTargetV1 struct {
	Format       int            `json:"format"`
	TargetID     string         `json:"targetId"`
	TeamID       string         `json:"teamId"`
	Version      int            `json:"version"`
	Sequence     int64          `json:"sequence"`
	Target       sealedTargetV1 `json:"target"`
	ApprovedByID string         `json:"approvedById"`
}

// targetHash is the hex SHA-256 over everything that decides where a named
// target leads, and for whom. Where it stands in the sequence is part of it:
// an older approval does not fit a newer place.
func targetHash(format int, t NamedTarget) (string, error) {
	if format != 1 {
		return "", fmt.Errorf("%w: the target %s has the unknown format %d", ErrSealBroken, t.ID, format)
	}
	s := namedTargetV1{Format: 1, TargetID: t.ID, TeamID: t.Team(), Version: t.Approved, Sequence: t.Sequence, Target: sealedTarget(*t.Target)}
	if t.ApprovedByID != nil {
		s.ApprovedByID = *t.ApprovedByID
	}
	encoded, err := canonical(s)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:]), nil
}

// sealedTarget is a definition in format 1. Stores differ in what they make of an empty list.
func sealedTarget(t Target) sealedTargetV1 {
	s := sealedTargetV1(t)
	if len(s.InstanceIDs) == 0 {
		s.InstanceIDs = nil
	}
	if len(s.Tags) == 0 {
		s.Tags = nil
	}
	if len(s.Headers) == 0 {
		s.Headers = nil
	}
	return s
}
