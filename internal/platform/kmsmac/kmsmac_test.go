package kmsmac_test

import (
	"bytes"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	front "pagefree/infra/local/aws"
	"pagefree/infra/local/awstest"
	"pagefree/internal/platform/kmsmac"
)

func TestMACs(t *testing.T) {
	env := awstest.New(t)
	client := kms.NewFromConfig(env.Config)
	key, other := kmsmac.Key{ID: env.KeyID("SealKey"), Client: client}, kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: client}
	mac, err := key.MAC(t.Context(), []byte("message"))
	if err != nil || len(mac) != 32 {
		t.Fatalf("got %x, %v", mac, err)
	}
	altered := bytes.Clone(mac)
	altered[0] ^= 1
	for name, test := range map[string]struct {
		key          kmsmac.Key
		message, mac []byte
		want         bool
	}{
		"ours":              {key, []byte("message"), mac, true},
		"another message":   {key, []byte("messagf"), mac, false},
		"an altered MAC":    {key, []byte("message"), altered, false},
		"a cut MAC":         {key, []byte("message"), mac[:16], false},
		"another key's MAC": {other, []byte("message"), mac, false},
	} {
		if got, err := test.key.Verify(t.Context(), test.message, test.mac); err != nil || got != test.want {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, test.want)
		}
	}
	env.Faults.Add(front.Fault{Service: "kms", Do: front.Fail, Times: -1})
	if ok, err := key.Verify(t.Context(), []byte("message"), mac); ok || err == nil {
		t.Errorf("KMS out of reach: got %v, %v, want an error and no yes", ok, err)
	}
}

func TestDerive(t *testing.T) {
	env := awstest.New(t)
	key := kmsmac.Key{ID: env.KeyID("DeriveKey"), Client: kms.NewFromConfig(env.Config)}
	derive := func(label string) string {
		b, err := key.Derive(t.Context(), label)
		if err != nil || len(b) != 32 {
			t.Fatalf("got %x, %v", b, err)
		}
		return string(b)
	}
	first, again, other := derive("cursor"), derive("cursor"), derive("other")
	if first != again || first == other {
		t.Error("a label has one secret, and its own")
	}
}
