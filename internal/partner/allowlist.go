package partner

import (
	"fmt"
	"net/netip"
	"slices"

	"pagefree/internal/platform/problem"
)

// maxAllowlist is how many entries a list of addresses holds.
const maxAllowlist = 100

// cleanAllowlist brings each entry to its canonical form, once. What cannot be
// used is a 422 that names every such entry.
func cleanAllowlist(raw []string) ([]string, error) {
	if len(raw) > maxAllowlist {
		return nil, problem.InvalidField("body.ipAllowlist", "at most %d entries", maxAllowlist)
	}
	list := []string{}
	var wrong []problem.Field
	for i, entry := range raw {
		is, why := canonical(entry)
		switch {
		case why != "":
			wrong = append(wrong, problem.Field{Location: fmt.Sprintf("body.ipAllowlist[%d]", i), Message: why})
		case !slices.Contains(list, is):
			list = append(list, is)
		}
	}
	if len(wrong) > 0 {
		return nil, problem.Invalid(wrong...)
	}
	return list, nil
}

const everything = "takes in every address; leave the list empty instead"

// canonical is the one form of an address or a CIDR: IPv4 that is mapped into
// IPv6 as IPv4, and a network without bits of a host. why says what is wrong.
func canonical(entry string) (is, why string) {
	if addr, err := netip.ParseAddr(entry); err == nil {
		if addr.Zone() != "" {
			return "", "has a zone, which says nothing outside of one machine"
		}
		return addr.Unmap().String(), ""
	}
	prefix, err := netip.ParsePrefix(entry)
	if err != nil {
		return "", "is neither an IP address nor a network in CIDR notation"
	}
	if addr := prefix.Addr(); addr.Is4In6() {
		if prefix.Bits() <= 96 { // shorter than the part that says "mapped": all of IPv4 is in it
			return "", everything
		}
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
	}
	if prefix.Bits() == 0 {
		return "", everything
	}
	return prefix.Masked().String(), ""
}
