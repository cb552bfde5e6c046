package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q=="
	const page = `{"kind":"export","format":1,"scope":"all","teams":[],"from":null,"to":null,"after":""}
{"kind":"key","keyId":"k","algorithm":"ECDSA_SHA_256","publicKey":"` + key + `"}
{"kind":"event","event":{"id":"aud_01KJM0P5R0Q8S1T3V5W7X9Y0Z2","at":"2026-03-01T12:00:00.000Z"}}
{"kind":"end","events":1,"blocks":0,"through":"","nextCursor":null}
`
	good, cut := file("good.ndjson", page), file("cut.ndjson", page[:len(page)-70])
	public, another := file("public.txt", key), file("other.pem", "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE4qPSFqmvSWLm5k0fZVYx7Qm3l1pf\n-----END PUBLIC KEY-----\n")
	tests := map[string]struct {
		args []string
		want int
		says string
	}{
		"a good one":            {[]string{"verify", good}, 0, "1 are not sealed yet: 2026-03-01T12:00:00.000Z to"},
		"by its key":            {[]string{"verify", "-key", public, good}, 0, "OK"},
		"two files":             {[]string{"verify", good, good}, 0, "1 events in 2 pages"},
		"a cut one":             {[]string{"verify", cut}, 1, "the page is cut off"},
		"a key that is none":    {[]string{"verify", "-key", another, good}, 2, "it is no public key"},
		"a key that is missing": {[]string{"verify", "-key", filepath.Join(dir, "none"), good}, 2, "no such file"},
		"a file that is not":    {[]string{"verify", filepath.Join(dir, "none")}, 2, "no such file"},
		"no file":               {[]string{"verify"}, 2, "usage"},
		"nothing":               {nil, 2, "usage"},
		"another word":          {[]string{"check", good}, 2, "usage"},
		"an unknown flag":       {[]string{"verify", "-fast", good}, 2, "usage"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if got := run(tt.args, &out, &out); got != tt.want || !strings.Contains(out.String(), tt.says) {
				t.Errorf("got %d %s, want %d and %q", got, out.String(), tt.want, tt.says)
			}
		})
	}
}
