package verify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Report is what came of it.
type Report struct {
	Problems []string // what is not as it was signed; none is good

	Pages  int
	Events int // that are shown
	Sealed int // of these, as a block holds them
	Blocks int
	Head   int64 // the last block that there is, where the files say so

	Unsealed      int    // of the events, the newest
	UnsealedSince string // the time of the first of them
	UnsealedUntil string // and of the last

	Teams      []string // whose events are shown; empty for everything
	Partial    bool     // a team's part, or a span of time
	Unfinished bool     // pages are left out, at the end or between
	OfOthers   int      // events of the blocks that are held back: other teams'
	Elsewhere  int      // and those outside of the pages and times that were asked for
	Gaps       int      // blocks between those that are shown
}

// OK tells whether everything is as it was signed.
func (r Report) OK() bool { return len(r.Problems) == 0 }

// Write says it to a person.
func (r Report) Write(w io.Writer, pinned bool) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	reach := "of everything"
	if len(r.Teams) > 0 {
		reach = "of " + strings.Join(r.Teams, ", ")
	}
	say("%d events in %d pages, %s", r.Events, r.Pages, reach)
	say("%d are sealed, in %d blocks", r.Sealed, r.Blocks)
	if r.Unsealed > 0 {
		say("%d are not sealed yet: %s to %s (%s); until they are, nothing shows what was done to them", r.Unsealed, r.UnsealedSince, r.UnsealedUntil, span(r.UnsealedSince, r.UnsealedUntil))
	}
	if r.OfOthers+r.Elsewhere > 0 {
		say("%d events of these blocks are held back: %d of other teams, %d outside of these pages", r.OfOthers+r.Elsewhere, r.OfOthers, r.Elsewhere)
	}
	if r.Unfinished {
		say("pages are left out: nothing is known of the events that they hold; follow nextCursor to its end")
	}
	if r.Partial {
		say("this is a part of the record: what it shows is proven, that nothing else is missing is not (%d blocks between are not shown)", r.Gaps)
	}
	if !pinned {
		say("the key is the files' own: who made up all of it could have made the key too; compare it by -key")
	}
	for _, p := range r.Problems {
		say("PROBLEM: %s", p)
	}
	if r.OK() {
		say("OK")
	} else {
		say("NOT OK: %d problems", len(r.Problems))
	}
}

func span(from, to string) time.Duration {
	a, err1 := time.Parse(time.RFC3339Nano, from)
	b, err2 := time.Parse(time.RFC3339Nano, to)
	if err1 != nil || err2 != nil {
		return 0
	}
	return b.Sub(a)
}

// ParseKey reads a public key as KMS gives it out (SubjectPublicKeyInfo in DER), in base64 too, or as PEM.
func ParseKey(raw []byte) (*ecdsa.PublicKey, error) {
	if block, _ := pem.Decode(raw); block != nil {
		return parseKey(block.Bytes)
	}
	if der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(raw))); err == nil {
		return parseKey(der)
	}
	return parseKey(raw)
}

func parseKey(der []byte) (*ecdsa.PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errors.New("it is no public key")
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("it is no ECDSA key on P-256")
	}
	return key, nil
}
