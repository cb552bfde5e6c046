// Package secret keeps the values that targets need and nobody may read:
// tokens in headers, keys that sign. A value is encrypted by KMS before it is
// stored, together with the name that it goes by, so that a ciphertext which
// was moved to another name, team or id does not open.
//
// Beside them it hides values that runs are given until they are over (Hide,
// Reveal): the same key, for another purpose.
//
// Whoever writes may only encrypt, and whoever dispatches may only decrypt:
// these are different rights of different functions.
package secret

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/internal/platform/timestamp"
)

// MaxValue is the longest value in bytes, which is what KMS encrypts in one call.
const MaxValue = 4096

// purpose is the part of the encryption context that the key's policy and the
// roles demand. The other parts name whose value it is.
const purpose = "secret"

// Secret is the stored item: everything of a secret but its value in plain.
type Secret struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	ByTeam string `dynamodbav:"byTeam"`
	ByKind string `dynamodbav:"byKind"`

	ID          string         `dynamodbav:"id"`
	Name        string         `dynamodbav:"name"` // unique in its team; what targets name it by
	TeamID      *string        `dynamodbav:"teamId"`
	Ciphertext  []byte         `dynamodbav:"ciphertext"`
	Version     int64          `dynamodbav:"version"` // of the value, from 1; raised by every write
	CreatedByID string         `dynamodbav:"createdById"`
	CreatedAt   timestamp.Time `dynamodbav:"createdAt"`
	UpdatedByID string         `dynamodbav:"updatedById"`
	UpdatedAt   timestamp.Time `dynamodbav:"updatedAt"`
}

// Team is the id of the team that owns the secret, "" for a global one.
func (s Secret) Team() string {
	if s.TeamID == nil {
		return ""
	}
	return *s.TeamID
}

// context is what a ciphertext is bound to. KMS shows it in CloudTrail, where
// names may stand.
func (s Secret) context() map[string]string {
	team := s.Team()
	if team == "" {
		team = "global"
	}
	return map[string]string{"purpose": purpose, "id": s.ID, "team": team, "name": s.Name}
}

// Key is the KMS key that values are encrypted by, by id, ARN or alias.
type Key struct {
	ID     string
	Client *kms.Client

	proven atomic.Bool
}

// errPlain is a key that answers with what it was given. Nothing was stored.
var errPlain = errors.New("what was encrypted can be read")

// Encrypt returns s with value in it, of 1 to MaxValue bytes. Before the first
// one the key has to prove itself: encryption that is off without a word
// would be seen by nobody.
func (k *Key) Encrypt(ctx context.Context, s Secret, value string) (Secret, error) {
	if err := k.proof(ctx, Secret{ID: "probe", Name: "probe"}.context()); err != nil {
		return Secret{}, err
	}
	ciphertext, err := k.encrypt(ctx, s.context(), []byte(value))
	if err != nil {
		return Secret{}, fmt.Errorf("encrypt %s: %w", s.ID, err)
	}
	s.Ciphertext = ciphertext
	return s, nil
}

// proof encrypts a random text, once, which is long enough not to stand in a
// ciphertext by chance.
func (k *Key) proof(ctx context.Context, in map[string]string) error {
	if k.proven.Load() {
		return nil
	}
	probe := []byte(rand.Text())
	first, err := k.encrypt(ctx, in, probe)
	if err == nil && (len(first) == 0 || bytes.Contains(first, probe)) {
		err = errPlain
	}
	if err != nil {
		return fmt.Errorf("prove the key of secrets: %w", err)
	}
	k.proven.Store(true)
	return nil
}

func (k *Key) encrypt(ctx context.Context, in map[string]string, value []byte) ([]byte, error) {
	out, err := k.Client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.ID, Plaintext: value, EncryptionContext: in})
	if err != nil {
		return nil, err
	}
	return out.CiphertextBlob, nil
}

// Decrypt returns the value of a stored secret. One whose item was changed, or
// put under another name, is an error.
func (k *Key) Decrypt(ctx context.Context, s Secret) (string, error) {
	out, err := k.Client.Decrypt(ctx, &kms.DecryptInput{KeyId: &k.ID, CiphertextBlob: s.Ciphertext, EncryptionContext: s.context()})
	if err != nil {
		return "", fmt.Errorf("decrypt %s: %w", s.ID, err)
	}
	return string(out.Plaintext), nil
}
