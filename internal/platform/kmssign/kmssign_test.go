package kmssign_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	front "pagefree/infra/local/aws"
	"pagefree/infra/local/awstest"
	"pagefree/internal/platform/kmssign"
)

func TestSign(t *testing.T) {
	env := awstest.New(t)
	env.Config.RetryMaxAttempts = 1
	key := kmssign.Key{ID: env.KeyID("AuditKey"), Client: kms.NewFromConfig(env.Config)}
	digest := sha256.Sum256([]byte("a block"))
	signature, err := key.Sign(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	der, err := key.Public(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		t.Fatal(err)
	}
	if !ecdsa.VerifyASN1(public.(*ecdsa.PublicKey), digest[:], signature) {
		t.Error("the public key does not verify the signature")
	}
	if digest[0] ^= 1; ecdsa.VerifyASN1(public.(*ecdsa.PublicKey), digest[:], signature) {
		t.Error("the signature holds for another digest")
	}
	env.Faults.Add(front.Fault{Service: "kms", Do: front.Fail, Times: -1})
	if _, err := key.Sign(t.Context(), digest); err == nil {
		t.Error("KMS out of reach: it signed")
	}
	if _, err := key.Public(t.Context()); err == nil {
		t.Error("KMS out of reach: it told the key")
	}
	mac := kmssign.Key{ID: env.KeyID("SealKey"), Client: kms.NewFromConfig(env.Config)}
	if _, err := mac.Sign(t.Context(), digest); err == nil {
		t.Error("a key for MACs signed")
	}
}
