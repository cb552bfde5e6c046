package e2e

import (
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/coder/websocket"

	"pagefree/infra/local/client"
	"pagefree/infra/local/stack"
	"pagefree/internal/identity"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/token"
)

// sockets is how many are open at once: some in `make test`, a thousand in `make faults`.
var sockets = flag.Int("sockets", 150, "how many sockets the crowd opens")

// seat is one of the crowd: a session of its own with one socket.
type seat struct {
	session string
	conn    *websocket.Conn
	told    chan time.Time // of each change
	closed  chan struct{}
}

// sessionsOf are new sessions of somebody: signing in for each would take the mails of a day.
func (w *world) sessionsOf(who string, n int) []string {
	w.t.Helper()
	user := w.call(who, http.StatusOK, "GET", "/v1/me", nil).Text("id")
	db, table := dynamodb.NewFromConfig(w.stack.Config()), w.stack.Template().Tables["EphemeralTable"].Name
	now := time.Now()
	var secrets []string
	var writes []types.WriteRequest
	for range n {
		secret := token.New(token.Session)
		item, err := attributevalue.MarshalMap(identity.Session{
			Kind: identity.Staff, UserID: user, CreatedAt: timestamp.Of(now), SeenAt: timestamp.Of(now), ExpiresAt: timestamp.Of(now.Add(time.Hour)),
		})
		if err != nil {
			w.t.Fatal(err)
		}
		item["pk"], item["sk"] = &types.AttributeValueMemberS{Value: "session#" + token.Hash(secret)}, &types.AttributeValueMemberS{Value: "session"}
		secrets, writes = append(secrets, secret), append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: item}})
	}
	for chunk := range slices.Chunk(writes, 25) {
		if _, err := db.BatchWriteItem(w.t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: chunk}}); err != nil {
			w.t.Fatal(err)
		}
	}
	return secrets
}

// take opens the socket of a session.
func (s *seat) take(w *world) error {
	a, err := w.api.Want(w.t.Context(), http.StatusOK, "POST", "/v1/realtime/tickets", s.session, nil)
	if err != nil {
		return err
	}
	if s.conn, _, err = websocket.Dial(w.t.Context(), a.Text("url"), nil); err != nil {
		return err
	}
	if err := s.conn.Write(w.t.Context(), websocket.MessageText, []byte(`{"subscribe":{"kinds":["incident"]}}`)); err != nil {
		return err
	}
	_, text, err := s.conn.Read(w.t.Context())
	if err == nil && !strings.Contains(string(text), "subscribed") {
		w.t.Errorf("subscribing: %s", text)
	}
	return err
}

// listen notes when each change is told of the incident that id gives.
func (s *seat) listen(id func(string) bool) {
	for {
		_, text, err := s.conn.Read(context.Background())
		if err != nil {
			close(s.closed)
			return
		}
		var c change
		if json.Unmarshal(text, &c) == nil && id(c.ID) {
			s.told <- time.Now()
		}
	}
}

// TestACrowd: a change reaches every one of many sockets, and who ends one session closes one.
func TestACrowd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, stack.Options{Parameters: map[string]string{"ApiRateLimit": "10000", "ApiBurstLimit": "10000"}})
	began := time.Now()
	seats := make([]*seat, *sockets)
	for i, secret := range w.sessionsOf(responder, *sockets) {
		seats[i] = &seat{session: secret, told: make(chan time.Time, 1000), closed: make(chan struct{})}
	}
	var opening sync.WaitGroup
	places := make(chan struct{}, 8)
	for _, s := range seats {
		places <- struct{}{}
		opening.Go(func() {
			defer func() { <-places }()
			if err := s.take(w); err != nil {
				t.Error(err)
			}
		})
	}
	if opening.Wait(); t.Failed() {
		return
	}
	t.Logf("%d sockets opened in %v", len(seats), time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() {
		for _, s := range seats {
			_ = s.conn.CloseNow()
		}
	})
	var mu sync.Mutex
	var incident string
	for _, s := range seats {
		go s.listen(func(id string) bool {
			mu.Lock()
			defer mu.Unlock()
			return id == incident
		})
	}
	service := w.call(lead, http.StatusOK, "GET", "/v1/services", nil).Items()[0]["id"]
	id := w.call(lead, http.StatusCreated, "POST", "/v1/incidents", object{"title": "All hear of it", "severity": "LOW", "serviceId": service}).Text("id")
	mu.Lock()
	incident = id
	mu.Unlock()
	if err := client.Pause(t.Context(), time.Second); err != nil { // that of its opening is heard by then, or as this one
		t.Fatal(err)
	}
	for _, s := range seats {
		for len(s.told) > 0 {
			<-s.told
		}
	}
	changed := time.Now()
	w.call(lead, http.StatusOK, "POST", "/v1/incidents/"+id+"/acknowledge", nil)
	var took []time.Duration
	missing := 0
	for _, s := range seats {
		select {
		case at := <-s.told:
			took = append(took, at.Sub(changed))
		case <-s.closed:
			t.Error("a socket is closed")
		case <-time.After(time.Minute):
			missing++
		}
	}
	if missing > 0 || len(took) == 0 {
		t.Fatalf("%d of %d sockets were not told", missing, len(seats))
	}
	slices.Sort(took)
	t.Logf("told after %v (median), %v (worst)", took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))

	one := seats[len(seats)/2]
	if _, err := w.api.Want(t.Context(), http.StatusNoContent, "POST", "/v1/auth/sign-out", one.session, nil); err != nil {
		t.Fatal(err)
	}
	ended := time.Now()
	select {
	case <-one.closed:
		t.Logf("closed %v after its sign-out", time.Since(ended).Round(time.Millisecond))
	case <-time.After(time.Minute):
		t.Fatal("the socket of an ended session is open")
	}
	w.call(lead, http.StatusOK, "POST", "/v1/incidents/"+id+"/resolve", object{})
	for _, s := range seats {
		if s == one {
			continue
		}
		select {
		case <-s.told:
		case <-s.closed:
			t.Error("another socket is closed with it")
		case <-time.After(time.Minute):
			t.Error("another socket hears nothing any more")
		}
	}
	w.until("one less", func() bool { return w.stack.Sockets().Open() == len(seats)-1 })
}
