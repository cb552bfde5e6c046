package safehttp

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"pagefree/internal/platform/problem"
)

// shut are addresses that nobody on the internet answers at, as DNS may give them.
var shut = map[string]string{
	"loopback":                       "127.0.0.1",
	"all of loopback":                "127.255.255.254",
	"this network":                   "0.0.0.0",
	"all of this network":            "0.1.2.3",
	"private, ten":                   "10.0.0.1",
	"private, the end of ten":        "10.255.255.255",
	"private, 172.16":                "172.16.0.1",
	"private, the end of 172.16":     "172.31.255.255",
	"private, 192.168":               "192.168.1.1",
	"carrier-grade NAT":              "100.64.0.1",
	"Alibaba's metadata":             "100.100.100.200",
	"the end of carrier-grade NAT":   "100.127.255.255",
	"link-local":                     "169.254.1.1",
	"metadata":                       "169.254.169.254",
	"credentials of containers":      "169.254.170.2",
	"Azure's metadata":               "168.63.129.16",
	"Oracle's metadata":              "192.0.0.192",
	"documentation":                  "203.0.113.7",
	"benchmarks":                     "198.18.0.1",
	"6to4's relay":                   "192.88.99.1",
	"multicast":                      "224.0.0.1",
	"the end of multicast":           "239.255.255.255",
	"reserved":                       "240.0.0.1",
	"broadcast":                      "255.255.255.255",
	"IPv6 loopback":                  "::1",
	"IPv6 unspecified":               "::",
	"v4-mapped loopback":             "::ffff:127.0.0.1",
	"v4-mapped metadata":             "::ffff:a9fe:a9fe",
	"v4-mapped private":              "::ffff:10.0.0.1",
	"v4-compatible loopback":         "::127.0.0.1",
	"v4-compatible metadata":         "::a9fe:a9fe",
	"v4-translated":                  "::ffff:0:127.0.0.1",
	"NAT64 loopback":                 "64:ff9b::7f00:1",
	"NAT64 metadata":                 "64:ff9b::169.254.169.254",
	"NAT64 of a public address":      "64:ff9b::8.8.8.8",
	"local NAT64":                    "64:ff9b:1::7f00:1",
	"the end of local NAT64":         "64:ff9b:1:ffff:ffff:ffff:a00:1",
	"6to4 loopback":                  "2002:7f00:1::",
	"6to4 private":                   "2002:a00:1::1",
	"6to4 metadata":                  "2002:a9fe:a9fe::",
	"Teredo":                         "2001:0:4136:e378:8000:63bf:3fff:fdd2",
	"ISATAP loopback":                "2600:1f18::5efe:127.0.0.1",
	"ISATAP private, global bit":     "2600:1f18::200:5efe:10.0.0.1",
	"unique local":                   "fc00::1",
	"unique local, assigned by hand": "fd12:3456:789a::1",
	"IPv6 metadata":                  "fd00:ec2::254",
	"IPv6 DNS of a VPC":              "fd00:ec2::253",
	"Google's IPv6 metadata":         "fd20:ce::254",
	"IPv6 link-local":                "fe80::1",
	"IPv6 site-local":                "fec0::1",
	"IPv6 multicast":                 "ff02::1",
	"IPv6 documentation":             "2001:db8::1",
	"IPv6 documentation, new":        "3fff::1",
	"IPv6 discard":                   "100::1",
	"ORCHID":                         "2001:20::1",
	"segment routing":                "5f00::1",
}

var open = map[string]string{
	"a public address":           "8.8.8.8",
	"beside private":             "172.32.0.1",
	"beside carrier-grade NAT":   "100.128.0.1",
	"beside Azure's":             "168.63.129.17",
	"a public IPv6 address":      "2600:1f18:4a::1",
	"another":                    "2a00:1450:4001::200e",
	"v4-mapped, public":          "::ffff:8.8.8.8",
	"no ISATAP, only looks like": "2600:1f18::5eff:127.0.0.1",
}

func TestInside(t *testing.T) {
	for want, addresses := range map[bool]map[string]string{true: shut, false: open} {
		for name, text := range addresses {
			t.Run(name, func(t *testing.T) {
				if got := inside(netip.MustParseAddr(text)); got != want {
					t.Errorf("%s is inside: %v, want %v", text, got, want)
				}
			})
		}
	}
	if !inside(netip.MustParseAddr("2600:1f18::1%eth0")) {
		t.Error("an address with a zone is let through")
	}
}

// local is where the stack's own echo target is said to be.
const local = "http://127.0.0.1:8080/_local/echo/"

// refused are URLs that are seen at writing to lead inside, or nowhere.
var refused = map[string]string{
	"no URL":                       "https://[::1",
	"nothing":                      "",
	"no scheme":                    "example.com/hook",
	"plain http":                   "http://example.com/hook",
	"another scheme":               "gopher://example.com/",
	"a file":                       "file:///etc/passwd",
	"no host":                      "https:///hook",
	"opaque":                       "https:example.com",
	"a port alone":                 "https://:443/",
	"port 0":                       "https://example.com:0/",
	"a port too large":             "https://example.com:65536/",
	"an empty port":                "https://example.com:/",
	"a user":                       "https://user@example.com/",
	"a user and a password":        "https://user:pw@example.com/",
	"a host behind a user":         "https://example.com@127.0.0.1/",
	"a backslash":                  `https://example.com\@127.0.0.1/`,
	"too long":                     "https://example.com/" + strings.Repeat("a", 2048),
	"localhost":                    "https://localhost/",
	"localhost in capitals":        "https://LOCALHOST/",
	"localhost with a dot":         "https://localhost./",
	"below localhost":              "https://a.localhost/",
	"localdomain":                  "https://localhost.localdomain/",
	"Google's metadata":            "https://metadata.google.internal/computeMetadata/v1/",
	"Amazon's own name":            "https://instance-data.ec2.internal/",
	"a name of mDNS":               "https://printer.local/",
	"a service of Kubernetes":      "https://kubernetes.default.svc/",
	"one label":                    "https://metadata/",
	"an empty label":               "https://a..com/",
	"decimal":                      "https://2130706433/",
	"decimal, public":              "https://134744072/",
	"hex":                          "https://0x7f000001/",
	"hex in capitals":              "https://0X7F000001/",
	"octal":                        "https://0177.0.0.1/",
	"long octal":                   "https://017700000001/",
	"hex bytes":                    "https://0x7f.0x0.0x0.0x1/",
	"mixed":                        "https://0x7f.0.0.01/",
	"two parts":                    "https://127.1/",
	"three parts":                  "https://127.0.1/",
	"zero":                         "https://0/",
	"leading zeros":                "https://127.000.000.001/",
	"leading zeros, public":        "https://008.8.8.8/",
	"five parts":                   "https://127.0.0.0.1/",
	"too large":                    "https://256.0.0.1/",
	"a name that ends in a number": "https://example.1/",
	"a trailing dot":               "https://127.0.0.1./",
	"a port":                       "https://127.0.0.1:8443/",
	"full width digits":            "https://１２７.０.０.１/",
	"digits in circles":            "https://①②⑦.⓪.⓪.①/",
	"a full stop of another kind":  "https://127。0。0。1/",
	"letters of another kind":      "https://ⓛocalhost/",
	"an escape in the host":        "https://%31%32%37.0.0.1/",
	"an escaped letter":            "https://loc%61lhost/",
	"a zone":                       "https://[fe80::1%25eth0]/",
	"IPv4 in brackets":             "https://[127.0.0.1]/",
	"IPv6 without brackets":        "https://::1/",
	"IPv6 in full":                 "https://[0000:0000:0000:0000:0000:0000:0000:0001]/",
	"a space":                      "https://exam ple.com/",
	"a tab":                        "https://exam\tple.com/",
	"a line break":                 "https://example.com/\r\nx: y",
	"the stack over https":         "https://127.0.0.1:8080/_local/echo/200",
	"the stack's other paths":      "http://127.0.0.1:8080/_local/mail",
	"the stack's API":              "http://127.0.0.1:8080/v1/executions",
	"the prefix alone":             local,
	"climbing out":                 local + "../mail",
	"climbing out, escaped":        local + "%2e%2e/mail",
	"an escaped slash":             local + "200%2f..%2f..%2fmail",
	"a fragment":                   local + "200#x",
	"two slashes":                  local + "/200",
	"another port":                 "http://127.0.0.1:8081/_local/echo/200",
	"a port that begins like it":   "http://127.0.0.1:80801/_local/echo/200",
	"the stack's other name":       "http://localhost:8080/_local/echo/200",
	"the stack's IPv6":             "http://[::1]:8080/_local/echo/200",
	"a user before the stack":      "http://x@127.0.0.1:8080/_local/echo/200",
	"the stack in other spelling":  "http://127.1:8080/_local/echo/200",
	"the stack's path, in capital": "http://127.0.0.1:8080/_LOCAL/echo/200",
}

var allowed = map[string]string{
	"a name":                    "https://example.com/hook?x=1",
	"a name with a port":        "https://awx.example.com:8443/api/v2/job_templates/7/launch/",
	"a name with a dot":         "https://example.com./",
	"a name that begins so":     "https://127.example.com/",
	"a name with a hex label":   "https://0xbeef.example/",
	"an international name":     "https://xn--bcher-kva.example/",
	"an underscore":             "https://my_host.example.com/",
	"a reserved name":           "https://nothing.invalid/",
	"localhost in a name":       "https://localhost.example.com/",
	"a public address":          "https://8.8.8.8/",
	"a public IPv6 address":     "https://[2600:1f18:4a::1]:443/",
	"capitals":                  "HTTPS://EXAMPLE.COM/",
	"the stack's echo target":   local + "200",
	"it, with a query":          local + "503?delayMs=10",
	"it, deeper (unknown, 404)": local + "200/x",
}

func TestCheck(t *testing.T) {
	c := New(Options{Local: local})
	for name, text := range shut {
		refused["literal: "+name] = "https://" + bracketed(text) + "/"
	}
	for name, text := range open {
		allowed["literal: "+name] = "https://" + bracketed(text) + "/"
	}
	for name, url := range refused {
		t.Run(name, func(t *testing.T) {
			err := c.Check(url)
			p, ok := err.(*problem.Error)
			if !ok || p.Code != AddressForbidden || p.Status != http.StatusUnprocessableEntity {
				t.Errorf("%s: got %v, want %s", url, err, AddressForbidden)
			}
			if _, err := c.Do(t.Context(), Request{URL: url}); !isForbidden(err) {
				t.Errorf("%s is called: %v", url, err)
			}
		})
	}
	for name, url := range allowed {
		t.Run(name, func(t *testing.T) {
			if err := c.Check(url); err != nil {
				t.Errorf("%s: %v", url, err)
			}
		})
	}
}

// TestCheckInTheCloud: without the local stack's word there is no exception.
func TestCheckInTheCloud(t *testing.T) {
	for name, o := range map[string]string{
		"none": "", "no address": "x", "another path": "http://127.0.0.1:8080/", "another host": "http://10.0.0.1:8080/_local/echo/",
		"a name": "http://localhost:8080/_local/echo/", "https": "https://127.0.0.1:8080/_local/echo/", "no port": "http://127.0.0.1/_local/echo/",
		"a port too large": "http://127.0.0.1:99999/_local/echo/", "two lines": "http://127.0.0.1:8080/_local/echo/\nx", "deep": "http://127.0.0.1:8080/a/b/_local/echo/",
	} {
		t.Run(name, func(t *testing.T) {
			c := New(Options{Local: o})
			if c.local != (exception{}) {
				t.Errorf("%q is taken for the stack's address", o)
			}
			for _, url := range []string{local + "200", o + "200", "http://10.0.0.1:8080/_local/echo/200"} {
				if err := c.Check(url); err == nil {
					t.Errorf("%s is let through", url)
				}
			}
		})
	}
}

func bracketed(text string) string {
	if strings.Contains(text, ":") {
		return "[" + text + "]"
	}
	return text
}

func FuzzCheck(f *testing.F) {
	for _, url := range refused {
		f.Add(url)
	}
	for _, url := range allowed {
		f.Add(url)
	}
	c := New(Options{Local: local})
	f.Fuzz(func(t *testing.T, url string) {
		u, isLocal, no := c.look(url)
		if no != nil {
			if no.Reason == "" || u != nil {
				t.Errorf("%q: refused with %q and %v", url, no.Reason, u)
			}
			return
		}
		if isLocal != (u.Scheme == "http") || isLocal && !strings.HasPrefix(url, local) {
			t.Errorf("%q: %s, local %v", url, u.Scheme, isLocal)
		}
		if a, err := netip.ParseAddr(u.Hostname()); err == nil && !isLocal && inside(a) {
			t.Errorf("%q leads to %v", url, a)
		}
	})
}
