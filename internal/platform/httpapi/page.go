package httpapi

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"pagefree/internal/platform/problem"
)

// PageInput are the query parameters of every list.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"how many items at most"`
	Cursor string `query:"cursor" doc:"nextCursor of the page before"`
}

// List is the body of every list, newest first unless said otherwise.
type List[T any] struct {
	Items      []T     `json:"items" nullable:"false"`
	NextCursor *string `json:"nextCursor" doc:"give it as cursor for the next page; null at the end"`
}

// ListOutput is a whole answer with a list in it.
type ListOutput[T any] struct{ Body List[T] }

// Page is what a service is asked for: at most Limit items that sort after
// (are older than) Before, an id. An empty Before starts at the newest.
type Page struct {
	Limit  int
	Before string
}

// Cursors seals the position of a list, so that a cursor that was not ours, or
// was altered, or belongs to another list, is a 400 and never a way to look
// into other keys. What it holds cannot be read: where a filter left out what
// the caller may not see, the position is the id of such a thing. The zero
// value is not usable.
type Cursors struct {
	derive func(ctx context.Context, label string) ([]byte, error)
	once   sync.Mutex
	key    []byte
	aead   cipher.AEAD
}

// NewCursors returns Cursors whose key comes from derive, asked once when the
// first cursor is made or read.
func NewCursors(derive func(ctx context.Context, label string) ([]byte, error)) *Cursors {
	return &Cursors{derive: derive}
}

// ready derives the keys when they are needed first.
func (c *Cursors) ready(ctx context.Context) error {
	c.once.Lock()
	defer c.once.Unlock()
	if c.aead != nil {
		return nil
	}
	key, err := c.derive(ctx, "cursor")
	if err != nil {
		return err
	}
	sum := sha256.Sum256(key)
	block, err := aes.NewCipher(sum[:])
	if err != nil {
		return err
	}
	c.key = key
	c.aead, err = cipher.NewGCM(block)
	return err
}

// seal makes a cursor. Its nonce is made of what it holds, so that the same
// page has the same cursor, and with it the same ETag.
func (c *Cursors) seal(list, position string) string {
	h := hmac.New(sha256.New, c.key)
	h.Write([]byte(list + strconv.Quote(position)))
	nonce := h.Sum(nil)[:c.aead.NonceSize()]
	return base64.RawURLEncoding.EncodeToString(c.aead.Seal(nonce, nonce, []byte(position), []byte(list)))
}

// nameOf tells lists apart, whatever their filters hold.
func nameOf(list []string) string {
	name := ""
	for _, part := range list {
		name += strconv.Quote(part)
	}
	return name
}

// Open turns a list's query into a Page. list names the list and its filters:
// a cursor is good for the very same list alone.
func (c *Cursors) Open(ctx context.Context, in PageInput, list ...string) (Page, error) {
	page := Page{Limit: in.Limit}
	if in.Cursor == "" {
		return page, nil
	}
	if err := c.ready(ctx); err != nil {
		return Page{}, err
	}
	invalid := problem.New(http.StatusBadRequest, problem.CursorInvalid, "The cursor is not one of this list. Start again without it.")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(in.Cursor)
	if err != nil || strings.ContainsAny(in.Cursor, "\r\n") || len(raw) < c.aead.NonceSize() { // base64 skips line ends
		return Page{}, invalid
	}
	position, err := c.aead.Open(nil, raw[:c.aead.NonceSize()], raw[c.aead.NonceSize():], []byte(nameOf(list)))
	if err != nil || len(position) == 0 {
		return Page{}, invalid
	}
	page.Before = string(position)
	return page, nil
}

// maxAnswer bounds the JSON of a list's items, in bytes: Lambda answers with
// 6 MB at most, and escapes the body once more.
const maxAnswer = 2 << 20

// Fit cuts a list to what fits into an answer, at least one item, and gives
// the position to go on from. Every list of what people may write at length
// needs it, or a few long items make an answer that nobody gets.
func Fit[T any](items []T, next string, position func(T) string) ([]T, string, error) {
	size := 0
	for i, item := range items {
		raw, err := json.Marshal(item)
		if err != nil {
			return nil, "", err
		}
		if size += len(raw); size > maxAnswer && i > 0 {
			return items[:i], position(items[i-1]), nil
		}
	}
	return items, next, nil
}

// Answer makes the body of a list; next is the position that the store
// reported, empty at the end. list is what Open was given.
func Answer[T any](ctx context.Context, c *Cursors, items []T, next string, list ...string) (*ListOutput[T], error) {
	if items == nil {
		items = []T{}
	}
	cursor, err := c.Seal(ctx, next, list...)
	return &ListOutput[T]{Body: List[T]{Items: items, NextCursor: cursor}}, err
}

// Seal makes the cursor of a position, nil at the end. list is what Open was given.
func (c *Cursors) Seal(ctx context.Context, next string, list ...string) (*string, error) {
	if next == "" {
		return nil, nil
	}
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	cursor := c.seal(nameOf(list), next)
	return &cursor, nil
}
