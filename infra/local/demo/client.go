package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// client speaks the public HTTP API, as any user of it would.
type client struct {
	base string
	mail string // of the stack whose mailbox gets the links
	http *http.Client
}

// answer is a response, decoded as far as it is JSON.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func (a answer) text(name string) string {
	s, _ := a.body[name].(string)
	return s
}

func (a answer) items() []map[string]any {
	list, _ := a.body["items"].([]any)
	var out []map[string]any
	for _, it := range list {
		if m, ok := it.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// do sends a request; a token of "" sends none.
func (c client) do(ctx context.Context, method, path, token string, body any) (answer, error) {
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, payload)
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	if err != nil {
		return answer{}, err
	}
	a := answer{status: res.StatusCode, header: res.Header, raw: string(raw)}
	json.Unmarshal(raw, &a.body) // pages are no JSON: raw has them
	return a, nil
}

// want is do for a call that must answer with a status.
func (c client) want(ctx context.Context, status int, method, path, token string, body any) (answer, error) {
	a, err := c.do(ctx, method, path, token, body)
	if err != nil {
		return a, err
	}
	if a.status != status {
		return a, fmt.Errorf("%s %s: got %d, want %d: %s", method, path, a.status, status, strings.TrimSpace(a.raw))
	}
	return a, nil
}

// signIn asks for a link, reads it from the mailbox and follows it.
func (c client) signIn(ctx context.Context, email string) (string, error) {
	began := time.Now().UTC().Add(-time.Second)
	if _, err := c.want(ctx, http.StatusAccepted, "POST", "/v1/auth/magic-link", "", map[string]any{"email": email}); err != nil {
		return "", err
	}
	link, err := c.link(ctx, email, began)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(link)
	if err != nil {
		return "", err
	}
	a, err := c.want(ctx, http.StatusOK, "POST", "/v1/auth/verify", "", map[string]any{"token": u.Query().Get("token")})
	if err != nil {
		return "", err
	}
	session, _ := a.body["session"].(map[string]any)
	token, _ := session["token"].(string)
	if token == "" {
		return "", fmt.Errorf("verify gave no session: %s", a.raw)
	}
	return token, nil
}

// link waits for the newest mail to an address and returns its link.
func (c client) link(ctx context.Context, email string, since time.Time) (string, error) {
	mailbox := client{base: c.mail, http: c.http}
	for {
		var mails []struct {
			Links []string  `json:"links"`
			At    time.Time `json:"at"`
		}
		a, err := mailbox.do(ctx, "GET", "/_local/mail?to="+url.QueryEscape(email), "", nil)
		if err != nil {
			return "", err
		}
		if err := json.Unmarshal([]byte(a.raw), &mails); err != nil {
			return "", fmt.Errorf("the mailbox: %w", err)
		}
		if len(mails) > 0 && mails[0].At.After(since) && len(mails[0].Links) > 0 {
			return mails[0].Links[0], nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return "", fmt.Errorf("no mail to %s came: %w", email, err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
