package partner_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	front "pagefree/infra/local/aws"
	"pagefree/internal/partner"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/seat"
	"pagefree/internal/status"
)

// squeezed is the stored form of what the status room packs.
func squeezed(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(v); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestWhoMayEnter: every refusal, what goes before what, and what is put on record of it.
func TestWhoMayEnter(t *testing.T) {
	type visit struct {
		who  principal.Principal
		ip   string // from when ""
		slug string // acme-cloud when ""
		id   string // of an incident
		at   time.Time
	}
	nobody := func(*world) visit { return visit{} }
	token := func(do func(w *world, made answer, path string), more ...any) func(w *world) visit {
		return func(w *world) visit {
			made := w.grant("Acme", "ops@acme.test", more...)
			if do != nil {
				do(w, made, of(w.page, "partners", made.id()))
			}
			return visit{who: w.byToken(made)}
		}
	}
	// session is a sign-in at the page, and at another one which then stays open.
	session := func(alone bool, do func(w *world, made answer, path string), more ...any) func(w *world) visit {
		return func(w *world) visit {
			made := w.grant("Acme", "ops@acme.test", more...)
			path := of(w.page, "partners", made.id())
			seats := []seat.Seat{w.seatOf(made, "acme-cloud", w.person(path, "ops@acme.test"))}
			if !alone {
				other := w.grantAt(w.second, "Labs", "ops@labs.test")
				seats = append(seats, w.seatOf(other, "acme-labs", w.person(of(w.second, "partners", other.id()), "ops@labs.test")))
			}
			v := visit{who: w.bySession(w.clock.Now(), seats...)}
			if do != nil {
				do(w, made, path)
			}
			return v
		}
	}
	revoke := func(w *world, _ answer, path string) { w.must(200, "lead", "DELETE", path, nil) }
	off := func(w *world, made answer, _ string) {
		w.must(200, "lead", "PATCH", "/v1/partners/"+made.Str("partnerId"), `{"active":false}`)
	}
	toggle := func(w *world, made answer, _ string) { w.toggle(made) }
	expire := func(w *world, _ answer, path string) { w.expire(path) }
	move := func(w *world, _ answer, path string) {
		w.must(200, "lead", "PATCH", path, `{"contactEmail":"new@acme.test"}`)
	}
	both := func(first, second func(*world, answer, string)) func(*world, answer, string) {
		return func(w *world, made answer, path string) { first(w, made, path); second(w, made, path) }
	}
	dismiss := func(w *world, _ answer, path string) {
		w.must(204, "lead", "DELETE", path+"/people/"+w.person(path, "ops@acme.test"), nil)
	}
	with := func(v func(*world) visit, change func(w *world, v *visit)) func(w *world) visit {
		return func(w *world) visit { out := v(w); change(w, &out); return out }
	}
	ip := func(s string) func(*world, *visit) { return func(_ *world, v *visit) { v.ip = s } }
	slug := func(s string) func(*world, *visit) { return func(_ *world, v *visit) { v.slug = s } }
	at := func(after time.Duration) func(*world, *visit) { // a session's beginning
		return func(_ *world, v *visit) { v.at = v.who.Partner.Since.Add(after) }
	}
	as := func(who string) func(*world) visit { return func(w *world) visit { return visit{who: w.who[who]} } }
	list := []any{"ipAllowlist", []string{"10.0.0.0/8", "2001:db8::1"}}
	rename := func(w *world, _ *visit) {
		page := w.snapshot("acme-cloud")
		page.Slug = "acme-new"
		w.show(page)
		w.put(status.PageKey(w.page), status.Page{ID: w.page, Slug: "acme-new", Name: page.Name, TeamID: w.team, SessionDays: 7})
	}

	tests := map[string]struct {
		visit  func(*world) visit
		status int // 0 is let in
		code   problem.Code
		look   string // its outcome; "" for no look
	}{
		"nobody":                        {nobody, 401, "unauthenticated", ""},
		"nobody, where nothing is":      {with(nobody, slug("nothing")), 401, "unauthenticated", ""},
		"an API key":                    {as("lead's key"), 401, "unauthenticated", ""},
		"staff of the team":             {as("observer"), 403, "forbidden", ""},
		"staff of another team":         {as("outsider"), 404, "not_found", ""},
		"staff, where nothing is":       {with(as("lead"), slug("nothing")), 404, "not_found", ""},
		"a platform admin":              {as("admin"), 403, "forbidden", ""},
		"a partner of nothing":          {func(w *world) visit { return visit{who: principal.Principal{Kind: principal.Partner, ID: "x"}} }, 401, "unauthenticated", ""},
		"a token":                       {token(nil), 0, "", "served"},
		"a token, at another page":      {with(token(nil), slug("others")), 404, "not_found", "not_found"},
		"a token, where nothing is":     {with(token(nil), slug("nothing")), 404, "not_found", "not_found"},
		"revoked":                       {token(revoke), 403, "access_revoked", "access_revoked"},
		"deactivated":                   {token(off), 403, "access_revoked", "access_revoked"},
		"deactivated and activated":     {token(toggle), 0, "", "served"},
		"expired":                       {token(expire), 403, "access_expired", "access_expired"},
		"revoked, then expired":         {token(both(expire, revoke)), 403, "access_revoked", "access_revoked"},
		"deactivated and expired":       {token(both(expire, off)), 403, "access_revoked", "access_revoked"},
		"expired, from a wrong place":   {token(expire, list...), 403, "access_expired", "access_expired"},
		"revoked, from a wrong place":   {token(revoke, list...), 403, "access_revoked", "access_revoked"},
		"revoked, at another page":      {with(token(revoke), slug("others")), 404, "not_found", "not_found"},
		"a wrong place":                 {token(nil, list...), 403, "ip_not_allowed", "ip_not_allowed"},
		"a right place":                 {with(token(nil, list...), ip("10.1.2.3")), 0, "", "served"},
		"a right place, mapped":         {with(token(nil, list...), ip("::ffff:10.1.2.3")), 0, "", "served"},
		"a right place, in IPv6":        {with(token(nil, list...), ip("2001:db8::1%eth0")), 0, "", "served"},
		"no place at all":               {with(token(nil, list...), ip("-")), 403, "ip_not_allowed", "ip_not_allowed"},
		"a token that moved":            {token(move), 404, "not_found", "not_found"}, // with the account of before, as the authorizer read it
		"a session":                     {session(false, nil), 0, "", "served"},
		"a session, at its other page":  {with(session(false, nil), slug("acme-labs")), 0, "", "served"},
		"a session, at no page of its":  {with(session(false, nil), slug("others")), 404, "not_found", ""},
		"a session, where nothing is":   {with(session(false, nil), slug("nothing")), 404, "not_found", ""},
		"revoked, with another page":    {session(false, revoke), 403, "access_revoked", "access_revoked"},
		"revoked, with no other":        {session(true, revoke), 401, "unauthenticated", "unauthenticated"},
		"deactivated, with another":     {session(false, off), 403, "access_revoked", "access_revoked"},
		"deactivated, with no other":    {session(true, off), 401, "unauthenticated", "unauthenticated"},
		"activated again, with another": {session(false, toggle), 401, "unauthenticated", "unauthenticated"},
		"expired, with another":         {session(false, expire), 403, "access_expired", "access_expired"},
		"expired, with no other":        {session(true, expire), 401, "unauthenticated", "unauthenticated"},
		"removed, with another":         {session(false, dismiss), 403, "access_revoked", "access_revoked"},
		"removed, with no other":        {session(true, dismiss), 401, "unauthenticated", "unauthenticated"},
		"moved, with another":           {session(false, move), 401, "unauthenticated", "unauthenticated"},
		"moved there and back": {func(w *world) visit { // by who was not first, and so stays
			made := w.grant("Acme", "ops@acme.test")
			path := of(w.page, "partners", made.id())
			ann := w.must(201, "lead", "POST", path+"/people", `{"email":"ann@acme.test"}`)
			v := visit{who: w.bySession(w.clock.Now(), w.seatOf(made, "acme-cloud", ann.id()))}
			move(w, made, path)
			w.must(200, "lead", "PATCH", path, `{"contactEmail":"ops@acme.test"}`)
			return v
		}, 401, "unauthenticated", "unauthenticated"},
		"a session from a wrong place": {session(true, nil, list...), 403, "ip_not_allowed", "ip_not_allowed"},
		"no page left, at none of its": {with(session(true, revoke), slug("others")), 401, "unauthenticated", ""},
		"the last moment of its days":  {with(session(true, nil), at(week-time.Millisecond)), 0, "", "served"},
		"the end of its days":          {with(session(true, nil), at(week)), 401, "unauthenticated", "unauthenticated"},
		"a shorter page beside it":     {with(with(session(false, nil), at(25*time.Hour)), slug("acme-labs")), 401, "unauthenticated", "unauthenticated"},
		"beside a shorter page":        {with(session(false, nil), at(25*time.Hour)), 0, "", "served"},
		"a page that was renamed":      {with(with(session(false, nil), rename), slug("acme-new")), 0, "", "served"},
		"by the name of before":        {with(session(false, nil), rename), 404, "not_found", "not_found"},
		"a name that went to another": {with(session(false, nil), func(w *world, v *visit) { // acme-cloud is now what was acme-labs
			rename(w, v)
			page := w.snapshot("acme-labs")
			page.Slug = "acme-cloud"
			w.show(page)
			w.put(status.PageKey(page.PageID), status.Page{ID: page.PageID, Slug: page.Slug, Name: page.Name, TeamID: w.team, SessionDays: 7})
		}), 0, "", "served"},
		"a feed":                      {func(w *world) visit { return visit{who: w.by(seat.ByFeed, w.seatOf(w.grant("A", "a@a.test"), "", ""))} }, 0, "", "served"},
		"the shared token":            {func(w *world) visit { return visit{who: w.by(seat.ByShared, seat.Seat{PageID: w.page})} }, 0, "", ""},
		"the shared token of another": {func(w *world) visit { return visit{who: w.by(seat.ByShared, seat.Seat{PageID: w.second})} }, 404, "not_found", ""},
		"an incident":                 {with(token(nil), func(w *world, v *visit) { v.id = w.incident(nil, w.web) }), 0, "", "served"},
		"an incident of hidden parts": {func(w *world) visit {
			made := w.grant("Acme", "ops@acme.test", "componentIds", []string{w.db})
			return visit{who: w.byToken(made), id: w.incident(nil, w.web)}
		}, 404, "not_found", "not_found"},
		"an incident for others":        {with(token(nil), func(w *world, v *visit) { v.id = w.incident([]string{"acc_x"}, w.web) }), 404, "not_found", "not_found"},
		"an incident that is none":      {with(token(nil), func(w *world, v *visit) { v.id = id.New(id.PageIncident, w.clock.Now()) }), 404, "not_found", "not_found"},
		"revoked, and no such incident": {with(token(revoke), func(w *world, v *visit) { v.id = "spi_x" }), 403, "access_revoked", "access_revoked"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			v := tt.visit(w)
			if v.slug == "" {
				v.slug = "acme-cloud"
			}
			if v.ip == "" {
				v.ip = from
			}
			w.env.Counts.Reset()
			got, err := w.door(v.at).Enter(coming(t.Context(), v.who, v.ip), partner.Request{Slug: v.slug, IncidentID: v.id, Method: "GET", Path: "/status/" + v.slug})
			p, _ := err.(*problem.Error)
			switch {
			case tt.status == 0 && err != nil:
				t.Fatalf("got %v, want to be let in", err)
			case tt.status == 0:
				if err := got.Recorded(t.Context()); err != nil {
					t.Fatalf("not recorded: %v", err)
				}
				if got.View.Slug != v.slug || (v.id != "") != (got.Incident != nil) {
					t.Errorf("got %+v, %+v", got.View, got.Incident)
				}
			case p == nil || got != nil || p.Status != tt.status || p.Code != tt.code:
				t.Fatalf("got %v, %v, want %d %s", got, err, tt.status, tt.code)
			case (p.Status == 401) != (len(p.Header) == 1):
				t.Errorf("headers %v of a %d", p.Header, p.Status)
			}
			looks := w.looks()
			if tt.look == "" {
				if len(looks) != 0 {
					t.Errorf("on record: %+v", looks)
				}
				return
			}
			if len(looks) != 1 {
				t.Fatalf("on record: %+v, want one look", looks)
			}
			l, at := looks[0], v.who.Partner.Seats
			if l.Outcome != tt.look || l.IP != v.ip || l.UserAgent != "reader/1" || l.Method != "GET" || l.Path != "/status/"+v.slug || l.Via != v.who.Partner.Via || !id.Valid(id.PartnerLook, l.ID) {
				t.Errorf("on record: %+v, want %s", l, tt.look)
			}
			known := false
			for _, s := range at {
				known = known || s.AccessID == l.AccessID && s.PageID == l.PageID && s.PersonID == l.PersonID
			}
			if !known {
				t.Errorf("on record: %+v, of none of %+v", l, at)
			}
		})
	}
}

// TestEnteringIsOneRead: with the credential's, a view costs two, whatever comes of it.
func TestEnteringIsOneRead(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	person := w.person(of(w.page, "partners", made.id()), "ops@acme.test")
	incident := w.incident(nil, w.web)
	gone := w.grant("Gone", "gone@acme.test")
	w.must(200, "lead", "DELETE", of(w.page, "partners", gone.id()), nil)
	tests := map[string]struct {
		who principal.Principal
		id  string
	}{
		"token":   {w.byToken(made), ""},
		"session": {w.bySession(w.clock.Now(), w.seatOf(made, "acme-cloud", person)), ""},
		"feed":    {w.by(seat.ByFeed, w.seatOf(made, "", "")), ""},
		"shared":  {w.by(seat.ByShared, seat.Seat{PageID: w.page}), ""},
		"revoked": {w.byToken(gone), ""},
		"record":  {w.bySession(w.clock.Now(), w.seatOf(made, "acme-cloud", person)), incident},
	}
	for name, tt := range tests {
		w.env.Counts.Reset()
		v, err := w.door(time.Time{}).Enter(coming(t.Context(), tt.who, from), partner.Request{Slug: "acme-cloud", IncidentID: tt.id, Method: "GET", Path: "/"})
		if err == nil {
			err = v.Recorded(t.Context())
		}
		if err != nil && name != "revoked" {
			t.Errorf("%s: %v", name, err)
		}
		if calls := w.env.Counts.Calls(front.Call{Service: "dynamodb"}); len(calls) != 1 || calls[0].Operation != "BatchGetItem" {
			t.Errorf("%s: %+v, want one BatchGetItem", name, calls)
		}
	}
}

// TestEveryLookIsOnRecord: what was refused before anything was looked up too, and that a list named the page.
func TestEveryLookIsOnRecord(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	person := w.person(of(w.page, "partners", made.id()), "ops@acme.test")
	session := w.bySession(w.clock.Now(), w.seatOf(made, "acme-cloud", person))
	door := w.door(time.Time{})
	missing := problem.Missing()
	for name, who := range map[string]principal.Principal{"token": w.byToken(made), "session": session} {
		if err := door.Refused(coming(t.Context(), who, from), partner.Request{Slug: "acme-cloud", Method: "GET", Path: "/status/acme-cloud/" + name}, missing); err != missing {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := door.Pages(coming(t.Context(), session, from)); err != nil {
		t.Fatal(err)
	}
	if err := door.Refused(coming(t.Context(), principal.Principal{}, from), partner.Request{Slug: "acme-cloud"}, missing); err != missing {
		t.Errorf("nobody: got %v", err)
	}
	got := map[string]string{}
	for _, l := range w.looks() {
		got[l.Path] = l.Outcome
	}
	want := map[string]string{"/status/acme-cloud/token": "not_found", "/status/acme-cloud/session": "not_found", "/status": partner.Named}
	if !maps.Equal(got, want) {
		t.Errorf("on record are %v, want %v", got, want)
	}
}

// TestASlugTakesNoTime: what is read for a page that is another's, and for one that is nobody's, is the same.
func TestASlugTakesNoTime(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	person := w.person(of(w.page, "partners", made.id()), "ops@acme.test")
	for name, who := range map[string]principal.Principal{"token": w.byToken(made), "session": w.bySession(w.clock.Now(), w.seatOf(made, "acme-cloud", person))} {
		read := map[string]float64{}
		for _, slug := range []string{"acme-labs", "nothing"} {
			w.env.Counts.Reset()
			if _, err := w.door(time.Time{}).Enter(coming(t.Context(), who, from), partner.Request{Slug: slug, Method: "GET", Path: "/"}); problem.CodeOf(err) != problem.NotFound {
				t.Errorf("%s at %s: got %v", name, slug, err)
			}
			for _, call := range w.env.Counts.Calls(front.Call{Service: "dynamodb"}) {
				read[slug] += call.Read
			}
		}
		if read["acme-labs"] != read["nothing"] || read["nothing"] == 0 {
			t.Errorf("%s: read units are %v", name, read)
		}
	}
}

// TestNobodyIsToldNothing: a page that is there and one that is not look the same, and cost the same.
func TestNobodyIsToldNothing(t *testing.T) {
	w := newWorld(t)
	w.env.Counts.Reset()
	var texts []string
	for _, slug := range []string{"acme-cloud", "nothing"} {
		_, err := w.door(time.Time{}).Enter(coming(t.Context(), principal.Principal{}, from), partner.Request{Slug: slug})
		texts = append(texts, fmt.Sprintf("%#v", err.(*problem.Error)))
	}
	if n := w.env.Counts.Number(front.Call{}); n != 0 {
		t.Errorf("%d calls were made", n)
	}
	if strings.Contains(texts[0], "acme") || len(texts[0]) != len(texts[1]) {
		t.Errorf("got %s", texts)
	}
}

// TestWhatIsSeen: a view is the access's, not the page's.
func TestWhatIsSeen(t *testing.T) {
	w := newWorld(t)
	w.incident(nil, w.db)
	view := func(made answer) status.View {
		v, err := w.door(time.Time{}).Enter(coming(t.Context(), w.byToken(made), from), partner.Request{Slug: "acme-cloud", Method: "GET", Path: "/"})
		if err != nil {
			t.Fatal(err)
		}
		return v.View
	}
	web := view(w.grant("Web", "web@acme.test", "componentIds", []string{w.web}))
	if len(web.Components) != 1 || web.Components[0].ID != w.web || len(web.Incidents) != 0 || web.Indicator != status.ImpactNone {
		t.Errorf("of one component: got %+v", web)
	}
	if nothing := view(w.grant("None", "none@acme.test", "componentIds", []string{})); len(nothing.Components) != 0 || len(nothing.Incidents) != 0 {
		t.Errorf("of none: got %+v", nothing)
	}
	if all := view(w.grant("All", "all@acme.test")); len(all.Components) != 2 || len(all.Incidents) != 1 || all.Indicator != status.ImpactMajor {
		t.Errorf("of all: got %+v", all)
	}
}

func TestWhatCannotBeShown(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	gone := w.grant("Gone", "gone@acme.test")
	w.must(200, "lead", "DELETE", of(w.page, "partners", gone.id()), nil)
	enter := func(made answer) (*partner.Visit, error) {
		return w.door(time.Time{}).Enter(coming(t.Context(), w.byToken(made), from), partner.Request{Slug: "acme-cloud", Method: "GET", Path: "/"})
	}
	unavailable := func(err error) bool {
		p, _ := err.(*problem.Error)
		return p != nil && p.Status == 503 && p.Code == "unavailable" && p.Header.Get("Retry-After") != "" && !strings.Contains(p.Detail, "Dynamo")
	}
	t.Run("the table does not answer", func(t *testing.T) {
		defer w.env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "BatchGetItem", Do: front.Fail, Times: -1}).Remove()
		if v, err := enter(made); v != nil || !unavailable(err) {
			t.Errorf("got %v, %v", v, err)
		}
		if _, err := w.door(time.Time{}).Pages(coming(t.Context(), w.byToken(made), from)); !unavailable(err) {
			t.Errorf("of all pages: got %v", err)
		}
	})
	t.Run("the table does not answer staff", func(t *testing.T) {
		defer w.env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "GetItem", Do: front.Fail, Times: -1}).Remove()
		if _, err := w.door(time.Time{}).Enter(coming(t.Context(), w.who["lead"], from), partner.Request{Slug: "acme-cloud"}); !unavailable(err) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the look cannot be recorded", func(t *testing.T) {
		defer w.env.Faults.Add(front.Fault{Service: "sqs", Operation: "SendMessage", Do: front.Fail, Times: -1}).Remove()
		v, err := enter(made)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Recorded(t.Context()); !unavailable(err) {
			t.Errorf("got %v", err)
		}
		if _, err := enter(gone); !unavailable(err) {
			t.Errorf("of a refusal: got %v", err)
		}
	})
	t.Run("a snapshot that cannot be read", func(t *testing.T) {
		w.put(status.PublishedKey(w.page), status.Published{PageID: w.page, Slug: "acme-cloud", Packed: []byte("x")})
		if v, err := enter(made); v != nil || problem.CodeOf(err) != problem.Internal {
			t.Errorf("got %v, %v", v, err)
		}
	})
}
