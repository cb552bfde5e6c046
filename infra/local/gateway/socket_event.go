package gateway

import (
	"crypto/rand"
	"encoding/base64"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
)

// socketEvent is the input of a function behind a WebSocket API. Of a message there is a body, and no header.
type socketEvent struct {
	Headers                         map[string]string   `json:"headers,omitempty"`
	MultiValueHeaders               map[string][]string `json:"multiValueHeaders,omitempty"`
	QueryStringParameters           map[string]string   `json:"queryStringParameters,omitempty"`
	MultiValueQueryStringParameters map[string][]string `json:"multiValueQueryStringParameters,omitempty"`
	RequestContext                  socketContext       `json:"requestContext"`
	Body                            *string             `json:"body,omitempty"`
	IsBase64Encoded                 bool                `json:"isBase64Encoded"`
}

type socketContext struct {
	RouteKey             string   `json:"routeKey"`
	DisconnectStatusCode *int     `json:"disconnectStatusCode"`
	MessageID            *string  `json:"messageId"`
	EventType            string   `json:"eventType"` // CONNECT, MESSAGE or DISCONNECT
	ExtendedRequestID    string   `json:"extendedRequestId"`
	RequestTime          string   `json:"requestTime"` // 09/Apr/2015:12:34:56 +0000
	MessageDirection     string   `json:"messageDirection"`
	DisconnectReason     *string  `json:"disconnectReason"`
	Stage                string   `json:"stage"`
	ConnectedAt          int64    `json:"connectedAt"`      // milliseconds
	RequestTimeEpoch     int64    `json:"requestTimeEpoch"` // milliseconds
	Identity             identity `json:"identity"`
	RequestID            string   `json:"requestId"`
	DomainName           string   `json:"domainName"`
	ConnectionID         string   `json:"connectionId"`
	APIID                string   `json:"apiId"`
}

func (s *Sockets) event(one *socket, kind, route string) socketEvent {
	now := time.Now().UTC()
	extended := shortID()
	return socketEvent{RequestContext: socketContext{
		RouteKey: route, EventType: kind, ExtendedRequestID: extended, RequestTime: now.Format("02/Jan/2006:15:04:05 -0700"), MessageDirection: "IN",
		Stage: s.api.Stage, ConnectedAt: one.connectedAt.UnixMilli(), RequestTimeEpoch: now.UnixMilli(), Identity: one.who, RequestID: extended,
		DomainName: s.domain(), ConnectionID: one.id, APIID: s.api.ID,
	}}
}

func (s *Sockets) domain() string {
	return s.api.ID + ".execute-api." + s.opts.Template.Region + ".amazonaws.com"
}

func (s *Sockets) connectEvent(one *socket, r *http.Request) socketEvent {
	e := s.event(one, "CONNECT", "$connect")
	h := map[string][]string(r.Header.Clone())
	maps.DeleteFunc(h, func(name string, _ []string) bool { return name == "Connection" || name == "Upgrade" })
	h["Host"] = []string{r.Host}
	h["X-Amzn-Trace-Id"] = []string{"Root=1-" + strings.ReplaceAll(uuid.NewString(), "-", "")[:8] + "-" + strings.ReplaceAll(uuid.NewString(), "-", "")[:24]}
	h["X-Forwarded-For"] = []string{strings.Join(append(r.Header["X-Forwarded-For"], one.who.SourceIP), ", ")}
	h["X-Forwarded-Port"], h["X-Forwarded-Proto"] = []string{"443"}, []string{"https"}
	e.MultiValueHeaders, e.Headers = h, lasts(h)
	if query := r.URL.Query(); len(query) > 0 {
		e.MultiValueQueryStringParameters, e.QueryStringParameters = query, lasts(query)
	}
	return e
}

func (s *Sockets) messageEvent(one *socket, text []byte) socketEvent {
	e := s.event(one, "MESSAGE", "$default")
	id, body := shortID(), strings.ToValidUTF8(string(text), "\uFFFD")
	e.RequestContext.MessageID, e.Body = &id, &body
	return e
}

func (s *Sockets) disconnectEvent(one *socket, cause error) socketEvent {
	e := s.event(one, "DISCONNECT", "$disconnect")
	e.Headers = map[string]string{"Host": s.domain(), "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
	e.MultiValueHeaders = map[string][]string{}
	for name, value := range e.Headers {
		e.MultiValueHeaders[name] = []string{value}
	}
	code, why := int(websocket.CloseStatus(cause)), ""
	if code < 0 {
		code = int(websocket.StatusAbnormalClosure) // it went without a word
	}
	one.mu.Lock()
	if one.code != 0 {
		code, why = one.code, one.why
	}
	one.mu.Unlock()
	e.RequestContext.DisconnectStatusCode, e.RequestContext.DisconnectReason = &code, &why
	return e
}

func lasts(of map[string][]string) map[string]string {
	out := map[string]string{}
	for name, values := range of {
		out[name] = values[len(values)-1]
	}
	return out
}

func shortID() string {
	id := make([]byte, 11)
	_, _ = rand.Read(id) // never fails
	return base64.StdEncoding.EncodeToString(id)
}
