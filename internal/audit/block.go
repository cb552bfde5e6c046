package audit

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"pagefree/internal/audit/chain"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/timestamp"
)

// BlockSize is how many events a block holds at most. With a mark for each,
// the block and the head, its transaction stays below DynamoDB's 100 items.
const BlockSize = 90

// blockItem is a block as it is stored. It knows the team of each event, in
// the order of the entries, so that a reader is shown its own alone.
type blockItem struct {
	PK    string   `dynamodbav:"pk"`
	SK    string   `dynamodbav:"sk"`
	Teams []string `dynamodbav:"teams"` // "" for what belongs to no team
	chain.Block
}

// head is the end of the chain: the one item of the record that changes, and
// only sealers read it, so that no change of the product waits for it.
type head struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	Number int64  `dynamodbav:"number"`
	Hash   string `dynamodbav:"hash"`
	At     string `dynamodbav:"at"`
}

// mark says in which block an event is sealed. That there can be one alone is
// what keeps an event from being sealed twice, whoever tries, and how often.
// It is found by the event's team and id; byKind, in the order of ids.
type mark struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	ByKind string `dynamodbav:"byKind"`
	ID     string `dynamodbav:"id"`
	Team   string `dynamodbav:"team"`
	Block  int64  `dynamodbav:"block"`
}

// sweepItem is how far the sweep has looked: every event before that id, an
// event's own or not, is sealed for good.
type sweepItem struct {
	PK      string `dynamodbav:"pk"`
	SK      string `dynamodbav:"sk"`
	Through string `dynamodbav:"through"`
}

var (
	headKey  = dynamo.Key{PK: "head#", SK: "head"}
	sweepKey = dynamo.Key{PK: "sweep#", SK: "sweep"}
)

// blocks is the partition of the blocks; a number sorts as text by its width.
const blocks = "block#"

func blockKey(number int64) dynamo.Key {
	return dynamo.Key{PK: blocks, SK: fmt.Sprintf("%012d", number)}
}

func markKey(team, id string) dynamo.Key { return dynamo.Key{PK: "sealed#" + team, SK: id} }

// marks is the partition of the marks in byKind.
const marks = "seal"

// team is the event's team, "" for none.
func (e Event) team() string {
	if e.TeamID == nil {
		return ""
	}
	return *e.TeamID
}

// mark is where it is said in which block the event is.
func (e Event) mark() dynamo.Key { return markKey(e.team(), e.ID) }

// hash is the event's hash in a block.
func (e Event) hash() (string, error) {
	e.Block = nil
	raw, err := json.Marshal(e)
	if err != nil {
		return "", err
	}
	return chain.HashEvent(raw)
}

// after makes the block that follows h, without its signature. Its time is not
// before that of the block before it, whatever this machine's clock says.
func (h head) after(events []Event, keyID string, now time.Time) (blockItem, error) {
	b := blockItem{Block: chain.Block{
		Format: chain.Format, Number: h.Number + 1, Previous: h.Hash, KeyID: keyID, At: max(timestamp.Of(now).String(), h.At),
	}}
	if h.Number == 0 {
		b.Previous = chain.Genesis
	}
	key := blockKey(b.Number)
	b.PK, b.SK = key.PK, key.SK
	for _, e := range events {
		hash, err := e.hash()
		if err != nil {
			return blockItem{}, fmt.Errorf("event %s: %w", e.ID, err)
		}
		salt := make([]byte, 16)
		_, _ = rand.Read(salt) // it never fails
		b.Entries = append(b.Entries, chain.Entry{ID: e.ID, Salt: hex.EncodeToString(salt), Hash: hash})
		b.Teams = append(b.Teams, e.team())
	}
	digest, err := b.Digest()
	b.Hash = hex.EncodeToString(digest[:])
	return b, err
}

// head is the end of the chain once the block is in it.
func (b blockItem) head() head {
	return head{PK: headKey.PK, SK: headKey.SK, Number: b.Number, Hash: b.Hash, At: b.At}
}

// marks say of each event of the block that it is sealed here.
func (b blockItem) marks() []mark {
	var all []mark
	for i, e := range b.Entries {
		key := markKey(b.Teams[i], e.ID)
		all = append(all, mark{PK: key.PK, SK: key.SK, ByKind: marks, ID: e.ID, Team: b.Teams[i], Block: b.Number})
	}
	return all
}

// shown is the block as those see it who may see the events of some teams
// (nil: of all, and of none).
func (b blockItem) shown(mine func(team string) bool) (chain.Block, error) {
	out := b.Block
	out.Entries = make([]chain.Entry, len(b.Entries))
	for i, e := range b.Entries {
		if !mine(b.Teams[i]) {
			var err error
			if e, err = e.Hide(); err != nil {
				return chain.Block{}, err
			}
		}
		out.Entries[i] = e
	}
	return out, nil
}
