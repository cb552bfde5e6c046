package partner_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"pagefree/internal/partner"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/seat"
)

func TestPages(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	labs := w.grantAt(w.second, "Acme", "ops@acme.test")
	path, far := of(w.page, "partners", made.id()), of(w.second, "partners", labs.id())
	began := w.clock.Now()
	who := w.bySession(began, w.seatOf(made, "acme-cloud", w.person(path, "ops@acme.test")), w.seatOf(labs, "acme-labs", w.person(far, "ops@acme.test")))
	pages := func(at time.Time, who principal.Principal) string {
		list, err := w.door(at).Pages(coming(t.Context(), who, from))
		if err != nil {
			return fmt.Sprint(err.(*problem.Error).Status)
		}
		var out []string
		for _, p := range list {
			out = append(out, p.Slug+"="+p.Name)
		}
		return strings.Join(out, ", ")
	}
	const cloud, lab = "acme-cloud=Page acme-cloud", "acme-labs=Page acme-labs"
	for name, tt := range map[string]struct {
		at   time.Time
		who  principal.Principal
		want string
	}{
		"a session, by name":           {began, who, cloud + ", " + lab},
		"once the shorter one is over": {began.Add(24 * time.Hour), who, cloud},
		"once both are over":           {began.Add(week), who, "401"},
		"a token":                      {began, w.byToken(made), cloud},
		"the shared token":             {began, w.by(seat.ByShared, seat.Seat{PageID: w.page}), cloud},
		"nobody":                       {began, principal.Principal{}, "401"},
		"staff":                        {began, w.who["lead"], "404"},
		"the shared token of no page":  {began, w.by(seat.ByShared, seat.Seat{PageID: id.New(id.StatusPage, began)}), "401"},
	} {
		if got := pages(tt.at, tt.who); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
	w.must(200, "lead", "DELETE", path, nil)
	if got := pages(began, who); got != lab {
		t.Errorf("one revoked: got %s", got)
	}
	w.must(200, "lead", "PATCH", "/v1/partners/"+labs.Str("partnerId"), `{"active":false}`)
	if got := pages(began, who); got != "401" {
		t.Errorf("and the account off: got %s", got)
	}
	w.must(200, "lead", "PATCH", "/v1/partners/"+labs.Str("partnerId"), `{"active":true}`)
	if got := pages(began, who); got != "401" {
		t.Errorf("and on again: got %s", got)
	}
	if got := pages(began, w.byToken(labs)); got != lab {
		t.Errorf("its token: got %s", got)
	}
}

// TestAPersonOfTwoPartners: somebody who reads one page for two partners sees it by the newer access, and still by the
// other one when that has ended, whichever it was.
func TestAPersonOfTwoPartners(t *testing.T) {
	const email = "adviser@consulting.test"
	left := map[string]string{"Acme": "Globex", "Globex": "Acme"}
	for name, lost := range map[string]string{"the older ends": "Acme", "the newer ends": "Globex"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			made := map[string]answer{}
			var seats []seat.Seat
			for _, partner := range []string{"Acme", "Globex"} {
				made[partner] = w.grant(partner, email)
				one := w.seatOf(made[partner], "acme-cloud", w.person(of(w.page, "partners", made[partner].id()), email))
				seats = append([]seat.Seat{one}, seats...) // as sign-in has them
				w.clock.Advance(time.Second)
			}
			who := w.bySession(w.clock.Now(), seats...)
			by := func() string {
				ctx := coming(t.Context(), who, from)
				visit, err := w.door(time.Time{}).Enter(ctx, partner.Request{Slug: "acme-cloud", Method: http.MethodGet, Path: "/"})
				if err == nil {
					err = visit.Recorded(ctx)
				}
				if list, _ := w.door(time.Time{}).Pages(ctx); err == nil && len(list) != 1 {
					t.Errorf("the page is listed %d times", len(list))
				}
				if err != nil {
					return string(problem.CodeOf(err))
				}
				for _, l := range w.looks() {
					for partner, one := range made {
						if l.AccessID == one.id() {
							return partner
						}
					}
				}
				return "nobody"
			}
			if got := by(); got != "Globex" {
				t.Errorf("seen by %s", got)
			}
			w.must(200, "lead", "DELETE", of(w.page, "partners", made[lost].id()), nil)
			if got := by(); got != left[lost] {
				t.Errorf("seen by %s after %s ended", got, lost)
			}
			for _, one := range made {
				w.must(200, "lead", "DELETE", of(w.page, "partners", one.id()), nil)
			}
			if got := by(); got != string(problem.Unauthenticated) {
				t.Errorf("both ended: %s", got)
			}
		})
	}
}

// TestLongTexts: a look keeps the beginning of what a caller wrote.
func TestLongTexts(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	ctx := principal.With(principal.WithOrigin(t.Context(), principal.Origin{IP: from, UserAgent: strings.Repeat("ü", 9000) + "\xff"}), w.byToken(made))
	if _, err := w.door(time.Time{}).Enter(ctx, partner.Request{Slug: "nothing", Method: http.MethodGet, Path: "/" + strings.Repeat("x", 9000)}); problem.CodeOf(err) != problem.NotFound {
		t.Fatal(err)
	}
	l := w.looks()[0]
	if l.UserAgent != strings.Repeat("ü", 256) || len(l.Path) != 512 {
		t.Errorf("%d bytes of user agent, %d of path", len(l.UserAgent), len(l.Path))
	}
}
