package pushservice

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"time"
)

// Token is what a sender says of itself (RFC 8292, 2).
type Token struct {
	Aud string `json:"aud"`
	Exp int64  `json:"exp"`
	Sub string `json:"sub"`
	Key string `json:"-"` // the public key that it is signed by, in base64url
}

// verify reads an Authorization header, and holds it against RFC 8292 and what the big services demand: signed by ES256
// with the key beside it, for this origin, for a day at most, with a way to reach somebody.
func verify(header, origin string, now time.Time) (Token, error) {
	rest, ok := strings.CutPrefix(header, "vapid ")
	if !ok {
		return Token{}, errors.New("the scheme is not vapid")
	}
	part := map[string]string{}
	for one := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(one), "=")
		part[name] = value
	}
	point, err := base64.RawURLEncoding.DecodeString(part["k"])
	if err != nil {
		return Token{}, errors.New("k is no base64url")
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return Token{}, fmt.Errorf("k: %w", err)
	}
	segments := strings.Split(part["t"], ".")
	if len(segments) != 3 {
		return Token{}, errors.New("t is no JWT")
	}
	var raw [3][]byte
	for i, s := range segments {
		if raw[i], err = base64.RawURLEncoding.DecodeString(s); err != nil {
			return Token{}, errors.New("t is no base64url")
		}
	}
	var head struct{ Typ, Alg string }
	if err := json.Unmarshal(raw[0], &head); err != nil || head.Alg != "ES256" || head.Typ != "JWT" {
		return Token{}, fmt.Errorf("its header is %s", raw[0])
	}
	sum := sha256.Sum256([]byte(segments[0] + "." + segments[1]))
	if len(raw[2]) != 64 || !ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(raw[2][:32]), new(big.Int).SetBytes(raw[2][32:])) {
		return Token{}, errors.New("its signature is not that of k")
	}
	t := Token{Key: part["k"]}
	if err := json.Unmarshal(raw[1], &t); err != nil {
		return Token{}, err
	}
	if t.Aud != origin {
		return Token{}, fmt.Errorf("aud is %q, want %q", t.Aud, origin)
	}
	if left := time.Unix(t.Exp, 0).Sub(now); left <= 0 || left > 24*time.Hour {
		return Token{}, fmt.Errorf("exp is in %v", left)
	}
	if sub, err := url.Parse(t.Sub); err != nil || sub.Scheme != "mailto" && sub.Scheme != "https" || strings.Contains(t.Sub, "localhost") || strings.Contains(t.Sub, "mailto:mailto:") ||
		sub.Scheme == "mailto" && !strings.Contains(sub.Opaque, "@") {
		return Token{}, fmt.Errorf("sub is %q", t.Sub)
	}
	return t, nil
}
