package safehttp

import (
	"net/netip"
	"regexp"
	"strings"
)

// exception is the local stack's echo target: an address and a path below which
// plain http is let through. The zero value lets nothing through.
type exception struct {
	prefix string
	to     netip.AddrPort
}

var (
	echoPrefix = regexp.MustCompile(`^http://(127\.0\.0\.1:[1-9][0-9]{0,4})/([a-zA-Z0-9_-]+/)?_local/echo/$`)
	// below is what may follow: no dot, no escape, so that no path climbs out.
	below = regexp.MustCompile(`^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*(\?[!-"$-~]*)?$`)
)

func parseException(text string) exception {
	m := echoPrefix.FindStringSubmatch(text)
	if m == nil {
		return exception{}
	}
	to, err := netip.ParseAddrPort(m[1])
	if err != nil {
		return exception{}
	}
	return exception{prefix: text, to: to}
}

func (e exception) admits(raw string) bool {
	rest, ok := strings.CutPrefix(raw, e.prefix)
	return e.prefix != "" && ok && below.MatchString(rest)
}
