// Package kmsmac makes and checks message authentication codes by KMS HMAC
// keys, which never leave KMS. Who may make and who may check are different
// rights, and are given to different functions.
package kmsmac

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// Key is an HMAC_256 key of KMS, by id, ARN or alias.
type Key struct {
	ID     string
	Client *kms.Client
}

// MAC returns HMAC-SHA-256 of the message, which KMS limits to 4,096 bytes.
func (k Key) MAC(ctx context.Context, message []byte) ([]byte, error) {
	out, err := k.Client.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: &k.ID, MacAlgorithm: types.MacAlgorithmSpecHmacSha256, Message: message})
	if err != nil {
		return nil, fmt.Errorf("generate MAC: %w", err)
	}
	return out.Mac, nil
}

// Verify reports whether mac belongs to the message. An error means that it
// could not be found out.
func (k Key) Verify(ctx context.Context, message, mac []byte) (bool, error) {
	_, err := k.Client.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: &k.ID, MacAlgorithm: types.MacAlgorithmSpecHmacSha256, Message: message, Mac: mac})
	if _, wrong := errors.AsType[*types.KMSInvalidMacException](err); wrong {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("verify MAC: %w", err)
	}
	return true, nil
}

// Derive returns 32 bytes that are always the same for a label and cannot be
// guessed without the key: a secret for use in memory.
func (k Key) Derive(ctx context.Context, label string) ([]byte, error) {
	return k.MAC(ctx, []byte("pagefree/derive/v1/"+label))
}
