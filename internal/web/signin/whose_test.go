package signin_test

import (
	stdhtml "html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pagefree/internal/platform/token"
)

// named is an address as the page shows it: apart from the words around it,
// whichever way it is written.
func named(email string) string {
	return `<strong><bdi dir="auto">` + stdhtml.EscapeString(email) + `</bdi></strong>`
}

// TestWhoseLinkItIs: nobody is signed in as somebody else by a button that does
// not say so. A link of the API opens in any browser, its asker's or not.
func TestWhoseLinkItIs(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("a", 64) + "@" + strings.Repeat(strings.Repeat("b", 60)+".", 3) + "test"
	for _, email := range []string{pat, "o'neil&co@acme.test", long} {
		w.grant(w.page("acme-cloud", "Acme Cloud", 7), email)
		b := &browser{}
		bound, unbound := w.asked(b, email, ""), secretOf(t, w.mailed(email, "").Links[0], "token")
		tests := map[string]struct {
			in     *browser
			secret string
			button bool
		}{
			"where it was asked for":      {b, bound, true},
			"elsewhere":                   {&browser{}, bound, false},
			"of the API":                  {&browser{}, unbound, true},
			"of the API, another browser": {b, unbound, true},
		}
		for name, tt := range tests {
			a := w.want(w.get(tt.in, "/signin?token="+tt.secret), http.StatusOK, "")
			if strings.Count(a.body, named(email)) != 1 || strings.Count(a.body, "<button") == 1 != tt.button || code.MatchString(a.body) == tt.button {
				t.Errorf("%s, %s: got %s", email, name, a.body)
			}
			if tt.button && (!strings.Contains(a.body, `<p id="who">Sign in as <strong>`) || !strings.Contains(a.body, `autofocus aria-describedby="who"`) || !strings.Contains(a.body, "Is that not you?")) {
				t.Errorf("%s, %s: it is not said beside the button: %s", email, name, a.body)
			}
		}
		refused := w.want(w.post(&browser{}, url.Values{"token": {bound}}), http.StatusForbidden, "")
		if !strings.Contains(refused.body, named(email)) {
			t.Errorf("%s, refused elsewhere: got %s", email, refused.body)
		}
		for _, secret := range []string{bound, unbound} {
			if a := w.post(b, url.Values{"token": {secret}}); !entered(a, "/status/acme-cloud") {
				t.Errorf("%s: got %d: %s", email, a.status, a.body)
			}
			if a := w.get(b, "/signin?token="+secret); strings.Contains(a.body, stdhtml.EscapeString(email)) || !strings.Contains(a.body, "used already") {
				t.Errorf("%s, once used: got %s", email, a.body)
			}
		}
	}
	t.Run("staff", func(t *testing.T) {
		w := w.in(t)
		link, err := w.operator.ForOperator(t.Context(), operatorRequest(admin))
		if err != nil {
			t.Fatal(err)
		}
		target := "/signin?token=" + secretOf(t, link.Link, "token")
		if a := w.get(&browser{}, target); !strings.Contains(a.body, named(admin)) {
			t.Errorf("got %s", a.body)
		}
		w.clock.pass(15 * time.Minute)
		if a := w.get(&browser{}, target); strings.Contains(a.body, admin) || !strings.Contains(a.body, "older than 15 minutes") {
			t.Errorf("too late: got %s", a.body)
		}
	})
	t.Run("nobody's", func(t *testing.T) {
		w := w.in(t)
		for _, secret := range []string{token.New(token.Link), "pfl_x", "x"} {
			if a := w.get(&browser{}, "/signin?token="+secret); a.status != http.StatusOK || strings.Contains(a.body, "<bdi") || strings.Contains(a.body, `"who"`) || strings.Contains(a.body, "not you") {
				t.Errorf("%s: got %d: %s", secret, a.status, a.body)
			}
		}
		a := w.get(&browser{}, "/signin?token="+token.New(token.Link)+"&email="+url.QueryEscape(admin))
		if strings.Contains(a.body, admin) {
			t.Errorf("the query says whose it is: %s", a.body)
		}
	})
	t.Run("not an address", func(t *testing.T) {
		w := w.in(t)
		for _, email := range []string{"<b>@acme.test", `"<b>"@acme.test`, "a@<b>.test", "\u202ea@acme.test"} {
			w.want(w.call("/v1/auth/magic-link", map[string]string{"email": email}, nil), http.StatusUnprocessableEntity, "validation_failed")
		}
	})
}
