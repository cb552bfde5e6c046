package push_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/infra/local/awstest"
	"pagefree/infra/local/pushservice"
	"pagefree/infra/local/roomtest"
	"pagefree/internal/audit"
	"pagefree/internal/notify/push"
	"pagefree/internal/platform/devices"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/secret"
)

// world is one test's people and their devices, with the rights of the functions.
type world struct {
	t        *testing.T
	env      *awstest.Env
	now      *roomtest.Clock
	service  *push.Service
	api      roomtest.API
	identity dynamo.Table // with every right, as the next
	audit    dynamo.Table
	id       map[string]string
}

const subscriptions = "/v1/push/subscriptions"

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	env := awstest.New(t)
	w := &world{t: t, env: env, now: roomtest.NewClock(time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)), id: map[string]string{}}
	all := dynamodb.NewFromConfig(env.Config)
	w.identity, w.audit = dynamo.Table{Name: env.Table("IdentityTable"), DB: all}, dynamo.Table{Name: env.Table("AuditTable"), DB: all}
	w.service = w.serve()
	api := httpapi.New()
	push.Routes(api, w.service)
	api.OnDenied(audit.Denials(w.service.Audit, w.now.Now))
	w.api = roomtest.New(t, api)
	for _, name := range []string{"responder", "observer"} {
		w.id[name] = id.New(id.User, w.now.Now())
		w.activate(name, true)
	}
	return w
}

// serve is one process of the function.
func (w *world) serve() *push.Service {
	cfg := w.env.ConfigOf("NotificationsFunction")
	db := dynamodb.NewFromConfig(cfg)
	people, ledger := dynamo.Table{Name: w.env.Table("IdentityTable"), DB: db}, audit.Log{Table: dynamo.Table{Name: w.env.Table("AuditTable"), DB: db}}
	return &push.Service{
		Store:    push.Store{Identity: people},
		Keys:     push.Maker{Identity: people, Key: &secret.Key{ID: w.env.KeyID("SecretsKey"), Client: kms.NewFromConfig(cfg)}, Generation: 1, Audit: ledger, Now: w.now.Now},
		CheckURL: safehttp.New(safehttp.Options{}).Check, Audit: ledger, Now: w.now.Now,
	}
}

func (w *world) activate(name string, active bool) {
	w.t.Helper()
	item := map[string]any{"pk": "usr#" + w.id[name], "sk": "user", "active": active}
	cond := dynamo.Present().Or(dynamo.Absent())
	if err := dynamo.Commit(w.t.Context(), w.identity.DB, w.identity.Put(item, cond)); err != nil {
		w.t.Fatal(err)
	}
}

// as calls the API as somebody; a name that ends in 's key is an API key of that person.
func (w *world) as(name, method, path string, body any, headers ...string) roomtest.Answer {
	w.t.Helper()
	owner, key := strings.CutSuffix(name, "'s key")
	p := principal.Principal{}
	if of := w.id[owner]; of != "" {
		p = principal.Principal{Kind: principal.User, ID: of, UserID: of, Name: owner}
		if key {
			p.Kind, p.ID = principal.APIKey, id.New(id.APIKey, w.now.Now())
		}
	}
	return w.api.Call(roomtest.As(context.Background(), p), w.t, method, path, body, headers...)
}

func (w *world) must(status int, name, method, path string, body any) roomtest.Answer {
	w.t.Helper()
	a := w.as(name, method, path, body)
	if a.StatusCode != status {
		w.t.Fatalf("%s %s as %s: got %d %s, want %d", method, path, name, a.StatusCode, a.Text, status)
	}
	return a
}

// ids are the devices of somebody as the API lists them.
func (w *world) ids(name string) []string {
	w.t.Helper()
	var out []string
	for _, d := range w.must(200, name, "GET", subscriptions, nil).Items() {
		out = append(out, d["id"].(string))
	}
	return out
}

func at(name string) string { return "https://push.example.com/send/" + name }

// routes says who may call what. Every route of the package must stand here.
var routes = []struct {
	route, body string
	want        int // for people
}{
	{"GET /v1/push/key", "", 200},
	{"GET /v1/push/subscriptions", "", 200},
	{"POST /v1/push/subscriptions", `{"endpoint":"x","keys":{"p256dh":"x","auth":"x"}}`, 422},
	{"GET /v1/push/subscriptions/{id}", "", 404},
	{"DELETE /v1/push/subscriptions", `{"endpoint":"x"}`, 404},
	{"DELETE /v1/push/subscriptions/{id}", "", 404},
}

func TestEveryRouteForEveryKindOfCaller(t *testing.T) {
	w := newWorld(t)
	var got []string
	for _, r := range routes {
		got = append(got, r.route)
		method, path, _ := strings.Cut(strings.ReplaceAll(r.route, "{id}", id.New(id.Device, w.now.Now())), " ")
		for who, want := range map[string]int{"nobody": 401, "responder": r.want, "responder's key": 403} {
			var body any
			if r.body != "" {
				body = r.body
			}
			if a := w.as(who, method, path, body); a.StatusCode != want {
				t.Errorf("%s as %s: got %d %s, want %d", r.route, who, a.StatusCode, a.Text, want)
			}
		}
	}
	api := httpapi.New()
	push.Routes(api, nil)
	want := api.Routes()
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// TestAHundredAtOnceGiveOnePair: whoever asks first, in as many processes, there is one key, and it is on record once.
func TestAHundredAtOnceGiveOnePair(t *testing.T) {
	w := newWorld(t)
	ctx := roomtest.As(t.Context(), principal.Principal{Kind: principal.User, ID: w.id["responder"], UserID: w.id["responder"]})
	var mu sync.Mutex
	keys := map[string]int{}
	var wg sync.WaitGroup
	for range 100 {
		s := w.serve()
		wg.Go(func() {
			k, err := s.Key(ctx)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			keys[k.Key]++
		})
	}
	wg.Wait()
	if len(keys) != 1 {
		t.Errorf("%d keys", len(keys))
	}
	for key := range keys {
		if point, err := base64.RawURLEncoding.DecodeString(key); err != nil || len(point) != 65 || point[0] != 4 {
			t.Errorf("%q is no uncompressed point", key)
		}
		if got := w.must(200, "observer", "GET", "/v1/push/key", nil).Str("key"); got != key {
			t.Errorf("another key later: %s", got)
		}
	}
	if got := w.recorded("push_key.created"); len(got) != 1 {
		t.Errorf("on record: %d", len(got))
	}
	var stored dynamo.Item
	if _, err := w.identity.Get(t.Context(), dynamo.Key{PK: "vapid#keys", SK: "vapid"}, &stored); err != nil || len(stored) == 0 {
		t.Fatal(stored, err)
	}
}

// TestRotation: a new pair beside the old one, which signs for 90 days more; a device keeps the key that it was made with.
func TestRotation(t *testing.T) {
	w := newWorld(t)
	first := w.must(200, "responder", "GET", "/v1/push/key", nil).Str("key")
	old := pushservice.NewDevice(at("old"))
	w.must(201, "responder", "POST", subscriptions, old.JSON())
	w.service.Keys.Generation = 2
	second := w.must(200, "responder", "GET", "/v1/push/key", nil).Str("key")
	if second == first || w.must(200, "observer", "GET", "/v1/push/key", nil).Str("key") != second {
		t.Fatalf("%s, then %s", first, second)
	}
	w.service.Keys.Generation = 1 // a deployment that goes back makes no third
	if got := w.must(200, "responder", "GET", "/v1/push/key", nil).Str("key"); got != second {
		t.Errorf("going back: %s", got)
	}
	list := func() []map[string]any { return w.must(200, "responder", "GET", subscriptions, nil).Items() }
	if got := list(); len(got) != 1 || got[0]["currentKey"] != false {
		t.Errorf("the device of the old key: %v", got)
	}
	w.must(200, "responder", "POST", subscriptions, old.JSON()) // a page that tells of it again knows no key: it stays that of the device
	if got := list(); got[0]["currentKey"] != false {
		t.Errorf("told again: %v", got)
	}
	for key, want := range map[string]bool{first: true, second: true, "BA": false, "": false} {
		if _, found, err := w.service.Store.Read(t.Context(), key, w.now.Now()); found != want || err != nil {
			t.Errorf("%q signs: %v, %v", key, found, err)
		}
	}
	anew := pushservice.NewDevice(at("anew")).JSON()
	anew["applicationServerKey"] = second
	w.must(201, "responder", "POST", subscriptions, anew)
	if got := list(); got[0]["currentKey"] != true {
		t.Errorf("subscribed anew: %v", got)
	}
	w.now.Advance(push.KeyOverlap)
	if _, found, err := w.service.Store.Read(t.Context(), first, w.now.Now()); found || err != nil {
		t.Errorf("the old one signs for good: %v, %v", found, err)
	}
	anew["applicationServerKey"] = first
	if a := w.as("responder", "POST", subscriptions, anew); a.StatusCode != 422 {
		t.Errorf("with a key that signs no more: %d %s", a.StatusCode, a.Text)
	}
}

func TestDevices(t *testing.T) {
	w := newWorld(t)
	phone := pushservice.NewDevice(at("phone"))
	made := w.must(201, "responder", "POST", subscriptions, phone.JSON())
	if there := w.must(200, "responder", "GET", made.Header.Get("Location"), nil); there.Text != made.Text {
		t.Errorf("at its location is %s", there.Text)
	}
	w.must(404, "observer", "GET", made.Header.Get("Location"), nil)
	if made.Header.Get("Location") != subscriptions+"/"+made.Str("id") || strings.Contains(made.Text, "push.example") || strings.Contains(made.Text, "auth") {
		t.Errorf("got %s, %v", made.Text, made.Header)
	}
	if again := w.must(200, "responder", "POST", subscriptions, phone.JSON()); again.Str("id") != made.Str("id") || again.Str("createdAt") != made.Str("createdAt") || again.Str("updatedAt") == made.Str("updatedAt") {
		t.Errorf("again: %s", again.Text)
	}
	stored, err := w.service.Store.Devices(t.Context(), w.id["responder"])
	if err != nil || len(stored.List) != 1 || stored.List[0].Endpoint != phone.Endpoint || string(stored.List[0].Auth) != string(phone.Auth[:]) || len(stored.List[0].P256DH) != 65 {
		t.Errorf("kept %+v, %v", stored, err)
	}
	// Another's is not found, neither by endpoint nor by id.
	w.must(404, "observer", "DELETE", subscriptions, phone.JSON())
	w.must(404, "observer", "DELETE", subscriptions+"/"+made.Str("id"), nil)
	// The same browser, with somebody else signed in.
	theirs := w.must(201, "observer", "POST", subscriptions, phone.JSON())
	if mine := w.ids("responder"); len(mine) != 0 || theirs.Str("id") == made.Str("id") || !slices.Equal(w.ids("observer"), []string{theirs.Str("id")}) {
		t.Errorf("it stays the former's: %v, %s", mine, theirs.Text)
	}
	moved := w.recorded("device.moved")
	if len(moved) != 1 || moved[0].Subject.ID != made.Str("id") || moved[0].Actor.ID != w.id["observer"] || moved[0].Detail["from"] != w.id["responder"] || moved[0].Detail["to"] != theirs.Str("id") {
		t.Errorf("that it moved is on record as %+v", moved)
	}
	w.must(204, "observer", "DELETE", subscriptions, phone.JSON())
	w.must(404, "observer", "DELETE", subscriptions, phone.JSON())
	tablet := w.must(201, "observer", "POST", subscriptions, pushservice.NewDevice(at("tablet")).JSON())
	w.must(204, "observer", "DELETE", subscriptions+"/"+tablet.Str("id"), nil)
	w.must(404, "observer", "DELETE", subscriptions+"/"+tablet.Str("id"), nil)
	w.must(404, "observer", "DELETE", subscriptions+"/dev_1", nil)
	w.must(201, "responder", "POST", subscriptions, phone.JSON()) // it is nobody's
	if added, removed := w.recorded("device.added"), w.recorded("device.removed"); len(added) != 4 || len(removed) != 2 {
		t.Errorf("on record: %d added, %d removed", len(added), len(removed))
	}
}

func TestOneTooMany(t *testing.T) {
	w := newWorld(t)
	var ids []string
	for n := range push.MaxDevices + 2 {
		ids = append(ids, w.must(201, "responder", "POST", subscriptions, pushservice.NewDevice(at(fmt.Sprint(n))).JSON()).Str("id"))
	}
	slices.Reverse(ids)
	if got := w.ids("responder"); !slices.Equal(got, ids[:push.MaxDevices]) {
		t.Errorf("got %d: %v", len(got), got)
	}
	w.must(201, "observer", "POST", subscriptions, pushservice.NewDevice(at("0")).JSON()) // what went is free
	removed := w.recorded("device.removed")
	if len(removed) != 2 || removed[0].Subject.ID != ids[push.MaxDevices+1] || removed[1].Subject.ID != ids[push.MaxDevices] || len(w.recorded("device.moved")) != 0 {
		t.Errorf("what had to go is on record as %+v", removed)
	}
}

// TestManySubscribeAtOnce: none is lost, and one browser is one person's.
func TestManySubscribeAtOnce(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for n := range 8 {
		name := []string{"responder", "observer"}[n%2]
		wg.Go(func() { w.as(name, "POST", subscriptions, pushservice.NewDevice(at("shared")).JSON()) })
	}
	wg.Wait()
	if a, b := w.ids("responder"), w.ids("observer"); len(a)+len(b) != 1 {
		t.Errorf("a browser is a device of %v and of %v", a, b)
	}
}

// TestEndsWithThePerson: the write that deactivates takes the devices, and who is not active makes none.
func TestEndsWithThePerson(t *testing.T) {
	w := newWorld(t)
	phone := pushservice.NewDevice(at("phone"))
	w.must(201, "responder", "POST", subscriptions, phone.JSON())
	w.activate("responder", false)
	if err := dynamo.Commit(t.Context(), w.identity.DB, devices.End(w.identity, w.id["responder"])); err != nil {
		t.Fatal(err)
	}
	w.must(403, "responder", "POST", subscriptions, phone.JSON()) // the authorizer looked before
	w.activate("responder", true)
	if got := w.ids("responder"); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	w.must(201, "observer", "POST", subscriptions, phone.JSON())
	w.must(201, "responder", "POST", subscriptions, phone.JSON())
	if a, b := w.ids("responder"), w.ids("observer"); len(a) != 1 || len(b) != 0 {
		t.Errorf("got %v, %v", a, b)
	}
}

func TestWhatIsNoSubscription(t *testing.T) {
	w := newWorld(t)
	good := pushservice.NewDevice(at("x")).JSON()
	keys := good["keys"].(map[string]any)
	change := func(to map[string]any) map[string]any {
		out := map[string]any{"endpoint": good["endpoint"], "keys": map[string]any{"p256dh": keys["p256dh"], "auth": keys["auth"]}}
		for name, v := range to {
			if in := out["keys"].(map[string]any); name == "p256dh" || name == "auth" {
				in[name] = v
			} else {
				out[name] = v
			}
		}
		return out
	}
	b64 := base64.RawURLEncoding.EncodeToString
	for name, tt := range map[string]struct {
		body any
		code string
	}{
		"plain http":          {change(map[string]any{"endpoint": "http://push.example.com/x"}), "address_forbidden"},
		"inside":              {change(map[string]any{"endpoint": "https://169.254.169.254/x"}), "address_forbidden"},
		"this machine":        {change(map[string]any{"endpoint": "https://localhost/x"}), "address_forbidden"},
		"with a password":     {change(map[string]any{"endpoint": "https://a:b@push.example.com/x"}), "address_forbidden"},
		"too long":            {change(map[string]any{"endpoint": at(strings.Repeat("a", 2048))}), "validation_failed"},
		"no endpoint":         {map[string]any{"keys": keys}, "validation_failed"},
		"no keys":             {map[string]any{"endpoint": at("x")}, "validation_failed"},
		"an unknown member":   {change(map[string]any{"name": "x"}), "validation_failed"},
		"not on the curve":    {change(map[string]any{"p256dh": b64(append([]byte{4}, make([]byte, 64)...))}), "validation_failed"},
		"a compressed point":  {change(map[string]any{"p256dh": b64(append([]byte{2}, make([]byte, 32)...))}), "validation_failed"},
		"infinity":            {change(map[string]any{"p256dh": b64([]byte{0})}), "validation_failed"},
		"no base64url":        {change(map[string]any{"p256dh": "!" + keys["p256dh"].(string)[1:]}), "validation_failed"},
		"a short secret":      {change(map[string]any{"auth": b64(make([]byte, 15))}), "validation_failed"},
		"a long secret":       {change(map[string]any{"auth": b64(make([]byte, 17))}), "validation_failed"},
		"a time that is over": {change(map[string]any{"expirationTime": 1000}), "validation_failed"},
		"a key of others":     {change(map[string]any{"applicationServerKey": keys["p256dh"]}), "validation_failed"},
	} {
		a := w.as("responder", "POST", subscriptions, tt.body)
		if a.StatusCode != 422 || a.Str("code") != tt.code {
			t.Errorf("%s: got %d %s", name, a.StatusCode, a.Text)
		}
	}
	w.must(201, "responder", "POST", subscriptions, change(map[string]any{"expirationTime": float64(time.Date(2061, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())}))
}

func TestNames(t *testing.T) {
	w := newWorld(t)
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36":                         "Chrome on Android",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1": "Safari on iPhone",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0":           "Edge on Windows",
		"Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0":                                                                  "Firefox on Linux",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15":                   "Safari on a Mac",
		"<script>alert(1)</script>": "A browser",
		"":                          "A browser",
	} {
		me := principal.Principal{Kind: principal.User, ID: w.id["responder"], UserID: w.id["responder"]}
		ctx := principal.With(principal.WithOrigin(t.Context(), principal.Origin{IP: "192.0.2.7", UserAgent: agent, RequestID: roomtest.RequestID}), me)
		a := w.api.Call(ctx, t, "POST", subscriptions, pushservice.NewDevice(at("x"+base64.RawURLEncoding.EncodeToString([]byte(agent)))).JSON())
		if a.Str("name") != want {
			t.Errorf("%s: got %s, want %s", agent, a.Text, want)
		}
	}
}

// recorded are the audit events of a type.
func (w *world) recorded(kind string) []audit.Event {
	w.t.Helper()
	q := dynamo.Query{Index: "byKind", Values: []string{"audit"}, Sort: "id", Limit: 1000, Oldest: true}
	events, _, err := dynamo.List(w.t.Context(), w.audit, q, func(e audit.Event) string { return e.ID }, func(e audit.Event) bool { return e.Type == kind })
	if err != nil {
		w.t.Fatal(err)
	}
	return events
}
