package kms_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"pagefree/infra/local/kms"
	"pagefree/infra/local/template"
)

const hmac = types.MacAlgorithmSpecHmacSha256

var (
	macKey    = declared("MacKey", "0a000000-0000-4000-8000-000000000001", "HMAC_256", "GENERATE_VERIFY_MAC")
	otherMac  = declared("OtherKey", "0a000000-0000-4000-8000-000000000002", "HMAC_256", "GENERATE_VERIFY_MAC")
	signKey   = declared("SignKey", "0a000000-0000-4000-8000-000000000003", "ECC_NIST_P256", "SIGN_VERIFY")
	secretKey = declared("SecretKey", "0a000000-0000-4000-8000-000000000004", "", "")
)

func declared(id, uuid, spec, usage string) *template.Key {
	return &template.Key{
		LogicalID: id, ID: uuid, ARN: "arn:aws:kms:us-east-1:000000000000:key/" + uuid, Spec: spec, Usage: usage,
		Aliases: []string{"alias/test-" + id},
	}
}

// open gives the SDK's client of the keys in a folder, over a socket.
func open(t *testing.T, dir string) *api.Client {
	t.Helper()
	s, err := kms.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []*template.Key{macKey, otherMac, signKey, secretKey} {
		if err := s.Ensure(k); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return api.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	})
}

func wantCode(t *testing.T, err error, want string) {
	t.Helper()
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestMac(t *testing.T) {
	c := open(t, "")
	message := []byte("what was approved")
	out, err := c.GenerateMac(t.Context(), &api.GenerateMacInput{KeyId: &macKey.ID, Message: message, MacAlgorithm: hmac})
	if err != nil || len(out.Mac) != 32 || *out.KeyId != macKey.ARN {
		t.Fatalf("got %+v, %v", out, err)
	}
	for name, id := range map[string]string{
		"id": macKey.ID, "ARN": macKey.ARN, "alias": "alias/test-MacKey", "alias's ARN": "arn:aws:kms:us-east-1:000000000000:alias/test-MacKey",
	} {
		got, err := c.VerifyMac(t.Context(), &api.VerifyMacInput{KeyId: &id, Message: message, Mac: out.Mac, MacAlgorithm: hmac})
		if err != nil || !got.MacValid {
			t.Errorf("by %s: got %+v, %v", name, got, err)
		}
	}
	altered := bytes.Clone(out.Mac)
	altered[31] ^= 1
	verify := func(id string, message, mac []byte, algorithm types.MacAlgorithmSpec) error {
		_, err := c.VerifyMac(t.Context(), &api.VerifyMacInput{KeyId: &id, Message: message, Mac: mac, MacAlgorithm: algorithm})
		return err
	}
	tests := map[string]struct {
		err  error
		want string
	}{
		"another message":   {verify(macKey.ID, []byte("something else"), out.Mac, hmac), "KMSInvalidMacException"},
		"an altered MAC":    {verify(macKey.ID, message, altered, hmac), "KMSInvalidMacException"},
		"a shortened MAC":   {verify(macKey.ID, message, out.Mac[:31], hmac), "KMSInvalidMacException"},
		"another key":       {verify(otherMac.ID, message, out.Mac, hmac), "KMSInvalidMacException"},
		"no such key":       {verify("0a000000-0000-4000-8000-00000000000f", message, out.Mac, hmac), "NotFoundException"},
		"no such alias":     {verify("alias/none", message, out.Mac, hmac), "NotFoundException"},
		"another account":   {verify("arn:aws:kms:us-east-1:111111111111:key/"+macKey.ID, message, out.Mac, hmac), "NotFoundException"},
		"a signing key":     {verify(signKey.ID, message, out.Mac, hmac), "InvalidKeyUsageException"},
		"another algorithm": {verify(macKey.ID, message, out.Mac, types.MacAlgorithmSpecHmacSha512), "InvalidKeyUsageException"},
		"no such algorithm": {verify(macKey.ID, message, out.Mac, "MD5"), "ValidationException"},
		"4096 bytes":        {verify(macKey.ID, make([]byte, 4096), out.Mac, hmac), "KMSInvalidMacException"},
		"4097 bytes":        {verify(macKey.ID, make([]byte, 4097), out.Mac, hmac), "ValidationException"},
		"no bytes":          {verify(macKey.ID, []byte{}, out.Mac, hmac), "ValidationException"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { wantCode(t, test.err, test.want) })
	}
}

func TestEncryption(t *testing.T) {
	c := open(t, "")
	purpose := map[string]string{"purpose": "secret", "id": "s1"}
	sealed, err := c.Encrypt(t.Context(), &api.EncryptInput{KeyId: &secretKey.ID, Plaintext: []byte("hunter2"), EncryptionContext: purpose})
	if err != nil || bytes.Contains(sealed.CiphertextBlob, []byte("hunter2")) {
		t.Fatalf("got %+v, %v", sealed, err)
	}
	opened, err := c.Decrypt(t.Context(), &api.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: map[string]string{"id": "s1", "purpose": "secret"}})
	if err != nil || string(opened.Plaintext) != "hunter2" || *opened.KeyId != secretKey.ARN {
		t.Fatalf("got %+v, %v", opened, err)
	}
	altered := bytes.Clone(sealed.CiphertextBlob)
	altered[len(altered)-1] ^= 1
	decrypt := func(blob []byte, context map[string]string, key *string) error {
		_, err := c.Decrypt(t.Context(), &api.DecryptInput{CiphertextBlob: blob, EncryptionContext: context, KeyId: key})
		return err
	}
	const broken = "InvalidCiphertextException"
	tests := map[string]struct {
		err  error
		want string
	}{
		"another context":    {decrypt(sealed.CiphertextBlob, map[string]string{"purpose": "secret", "id": "s2"}, nil), broken},
		"no context":         {decrypt(sealed.CiphertextBlob, nil, nil), broken},
		"an altered text":    {decrypt(altered, purpose, nil), broken},
		"half of it":         {decrypt(sealed.CiphertextBlob[:20], purpose, nil), broken},
		"nonsense":           {decrypt([]byte("x"), purpose, nil), broken},
		"a key for MACs":     {decrypt(sealed.CiphertextBlob, purpose, &macKey.ID), "InvalidKeyUsageException"},
		"a key of no one":    {decrypt(sealed.CiphertextBlob, purpose, aws.String("alias/none")), "NotFoundException"},
		"too long":           {encrypt(t, c, make([]byte, 4097)), "ValidationException"},
		"nothing to encrypt": {encrypt(t, c, []byte{}), "ValidationException"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { wantCode(t, test.err, test.want) })
	}
}

func encrypt(t *testing.T, c *api.Client, b []byte) error {
	_, err := c.Encrypt(t.Context(), &api.EncryptInput{KeyId: &secretKey.ID, Plaintext: b})
	return err
}

func TestDataKey(t *testing.T) {
	c := open(t, "")
	out, err := c.GenerateDataKey(t.Context(), &api.GenerateDataKeyInput{KeyId: &secretKey.ID, KeySpec: types.DataKeySpecAes256})
	if err != nil || len(out.Plaintext) != 32 {
		t.Fatalf("got %+v, %v", out, err)
	}
	opened, err := c.Decrypt(t.Context(), &api.DecryptInput{CiphertextBlob: out.CiphertextBlob})
	if err != nil || !bytes.Equal(opened.Plaintext, out.Plaintext) {
		t.Errorf("got %+v, %v, want the same key", opened, err)
	}
	_, err = c.GenerateDataKey(t.Context(), &api.GenerateDataKeyInput{KeyId: &secretKey.ID})
	wantCode(t, err, "ValidationException")
}

func TestSignature(t *testing.T) {
	c := open(t, "")
	message := []byte("a block of events")
	digest := sha256.Sum256(message)
	public, err := c.GetPublicKey(t.Context(), &api.GetPublicKeyInput{KeyId: &signKey.ID})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParsePKIXPublicKey(public.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for form, bytes := range map[types.MessageType][]byte{types.MessageTypeRaw: message, types.MessageTypeDigest: digest[:]} {
		out, err := c.Sign(t.Context(), &api.SignInput{KeyId: &signKey.ID, Message: bytes, MessageType: form, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
		if err != nil || !ecdsa.VerifyASN1(parsed.(*ecdsa.PublicKey), digest[:], out.Signature) {
			t.Errorf("%s: got %+v, %v, want a signature that the public key verifies", form, out, err)
			continue
		}
		verified, err := c.Verify(t.Context(), &api.VerifyInput{KeyId: &signKey.ID, Message: message, Signature: out.Signature, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
		if err != nil || !verified.SignatureValid {
			t.Errorf("%s: got %+v, %v", form, verified, err)
		}
		_, err = c.Verify(t.Context(), &api.VerifyInput{KeyId: &signKey.ID, Message: []byte("other"), Signature: out.Signature, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
		wantCode(t, err, "KMSInvalidSignatureException")
	}
	_, err = c.GetPublicKey(t.Context(), &api.GetPublicKeyInput{KeyId: &macKey.ID})
	wantCode(t, err, "UnsupportedOperationException")
	_, err = c.Sign(t.Context(), &api.SignInput{KeyId: &signKey.ID, Message: message, MessageType: types.MessageTypeDigest, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
	wantCode(t, err, "ValidationException")
}

func TestKeysStay(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	mac := func() []byte {
		out, err := open(t, dir).GenerateMac(t.Context(), &api.GenerateMacInput{KeyId: &macKey.ID, Message: []byte("m"), MacAlgorithm: hmac})
		if err != nil {
			t.Fatal(err)
		}
		return out.Mac
	}
	if before, after := mac(), mac(); !bytes.Equal(before, after) {
		t.Error("another key after a restart")
	}
	info, err := os.Stat(filepath.Join(dir, macKey.ID+".json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: got %v, %v, want it for its owner only", info, err)
	}
	s, err := kms.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	changed := *macKey
	changed.Spec, changed.Usage = "", ""
	if err := s.Ensure(&changed); err == nil {
		t.Error("a key that becomes another kind: got no error")
	}
	if err := s.Ensure(declared("RSA", "0a000000-0000-4000-8000-00000000000e", "RSA_2048", "SIGN_VERIFY")); err == nil {
		t.Error("a kind that is not made here: got no error")
	}
}
