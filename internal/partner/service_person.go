package partner

import (
	"context"
	"net/http"
	"strings"
	"time"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/platform/timestamp"
)

// NewPerson is somebody who may sign in for a partner.
type NewPerson struct {
	Email string `json:"email" minLength:"3" maxLength:"320"`
	Name  string `json:"name,omitempty" maxLength:"120"`
}

// People lists those of an access, newest first, the revoked ones too.
func (s *Service) People(ctx context.Context, pageID, accessID string, page httpapi.Page) ([]PartnerPerson, string, error) {
	at, err := s.may(ctx, pageID, accessID, principal.TeamAdmin)
	if err != nil {
		return nil, "", err
	}
	people, next, err := s.Store.people(ctx, accessID, page)
	if err != nil {
		return nil, "", err
	}
	stopped, err := s.Store.stopped(ctx, people)
	if err != nil {
		return nil, "", err
	}
	list := make([]PartnerPerson, len(people))
	for i, p := range people {
		list[i] = p.shown(at.access)
		if stop, is := stopped[p.Email]; is {
			list[i].MailStopped = &stop
		}
	}
	return list, next, nil
}

// AddPerson lets one more person sign in.
func (s *Service) AddPerson(ctx context.Context, pageID, accessID string, n NewPerson) (PartnerPerson, error) {
	for range rounds {
		at, err := s.may(ctx, pageID, accessID, principal.TeamAdmin)
		if err != nil {
			return PartnerPerson{}, err
		}
		now := s.Now()
		p := Person{ID: id.New(id.PartnerPerson, now), AccessID: accessID, Name: strings.TrimSpace(n.Name), CreatedAt: timestamp.Of(now)}
		if p.Email, err = cleanEmail("body.email", n.Email); err != nil {
			return PartnerPerson{}, err
		}
		if err := checkName("body.name", p.Name); err != nil {
			return PartnerPerson{}, err
		}
		if at.access.RevokedAt != nil {
			return PartnerPerson{}, problem.Transition("add a person to", "revoked")
		}
		if _, taken, err := s.Store.personAt(ctx, accessID, p.Email); err != nil {
			return PartnerPerson{}, err
		} else if taken {
			return PartnerPerson{}, problem.New(http.StatusConflict, EmailTaken, "This address may sign in here already.")
		}
		if at.access.People >= MaxPeople {
			return PartnerPerson{}, tooManyPeople()
		}
		is := at.access
		if p.Email == is.ContactEmail { // who was revoked comes back
			is.ContactID = p.ID
		}
		ops := append(s.Store.seatPerson(is, p), s.Store.count(at.access, 1, is.ContactID))
		err = s.commit(ctx, is, "partner.person_added", map[string]any{"personId": p.ID}, ops...)
		if again(err) {
			continue
		}
		return p.shown(is), err
	}
	return PartnerPerson{}, dynamo.ErrContended
}

// RemovePerson ends the sessions of one person at this page, and their right
// to sign in. Who is removed already stays so.
func (s *Service) RemovePerson(ctx context.Context, pageID, accessID, personID string) error {
	for range rounds {
		at, p, err := s.personOf(ctx, pageID, accessID, personID)
		if err != nil || p.RevokedAt != nil {
			return err
		}
		ops := append(s.Store.unseat(p, timestamp.Of(s.Now())), s.Store.count(at.access, -1, at.access.ContactID))
		err = s.commit(ctx, at.access, "partner.person_revoked", map[string]any{"personId": p.ID}, ops...)
		if !again(err) {
			return err
		}
	}
	return dynamo.ErrContended
}

// personOf reads a person of an access, for who may manage them.
func (s *Service) personOf(ctx context.Context, pageID, accessID, personID string) (place, Person, error) {
	at, err := s.may(ctx, pageID, accessID, principal.TeamAdmin)
	if err != nil {
		return place{}, Person{}, err
	}
	if !id.Valid(id.PartnerPerson, personID) {
		return place{}, Person{}, problem.Missing()
	}
	p, found, err := s.Store.person(ctx, accessID, personID)
	if err == nil && !found {
		err = problem.Missing()
	}
	return at, p, err
}

// Invitation asks for a mail that invites a person, as it travels to who mails.
type Invitation struct {
	Kind      string         `json:"kind"` // "invitation": other mails are asked for in the same queue
	PageID    string         `json:"pageId"`
	PageName  string         `json:"pageName"`
	AccessID  string         `json:"accessId"`
	PartnerID string         `json:"partnerId"`
	PersonID  string         `json:"personId"`
	Email     string         `json:"email"`
	At        timestamp.Time `json:"at"`
	IP        string         `json:"ip"`
	RequestID string         `json:"requestId"`
}

// Invited is the Kind of an Invitation.
const Invited = "invitation"

// invitations bounds the mails that one access causes.
var invitations = ratelimit.Limit{Burst: 10, Period: time.Hour}

// Invite mails a person, the first one when personID is "", where the page is
// and how to sign in. Repeated, it mails again.
func (s *Service) Invite(ctx context.Context, pageID, accessID, personID string) (PartnerPerson, error) {
	at, err := s.may(ctx, pageID, accessID, principal.TeamAdmin)
	if err != nil {
		return PartnerPerson{}, err
	}
	if personID == "" {
		personID = at.access.ContactID
	}
	_, p, err := s.personOf(ctx, pageID, accessID, personID)
	if err != nil {
		return PartnerPerson{}, err
	}
	account, _, err := s.Store.account(ctx, at.access.PartnerID)
	if err != nil {
		return PartnerPerson{}, err
	}
	now := s.Now()
	if err := at.access.usable("invite to", account, now); err != nil {
		return PartnerPerson{}, err
	}
	if p.RevokedAt != nil {
		return PartnerPerson{}, problem.New(http.StatusConflict, problem.InvalidTransition, "This person may not sign in any more.")
	}
	if admitted, err := s.Limits.Take(ctx, "invitations#"+accessID, invitations); err != nil {
		return PartnerPerson{}, err
	} else if !admitted.Allowed {
		return PartnerPerson{}, admitted.Refusal()
	}
	p.InvitedAt = timestamp.Ptr(now)
	err = s.commit(ctx, at.access, "partner.invited", map[string]any{"personId": p.ID}, s.Store.invite(p, *p.InvitedAt), s.Store.held(at.access))
	if _, lost := dynamo.Failed(err); lost { // revoked at this moment
		return PartnerPerson{}, problem.Lost(err)
	}
	if err != nil {
		return PartnerPerson{}, err
	}
	from := principal.OriginOf(ctx)
	err = s.Mail.Send(ctx, Invitation{
		Kind: Invited, PageID: at.page.ID, PageName: at.page.Name, AccessID: at.access.ID, PartnerID: at.access.PartnerID, PersonID: p.ID,
		Email: p.Email, At: *p.InvitedAt, IP: from.IP, RequestID: from.RequestID,
	})
	if err != nil {
		e := problem.New(http.StatusServiceUnavailable, problem.Unavailable, "The mail could not be handed on. Try again.")
		e.Cause = err
		return PartnerPerson{}, e
	}
	return p.shown(at.access), nil
}
