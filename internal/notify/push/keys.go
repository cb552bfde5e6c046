package push

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/timestamp"
)

// KeyOverlap is how long a pair that was replaced goes on signing. Who opens
// the console in that time subscribes anew without noticing; a device that was
// not used for longer ends.
const KeyOverlap = 90 * 24 * time.Hour

// Pair is a pair of VAPID keys (RFC 8292).
type Pair struct {
	Public  string          `dynamodbav:"public"`  // an uncompressed point of P-256, in base64url: the pair's name too
	Private []byte          `dynamodbav:"private"` // 32 bytes, encrypted for the public one
	MadeAt  timestamp.Time  `dynamodbav:"madeAt"`
	Until   *timestamp.Time `dynamodbav:"until"` // of one that was replaced
}

// ring are all pairs that sign: one item, so that one condition decides who made it.
type ring struct {
	PK         string `dynamodbav:"pk"`
	SK         string `dynamodbav:"sk"`
	Generation int64  `dynamodbav:"generation"` // that the operator asked for when the present pair was made
	Present    Pair   `dynamodbav:"present"`
	Former     []Pair `dynamodbav:"former"` // newest first
	Rev        int64  `dynamodbav:"rev"`
}

var ringKey = dynamo.Key{PK: "vapid#keys", SK: "vapid"}

// find is a pair by its public key, while it signs.
func (r ring) find(public string, now time.Time) (Pair, bool) {
	if r.Present.Public == public && public != "" {
		return r.Present, true
	}
	for _, p := range r.Former {
		if p.Public == public && p.Until != nil && now.Before(p.Until.Time) {
			return p, true
		}
	}
	return Pair{}, false
}

// replaced is the ring with a new pair, beside those that go on signing.
func (r ring) replaced(by Pair, generation int64, now time.Time) ring {
	next := ring{PK: ringKey.PK, SK: ringKey.SK, Generation: generation, Present: by, Rev: r.Rev + 1}
	if r.Present.Public != "" {
		old := r.Present
		old.Until = timestamp.Ptr(now.Add(KeyOverlap))
		next.Former = append(next.Former, old)
	}
	for _, p := range r.Former {
		if p.Until != nil && now.Before(p.Until.Time) {
			next.Former = append(next.Former, p)
		}
	}
	return next
}

// Maker makes keys when there are none, or when the operator counted up the generation.
type Maker struct {
	Identity   dynamo.Table
	Key        *secret.Key // it only encrypts
	Generation int64       // 1 at first
	Audit      audit.Log
	Now        func() time.Time
}

// ring is that with the present pair in it. The first need writes it: of many
// at once, one pair stands and all answer it.
func (m Maker) ring(ctx context.Context) (ring, error) {
	for range rounds {
		var r ring
		if _, err := m.Identity.Get(ctx, ringKey, &r); err != nil {
			return ring{}, err
		}
		if r.Present.Public != "" && r.Generation >= m.Generation {
			return r, nil
		}
		next, err := m.made(ctx, r)
		if err != nil {
			return ring{}, err
		}
		e := audit.Entry{Type: "push_key.created", Subject: audit.Ref{Kind: "push_key", ID: next.Present.Public}, Detail: map[string]any{"generation": m.Generation}}
		err = dynamo.Commit(ctx, m.Identity.DB, m.Identity.Put(next, at(r.Rev)), m.Audit.Record(ctx, m.Now(), e))
		if err == nil {
			return next, nil
		}
		if _, lost := dynamo.Failed(err); !lost && !errors.Is(err, dynamo.ErrContended) {
			return ring{}, err
		}
	}
	return ring{}, dynamo.ErrContended
}

// made is the ring with a fresh pair.
func (m Maker) made(ctx context.Context, r ring) (ring, error) {
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return ring{}, fmt.Errorf("make a key for pushes: %w", err)
	}
	now := m.Now()
	p := Pair{Public: base64.RawURLEncoding.EncodeToString(private.PublicKey().Bytes()), MadeAt: timestamp.Of(now)}
	if p.Private, err = m.Key.EncryptFor(ctx, secret.Push, p.Public, private.Bytes()); err != nil {
		return ring{}, err
	}
	return r.replaced(p, m.Generation, now), nil
}

// Read is the pair of a public key as it is stored; false where there is none
// that signs at now.
func (s Store) Read(ctx context.Context, public string, now time.Time) (Pair, bool, error) {
	var r ring
	if _, err := s.Identity.Get(ctx, ringKey, &r); err != nil {
		return Pair{}, false, err
	}
	p, found := r.find(public, now)
	return p, found, nil
}

// at is the condition that an item is at a revision, 0 for none.
func at(rev int64) expression.ConditionBuilder {
	if rev == 0 {
		return dynamo.Absent()
	}
	return dynamo.Is("rev", rev)
}
