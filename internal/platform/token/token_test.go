package token_test

import (
	"strings"
	"testing"

	"pagefree/internal/platform/token"
)

var all = []token.Kind{token.Session, token.APIKey, token.Partner, token.Feed, token.Callback, token.Link, token.Ticket}

func TestNew(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range all {
		secret := token.New(k)
		if got, ok := token.KindOf(secret); !ok || got != k {
			t.Errorf("%s: told apart as %q, %v", k, got, ok)
		}
		if len(secret) != 4+43 || len(secret[:token.PrefixLength]) != 10 {
			t.Errorf("%s: got %d characters", k, len(secret))
		}
		if seen[secret[4:]] {
			t.Errorf("%s: the same secret twice", k)
		}
		seen[secret[4:]] = true
	}
}

func TestKindOf(t *testing.T) {
	good := token.New(token.APIKey)
	for name, secret := range map[string]string{
		"nothing":             "",
		"only a prefix":       "pfk_",
		"an unknown prefix":   "pfx_" + good[4:],
		"another case":        "PFK_" + good[4:],
		"too short":           good[:len(good)-1],
		"too long":            good + "A",
		"padded":              good + "=",
		"a space in front":    " " + good,
		"a newline in it":     good[:20] + "\n" + good[21:],
		"standard base64":     good[:20] + "+/" + good[22:],
		"bits past the 256th": good[:len(good)-1] + "B",
		"a letter of no base": good[:20] + "é" + good[22:],
	} {
		if k, ok := token.KindOf(secret); ok {
			t.Errorf("%s: %q was taken for %s", name, secret, k)
		}
	}
}

func TestHash(t *testing.T) {
	// echo -n abc | sha256sum
	if got, want := token.Hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzKindOf(f *testing.F) {
	for _, k := range all {
		f.Add(token.New(k))
	}
	f.Add("pfk_")
	f.Fuzz(func(t *testing.T, secret string) {
		k, ok := token.KindOf(secret)
		if ok && (!strings.HasPrefix(secret, string(k)) || len(secret) != 47) {
			t.Errorf("%q was taken for %s", secret, k)
		}
	})
}
