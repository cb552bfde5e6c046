package mailaddr

import (
	"strings"
	"testing"
)

func TestNormalize(t *testing.T) {
	tests := map[string]struct{ raw, want string }{
		"plain":                  {"ann@example.com", "ann@example.com"},
		"capitals and spaces":    {"  Ann.O'Brien+x@Example.COM\r\n", "ann.o'brien+x@example.com"},
		"a domain in Punycode":   {"a@XN--BCHER-KVA.example", "a@xn--bcher-kva.example"},
		"the longest local part": {strings.Repeat("a", 64) + "@b.cd", strings.Repeat("a", 64) + "@b.cd"},
		"too long a local part":  {strings.Repeat("a", 65) + "@b.cd", ""},
		"too long":               {"a@" + strings.Repeat("b.", 130) + "cd", ""},
		"too long a label":       {"a@" + strings.Repeat("b", 64) + ".cd", ""},
		"nothing":                {"", ""},
		"no at":                  {"ann.example.com", ""},
		"two ats":                {"a@b@example.com", ""},
		"no local part":          {"@example.com", ""},
		"no domain":              {"ann@", ""},
		"one label":              {"ann@localhost", ""},
		"an address of a host":   {"ann@192.0.2.1", ""},
		"a literal":              {"ann@[192.0.2.1]", ""},
		"a dot at the start":     {".ann@example.com", ""},
		"a dot at the end":       {"ann.@example.com", ""},
		"two dots":               {"a..b@example.com", ""},
		"a quoted local part":    {`"a b"@example.com`, ""},
		"a display name":         {"Ann <ann@example.com>", ""},
		"two addresses":          {"a@example.com,b@example.com", ""},
		"a header":               {"a@example.com\r\nBcc: b@example.com", ""},
		"a Kelvin sign":          {"\u212Aate@example.com", ""},
		"a local part in German": {"jürgen@example.com", ""},
		"a null":                 {"a\x00@example.com", ""},
		"a hyphen at the edge":   {"a@-b.com", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Normalize(tt.raw)
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func FuzzNormalize(f *testing.F) {
	for _, seed := range []string{"ann@example.com", " A@B.C ", "a@b@c.d", "\u212Aate@example.com", "a@xn--x.y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := Normalize(raw)
		if err != nil {
			if got != "" {
				t.Fatalf("got %q and an error", got)
			}
			return
		}
		if again, err := Normalize(got); again != got || err != nil {
			t.Fatalf("%q: once more gives %q, %v", got, again, err)
		}
		if got != strings.ToLower(got) || strings.Count(got, "@") != 1 || strings.ContainsAny(got, " <>,;:\"\\\r\n\t\x00") || len(got) > 254 {
			t.Fatalf("got %q of %q", got, raw)
		}
		if upper, err := Normalize(strings.ToUpper(raw)); upper != got || err != nil {
			t.Fatalf("in capitals: got %q, %v, want %q", upper, err, got)
		}
	})
}
