// Package token makes and tells apart PageFree's bearer secrets. A secret is
// 256 random bits behind a prefix that names its kind; it is shown once and
// stored only as its SHA-256.
package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// Kind is the prefix of a secret, and with it the one use that it has.
type Kind string

// The kinds of the HTTP contract. Links and invitations travel in a mail only;
// Shared opens a page for whoever has its address, and Browser tells the
// browser that asked for a link from any other.
const (
	Session  Kind = "pfs_"
	APIKey   Kind = "pfk_"
	Partner  Kind = "pfp_"
	Feed     Kind = "pff_"
	Callback Kind = "pfc_"
	Link     Kind = "pfl_"
	Shared   Kind = "pft_"
	Invite   Kind = "pfi_"
	Browser  Kind = "pfb_"
	Ticket   Kind = "pfw_" // opens one socket, once
)

const bodyLength = 43 // 32 bytes in unpadded base64url

// PrefixLength is how many leading characters of a secret are kept for people
// to recognise it by: the kind and 32 of its bits.
const PrefixLength = 10

// New returns a fresh secret of the kind.
func New(k Kind) string {
	var b [32]byte
	rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	return string(k) + base64.RawURLEncoding.EncodeToString(b[:])
}

// Hash returns the hex SHA-256 that a secret is stored and found by.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// KindOf returns the kind of a well-formed secret, and false for anything else.
func KindOf(secret string) (Kind, bool) {
	for _, k := range []Kind{Session, APIKey, Partner, Feed, Callback, Link, Shared, Invite, Browser, Ticket} {
		body, ok := strings.CutPrefix(secret, string(k))
		if !ok {
			continue
		}
		raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
		return k, err == nil && len(raw) == 32 && len(body) == bodyLength
	}
	return "", false
}
