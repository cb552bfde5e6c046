// Package linkmail sends sign-in links and invitations by SES. It stands apart
// from identity so that only the function that mails links the SES client.
package linkmail

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sesv2"

	"pagefree/internal/identity"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/timestamp"
)

// Sender answers requests for links, and those for invitations, by mail.
type Sender struct {
	Links         *identity.Links
	SES           *sesv2.Client
	From          string
	Configuration string // of SES; "" for none
	Now           func() time.Time
}

// kindInvitation is the kind of a message that asks for an invitation; a
// request for a link has none.
const kindInvitation = "invitation"

// Handle sends what a message of the mail queue asks for: a link or an
// invitation. For an address that nobody has, for who lost the access, and for
// a request that waited for longer than what it asks for lives, it does
// nothing. A message that comes twice sends two mails: each stands alone, and
// no mail at all would be worse.
func (s *Sender) Handle(ctx context.Context, raw json.RawMessage) error {
	var m struct {
		Kind      string         `json:"kind"`
		At        timestamp.Time `json:"at"`
		IP        string         `json:"ip"`
		RequestID string         `json:"requestId"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	ctx = principal.WithOrigin(ctx, principal.Origin{IP: m.IP, RequestID: m.RequestID})
	life, write := identity.LinkLife, s.link
	switch m.Kind {
	case "":
	case kindInvitation:
		life, write = identity.InvitationLife, s.invitation
	default:
		return fmt.Errorf("unknown kind of mail %q", m.Kind)
	}
	if s.Now().Sub(m.At.Time) > life {
		slog.WarnContext(ctx, "mail not sent: the request is too old", "kind", m.Kind, "requestId", m.RequestID)
		return nil
	}
	l, ok, err := write(ctx, raw)
	if err != nil || !ok {
		return err
	}
	in, err := s.compose(l)
	if err != nil {
		return err
	}
	if _, err := s.SES.SendEmail(ctx, in); err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	return nil
}

func (s *Sender) link(ctx context.Context, raw json.RawMessage) (letter, bool, error) {
	var m identity.MailRequest
	if err := json.Unmarshal(raw, &m); err != nil {
		return letter{}, false, err
	}
	issued, ok, err := s.Links.Issue(ctx, identity.LinkRequest{Email: m.Email, Next: m.Next, Browser: m.Browser, Via: "mail"})
	return linkLetter(issued), ok, err
}

func (s *Sender) invitation(ctx context.Context, raw json.RawMessage) (letter, bool, error) {
	var m identity.InvitationRequest
	if err := json.Unmarshal(raw, &m); err != nil {
		return letter{}, false, err
	}
	issued, ok, err := s.Links.Invite(ctx, m)
	return invitationLetter(issued), ok, err
}
