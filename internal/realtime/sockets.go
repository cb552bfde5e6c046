package realtime

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/token"
)

// Sessions are those of the staff.
type Sessions interface {
	// Look returns the sessions that hold, by their hash.
	Look(ctx context.Context, hashes []string) (map[string]principal.Live, error)
}

// Outbox takes messages for the publisher.
type Outbox interface {
	Send(ctx context.Context, message any) error
}

// Sockets answers what API Gateway tells of sockets: that one opens, says
// something, or is gone.
type Sockets struct {
	Store      Store
	Automation dynamo.Table // where single things are looked up
	Sessions   Sessions
	Edge       httpapi.Edge
	Origin     *origin.Source
	Live       Outbox
	Now        func() time.Time

	pace pace
}

// Answer is a function's to a socket's event: a status, which decides on a
// socket that opens, and what is said to one that is open.
type Answer struct {
	StatusCode int    `json:"statusCode"`
	Body       string `json:"body,omitempty"`
}

// Handle answers an event of the WebSocket API. An error is ours alone.
func (s *Sockets) Handle(ctx context.Context, e events.APIGatewayWebsocketProxyRequest) (Answer, error) {
	switch e.RequestContext.EventType {
	case "CONNECT":
		status, err := s.connect(ctx, e)
		slog.InfoContext(ctx, "socket", "status", status, "requestId", e.RequestContext.RequestID)
		return Answer{StatusCode: status}, err
	case "DISCONNECT":
		return Answer{StatusCode: http.StatusOK}, s.disconnect(ctx, e.RequestContext.ConnectionID)
	case "MESSAGE":
		said, err := s.message(ctx, e.RequestContext.ConnectionID, e.Body)
		if err != nil {
			return Answer{}, err
		}
		body, err := json.Marshal(said)
		return Answer{StatusCode: http.StatusOK, Body: string(body)}, err
	}
	return Answer{}, fmt.Errorf("%q is no event of a socket", e.RequestContext.EventType)
}

// connect lets a socket open: by the distribution, from a page of ours where a
// page opens it, with a ticket that nobody used, of a session that holds. The
// ticket is used up together with the connection that it opens.
func (s *Sockets) connect(ctx context.Context, e events.APIGatewayWebsocketProxyRequest) (status int, err error) {
	if passed, _ := s.Edge.Vouches(e.MultiValueHeaders); !passed {
		return http.StatusForbidden, nil
	}
	at, err := s.Origin.Get(ctx)
	if err != nil {
		return http.StatusInternalServerError, err
	}
	if foreign(e.MultiValueHeaders, at) {
		return http.StatusForbidden, nil
	}
	secret, ok := ticketIn(e)
	if !ok {
		return http.StatusUnauthorized, nil
	}
	hash, now := token.Hash(secret), s.Now()
	t, found, err := s.Store.ticket(ctx, hash)
	if err != nil || !found {
		return http.StatusUnauthorized, err
	}
	live, err := s.Sessions.Look(ctx, []string{t.SessionHash})
	if err != nil {
		return http.StatusInternalServerError, err
	}
	session, holds := live[t.SessionHash]
	if !holds {
		return http.StatusUnauthorized, nil
	}
	full, err := s.Store.full(ctx, t.UserID, t.SessionHash, now)
	switch {
	case err != nil:
		return http.StatusInternalServerError, err
	case full:
		return http.StatusTooManyRequests, nil
	}
	c := Connection{
		ID: e.RequestContext.ConnectionID, UserID: t.UserID, SessionHash: t.SessionHash,
		ConnectedAt: timestamp.Of(now), EndsAt: timestamp.Of(session.Until), Rev: 1,
	}
	err = s.Store.commit(ctx, append([]dynamo.Op{s.Store.useTicket(hash, now)}, s.Store.create(c)...))
	if _, lost := dynamo.Failed(err); lost { // used, or too old
		return http.StatusUnauthorized, nil
	}
	if err != nil {
		return http.StatusInternalServerError, err
	}
	// Whoever ended the session since the look above may have looked for its connections before this one was there.
	if live, err = s.Sessions.Look(ctx, []string{t.SessionHash}); err != nil {
		return http.StatusInternalServerError, err
	}
	if _, holds := live[t.SessionHash]; !holds {
		return http.StatusUnauthorized, s.Store.forget(ctx, c)
	}
	return http.StatusOK, nil
}

// foreign tells whether a page of somebody else's opens the socket: a browser
// always says whose page it is. What is no browser has no cookie that somebody
// could ride on, and says nothing.
func foreign(h map[string][]string, at origin.Origin) bool {
	for name, values := range h {
		if strings.EqualFold(name, "Origin") && slices.ContainsFunc(values, func(o string) bool { return !strings.EqualFold(o, at.Site()) }) {
			return true
		}
	}
	return false
}

// ticketIn finds the ticket that a socket was opened with. The URL that came
// with it holds it already, and a client may have put it there once more, with
// a question mark or an ampersand; two that differ are none.
func ticketIn(e events.APIGatewayWebsocketProxyRequest) (secret string, ok bool) {
	said := e.MultiValueQueryStringParameters["ticket"]
	if len(said) == 0 && e.QueryStringParameters["ticket"] != "" {
		said = []string{e.QueryStringParameters["ticket"]}
	}
	for _, text := range said {
		for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == '?' || r == '&' }) {
			part = strings.TrimPrefix(part, "ticket=")
			if plain, err := url.QueryUnescape(part); err == nil {
				part = plain
			}
			if kind, is := token.KindOf(part); !is || kind != token.Ticket || secret != "" && secret != part {
				return "", false
			}
			secret = part
		}
	}
	return secret, secret != ""
}

func (s *Sockets) disconnect(ctx context.Context, connectionID string) error {
	c, found, err := s.Store.connection(ctx, connectionID)
	if err != nil || !found {
		return err
	}
	return s.Store.forget(ctx, c)
}

// asked is what a client says.
type asked struct {
	Subscribe *Subscription   `json:"subscribe"`
	Ping      json.RawMessage `json:"ping"`
}

// told is what it is answered.
type told struct {
	Subscribed *Subscription `json:"subscribed,omitempty"`
	NotFound   []string      `json:"notFound,omitempty"`
	Pong       bool          `json:"pong,omitempty"`
	Error      *refusal      `json:"error,omitempty"`
}

type refusal struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func refuse(code, detail string) told { return told{Error: &refusal{Code: code, Detail: detail}} }

func (s *Sockets) message(ctx context.Context, connectionID, text string) (told, error) {
	if ok, end := s.pace.takes(connectionID, s.Now()); !ok {
		said := refuse("rate_limited", fmt.Sprintf("At most %d messages in a minute.", MaxSaid))
		if !end {
			return said, nil
		}
		return said, s.Live.Send(ctx, Message{Close: connectionID})
	}
	var a asked
	if json.Unmarshal([]byte(text), &a) != nil || a.Subscribe == nil && a.Ping == nil {
		return refuse("message_invalid", `Send {"subscribe":{"kinds":[...],"ids":[...]}} or {"ping":true}.`), nil
	}
	for try := 1; ; try++ {
		said, err := s.hear(ctx, connectionID, a)
		if _, lost := dynamo.Failed(err); !lost {
			return said, err
		}
		if try == 3 { // a client that says much at once
			return refuse("conflict", "Another message changed the subscription meanwhile. Send it again."), nil
		}
	}
}

// hear does what a client asks for, with the rights that its session has now.
func (s *Sockets) hear(ctx context.Context, connectionID string, a asked) (told, error) {
	ended := refuse("unauthenticated", "The session has ended. Sign in again.")
	c, found, err := s.Store.connection(ctx, connectionID)
	if err != nil {
		return told{}, err
	}
	if !found { // it was forgotten, and could not be closed then
		return ended, s.Live.Send(ctx, Message{Close: connectionID})
	}
	live, err := s.Sessions.Look(ctx, []string{c.SessionHash})
	if err != nil {
		return told{}, err
	}
	who, holds := live[c.SessionHash]
	if !holds {
		return ended, s.Live.Send(ctx, Message{UserID: c.UserID}) // who may close it
	}
	if a.Subscribe == nil {
		return told{Pong: true}, nil
	}
	return s.subscribe(ctx, c, who.Principal, *a.Subscribe)
}

func (s *Sockets) subscribe(ctx context.Context, c Connection, who principal.Principal, to Subscription) (told, error) {
	if len(to.IDs) > MaxIDs || len(to.Kinds) > len(watched) {
		return refuse("validation_failed", fmt.Sprintf("At most %d ids and %d kinds.", MaxIDs, len(watched))), nil
	}
	for _, kind := range to.Kinds {
		if !known(kind) {
			return refuse("validation_failed", "The kinds are incident, execution and workflow-run."), nil
		}
	}
	is := c
	is.Kinds, is.IDs = slices.Compact(slices.Sorted(slices.Values(to.Kinds))), map[string]string{}
	said := told{Subscribed: &Subscription{Kinds: is.Kinds, IDs: []string{}}}
	if is.Kinds == nil {
		said.Subscribed.Kinds = []string{}
	}
	for _, thingID := range slices.Compact(slices.Sorted(slices.Values(to.IDs))) {
		t, found, err := find(ctx, s.Automation, thingID)
		if err != nil {
			return told{}, err
		}
		if !found || !sees(who, t.scope()) {
			said.NotFound = append(said.NotFound, thingID)
			continue
		}
		is.IDs[thingID] = t.scope()
		said.Subscribed.IDs = append(said.Subscribed.IDs, thingID)
	}
	is.Scopes = scopesOf(who, is.Kinds, is.IDs)
	return said, s.Store.change(ctx, c, is)
}
