package ssm

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// history is how long commands are remembered. Source: Systems Manager user guide, command history.
const history = 30 * 24 * time.Hour

func (s *Service) keepDocument(d *document) error { return s.write("documents", d.Name, d) }

func (s *Service) keepCommand(c *command) error { return s.write("commands", c.ID, c) }

// write puts a file beside its place and moves it there, so that half a one is never read.
func (s *Service) write(kind, name string, v any) error {
	if s.opts.Dir == "" {
		return nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	dir := filepath.Join(s.opts.Dir, kind)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, name+".json")
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// load reads what an earlier stack left. Commands that were not at their end go on as the real ones would: what no agent
// had begun is delivered while there is time, and what one ran is never answered.
func (s *Service) load() error {
	if s.opts.Dir == "" {
		return nil
	}
	if err := read(filepath.Join(s.opts.Dir, "documents"), func(d *document) { s.documents[d.Name] = d }); err != nil {
		return err
	}
	if err := read(filepath.Join(s.opts.Dir, "commands"), func(c *command) { s.commands = append(s.commands, c) }); err != nil {
		return err
	}
	slices.SortFunc(s.commands, func(a, b *command) int { return a.Requested.Compare(b.Requested) })
	s.mu.Lock()
	defer s.mu.Unlock()
	var kept []*command
	for _, c := range s.commands {
		if time.Since(c.Requested) > history {
			if err := os.Remove(filepath.Join(s.opts.Dir, "commands", c.ID+".json")); err != nil {
				return err
			}
			continue
		}
		kept = append(kept, c)
		if status, _ := c.status(); !final(status) {
			s.start(c)
		} else {
			c.told = status
		}
	}
	s.commands = kept
	return nil
}

func read[T any](dir string, add func(*T)) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		v := new(T)
		if err := json.Unmarshal(data, v); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		add(v)
	}
	return nil
}
