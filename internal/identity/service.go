package identity

import (
	"context"
	"net/http"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/devices"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

// Service manages people, teams and API keys.
type Service struct {
	Store      Store
	Automation dynamo.Table // keeps the directory of team names
	Audit      audit.Log
	Now        func() time.Time
}

// EmailTaken is the code for an address that another user has.
const EmailTaken problem.Code = "email_taken"

func emailTaken() error {
	return problem.New(http.StatusConflict, EmailTaken, "Another user has this address, active or not.")
}

// rereads is how often a change is decided again after somebody else wrote
// first. What they wrote may change the decision, so it is made anew each time.
const rereads = 5

// again runs do until it is done or was refused; a lost race is read anew.
func again(do func() error) error {
	var err error
	for range rereads {
		if err = do(); err == nil {
			return nil
		}
		if _, lost := dynamo.Failed(err); !lost {
			return err
		}
	}
	return problem.Lost(err)
}

// failedAt reports whether err is the condition of write i.
func failedAt(err error, i int) bool {
	lost, ok := dynamo.Failed(err)
	return ok && lost.Index == i
}

// Users lists all users, newest first, to platform admins.
func (s *Service) Users(ctx context.Context, page httpapi.Page) ([]User, string, error) {
	if _, err := principal.RequireAdmin(ctx); err != nil {
		return nil, "", err
	}
	return s.Store.listUsers(ctx, page)
}

// User reads a user, for platform admins.
func (s *Service) User(ctx context.Context, userID string) (User, error) {
	if _, err := principal.RequireAdmin(ctx); err != nil {
		return User{}, err
	}
	return s.existing(ctx, userID)
}

// existing reads a user that must exist.
func (s *Service) existing(ctx context.Context, userID string) (User, error) {
	if !id.Valid(id.User, userID) {
		return User{}, problem.Missing()
	}
	u, found, err := s.Store.user(ctx, userID)
	if err == nil && !found {
		err = problem.Missing()
	}
	return u, err
}

// CreateUser makes a user, who is in no team yet; 409 email_taken.
func (s *Service) CreateUser(ctx context.Context, email, name string, admin, active bool) (User, error) {
	who, err := principal.RequireAdmin(ctx)
	if err != nil {
		return User{}, err
	}
	if email, err = cleanEmail(email); err != nil {
		return User{}, err
	}
	if name, err = cleanName("body.name", name); err != nil {
		return User{}, err
	}
	now := s.Now()
	u := newUser(id.New(id.User, now), email, name, admin, active, now)
	ops := append(s.Store.createUser(u), s.Store.checkUser(who.ID, isAdmin()),
		s.Audit.Record(ctx, now, audit.Entry{Type: "user.created", Subject: subject("user", u.ID),
			Detail: map[string]any{"platformAdmin": admin, "active": active}}))
	err = s.Store.commit(ctx, ops...)
	switch {
	case failedAt(err, 0):
		return User{}, emailTaken()
	case failedAt(err, 2):
		return User{}, rightEnded()
	}
	return u, err
}

// ChangeUser changes a user. Deactivating ends every session of theirs and
// every key that they made, for good. Codes: email_taken, last_team_admin,
// precondition_failed, and invalid_transition for what a platform admin may
// not do to themself.
func (s *Service) ChangeUser(ctx context.Context, userID, ifMatch string, c UserChange) (User, error) {
	who, err := principal.RequireAdmin(ctx)
	if err != nil {
		return User{}, err
	}
	if c.Email != nil {
		email, err := cleanEmail(*c.Email)
		if err != nil {
			return User{}, err
		}
		c.Email = &email
	}
	if c.Name != nil {
		name, err := cleanName("body.name", *c.Name)
		if err != nil {
			return User{}, err
		}
		c.Name = &name
	}
	var next User
	err = again(func() error {
		u, err := s.existing(ctx, userID)
		if err != nil {
			return err
		}
		if err := httpapi.Match(ifMatch, u.Rev); err != nil {
			return err
		}
		now := s.Now()
		var changed []string
		if next, changed, err = u.change(c, who.ID, now); err != nil || len(changed) == 0 {
			return err
		}
		return s.writeUser(ctx, now, who, u, next, changed)
	})
	return next, err
}

// maxAdminOf is in how many teams an admin can be so that one transaction, of
// a hundred writes at most, still deactivates them.
const maxAdminOf = 90

func (s *Service) writeUser(ctx context.Context, now time.Time, who principal.Principal, u, next User, changed []string) error {
	var ops []dynamo.Op
	rule := dynamo.Present()
	if who.ID == u.ID {
		rule = isAdmin()
	} else {
		ops = append(ops, s.Store.checkUser(who.ID, isAdmin()))
	}
	asked := len(ops)
	ops = append(ops, s.Store.changeUser(u, next, rule))
	claimed := -1
	if next.Email != u.Email {
		claimed = len(ops)
		ops = append(ops, s.Store.claimEmail(next.Email, u.ID), s.Store.freeEmail(u.Email, u.ID), s.Store.retireEmail(u.Email, u.ID))
	}
	counted := len(ops)
	kind, teams := "user.updated", []string(nil)
	if next.Active != u.Active {
		kind = map[bool]string{true: "user.reactivated", false: "user.deactivated"}[next.Active]
		teams = u.adminOf()
		if len(teams) > maxAdminOf {
			return problem.New(http.StatusConflict, problem.InvalidTransition,
				"This person is the admin of more than %d teams. Take them out of some first.", maxAdminOf)
		}
		for _, teamID := range teams {
			delta := adminDelta(true, principal.TeamAdmin, principal.None)
			if next.Active {
				delta = -delta
			}
			ops = append(ops, s.Store.countAdmins(teamID, delta))
		}
		if !next.Active {
			ops = append(ops, devices.End(s.Store.Identity, u.ID))
		}
	}
	ops = append(ops, s.Audit.Record(ctx, now, audit.Entry{Type: kind, Subject: subject("user", u.ID),
		Detail: map[string]any{"changed": changed, "platformAdmin": next.PlatformAdmin}}))
	err := s.Store.commit(ctx, ops...)
	lost, _ := dynamo.Failed(err)
	switch {
	case lost == nil:
		return err
	case lost.Index < asked:
		return rightEnded()
	case lost.Index == claimed:
		return emailTaken()
	case lost.Index >= counted && lost.Index < counted+len(teams):
		return lastAdmin(teams[lost.Index-counted])
	}
	return err
}

// Me is the session's own user, with the names of their teams.
func (s *Service) Me(ctx context.Context) (Me, error) {
	who, err := person(ctx)
	if err != nil {
		return Me{}, err
	}
	u, err := s.existing(ctx, who.ID)
	if err != nil {
		return Me{}, err
	}
	return s.describe(ctx, u)
}

// person is the principal when it is a person with a session; 403 for a key.
func person(ctx context.Context) (principal.Principal, error) {
	who, err := principal.Authenticated(ctx)
	if err == nil && who.Kind != principal.User {
		err = problem.Denied("This is for a person's session, not for an API key.")
	}
	return who, err
}

func cleanEmail(raw string) (string, error) {
	email, err := Normalize(raw)
	if err != nil {
		return "", problem.InvalidField("body.email", "%v", err)
	}
	return email, nil
}

// rightEnded is the answer to who lost their right between the decision and the write.
func rightEnded() error { return problem.Denied("Your right to this has just ended.") }

func subject(kind, id string) audit.Ref { return audit.Ref{Kind: kind, ID: id} }
