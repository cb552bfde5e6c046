package secret

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// Purpose keeps apart what several rooms encrypt by the one key: roles and the
// key's policy name the purposes that a function may use it for.
type Purpose string

// The purposes.
const (
	// Integration is that of the secrets that deliveries of monitoring systems
	// are signed with.
	Integration Purpose = "integration"
	// Push is that of the private keys that pushes are signed with.
	Push Purpose = "push"
)

// ErrForeign is a ciphertext that was changed, or made for something else.
var ErrForeign = errors.New("a ciphertext was changed, or belongs to something else")

func (p Purpose) context(subject string) map[string]string {
	return map[string]string{"purpose": string(p), "subject": subject}
}

// EncryptFor encrypts a value of 1 to MaxValue bytes for one purpose and the
// subject that it belongs to, such as an id. It opens for no other.
func (k *Key) EncryptFor(ctx context.Context, p Purpose, subject string, value []byte) ([]byte, error) {
	if err := k.proof(ctx, p.context("probe")); err != nil {
		return nil, err
	}
	out, err := k.encrypt(ctx, p.context(subject), value)
	if err != nil {
		return nil, fmt.Errorf("encrypt for %s: %w", subject, err)
	}
	return out, nil
}

// DecryptFor is the value that EncryptFor encrypted for the purpose and
// subject. Anything else is ErrForeign; another error says that KMS could not
// be asked.
func (k *Key) DecryptFor(ctx context.Context, p Purpose, subject string, ciphertext []byte) ([]byte, error) {
	out, err := k.Client.Decrypt(ctx, &kms.DecryptInput{KeyId: &k.ID, CiphertextBlob: ciphertext, EncryptionContext: p.context(subject)})
	if _, foreign := errors.AsType[*types.InvalidCiphertextException](err); foreign {
		return nil, ErrForeign
	}
	if err != nil {
		return nil, fmt.Errorf("decrypt for %s: %w", subject, err)
	}
	return out.Plaintext, nil
}
