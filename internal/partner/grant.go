package partner

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/mailaddr"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/text"
	"pagefree/internal/platform/timestamp"
)

// Limits of what is granted.
const (
	MaxPeople     = 100 // who may sign in through one access
	maxName       = 120 // characters
	maxComponents = 200 // that an access names
	maxPages      = 200 // live accesses of one account
)

// Grant is what a team gives to a partner.
type Grant struct {
	PartnerName  string                     `json:"partnerName" minLength:"1" maxLength:"120" doc:"at most once among the live accesses of a page, in any case"`
	ContactEmail string                     `json:"contactEmail" minLength:"3" maxLength:"320" doc:"of the first person who may sign in; the account is found by it"`
	IPAllowlist  []string                   `json:"ipAllowlist,omitempty" maxItems:"100" doc:"IPv4 and IPv6 addresses and CIDRs; empty is from anywhere"`
	ExpiresAt    *timestamp.Time            `json:"expiresAt,omitempty" nullable:"true" doc:"in the future; null is never"`
	ComponentIDs httpapi.Nullable[[]string] `json:"componentIds,omitzero" maxItems:"200" doc:"null is all, an empty list nothing"`
}

// AccessPatch changes what was granted. Another contactEmail moves the access
// to the account of that address: its first person changes, and whoever is
// signed in has to do so anew.
type AccessPatch struct {
	httpapi.Patch
	PartnerName  *string                          `json:"partnerName,omitempty" minLength:"1" maxLength:"120"`
	ContactEmail *string                          `json:"contactEmail,omitempty" minLength:"3" maxLength:"320"`
	IPAllowlist  *[]string                        `json:"ipAllowlist,omitempty" maxItems:"100"`
	ExpiresAt    httpapi.Nullable[timestamp.Time] `json:"expiresAt,omitzero"`
	ComponentIDs httpapi.Nullable[[]string]       `json:"componentIds,omitzero" maxItems:"200"`
	Mail         *bool                            `json:"mail,omitempty" doc:"whether incidents and maintenances are mailed to its persons"`
}

// access is what a grant asks for, cleaned; its ids, its account and its token
// are not in it. page are the components that there are.
func (g Grant) access(page map[string]bool, now time.Time) (Access, error) {
	a := Access{ExpiresAt: g.ExpiresAt}
	var err error
	if a.PartnerName, err = cleanName("body.partnerName", g.PartnerName); err != nil {
		return Access{}, err
	}
	if a.ContactEmail, err = cleanEmail("body.contactEmail", g.ContactEmail); err != nil {
		return Access{}, err
	}
	if a.IPAllowlist, err = cleanAllowlist(g.IPAllowlist); err != nil {
		return Access{}, err
	}
	if err := checkExpiry(a.ExpiresAt, now); err != nil {
		return Access{}, err
	}
	a.ComponentIDs, err = cleanComponents(g.ComponentIDs.Value, page, nil)
	return a, err
}

// patched is the access after a patch, and what of it changed. What is revoked
// stays as it was.
func (a Access) patched(p AccessPatch, page map[string]bool, now time.Time) (next Access, changed []string, err error) {
	if a.RevokedAt != nil {
		return Access{}, nil, problem.Transition("change", "revoked")
	}
	next = a
	set := map[string]bool{}
	if p.PartnerName != nil {
		if next.PartnerName, err = cleanName("body.partnerName", *p.PartnerName); err != nil {
			return Access{}, nil, err
		}
		set["partnerName"] = next.PartnerName != a.PartnerName
	}
	if p.ContactEmail != nil {
		if next.ContactEmail, err = cleanEmail("body.contactEmail", *p.ContactEmail); err != nil {
			return Access{}, nil, err
		}
		set["contactEmail"] = next.ContactEmail != a.ContactEmail
	}
	if p.IPAllowlist != nil {
		if next.IPAllowlist, err = cleanAllowlist(*p.IPAllowlist); err != nil {
			return Access{}, nil, err
		}
		set["ipAllowlist"] = !slices.Equal(next.IPAllowlist, a.IPAllowlist)
	}
	if p.ExpiresAt.Sent {
		next.ExpiresAt = p.ExpiresAt.Value
		set["expiresAt"] = (next.ExpiresAt == nil) != (a.ExpiresAt == nil) || next.ExpiresAt != nil && !next.ExpiresAt.Equal(a.ExpiresAt.Time)
		if err := checkExpiry(next.ExpiresAt, now); err != nil && set["expiresAt"] { // what was written and is over by now is no mistake
			return Access{}, nil, err
		}
	}
	if p.ComponentIDs.Sent {
		if next.ComponentIDs, err = cleanComponents(p.ComponentIDs.Value, page, a.ComponentIDs); err != nil {
			return Access{}, nil, err
		}
		set["componentIds"] = (next.ComponentIDs == nil) != (a.ComponentIDs == nil) || !slices.Equal(next.ComponentIDs, a.ComponentIDs)
	}
	if p.Mail != nil {
		next.Mail = *p.Mail
		set["mail"] = next.Mail != a.Mail
	}
	maps.DeleteFunc(set, func(_ string, differs bool) bool { return !differs })
	return next, slices.Sorted(maps.Keys(set)), nil
}

// cleanName trims a name and reports what is wrong with it at location.
func cleanName(location, raw string) (string, error) {
	name := strings.TrimSpace(raw)
	if name == "" {
		return "", problem.InvalidField(location, "is empty")
	}
	return name, checkName(location, name)
}

func checkName(location, name string) error {
	switch {
	case len([]rune(name)) > maxName:
		return problem.InvalidField(location, "is longer than %d characters", maxName)
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }) || text.Reorders(name):
		return problem.InvalidField(location, "has characters that cannot be read")
	}
	return nil
}

func cleanEmail(location, raw string) (string, error) {
	email, err := mailaddr.Normalize(raw)
	if err != nil {
		return "", problem.InvalidField(location, "%v", err)
	}
	return email, nil
}

func checkExpiry(at *timestamp.Time, now time.Time) error {
	if at != nil && !at.After(now) {
		return problem.InvalidField("body.expiresAt", "is not in the future")
	}
	return nil
}

// cleanComponents are the components that an access names, each once: nil for
// all. Only those of the page may be named, and those that were before: the
// page may have removed one since.
func cleanComponents(ids *[]string, page map[string]bool, before []string) ([]string, error) {
	if ids == nil {
		return nil, nil
	}
	list := []string{}
	var wrong []problem.Field
	for i, one := range *ids {
		switch {
		case !page[one] && !slices.Contains(before, one):
			wrong = append(wrong, unknownComponent("body.componentIds", i))
		case !slices.Contains(list, one):
			list = append(list, one)
		}
	}
	if len(wrong) > 0 {
		return nil, problem.Invalid(wrong...)
	}
	return list, nil
}
