package secret_test

import (
	"bytes"
	"errors"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	front "pagefree/infra/local/aws"
	"pagefree/internal/platform/secret"
)

// TestPurposes: a ciphertext opens for its purpose and subject alone, and an outage is not taken for a forgery.
func TestPurposes(t *testing.T) {
	w := newWorld(t)
	box, err := w.key.EncryptFor(t.Context(), secret.Integration, "int_1", []byte(value))
	if err != nil || bytes.Contains(box, []byte(value)) {
		t.Fatalf("%v, or it can be read", err)
	}
	if got, err := w.key.DecryptFor(t.Context(), secret.Integration, "int_1", box); err != nil || string(got) != value {
		t.Errorf("got %q, %v", got, err)
	}
	changed := bytes.Clone(box)
	changed[len(changed)-1] ^= 1
	for name, tt := range map[string]struct {
		purpose secret.Purpose
		subject string
		box     []byte
	}{
		"another purpose": {"other", "int_1", box}, "another subject": {secret.Integration, "int_2", box}, "changed": {secret.Integration, "int_1", changed},
	} {
		if got, err := w.key.DecryptFor(t.Context(), tt.purpose, tt.subject, tt.box); !errors.Is(err, secret.ErrForeign) || got != nil {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	off := &secret.Key{ID: w.key.ID, Client: kms.New(w.key.Client.Options(), func(o *kms.Options) { o.HTTPClient = &http.Client{Transport: plain{}} })}
	if got, err := off.EncryptFor(t.Context(), secret.Integration, "int_1", []byte(value)); err == nil || got != nil {
		t.Errorf("encryption that is off: got %q", got)
	}
	w.env.Faults.Add(front.Fault{Service: "kms", Do: front.Fail, Times: -1})
	once := &secret.Key{ID: w.key.ID, Client: kms.New(w.key.Client.Options(), func(o *kms.Options) { o.RetryMaxAttempts = 1 })}
	if _, err := once.DecryptFor(t.Context(), secret.Integration, "int_1", box); err == nil || errors.Is(err, secret.ErrForeign) {
		t.Errorf("without KMS: %v", err)
	}
}
