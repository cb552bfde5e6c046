package partner_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
)

// signIn leaves the mark of a session that began now, as sign-in does.
func (w *world) signIn(accessID, personID, email string, epoch int64, life time.Duration) (sessionID string) {
	w.t.Helper()
	now := w.clock.Now()
	m := seat.Session{
		ID: id.New(id.PartnerSession, now), PersonID: personID, Email: email, Epoch: epoch, IP: "192.0.2.9", UserAgent: "browser",
		CreatedAt: timestamp.Of(now), ExpiresAt: timestamp.Of(now.Add(life)),
	}
	if err := dynamo.Commit(w.t.Context(), w.eph.DB, seat.Mark(w.eph, accessID, m)); err != nil {
		w.t.Fatal(err)
	}
	return m.ID
}

// person is the id of a person of an access.
func (w *world) person(access, email string) string {
	w.t.Helper()
	for _, p := range w.must(200, "lead", "GET", access+"/people", nil).Items() {
		if p["email"] == email && p["revokedAt"] == nil {
			return p["id"].(string)
		}
	}
	w.t.Fatalf("nobody has %s", email)
	return ""
}

const week = 7 * 24 * time.Hour

func TestSessions(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	path := of(w.page, "partners", made.id())
	ann := w.must(201, "lead", "POST", path+"/people", `{"email":"ann@acme.test"}`).id()
	ops := w.person(path, "ops@acme.test")
	w.signIn(made.id(), ops, "ops@acme.test", 0, time.Minute) // over soon
	one := w.signIn(made.id(), ops, "ops@acme.test", 0, week)
	two := w.signIn(made.id(), ann, "ann@acme.test", 0, week)
	long := w.signIn(made.id(), ann, "ann@acme.test", 0, 30*24*time.Hour) // of when the page had thirty days
	other := w.grantAt(w.second, "Acme", "ops@acme.test")
	w.signIn(other.id(), w.person(of(w.second, "partners", other.id()), "ops@acme.test"), "ops@acme.test", 0, week)
	w.clock.Advance(time.Minute)
	show := func() string {
		var out []string
		for _, s := range w.must(200, "lead", "GET", path+"/sessions", nil).Items() {
			out = append(out, fmt.Sprintf("%s %v", s["id"], s["live"]))
		}
		return strings.Join(out, ", ")
	}
	first := w.must(200, "lead", "GET", path+"/sessions?limit=1", nil)
	if s := first.Items()[0]; s["id"] != long || s["email"] != "ann@acme.test" || s["personId"] != ann || s["ip"] != "192.0.2.9" || s["userAgent"] != "browser" {
		t.Errorf("got %s", first.Text)
	}
	if s := first.Items()[0]; s["expiresAt"].(string)[:10] != "2060-03-08" {
		t.Errorf("it ends at %v, want by the page's own days", s["expiresAt"])
	}
	if got, want := show(), long+" true, "+two+" true, "+one+" true"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	w.must(204, "lead", "DELETE", path+"/people/"+ann, nil)
	if got, want := show(), long+" false, "+two+" false, "+one+" true"; got != want {
		t.Errorf("without Ann: got %s, want %s", got, want)
	}
	if gone := w.must(200, "lead", "DELETE", path, nil); gone.Body["sessionsEnded"] != 1.0 {
		t.Errorf("got %s, want the one that was left", gone.Text)
	}
	if got, want := show(), long+" false, "+two+" false, "+one+" false"; got != want {
		t.Errorf("revoked: got %s, want %s", got, want)
	}
}

func TestSessionsThatAreNotEndedTwice(t *testing.T) {
	tests := map[string]struct {
		do   func(w *world, made answer, path string)
		want float64
	}{
		"live ones":                  {func(*world, answer, string) {}, 3},
		"of an account that was off": {func(w *world, made answer, _ string) { w.toggle(made) }, 0},
		"of an access that expired":  {func(w *world, _ answer, path string) { w.expire(path) }, 0},
		"of an access that was moved": {func(w *world, _ answer, path string) {
			w.must(200, "lead", "PATCH", path, `{"contactEmail":"x@acme.test"}`)
		}, 0},
		"moved there and back": {func(w *world, _ answer, path string) {
			w.must(200, "lead", "PATCH", path, `{"contactEmail":"x@acme.test"}`)
			w.must(200, "lead", "PATCH", path, `{"contactEmail":"ops@acme.test"}`)
		}, 0},
		"after the page's days": {func(w *world, _ answer, _ string) { w.clock.Advance(week) }, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			made := w.grant("Acme", "ops@acme.test")
			path := of(w.page, "partners", made.id())
			ann := w.must(201, "lead", "POST", path+"/people", `{"email":"ann@acme.test"}`).id()
			for range 3 {
				w.signIn(made.id(), ann, "ann@acme.test", 0, 30*24*time.Hour)
			}
			tt.do(w, made, path)
			if gone := w.must(200, "lead", "DELETE", path, nil); gone.Body["sessionsEnded"] != tt.want {
				t.Errorf("got %s, want %v", gone.Text, tt.want)
			}
		})
	}
}

// toggle deactivates the account of an access and activates it again.
func (w *world) toggle(made answer) {
	w.t.Helper()
	for _, active := range []bool{false, true} {
		w.must(200, "lead", "PATCH", "/v1/partners/"+made.Str("partnerId"), map[string]any{"active": active})
	}
}

// expire lets an access come to its end.
func (w *world) expire(path string) {
	w.t.Helper()
	w.must(200, "lead", "PATCH", path, map[string]any{"expiresAt": w.clock.Now().Add(time.Second).UTC().Format(time.RFC3339Nano)})
	w.clock.Advance(time.Second)
}

// TestManySessions: more than one page of marks is counted.
func TestManySessions(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	path := of(w.page, "partners", made.id())
	ops := w.person(path, "ops@acme.test")
	for range 205 {
		w.signIn(made.id(), ops, "ops@acme.test", 0, week)
	}
	if gone := w.must(200, "lead", "DELETE", path, nil); gone.Body["sessionsEnded"] != 205.0 {
		t.Errorf("got %s", gone.Text)
	}
}
