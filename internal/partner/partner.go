// Package partner is who else may look at a team's status pages: accounts of
// partners, the persons of each, and what each page shows them. A Door lets
// them in: it is the one place that decides whether a request may see a page,
// whatever it came with, and it puts each look on record before the answer.
package partner

import (
	"time"

	"pagefree/internal/platform/timestamp"
)

// Account is a partner: one for an address and team, whatever pages it sees.
type Account struct {
	ID        string         `dynamodbav:"id"`
	TeamID    string         `dynamodbav:"teamId"`
	Name      string         `dynamodbav:"name"`
	Email     string         `dynamodbav:"email"`
	Active    bool           `dynamodbav:"active"`
	Epoch     int64          `dynamodbav:"epoch"` // counts deactivations: sessions of an earlier one have ended
	CreatedAt timestamp.Time `dynamodbav:"createdAt"`
	Rev       int64          `dynamodbav:"rev"`

	Pages map[string]string `dynamodbav:"pages"` // ids of its live accesses, to those of their pages
}

// Access is what a partner may see of one page, the contract's PartnerAccess.
// Once revoked it stays as a record.
type Access struct {
	ID           string          `dynamodbav:"id"`
	StatusPageID string          `dynamodbav:"statusPageId"`
	TeamID       string          `dynamodbav:"teamId"`
	PartnerID    string          `dynamodbav:"partnerId"`
	PartnerName  string          `dynamodbav:"partnerName"`
	ContactEmail string          `dynamodbav:"contactEmail"`
	ContactID    string          `dynamodbav:"contactId"` // the person with that address
	People       int             `dynamodbav:"people"`    // how many may sign in: at most MaxPeople
	TokenHash    string          `dynamodbav:"tokenHash"`
	TokenPrefix  string          `dynamodbav:"tokenPrefix"`
	FeedHash     string          `dynamodbav:"feedHash,omitempty"` // "" without a feed
	IPAllowlist  []string        `dynamodbav:"ipAllowlist"`        // addresses and CIDRs in their canonical form; empty is anywhere
	ComponentIDs []string        `dynamodbav:"componentIds"`       // nil is all, empty is nothing
	Mail         bool            `dynamodbav:"mail"`               // incidents and maintenances are mailed to its persons
	ExpiresAt    *timestamp.Time `dynamodbav:"expiresAt,omitempty"`
	MovedAt      *timestamp.Time `dynamodbav:"movedAt,omitempty"` // when it went to another account: sessions from before have ended
	LastAccessAt *timestamp.Time `dynamodbav:"lastAccessAt,omitempty"`
	AccessCount  int64           `dynamodbav:"accessCount"` // of what was served; written by the counter alone, outside of Rev
	CreatedByID  string          `dynamodbav:"createdById"`
	CreatedAt    timestamp.Time  `dynamodbav:"createdAt"`
	RevokedAt    *timestamp.Time `dynamodbav:"revokedAt,omitempty"`
	RevokedByID  string          `dynamodbav:"revokedById,omitempty"`
	Rev          int64           `dynamodbav:"rev"`
}

// Person may sign in for a partner, at one page.
type Person struct {
	ID         string          `dynamodbav:"id"`
	AccessID   string          `dynamodbav:"accessId"`
	Email      string          `dynamodbav:"email"`
	Name       string          `dynamodbav:"name"`
	CreatedAt  timestamp.Time  `dynamodbav:"createdAt"`
	InvitedAt  *timestamp.Time `dynamodbav:"invitedAt,omitempty"`
	AcceptedAt *timestamp.Time `dynamodbav:"acceptedAt,omitempty"` // of the first sign-in
	RevokedAt  *timestamp.Time `dynamodbav:"revokedAt,omitempty"`
}

// expired reports whether an access has ended by its time.
func (a Access) expired(now time.Time) bool {
	return a.ExpiresAt != nil && !now.Before(a.ExpiresAt.Time)
}

// moved reports whether an access went to another account since a session began.
func (a Access) moved(began *timestamp.Time) bool {
	return a.MovedAt != nil && (began == nil || began.Before(a.MovedAt.Time))
}
