package signin_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	front "pagefree/infra/local/aws"
	"pagefree/internal/identity"
	"pagefree/internal/platform/token"
)

const pat = "pat@acme.test"

// asked fills in the form in a browser, and returns the token of the link that is mailed.
func (w *world) asked(b *browser, email, next string) string {
	w.Helper()
	a := w.want(w.post(b, url.Values{"email": {email}, "next": {next}}), http.StatusOK, "")
	if !strings.Contains(a.body, "Look into your mail") || !strings.Contains(a.body, `name="code"`) {
		w.Fatalf("got %s", a.body)
	}
	mails := w.deliver()
	if len(mails) != 1 {
		w.Fatalf("got %d mails, want 1", len(mails))
	}
	return secretOf(w.T, mails[0].Links[0], "token")
}

var code = regexp.MustCompile(`<code>([2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4})</code>`)

// codeIn is the code that a page shows.
func (w *world) codeIn(a answer) string {
	w.Helper()
	found := code.FindStringSubmatch(a.body)
	if found == nil {
		w.Fatalf("no code in %s", a.body)
	}
	return found[1]
}

// entered reports whether an answer opened a session and led on to a path.
func entered(a answer, to string) bool {
	for _, c := range a.cookies {
		if c.Name == identity.Cookie && c.Value != "" {
			return a.status == http.StatusSeeOther && a.header.Get("Location") == to
		}
	}
	return false
}

func TestBrowserIsRemembered(t *testing.T) {
	w := newWorld(t)
	w.grant(w.page("acme-cloud", "Acme Cloud", 7), pat)
	b := &browser{}
	a := w.post(b, url.Values{"email": {pat}})
	if len(a.cookies) != 1 {
		t.Fatalf("got cookies %v", a.header["Set-Cookie"])
	}
	c := a.cookies[0]
	if c.Name != "__Host-pf_signin" || !strings.HasPrefix(c.Value, "pfb_") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode ||
		c.Path != "/" || c.Domain != "" || c.MaxAge != 15*60 {
		t.Errorf("cookie: got %s", c.Raw)
	}
	again := w.post(b, url.Values{"email": {pat}})
	if len(again.cookies) != 1 || again.cookies[0].Value != c.Value || again.cookies[0].MaxAge != 15*60 {
		t.Errorf("the second time: got %v, want the same secret for 15 minutes more", again.header["Set-Cookie"])
	}
	for _, value := range []string{"x", "pfs_" + c.Value[4:], ""} {
		odd := &browser{cookies: []*http.Cookie{{Name: "__Host-pf_signin", Value: value}}}
		if a := w.post(odd, url.Values{"email": {pat}}); a.cookies[0].Value == value || !strings.HasPrefix(a.cookies[0].Value, "pfb_") {
			t.Errorf("%q was kept: %v", value, a.header["Set-Cookie"])
		}
	}
	for name, form := range map[string]url.Values{"no address": {"email": {"x"}}, "a link that is not": {"token": {"x"}}} {
		if a := w.post(&browser{}, form); len(a.cookies) != 0 {
			t.Errorf("%s: a refusal set %v", name, a.header["Set-Cookie"])
		}
	}
}

func TestLinkInAnotherBrowser(t *testing.T) {
	w := newWorld(t)
	place := w.grant(w.page("acme-cloud", "Acme Cloud", 7), pat)
	first, second := &browser{}, &browser{}
	token := w.asked(first, pat, "/status/acme-cloud/history")
	target := "/signin?token=" + token

	for _, b := range []*browser{second, {cookies: []*http.Cookie{{Name: "__Host-pf_signin", Value: "pfb_" + strings.Repeat("A", 43)}}}} {
		a := w.want(w.get(b, target), http.StatusOK, "")
		if got := w.codeIn(a); strings.Contains(a.body, token) || !strings.Contains(a.body, "type it only where you asked") || got == "" {
			t.Errorf("got %s", a.body)
		}
		if len(a.cookies) > 0 {
			t.Errorf("looking set %v", a.header["Set-Cookie"])
		}
	}
	if a := w.get(first, target); !strings.Contains(a.body, `name="token" value="`+token+`"`) || code.MatchString(a.body) {
		t.Errorf("the first browser: got %s", a.body)
	}
	refused := w.want(w.post(second, url.Values{"token": {token}}), http.StatusForbidden, "")
	w.codeIn(refused)
	program := w.do(nil, http.MethodPost, "/signin", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, "token="+token, nil)
	w.want(program, http.StatusForbidden, "other_browser")
	a := w.want(w.verify(token), http.StatusUnauthorized, "link_invalid")
	if !strings.Contains(a.text("detail"), "another browser") {
		t.Errorf("detail: got %q", a.text("detail"))
	}
	if len(w.marks(place)) != 0 || w.person(place).AcceptedAt != nil {
		t.Error("a refused link left something")
	}
	if a := w.post(first, url.Values{"token": {token}}); !entered(a, "/status/acme-cloud/history") {
		t.Errorf("after all that the first browser got %d: %s", a.status, a.body)
	}
	for _, b := range []*browser{first, second} {
		if a := w.want(w.get(b, target), http.StatusOK, ""); !strings.Contains(a.body, "was used already") || code.MatchString(a.body) {
			t.Errorf("once used: got %s", a.body)
		}
	}
}

// TestProgramInTheSameBrowser: a page of ours may verify by the JSON API.
func TestProgramInTheSameBrowser(t *testing.T) {
	w := newWorld(t)
	w.grant(w.page("acme-cloud", "Acme Cloud", 7), pat)
	b := &browser{}
	token := w.asked(b, pat, "")
	a := w.call("/v1/auth/verify", map[string]string{"token": token}, http.Header{"Cookie": {"__Host-pf_signin=" + b.cookies[0].Value}})
	w.want(a, http.StatusOK, "")
}

func TestCode(t *testing.T) {
	w := newWorld(t)
	w.grant(w.page("acme-cloud", "Acme Cloud", 7), pat)
	shown := func(w *world, token string) string { return w.codeIn(w.get(&browser{}, "/signin?token="+token)) }

	t.Run("typed in any way", func(t *testing.T) {
		w := w.in(t)
		for _, typed := range []func(string) string{
			func(s string) string { return s },
			strings.ToLower,
			func(s string) string { return " " + strings.ReplaceAll(s, "-", "") + " " },
			func(s string) string { return strings.Join(strings.Split(s, ""), " ") },
			func(s string) string { return strings.ReplaceAll(s, "-", "–") },
		} {
			b := &browser{}
			token := w.asked(b, pat, "")
			if a := w.post(b, url.Values{"code": {typed(shown(w, token))}}); !entered(a, "/status/acme-cloud") {
				t.Errorf("got %d: %s", a.status, a.body)
			}
			w.want(w.verify(token), http.StatusUnauthorized, "link_used")
		}
		w.clock.pass(15 * time.Minute) // the limit of this address
	})
	t.Run("each of several links has its own", func(t *testing.T) {
		w := w.in(t)
		b := &browser{}
		one, two := w.asked(b, pat, ""), w.asked(b, pat, "/status")
		if a := w.post(b, url.Values{"code": {shown(w, two)}}); !entered(a, "/status") {
			t.Errorf("the second: got %d: %s", a.status, a.body)
		}
		if a := w.post(b, url.Values{"code": {shown(w, one)}}); !entered(a, "/status/acme-cloud") {
			t.Errorf("the first: got %d: %s", a.status, a.body)
		}
	})
	t.Run("only where the link was asked for", func(t *testing.T) {
		w := w.in(t)
		b, other := &browser{}, &browser{}
		token := w.asked(b, pat, "")
		w.asked(other, pat, "")
		c := shown(w, token)
		for name, b := range map[string]*browser{"no browser": {}, "another that asked": other} {
			a := w.want(w.post(b, url.Values{"code": {c}}), http.StatusUnprocessableEntity, "")
			if len(a.cookies) > 0 || !strings.Contains(a.body, `aria-invalid="true"`) || !strings.Contains(a.body, `role="alert"`) {
				t.Errorf("%s: got %s", name, a.body)
			}
		}
		program := w.do(other, http.MethodPost, "/signin", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, "code="+c, nil)
		w.want(program, http.StatusUnprocessableEntity, "code_invalid")
		if a := w.post(b, url.Values{"code": {c}}); !entered(a, "/status/acme-cloud") {
			t.Errorf("got %d: %s", a.status, a.body)
		}
	})
	t.Run("too late", func(t *testing.T) {
		w := w.in(t)
		b := &browser{}
		token := w.asked(b, pat, "")
		c := shown(w, token)
		w.clock.pass(15 * time.Minute)
		if a := w.want(w.post(b, url.Values{"code": {c}}), http.StatusUnauthorized, ""); !strings.Contains(a.body, "older than 15 minutes") {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("ten wrong ones", func(t *testing.T) {
		w := w.in(t)
		b := &browser{}
		token := w.asked(b, pat, "")
		right := shown(w, token)
		for range 10 {
			w.want(w.post(b, url.Values{"code": {"22222222"}}), http.StatusUnprocessableEntity, "")
		}
		a := w.want(w.post(b, url.Values{"code": {right}}), http.StatusTooManyRequests, "")
		if a.header.Get("Retry-After") == "" || len(a.cookies) > 0 || !strings.Contains(a.body, "too often") {
			t.Errorf("got %v: %s", a.header, a.body)
		}
		if a := w.post(b, url.Values{"token": {token}}); !entered(a, "/status/acme-cloud") {
			t.Errorf("the link itself: got %d: %s", a.status, a.body)
		}
	})
	t.Run("sixty from a source", func(t *testing.T) {
		w := w.in(t)
		w.source = "2001:db8:1:2::1"
		b := &browser{}
		right := shown(w, w.asked(b, pat, ""))
		fresh := func() *browser {
			return &browser{cookies: []*http.Cookie{{Name: "__Host-pf_signin", Value: token.New(token.Browser)}}}
		}
		for range 60 {
			w.want(w.post(fresh(), url.Values{"code": {"22222222"}}), http.StatusUnprocessableEntity, "")
		}
		w.source = "2001:db8:1:2:ffff::1" // the same network of 64 bits
		w.env.Counts.Reset()
		for _, b := range []*browser{fresh(), b} {
			a := w.want(w.post(b, url.Values{"code": {right}}), http.StatusTooManyRequests, "")
			if a.header.Get("Retry-After") == "" || len(a.cookies) > 0 || !strings.Contains(a.body, "too often") {
				t.Errorf("got %v: %s", a.header, a.body)
			}
		}
		if calls := w.env.Counts.Calls(front.Call{Function: "SigninFunction"}); len(calls) != 2 || calls[0].Operation != "GetItem" || calls[1].Operation != "GetItem" {
			t.Errorf("two refusals cost %v, want a read each", calls)
		}
		w.source = "2001:db8:1:3::1"
		if a := w.post(b, url.Values{"code": {right}}); !entered(a, "/status/acme-cloud") {
			t.Errorf("from another source: got %d: %s", a.status, a.body)
		}
	})
	t.Run("code and link at once", func(t *testing.T) {
		w := w.in(t)
		w.clock.pass(15 * time.Minute)
		b := &browser{}
		token := w.asked(b, pat, "")
		c := shown(w, token)
		cookies := b.cookies
		answers := make([]answer, 8)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() {
				form := url.Values{"token": {token}}
				if i%2 == 0 {
					form = url.Values{"code": {c}}
				}
				answers[i] = w.post(&browser{cookies: cookies}, form)
			})
		}
		wg.Wait()
		opened := 0
		for _, a := range answers {
			if entered(a, "/status/acme-cloud") {
				opened++
			} else if a.status != http.StatusUnauthorized || !strings.Contains(a.body, "used already") {
				t.Errorf("got %d: %s", a.status, a.body)
			}
		}
		if opened != 1 {
			t.Errorf("got %d sessions of one link, want 1", opened)
		}
	})
	t.Run("a page to type it at", func(t *testing.T) {
		w := w.in(t)
		b := &browser{}
		w.asked(b, pat, "")
		if a := w.get(b, "/signin"); !strings.Contains(a.body, `href="signin?sent"`) {
			t.Errorf("it is not led to: %s", a.body)
		}
		if a := w.want(w.get(b, "/signin?sent"), http.StatusOK, ""); !strings.Contains(a.body, `name="code"`) {
			t.Errorf("got %s", a.body)
		}
		if a := w.get(&browser{}, "/signin"); strings.Contains(a.body, "?sent") {
			t.Errorf("a browser that asked for nothing is led to it: %s", a.body)
		}
	})
}
