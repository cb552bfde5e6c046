package runbook

import (
	"context"
	"net/http"
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

// Services says which team a service belongs to, and false for none.
type Services interface {
	TeamOf(ctx context.Context, serviceID string) (teamID string, found bool, err error)
}

// Checker parses a script without running it. An error means that it could
// not be found out, not that the script is wrong.
type Checker interface {
	Check(ctx context.Context, language, script string) (Check, error)
}

// Documents keeps what an ssm target runs: each approved version as a document
// of its own in SSM.
type Documents interface {
	// Fits is a 422 for a version that no document can hold.
	Fits(v Version) error
	// Publish makes the document of a version. It may be repeated, and then
	// gives the same one.
	Publish(ctx context.Context, r Runbook, v Version) (Document, error)
}

// publish gives a version that is approved its document, if it runs as one.
func (s *Service) publish(ctx context.Context, r Runbook, v Version) (Version, error) {
	runsOn := v.Target.Type
	if runsOn == Named { // one that was deleted meanwhile runs nothing
		named, _, err := s.Store.target(ctx, v.Target.TargetID)
		if err != nil {
			return v, err
		}
		runsOn = named.Type
	}
	if runsOn != SSM {
		return v, nil
	}
	if s.Documents == nil {
		return v, problem.New(http.StatusServiceUnavailable, problem.Unavailable, "Runbooks for ssm cannot be approved here.")
	}
	d, err := s.Documents.Publish(ctx, r, v)
	v.Document = &d
	return v, err
}

// Service is the use cases of the library. Each method decides from the
// principal in its context.
type Service struct {
	Store    Store
	Services Services
	Checker  Checker
	// Documents is nil where nothing dispatches to ssm; then Targets has no SSM.
	Documents Documents
	Seal      Maker
	Audit     audit.Log
	Cursors   *httpapi.Cursors
	Now       func() time.Time
	Targets   []string // types of targets that something dispatches to

	// CheckURL refuses addresses of webhooks that can be seen to be forbidden. nil refuses none.
	CheckURL func(rawURL string) error
}

// attempts is how often a decision is made again on what somebody else wrote meanwhile.
const attempts = 5

// again repeats a read, a decision and its conditional write until no race is
// lost. The decision on what the winner left is the answer.
func again[T any](do func() (T, error)) (T, error) {
	var zero T
	var err error
	for range attempts {
		var out T
		out, err = do()
		if err == nil {
			return out, nil
		}
		if _, lost := dynamo.Failed(err); !lost {
			return zero, err
		}
	}
	return zero, problem.Lost(err)
}

// open reads a runbook for a caller with at least the role in its team.
func (s *Service) open(ctx context.Context, runbookID string, min principal.Role) (Runbook, principal.Principal, error) {
	return s.openAs(ctx, runbookID, min, principal.Require)
}

// openForReview is open for what only a person may do.
func (s *Service) openForReview(ctx context.Context, runbookID string) (Runbook, principal.Principal, error) {
	return s.openAs(ctx, runbookID, principal.TeamAdmin, principal.RequirePerson)
}

func (s *Service) openAs(ctx context.Context, runbookID string, min principal.Role, require func(context.Context, string, principal.Role) (principal.Principal, error)) (Runbook, principal.Principal, error) {
	if _, err := principal.Authenticated(ctx); err != nil {
		return Runbook{}, principal.Principal{}, err
	}
	r, err := s.Store.Runbook(ctx, runbookID)
	if err != nil {
		return Runbook{}, principal.Principal{}, err
	}
	p, err := require(ctx, r.Team(), min)
	return r, p, err
}

// author is whom a writing counts as. A principal without one would slip
// through the rule against approving one's own, so it writes nothing.
func author(p principal.Principal) (string, error) {
	if w := writer(p); w != "" {
		return w, nil
	}
	return "", problem.Denied("This credential belongs to nobody whose writing this could be.")
}

// record is the audit event of a change, for its transaction.
func (s *Service) record(ctx context.Context, r Runbook, what string, now time.Time, detail map[string]any) dynamo.Op {
	return s.Audit.Record(ctx, now, audit.Entry{
		Type: "runbook." + what, Subject: audit.Ref{Kind: "runbook", ID: r.ID}, TeamID: r.Team(), Detail: detail,
	})
}

// Creation is what a caller says of a new runbook.
type Creation struct {
	Name        string  `json:"name" minLength:"1" maxLength:"120" doc:"unique in the team, archived ones included"`
	Description string  `json:"description,omitempty" maxLength:"10000"`
	TeamID      *string `json:"teamId,omitempty" nullable:"true" doc:"null: a global runbook, which platform admins manage"`
	Content
}

const maxDescription = 10_000

// Create makes a runbook and its version 1, a draft.
func (s *Service) Create(ctx context.Context, c Creation) (RunbookView, error) {
	team, p, err := teams.Owner(ctx, s.Store.Table, c.TeamID, principal.Require)
	if err != nil {
		return RunbookView{}, err
	}
	by, err := author(p)
	if err != nil {
		return RunbookView{}, err
	}
	var f faults
	c.Name = strings.TrimSpace(c.Name)
	checkName(&f, c.Name)
	words(&f, "description", c.Description, 0, maxDescription)
	if err := f.err(); err != nil {
		return RunbookView{}, err
	}
	content, err := s.accept(ctx, team, c.Content)
	if err != nil {
		return RunbookView{}, err
	}
	now := s.Now()
	r := Runbook{
		ID: id.New(id.Runbook, now), Name: c.Name, Description: c.Description, TeamID: c.TeamID,
		CreatedByID: by, CreatedAt: timestamp.Of(now), UpdatedAt: timestamp.Of(now), Rev: 1,
	}
	r.PK, r.SK, r.ByTeam, r.ByKind = runbookPK(r.ID), headSK, kindRunbook+"#"+team, kindRunbook
	r, v := r.next(content, by, now)
	if err := s.Store.create(ctx, r, v, s.record(ctx, r, "created", now, map[string]any{"name": r.Name, "version": v.Version})); err != nil {
		return RunbookView{}, err
	}
	return r.view(p), nil
}

func missing(err error) error {
	if err != nil {
		return err
	}
	return problem.Missing()
}

// accept checks what a writer says of a version, and that its service is one
// of the runbook's team; a global runbook may be bound to any.
func (s *Service) accept(ctx context.Context, team string, c Content) (Content, error) {
	c = c.withDefaults()
	if err := c.check(s.Targets); err != nil {
		return c, err
	}
	runsOn, err := s.reachable(ctx, team, c)
	if err != nil {
		return c, err
	}
	if runsOn == SSM && s.Documents != nil {
		if err := s.Documents.Fits(c.version()); err != nil {
			return c, err
		}
	}
	if c.ServiceID == nil {
		return c, nil
	}
	if !id.Valid(id.Service, *c.ServiceID) {
		return c, problem.Missing()
	}
	owner, found, err := s.Services.TeamOf(ctx, *c.ServiceID)
	if err != nil || !found || (team != "" && owner != team) {
		return c, missing(err)
	}
	return c, nil
}

// next is the head after its next version was written, and that version.
func (r Runbook) next(c Content, by string, now time.Time) (Runbook, Version) {
	v := c.version()
	v.RunbookID, v.Version = r.ID, r.Newest+1
	v.CreatedByID, v.LastEditorID, v.CreatedAt = by, by, timestamp.Of(now)
	k := versionKey(v.RunbookID, v.Version)
	v.PK, v.SK = k.PK, k.SK
	r.Newest, r.NewestStatus, r.NewestAuthor, r.NewestSubmitter = v.Version, Draft, by, nil
	if r.Approved == 0 {
		r = r.shows(v)
	}
	return r, v
}

// AddVersion writes the next version, a draft. The approved one goes on serving.
func (s *Service) AddVersion(ctx context.Context, runbookID string, c Content) (VersionView, error) {
	return s.addVersion(ctx, runbookID, c, func(int) error { return nil })
}

// AddVersionAfter is AddVersion for who read version newest last: 412
// precondition_failed where somebody wrote another since.
func (s *Service) AddVersionAfter(ctx context.Context, runbookID string, newest int, c Content) (VersionView, error) {
	return s.addVersion(ctx, runbookID, c, func(is int) error {
		if is != newest {
			return problem.New(http.StatusPreconditionFailed, problem.PreconditionFailed, "Somebody wrote version %d since you read version %d.", is, newest)
		}
		return nil
	})
}

func (s *Service) addVersion(ctx context.Context, runbookID string, c Content, match func(newest int) error) (VersionView, error) {
	r, p, err := s.open(ctx, runbookID, principal.TeamAdmin)
	if err != nil {
		return VersionView{}, err
	}
	by, err := author(p)
	if err != nil {
		return VersionView{}, err
	}
	if c, err = s.accept(ctx, r.Team(), c); err != nil {
		return VersionView{}, err
	}
	return again(func() (VersionView, error) {
		r, err := s.Store.Runbook(ctx, runbookID)
		if err != nil {
			return VersionView{}, err
		}
		if r.Archived {
			return VersionView{}, problem.Transition("add a version to", string(Archived))
		}
		if err := match(r.Newest); err != nil {
			return VersionView{}, err
		}
		now := s.Now()
		is, v := r.next(c, by, now)
		is.UpdatedAt = timestamp.Of(now)
		detail := map[string]any{"version": v.Version, "changeNote": v.ChangeNote}
		return v.view(is), s.Store.addVersion(ctx, r, is, v, s.record(ctx, is, "versioned", now, detail))
	})
}

// Words are what a runbook says of itself; they decide nothing.
type Words struct {
	httpapi.Patch
	Name        *string `json:"name,omitempty" minLength:"1" maxLength:"120"`
	Description *string `json:"description,omitempty" maxLength:"10000"`
}

// Describe changes the words of a runbook that match accepts the revision of.
func (s *Service) Describe(ctx context.Context, runbookID string, w Words, match func(rev int64) error) (RunbookView, error) {
	return again(func() (RunbookView, error) {
		r, p, err := s.open(ctx, runbookID, principal.TeamAdmin)
		if err != nil {
			return RunbookView{}, err
		}
		if err := match(r.Rev); err != nil {
			return RunbookView{}, err
		}
		is, f := r, faults{}
		if w.Name != nil {
			is.Name = strings.TrimSpace(*w.Name)
			checkName(&f, is.Name)
		}
		if w.Description != nil {
			is.Description = *w.Description
			words(&f, "description", is.Description, 0, maxDescription)
		}
		if err := f.err(); err != nil {
			return RunbookView{}, err
		}
		if is.Name == r.Name && is.Description == r.Description {
			return r.view(p), nil
		}
		now := s.Now()
		is.UpdatedAt = timestamp.Of(now)
		detail := map[string]any{"name": is.Name}
		if is.Name != r.Name {
			detail["previousName"] = r.Name
		}
		err = s.Store.describe(ctx, r, is, s.record(ctx, is, "updated", now, detail))
		is.Rev++
		return is.view(p), err
	})
}
