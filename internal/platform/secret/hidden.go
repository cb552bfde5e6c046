package secret

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// parameterPurpose keeps values that runs are given apart from secrets: who
// encrypts the one may not encrypt the other.
const parameterPurpose = "parameter"

// ErrHidden is a text that was not hidden by Hide, or for something else.
var ErrHidden = errors.New("what was hidden was changed, or belongs to something else")

// hiddenContext is what a hidden text is bound to.
func hiddenContext(purpose, subject string) map[string]string {
	return map[string]string{"purpose": purpose, "subject": subject}
}

const (
	hiddenFormat = 1
	keySize      = 32 // AES-256
)

// Hide encrypts a text of any length for the subject that it belongs to, by a
// key of its own, which KMS encrypts: one byte of format, two of the length of
// the encrypted key, the encrypted key, then nonce and text by AES-GCM.
func (k *Key) Hide(ctx context.Context, subject string, text []byte) ([]byte, error) {
	return k.hide(ctx, parameterPurpose, subject, text)
}

func (k *Key) hide(ctx context.Context, purpose, subject string, text []byte) ([]byte, error) {
	if err := k.proof(ctx, hiddenContext(purpose, "probe")); err != nil {
		return nil, err
	}
	own := make([]byte, keySize)
	_, _ = rand.Read(own) // it never fails
	encrypted, err := k.encrypt(ctx, hiddenContext(purpose, subject), own)
	if err != nil {
		return nil, fmt.Errorf("hide values of %s: %w", subject, err)
	}
	box, err := boxOf(own)
	if err != nil {
		return nil, err
	}
	out := binary.BigEndian.AppendUint16([]byte{hiddenFormat}, uint16(len(encrypted)))
	return box.Seal(append(out, encrypted...), nil, text, []byte(subject)), nil
}

// Reveal is the text that Hide hid for the subject. Anything else is ErrHidden;
// another error says that KMS could not be asked.
func (k *Key) Reveal(ctx context.Context, subject string, hidden []byte) ([]byte, error) {
	return k.reveal(ctx, parameterPurpose, subject, hidden)
}

func (k *Key) reveal(ctx context.Context, purpose, subject string, hidden []byte) ([]byte, error) {
	if len(hidden) < 3 || hidden[0] != hiddenFormat {
		return nil, ErrHidden
	}
	rest := hidden[3:]
	size := int(binary.BigEndian.Uint16(hidden[1:]))
	if size == 0 || size > len(rest) {
		return nil, ErrHidden
	}
	out, err := k.Client.Decrypt(ctx, &kms.DecryptInput{KeyId: &k.ID, CiphertextBlob: rest[:size], EncryptionContext: hiddenContext(purpose, subject)})
	if _, foreign := errors.AsType[*types.InvalidCiphertextException](err); foreign {
		return nil, ErrHidden
	}
	if err != nil {
		return nil, fmt.Errorf("reveal values of %s: %w", subject, err)
	}
	box, err := boxOf(out.Plaintext)
	if err != nil {
		return nil, ErrHidden
	}
	text, err := box.Open(nil, nil, rest[size:], []byte(subject))
	if err != nil {
		return nil, ErrHidden
	}
	return text, nil
}

func boxOf(own []byte) (cipher.AEAD, error) {
	if len(own) != keySize {
		return nil, ErrHidden
	}
	block, err := aes.NewCipher(own)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
