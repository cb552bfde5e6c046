package identity

import "pagefree/internal/platform/mailaddr"

// Normalize is the form that users' addresses are kept in: see mailaddr.
func Normalize(raw string) (string, error) { return mailaddr.Normalize(raw) }
