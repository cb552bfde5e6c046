package secret_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	front "pagefree/infra/local/aws"
	"pagefree/internal/platform/secret"
)

func TestHiddenForOneThingAlone(t *testing.T) {
	w := newWorld(t)
	for name, text := range map[string]string{"a text": value, "nothing": "", "a long one": strings.Repeat(value, 10_000)} {
		hidden, err := w.key.Hide(t.Context(), "ex_1", []byte(text))
		if err != nil || text != "" && bytes.Contains(hidden, []byte(text)) {
			t.Fatalf("%s: %v, or it can be read", name, err)
		}
		if got, err := w.key.Reveal(t.Context(), "ex_1", hidden); err != nil || string(got) != text {
			t.Errorf("%s: got %d bytes, %v", name, len(got), err)
		}
		again, err := w.key.Hide(t.Context(), "ex_1", []byte(text))
		if err != nil || bytes.Equal(again, hidden) {
			t.Errorf("%s: the same text twice looks alike, %v", name, err)
		}
	}
	hidden, err := w.key.Hide(t.Context(), "ex_1", []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	flip := func(i int) []byte { b := bytes.Clone(hidden); b[i] ^= 1; return b }
	asSecret, err := w.key.Encrypt(t.Context(), secret.Secret{ID: "ex_1", Name: "n"}, value)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		subject string
		hidden  []byte
	}{
		"something else":             {"ex_2", hidden},
		"another format":             {"ex_1", flip(0)},
		"another length":             {"ex_1", flip(2)},
		"a longer key":               {"ex_1", flip(1)},
		"another key":                {"ex_1", flip(10)},
		"another text":               {"ex_1", flip(len(hidden) - 1)},
		"cut off":                    {"ex_1", hidden[:len(hidden)-1]},
		"a key and no text":          {"ex_1", hidden[:3+int(hidden[1])<<8+int(hidden[2])]},
		"nothing at all":             {"ex_1", nil},
		"the ciphertext of a secret": {"ex_1", append([]byte{1, byte(len(asSecret.Ciphertext) >> 8), byte(len(asSecret.Ciphertext))}, asSecret.Ciphertext...)},
	} {
		got, err := w.key.Reveal(t.Context(), tt.subject, tt.hidden)
		if !errors.Is(err, secret.ErrHidden) || got != nil {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// TestHidingThatFails: nothing is taken for hidden, and an outage not for a forgery.
func TestHidingThatFails(t *testing.T) {
	w := newWorld(t)
	off := &secret.Key{ID: w.key.ID, Client: kms.New(w.key.Client.Options(), func(o *kms.Options) { o.HTTPClient = &http.Client{Transport: plain{}} })}
	if hidden, err := off.Hide(t.Context(), "ex_1", []byte(value)); err == nil || hidden != nil {
		t.Errorf("encryption that is off: got %q", hidden)
	}
	hidden, err := w.key.Hide(t.Context(), "ex_1", []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	w.env.Faults.Add(front.Fault{Service: "kms", Do: front.Fail, Times: -1})
	once := &secret.Key{ID: w.key.ID, Client: kms.New(w.key.Client.Options(), func(o *kms.Options) { o.RetryMaxAttempts = 1 })}
	if _, err := once.Hide(t.Context(), "ex_1", []byte(value)); err == nil || strings.Contains(err.Error(), value) {
		t.Errorf("hidden without KMS: %v", err)
	}
	if _, err := once.Reveal(t.Context(), "ex_1", hidden); err == nil || errors.Is(err, secret.ErrHidden) {
		t.Errorf("revealed without KMS: %v", err)
	}
}

// TestRolesOfHiding: who hides may not reveal, nor write secrets; who writes secrets may not hide.
func TestRolesOfHiding(t *testing.T) {
	w := newWorld(t)
	as := func(function string) *secret.Key {
		return &secret.Key{ID: w.key.ID, Client: kms.NewFromConfig(w.env.ConfigOf(function))}
	}
	hidden, err := as("ExecutionsFunction").Hide(t.Context(), "ex_1", []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := as("DispatcherFunction").Reveal(t.Context(), "ex_1", hidden); err != nil || string(got) != value {
		t.Errorf("the dispatcher: got %q, %v", got, err)
	}
	for _, function := range []string{"ExecutionsFunction", "RunbooksFunction", "CallbacksFunction", "WatchdogFunction"} {
		if got, err := as(function).Reveal(t.Context(), "ex_1", hidden); err == nil {
			t.Errorf("%s reveals %q", function, got)
		}
	}
	for _, function := range []string{"RunbooksFunction", "DispatcherFunction", "CallbacksFunction"} {
		if _, err := as(function).Hide(t.Context(), "ex_1", []byte(value)); err == nil {
			t.Errorf("%s hides", function)
		}
	}
	if _, err := as("ExecutionsFunction").Encrypt(t.Context(), secret.Secret{ID: "sec_1", Name: "n"}, value); err == nil {
		t.Error("who starts executions writes secrets")
	}
}
