// Package loopback keeps pages of the web off the ports of this machine. A page may lead its own name to 127.0.0.1 (DNS
// rebinding): for the browser it then talks to its own site, and reads every answer. What gives such a page away is the
// name, which the browser sends along.
package loopback

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Guard refuses requests to a name that somebody on the internet could own: 421. Addresses, names without a dot, and the
// reserved localhost and internal (containers find their host by it) pass.
func Guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ours(r.Host) {
			http.Error(w, "this port of this machine does not answer to the name "+r.Host, http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func ours(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(host, "."), "["), "]")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	return !strings.Contains(host, ".") || last == "localhost" || last == "internal"
}
