package integration

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"sync"

	"pagefree/internal/incident/hook"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/trust"
)

// Names of the providers that have rules of their own here.
const (
	cloudwatch = "cloudwatch"
	standard   = "standard"
)

// standardPrefix begins the secrets of Standard Webhooks; base64 of the key follows.
const standardPrefix = "whsec_"

// byTopic tells of the provider that signs by certificate, and is known by its topic.
func byTopic(p hook.Provider) bool { return p.Name == cloudwatch }

// theirs tells of the providers whose secret the sender alone can make, and
// shows only to whoever has entered the address there: their integration is made
// without it, and takes nothing until it has it.
func theirs(p hook.Provider) bool {
	return p.GivenSecret && p.Name != standard // a sender by that standard may also be told one
}

// checkSecret says what is wrong with a secret that was given, or with none, for
// a provider; "" where nothing is. It never repeats the secret.
func checkSecret(p hook.Provider, given *string) string {
	switch {
	case byTopic(p):
		if given != nil {
			return "SNS signs with a certificate of its own; there is no secret"
		}
	case given == nil:
		if theirs(p) {
			return "the sender makes this secret: copy it from there"
		}
	case p.Name == standard:
		encoded, prefixed := strings.CutPrefix(*given, standardPrefix)
		key, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if !prefixed || err != nil || len(key) < 24 || len(key) > 64 || strings.ContainsAny(encoded, "\r\n") {
			return "whsec_ and then 24 to 64 bytes in base64"
		}
	case p.Trust == trust.Bearer && (!printable(*given, 16) || strings.Contains(*given, " ")):
		return "16 to 256 printable characters of ASCII without a space"
	case !printable(*given, shortest):
		return "8 to 256 printable characters of ASCII, and no space around them"
	}
	return ""
}

// shortest is a secret that signs and was given: what a sender made, or has set
// up already, has to fit. One that travels is all that its deliveries prove, and
// has to be longer.
const shortest = 8

// printable tells of ASCII without control characters or space around it, of least to 256 characters.
func printable(s string, least int) bool {
	return len(s) >= least && len(s) <= 256 && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// newSecret makes a secret of 32 random bytes in the form of the provider.
func newSecret(p hook.Provider) string {
	var b [32]byte
	rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	if p.Name == standard {
		return standardPrefix + base64.StdEncoding.EncodeToString(b[:])
	}
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// stored is a secret as it is kept.
func stored(ctx context.Context, k *secret.Key, p hook.Provider, integrationID, value string) (Secret, error) {
	if p.Trust == trust.Bearer {
		sum := sha256.Sum256([]byte(value))
		return Secret{Hash: sum[:]}, nil
	}
	box, err := k.EncryptFor(ctx, secret.Integration, integrationID, []byte(value))
	return Secret{Box: box}, err
}

// opener decrypts secrets and keeps them in the function's memory. Whether one
// is still good is not its matter: that is read with the integration, each time.
type opener struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte][]byte
}

// maxOpened bounds what an opener keeps; beyond it, it starts over.
const maxOpened = 1000

func (o *opener) open(ctx context.Context, k *secret.Key, integrationID string, box []byte) ([]byte, error) {
	// With the id: a ciphertext that was copied to another integration must not open there.
	name := sha256.Sum256(append([]byte(integrationID+"\x00"), box...))
	o.mu.Lock()
	value, found := o.known[name]
	o.mu.Unlock()
	if found {
		return value, nil
	}
	value, err := k.DecryptFor(ctx, secret.Integration, integrationID, box)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known == nil || len(o.known) >= maxOpened {
		o.known = map[[sha256.Size]byte][]byte{}
	}
	o.known[name] = value
	return value, nil
}
