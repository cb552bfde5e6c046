package chain

import "encoding/json"

// An export is lines of JSON, in pages that follow one another. Each page is a
// Header, a Key, its events by id, the blocks that hold them by number, and an
// End. Each line names its Kind.
const (
	KindHeader = "export"
	KindKey    = "key"
	KindEvent  = "event"
	KindBlock  = "block"
	KindEnd    = "end"
)

// Scopes of an export.
const (
	ScopeAll   = "all"   // everything
	ScopeTeams = "teams" // the events of some teams; of others' events in the same blocks, the leaf alone
)

// Header says what the page shows: events of the scope whose time is not
// before From and not after To, where these are given, and whose id comes
// after After and not after the End's Through.
type Header struct {
	Kind   string   `json:"kind"`
	Format int      `json:"format"`
	Scope  string   `json:"scope"`
	Teams  []string `json:"teams"` // of ScopeTeams
	From   *string  `json:"from"`
	To     *string  `json:"to"`
	After  string   `json:"after"` // "": from the first
}

// Key is the public key that blocks are signed by, a DER SubjectPublicKeyInfo in base64.
type Key struct {
	Kind      string `json:"kind"`
	KeyID     string `json:"keyId"`
	Algorithm string `json:"algorithm"` // Algorithm
	PublicKey []byte `json:"publicKey"`
}

// EventLine is an event, and the number of the block that it is sealed in, if it is.
type EventLine struct {
	Kind  string          `json:"kind"`
	Block *int64          `json:"block,omitempty"`
	Event json.RawMessage `json:"event"`
}

// BlockLine is a block. The same one may stand in several pages.
type BlockLine struct {
	Kind string `json:"kind"`
	Block
}

// Head is the last block of the chain.
type Head struct {
	Number int64  `json:"number"`
	Hash   string `json:"hash"`
}

// End closes a page. NextCursor leads to the next one; null is the end.
type End struct {
	Kind       string  `json:"kind"`
	Events     int     `json:"events"`
	Blocks     int     `json:"blocks"`
	Through    string  `json:"through"`        // "": to the last
	Head       *Head   `json:"head,omitempty"` // at the end of ScopeAll without From and To
	NextCursor *string `json:"nextCursor"`
}
