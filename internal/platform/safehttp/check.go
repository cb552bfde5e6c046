package safehttp

import (
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"pagefree/internal/platform/problem"
)

// AddressForbidden is the code of a URL that is never called.
const AddressForbidden problem.Code = "address_forbidden"

// Check tells, without DNS, whether a URL may be called: a 422
// address_forbidden where it certainly may not.
func (c *Client) Check(rawURL string) error {
	if _, _, refused := c.look(rawURL); refused != nil {
		return problem.New(http.StatusUnprocessableEntity, AddressForbidden, "This address cannot be called: %s.", refused.Reason)
	}
	return nil
}

const maxURL = 2048

var (
	hostName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)
	// What ends in a number is an IPv4 address to somebody: 127.1, 0177.0.0.1, 2130706433, 0x7f.1.
	number = regexp.MustCompile(`(^|\.)(0x[0-9a-f]*|[0-9]+)$`)
)

// insideNames are last labels of names that lead inside a machine or a cloud.
var insideNames = []string{"localhost", "localdomain", "local", "internal", "svc"}

// look takes a URL apart. local says that it is the local stack's.
func (c *Client) look(raw string) (u *url.URL, local bool, refused *Forbidden) {
	no := func(reason string) (*url.URL, bool, *Forbidden) { return nil, false, &Forbidden{Reason: reason} }
	if len(raw) > maxURL {
		return no("it is longer than 2,048 bytes")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return no("it is not a URL")
	}
	if c.local.admits(raw) {
		return u, true, nil
	}
	switch {
	case u.Scheme != "https":
		return no("it has to begin with https://")
	case u.Opaque != "" || u.Hostname() == "":
		return no("it names no host")
	case u.User != nil:
		return no("it holds a user or password; send them as a header, from a secret")
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return no("its port is not a number from 1 to 65535")
		}
	}
	if reason := c.host(u.Host, u.Hostname()); reason != "" {
		return no(reason)
	}
	return u, false, nil
}

// host says what is wrong with a host, given as it stands and without port and brackets.
func (c *Client) host(written, host string) string {
	const closed = "it is not on the public internet"
	if strings.HasPrefix(written, "[") {
		if a, err := netip.ParseAddr(host); err != nil || !a.Is6() || c.forbids(a) {
			return closed
		}
		return ""
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if len(host) > 253 || !hostName.MatchString(host) {
		return "its host is not a name in ASCII; an international one is written as xn--"
	}
	if number.MatchString(host) {
		// Other spellings than four plain numbers are read differently by different people, even where they mean a public address.
		if a, err := netip.ParseAddr(host); err != nil || c.forbids(a) {
			return closed
		}
		return ""
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	for _, name := range insideNames {
		if last == name {
			return closed
		}
	}
	if last == host { // one label alone is looked up in the machine's own domain
		return closed
	}
	return ""
}
