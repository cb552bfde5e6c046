package kms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/uuid"
)

func newMaterial(spec, usage string) ([]byte, error) {
	switch {
	case spec == specHMAC && usage == string(types.KeyUsageTypeGenerateVerifyMac),
		spec == specSymmetric && usage == string(types.KeyUsageTypeEncryptDecrypt):
		b := make([]byte, 32)
		_, _ = rand.Read(b) // it never fails
		return b, nil
	case spec == specP256 && usage == string(types.KeyUsageTypeSignVerify):
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		return x509.MarshalECPrivateKey(private)
	}
	return nil, errSpec
}

func (k *key) mac(message []byte) []byte {
	h := hmac.New(sha256.New, k.Material)
	h.Write(message)
	return h.Sum(nil)
}

func (k *key) signer() (*ecdsa.PrivateKey, error) { return x509.ParseECPrivateKey(k.Material) }

// A ciphertext is the key's id (16 bytes), a nonce (12) and AES-256-GCM's output; the id and the encryption context are
// authenticated with it. Decrypt therefore needs no key id, as with AWS.
func (k *key) seal(plaintext []byte, context map[string]string) ([]byte, error) {
	id, err := uuid.Parse(k.ID)
	if err != nil {
		return nil, err
	}
	aead, err := k.aead()
	if err != nil {
		return nil, err
	}
	blob := append(id[:], make([]byte, aead.NonceSize())...)
	_, _ = rand.Read(blob[len(id):])
	return aead.Seal(blob, blob[len(id):], plaintext, authenticated(id, context)), nil
}

var errCiphertext = errors.New("not a ciphertext of this key in this context")

func (k *key) open(blob []byte, context map[string]string) ([]byte, error) {
	aead, err := k.aead()
	if err != nil {
		return nil, err
	}
	id, rest, err := owner(blob)
	if err != nil || len(rest) < aead.NonceSize() {
		return nil, errCiphertext
	}
	plaintext, err := aead.Open(nil, rest[:aead.NonceSize()], rest[aead.NonceSize():], authenticated(id, context))
	if err != nil {
		return nil, errCiphertext
	}
	return plaintext, nil
}

// owner reads from a ciphertext which key made it.
func owner(blob []byte) (id uuid.UUID, rest []byte, err error) {
	if len(blob) < len(id) {
		return id, nil, errCiphertext
	}
	copy(id[:], blob)
	return id, blob[len(id):], nil
}

func (k *key) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(k.Material)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// authenticated is the data beside the ciphertext: encoding/json sorts the context's names.
func authenticated(id uuid.UUID, context map[string]string) []byte {
	if len(context) == 0 {
		return id[:]
	}
	sorted, _ := json.Marshal(context) // a map of strings never fails
	return append(id[:], sorted...)
}
