// Package chain is the arithmetic of the sealed audit trail: how an event is
// hashed, what a block holds, and what is signed. It does no I/O, so that who
// seals and who verifies, years later and without a network, do the same.
//
// Format 1. All hashes are SHA-256, written as 64 lower-case hex digits.
// canonical(x) is the JSON of x by RFC 8785 (members sorted, no white space,
// numbers as ECMAScript writes them). A label keeps one kind of hash from
// being taken for another:
//
//	event = SHA-256("pagefree audit event 1\n" + canonical(event))
//	leaf  = SHA-256("pagefree audit leaf 1\n"  + canonical({"hash": event, "id": ..., "salt": ...}))
//	block = SHA-256("pagefree audit block 1\n" + canonical({"at", "format": 1, "keyId", "leaves": [leaf...], "number", "previous"}))
//
// The event is the object that GET /v1/audit shows, with its ten members id,
// at, type, actor, subject, teamId, ip, requestId, outcome and detail, and
// without block. The salt is 16 random bytes in hex, made when the event is
// sealed: a leaf alone says nothing of its event, not even to who guesses it.
// The signature of a block is ECDSA on P-256 over its hash, in ASN.1 DER.
package chain

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext" // RFC 8785, and the refusal of members that stand twice
)

// Format is the number of the rules above. A change of any of them makes another.
const Format = 1

// Algorithm is what signatures are, as KMS names it.
const Algorithm = "ECDSA_SHA_256"

// Genesis is the hash before the first block, whose number is 1.
const Genesis = "0000000000000000000000000000000000000000000000000000000000000000"

const (
	eventLabel = "pagefree audit event 1\n"
	leafLabel  = "pagefree audit leaf 1\n"
	blockLabel = "pagefree audit block 1\n"
)

// Canonical is a JSON text by RFC 8785. A text that is no JSON, is not UTF-8,
// or names a member twice (of which readers may take either) is an error.
func Canonical(raw []byte) ([]byte, error) {
	v := jsontext.Value(raw).Clone()
	if err := v.Canonicalize(); err != nil {
		return nil, err
	}
	return v, nil
}

func hash(label string, raw []byte) ([sha256.Size]byte, error) {
	text, err := Canonical(raw)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	return sha256.Sum256(append([]byte(label), text...)), nil
}

// HashEvent is the hash of an event, given as any JSON of it.
func HashEvent(event []byte) (string, error) {
	sum, err := hash(eventLabel, event)
	if err != nil {
		return "", fmt.Errorf("hash an event: %w", err)
	}
	return hex.EncodeToString(sum[:]), nil
}

// Entry is one event of a block: id, salt and hash, or, where the event is not
// the reader's to know, its leaf alone.
type Entry struct {
	ID   string `json:"id,omitempty" dynamodbav:"id"`
	Salt string `json:"salt,omitempty" dynamodbav:"salt"`
	Hash string `json:"hash,omitempty" dynamodbav:"hash"`
	Leaf string `json:"leaf,omitempty" dynamodbav:"-"`
}

// Hidden reports whether the entry shows its leaf alone.
func (e Entry) Hidden() bool { return e.ID == "" && e.Salt == "" && e.Hash == "" }

// leaf is what the block's hash is made of.
func (e Entry) leaf() (string, error) {
	if e.Hidden() {
		if raw, err := hex.DecodeString(e.Leaf); err != nil || len(raw) != sha256.Size {
			return "", errors.New("an entry shows neither an event nor a leaf")
		}
		return e.Leaf, nil
	}
	raw, err := json.Marshal(map[string]string{"id": e.ID, "salt": e.Salt, "hash": e.Hash})
	if err != nil {
		return "", err
	}
	sum, err := hash(leafLabel, raw)
	return hex.EncodeToString(sum[:]), err
}

// Hide returns the entry as those see it who may not know the event.
func (e Entry) Hide() (Entry, error) {
	leaf, err := e.leaf()
	return Entry{Leaf: leaf}, err
}

// Block is a signed list of events, in the order in which they were sealed.
type Block struct {
	Format    int     `json:"format" dynamodbav:"format"`
	Number    int64   `json:"number" dynamodbav:"number"` // from 1, without gaps
	At        string  `json:"at" dynamodbav:"at"`         // when it was sealed; never before the block before it
	Previous  string  `json:"previous" dynamodbav:"previous"`
	KeyID     string  `json:"keyId" dynamodbav:"keyId"`
	Entries   []Entry `json:"entries" nullable:"false" dynamodbav:"entries"`
	Hash      string  `json:"hash" dynamodbav:"hash"` // Digest in hex, for readers; it is not signed by itself
	Signature []byte  `json:"signature" dynamodbav:"signature"`
}

// Digest is the block's hash, which is what is signed.
func (b Block) Digest() ([sha256.Size]byte, error) {
	if b.Format != Format {
		return [sha256.Size]byte{}, fmt.Errorf("format %d is not known", b.Format)
	}
	leaves := make([]string, len(b.Entries))
	for i, e := range b.Entries {
		var err error
		if leaves[i], err = e.leaf(); err != nil {
			return [sha256.Size]byte{}, err
		}
	}
	raw, err := json.Marshal(map[string]any{
		"format": b.Format, "number": b.Number, "at": b.At, "previous": b.Previous, "keyId": b.KeyID, "leaves": leaves,
	})
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	return hash(blockLabel, raw)
}

// Signed reports whether the block's signature is by the key.
func (b Block) Signed(key *ecdsa.PublicKey) bool {
	digest, err := b.Digest()
	return err == nil && ecdsa.VerifyASN1(key, digest[:], b.Signature)
}
