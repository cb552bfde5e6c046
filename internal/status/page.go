package status

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"pagefree/internal/platform/httpapi"
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
	Logo        *string        `json:"logo" dynamodbav:"logo" doc:"hash of the picture, which is part of its address"`
	CreatedByID string         `json:"createdById" dynamodbav:"createdById"`
	CreatedAt   timestamp.Time `json:"createdAt" dynamodbav:"createdAt"`
	UpdatedAt   timestamp.Time `json:"updatedAt" dynamodbav:"updatedAt"`

	SharedHash string `json:"-" dynamodbav:"sharedHash,omitempty"` // of the shared token, "" without
	Rev        int64  `json:"-" dynamodbav:"rev"`                  // of these words; Published counts every change
}

// NewPage is what a caller says of a page.
type NewPage struct {
	Name        string   `json:"name" minLength:"1" maxLength:"120"`
	Slug        string   `json:"slug" minLength:"3" maxLength:"63" pattern:"^[a-z0-9](-?[a-z0-9])*$" doc:"part of the page's address"`
	TeamID      string   `json:"teamId" maxLength:"64"`
	Description string   `json:"description,omitempty" doc:"at most 2,000 characters"`
	TimeZone    string   `json:"timeZone,omitempty" doc:"IANA name; UTC when left out"`
	AccentColor *string  `json:"accentColor,omitempty" nullable:"true" doc:"#rrggbb"`
	SessionDays *float64 `json:"sessionDays,omitempty" nullable:"true" doc:"1/24 to 30; 7 when left out"`
	SharedToken bool     `json:"sharedToken,omitempty" doc:"let the page have a token for everybody, which POST .../shared-token makes"`
}

// PagePatch changes what a caller said of a page. What is left out stays.
type PagePatch struct {
	httpapi.Patch
	Name        *string                  `json:"name,omitempty" minLength:"1" maxLength:"120"`
	Slug        *string                  `json:"slug,omitempty" minLength:"3" maxLength:"63" pattern:"^[a-z0-9](-?[a-z0-9])*$" doc:"the page moves to another address at once"`
	Description *string                  `json:"description,omitempty" doc:"at most 2,000 characters"`
	TimeZone    *string                  `json:"timeZone,omitempty" doc:"IANA name"`
	AccentColor httpapi.Nullable[string] `json:"accentColor,omitzero" doc:"#rrggbb, or null"`
	SessionDays *float64                 `json:"sessionDays,omitempty" doc:"1/24 to 30"`
	SharedToken *bool                    `json:"sharedToken,omitempty" doc:"false ends the token that there is"`
}

// defaultSessionDays is how long a sign-in is good for where nobody says.
const defaultSessionDays = 7

// Slugs that mean, or may come to mean, something else in an address.
var reserved = []string{
	"api", "admin", "assets", "console", "feed", "login", "logout", "signin", "static", "status", "v1", "v2", "www", "healthz",
}

var (
	slugForm  = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])*$`)
	colorForm = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
	zoneForm  = regexp.MustCompile(`^[A-Z][A-Za-z0-9+_-]*(/[A-Za-z0-9+_-]+)*$`)
)

// create makes the page that n tells of.
func (n NewPage) create(pageID, by string, now time.Time) (Page, error) {
	at := timestamp.Of(now)
	p := Page{
		ID: pageID, Name: n.Name, Slug: n.Slug, TeamID: n.TeamID, Description: n.Description, TimeZone: n.TimeZone, AccentColor: n.AccentColor,
		SessionDays: defaultSessionDays, SharedToken: n.SharedToken, CreatedByID: by, CreatedAt: at, UpdatedAt: at, Rev: 1,
	}
	if n.SessionDays != nil {
		p.SessionDays = *n.SessionDays
	}
	if p.TimeZone == "" {
		p.TimeZone = "UTC"
	}
	return p.checked()
}

// checked is the page with its words as they are kept, or what is wrong with them.
func (p Page) checked() (Page, error) {
	var wrong wrongs
	p.Name = wrong.name("body.name", p.Name, MaxName, "1 to 120 characters")
	p.Description = wrong.short("body.description", p.Description, MaxDescription, "2,000 characters")
	switch {
	case len(p.Slug) < 3 || len(p.Slug) > 63 || !slugForm.MatchString(p.Slug):
		wrong.add("body.slug", "3 to 63 of a-z and 0-9, with single dashes between them")
	case slices.Contains(reserved, p.Slug):
		wrong.add("body.slug", "this word is reserved")
	}
	if !zone(p.TimeZone) {
		wrong.add("body.timeZone", "not the name of an IANA time zone, such as Europe/Berlin")
	}
	if p.AccentColor != nil {
		if lowered := strings.ToLower(*p.AccentColor); colorForm.MatchString(lowered) {
			p.AccentColor = &lowered
		} else {
			wrong.add("body.accentColor", "a colour is written #rrggbb")
		}
	}
	if hours := p.SessionDays * 24; !(hours >= 0.999) || p.SessionDays > 30 { // one hour is no round number of days
		wrong.add("body.sessionDays", "1/24 (an hour) to 30 days")
	}
	return p, wrong.err()
}

// zone reports whether a name is that of a time zone. "Local" is one to Go:
// that of the machine.
func zone(name string) bool {
	if name == "Local" || len(name) > 64 || !zoneForm.MatchString(name) {
		return false
	}
	_, err := time.LoadLocation(name)
	return err == nil
}

// patch applies p. changed tells whether anything is another than before,
// seen whether readers may see that.
func (p Page) patch(by PagePatch, now time.Time) (next Page, changed, seen bool, err error) {
	next = p
	set(&next.Name, by.Name)
	set(&next.Slug, by.Slug)
	set(&next.Description, by.Description)
	set(&next.TimeZone, by.TimeZone)
	set(&next.SessionDays, by.SessionDays)
	set(&next.SharedToken, by.SharedToken)
	if by.AccentColor.Sent {
		next.AccentColor = by.AccentColor.Value
	}
	if !next.SharedToken {
		next.SharedHash = ""
	}
	if next, err = next.checked(); err != nil {
		return Page{}, false, false, err
	}
	seen = next.Name != p.Name || next.Slug != p.Slug || next.Description != p.Description || next.TimeZone != p.TimeZone || !same(next.AccentColor, p.AccentColor)
	changed = seen || next.SessionDays != p.SessionDays || next.SharedToken != p.SharedToken
	if changed {
		next.UpdatedAt, next.Rev = timestamp.Of(now), p.Rev+1
	}
	return next, changed, seen, nil
}

// on is the snapshot with the words of the page; said tells whether readers may see a change.
func (p Page) on(s Snapshot, said bool) Snapshot {
	s.PageID, s.TeamID, s.Slug, s.Name, s.Description, s.TimeZone, s.SessionDays = p.ID, p.TeamID, p.Slug, p.Name, p.Description, p.TimeZone, p.SessionDays
	s.Accent, s.Logo = "", ""
	set(&s.Accent, p.AccentColor)
	set(&s.Logo, p.Logo)
	if said {
		s.SaidAt = p.UpdatedAt
	}
	return s
}

// set takes over a value that was given.
func set[T any](to *T, given *T) {
	if given != nil {
		*to = *given
	}
}

// same compares what may be null.
func same[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }
