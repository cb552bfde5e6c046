package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"pagefree/infra/local/aws"
	"pagefree/infra/local/demo"
	"pagefree/internal/platform/id"
)

// hearer is an open socket that notes when it is told of what is asked about.
type hearer struct {
	conn *websocket.Conn
	told chan time.Time
}

// listen opens a socket, by a ticket of its own, that hears of incidents.
func (w *work) listen(ctx context.Context) (*hearer, error) {
	ticket, err := w.call(ctx, demo.Responder, "POST", "/v1/realtime/tickets", nil)
	if err != nil {
		return nil, err
	}
	conn, _, err := websocket.Dial(ctx, text(ticket, "url"), nil)
	if err != nil {
		return nil, err
	}
	if err := conn.Write(ctx, websocket.MessageText, []byte(`{"subscribe":{"kinds":["incident"]}}`)); err != nil {
		return nil, err
	}
	_, said, err := conn.Read(ctx)
	if err == nil && !strings.Contains(string(said), "subscribed") {
		err = fmt.Errorf("subscribing: %s", said)
	}
	return &hearer{conn: conn, told: make(chan time.Time, 100)}, err
}

// read notes when the socket is told of an incident that about gives.
func (h *hearer) read(about func(string) bool) {
	for {
		_, said, err := h.conn.Read(context.Background())
		if err != nil {
			return
		}
		at := time.Now()
		var c struct{ ID string }
		if json.Unmarshal(said, &c) == nil && about(c.ID) {
			h.told <- at
		}
	}
}

// sockets measures what it takes to open one, and until a change has reached all that are open.
func (w *work) sockets(ctx context.Context) (group, error) {
	g := group{title: fmt.Sprintf("Sockets: calls behind the authorizer; ms to open one, and from a change's first byte until each of %d open ones has it", w.size.Sockets)}
	opening := row{name: "ticket, socket and subscription", cells: map[column][]float64{}}
	telling := row{name: "a change, to every socket", cells: map[column][]float64{}}
	if err := w.quiet(ctx); err != nil {
		return g, err
	}
	var open []*hearer
	defer func() {
		for _, h := range open {
			_ = h.conn.CloseNow()
		}
	}()
	for range w.size.Times { // one by one, so that calls are its own
		w.stack.Counts().Reset()
		began := time.Now()
		h, err := w.listen(ctx)
		if err != nil {
			return g, err
		}
		opening.cells[took] = append(opening.cells[took], milliseconds(time.Since(began)))
		open = append(open, h)
		sum(opening.cells, append(w.stack.Counts().Calls(aws.Call{Function: "TicketsFunction"}), w.stack.Counts().Calls(aws.Call{Function: "RealtimeFunction"})...))
	}
	more, err := w.many(ctx, w.size.Sockets-len(open))
	if open = append(open, more...); err != nil {
		return g, err
	}
	var mu sync.Mutex
	var incident string
	for _, h := range open {
		go h.read(func(of string) bool {
			mu.Lock()
			defer mu.Unlock()
			return of == incident
		})
	}
	for range w.size.Times {
		made, err := w.call(ctx, demo.Responder, "POST", "/v1/incidents", map[string]any{"title": "Sockets", "severity": "LOW", "serviceId": w.service})
		if err != nil {
			return g, err
		}
		if err := errors.Join(w.quiet(ctx), w.drained(ctx, "PublisherFunction")); err != nil {
			return g, err
		}
		mu.Lock()
		incident = text(made, "id")
		mu.Unlock()
		w.stack.Counts().Reset()
		began := time.Now()
		if _, err := w.call(ctx, demo.Responder, "POST", "/v1/incidents/"+text(made, "id")+"/acknowledge", nil); err != nil {
			return g, err
		}
		for _, h := range open {
			select {
			case at := <-h.told:
				telling.cells[took] = append(telling.cells[took], milliseconds(at.Sub(began)))
			case <-time.After(stalled):
				return g, errors.New("a socket is not told")
			}
		}
		if err := w.drained(ctx, "PublisherFunction"); err != nil {
			return g, err
		}
		sum(telling.cells, w.stack.Counts().Calls(aws.Call{Function: "PublisherFunction"}))
		mu.Lock()
		incident = ""
		mu.Unlock()
		for _, h := range open { // it may have been told twice
			for len(h.told) > 0 {
				<-h.told
			}
		}
	}
	g.rows = []row{opening, telling}
	return g, nil
}

// many opens n sockets, some at once.
func (w *work) many(ctx context.Context, n int) ([]*hearer, error) {
	var mu sync.Mutex
	var open []*hearer
	var errs []error
	var all sync.WaitGroup
	places := make(chan struct{}, 8)
	for range n {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			h, err := w.listen(ctx)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			open = append(open, h)
		})
	}
	all.Wait()
	return open, errors.Join(errs...)
}

// changed is a message of the live queue.
func (w *work) changed() any {
	return map[string]any{"kind": "incident", "id": id.New(id.Incident, time.Now()), "version": 1, "scope": w.team}
}
