package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"pagefree/internal/execution/target"
	"pagefree/internal/runbook"
)

const userAgent = "PageFree"

var secretInText = regexp.MustCompile(`\{\{secrets\.([a-z][a-z0-9-]{0,39})\}\}`)

// headers fills the target's headers from the job's secrets, and signs the body.
func headers(j target.Job, body []byte, now time.Time) (http.Header, error) {
	h := http.Header{}
	for name, value := range j.Target.Headers {
		name = textproto.CanonicalMIMEHeaderKey(name)
		if runbook.ReservedHeader(name) { // written by a release that let it pass
			return nil, &target.Refused{Code: headerForbidden, Reason: "the header " + name + " cannot be set"}
		}
		filled, err := fill(value, j.Secrets)
		if err != nil {
			return nil, err
		}
		h.Set(name, filled)
	}
	h.Set("Content-Type", "application/json")
	h.Set("Accept", "application/json") // Rundeck's older versions answer by XML otherwise
	h.Set("User-Agent", userAgent)
	h.Set("X-PageFree-Execution", j.ExecutionID)
	if j.Depth > 0 { // so that what comes back of it triggers no workflow without end
		h.Set("X-PageFree-Depth", strconv.Itoa(j.Depth))
	}
	if j.Target.SignWith == "" {
		return h, nil
	}
	secret, err := named(j.Target.SignWith, j.Secrets)
	if err != nil {
		return nil, err
	}
	key, err := signingKey(j.Target.SignWith, secret)
	if err != nil {
		return nil, err
	}
	id, at := j.ExecutionID+"-"+strconv.Itoa(j.Attempt), strconv.FormatInt(now.Unix(), 10)
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", at)
	h.Set("Webhook-Signature", sign(key, id, at, body))
	return h, nil
}

// fill puts the secrets into a header's value.
func fill(value string, secrets map[string]string) (string, error) {
	var failed error
	filled := secretInText.ReplaceAllStringFunc(value, func(match string) string {
		name := secretInText.FindStringSubmatch(match)[1]
		secret, err := named(name, secrets)
		switch {
		case failed != nil:
		case err != nil:
			failed = err
		case strings.ContainsFunc(secret, unicode.IsControl):
			// A line break would begin a header of its own.
			failed = &target.Refused{Code: secretInvalid, Reason: fmt.Sprintf("the secret %s has a line break or another control character, and cannot stand in a header", name)}
		}
		return secret
	})
	if failed == nil && strings.ContainsFunc(filled, unicode.IsControl) {
		failed = &target.Refused{Code: headerForbidden, Reason: "a header's value has a control character"}
	}
	return filled, failed
}

func named(name string, secrets map[string]string) (string, error) {
	secret, ok := secrets[name]
	if !ok || secret == "" {
		return "", &target.Refused{Code: secretMissing, Reason: "there is no secret " + name}
	}
	return secret, nil
}

const signingPrefix = "whsec_"

// signingKey is the key of a secret: base64 behind whsec_, else its raw bytes.
func signingKey(name, secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, signingPrefix)
	if !ok {
		return []byte(secret), nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) == 0 {
		return nil, &target.Refused{Code: secretInvalid, Reason: fmt.Sprintf("the secret %s is not base64 behind %s", name, signingPrefix)}
	}
	return key, nil
}

// sign is a signature of Standard Webhooks, https://www.standardwebhooks.com.
func sign(key []byte, id, at string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
