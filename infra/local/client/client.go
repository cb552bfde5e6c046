// Package client speaks PageFree's public HTTP API as its users do: for the
// demo, for measurements and for tests of the whole stack.
package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client is an API at an address. The zero HTTP client is http.DefaultClient.
type Client struct {
	URL  string // without a slash at the end
	Mail string // of the stack whose mailbox gets the links, if it is another
	HTTP *http.Client
}

// Answer is a response, decoded as far as it is a JSON object.
type Answer struct {
	Status int
	Header http.Header
	Body   map[string]any
	Raw    string
}

// Text is a string member of the body, "" where there is none.
func (a Answer) Text(name string) string {
	s, _ := a.Body[name].(string)
	return s
}

// Items are those of a list.
func (a Answer) Items() []map[string]any {
	list, _ := a.Body["items"].([]any)
	var out []map[string]any
	for _, it := range list {
		if m, ok := it.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// Do sends a request; a token of "" sends none.
func (c Client) Do(ctx context.Context, method, path, token string, body any) (Answer, error) {
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return Answer{}, err
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, payload)
	if err != nil {
		return Answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := cmp.Or(c.HTTP, http.DefaultClient).Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Status: res.StatusCode, Header: res.Header, Raw: string(raw)}
	json.Unmarshal(raw, &a.Body) // pages are no JSON: raw has them
	return a, nil
}

// Want is Do for a call that must answer with a status.
func (c Client) Want(ctx context.Context, status int, method, path, token string, body any) (Answer, error) {
	a, err := c.Do(ctx, method, path, token, body)
	if err != nil {
		return a, err
	}
	if a.Status != status {
		return a, fmt.Errorf("%s %s: got %d, want %d: %s", method, path, a.Status, status, strings.TrimSpace(a.Raw))
	}
	return a, nil
}

// SignIn asks for a link, reads it from the mailbox and follows it.
func (c Client) SignIn(ctx context.Context, email string) (string, error) {
	began := time.Now()
	if _, err := c.Want(ctx, http.StatusAccepted, "POST", "/v1/auth/magic-link", "", map[string]any{"email": email}); err != nil {
		return "", err
	}
	link, err := c.Link(ctx, email, began)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(link)
	if err != nil {
		return "", err
	}
	a, err := c.Want(ctx, http.StatusOK, "POST", "/v1/auth/verify", "", map[string]any{"token": u.Query().Get("token")})
	if err != nil {
		return "", err
	}
	session, _ := a.Body["session"].(map[string]any)
	token, _ := session["token"].(string)
	if token == "" {
		return "", fmt.Errorf("verify gave no session: %s", a.Raw)
	}
	return token, nil
}

// Link waits for a mail to an address that is not older than since and has a link with a token, and returns the newest
// one's. Notices, which have none, may come to the same address at the same time.
func (c Client) Link(ctx context.Context, email string, since time.Time) (string, error) {
	since = since.Truncate(time.Millisecond) // as the mailbox's times are
	mailbox := Client{URL: cmp.Or(c.Mail, c.URL), HTTP: c.HTTP}
	for {
		var mails []struct {
			Links []string  `json:"links"`
			At    time.Time `json:"at"`
		}
		a, err := mailbox.Do(ctx, "GET", "/_local/mail?to="+url.QueryEscape(email), "", nil)
		if err != nil {
			return "", err
		}
		if err := json.Unmarshal([]byte(a.Raw), &mails); err != nil {
			return "", fmt.Errorf("the mailbox: %w", err)
		}
		for _, m := range mails { // newest first
			for _, link := range m.Links {
				if !m.At.Before(since) && strings.Contains(link, "token=") {
					return link, nil
				}
			}
		}
		if err := Pause(ctx, 50*time.Millisecond); err != nil {
			return "", fmt.Errorf("no mail to %s came: %w", email, err)
		}
	}
}

// Pause waits, or less when the context ends.
func Pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
