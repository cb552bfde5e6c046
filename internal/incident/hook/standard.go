package hook

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"pagefree/internal/incident"
	"pagefree/internal/platform/trust"
)

// standard is any sender that signs by Standard Webhooks, or by Svix, which is
// the same under other header names (incident.io is one).
var standard = Provider{
	Name: "standard", Label: "Standard Webhooks", Trust: trust.SignedTime, GivenSecret: true,
	Verify: verifyStandard,
	Parse: func(r Request, body []byte, _ time.Time) (incident.Alert, error) {
		o, err := read(r, body)
		if err != nil {
			return incident.Alert{}, err
		}
		switch o.text("type") {
		case "ping", "test", "webhook.test", "webhook.ping", "endpoint.test", "svix.ping":
			return ignored("A test of the sender."), nil
		}
		return plain(o), nil
	},
	Template: `{
  "type": "alert.fired",
  "timestamp": "2026-01-31T12:00:00Z",
  "data": {
    "title": "Disk almost full",
    "description": "/var on db-1 has 3 % left",
    "severity": "warning",
    "dedupKey": "disk:db-1:/var",
    "labels": {"host": "db-1"},
    "status": "firing"
  }
}
`,
	Instructions: []string{
		"At the sender, add an endpoint with the URL {{url}}.",
		"Copy its signing secret (whsec_...) into this integration, or give the sender {{secret}}.",
		"The headers webhook-id, webhook-timestamp and webhook-signature are checked, or their svix- twins; of the signatures, v1 (HMAC-SHA256).",
		"The payload's data is read as title, description, severity, dedupKey, labels and status (firing or resolved).",
		"A delivery is refused when its time is more than 5 minutes from now, and taken once by its id.",
	},
}

// verifyStandard holds v1 signatures against id.timestamp.body. v1a
// (ed25519) needs a public key, which an integration does not have: such a
// signature is passed over, as the specification wants of unknown ones.
func verifyStandard(_ context.Context, r Request, k Keys, now time.Time) (Proof, error) {
	prefix := "webhook-"
	if r.Header.Get("webhook-signature") == "" && r.Header.Get("svix-signature") != "" {
		prefix = "svix-"
	}
	id, stamp, list := r.Header.Get(prefix+"id"), r.Header.Get(prefix+"timestamp"), r.Header.Get(prefix+"signature")
	for name, value := range map[string]string{"id": id, "timestamp": stamp, "signature": list} {
		if value == "" {
			return Proof{}, missing("webhook-" + name)
		}
	}
	at, ok := unix(stamp)
	if !ok {
		return Proof{}, invalid("webhook-timestamp is not a number of seconds.")
	}
	var secrets [][]byte
	for _, s := range k.Secrets {
		secrets = append(secrets, standardKeys(s)...)
	}
	ok = false
	for i, one := range strings.Fields(list) {
		encoded, v1 := strings.CutPrefix(one, "v1,")
		mac, err := base64.StdEncoding.DecodeString(encoded)
		if !v1 || err != nil || i >= maxSignatures {
			continue
		}
		if signed(mac, secrets, []byte(id+"."+stamp+"."), r.Body) {
			ok = true
		}
	}
	if !ok {
		return Proof{}, wrongSignature()
	}
	if err := timely(at, now, Window, Window); err != nil {
		return Proof{}, err
	}
	return Proof{ID: id, Keep: keepWindow}, nil
}

// maxSignatures of one delivery are looked at: each costs a hash of the body.
const maxSignatures = 8

// standardKeys are the bytes that a secret may stand for: whsec_ and base64, or
// without the prefix base64 or plain bytes, as senders differ.
func standardKeys(secret []byte) [][]byte {
	encoded, prefixed := strings.CutPrefix(strings.TrimSpace(string(secret)), "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		key, err = base64.RawStdEncoding.DecodeString(encoded)
	}
	var keys [][]byte
	if err == nil && len(key) > 0 {
		keys = append(keys, key)
	}
	if !prefixed {
		keys = append(keys, slices.Clone(secret))
	}
	return keys
}
