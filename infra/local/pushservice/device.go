package pushservice

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// Device is a browser's side of a subscription: what it keeps for itself, and what it gives away.
type Device struct {
	Endpoint string
	Auth     [16]byte
	private  *ecdh.PrivateKey
}

// NewDevice makes a browser that gets its pushes at an endpoint.
func NewDevice(endpoint string) *Device {
	d := &Device{Endpoint: endpoint}
	_, _ = rand.Read(d.Auth[:]) // it never fails
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // only without randomness
	}
	d.private = private
	return d
}

var b64 = base64.RawURLEncoding.EncodeToString

// JSON is what PushSubscription.toJSON gives.
func (d *Device) JSON() map[string]any {
	return map[string]any{"endpoint": d.Endpoint, "expirationTime": nil, "keys": map[string]any{"p256dh": b64(d.private.PublicKey().Bytes()), "auth": b64(d.Auth[:])}}
}

// headerSize is that of a message's header: salt, record size, length of the key, the key (RFC 8188, 2.1; RFC 8291, 4).
const headerSize = 16 + 4 + 1 + 65

// Decrypt opens a message of the content coding aes128gcm as RFC 8291 has it: one record, whose key comes of the sender's
// public key in its header, of the browser's own and of what both share.
func (d *Device) Decrypt(message []byte) ([]byte, error) {
	if len(message) < headerSize+1+16 {
		return nil, errors.New("the message is too short")
	}
	salt, size, sender := message[:16], binary.BigEndian.Uint32(message[16:20]), message[21:headerSize]
	if message[20] != 65 {
		return nil, errors.New("the key in the header has not 65 bytes")
	}
	if record := message[headerSize:]; uint32(len(record)) > size {
		return nil, errors.New("there is more than one record")
	}
	from, err := ecdh.P256().NewPublicKey(sender)
	if err != nil {
		return nil, err
	}
	shared, err := d.private.ECDH(from)
	if err != nil {
		return nil, err
	}
	info := "WebPush: info\x00" + string(d.private.PublicKey().Bytes()) + string(sender)
	ikm, err := hkdf.Key(sha256.New, shared, d.Auth[:], info, 32)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	nonce, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	padded, err := gcm.Open(nil, nonce, message[headerSize:], nil)
	if err != nil {
		return nil, err
	}
	end := len(padded) - 1 // behind the text stands a 2, since it is the last record, and zeros
	for end >= 0 && padded[end] == 0 {
		end--
	}
	if end < 0 || padded[end] != 2 {
		return nil, errors.New("the record has no delimiter of the last one")
	}
	return padded[:end], nil
}
