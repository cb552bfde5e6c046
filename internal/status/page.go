package status

import (
	"pagefree/internal/platform/timestamp"
)

// Page is a status page as its team keeps it: its words, its look, its rules.
type Page struct {
	ID          string         `json:"id" dynamodbav:"id"`
	Name        string         `json:"name" dynamodbav:"name"`
	Slug        string         `json:"slug" dynamodbav:"slug"`
	TeamID      string         `json:"teamId" dynamodbav:"teamId"`
	Description string         `json:"description" dynamodbav:"description"`
	TimeZone    string         `json:"timeZone" dynamodbav:"timeZone" doc:"IANA name, such as Europe/Berlin"`
	AccentColor *string        `json:"accentColor" dynamodbav:"accentColor" doc:"#rrggbb"`
	SessionDays float64        `json:"sessionDays" dynamodbav:"sessionDays" doc:"how long a partner's sign-in is good for"`
	SharedToken bool           `json:"sharedToken" dynamodbav:"sharedToken" doc:"whether the page has a token for whoever has its address"`
	Logo        *string        `json:"logo" dynamodbav:"logo" doc:"path of the picture"`
	CreatedByID string         `json:"createdById" dynamodbav:"createdById"`
	CreatedAt   timestamp.Time `json:"createdAt" dynamodbav:"createdAt"`
	UpdatedAt   timestamp.Time `json:"updatedAt" dynamodbav:"updatedAt"`

	SharedHash string `json:"-" dynamodbav:"sharedHash,omitempty"` // of the shared token, "" without
	Rev        int64  `json:"-" dynamodbav:"rev"`                  // of these words; Published counts every change
}
