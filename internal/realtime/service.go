package realtime

import (
	"context"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/token"
)

// Path is where the socket is, below the public origin.
const Path = "/socket"

// Tickets gives them out.
type Tickets struct {
	Store  Store
	Origin *origin.Source
	Now    func() time.Time
}

// Issued is a ticket, with the secret that only its owner gets.
type Issued struct {
	Ticket    string         `json:"ticket" doc:"a secret: it opens one socket, once"`
	URL       string         `json:"url" format:"uri" doc:"of the socket, with the ticket in it"`
	ExpiresAt timestamp.Time `json:"expiresAt" doc:"30 seconds from now"`
}

// Issue gives the session of the request a ticket.
func (t *Tickets) Issue(ctx context.Context) (Issued, error) {
	who, err := principal.Authenticated(ctx)
	switch {
	case err != nil:
		return Issued{}, err
	case who.Kind != principal.User || who.SessionHash == "":
		return Issued{}, problem.Denied("This is for a person's session, not for an API key.")
	}
	at, err := t.Origin.Get(ctx)
	if err != nil {
		return Issued{}, err
	}
	secret := token.New(token.Ticket)
	issued := Issued{Ticket: secret, URL: "ws" + strings.TrimPrefix(at.URL(Path), "http") + "?ticket=" + secret, ExpiresAt: timestamp.Of(t.Now().Add(TicketLife))}
	ticket := Ticket{UserID: who.ID, SessionHash: who.SessionHash, ExpiresAt: issued.ExpiresAt}
	return issued, dynamo.Commit(ctx, t.Store.Table.DB, t.Store.createTicket(token.Hash(secret), ticket))
}

type issuedOutput struct{ Body Issued }

// Routes registers the route that gives tickets. Sockets themselves are no
// routes of this API: what they say is described here.
func Routes(api *httpapi.API, t *Tickets) {
	op := httpapi.Personal("POST /v1/realtime/tickets", "Get a ticket that opens a socket")
	api.Describe(op, func(o *huma.Operation) {
		o.Description = "For a person's session. The socket at `url` is told what changes: send `{\"subscribe\":{\"kinds\":[\"incident\",\"execution\",\"workflow-run\"],\"ids\":[\"inc_...\"]}}` " +
			"for all that you may see of some kinds, for single things (at most 50), or both; the answer is `{\"subscribed\":{\"kinds\":[...],\"ids\":[...]},\"notFound\":[...]}`, " +
			"and another subscription replaces it. What follows is `{\"kind\":\"incident\",\"id\":\"inc_...\",\"version\":3}` for each change: read it over HTTP. " +
			"A message may be lost, or come twice. A socket is closed after ten minutes without a word (send `{\"ping\":true}`), after two hours, when it says more than 60 things in a minute, and with the session."
	})
	httpapi.Register(api, op, func(ctx context.Context, _ *struct{}) (*issuedOutput, error) {
		issued, err := t.Issue(ctx)
		if err != nil {
			return nil, err
		}
		return &issuedOutput{Body: issued}, nil
	})
}
