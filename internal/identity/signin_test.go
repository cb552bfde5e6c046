package identity_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	front "pagefree/infra/local/aws"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/token"
)

func (w *world) ask(email, ip string) answer {
	w.Helper()
	return w.do(request{route: "POST /v1/auth/magic-link", body: map[string]string{"email": email}, ip: ip})
}

func TestMagicLink(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn(adminEmail)
	ann, _ := w.hire(admin, "ann", "", "")
	known := w.want(w.ask("Ann@PageFree.test", "192.0.2.1"), http.StatusAccepted, "")
	unknown := w.want(w.ask("nobody@pagefree.test", "192.0.2.2"), http.StatusAccepted, "")
	if string(known.body) != string(unknown.body) {
		t.Errorf("the answers differ: %s, %s", known.body, unknown.body)
	}
	for name := range known.header {
		if !slices.Equal(known.header[name], unknown.header[name]) {
			t.Errorf("%s differs: %v, %v", name, known.header[name], unknown.header[name])
		}
	}
	if got := known.header.Get("X-Ratelimit-Limit") + " " + known.header.Get("X-Ratelimit-Remaining"); got != "10 9" {
		t.Errorf("limit and remaining: got %s, want 10 9", got)
	}
	if n := w.deliver(); n != 2 {
		t.Fatalf("got %d messages in the queue, want 2", n)
	}
	mails := w.env.Mail()
	if len(mails) != 1 {
		t.Fatalf("got %d mails, want 1: nobody has the other address", len(mails))
	}
	mail := mails[0]
	if mail.To != "ann@pagefree.test" || mail.Subject != "Sign in to PageFree" || len(mail.Links) != 1 {
		t.Fatalf("got %+v", mail)
	}
	if !strings.HasPrefix(mail.Links[0], "https://"+host+"/signin?token=pfl_") || !strings.Contains(mail.HTML, "pfl_") {
		t.Errorf("the link: got %s", mail.Links[0])
	}
	token := tokenOf(t, mail.Links[0])
	opened := w.want(w.verify(token), http.StatusOK, "")
	if got := opened.text("session.kind"); got != "staff" {
		t.Errorf("kind: got %q, want staff", got)
	}
	if got, want := opened.text("session.expiresAt"), "2060-03-02T12:00:00.000Z"; got != want {
		t.Errorf("expiresAt: got %q, want %q", got, want)
	}
	cookie := must(http.ParseSetCookie(opened.header.Get("Set-Cookie")))
	if cookie.Name != "__Host-pf_session" || cookie.Value != opened.text("session.token") || !cookie.Secure || !cookie.HttpOnly ||
		cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" || cookie.MaxAge != 24*60*60 {
		t.Errorf("cookie: got %s", cookie.Raw)
	}
	session := opened.text("session.token")
	if got := w.want(w.do(request{route: "GET /v1/me", as: session}), http.StatusOK, "").text("id"); got != ann {
		t.Errorf("signed in as %s, want %s", got, ann)
	}
	again := w.want(w.verify(token), http.StatusUnauthorized, "link_used")
	if got := again.header.Get("Www-Authenticate"); got != "Bearer" {
		t.Errorf("WWW-Authenticate: got %q", got)
	}

	t.Run("sign-out", func(t *testing.T) {
		w := w.in(t)
		out := w.want(w.do(request{route: "POST /v1/auth/sign-out", as: session}), http.StatusNoContent, "")
		if cookie := must(http.ParseSetCookie(out.header.Get("Set-Cookie"))); cookie.Name != "__Host-pf_session" || cookie.MaxAge >= 0 || cookie.Value != "" {
			t.Errorf("cookie: got %s", cookie.Raw)
		}
		if got := out.header.Get("Clear-Site-Data"); got != `"cache", "storage"` {
			t.Errorf("what pages kept stays: %q", got)
		}
		w.want(w.do(request{route: "GET /v1/me", as: session}), http.StatusUnauthorized, "unauthenticated")
		w.want(w.do(request{route: "POST /v1/auth/sign-out", as: session}), http.StatusUnauthorized, "unauthenticated")
		if got := w.record(ann); got[len(got)-1] != "session.ended" {
			t.Errorf("record: got %v", got)
		}
	})
}

func TestAskingForLinks(t *testing.T) {
	w := newWorld(t)
	t.Run("form", func(t *testing.T) {
		w := w.in(t)
		for _, body := range []string{`{}`, `{"email":""}`, `{"email":"x"}`, `{"email":null}`, `{"email":"a@b.test","who":"me"}`} {
			w.want(w.do(request{route: "POST /v1/auth/magic-link", body: body}), http.StatusUnprocessableEntity, "validation_failed")
		}
		w.want(w.do(request{route: "POST /v1/auth/magic-link", body: `nonsense`}), http.StatusBadRequest, "body_invalid")
		w.want(w.do(request{route: "GET /v1/auth/magic-link"}), http.StatusMethodNotAllowed, "method_not_allowed")
		w.want(w.do(request{route: "POST /v1/auth/nothing"}), http.StatusNotFound, "not_found")
	})
	t.Run("ten for an address", func(t *testing.T) {
		w := w.in(t)
		for i := range 10 {
			w.want(w.ask("Ann@pagefree.test", "192.0.2."+string(rune('0'+i))), http.StatusAccepted, "")
		}
		over := w.want(w.ask("ann@pagefree.test", "192.0.2.99"), http.StatusTooManyRequests, "rate_limited")
		for name, want := range map[string]string{"X-Ratelimit-Limit": "10", "X-Ratelimit-Remaining": "0"} {
			if got := over.header.Get(name); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		if over.header.Get("Retry-After") == "" || over.header.Get("X-Ratelimit-Reset") == "" {
			t.Errorf("headers: got %v", over.header)
		}
		w.want(w.ask("bob@pagefree.test", "192.0.2.99"), http.StatusAccepted, "")
		w.clock.pass(15 * time.Minute)
		w.want(w.ask("ann@pagefree.test", "192.0.2.99"), http.StatusAccepted, "")
	})
	t.Run("ten of thirty at once", func(t *testing.T) {
		w := w.in(t)
		answers := make([]answer, 30)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = w.ask("crowd@pagefree.test", fmt.Sprintf("198.51.100.%d", i)) })
		}
		wg.Wait()
		accepted := 0
		for _, a := range answers {
			if a.status == http.StatusAccepted {
				accepted++
			} else {
				w.want(a, http.StatusTooManyRequests, "rate_limited")
			}
		}
		if accepted != 10 {
			t.Errorf("got %d accepted, want 10", accepted)
		}
	})
	t.Run("sixty from a source", func(t *testing.T) {
		w := w.in(t)
		for i := range 60 {
			address := string(rune('a'+i%26)) + string(rune('a'+i/26)) + "@pagefree.test"
			w.want(w.ask(address, "2001:db8:1:2::"+string(rune('a'+i%6))), http.StatusAccepted, "")
		}
		w.want(w.ask("zz@pagefree.test", "2001:db8:1:2:ffff::1"), http.StatusTooManyRequests, "rate_limited") // the same network of 64 bits
		w.want(w.ask("zz@pagefree.test", "2001:db8:1:3::1"), http.StatusAccepted, "")
	})
}

func TestLinksEnd(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn(adminEmail)
	ann, _ := w.hire(admin, "ann", "", "")
	const email = "ann@pagefree.test"
	t.Run("just in time", func(t *testing.T) {
		w := w.in(t)
		token := w.link(email)
		w.clock.pass(15*time.Minute - time.Millisecond)
		w.want(w.verify(token), http.StatusOK, "")
	})
	t.Run("just too late", func(t *testing.T) {
		w := w.in(t)
		token := w.link(email)
		w.clock.pass(15 * time.Minute)
		w.want(w.verify(token), http.StatusUnauthorized, "link_expired")
	})
	t.Run("used, and then too late", func(t *testing.T) {
		w := w.in(t)
		token := w.link(email)
		w.want(w.verify(token), http.StatusOK, "")
		w.clock.pass(time.Hour)
		w.want(w.verify(token), http.StatusUnauthorized, "link_used")
	})
	t.Run("each stands alone", func(t *testing.T) {
		w := w.in(t)
		one, two := w.link(email), w.link(email)
		w.want(w.verify(two), http.StatusOK, "")
		w.want(w.verify(one), http.StatusOK, "")
	})
	t.Run("nothing that was a link", func(t *testing.T) {
		w := w.in(t)
		session := w.signIn(email)
		for _, token := range []string{"", "x", "pfl_", strings.Repeat("x", 5000), session, "pfl_" + strings.Repeat("A", 43)} {
			w.want(w.verify(token), http.StatusUnauthorized, "link_invalid")
		}
		w.want(w.do(request{route: "POST /v1/auth/verify", body: `{}`}), http.StatusUnprocessableEntity, "validation_failed")
	})
	t.Run("deactivated since", func(t *testing.T) {
		w := w.in(t)
		admin := w.signIn(adminEmail)
		token := w.link(email)
		for _, body := range []string{`{"active":false}`, `{"active":true}`} {
			w.want(w.do(request{route: "PATCH /v1/users/" + ann, as: admin, body: body}), http.StatusOK, "")
			w.want(w.verify(token), http.StatusUnauthorized, "link_invalid")
		}
	})
	t.Run("another address since", func(t *testing.T) {
		w := w.in(t)
		admin := w.signIn(adminEmail)
		token := w.link(email)
		w.want(w.do(request{route: "PATCH /v1/users/" + ann, as: admin, body: `{"email":"new@pagefree.test"}`}), http.StatusOK, "")
		w.want(w.verify(token), http.StatusUnauthorized, "link_invalid")
	})
}

// TestOneLinkManyTimes uses one link a hundred times at once, some of which
// meet a TransactionConflict: one session comes of it.
func TestOneLinkManyTimes(t *testing.T) {
	w := newWorld(t)
	token := w.link(adminEmail)
	w.env.Faults.Add(front.Fault{Function: "SigninFunction", Operation: "TransactWriteItems", Do: front.Conflict, Nth: 3, Times: 10})
	answers := make([]answer, 100)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = w.verify(token) })
	}
	wg.Wait()
	opened := 0
	for _, a := range answers {
		switch {
		case a.status == http.StatusOK:
			opened++
		case a.status != http.StatusUnauthorized || a.code() != "link_used":
			t.Errorf("got %d %s", a.status, a.body)
		}
	}
	if opened != 1 {
		t.Errorf("got %d sessions of one link, want 1", opened)
	}
}

// TestLostAnswer swallows the answer of the write that uses up a link: the
// client's second try is the same transaction, and finds it done.
func TestLostAnswer(t *testing.T) {
	w := newWorld(t)
	token := w.link(adminEmail)
	fault := w.env.Faults.Add(front.Fault{Function: "SigninFunction", Operation: "TransactWriteItems", Do: front.Swallow})
	session := w.want(w.verify(token), http.StatusOK, "").text("session.token")
	w.want(w.do(request{route: "GET /v1/me", as: session}), http.StatusOK, "")
	if fault.Struck() != 1 {
		t.Error("no answer was swallowed")
	}
}

func TestFirstAdmin(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.want(w.ask(adminEmail, "192.0.2."+string(rune('0'+i))), http.StatusAccepted, "")
	}
	w.deliver() // side by side
	mails := w.env.Mail()
	if len(mails) != 5 {
		t.Fatalf("got %d mails, want 5", len(mails))
	}
	admin := w.want(w.verify(tokenOf(t, mails[0].Links[0])), http.StatusOK, "").text("session.token")
	users := w.want(w.do(request{route: "GET /v1/users", as: admin}), http.StatusOK, "")
	if users.items() != 1 || users.text("items.0.platformAdmin") != "true" || users.text("items.0.email") != adminEmail {
		t.Fatalf("users: got %s", users.body)
	}
	first := users.text("items.0.id")
	if got := w.record(first); got[0] != "user.created" || slices.Index(got[1:], "user.created") >= 0 {
		t.Errorf("record: got %v", got)
	}

	second := w.want(w.do(request{route: "POST /v1/users", as: admin, body: `{"email":"second@pagefree.test","name":"Second","platformAdmin":true}`}), http.StatusCreated, "").text("id")
	other := w.signIn("second@pagefree.test")
	t.Run("does not come back after being deactivated", func(t *testing.T) {
		w := w.in(t)
		w.want(w.do(request{route: "PATCH /v1/users/" + first, as: other, body: `{"active":false}`}), http.StatusOK, "")
		w.ask(adminEmail, "192.0.2.9")
		w.deliver()
		if got := len(w.env.Mail()); got != 5 {
			t.Errorf("got %d mails more, want none", got-5)
		}
	})
	t.Run("does not come back under the old address", func(t *testing.T) {
		w := w.in(t)
		w.want(w.do(request{route: "PATCH /v1/users/" + first, as: other, body: `{"email":"moved@pagefree.test"}`}), http.StatusOK, "")
		w.ask(adminEmail, "192.0.2.9")
		w.deliver()
		if users := w.do(request{route: "GET /v1/users", as: other}); users.items() != 2 || len(w.env.Mail()) != 5 {
			t.Errorf("got %d users and %d mails, want 2 and 5", users.items(), len(w.env.Mail()))
		}
	})
	t.Run("is nobody who once had the address", func(t *testing.T) { // the parameter may name somebody who is there already
		w := w.in(t)
		w.operator.FirstAdmin = "temp@pagefree.test"
		temp, _ := w.hire(other, "temp", "", "")
		w.want(w.do(request{route: "PATCH /v1/users/" + temp, as: other, body: `{"email":"gone@pagefree.test"}`}), http.StatusOK, "")
		if _, err := w.operator.ForOperator(w.Context(), operatorRequest("temp@pagefree.test")); err == nil {
			t.Error("an address that was taken away came back as a platform admin's")
		}
		w.operator.FirstAdmin = adminEmail
	})
	t.Run("two admins who demote each other", func(t *testing.T) {
		w := w.in(t)
		w.want(w.do(request{route: "PATCH /v1/users/" + first, as: other, body: `{"email":"admin@pagefree.test","active":true}`}), http.StatusOK, "")
		admin := w.signIn(adminEmail)
		both := [2]answer{}
		var wg sync.WaitGroup
		wg.Go(func() {
			both[0] = w.do(request{route: "PATCH /v1/users/" + first, as: other, body: `{"platformAdmin":false}`})
		})
		wg.Go(func() {
			both[1] = w.do(request{route: "PATCH /v1/users/" + second, as: admin, body: `{"platformAdmin":false}`})
		})
		wg.Wait()
		if (both[0].status == http.StatusOK) == (both[1].status == http.StatusOK) {
			t.Errorf("got %d and %d, want one of them done", both[0].status, both[1].status)
		}
	})
}

func TestOldRequestsAreNotMailed(t *testing.T) {
	w := newWorld(t)
	w.ask(adminEmail, "192.0.2.1")
	w.clock.pass(15*time.Minute + time.Millisecond)
	w.deliver()
	if got := len(w.env.Mail()); got != 0 {
		t.Errorf("got %d mails, want none", got)
	}
}

func TestOperatorLink(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn(adminEmail)
	id := w.do(request{route: "GET /v1/me", as: admin}).text("id")
	if got, want := w.record(id), []string{"user.created", "link.issued", "session.created"}; !slices.Equal(got, want) {
		t.Errorf("record: got %v, want %v", got, want)
	}
	for name, email := range map[string]string{"nobody": "nobody@pagefree.test", "no address": "x", "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			if out, err := w.operator.ForOperator(t.Context(), operatorRequest(email)); err == nil || out.Link != "" {
				t.Errorf("got %v, %v, want an error", out, err)
			}
		})
	}
}

// TestForeignPageSignsNobodyIn: a page of another site, a neighbour's too, may
// hold a link of its own, and would sign its visitor in as somebody else.
func TestForeignPageSignsNobodyIn(t *testing.T) {
	w := newWorld(t)
	secret := w.link(adminEmail)
	verify := func(w *world, relation string) answer {
		return w.do(request{route: "POST /v1/auth/verify", body: map[string]string{"token": secret}, header: http.Header{"Sec-Fetch-Site": {relation}}})
	}
	for _, relation := range []string{"cross-site", "same-site"} {
		t.Run(relation, func(t *testing.T) {
			w := w.in(t)
			if a := w.want(verify(w, relation), http.StatusForbidden, "cross_origin"); a.header.Get("Set-Cookie") != "" {
				t.Errorf("it set %s", a.header.Get("Set-Cookie"))
			}
		})
	}
	t.Run("our own page, with the link unused", func(t *testing.T) {
		w := w.in(t)
		if a := w.want(verify(w, "same-origin"), http.StatusOK, ""); a.header.Get("Set-Cookie") == "" {
			t.Error("no cookie")
		}
	})
}

// TestTheCeilingOfLinks: everybody together; what is refused before does not count, and nobody learns who has an address.
func TestTheCeilingOfLinks(t *testing.T) {
	w := newWorld(t)
	w.ceiling(4)
	ask := func(n int, email string) answer {
		return w.do(request{route: "POST /v1/auth/magic-link", body: map[string]string{"email": email}, ip: fmt.Sprintf("192.0.2.%d", n)})
	}
	for n := range 4 {
		w.want(ask(n, fmt.Sprintf("p%d@pagefree.test", n)), http.StatusAccepted, "")
	}
	var told []string
	for n, email := range []string{adminEmail, "nobody@pagefree.test"} {
		a := w.want(ask(10+n, email), http.StatusTooManyRequests, "rate_limited")
		told = append(told, string(a.body)+a.header.Get("Retry-After")+a.header.Get("X-RateLimit-Limit"))
	}
	if told[0] != told[1] {
		t.Errorf("whoever has an account is told %s, and whoever has none %s", told[0], told[1])
	}
	w.clock.pass(15 * time.Minute)
	w.want(ask(20, adminEmail), http.StatusAccepted, "")
}

// TestAskingByIPv6: a source is counted first, and then the network around it, which no other pays for.
func TestAskingByIPv6(t *testing.T) {
	w := newWorld(t)
	asked := 0
	from := func(ip string) answer {
		asked++
		return w.ask(fmt.Sprintf("p%d@pagefree.test", asked), ip)
	}
	for n := range 60 {
		w.want(from(fmt.Sprintf("2001:db8:0:1::%x", n)), http.StatusAccepted, "")
	}
	if got := w.want(from("2001:db8:0:1::99"), http.StatusTooManyRequests, "rate_limited").header.Get("X-RateLimit-Limit"); got != "60" {
		t.Errorf("a source too many: got a limit of %s, want 60", got)
	}
	for n := range 180 {
		a := w.want(from(fmt.Sprintf("2001:db8:0:%x::1", 0x1000+n)), http.StatusAccepted, "")
		if n == 179 && (a.header.Get("X-RateLimit-Limit") != "240" || a.header.Get("X-RateLimit-Remaining") != "0") {
			t.Errorf("the last of a network: got %v", a.header)
		}
	}
	over := w.want(from("2001:db8:0:2::1"), http.StatusTooManyRequests, "rate_limited")
	if over.header.Get("X-RateLimit-Limit") != "240" || over.header.Get("Retry-After") == "" {
		t.Errorf("one too many of a network: got %v", over.header)
	}
	for _, ip := range []string{"2001:db8:1::1", "192.0.2.1"} {
		w.want(from(ip), http.StatusAccepted, "")
	}
	t.Run("codes", func(t *testing.T) {
		w := w.in(t)
		for n := range 241 {
			status := http.StatusUnprocessableEntity
			if n == 240 {
				status = http.StatusTooManyRequests
			}
			_, err := w.signer.VerifyCode(principal.WithOrigin(w.Context(), principal.Origin{IP: fmt.Sprintf("2001:db8:0:%x::1", n)}), "AAAA-AAAA", token.New(token.Browser))
			if refused, is := errors.AsType[*problem.Error](err); !is || refused.Status != status {
				t.Fatalf("try %d: got %v, want %d", n+1, err, status)
			}
		}
	})
}

// TestAFewSourcesUnderTheCeiling: whoever asks much at few places uses up half of it, and those who ask once have the other.
func TestAFewSourcesUnderTheCeiling(t *testing.T) {
	w := newWorld(t)
	w.ceiling(40)
	asked := map[int]int{}
	for n := range 60 { // of three sources
		a := w.ask(fmt.Sprintf("p%d@pagefree.test", n), fmt.Sprintf("192.0.2.%d", n%3))
		if asked[a.status]++; a.status != http.StatusAccepted {
			w.want(a, http.StatusTooManyRequests, "rate_limited")
			if a.header.Get("X-RateLimit-Limit") != "20" || a.header.Get("X-RateLimit-Remaining") != "0" || a.header.Get("Retry-After") == "" {
				t.Fatalf("refused with %v", a.header)
			}
		}
	}
	if asked[http.StatusAccepted] != 26 {
		t.Errorf("got %v, want the two first of each of three sources and 20 more", asked)
	}
	for n := range 60 { // a network is one of those few
		w.ask(fmt.Sprintf("q%d@pagefree.test", n), fmt.Sprintf("2001:db8:0:%x::1", n))
	}
	for n := range 12 {
		w.want(w.ask([]string{adminEmail, "nobody@pagefree.test"}[n%2], fmt.Sprintf("198.51.100.%d", n)), http.StatusAccepted, "")
	}
	w.want(w.ask("late@pagefree.test", "203.0.113.1"), http.StatusTooManyRequests, "rate_limited") // it is a ceiling all the same
}

// TestSigningInIsClosed while nothing can be counted.
func TestSigningInIsClosed(t *testing.T) {
	w := newWorld(t)
	for _, operation := range []string{"UpdateItem", "TransactWriteItems", "GetItem"} {
		t.Run(operation, func(t *testing.T) {
			w := w.in(t)
			w.env.Faults.Add(front.Fault{Function: "SigninFunction", Operation: operation, Do: front.Fail, Times: -1})
			defer w.env.Faults.Clear()
			for _, email := range []string{adminEmail, "nobody@pagefree.test"} {
				a := w.want(w.do(request{route: "POST /v1/auth/magic-link", body: map[string]string{"email": email}}), http.StatusServiceUnavailable, "unavailable")
				if a.header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			}
		})
	}
}
