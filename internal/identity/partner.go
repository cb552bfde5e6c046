package identity

import (
	"context"
	"strings"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/seat"
)

// Partners tells where the persons of partners have a place. Addresses are normalized.
type Partners interface {
	// Places are those that an address holds at now, newest first, at most seat.Max.
	Places(ctx context.Context, email string, now time.Time) ([]seat.Place, error)
	// Place is one seat of an address; false where it does not hold at now.
	Place(ctx context.Context, email string, at seat.Seat, now time.Time) (seat.Place, bool, error)
	// Accept is the writes by which a sign-in marks its persons, one for each
	// place; each fails where its person was revoked meanwhile.
	Accept(places []seat.Place, now time.Time) []dynamo.Op
}

// nobodys is Partners of a function that knows none.
type nobodys struct{}

func (nobodys) Places(context.Context, string, time.Time) ([]seat.Place, error) { return nil, nil }
func (nobodys) Place(context.Context, string, seat.Seat, time.Time) (seat.Place, bool, error) {
	return seat.Place{}, false, nil
}
func (nobodys) Accept([]seat.Place, time.Time) []dynamo.Op { return nil }

// inTrails records an event for each place that it is about, in the trail of
// its access. What is said of one team's page is never told to another team.
func inTrails(ctx context.Context, log audit.Log, now time.Time, places []seat.Place, e audit.Entry) []dynamo.Op {
	ops := make([]dynamo.Op, len(places))
	for i, p := range places {
		e.Subject, e.TeamID = subject("access", p.AccessID), p.TeamID
		if e.Actor.Kind == "" || e.Actor.Kind == string(principal.Partner) {
			e.Actor = audit.Ref{Kind: string(principal.Partner), ID: p.PersonID}
		}
		ops[i] = log.Record(ctx, now, e)
	}
	return ops
}

// toPages reports whether a path of ours leads to status pages.
func toPages(next string) bool {
	path, _, _ := strings.Cut(next, "?")
	return path == "/status" || strings.HasPrefix(path, "/status/")
}

// onward is where a partner goes on to after signing in: to the pages that were
// asked for, else to the one page that they have, else to the list.
func onward(next string, places []seat.Place) string {
	switch {
	case toPages(next):
		return next
	case len(places) == 1:
		return "/status/" + places[0].Slug
	}
	return "/status"
}

// longest is how long a session is good for that leads to places: as long as
// one of them lasts. Each ends by its own rule within.
func longest(places []seat.Place) time.Duration {
	var d time.Duration
	for _, p := range places {
		d = max(d, p.Lifetime)
	}
	return min(d, maxPartnerSession)
}

// maxPartnerSession is the longest that a page may ask for.
const maxPartnerSession = 30 * 24 * time.Hour
