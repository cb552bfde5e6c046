package safehttp

import (
	"net/netip"

	"code.dny.dev/ssrf"
)

// addr is short for what the guard looks at.
type addr = netip.Addr

// guardian knows IANA's registries of special addresses, and that of IPv6 only
// 2000::/3 is the internet: with that go loopback, link-local, unique local,
// multicast, v4-compatible, NAT64 (64:ff9b::/96, 64:ff9b:1::/48) and the
// metadata service's fd00:ec2::254; 6to4 and Teredo it names.
var guardian = ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV4Prefixes(
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's own services inside every machine there, metadata among them
))

// inside tells addresses that nobody on the internet answers at.
func inside(a addr) bool {
	if a.Zone() != "" {
		return true
	}
	a = a.Unmap() // a v4-mapped one reaches the IPv4 address
	if a.Is6() && isatap(a) {
		return true
	}
	return guardian.SafeAddr(a) != nil
}

// isatap tells addresses that tunnel to an IPv4 address in their last four
// bytes, behind any prefix (RFC 5214).
func isatap(a addr) bool {
	b := a.As16()
	return b[8]&^0x03 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

// Forbidden is an address that is not called. Nothing was sent.
type Forbidden struct {
	Reason string // for people; it names no address that DNS gave
}

func (f *Forbidden) Error() string { return "address_forbidden: " + f.Reason }

// admit looks at an address that a socket is about to connect to. It is the
// last word: everything before it is for an early answer.
func (c *Client) admit(network, address string, local bool) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return &Forbidden{Reason: "it is not an address of TCP"}
	}
	if local && to == c.local.to {
		return nil
	}
	if local || c.forbids(to.Addr()) {
		return &Forbidden{Reason: "the name leads to an address that is not on the public internet"}
	}
	return nil
}
