package identity

import (
	"context"
	"net/http"
	"time"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/token"
)

// InvitationLife is how long an invitation is good for.
const InvitationLife = 7 * 24 * time.Hour

// invitationRemembered is how long after its end an invitation is still told
// apart from one that never was.
const invitationRemembered = 30 * 24 * time.Hour

// Codes of an invitation that leads nowhere.
const (
	InvitationExpired problem.Code = "invitation_expired"
	InvitationInvalid problem.Code = "invitation_invalid" // there is none, or who was invited lost the access
)

// Invitation leads the person whom it was mailed to back to their address: its
// page mails a sign-in link there. It signs nobody in, and may be used again.
type Invitation struct {
	Hash      string         `dynamodbav:"-"`
	Email     string         `dynamodbav:"email"`
	Seat      seat.Seat      `dynamodbav:"seat"`
	ExpiresAt timestamp.Time `dynamodbav:"expiresAt"`
}

// InvitationRequest asks the sign-in mail function to invite a person. The
// partner room sends it through the mail queue.
type InvitationRequest struct {
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

// Invite makes an invitation, good from when it was asked for, and reports
// whether the person still may have one. Of what is issued, URL is a secret.
func (l *Links) Invite(ctx context.Context, r InvitationRequest) (Issued, bool, error) {
	now := l.Now()
	at := seat.Seat{PageID: r.PageID, AccessID: r.AccessID, PartnerID: r.PartnerID, PersonID: r.PersonID}
	place, held, err := l.partners().Place(ctx, r.Email, at, now)
	if err != nil || !held {
		return Issued{}, false, err
	}
	origin, err := l.Origin.Get(ctx)
	if err != nil {
		return Issued{}, false, err
	}
	secret := token.New(token.Invite)
	i := Invitation{Hash: token.Hash(secret), Email: r.Email, Seat: at, ExpiresAt: timestamp.Of(r.At.Add(InvitationLife))}
	if err := dynamo.Commit(ctx, l.Store.Ephemeral.DB, l.Store.createInvitation(i)); err != nil {
		return Issued{}, false, err
	}
	return Issued{Email: r.Email, URL: origin.URL("/signin?invite=" + secret), ExpiresAt: i.ExpiresAt, Kind: Partner, Page: place.PageName}, true, nil
}

// invitation reads an invitation that is good now, and the place that it leads to.
func (s *SignIn) invitation(ctx context.Context, secret string) (Invitation, seat.Place, error) {
	invalid := problem.New(http.StatusNotFound, InvitationInvalid, "This invitation leads nowhere, or not any more. Ask the people who sent it.")
	if kind, ok := token.KindOf(secret); !ok || kind != token.Invite {
		return Invitation{}, seat.Place{}, invalid
	}
	i, found, err := s.Store.invitation(ctx, token.Hash(secret))
	if err != nil {
		return Invitation{}, seat.Place{}, err
	}
	if !found {
		return Invitation{}, seat.Place{}, invalid
	}
	now := s.Now()
	if !now.Before(i.ExpiresAt.Time) {
		return Invitation{}, seat.Place{}, problem.New(http.StatusGone, InvitationExpired,
			"This invitation was good for 7 days. Sign in with your mail address, or ask the people who sent it for a new one.")
	}
	place, held, err := s.Partners.Place(ctx, i.Email, i.Seat, now)
	if err == nil && !held {
		err = invalid
	}
	return i, place, err
}

// AskInvited asks for a link to be mailed to the address that was invited, as
// AskLink does. Codes beside its own: invitation_expired, invitation_invalid.
func (s *SignIn) AskInvited(ctx context.Context, secret, browser string) (ratelimit.Result, error) {
	i, place, err := s.invitation(ctx, secret)
	if err != nil {
		return ratelimit.Result{}, err
	}
	return s.ask(ctx, i.Email, "/status/"+place.Slug, browser)
}
