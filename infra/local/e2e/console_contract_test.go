package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pagefree/infra/local/client"
)

// look asks for a page of the console as a browser does that has a session in its cookie; a form is sent by the page itself.
// Redirects are not followed.
func (c *contract) look(t *testing.T, as, method, target string, form url.Values) client.Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.api.URL+target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if as != nobody {
		req.Header.Set("Cookie", cookie+as)
	}
	req.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", c.api.URL)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	res, err := unfollowing.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer res.Body.Close()
	return read(t, res)
}
