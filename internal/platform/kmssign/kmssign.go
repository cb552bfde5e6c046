// Package kmssign signs by an ECC_NIST_P256 key of KMS, which never leaves
// KMS, and tells its public half, by which anyone can check. Who may sign and
// who may read the public key are different rights.
package kmssign

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// Key is a signing key of KMS, by id or ARN.
type Key struct {
	ID     string
	Client *kms.Client
}

// Sign returns an ECDSA signature in DER over a SHA-256 digest.
func (k Key) Sign(ctx context.Context, digest [32]byte) ([]byte, error) {
	out, err := k.Client.Sign(ctx, &kms.SignInput{
		KeyId: &k.ID, Message: digest[:], MessageType: types.MessageTypeDigest, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256,
	})
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return out.Signature, nil
}

// Public returns the public key as a DER SubjectPublicKeyInfo.
func (k Key) Public(ctx context.Context) ([]byte, error) {
	out, err := k.Client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &k.ID})
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	return out.PublicKey, nil
}
