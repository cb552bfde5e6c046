package settings

import (
	"net/netip"
	"net/url"
)

// LocalEchoVariable is the variable by which the local stack tells its own
// processes of its echo target. template.yaml never has it, a test holds that.
const LocalEchoVariable = "PAGEFREE_LOCAL_ECHO"

// LocalEcho is the address below which safehttp lets plain http through on
// loopback: the local stack's echo target, "" elsewhere. It is believed only
// where AWS itself is on loopback, as nowhere in the cloud.
func LocalEcho(getenv func(string) string) string {
	endpoint, err := url.Parse(getenv("AWS_ENDPOINT_URL"))
	if err != nil || endpoint.Scheme != "http" {
		return ""
	}
	if at, err := netip.ParseAddr(endpoint.Hostname()); err != nil || !at.IsLoopback() {
		return ""
	}
	return getenv(LocalEchoVariable)
}
