package verify

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"pagefree/internal/audit/chain"
)

// maxLine is above every answer that a Lambda function can give.
const maxLine = 16 << 20

// Input is one file of an export: any number of pages, one after another.
type Input struct {
	Name string
	Data io.Reader
}

// page is one page of an export, as it was read.
type page struct {
	file   string
	at     string // where it starts
	header chain.Header
	keys   []chain.Key
	events []event
	blocks []chain.Block
	end    *chain.End // nil when it was cut off
}

// event is a line of an event.
type event struct {
	at    string
	id    string
	when  string
	hash  string
	block *int64
}

// read cuts the lines of a file into pages. What is no line of an export is a problem, and the rest is read all the same.
func (v *verifier) read(in Input) {
	scanner := bufio.NewScanner(in.Data)
	scanner.Buffer(nil, maxLine)
	var p *page
	for n := 1; scanner.Scan(); n++ {
		at := fmt.Sprintf("%s:%d", in.Name, n)
		line := scanner.Bytes()
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		kind, err := kindOf(line)
		if err != nil {
			v.problem("%s: is no line of an export: %v", at, err)
			continue
		}
		if kind == chain.KindHeader {
			v.cutOff(p)
			p = &page{file: in.Name, at: at}
			v.pages = append(v.pages, p)
		}
		if p == nil || p.end != nil {
			v.problem("%s: stands outside of a page", at)
			continue
		}
		if err := p.add(at, kind, line); err != nil {
			v.problem("%s: %v", at, err)
		}
	}
	if err := scanner.Err(); err != nil {
		v.problem("%s: cannot be read: %v", in.Name, err)
	}
	v.cutOff(p)
	if p == nil {
		v.problem("%s: has no page of an export in it", in.Name)
	}
}

func (v *verifier) cutOff(p *page) {
	if p != nil && p.end == nil {
		v.problem("%s: the page is cut off: it has no end", p.at)
	}
}

// kindOf also refuses a line that names a member twice: what a person reads there need not be what was hashed.
func kindOf(line []byte) (string, error) {
	if _, err := chain.Canonical(line); err != nil {
		return "", err
	}
	var l struct{ Kind string }
	err := json.Unmarshal(line, &l)
	return l.Kind, err
}

// strict reads a line that has no members but those of out: what is neither signed nor known is not passed over.
func strict(line []byte, out any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	return d.Decode(out)
}

func (p *page) add(at, kind string, line []byte) error {
	switch kind {
	case chain.KindHeader:
		if err := strict(line, &p.header); err != nil {
			return err
		}
		if p.header.Format != chain.Format {
			return fmt.Errorf("format %d is not known", p.header.Format)
		}
		if s := p.header.Scope; s != chain.ScopeAll && s != chain.ScopeTeams {
			return fmt.Errorf("scope %q is not known", s)
		}
		return nil
	case chain.KindKey:
		var k chain.Key
		err := strict(line, &k)
		p.keys = append(p.keys, k)
		return err
	case chain.KindEvent:
		return p.addEvent(at, line)
	case chain.KindBlock:
		var b chain.BlockLine
		if err := strict(line, &b); err != nil {
			return err
		}
		if n := len(p.blocks); n > 0 && p.blocks[n-1].Number >= b.Number {
			p.blocks = append(p.blocks, b.Block)
			return fmt.Errorf("block %d is out of order", b.Number)
		}
		p.blocks = append(p.blocks, b.Block)
		return nil
	case chain.KindEnd:
		var e chain.End
		if err := strict(line, &e); err != nil {
			return err
		}
		p.end = &e
		if e.Events != len(p.events) || e.Blocks != len(p.blocks) {
			return fmt.Errorf("the page has %d events and %d blocks; its end says %d and %d", len(p.events), len(p.blocks), e.Events, e.Blocks)
		}
		return nil
	}
	return fmt.Errorf("a line of the kind %q is not known", kind)
}

func (p *page) addEvent(at string, line []byte) error {
	var l chain.EventLine
	if err := strict(line, &l); err != nil {
		return err
	}
	var named struct{ ID, At string }
	if err := json.Unmarshal(l.Event, &named); err != nil {
		return err
	}
	if named.ID == "" {
		return errors.New("an event without an id")
	}
	hash, err := chain.HashEvent(l.Event)
	if err != nil {
		return err
	}
	e := event{at: at, id: named.ID, when: named.At, hash: hash, block: l.Block}
	n := len(p.events)
	p.events = append(p.events, e)
	if n > 0 && p.events[n-1].id >= e.id {
		return fmt.Errorf("event %s is out of order", e.id)
	}
	return nil
}
