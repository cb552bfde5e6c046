package runbook

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/teams"
	"pagefree/internal/platform/timestamp"
)

// InUse is the code of a target that cannot be deleted.
const InUse problem.Code = "in_use"

// TargetCreation is what a caller says of a new named target.
type TargetCreation struct {
	Name   string  `json:"name" minLength:"1" maxLength:"120" doc:"unique in the team"`
	TeamID *string `json:"teamId,omitempty" nullable:"true" doc:"null: a global target, which platform admins manage and every team's runbooks may name"`
	Target Target  `json:"target" doc:"of type ssm, webhook or sandbox"`
}

// CreateTarget makes a named target, which serves once somebody else approved it.
func (s *Service) CreateTarget(ctx context.Context, c TargetCreation) (TargetView, error) {
	team, p, err := teams.Owner(ctx, s.Store.Table, c.TeamID, principal.Require)
	if err != nil {
		return TargetView{}, err
	}
	by, err := author(p)
	if err != nil {
		return TargetView{}, err
	}
	var f faults
	c.Name = strings.TrimSpace(c.Name)
	checkName(&f, c.Name)
	definition, err := s.define(f, c.Target)
	if err != nil {
		return TargetView{}, err
	}
	now := s.Now()
	t := NamedTarget{
		ID: id.New(id.Target, now), Name: c.Name, TeamID: c.TeamID, Type: definition.Type,
		CreatedByID: by, CreatedAt: timestamp.Of(now), Rev: 1,
	}.write(definition, by, now)
	k := targetKey(t.ID)
	t.PK, t.SK, t.ByTeam, t.ByKind = k.PK, k.SK, kindTarget+"#"+team, kindTarget
	detail := map[string]any{"name": t.Name, "type": t.Type, "version": t.Newest.Version}
	if err := s.Store.createTarget(ctx, t, targetWaiting(t), s.recordTarget(ctx, t, "created", now, detail)); err != nil {
		return TargetView{}, err
	}
	return t.view(p), nil
}

// define checks a definition, together with what was found before.
func (s *Service) define(f faults, to Target) (Target, error) {
	to = to.withDefaults()
	if to.Type == Named {
		f.add("target.type", "it is one of sandbox, ssm, webhook")
	} else {
		to.check(&f, s.Targets)
	}
	if err := f.err(); err != nil {
		return to, err
	}
	return to, s.checkURL(to)
}

// checkURL refuses a webhook to an address that can be seen to be forbidden.
func (s *Service) checkURL(to Target) error {
	if to.Type != Webhook || s.CheckURL == nil {
		return nil
	}
	return s.CheckURL(to.URL)
}

// reachable checks where a version would run, beyond what its content says by
// itself, and gives the type of that target: the address of a webhook, and that
// a named target is one of the runbook's team or global. It need not be
// approved yet; its type cannot change.
func (s *Service) reachable(ctx context.Context, team string, c Content) (runsOn string, err error) {
	if c.Target.Type != Named {
		return c.Target.Type, s.checkURL(c.Target)
	}
	t, found, err := s.Store.target(ctx, c.Target.TargetID)
	if err != nil || !found || (t.TeamID != nil && t.Team() != team) {
		return "", missing(err)
	}
	var f faults
	c.checkScript(&f, t.Type)
	checkParameters(&f, c.Parameters, t.Type)
	return t.Type, f.err()
}

// TargetChange is what a caller says of a target that there is: its definition
// as a whole, and its name. Its team may be said again, and cannot change.
type TargetChange struct {
	Name   *string                  `json:"name,omitempty" minLength:"1" maxLength:"120" doc:"left out: as it is; a name needs no review"`
	TeamID httpapi.Nullable[string] `json:"teamId,omitzero" doc:"the one that it has"`
	Target Target                   `json:"target" doc:"of the same type"`
}

// ChangeTarget writes another definition of a target that match accepts the
// revision of. It waits for its review; the approved one goes on serving.
func (s *Service) ChangeTarget(ctx context.Context, targetID string, c TargetChange, match func(rev int64) error) (TargetView, error) {
	return again(func() (TargetView, error) {
		t, p, err := s.openTarget(ctx, targetID, principal.Require)
		if err != nil {
			return TargetView{}, err
		}
		if err := match(t.Rev); err != nil {
			return TargetView{}, err
		}
		by, err := author(p)
		if err != nil {
			return TargetView{}, err
		}
		is, f := t, faults{}
		if c.Name != nil {
			is.Name = strings.TrimSpace(*c.Name)
			checkName(&f, is.Name)
		}
		if c.TeamID.Sent && !reflect.DeepEqual(c.TeamID.Value, t.TeamID) {
			f.add("teamId", "it cannot go to another team")
		}
		if c.Target.Type != t.Type {
			f.add("target.type", "it stays %s: runbooks were reviewed for it", t.Type)
		}
		definition, err := s.define(f, c.Target)
		if err != nil {
			return TargetView{}, err
		}
		now := s.Now()
		detail := map[string]any{"name": is.Name, "version": is.Newest.Version}
		if is.Name != t.Name {
			detail["previousName"] = t.Name
		}
		rewritten := t.Newest.Status == Rejected || sealedChange(t.Newest.Target, definition)
		if !rewritten && is.Name == t.Name {
			return t.view(p), nil
		}
		if rewritten {
			is = is.write(definition, by, now)
			detail["version"] = is.Newest.Version
		}
		is.UpdatedAt = timestamp.Of(now)
		var waits *reviewItem
		if is.Newest.Status == PendingReview { // it shows the name too
			item := targetWaiting(is)
			waits = &item
		}
		err = s.Store.changeTarget(ctx, t, is, waits, s.recordTarget(ctx, is, "updated", now, detail))
		is.Rev++
		return is.view(p), err
	})
}

// sealedChange reports whether two definitions differ in what is sealed.
func sealedChange(a, b Target) bool { return !reflect.DeepEqual(sealedTarget(a), sealedTarget(b)) }

// DeleteTarget removes a target that no approved runbook names. One that is
// approved at the same moment finds it gone when it runs: not_approved.
func (s *Service) DeleteTarget(ctx context.Context, targetID string) error {
	_, err := again(func() (struct{}, error) {
		t, _, err := s.openTarget(ctx, targetID, principal.Require)
		if err != nil {
			return struct{}{}, err
		}
		used, err := s.Store.inUse(ctx, t.ID)
		if err != nil {
			return struct{}{}, err
		}
		if used {
			return struct{}{}, problem.New(http.StatusConflict, InUse, "An approved runbook runs at this target. Give it another one, or archive it, first.")
		}
		now := s.Now()
		return struct{}{}, s.Store.deleteTarget(ctx, t, s.recordTarget(ctx, t, "deleted", now, map[string]any{"name": t.Name}))
	})
	return err
}

// recordTarget is the audit event of a change of a target. Its definition is
// not in it: a header may hold what somebody should have made a secret.
func (s *Service) recordTarget(ctx context.Context, t NamedTarget, what string, now time.Time, detail map[string]any) dynamo.Op {
	return s.Audit.Record(ctx, now, audit.Entry{
		Type: "target." + what, Subject: audit.Ref{Kind: "target", ID: t.ID}, TeamID: t.Team(), Detail: detail,
	})
}
