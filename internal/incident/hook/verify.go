package hook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"pagefree/internal/platform/problem"
)

// A delivery that carries no time may be sent again for ever by whoever got
// hold of it. Its id is remembered for longer than GitHub lets people redeliver
// (3 days); a body that tells of one event never comes twice otherwise.
const keepUntimed = 30 * 24 * time.Hour

// keepResend is for ids that only tell a provider's own resends: a day is
// longer than any of them tries.
const keepResend = 24 * time.Hour

// keepWindow is how long a delivery with a signed time can pass: it may come
// from as far in the future as it may then grow old.
const keepWindow = 2 * Window

// refused is a 401. RFC 9110 wants a scheme beside it, and there is none for
// signatures in a header: it is that of every other 401 here.
func refused(code problem.Code, format string, args ...any) *problem.Error {
	e := problem.New(http.StatusUnauthorized, code, format, args...)
	e.Header = http.Header{"WWW-Authenticate": {"Bearer"}}
	return e
}

func missing(header string) error {
	return refused(SignatureMissing, "The delivery has no %s.", header)
}

func invalid(format string, args ...any) error {
	return refused(SignatureInvalid, format, args...)
}

func wrongSignature() error {
	return invalid("The signature is not that of this body by a live secret of this integration.")
}

// timely holds a signed time against the window.
func timely(at, now time.Time, before, after time.Duration) error {
	if at.Before(now.Add(-before)) || at.After(now.Add(after)) {
		return refused(TimestampStale, "The delivery is of %s, too far from now. If it was sent just now, a clock is wrong.",
			at.UTC().Format(time.RFC3339))
	}
	return nil
}

// unix reads a time in whole seconds, in digits alone.
func unix(s string) (time.Time, bool) {
	if s == "" || len(s) > 12 || strings.Trim(s, "0123456789") != "" {
		return time.Time{}, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(n, 0), err == nil
}

// signed reports whether mac is HMAC-SHA256 of the parts, one after the other,
// by any of the secrets. All are tried, so that time tells nothing of which.
func signed(mac []byte, secrets [][]byte, parts ...[]byte) bool {
	ok := false
	for _, secret := range secrets {
		if len(secret) == 0 {
			continue // anybody could sign with it
		}
		h := hmac.New(sha256.New, secret)
		for _, p := range parts {
			h.Write(p)
		}
		if hmac.Equal(h.Sum(nil), mac) {
			ok = true
		}
	}
	return ok
}

// hexMAC reads a signature in hexadecimal, of exactly 32 bytes.
func hexMAC(s string) ([]byte, bool) {
	mac, err := hex.DecodeString(s)
	return mac, err == nil && len(mac) == sha256.Size
}

// SecretHeader is the other header that a bearer secret may come in, for
// senders that keep Authorization for themselves.
const SecretHeader = "X-PageFree-Secret"

// bearer verifies providers that sign nothing: the secret itself comes along.
// id reads what a resend is known by off a body that is proved; it may be nil.
func bearer(id func(Request, object) string) func(context.Context, Request, Keys, time.Time) (Proof, error) {
	return func(_ context.Context, r Request, k Keys, _ time.Time) (Proof, error) {
		given, ok := r.Header.Get(SecretHeader), false
		if scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " "); found && strings.EqualFold(scheme, "Bearer") {
			given = strings.TrimSpace(token)
		}
		if given == "" {
			return Proof{}, refused(SignatureMissing, "Send the integration's secret as Authorization: Bearer, or in %s.", SecretHeader)
		}
		sum := sha256.Sum256([]byte(given))
		for _, hash := range k.Hashes {
			if subtle.ConstantTimeCompare(sum[:], hash[:]) == 1 {
				ok = true
			}
		}
		if !ok {
			return Proof{}, refused(SignatureInvalid, "This is not a live secret of this integration.")
		}
		if id == nil {
			return Proof{}, nil
		}
		o, err := unpacked(r)
		if err != nil {
			return Proof{}, err
		}
		return Proof{ID: id(r, o), Keep: keepResend}, nil
	}
}

// identifier keeps an id as it is where it is short and plain, so that people
// find it again; any other becomes its hash.
func identifier(s string) string {
	plain := !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
	if len(s) <= 128 && plain {
		return s
	}
	return digest(s)
}

// digest is the hash of texts, which tells where one ends and the next begins.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(strconv.Itoa(len(p)) + ":" + p))
	}
	return hex.EncodeToString(h.Sum(nil))
}
