package vault

import (
	"context"
	"net/http"
	"slices"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/teams"
	"pagefree/internal/platform/timestamp"
)

// Service is the use cases of secrets. Each method decides from the principal
// in its context: a person, TEAM_ADMIN of the team or, for what is global, a
// platform admin.
type Service struct {
	Store   secret.Store
	Key     *secret.Key
	Audit   audit.Log
	Cursors *httpapi.Cursors
	Now     func() time.Time
}

// Creation is what a caller says of a new secret.
type Creation struct {
	Name   string  `json:"name" pattern:"^[a-z][a-z0-9-]{0,39}$" doc:"unique in the team; targets name it by this"`
	TeamID *string `json:"teamId,omitempty" nullable:"true" doc:"null: for global runbooks and targets; platform admins manage it"`
	Value  string  `json:"value" minLength:"1" maxLength:"4096" doc:"1 byte to 4 KiB of UTF-8; it is never read back"`
}

// Create keeps a value under a name.
func (s *Service) Create(ctx context.Context, c Creation) (View, error) {
	_, p, err := teams.Owner(ctx, s.Store.Table, c.TeamID, principal.RequirePerson)
	if err != nil {
		return View{}, err
	}
	if err := invalid(append(checkName(c.Name), checkValue(c.Value)...)...); err != nil {
		return View{}, err
	}
	now := s.Now()
	v, err := s.Key.Encrypt(ctx, secret.Secret{
		ID: id.New(id.Secret, now), Name: c.Name, TeamID: c.TeamID, Version: 1,
		CreatedByID: p.ID, CreatedAt: timestamp.Of(now), UpdatedByID: p.ID, UpdatedAt: timestamp.Of(now),
	}, c.Value)
	if err != nil {
		return View{}, err
	}
	err = s.commit(ctx, v, "created", now, s.Store.Create(v)...)
	if lost, ok := dynamo.Failed(err); ok && lost.Index == 0 {
		return View{}, problem.New(http.StatusConflict, NameTaken, "The team has another secret named %q.", v.Name)
	}
	return view(v), err
}

// Replacement is what a caller says of a secret's new value. Its name and team
// may be said again, and cannot change: targets name it by them.
type Replacement struct {
	Name   *string                  `json:"name,omitempty" doc:"the one that it has"`
	TeamID httpapi.Nullable[string] `json:"teamId,omitzero" doc:"the one that it has"`
	Value  string                   `json:"value" minLength:"1" maxLength:"4096" doc:"1 byte to 4 KiB of UTF-8; it is never read back"`
}

// fixed says what of r would change who finds the secret.
func (r Replacement) fixed(v secret.Secret) (wrong []problem.Field) {
	if r.Name != nil && *r.Name != v.Name {
		wrong = append(wrong, problem.Field{Location: "body.name", Message: "targets name it by this, so it cannot change; make another secret"})
	}
	if r.TeamID.Sent && !same(r.TeamID.Value, v.TeamID) {
		wrong = append(wrong, problem.Field{Location: "body.teamId", Message: "it cannot go to another team"})
	}
	return wrong
}

func same(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// Replace keeps another value under the name, if match accepts the version.
func (s *Service) Replace(ctx context.Context, secretID string, r Replacement, match func(version int64) error) (View, error) {
	return again(func() (View, error) {
		old, p, err := s.open(ctx, secretID)
		if err != nil {
			return View{}, err
		}
		if err := match(old.Version); err != nil {
			return View{}, err
		}
		if err := invalid(append(r.fixed(old), checkValue(r.Value)...)...); err != nil {
			return View{}, err
		}
		now := s.Now()
		is, err := s.Key.Encrypt(ctx, old, r.Value)
		if err != nil {
			return View{}, err
		}
		is.UpdatedByID, is.UpdatedAt = p.ID, timestamp.Of(now)
		err = s.commit(ctx, old, "updated", now, s.Store.Replace(old, is))
		is.Version++
		return view(is), err
	})
}

// Delete removes a secret. What names it is not searched: an execution that
// needs it fails and says its name.
func (s *Service) Delete(ctx context.Context, secretID string) error {
	_, err := again(func() (View, error) {
		v, _, err := s.open(ctx, secretID)
		if err != nil {
			return View{}, err
		}
		return View{}, s.commit(ctx, v, "deleted", s.Now(), s.Store.Delete(v)...)
	})
	return err
}

// Secret reads what is known of one, which is not its value.
func (s *Service) Secret(ctx context.Context, secretID string) (View, error) {
	v, _, err := s.open(ctx, secretID)
	if err != nil {
		return View{}, err
	}
	return view(v), nil
}

// Secrets lists those that the caller manages, or those of one team, newest first.
func (s *Service) Secrets(ctx context.Context, teamID string, page httpapi.Page) ([]View, string, error) {
	p, err := principal.Authenticated(ctx)
	if err != nil {
		return nil, "", err
	}
	var from []string
	switch {
	case teamID != "":
		if _, err := principal.RequirePerson(ctx, teamID, principal.TeamAdmin); err != nil {
			return nil, "", err
		}
		from = []string{teamID}
	case p.Kind != principal.User:
		return nil, "", problem.Denied("Only a person may do this, not an API key.")
	case !p.PlatformAdmin:
		for team, role := range p.Teams {
			if role.AtLeast(principal.TeamAdmin) {
				from = append(from, team)
			}
		}
		if slices.Sort(from); len(from) == 0 {
			return nil, "", problem.Denied("This needs the role %s in a team.", principal.TeamAdmin)
		}
	}
	list, next, err := s.Store.List(ctx, from, page.Limit, page.Before)
	if err != nil {
		return nil, "", err
	}
	views := make([]View, len(list))
	for i, v := range list {
		views[i] = view(v)
	}
	return views, next, nil
}

// open reads a secret for a person who may manage it.
func (s *Service) open(ctx context.Context, secretID string) (secret.Secret, principal.Principal, error) {
	if _, err := principal.Authenticated(ctx); err != nil {
		return secret.Secret{}, principal.Principal{}, err
	}
	if !id.Valid(id.Secret, secretID) {
		return secret.Secret{}, principal.Principal{}, problem.Missing()
	}
	v, found, err := s.Store.Secret(ctx, secretID)
	if err != nil || !found {
		return secret.Secret{}, principal.Principal{}, missing(err)
	}
	p, err := principal.RequirePerson(ctx, v.Team(), principal.TeamAdmin)
	return v, p, err
}

// commit writes ops with the record of them, which says the name and no value.
func (s *Service) commit(ctx context.Context, v secret.Secret, what string, now time.Time, ops ...dynamo.Op) error {
	return dynamo.Commit(ctx, s.Store.Table.DB, append(ops, s.Audit.Record(ctx, now, audit.Entry{
		Type: "secret." + what, Subject: audit.Ref{Kind: "secret", ID: v.ID}, TeamID: v.Team(), Detail: map[string]any{"name": v.Name},
	}))...)
}

// attempts is how often a decision is made again on what somebody else wrote meanwhile.
const attempts = 5

// again repeats a read, a decision and its conditional write until no race is lost.
func again(do func() (View, error)) (View, error) {
	var err error
	for range attempts {
		var v View
		if v, err = do(); err == nil {
			return v, nil
		}
		if _, lost := dynamo.Failed(err); !lost {
			return View{}, err
		}
	}
	return View{}, problem.Lost(err)
}

func missing(err error) error {
	if err != nil {
		return err
	}
	return problem.Missing()
}
