package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"pagefree/infra/local/lambda"
	"pagefree/infra/local/template"
)

// Limits of a WebSocket API, in bytes.
const (
	maxFrame   = 32 << 10
	maxMessage = 128 << 10
)

// SocketOptions of NewSockets. Template and Functions are required.
type SocketOptions struct {
	Template  *template.Template
	Functions Invoker
	Idle      time.Duration // a socket that nobody says a word on is closed; default 10 minutes
	Longest   time.Duration // and any after so long; default 2 hours
	Log       *slog.Logger  // gets what a caller is not told; default none
}

// Sockets is API Gateway's WebSocket API as the template sets it up: routes, the exact events, the throttle, limits of
// size and time, what a function answers, and the connections that functions reach from behind.
//
// Not like API Gateway: no authorizer, no route selected by what a message says, no subprotocols, no access logs.
type Sockets struct {
	opts SocketOptions
	api  *template.SocketAPI
	wall *wall

	mu      sync.Mutex
	open    map[string]*socket
	ending  bool
	serving sync.WaitGroup
}

// NewSockets makes the handler of the template's one WebSocket API.
func NewSockets(opts SocketOptions) (*Sockets, error) {
	if opts.Template.Sockets == nil {
		return nil, errors.New("gateway: the template has no AWS::ApiGatewayV2::Api")
	}
	opts.Idle, opts.Longest = cmp.Or(opts.Idle, 10*time.Minute), cmp.Or(opts.Longest, 2*time.Hour)
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Sockets{opts: opts, api: opts.Template.Sockets, wall: newWall(nil), open: map[string]*socket{}}, nil
}

// socket is a connection.
type socket struct {
	id          string
	conn        *websocket.Conn
	who         identity
	connectedAt time.Time

	mu       sync.Mutex
	activeAt time.Time
	idle     *time.Timer
	code     int    // with which it was closed from here, 0 otherwise
	why      string // the same
}

// Close ends all sockets. No function is told: the stack they would tell is going.
func (s *Sockets) Close() error {
	s.mu.Lock()
	s.ending = true
	for _, one := range s.open {
		_ = one.conn.CloseNow()
	}
	s.mu.Unlock()
	s.serving.Wait()
	return nil
}

// ServeHTTP opens a socket when the function behind $connect lets it, and serves it until it is closed.
func (s *Sockets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	one := &socket{id: connectionID(), connectedAt: time.Now(), activeAt: time.Now(), who: identity{SourceIP: sourceIP(r), UserAgent: r.UserAgent()}}
	switch {
	case strings.TrimSuffix(r.URL.Path, "/") != "/"+s.api.Stage:
		say(w, http.StatusForbidden, "Forbidden")
		return
	case !strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		say(w, http.StatusUpgradeRequired, "Upgrade Required")
		return
	case !s.admit("$connect"):
		say(w, http.StatusTooManyRequests, "Too Many Requests")
		return
	}
	s.mu.Lock()
	if s.ending {
		s.mu.Unlock()
		say(w, http.StatusServiceUnavailable, "Service Unavailable")
		return
	}
	s.serving.Add(1)
	s.mu.Unlock()
	defer s.serving.Done()
	answer, err := s.call(r.Context(), "$connect", s.connectEvent(one, r))
	if err != nil {
		s.opts.Log.Error("socket", "route", "$connect", "cause", err.Error())
		say(w, http.StatusBadGateway, "Internal server error")
		return
	}
	if answer.status < 200 || answer.status > 299 {
		say(w, answer.status, http.StatusText(answer.status))
		return
	}
	// Whose page opens it, the function decided.
	conn, err := websocket.Accept(&framed{ResponseWriter: w}, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		s.opts.Log.Error("socket", "cause", err.Error())
		return
	}
	conn.SetReadLimit(maxMessage)
	one.conn = conn
	s.serve(one)
}

// serve hands on what is said on a socket until it is closed, and tells the function behind $disconnect.
func (s *Sockets) serve(one *socket) {
	s.mu.Lock()
	if s.ending {
		s.mu.Unlock()
		_ = one.conn.CloseNow()
		return
	}
	one.idle = time.AfterFunc(s.opts.Idle, func() { one.close(websocket.StatusGoingAway, "Idle timeout") })
	longest := time.AfterFunc(s.opts.Longest, func() { one.close(websocket.StatusGoingAway, "Connection duration exceeded") })
	s.open[one.id] = one
	s.mu.Unlock()

	var handling sync.WaitGroup
	var err error
	for {
		var text []byte
		if _, text, err = one.conn.Read(context.Background()); err != nil {
			break
		}
		one.active(s.opts.Idle)
		handling.Go(func() { s.message(one, text) }) // messages do not wait for one another
	}
	_ = one.conn.CloseNow()
	one.idle.Stop()
	longest.Stop()
	handling.Wait()
	s.mu.Lock()
	delete(s.open, one.id)
	ending := s.ending
	s.mu.Unlock()
	if ending {
		return
	}
	if _, err := s.call(context.Background(), "$disconnect", s.disconnectEvent(one, err)); err != nil {
		s.opts.Log.Error("socket", "route", "$disconnect", "cause", err.Error())
	}
}

func (s *Sockets) message(one *socket, text []byte) {
	e := s.messageEvent(one, text)
	if !s.admit("$default") {
		s.reply(one, e, "Forbidden")
		return
	}
	answer, err := s.call(context.Background(), "$default", e)
	switch {
	case err != nil:
		s.opts.Log.Error("socket", "route", "$default", "cause", err.Error())
		s.reply(one, e, "Internal server error")
	case s.api.Routes["$default"].Answers && answer.Body != nil && *answer.Body != "":
		_ = one.write([]byte(*answer.Body), s.opts.Idle) // gone meanwhile
	}
}

// reply is what API Gateway itself says to a message.
func (s *Sockets) reply(one *socket, e socketEvent, text string) {
	body, _ := json.Marshal(map[string]string{"message": text, "connectionId": one.id, "requestId": e.RequestContext.RequestID}) // strings alone
	_ = one.write(body, s.opts.Idle)
}

func (s *Sockets) admit(route string) bool {
	if s.api.Throttle == nil {
		return true
	}
	s.wall.mu.Lock()
	defer s.wall.mu.Unlock()
	return s.wall.take(route, *s.api.Throttle, time.Now())
}

// call invokes the function behind a route.
func (s *Sockets) call(ctx context.Context, route string, e socketEvent) (*answer, error) {
	payload, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 29*time.Second)
	defer cancel()
	result, err := s.opts.Functions.Invoke(ctx, lambda.Request{Function: s.api.Routes[route].Function, Payload: payload})
	switch {
	case err != nil:
		return nil, err
	case result.FunctionError != "":
		return nil, errors.New("the function failed: " + string(result.Payload))
	}
	return parseAnswer(result.Payload)
}

// active puts the end of an idle socket off.
func (one *socket) active(idle time.Duration) {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.activeAt = time.Now()
	one.idle.Reset(idle)
}

func (one *socket) write(text []byte, idle time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := one.conn.Write(ctx, websocket.MessageText, text); err != nil {
		return err
	}
	one.active(idle)
	return nil
}

func (one *socket) close(code websocket.StatusCode, why string) {
	one.mu.Lock()
	one.code, one.why = int(code), why
	one.mu.Unlock()
	_ = one.conn.Close(code, why) // gone already
}

// connectionID is one as API Gateway's are: base64 of twelve bytes or so.
func connectionID() string {
	b := make([]byte, 11)
	_, _ = rand.Read(b) // never fails
	return base64.URLEncoding.EncodeToString(b)
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"message":"`+text+`"}`)
}
