// Package ses is the Simple Email Service of the local stack: SendEmail of version 2 of its API, into a mailbox that a
// person or a test looks into. Nothing leaves this machine.
package ses

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// kept is how many mails the mailbox holds; older ones go first.
const kept = 1000

// Mail is one mail to one recipient, in the shape of `GET /_local/mail`.
type Mail struct {
	To      string   `json:"to"`
	Subject string   `json:"subject"`
	Text    string   `json:"text"`
	HTML    string   `json:"html"`
	Links   []string `json:"links"` // every http address in text and HTML, once, in their order; never null
	At      string   `json:"at"`    // RFC 3339, UTC, milliseconds
	From    string   `json:"from"`
	ID      string   `json:"id"`

	Headers map[string]string `json:"headers,omitempty"` // those that the sender set besides
}

// Options say what the service accepts and where it keeps mail.
type Options struct {
	Dir    string // of the mailbox; empty: in memory only
	Region string // for error messages
	// Identities are the addresses and domains that mail may come from; empty: any.
	Identities []string
	// Publish is told of each event of a mail that was sent with a configuration set: its kind (Bounce or Complaint) and what
	// SES would publish, as JSON. It is called while the sender waits, and must not.
	Publish func(configurationSet, kind, event string)
}

// Service is the mailbox of one account and region.
type Service struct {
	opts Options

	mu    sync.Mutex
	mails []Mail // oldest first
	file  *os.File
}

// Open reads the mailbox that was left in the directory.
func Open(o Options) (*Service, error) {
	s := &Service{opts: o}
	if o.Dir == "" {
		return s, nil
	}
	if err := s.load(filepath.Join(o.Dir, "mail.jsonl")); err != nil {
		return nil, fmt.Errorf("ses: %w", err)
	}
	return s, nil
}

// load reads the mails, one JSON a line, and writes those that are kept to a new file in its place.
func (s *Service) load(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	lines := bufio.NewScanner(strings.NewReader(string(old)))
	lines.Buffer(nil, len(old)+1)
	for lines.Scan() {
		var m Mail
		if json.Unmarshal(lines.Bytes(), &m) == nil { // a torn last line is a mail that was never accepted
			s.keep(m)
		}
	}
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	s.file = file
	for _, m := range s.mails {
		if err := s.write(m); err != nil {
			return err
		}
	}
	return os.Rename(path+".new", path)
}

// Close closes the mailbox. The mails in it stay.
func (s *Service) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// Mails lists the mails to an address, or all for an empty one, newest first. Case does not count in an address.
func (s *Service) Mails(to string) []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Mail{}
	for _, m := range slices.Backward(s.mails) {
		if to == "" || strings.EqualFold(m.To, to) {
			list = append(list, m)
		}
	}
	return list
}

func (s *Service) accept(m Mail) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.At = time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	m.Links = links(m.Text, m.HTML)
	if err := s.write(m); err != nil {
		return err
	}
	s.keep(m)
	return nil
}

func (s *Service) keep(m Mail) {
	s.mails = append(s.mails, m)
	if over := len(s.mails) - kept; over > 0 {
		s.mails = slices.Delete(s.mails, 0, over)
	}
}

func (s *Service) write(m Mail) error {
	if s.file == nil {
		return nil
	}
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = s.file.Write(append(line, '\n'))
	return err
}

var (
	plainLink = regexp.MustCompile(`https?://[^\s<>"']+`)
	htmlLink  = regexp.MustCompile(`(?i)\bhref\s*=\s*(?:"([^"]*)"|'([^']*)')`)
)

func links(text, page string) []string {
	list := []string{}
	add := func(link string) {
		if strings.HasPrefix(link, "http") && !slices.Contains(list, link) {
			list = append(list, link)
		}
	}
	for _, link := range plainLink.FindAllString(text, -1) {
		add(strings.TrimRight(link, ".,;:!?)]"))
	}
	for _, href := range htmlLink.FindAllStringSubmatch(page, -1) {
		add(html.UnescapeString(href[1] + href[2]))
	}
	return list
}
