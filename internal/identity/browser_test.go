package identity

import (
	"strings"
	"testing"

	"pagefree/internal/platform/token"
)

func TestCodes(t *testing.T) {
	secret := token.New(token.Link)
	code := codeOf(secret)
	if code != codeOf(secret) || cleanCode(code) != code || cleanCode(grouped(code)) != code {
		t.Errorf("got %q, grouped %q", code, grouped(code))
	}
	seen := map[string]bool{}
	for range 1000 {
		seen[codeOf(token.New(token.Link))] = true
	}
	if len(seen) != 1000 {
		t.Errorf("got %d codes of 1000 links", len(seen))
	}
	if got := codeOf("pfl_" + strings.Repeat("A", 43)); got != "9DUMLGLM" {
		t.Errorf("got %s: codes that were mailed are no longer good", got)
	}
	for typed, want := range map[string]string{
		"ABCD-2345": "ABCD2345", "abcd2345": "ABCD2345", " a b c d - 2 3 4 5 ": "ABCD2345", "ABCD\u20112345": "ABCD2345",
		"": "", "ABCD-234": "", "ABCD-23456": "", "ABCD-2340": "", "ABCO-2345": "", "ABCI-2345": "", "ABC1-2345": "", "ÄBCD2345": "", "ABCD_2345": "", "\xff\xff\xff\xff2345": "",
	} {
		if got := cleanCode(typed); got != want {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
}

// FuzzCode: whatever is typed is a code as one is stored, or none.
func FuzzCode(f *testing.F) {
	for _, seed := range []string{"ABCD-2345", "", "abcd 2345", "\xff", "ſſſſſſſſ", strings.Repeat("-", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		got := cleanCode(typed)
		if got != "" && (len(got) != codeLength || strings.Trim(got, letters) != "" || cleanCode(got) != got) {
			t.Errorf("%q: got %q", typed, got)
		}
	})
}

func TestToPages(t *testing.T) {
	for next, want := range map[string]bool{
		"/status": true, "/status/acme": true, "/status?x=1": true, "/status/acme/history?cursor=x": true,
		"": false, "/": false, "/statuses": false, "/console?next=/status/acme": false, "/v1/status-pages": false, "/status-pages": false,
	} {
		if got := toPages(next); got != want {
			t.Errorf("%q: got %v, want %v", next, got, want)
		}
	}
}
