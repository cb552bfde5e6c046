package poll

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// place is how far a stream was read, kept over restarts: the sequence number of the last record of each shard.
type place struct {
	path string // empty: it is not kept
	at   kept
}

type kept struct {
	Stream string            `json:"stream"` // the engine's name: a table that was made anew begins anew
	Shards map[string]string `json:"shards"`
}

func openPlace(dir, name string) (*place, error) {
	p := &place{at: kept{Shards: map[string]string{}}}
	if dir == "" {
		return p, nil
	}
	p.path = filepath.Join(dir, name+".json")
	raw, err := os.ReadFile(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &p.at); err != nil {
		return nil, err
	}
	if p.at.Shards == nil {
		p.at.Shards = map[string]string{}
	}
	return p, nil
}

// begin forgets what belongs to another stream.
func (p *place) begin(stream string) {
	if p.at.Stream != stream {
		p.at = kept{Stream: stream, Shards: map[string]string{}}
	}
}

func (p *place) after(shard string) string { return p.at.Shards[shard] }

// move notes a record as handled. The file is replaced whole, so that no crash leaves half of it.
func (p *place) move(shard, sequence string) error {
	p.at.Shards[shard] = sequence
	if p.path == "" {
		return nil
	}
	raw, err := json.Marshal(p.at)
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.path+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(p.path+".new", p.path)
}
