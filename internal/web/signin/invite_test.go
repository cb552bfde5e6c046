package signin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pagefree/internal/platform/timestamp"
)

// invite asks for an invitation as the partner room does, and returns its
// secret, "" where no mail came.
func (w *world) invite(p place) string {
	w.Helper()
	err := w.mails.Send(w.Context(), map[string]any{
		"kind": "invitation", "pageId": p.page.ID, "pageName": p.page.Name, "accessId": p.access.ID, "partnerId": p.account.ID, "personId": p.person.ID,
		"email": p.person.Email, "at": timestamp.Of(w.clock.now()), "ip": "192.0.2.7", "requestId": "11111111-2222-3333-4444-555555555555",
	})
	if err != nil {
		w.Fatal(err)
	}
	mails := w.deliver()
	if len(mails) == 0 {
		return ""
	}
	m := mails[0]
	if len(mails) != 1 || m.To != p.person.Email || m.Subject != "You are invited to the status page "+p.page.Name || len(m.Links) == 0 {
		w.Fatalf("got %+v", mails)
	}
	return secretOf(w.T, m.Links[0], "invite")
}

func TestInvitation(t *testing.T) {
	w := newWorld(t)
	p := w.grant(w.page("acme-cloud", "Acme Cloud", 7), pat)
	secret := w.invite(p)
	if !strings.HasPrefix(secret, "pfi_") {
		t.Fatalf("got %q", secret)
	}
	b := &browser{}
	for range 2 { // a mail scanner was here before: looking changes nothing
		a := w.want(w.get(b, "/signin?invite="+secret), http.StatusOK, "")
		if !strings.Contains(a.body, "<strong>Acme Cloud</strong>") || !strings.Contains(a.body, named(pat)) || strings.Count(a.body, "<button") != 1 || len(a.cookies) > 0 {
			t.Errorf("got %s", a.body)
		}
		if mails := w.deliver(); len(mails) > 0 {
			t.Fatalf("looking mailed %+v", mails)
		}
	}
	for range 2 { // whenever a link is needed
		a := w.want(w.post(b, url.Values{"invite": {secret}}), http.StatusOK, "")
		if len(a.cookies) != 1 || a.cookies[0].Name != "__Host-pf_signin" || strings.Contains(a.body, pat) || !strings.Contains(a.body, `name="code"`) {
			t.Errorf("got %v: %s", a.cookies, a.body)
		}
		if a.header.Get("X-RateLimit-Remaining") == "" {
			t.Error("no X-RateLimit headers")
		}
		mails := w.deliver()
		if len(mails) != 1 || mails[0].To != pat || mails[0].Subject != "Sign in to the status page Acme Cloud" {
			t.Fatalf("got %+v", mails)
		}
		token := secretOf(t, mails[0].Links[0], "token")
		w.codeIn(w.get(&browser{}, "/signin?token="+token)) // it is bound
		if a := w.post(b, url.Values{"token": {token}}); !entered(a, "/status/acme-cloud") {
			t.Errorf("got %d: %s", a.status, a.body)
		}
	}
	w.want(w.verify(secret), http.StatusUnauthorized, "link_invalid") // it is no link itself
}

func TestInvitationThatEnded(t *testing.T) {
	w := newWorld(t)
	changes := map[string]struct {
		change func(*place)
		status int
		says   string
	}{
		"in its last moment": {func(*place) { w.clock.pass(7*24*time.Hour - time.Millisecond) }, http.StatusOK, "You are invited"},
		"too late":           {func(*place) { w.clock.pass(7 * 24 * time.Hour) }, http.StatusGone, "good for 7 days"},
		"the person":         {func(p *place) { p.person.RevokedAt = timestamp.Ptr(w.clock.now()) }, http.StatusNotFound, "leads nowhere"},
		"the access":         {func(p *place) { p.access.RevokedAt = timestamp.Ptr(w.clock.now()) }, http.StatusNotFound, "leads nowhere"},
		"the account":        {func(p *place) { p.account.Active = false }, http.StatusNotFound, "leads nowhere"},
		"another address":    {func(p *place) { p.person.Email = "new@acme.test" }, http.StatusNotFound, "leads nowhere"},
	}
	for name, tt := range changes {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			p := w.grant(w.page("acme-cloud", "Acme Cloud", 7), pat)
			secret := w.invite(p)
			tt.change(&p)
			w.store(p)
			for _, a := range []answer{w.get(&browser{}, "/signin?invite="+secret), w.post(&browser{}, url.Values{"invite": {secret}})} {
				if a.status != tt.status || tt.status != http.StatusOK && (!strings.Contains(a.body, tt.says) || strings.Contains(strings.ToLower(a.body), "acme") || len(a.cookies) > 0) {
					t.Errorf("got %d: %s", a.status, a.body)
				}
			}
			if mails := w.deliver(); (len(mails) == 1) != (tt.status == http.StatusOK) {
				t.Errorf("got mails %+v", mails)
			}
		})
	}
	t.Run("never was", func(t *testing.T) {
		w := w.in(t)
		for _, secret := range []string{"x", "pfi_" + strings.Repeat("A", 43), "pfl_" + strings.Repeat("A", 43)} {
			w.want(w.post(&browser{}, url.Values{"invite": {secret}}), http.StatusNotFound, "")
			program := w.do(nil, http.MethodPost, "/signin", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, "invite="+secret, nil)
			w.want(program, http.StatusNotFound, "invitation_invalid")
		}
		w.want(w.get(&browser{}, "/signin?invite=pfi_x"), http.StatusNotFound, "")
	})
	t.Run("revoked before it was mailed", func(t *testing.T) {
		w := w.in(t)
		p := w.grant(w.page("acme-cloud", "Acme Cloud", 7), pat)
		p.person.RevokedAt = timestamp.Ptr(w.clock.now())
		w.store(p)
		if secret := w.invite(p); secret != "" {
			t.Error("it was mailed")
		}
	})
}

func TestInvitationIsLimited(t *testing.T) {
	w := newWorld(t)
	p := w.grant(w.page("acme-cloud", "Acme Cloud", 7), pat)
	secret := w.invite(p)
	for range 10 {
		w.want(w.post(&browser{}, url.Values{"invite": {secret}}), http.StatusOK, "")
	}
	a := w.want(w.post(&browser{}, url.Values{"invite": {secret}}), http.StatusTooManyRequests, "")
	if a.header.Get("Retry-After") == "" || len(a.cookies) > 0 {
		t.Errorf("got %v", a.header)
	}
	w.want(w.call("/v1/auth/magic-link", map[string]string{"email": pat}, nil), http.StatusTooManyRequests, "rate_limited") // it is the same limit
}

// TestMailOfAnotherKind: what is not understood is not taken for a request of a link.
func TestMailOfAnotherKind(t *testing.T) {
	w := newWorld(t)
	if err := w.sender.Handle(t.Context(), []byte(`{"kind":"digest","email":"`+admin+`","at":"2060-03-01T12:00:00.000Z"}`)); err == nil {
		t.Error("it was handled")
	}
	if got := len(w.env.Mail()); got != 0 {
		t.Errorf("got %d mails, want none", got)
	}
}
