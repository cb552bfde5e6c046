package identity_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestUsers(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn(adminEmail)
	me := w.want(w.do(request{route: "GET /v1/me", as: admin}), http.StatusOK, "").text("id")

	made := w.want(w.do(request{route: "POST /v1/users", as: admin, body: map[string]any{"email": " Ann@PageFree.test ", "name": " Ann "}}), http.StatusCreated, "")
	ann := made.text("id")
	if got, want := made.header.Get("Location"), "/v1/users/"+ann; got != want {
		t.Errorf("Location: got %q, want %q", got, want)
	}
	for member, want := range map[string]string{"email": "ann@pagefree.test", "name": "Ann", "platformAdmin": "false", "active": "true", "createdAt": "2060-03-01T12:00:00.000Z"} {
		if got := made.text(member); got != want {
			t.Errorf("%s: got %q, want %q", member, got, want)
		}
	}

	t.Run("an address is unique in any case", func(t *testing.T) {
		w := w.in(t)
		w.want(w.do(request{route: "POST /v1/users", as: admin, body: map[string]any{"email": "ANN@pagefree.TEST", "name": "Other"}}), http.StatusConflict, "email_taken")
	})
	t.Run("a change of address frees the old one", func(t *testing.T) {
		w := w.in(t)
		w.want(w.do(request{route: "PATCH /v1/users/" + ann, as: admin, body: map[string]any{"email": adminEmail}}), http.StatusConflict, "email_taken")
		w.want(w.do(request{route: "PATCH /v1/users/" + ann, as: admin, body: map[string]any{"email": "ann2@pagefree.test"}}), http.StatusOK, "")
		w.want(w.do(request{route: "POST /v1/users", as: admin, body: map[string]any{"email": "ann@pagefree.test", "name": "Next Ann"}}), http.StatusCreated, "")
		if session := w.signIn("ann2@pagefree.test"); session == "" {
			t.Error("no session for the new address")
		}
	})
	t.Run("revisions", func(t *testing.T) {
		w := w.in(t)
		read := w.want(w.do(request{route: "GET /v1/users/" + ann, as: admin}), http.StatusOK, "")
		etag := read.header.Get("Etag")
		same := w.do(request{route: "GET /v1/users/" + ann, as: admin, header: http.Header{"If-None-Match": {etag}}})
		if same.status != http.StatusNotModified || len(same.body) > 0 {
			t.Errorf("got %d with %d bytes, want 304 with none", same.status, len(same.body))
		}
		change := request{route: "PATCH /v1/users/" + ann, as: admin, body: map[string]any{"name": "Annie"}, header: http.Header{"If-Match": {etag}}}
		after := w.want(w.do(change), http.StatusOK, "").header.Get("Etag")
		w.want(w.do(change), http.StatusPreconditionFailed, "precondition_failed")
		change.header.Set("If-Match", after)
		change.body = map[string]any{"name": "Anna"}
		w.want(w.do(change), http.StatusOK, "")
	})
	t.Run("what changes nothing is not recorded", func(t *testing.T) {
		w := w.in(t)
		before := len(w.record(ann))
		w.want(w.do(request{route: "PATCH /v1/users/" + ann, as: admin, body: map[string]any{"name": "Anna", "active": true}}), http.StatusOK, "")
		w.want(w.do(request{route: "PATCH /v1/users/" + ann, as: admin, body: map[string]any{}}), http.StatusOK, "")
		if after := len(w.record(ann)); after != before {
			t.Errorf("got %d events more, want none", after-before)
		}
	})
	t.Run("nobody takes the platform from themself", func(t *testing.T) {
		w := w.in(t)
		for _, body := range []string{`{"platformAdmin":false}`, `{"active":false}`} {
			w.want(w.do(request{route: "PATCH /v1/users/" + me, as: admin, body: body}), http.StatusConflict, "invalid_transition")
		}
		w.want(w.do(request{route: "PATCH /v1/users/" + me, as: admin, body: `{"name":"Root"}`}), http.StatusOK, "")
	})
	if got, want := w.record(ann), []string{"user.created", "user.updated", "link.issued", "session.created", "user.updated", "user.updated"}; !slices.Equal(got, want) {
		t.Errorf("record of the user: got %v, want %v", got, want)
	}
}

func TestUserInput(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn(adminEmail)
	long := strings.Repeat("x", 121)
	tests := map[string]struct {
		body   string
		media  string
		status int
		code   string
	}{
		"no JSON":                {body: `{"email"`, status: 400, code: "body_invalid"},
		"no UTF-8":               {body: "{\"email\":\"a@b.test\",\"name\":\"\xff\"}", status: 400, code: "body_invalid"},
		"nothing":                {body: ``, status: 400, code: "body_invalid"},
		"null":                   {body: `null`, status: 422, code: "validation_failed"},
		"a list":                 {body: `[]`, status: 422, code: "validation_failed"},
		"no email":               {body: `{"name":"A"}`, status: 422, code: "validation_failed"},
		"no name":                {body: `{"email":"a@b.test"}`, status: 422, code: "validation_failed"},
		"an empty name":          {body: `{"email":"a@b.test","name":"  "}`, status: 422, code: "validation_failed"},
		"a name that is null":    {body: `{"email":"a@b.test","name":null}`, status: 422, code: "validation_failed"},
		"a long name":            {body: `{"email":"a@b.test","name":"` + long + `"}`, status: 422, code: "validation_failed"},
		"a name with a newline":  {body: `{"email":"a@b.test","name":"A\nB"}`, status: 422, code: "validation_failed"},
		"a name turned around":   {body: `{"email":"a@b.test","name":"A\u202eB"}`, status: 422, code: "validation_failed"},
		"no address":             {body: `{"email":"not an address","name":"A"}`, status: 422, code: "validation_failed"},
		"an unknown member":      {body: `{"email":"a@b.test","name":"A","role":"ADMIN"}`, status: 422, code: "validation_failed"},
		"another type":           {body: `{"email":"a@b.test","name":"A","active":"yes"}`, status: 422, code: "validation_failed"},
		"another media type":     {body: `email=a@b.test`, media: "application/x-www-form-urlencoded", status: 415, code: "unsupported_media_type"},
		"more than a body holds": {body: `{"email":"` + strings.Repeat("x", 257<<10) + `"}`, status: 413, code: "body_too_large"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			r := request{route: "POST /v1/users", as: admin, body: tt.body}
			if tt.media != "" {
				r.header = http.Header{"Content-Type": {tt.media}}
			}
			w.want(w.do(r), tt.status, tt.code)
		})
	}
	me := w.do(request{route: "GET /v1/me", as: admin}).text("id")
	for name, body := range map[string]string{
		"an empty name": `{"name":" "}`, "no address": `{"email":"x"}`, "an unknown member": `{"id":"usr_1"}`,
	} {
		t.Run("a change to "+name, func(t *testing.T) {
			w := w.in(t)
			w.want(w.do(request{route: "PATCH /v1/users/" + me, as: admin, body: body}), http.StatusUnprocessableEntity, "validation_failed")
		})
	}
}

func TestLists(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn(adminEmail)
	team := w.team(admin, "Core")
	want := []string{}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		id, _ := w.hire(admin, name, team, "OBSERVER")
		want = append([]string{id}, want...)
	}
	for range 4 {
		w.key(admin, team, "RESPONDER")
		w.team(admin, "More")
	}
	tests := map[string]struct {
		route, member string
		total         int
	}{
		"users":    {route: "/v1/users", member: "id", total: 6},
		"teams":    {route: "/v1/teams", member: "id", total: 5},
		"members":  {route: "/v1/teams/" + team + "/members", member: "userId", total: 6},
		"api keys": {route: "/v1/api-keys", member: "id", total: 4},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			var got []string
			cursor := ""
			for range 10 {
				a := w.want(w.do(request{route: "GET " + tt.route + "?limit=2&cursor=" + cursor, as: admin}), http.StatusOK, "")
				for i := range a.items() {
					got = append(got, a.text("items."+string(rune('0'+i))+"."+tt.member))
				}
				if cursor = a.text("nextCursor"); cursor == "" {
					break
				}
			}
			if len(got) != tt.total || !slices.IsSortedFunc(got, func(a, b string) int { return strings.Compare(b, a) }) {
				t.Errorf("got %v, want %d, newest first", got, tt.total)
			}
			for _, query := range []string{"cursor=abc", "cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
				w.want(w.do(request{route: "GET " + tt.route + "?" + query, as: admin}), http.StatusBadRequest, "cursor_invalid")
			}
			for _, query := range []string{"limit=0", "limit=201", "limit=x"} {
				w.want(w.do(request{route: "GET " + tt.route + "?" + query, as: admin}), http.StatusUnprocessableEntity, "validation_failed")
			}
		})
	}
	t.Run("a cursor of another list", func(t *testing.T) {
		w := w.in(t)
		cursor := w.do(request{route: "GET /v1/users?limit=1", as: admin}).text("nextCursor")
		w.want(w.do(request{route: "GET /v1/teams?cursor=" + cursor, as: admin}), http.StatusBadRequest, "cursor_invalid")
	})
	t.Run("a member's own teams", func(t *testing.T) {
		w := w.in(t)
		id, session := w.hire(admin, "f", team, "OBSERVER")
		other := w.team(admin, "Other")
		w.join(admin, other, id, "RESPONDER")
		a := w.want(w.do(request{route: "GET /v1/teams?limit=1", as: session}), http.StatusOK, "")
		b := w.want(w.do(request{route: "GET /v1/teams?limit=1&cursor=" + a.text("nextCursor"), as: session}), http.StatusOK, "")
		if a.text("items.0.id") != other || b.text("items.0.id") != team || b.text("nextCursor") != "" {
			t.Errorf("got %s, then %s", a.body, b.body)
		}
	})
}
