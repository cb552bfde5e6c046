package signin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	front "pagefree/infra/local/aws"
	"pagefree/internal/identity"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
)

// TestPartnerSignsIn goes from the mail to the session, and to what the
// authorizer makes of it.
func TestPartnerSignsIn(t *testing.T) {
	w := newWorld(t)
	const email = "partner@acme.test"
	acme, edge := w.grant(w.page("acme-cloud", "Acme Cloud", 7), email), w.grant(w.page("edge", "Edge", 30), email)
	mail := w.mailed(email, "")
	opened := w.want(w.verify(secretOf(t, mail.Links[0], "token")), http.StatusOK, "")
	if got, want := opened.text("session.kind")+" "+opened.text("session.expiresAt"), "partner 2060-03-31T12:00:00.000Z"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	session := opened.text("session.token")
	p := w.looker(session, "/status/edge/history")
	if p.Kind != principal.Partner || p.Partner.Via != seat.BySession || len(p.Partner.Seats) != 2 || p.Partner.Since == nil {
		t.Fatalf("got %+v", p)
	}
	for _, place := range []place{acme, edge} {
		marks := w.marks(place)
		if len(marks) != 1 || marks[0].ID != p.ID || marks[0].PersonID != place.person.ID || marks[0].IP != "192.0.2.7" || marks[0].UserAgent != "Firefox/999" {
			t.Fatalf("marks at %s: got %+v", place.page.Slug, marks)
		}
		if at := w.person(place).AcceptedAt; at == nil || !at.Equal(w.clock.now()) {
			t.Errorf("acceptedAt at %s: got %v", place.page.Slug, at)
		}
	}
	if got, want := w.marks(acme)[0].ExpiresAt.String(), "2060-03-08T12:00:00.000Z"; got != want {
		t.Errorf("at a page of 7 days it ends %s, want %s", got, want)
	}
}

// types are the types of events, with the person and the team that each names.
func (w *world) types(p place) []string {
	w.Helper()
	var got []string
	for _, e := range w.trail(p) {
		if e.TeamID == nil || *e.TeamID != p.page.TeamID || e.Actor.Kind != "partner" || e.Actor.ID != p.person.ID {
			w.Errorf("%s is of %v, team %v", e.Type, e.Actor, e.TeamID)
		}
		if text := fmt.Sprint(e); strings.Contains(text, "pfl_") || strings.Contains(text, "pfs_") {
			w.Errorf("an event holds a secret: %s", text)
		}
		got = append(got, e.Type)
	}
	return got
}

func (w *world) signOut(session string) answer {
	w.Helper()
	h := http.Header{"Authorization": {"Bearer " + session}}
	v := w.authorize("/v1/auth/sign-out", http.MethodPost, "/v1/auth/sign-out", h)
	if v.PolicyDocument.Statement[0].Effect != "Allow" {
		return answer{status: http.StatusUnauthorized}
	}
	if v.UsageIdentifierKey != "partners" {
		w.Errorf("it falls under the plan %q", v.UsageIdentifierKey)
	}
	return w.do(nil, http.MethodPost, "/v1/auth/sign-out", nil, "", v.Context)
}

func TestPartnerSignsOut(t *testing.T) {
	w := newWorld(t)
	acme, edge := w.grant(w.page("acme-cloud", "Acme Cloud", 7), pat), w.grant(w.page("edge", "Edge", 30), pat)
	open := func() string {
		return w.want(w.verify(secretOf(t, w.mailed(pat, "").Links[0], "token")), http.StatusOK, "").text("session.token")
	}
	session, other := open(), open()
	if out := w.want(w.signOut(session), http.StatusNoContent, ""); len(out.cookies) != 1 || out.cookies[0].MaxAge >= 0 {
		t.Errorf("it set %v", out.header["Set-Cookie"])
	}
	if p := w.looker(session, "/status/edge"); p.ID != "" {
		t.Errorf("signed out, and still %+v", p)
	}
	if w.looker(other, "/status/edge").ID == "" {
		t.Error("another session ended with it")
	}
	for _, p := range []place{acme, edge} {
		if marks := w.marks(p); len(marks) != 1 || marks[0].ID != w.looker(other, "/status").ID {
			t.Errorf("%s: got marks %+v, want that of the other", p.page.Slug, marks)
		}
		if got, want := w.types(p), []string{"link.issued", "session.created", "link.issued", "session.created", "session.ended"}; !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", p.page.Slug, got, want)
		}
	}
	w.want(w.signOut(session), http.StatusUnauthorized, "")

	t.Run("once every place is gone", func(t *testing.T) {
		w := w.in(t)
		acme.person.RevokedAt, edge.account.Active = timestamp.Ptr(w.clock.now()), false
		w.store(acme)
		w.store(edge)
		w.want(w.signOut(other), http.StatusNoContent, "")
		if got := len(w.marks(acme)) + len(w.marks(edge)); got != 0 {
			t.Errorf("got %d marks, want none", got)
		}
	})
}

func TestWhoGetsWhichLink(t *testing.T) {
	w := newWorld(t)
	acme := w.page("acme-cloud", "Acme Cloud", 7)
	w.grant(acme, pat)
	w.grant(w.page("edge", "Edge", 7), pat)
	w.grant(acme, "sam@acme.test")
	w.grant(acme, admin) // who is the first admin besides
	if _, err := w.operator.ForOperator(t.Context(), operatorRequest(admin)); err != nil {
		t.Fatal(err)
	}
	gone := w.grant(acme, "gone@acme.test")
	gone.access.RevokedAt = timestamp.Ptr(w.clock.now())
	w.store(gone)
	tests := map[string]struct{ email, next, subject, kind, leads string }{
		"one page":                             {"sam@acme.test", "", "Sign in to the status page Acme Cloud", "partner", "/status/acme-cloud"},
		"one page, and another was asked for":  {"sam@acme.test", "/status/edge", "Sign in to your status pages", "partner", "/status/edge"},
		"one page, and the console asked for":  {"sam@acme.test", "/console", "Sign in to the status page Acme Cloud", "partner", "/status/acme-cloud"},
		"one page, and no path of ours":        {"sam@acme.test", "//evil.example/status/x", "Sign in to the status page Acme Cloud", "partner", "/status/acme-cloud"},
		"several pages":                        {pat, "", "Sign in to your status pages", "partner", "/status"},
		"several pages, by one":                {pat, "/status/edge/history?cursor=x", "Sign in to the status page Edge", "partner", "/status/edge/history?cursor=x"},
		"several pages, by one that begins so": {pat, "/status/edge-2", "Sign in to your status pages", "partner", "/status/edge-2"},
		"staff too":                            {admin, "", "Sign in to PageFree", "staff", "/console"},
		"staff too, for the console":           {admin, "/console", "Sign in to PageFree", "staff", "/console"},
		"staff too, for a page":                {admin, "/status/acme-cloud", "Sign in to the status page Acme Cloud", "partner", "/status/acme-cloud"},
		"staff too, for something like a page": {admin, "/statuses", "Sign in to PageFree", "staff", "/statuses"},
		"whose access was revoked":             {"gone@acme.test", "", "", "", ""},
		"whose access was revoked, for a page": {"gone@acme.test", "/status/acme-cloud", "", "", ""},
		"nobody":                               {"nobody@acme.test", "/status/acme-cloud", "", "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			w.clock.pass(15 * time.Minute)
			w.want(w.call("/v1/auth/magic-link", map[string]string{"email": tt.email, "next": tt.next}, nil), http.StatusAccepted, "")
			mails := w.deliver()
			if tt.subject == "" {
				if len(mails) != 0 {
					t.Errorf("got %+v, want no mail", mails)
				}
				return
			}
			if len(mails) != 1 || mails[0].Subject != tt.subject || mails[0].To != tt.email {
				t.Fatalf("got %+v, want %q", mails, tt.subject)
			}
			if other := "Edge"; !strings.Contains(tt.subject, other) && strings.Contains(mails[0].Text+mails[0].HTML, other) {
				t.Errorf("the mail names a page that it is not about: %s", mails[0].Text)
			}
			token := secretOf(t, mails[0].Links[0], "token")
			a := w.post(&browser{}, url.Values{"token": {token}})
			if !entered(a, tt.leads) {
				t.Fatalf("got %d to %q, want %q", a.status, a.header.Get("Location"), tt.leads)
			}
			v := w.authorize("/v1/me", http.MethodGet, "/v1/me", http.Header{"Authorization": {"Bearer " + a.cookies[0].Value}})
			if staff := v.PolicyDocument.Statement[0].Effect == "Allow"; staff != (tt.kind == "staff") {
				t.Errorf("let in to the staff API: %v", staff)
			}
			if want := 7 * 24 * 60 * 60; tt.kind == "partner" && a.cookies[0].MaxAge != want {
				t.Errorf("the cookie lives %d s, want %d", a.cookies[0].MaxAge, want)
			}
		})
	}
	t.Run("staff that was deactivated", func(t *testing.T) {
		w := w.in(t)
		w.deactivate(admin)
		w.clock.pass(15 * time.Minute)
		mail := w.mailed(admin, "")
		if mail.Subject != "Sign in to the status page Acme Cloud" {
			t.Errorf("got %q", mail.Subject)
		}
	})
}

// TestNobodyIsToldApart: who asks learns nothing of an address, neither from
// the answer nor from the work that is done for it.
func TestNobodyIsToldApart(t *testing.T) {
	w := newWorld(t)
	w.grant(w.page("acme-cloud", "Acme Cloud", 7), pat)
	if _, err := w.operator.ForOperator(t.Context(), operatorRequest(admin)); err != nil {
		t.Fatal(err)
	}
	type seen struct{ body, calls string }
	var first seen
	for i, email := range []string{pat, admin, "nobody@acme.test"} {
		w.clock.pass(time.Minute) // what was leased of the ceiling, by whom it may be, has ended
		w.env.Counts.Reset()
		a := w.want(w.do(&browser{}, http.MethodPost, "/signin", http.Header{"Accept": {html}, "Content-Type": {"application/x-www-form-urlencoded"}},
			url.Values{"email": {email}, "next": {"/status/acme-cloud"}}.Encode(), nil), http.StatusOK, "")
		var calls []string
		for _, operation := range []string{"", "GetItem", "BatchGetItem", "Query", "TransactWriteItems", "UpdateItem", "SendMessage"} {
			calls = append(calls, fmt.Sprint(operation, w.env.Counts.Number(front.Call{Function: "SigninFunction", Operation: operation})))
		}
		got := seen{a.body, strings.Join(calls, " ")}
		if i == 0 {
			first = got
		} else if got != first {
			t.Errorf("%s: got %+v, want %+v", email, got, first)
		}
	}
	if !strings.Contains(first.calls, "BatchGetItem0 Query0") {
		t.Errorf("asking looks for partners: %s", first.calls)
	}
}

func TestPlacesLostSinceTheMail(t *testing.T) {
	w := newWorld(t)
	changes := map[string]func(*place, time.Time){
		"the person":      func(p *place, now time.Time) { p.person.RevokedAt = timestamp.Ptr(now) },
		"the access":      func(p *place, now time.Time) { p.access.RevokedAt = timestamp.Ptr(now) },
		"it expired":      func(p *place, now time.Time) { p.access.ExpiresAt = timestamp.Ptr(now) },
		"the account":     func(p *place, _ time.Time) { p.account.Active = false },
		"another address": func(p *place, _ time.Time) { p.person.Email = "new@acme.test" },
	}
	n := 0
	for name, change := range changes {
		n++
		email := fmt.Sprintf("p%d@acme.test", n)
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			p := w.grant(w.page("acme-cloud", "Acme Cloud", 7), email)
			token := secretOf(t, w.mailed(email, "").Links[0], "token")
			change(&p, w.clock.now())
			w.store(p)
			w.want(w.verify(token), http.StatusUnauthorized, "link_invalid")
			if len(w.marks(p)) > 0 || w.person(p).AcceptedAt != nil {
				t.Error("something was left")
			}
		})
	}
	t.Run("while the session is opened", func(t *testing.T) {
		w := w.in(t)
		lost, kept := w.grant(w.page("acme-cloud", "Acme Cloud", 7), pat), w.grant(w.page("edge", "Edge", 1), pat)
		token, last := secretOf(t, w.mailed(pat, "").Links[0], "token"), secretOf(t, w.mailed(pat, "").Links[0], "token")
		directory := w.sessions.Partners
		defer func() { w.sessions.Partners = directory }()
		revoke := func(p place) {
			p.person.RevokedAt = timestamp.Ptr(w.clock.now())
			w.put("people#"+p.access.ID, p.person.ID, p.person)
		}
		w.sessions.Partners = &raced{Partners: directory, after: func() { revoke(lost) }}
		opened := w.want(w.verify(token), http.StatusOK, "")
		if got := opened.text("session.expiresAt"); got != timestamp.Of(w.clock.now().Add(24*time.Hour)).String() {
			t.Errorf("it ends %s, by the page that was lost", got)
		}
		if len(w.marks(lost)) > 0 || len(w.marks(kept)) != 1 || w.person(lost).AcceptedAt != nil {
			t.Errorf("got marks %v and %v", w.marks(lost), w.marks(kept))
		}
		w.sessions.Partners = &raced{Partners: directory, after: func() { revoke(kept) }}
		w.want(w.verify(last), http.StatusUnauthorized, "link_invalid")
	})
}

// raced is a directory after whose first word somebody else is faster.
type raced struct {
	identity.Partners
	after func()
	once  sync.Once
}

func (r *raced) Places(ctx context.Context, email string, now time.Time) ([]seat.Place, error) {
	places, err := r.Partners.Places(ctx, email, now)
	r.once.Do(r.after)
	return places, err
}

func TestOneLinkManyTimes(t *testing.T) {
	w := newWorld(t)
	p := w.grant(w.page("acme-cloud", "Acme Cloud", 7), pat)
	token := secretOf(t, w.mailed(pat, "").Links[0], "token")
	w.env.Faults.Add(front.Fault{Function: "SigninFunction", Operation: "TransactWriteItems", Do: front.Conflict, Nth: 3, Times: 5})
	answers := make([]answer, 40)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = w.verify(token) })
	}
	wg.Wait()
	opened := 0
	for _, a := range answers {
		if a.status == http.StatusOK {
			opened++
		} else if a.text("code") != "link_used" {
			t.Errorf("got %d %s", a.status, a.body)
		}
	}
	if opened != 1 || len(w.marks(p)) != 1 {
		t.Errorf("got %d sessions and %d marks of one link, want 1 and 1", opened, len(w.marks(p)))
	}
}

func TestPartnerSessionEnds(t *testing.T) {
	w := newWorld(t)
	w.grant(w.page("acme-cloud", "Acme Cloud", 1.0/24), pat)
	session := w.want(w.verify(secretOf(t, w.mailed(pat, "").Links[0], "token")), http.StatusOK, "").text("session.token")
	w.clock.pass(time.Hour - time.Millisecond)
	w.env.Counts.Reset()
	if w.looker(session, "/status/acme-cloud").ID == "" {
		t.Error("it ended before its time")
	}
	if got := w.env.Counts.Number(front.Call{Function: "AuthorizerFunction"}); got != 1 {
		t.Errorf("got %d calls for a look, want one read", got)
	}
	w.clock.pass(time.Millisecond)
	if w.looker(session, "/status/acme-cloud").ID != "" {
		t.Error("it lived longer than its hour")
	}
	w.want(w.signOut(session), http.StatusUnauthorized, "")
}

// TestManyPlaces: an address that has more places than a session holds gets the
// newest, in one transaction, and API Gateway takes what the authorizer says.
func TestManyPlaces(t *testing.T) {
	w := newWorld(t)
	var all []place
	for i := range seat.Max + 3 {
		p := w.grant(w.page(fmt.Sprintf("%s-%02d", strings.Repeat("x", 60), i), "Page", 7), pat)
		p.account.Epoch = 100
		w.store(p)
		all = append(all, p)
		w.clock.pass(time.Millisecond)
	}
	revoked := all[seat.Max]
	revoked.access.RevokedAt = timestamp.Ptr(w.clock.now())
	w.store(revoked)
	session := w.want(w.verify(secretOf(t, w.mailed(pat, "").Links[0], "token")), http.StatusOK, "").text("session.token")
	newest := all[len(all)-1]
	v := w.authorize("/status/{proxy+}", http.MethodGet, "/status/"+newest.page.Slug+"/feed.atom", http.Header{"Authorization": {"Bearer " + session}})
	if size := jsonSize(t, v); size > 8<<10 {
		t.Errorf("the authorizer's answer has %d bytes, API Gateway takes %d", size, 8<<10)
	}
	p := w.looker(session, "/status/"+newest.page.Slug)
	if len(p.Partner.Seats) != seat.Max || p.Partner.Seats[0].AccessID != newest.access.ID || p.Partner.Seats[0].Slug != newest.page.Slug || p.Partner.Seats[0].Epoch != 100 {
		t.Errorf("got %d seats, the first %+v", len(p.Partner.Seats), p.Partner.Seats[0])
	}
	for i, place := range all {
		want := 1
		if i < 2 || i == seat.Max {
			want = 0
		}
		if got := len(w.marks(place)); got != want {
			t.Errorf("place %d: got %d marks, want %d", i, got, want)
		}
	}
	w.want(w.signOut(session), http.StatusNoContent, "")
}

// TestPartnersAreNobodyToStaff asks the authorizer with everything that a
// partner may have, on resources of the staff API.
func TestPartnersAreNobodyToStaff(t *testing.T) {
	w := newWorld(t)
	place := w.grant(w.page("acme-cloud", "Acme Cloud", 7), pat)
	session := w.want(w.verify(secretOf(t, w.mailed(pat, "").Links[0], "token")), http.StatusOK, "").text("session.token")
	secrets := map[string]string{"session": session}
	for via, kind := range kinds {
		secrets[string(via)] = w.pass(kind, seat.Pass{Via: via, PageID: place.page.ID, AccessID: place.access.ID, PartnerID: place.account.ID})
	}
	for _, resource := range []string{"/v1/me", "/v1/users", "/v1/runbooks/{proxy+}", "/v1/status-pages", "/v1/status-pages/{proxy+}", "/v1/partners", "/v1/realtime/tickets", "/v1/auth/sign-out", "/statuses", ""} {
		for name, secret := range secrets {
			for place, h := range map[string]http.Header{"bearer": {"Authorization": {"Bearer " + secret}}, "key": {"X-Api-Key": {secret}}, "cookie": {"Cookie": {"__Host-pf_session=" + secret}}} {
				if resource == "/v1/auth/sign-out" && name == "session" && place != "key" {
					continue // the one exception
				}
				v := w.authorize(resource, http.MethodPost, "/v1/x/feed.atom?feed="+secrets["feed"]+"&token="+secrets["shared"], h)
				if v.PolicyDocument.Statement[0].Effect != "Deny" || v.Context["code"] != "unauthenticated" || v.Context["principal"] != nil {
					t.Errorf("%s with a %s as %s: got %v", resource, name, place, v)
				}
			}
		}
	}
	v := w.authorize("/v1/auth/sign-out", http.MethodPost, "/v1/auth/sign-out", http.Header{"Cookie": {"__Host-pf_session=" + session}, "Origin": {"https://evil.example"}})
	if v.Context["problem"] != "cross_origin" {
		t.Errorf("signed out by another site's page: %v", v.Context)
	}
	if p, ok := principal.From(principal.With(t.Context(), w.looker(session, "/status"))); ok {
		t.Errorf("rooms take a partner for %+v", p)
	}
}
