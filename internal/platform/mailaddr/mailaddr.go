// Package mailaddr is the one form of a mail address in PageFree.
package mailaddr

import (
	"errors"
	"strings"
)

// Limits of an address, in bytes: RFC 5321, 4.5.3.1.
const (
	maxAddress = 254
	maxLocal   = 64
	maxLabel   = 63
)

// errAddress is shown to people.
var errAddress = errors.New("is not a mail address")

// Normalize returns a mail address in the one form that PageFree keeps,
// compares and sends to: without spaces around it, in lower case.
//
// Only ASCII is taken. SES sends to no other local part, and takes domains in
// their xn-- form only (Amazon SES API, "Destination"); so no two addresses
// that look alike, or fold to the same letters, can be two accounts, and there
// is nothing left for Unicode normalization to do.
func Normalize(raw string) (string, error) {
	s := strings.Trim(raw, " \t\r\n")
	local, domain, ok := strings.Cut(s, "@")
	if !ok || len(s) > maxAddress || len(local) > maxLocal || !dotAtom(local) || !hostname(domain) {
		return "", errAddress
	}
	return strings.ToLower(s), nil
}

// dotAtom reports whether s is an RFC 5322 dot-atom: the quoted form of a
// local part is refused, nobody's mail needs it.
func dotAtom(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for i := range len(atom) {
			if c := atom[i]; !alphanumeric(c) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", rune(c)) {
				return false
			}
		}
	}
	return true
}

// hostname reports whether s is a domain name of two labels or more.
func hostname(s string) bool {
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; !alphanumeric(c) && c != '-' {
				return false
			}
		}
	}
	return len(labels) > 1 && strings.Trim(labels[len(labels)-1], "0123456789") != "" // no IPv4 address
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
