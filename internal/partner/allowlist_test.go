package partner

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pagefree/internal/platform/problem"
)

func TestCanonical(t *testing.T) {
	tests := map[string]struct {
		entry, want string
		why         string // part of what is said
	}{
		"an IPv4 address":               {entry: "10.0.0.1", want: "10.0.0.1"},
		"an IPv6 address":               {entry: "2001:DB8:0::1", want: "2001:db8::1"},
		"IPv4 that is mapped":           {entry: "::ffff:10.0.0.1", want: "10.0.0.1"},
		"the same in hex":               {entry: "::ffff:a00:1", want: "10.0.0.1"},
		"a network":                     {entry: "10.0.0.0/8", want: "10.0.0.0/8"},
		"bits of a host":                {entry: "10.1.2.3/8", want: "10.0.0.0/8"},
		"bits of a host in IPv6":        {entry: "2001:db8::1/32", want: "2001:db8::/32"},
		"a mapped network":              {entry: "::ffff:10.0.0.0/104", want: "10.0.0.0/8"},
		"a mapped network of one":       {entry: "::ffff:10.0.0.1/128", want: "10.0.0.1/32"},
		"half of everything":            {entry: "128.0.0.0/1", want: "128.0.0.0/1"},
		"everything":                    {entry: "0.0.0.0/0", why: "every address"},
		"everything of a host":          {entry: "10.0.0.1/0", why: "every address"},
		"everything in IPv6":            {entry: "::/0", why: "every address"},
		"everything that is mapped":     {entry: "::ffff:0:0/96", why: "every address"},
		"more than all that is mapped":  {entry: "::ffff:10.0.0.1/80", why: "every address"},
		"a zone":                        {entry: "fe80::1%eth0", why: "zone"},
		"a zone in a network":           {entry: "fe80::%eth0/64", why: "zone"},
		"a zone on what is mapped":      {entry: "::ffff:10.0.0.1%eth0", why: "zone"},
		"nothing":                       {entry: "", why: "neither"},
		"a space":                       {entry: " 10.0.0.1", why: "neither"},
		"a zero in front":               {entry: "010.0.0.1", why: "neither"},
		"three parts":                   {entry: "10.0.0", why: "neither"},
		"too many bits":                 {entry: "10.0.0.0/33", why: "neither"},
		"bits with a sign":              {entry: "10.0.0.0/+8", why: "neither"},
		"a mask":                        {entry: "10.0.0.0/255.0.0.0", why: "neither"},
		"a name":                        {entry: "acme.test", why: "neither"},
		"a port":                        {entry: "10.0.0.1:80", why: "neither"},
		"a star":                        {entry: "10.*", why: "neither"},
		"HTML":                          {entry: "<b>10.0.0.1</b>", why: "neither"},
		"a range":                       {entry: "10.0.0.1-10.0.0.9", why: "neither"},
		"brackets":                      {entry: "[2001:db8::1]", why: "neither"},
		"all in all, but not quite":     {entry: "::/1", want: "::/1"},
		"the loopback network of IPv6":  {entry: "::1/128", want: "::1/128"},
		"a network of one stays as one": {entry: "10.0.0.1/32", want: "10.0.0.1/32"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, why := canonical(tt.entry)
			if got != tt.want || (why == "") != (tt.why == "") || !strings.Contains(why, tt.why) {
				t.Errorf("got %q, %q, want %q, %q", got, why, tt.want, tt.why)
			}
		})
	}
}

func TestCleanAllowlist(t *testing.T) {
	got, err := cleanAllowlist([]string{"10.0.0.1", "::ffff:10.0.0.1", "10.0.0.0/8", "10.9.9.9/8"})
	if err != nil || fmt.Sprint(got) != "[10.0.0.1 10.0.0.0/8]" {
		t.Errorf("got %v, %v, want each once", got, err)
	}
	if got, err := cleanAllowlist(nil); err != nil || got == nil || len(got) != 0 {
		t.Errorf("of nothing: got %#v, %v", got, err)
	}
	_, err = cleanAllowlist([]string{"10.0.0.1", "x", "10.0.0.2", "::/0"})
	p, _ := err.(*problem.Error)
	if p == nil || len(p.Fields) != 2 || p.Fields[0].Location != "body.ipAllowlist[1]" || p.Fields[1].Location != "body.ipAllowlist[3]" {
		t.Errorf("got %v, want both named", err)
	}
	if _, err := cleanAllowlist(make([]string, 101)); problem.CodeOf(err) != problem.ValidationFailed {
		t.Errorf("of 101: got %v", err)
	}
}

func TestAdmits(t *testing.T) {
	tests := map[string]struct {
		list []string
		ip   string
		want bool
	}{
		"no list":                        {nil, "192.0.2.1", true},
		"no list, and no address":        {nil, "", true},
		"the address":                    {[]string{"10.0.0.1"}, "10.0.0.1", true},
		"another address":                {[]string{"10.0.0.1"}, "10.0.0.2", false},
		"the address, mapped":            {[]string{"10.0.0.1"}, "::ffff:10.0.0.1", true},
		"the address, mapped, in hex":    {[]string{"10.0.0.1"}, "::ffff:a00:1", true},
		"a network":                      {[]string{"10.0.0.0/8"}, "10.255.0.1", true},
		"a network, mapped":              {[]string{"10.0.0.0/8"}, "::ffff:10.1.2.3", true},
		"beside a network":               {[]string{"10.0.0.0/8"}, "11.0.0.0", false},
		"IPv6":                           {[]string{"2001:db8::/32"}, "2001:db8:1::2", true},
		"IPv6 written in another way":    {[]string{"2001:db8::1"}, "2001:0DB8:0:0::0001", true},
		"a zone of the caller's":         {[]string{"fe80::1"}, "fe80::1%eth0", true},
		"a zone in a network":            {[]string{"fe80::/64"}, "fe80::1%eth0", true},
		"no IPv4 in an IPv6 network":     {[]string{"::/1"}, "10.0.0.1", false},
		"no address":                     {[]string{"10.0.0.1"}, "", false},
		"no address, but some text":      {[]string{"10.0.0.1"}, "10.0.0.1, 10.0.0.2", false},
		"the second of a list":           {[]string{"10.0.0.1", "10.0.0.2"}, "10.0.0.2", true},
		"an entry that cannot be read":   {[]string{"x"}, "10.0.0.1", false},
		"an address with its port":       {[]string{"10.0.0.1"}, "10.0.0.1:443", false},
		"an address with zeros in front": {[]string{"10.0.0.1"}, "010.0.0.1", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := (Access{IPAllowlist: tt.list}).admits(tt.ip); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// FuzzCanonical: a form is its own form, and an access that lists it admits it.
func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{"10.0.0.1", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104", "2001:db8::1/32", "::/0", "fe80::1%eth0", "0.0.0.0/0", "10.1.2.3/31"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		is, why := canonical(entry)
		if why != "" {
			if is != "" {
				t.Fatalf("%q: got %q and %q", entry, is, why)
			}
			return
		}
		if again, why := canonical(is); again != is || why != "" {
			t.Fatalf("%q: %q becomes %q, %q", entry, is, again, why)
		}
		from, _, _ := strings.Cut(is, "/")
		if !(Access{IPAllowlist: []string{is}}).admits(from) {
			t.Fatalf("%q: %q does not admit %q", entry, is, from)
		}
		asked, _, _ := strings.Cut(entry, "/")
		if addr, err := netip.ParseAddr(asked); err != nil || !(Access{IPAllowlist: []string{is}}).admits(addr.String()) {
			t.Fatalf("%q: %q does not admit %v", entry, is, addr)
		}
	})
}
