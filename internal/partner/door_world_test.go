package partner_test

import (
	"context"
	"encoding/json"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/internal/partner"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

// door lets partners in at a time, "" for the world's clock.
func (w *world) door(at time.Time) *partner.Door {
	now := w.clock.Now
	if !at.IsZero() {
		now = func() time.Time { return at }
	}
	return &partner.Door{
		Store: partner.Store{Table: dynamo.Table{Name: w.table.Name, DB: dynamodb.NewFromConfig(w.env.Config)}},
		Looks: queue.Queue{URL: w.env.QueueURL("LooksQueue"), Client: sqs.NewFromConfig(w.env.Config)},
		Now:   now,
	}
}

// seatOf is the place of an access, of a person where there is one.
func (w *world) seatOf(made answer, slug, personID string) seat.Seat {
	return seat.Seat{PageID: made.Str("statusPageId"), AccessID: made.id(), PartnerID: made.Str("partnerId"), PersonID: personID, Slug: slug}
}

// byToken is who comes with an access's token, as the authorizer says.
func (w *world) byToken(made answer) principal.Principal {
	return w.by(seat.ByToken, w.seatOf(made, "", ""))
}

func (w *world) by(via seat.Via, at seat.Seat) principal.Principal {
	return principal.Principal{Kind: principal.Partner, ID: at.AccessID + at.PageID, Partner: &principal.Reading{Via: via, Seats: []seat.Seat{at}}}
}

// bySession is who signed in at a time.
func (w *world) bySession(began time.Time, seats ...seat.Seat) principal.Principal {
	return principal.Principal{
		Kind: principal.Partner, ID: id.New(id.PartnerSession, began),
		Partner: &principal.Reading{Via: seat.BySession, Seats: seats, Since: timestamp.Ptr(began)},
	}
}

const from = "192.0.2.7"

func coming(ctx context.Context, p principal.Principal, ip string) context.Context {
	return principal.With(principal.WithOrigin(ctx, principal.Origin{IP: ip, UserAgent: "reader/1"}), p)
}

// looks takes what was put on record.
func (w *world) looks() []partner.Look {
	w.t.Helper()
	var out []partner.Look
	for _, m := range w.messages("LooksQueue") {
		var l partner.Look
		if err := json.Unmarshal([]byte(m), &l); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}

// incident puts an incident, and its record, into the page; its audience is nil for everybody.
func (w *world) incident(audience []string, components ...string) string {
	w.t.Helper()
	at := timestamp.Of(w.clock.Now())
	u := status.Update{ID: id.New(id.PageUpdate, at.Time), At: at, Status: status.Investigating, Body: "whole text"}
	for _, c := range components {
		u.Components = append(u.Components, status.Touched{ID: c, Status: status.MajorOutage})
	}
	i := status.Incident{ID: id.New(id.PageIncident, at.Time), Title: "Incident", Impact: status.ImpactMajor, Audience: audience, CreatedAt: at, Updates: []status.Update{u}}
	page := w.snapshot("acme-cloud")
	page.Incidents = append([]status.Incident{i}, page.Incidents...)
	w.show(page)
	w.put(status.RecordKey(w.page, i.ID), status.Record{ID: i.ID, Packed: squeezed(w.t, i)})
	return i.ID
}
