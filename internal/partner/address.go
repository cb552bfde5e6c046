package partner

import (
	"net/netip"
)

// admits reports whether an access may be used from an address: from anywhere
// without a list, else from what stands in it. The IPv4 form of an address that
// is mapped into IPv6 counts, on both sides; an address that cannot be read
// is on no list.
func (a Access) admits(ip string) bool {
	if len(a.IPAllowlist) == 0 {
		return true
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	for _, entry := range a.IPAllowlist {
		if prefix, err := netip.ParsePrefix(entry); err == nil && prefix.Contains(addr) {
			return true
		}
		if one, err := netip.ParseAddr(entry); err == nil && one == addr {
			return true
		}
	}
	return false
}
