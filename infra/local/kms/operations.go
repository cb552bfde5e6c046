package kms

import (
	"context"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"pagefree/infra/local/awsjson"
)

const (
	maxMessage    = 4096 // bytes to MAC, to sign or to encrypt in one call
	maxCiphertext = 6144
)

// Handler serves the operations on the wire: JSON 1.1, X-Amz-Target TrentService.<operation>.
func (s *Service) Handler() *awsjson.Service {
	return &awsjson.Service{Prefix: "TrentService", Version: "1.1", Operations: map[string]awsjson.Operation{
		"GenerateMac":     awsjson.Op(s.GenerateMac),
		"VerifyMac":       awsjson.Op(s.VerifyMac),
		"Encrypt":         awsjson.Op(s.Encrypt),
		"Decrypt":         awsjson.Op(s.Decrypt),
		"GenerateDataKey": awsjson.Op(s.GenerateDataKey),
		"Sign":            awsjson.Op(s.Sign),
		"Verify":          awsjson.Op(s.Verify),
		"GetPublicKey":    awsjson.Op(s.GetPublicKey),
		"DescribeKey":     awsjson.Op(s.DescribeKey),
	}}
}

// GenerateMac answers HMAC-SHA-256 of 1 to 4096 bytes.
func (s *Service) GenerateMac(_ context.Context, in *api.GenerateMacInput) (*api.GenerateMacOutput, error) {
	k, err := s.macKey(in.KeyId, in.MacAlgorithm, in.Message)
	if err != nil {
		return nil, err
	}
	return &api.GenerateMacOutput{KeyId: &k.ARN, Mac: k.mac(in.Message), MacAlgorithm: in.MacAlgorithm}, nil
}

// VerifyMac answers MacValid true, or KMSInvalidMacException; never false.
func (s *Service) VerifyMac(_ context.Context, in *api.VerifyMacInput) (*api.VerifyMacOutput, error) {
	k, err := s.macKey(in.KeyId, in.MacAlgorithm, in.Message)
	if err != nil {
		return nil, err
	}
	if err := sized("mac", in.Mac, maxCiphertext); err != nil {
		return nil, err
	}
	if !hmac.Equal(in.Mac, k.mac(in.Message)) {
		return nil, failure("KMSInvalidMacException", "")
	}
	return &api.VerifyMacOutput{KeyId: &k.ARN, MacValid: true, MacAlgorithm: in.MacAlgorithm}, nil
}

func (s *Service) macKey(name *string, algorithm types.MacAlgorithmSpec, message []byte) (*key, error) {
	if err := sized("message", message, maxMessage); err != nil {
		return nil, err
	}
	if !slices.Contains(algorithm.Values(), algorithm) {
		return nil, invalid(fmt.Sprintf("1 validation error detected: Value '%s' at 'macAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: %v", algorithm, algorithm.Values()))
	}
	k, err := s.use(name, types.KeyUsageTypeGenerateVerifyMac)
	if err != nil {
		return nil, err
	}
	if algorithm != types.MacAlgorithmSpecHmacSha256 {
		return nil, failure("InvalidKeyUsageException", fmt.Sprintf("Algorithm %s is incompatible with key spec %s.", algorithm, k.Spec))
	}
	return k, nil
}

// Encrypt seals 1 to 4096 bytes together with the encryption context, which Decrypt has to be given again.
func (s *Service) Encrypt(_ context.Context, in *api.EncryptInput) (*api.EncryptOutput, error) {
	if err := sized("plaintext", in.Plaintext, maxMessage); err != nil {
		return nil, err
	}
	k, err := s.cipherKey(in.KeyId, in.EncryptionAlgorithm)
	if err != nil {
		return nil, err
	}
	blob, err := k.seal(in.Plaintext, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &api.EncryptOutput{KeyId: &k.ARN, CiphertextBlob: blob, EncryptionAlgorithm: types.EncryptionAlgorithmSpecSymmetricDefault}, nil
}

// Decrypt opens what Encrypt or GenerateDataKey made. A wrong context, or any other change, is InvalidCiphertextException.
func (s *Service) Decrypt(_ context.Context, in *api.DecryptInput) (*api.DecryptOutput, error) {
	if err := sized("ciphertextBlob", in.CiphertextBlob, maxCiphertext); err != nil {
		return nil, err
	}
	id, _, err := owner(in.CiphertextBlob)
	if err != nil {
		return nil, failure("InvalidCiphertextException", "")
	}
	k, err := s.find(id.String())
	if err != nil {
		return nil, failure("InvalidCiphertextException", "")
	}
	if in.KeyId != nil {
		named, err := s.cipherKey(in.KeyId, in.EncryptionAlgorithm)
		if err != nil {
			return nil, err
		}
		if named != k {
			return nil, failure("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
		}
	}
	plaintext, err := k.open(in.CiphertextBlob, in.EncryptionContext)
	if err != nil {
		return nil, failure("InvalidCiphertextException", "")
	}
	return &api.DecryptOutput{KeyId: &k.ARN, Plaintext: plaintext, EncryptionAlgorithm: types.EncryptionAlgorithmSpecSymmetricDefault}, nil
}

// Owner tells which key made a ciphertext, by ARN, for a request that names none.
func (s *Service) Owner(ciphertext []byte) (arn string, ok bool) {
	id, _, err := owner(ciphertext)
	if err != nil {
		return "", false
	}
	k, err := s.find(id.String())
	if err != nil {
		return "", false
	}
	return k.ARN, true
}

// GenerateDataKey answers fresh random bytes, in the clear and sealed.
func (s *Service) GenerateDataKey(_ context.Context, in *api.GenerateDataKeyInput) (*api.GenerateDataKeyOutput, error) {
	if (in.KeySpec == "") == (in.NumberOfBytes == nil) {
		return nil, invalid("Please specify either number of bytes or key spec.")
	}
	size := aws.ToInt32(in.NumberOfBytes)
	switch in.KeySpec {
	case types.DataKeySpecAes256:
		size = 32
	case types.DataKeySpecAes128:
		size = 16
	}
	if size < 1 || size > 1024 {
		return nil, invalid("1 validation error detected: Value at 'numberOfBytes' failed to satisfy constraint: Member must have value between 1 and 1024")
	}
	k, err := s.cipherKey(in.KeyId, "")
	if err != nil {
		return nil, err
	}
	plaintext := make([]byte, size)
	_, _ = rand.Read(plaintext) // it never fails
	blob, err := k.seal(plaintext, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &api.GenerateDataKeyOutput{KeyId: &k.ARN, Plaintext: plaintext, CiphertextBlob: blob}, nil
}

func (s *Service) cipherKey(name *string, algorithm types.EncryptionAlgorithmSpec) (*key, error) {
	k, err := s.use(name, types.KeyUsageTypeEncryptDecrypt)
	if err != nil {
		return nil, err
	}
	if algorithm != "" && algorithm != types.EncryptionAlgorithmSpecSymmetricDefault {
		return nil, failure("InvalidKeyUsageException", fmt.Sprintf("Algorithm %s is incompatible with key spec %s.", algorithm, k.Spec))
	}
	return k, nil
}

// Sign answers an ECDSA signature in DER, over a message of at most 4096 bytes or its SHA-256.
func (s *Service) Sign(_ context.Context, in *api.SignInput) (*api.SignOutput, error) {
	k, private, digest, err := s.signing(in.KeyId, in.SigningAlgorithm, in.MessageType, in.Message)
	if err != nil {
		return nil, err
	}
	signature, err := ecdsa.SignASN1(rand.Reader, private, digest)
	if err != nil {
		return nil, err
	}
	return &api.SignOutput{KeyId: &k.ARN, Signature: signature, SigningAlgorithm: in.SigningAlgorithm}, nil
}

// Verify answers SignatureValid true, or KMSInvalidSignatureException; never false.
func (s *Service) Verify(_ context.Context, in *api.VerifyInput) (*api.VerifyOutput, error) {
	k, private, digest, err := s.signing(in.KeyId, in.SigningAlgorithm, in.MessageType, in.Message)
	if err != nil {
		return nil, err
	}
	if !ecdsa.VerifyASN1(&private.PublicKey, digest, in.Signature) {
		return nil, failure("KMSInvalidSignatureException", "")
	}
	return &api.VerifyOutput{KeyId: &k.ARN, SignatureValid: true, SigningAlgorithm: in.SigningAlgorithm}, nil
}

func (s *Service) signing(name *string, algorithm types.SigningAlgorithmSpec, form types.MessageType, message []byte) (*key, *ecdsa.PrivateKey, []byte, error) {
	if err := sized("message", message, maxMessage); err != nil {
		return nil, nil, nil, err
	}
	k, err := s.use(name, types.KeyUsageTypeSignVerify)
	if err != nil {
		return nil, nil, nil, err
	}
	if algorithm != types.SigningAlgorithmSpecEcdsaSha256 {
		return nil, nil, nil, failure("InvalidKeyUsageException", fmt.Sprintf("Algorithm %s is incompatible with key spec %s.", algorithm, k.Spec))
	}
	digest := message
	switch form {
	case types.MessageTypeDigest:
		if len(digest) != sha256.Size {
			return nil, nil, nil, invalid("Digest is invalid length for algorithm ECDSA_SHA_256.")
		}
	case types.MessageTypeRaw, "":
		sum := sha256.Sum256(message)
		digest = sum[:]
	default:
		return nil, nil, nil, invalid(fmt.Sprintf("the local stack does not know the message type %s", form))
	}
	private, err := k.signer()
	return k, private, digest, err
}

// GetPublicKey answers a signing key's public half as a DER SubjectPublicKeyInfo.
func (s *Service) GetPublicKey(_ context.Context, in *api.GetPublicKeyInput) (*api.GetPublicKeyOutput, error) {
	k, err := s.find(aws.ToString(in.KeyId))
	if err != nil {
		return nil, err
	}
	if k.Spec != specP256 {
		return nil, failure("UnsupportedOperationException", fmt.Sprintf("%s origin is not valid for this operation.", k.ARN))
	}
	private, err := k.signer()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return nil, err
	}
	return &api.GetPublicKeyOutput{
		KeyId: &k.ARN, PublicKey: der, KeySpec: types.KeySpec(k.Spec), KeyUsage: types.KeyUsageType(k.Usage),
		SigningAlgorithms: []types.SigningAlgorithmSpec{types.SigningAlgorithmSpecEcdsaSha256},
	}, nil
}

// DescribeKey answers what a key is for.
func (s *Service) DescribeKey(_ context.Context, in *api.DescribeKeyInput) (*api.DescribeKeyOutput, error) {
	k, err := s.find(aws.ToString(in.KeyId))
	if err != nil {
		return nil, err
	}
	return &api.DescribeKeyOutput{KeyMetadata: &types.KeyMetadata{
		KeyId: &k.ID, Arn: &k.ARN, Enabled: true, KeyState: types.KeyStateEnabled,
		KeySpec: types.KeySpec(k.Spec), KeyUsage: types.KeyUsageType(k.Usage), KeyManager: types.KeyManagerTypeCustomer,
	}}, nil
}
