package partner

import (
	"fmt"
	"time"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/mailstop"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
)

// PartnerAccess is an access as staff see it: never with its token.
type PartnerAccess struct {
	ID           string          `json:"id"`
	StatusPageID string          `json:"statusPageId"`
	PartnerID    string          `json:"partnerId" doc:"the account, which may have accesses to other pages"`
	PartnerName  string          `json:"partnerName"`
	ContactEmail string          `json:"contactEmail"`
	TokenPrefix  string          `json:"tokenPrefix" doc:"the first characters of the token, to recognise it by"`
	IsActive     bool            `json:"isActive" doc:"false once it was revoked, and while the account is deactivated"`
	IPAllowlist  []string        `json:"ipAllowlist" nullable:"false" doc:"empty is from anywhere"`
	ComponentIDs []string        `json:"componentIds" nullable:"true" doc:"null is all, an empty list nothing"`
	ExpiresAt    *timestamp.Time `json:"expiresAt"`
	LastAccessAt *timestamp.Time `json:"lastAccessAt"`
	AccessCount  int64           `json:"accessCount" doc:"how often the page was served, refusals left out"`
	Mail         bool            `json:"mail" doc:"whether incidents and maintenances are mailed to its persons"`
	HasFeed      bool            `json:"hasFeed" doc:"whether it has a token for a feed"`
	InvitedAt    *timestamp.Time `json:"invitedAt" doc:"when the first person was invited last"`
	AcceptedAt   *timestamp.Time `json:"acceptedAt" doc:"when the first person signed in first"`
	CreatedByID  string          `json:"createdById"`
	CreatedAt    timestamp.Time  `json:"createdAt"`
	RevokedAt    *timestamp.Time `json:"revokedAt"`
	RevokedByID  *string         `json:"revokedById"`

	rev int64
}

// Revision is its ETag: it changes with everything but its counters.
func (a PartnerAccess) Revision() string { return httpapi.Revision(a.rev) }

// GrantedAccess is an access in the one answer that holds its token.
type GrantedAccess struct {
	PartnerAccess
	Token string `json:"token" doc:"the secret; it is not shown again"`
}

// Revocation is what the end of an access did.
type Revocation struct {
	RevokedAt     timestamp.Time `json:"revokedAt"`
	SessionsEnded int            `json:"sessionsEnded" doc:"how many sessions lost the page by it"`
}

// shown is an access as staff see it; contact is its first person.
func (a Access) shown(account Account, contact Person) PartnerAccess {
	v := PartnerAccess{
		ID: a.ID, StatusPageID: a.StatusPageID, PartnerID: a.PartnerID, PartnerName: a.PartnerName, ContactEmail: a.ContactEmail,
		TokenPrefix: a.TokenPrefix, IsActive: a.RevokedAt == nil && account.Active, IPAllowlist: a.IPAllowlist, ComponentIDs: a.ComponentIDs,
		ExpiresAt: a.ExpiresAt, LastAccessAt: a.LastAccessAt, AccessCount: a.AccessCount, Mail: a.Mail, HasFeed: a.FeedHash != "",
		InvitedAt: contact.InvitedAt, AcceptedAt: contact.AcceptedAt, CreatedByID: a.CreatedByID, CreatedAt: a.CreatedAt, RevokedAt: a.RevokedAt,
		rev: a.Rev,
	}
	if v.IPAllowlist == nil {
		v.IPAllowlist = []string{}
	}
	if a.RevokedByID != "" {
		v.RevokedByID = &a.RevokedByID
	}
	return v
}

// PartnerPerson is a person as staff see them.
type PartnerPerson struct {
	ID         string          `json:"id"`
	Email      string          `json:"email"`
	Name       string          `json:"name"`
	Contact    bool            `json:"contact" doc:"whether they are the access's contactEmail"`
	CreatedAt  timestamp.Time  `json:"createdAt"`
	InvitedAt  *timestamp.Time `json:"invitedAt"`
	AcceptedAt *timestamp.Time `json:"acceptedAt" doc:"when they signed in first"`
	RevokedAt  *timestamp.Time `json:"revokedAt"`

	MailStopped *mailstop.Stop `json:"mailStopped,omitempty" doc:"in lists: since when no news is mailed to them, and why; sign-in links are"`
}

func (p Person) shown(of Access) PartnerPerson {
	return PartnerPerson{
		ID: p.ID, Email: p.Email, Name: p.Name, Contact: p.ID == of.ContactID,
		CreatedAt: p.CreatedAt, InvitedAt: p.InvitedAt, AcceptedAt: p.AcceptedAt, RevokedAt: p.RevokedAt,
	}
}

func unknownComponent(list string, i int) problem.Field {
	return problem.Field{Location: fmt.Sprintf("%s[%d]", list, i), Message: "is no component of this page"}
}

// usable is an error where an access cannot be used any more, to be told to
// who wants to do something with it.
func (a Access) usable(action string, account Account, now time.Time) error {
	switch {
	case a.RevokedAt != nil:
		return problem.Transition(action, "revoked")
	case !account.Active:
		return deactivated()
	case a.expired(now):
		return problem.Transition(action, "expired")
	}
	return nil
}
