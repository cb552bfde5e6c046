package integration_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	front "pagefree/infra/local/aws"
	"pagefree/internal/incident"
	"pagefree/internal/incident/hook"
	"pagefree/internal/incident/integration"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/secret"
)

func TestADeliveryBecomesAnIncident(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect("generic")
	w.accepted(s.bearer(alert("firing", "disk")))
	if got := w.incidents(); len(got) != 0 {
		t.Fatalf("before it was handled: got %+v", got)
	}
	w.take()
	got := w.incidents()
	if len(got) != 1 || got[0].Title != "Disk almost full" || got[0].Severity != "HIGH" || got[0].ServiceID != w.svc || got[0].Source.Kind != "generic" || *got[0].Source.IntegrationID != s.id {
		t.Fatalf("got %+v", got)
	}
	list := s.deliveries()
	want := map[string]any{
		"id": list[0]["id"], "at": list[0]["at"], "outcome": "accepted", "bytes": float64(len(alert("firing", "disk"))), "ip": "198.51.100.4", "action": "fire",
		"incidentId": got[0].ID, "handledAt": list[0]["handledAt"], "result": "opened",
	}
	if fmt.Sprint(list) != fmt.Sprint([]map[string]any{want}) || list[0]["handledAt"] == nil || !id.Valid(id.Delivery, list[0]["id"].(string)) {
		t.Errorf("deliveries:\ngot  %v\nwant %v", list, want)
	}
	w.accepted(s.bearer(alert("resolved", "disk")))
	w.take()
	if got := w.incidents(); got[0].Status != "RESOLVED" {
		t.Errorf("after its resolve: got %+v", got)
	}
	if n := w.due(); n != 0 {
		t.Errorf("%d are due still", n)
	}
}

// TestRefusals: every code of the contract, in the order in which a delivery is looked at, and what is put on record.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	generic, standard, github := w.connect("generic"), w.connect("standard"), w.connect("github")
	gone := w.connect("generic")
	w.must(204, "lead", "DELETE", gone.path(), nil)
	unknown := sender{w: w, id: id.New(id.Integration, w.clock.Now()), secret: "x"}
	body := alert("firing", "")
	now := func() time.Time { return w.clock.Now() }
	large := strings.Repeat(" ", hook.MaxBody-len(body)) + body
	tests := map[string]struct {
		from   sender
		send   func() answer
		status int
		code   string
	}{
		"an unknown id":                     {unknown, func() answer { return unknown.bearer(body) }, 404, "not_found"},
		"what is no id":                     {unknown, func() answer { return sender{w: w, id: "int_1"}.bearer(body) }, 404, "not_found"},
		"an unknown id, with nothing right": {unknown, func() answer { return unknown.post(large+" ", "Content-Type", "image/png") }, 404, "not_found"},
		"a deleted one":                     {gone, func() answer { return gone.bearer(body) }, 410, "integration_deleted"},
		"a deleted one, without a secret":   {gone, func() answer { return gone.post("") }, 410, "integration_deleted"},
		"another media type":                {generic, func() answer { return generic.bearer(body, "Content-Type", "application/xml") }, 415, "unsupported_media_type"},
		"a form where none is sent":         {generic, func() answer { return generic.bearer("title=x", "Content-Type", "application/x-www-form-urlencoded") }, 415, "unsupported_media_type"},
		"what is no media type":             {generic, func() answer { return generic.bearer(body, "Content-Type", "; charset") }, 415, "unsupported_media_type"},
		"another encoding":                  {generic, func() answer { return generic.bearer(body, "Content-Encoding", "br") }, 415, "unsupported_media_type"},
		"two encodings":                     {generic, func() answer { return generic.bearer(body, "Content-Encoding", "gzip, gzip") }, 415, "unsupported_media_type"},
		"the type before the secret":        {generic, func() answer { return generic.post(body, "Content-Type", "application/xml") }, 415, "unsupported_media_type"},
		"more than 1 MiB":                   {generic, func() answer { return generic.bearer(large + " ") }, 413, "body_too_large"},
		"the size before the secret":        {generic, func() answer { return generic.post(large + " ") }, 413, "body_too_large"},
		"no secret":                         {generic, func() answer { return generic.post(body) }, 401, "signature_missing"},
		"no signature":                      {github, func() answer { return github.post(body) }, 401, "signature_missing"},
		"an empty one":                      {generic, func() answer { return generic.post(body, "Authorization", "Bearer ") }, 401, "signature_missing"},
		"a wrong secret":                    {generic, func() answer { return generic.post(body, "Authorization", "Bearer "+github.secret) }, 401, "signature_invalid"},
		"a wrong secret in the other":       {generic, func() answer { return generic.post(body, "X-PageFree-Secret", github.secret) }, 401, "signature_invalid"},
		"a wrong signature":                 {github, func() answer { return sender{w: w, id: github.id, secret: "another"}.github(body) }, 401, "signature_invalid"},
		"another body":                      {standard, func() answer { return standard.post(body+" ", standard.sign("m", body, now())...) }, 401, "signature_invalid"},
		"five minutes ago":                  {standard, func() answer { return standard.signed("a", body, now().Add(-5*time.Minute-time.Second)) }, 401, "timestamp_stale"},
		"in five minutes":                   {standard, func() answer { return standard.signed("b", body, now().Add(5*time.Minute+2*time.Second)) }, 401, "timestamp_stale"},
		"the secret before the body":        {generic, func() answer { return generic.post("{") }, 401, "signature_missing"},
		"no JSON":                           {generic, func() answer { return generic.bearer("{") }, 400, "body_invalid"},
		"nothing":                           {generic, func() answer { return generic.bearer("") }, 400, "body_invalid"},
		"broken gzip":                       {generic, func() answer { return generic.bearer(gzipped(body)[:20], "Content-Encoding", "gzip") }, 400, "body_invalid"},
		"what is no gzip":                   {generic, func() answer { return generic.bearer("gzip?", "Content-Encoding", "gzip") }, 400, "body_invalid"},
		"gzip, unpacked by API Gateway":     {generic, func() answer { return generic.bearer(body, "Content-Encoding", "gzip") }, 202, ""},
		"more than 1 MiB unpacked":          {generic, func() answer { return generic.bearer(gzipped(large+" "), "Content-Encoding", "gzip") }, 413, "body_too_large"},
		"a bomb": {generic, func() answer {
			return generic.bearer(gzipped(strings.Repeat(" ", 64<<20)), "Content-Encoding", "gzip")
		}, 413, "body_too_large"},
		"JSON that is no object":  {generic, func() answer { return generic.bearer("[]") }, 422, "validation_failed"},
		"and now something right": {generic, func() answer { return generic.bearer(body) }, 202, ""},
		"in the other header":     {generic, func() answer { return generic.post(body, "X-PageFree-Secret", generic.secret) }, 202, ""},
		"a scheme in lower case":  {generic, func() answer { return generic.post(body, "Authorization", "bearer "+generic.secret) }, 202, ""},
		"JSON with a charset":     {generic, func() answer { return generic.bearer(body, "Content-Type", "Application/JSON; charset=utf-8") }, 202, ""},
		"JSON of a kind":          {generic, func() answer { return generic.bearer(body, "Content-Type", "application/problem+json") }, 202, ""},
		"without a media type":    {generic, func() answer { return generic.bearer(body, "Content-Type", "") }, 202, ""},
		"exactly 1 MiB":           {generic, func() answer { return generic.bearer(large) }, 202, ""},
		"gzip":                    {generic, func() answer { return generic.bearer(gzipped(body), "Content-Encoding", "gzip") }, 202, ""},
		"gzip in capitals":        {generic, func() answer { return generic.bearer(gzipped(body), "Content-Encoding", "GZIP") }, 202, ""},
		"gzip, signed as it is sent": {standard, func() answer {
			packed := gzipped(body)
			return standard.post(packed, append(standard.sign("c", packed, now()), "Content-Encoding", "gzip")...)
		}, 202, ""},
		"nearly five minutes ago": {standard, func() answer { return standard.signed("d", body, now().Add(-5*time.Minute+time.Second)) }, 202, ""},
		"a form of GitHub": {github, func() answer {
			return github.github("payload=%7B%22zen%22%3A%22x%22%2C%22hook_id%22%3A1%7D", "Content-Type", "application/x-www-form-urlencoded")
		}, 202, ""},
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		tt := tests[name]
		t.Run(name, func(t *testing.T) {
			w.clock.Advance(time.Minute) // each has a minute of the record to itself
			a := tt.send()
			if a.StatusCode != tt.status || a.code() != tt.code {
				t.Fatalf("got %d %s, want %d %s", a.StatusCode, a.Text, tt.status, tt.code)
			}
			if tt.status == 404 || tt.status == 410 {
				if n := w.count("dlv#" + tt.from.id); n != 0 {
					t.Errorf("%d deliveries are on record", n)
				}
				return
			}
			last := tt.from.deliveries()[0]
			if tt.status == 202 && last["outcome"] != "accepted" ||
				tt.status != 202 && (last["outcome"] != "refused" || last["code"] != tt.code || last["detail"] == "" || last["handledAt"] == nil || last["ip"] != "198.51.100.4") {
				t.Errorf("on record: got %v", last)
			}
		})
	}
	w.take()
	for _, s := range []sender{generic, standard, github} {
		for _, d := range s.deliveries() {
			if d["outcome"] == "accepted" && d["handledAt"] == nil {
				t.Errorf("it was not handled: %v", d)
			}
		}
	}
}

// TestRawBodies: API Gateway hands a body on as base64 or as it is, and either way these are the bytes that were signed.
func TestRawBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect("standard")
	api := httpapi.New()
	integration.HookRoutes(api, w.door)
	serve := httpapi.Lambda(api.Handler(), httpapi.Edge{})
	for name, body := range map[string]string{
		"plain": `{"title":"Größe \u00e9 ✓"}`, "with line ends": "{\r\n\"title\":\t\"x\"\n}\n", "with a NUL in it": "{\"title\":\"a\\u0000b\"}",
		"with escaped slashes": `{"title":"a\/b","n":1.0e0}`, "with a byte order mark": "\ufeff{\"title\":\"x\"}",
	} {
		for _, encoded := range []bool{true, false} {
			now := w.clock.Now()
			e := events.APIGatewayProxyRequest{
				Resource: "/v1/hooks/{proxy+}", Path: "/v1/hooks/" + s.id, HTTPMethod: "POST", Body: body, IsBase64Encoded: encoded,
				MultiValueHeaders: map[string][]string{"content-type": {"application/json"}},
			}
			if encoded {
				e.Body = base64.StdEncoding.EncodeToString([]byte(body))
			}
			header := s.sign(id.New("msg", now), body, now)
			for i := 0; i < len(header); i += 2 {
				e.MultiValueHeaders[header[i]] = []string{header[i+1]}
			}
			answer, err := serve(t.Context(), e)
			if err != nil || answer.StatusCode != 202 {
				t.Errorf("%s, base64 %v: got %d %s, %v", name, encoded, answer.StatusCode, answer.Body, err)
			}
		}
	}
}

// TestAReplayCounts once: a hundred times the same at once is one delivery, and so it is as long as it could be replayed.
func TestAReplayCountsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect("standard")
	now := w.clock.Now()
	var mu sync.Mutex
	fresh := 0
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			a := s.signed("msg_1", alert("firing", "k"), now)
			mu.Lock()
			defer mu.Unlock()
			if a.StatusCode != 202 || a.Body["accepted"] != true {
				t.Errorf("got %d %s", a.StatusCode, a.Text)
			}
			if a.Body["duplicate"] == false {
				fresh++
			}
		})
	}
	wg.Wait()
	if fresh != 1 {
		t.Fatalf("%d were taken for new, want 1", fresh)
	}
	w.take()
	got := w.incidents()
	if len(got) != 1 || got[0].AlertCount != 1 {
		t.Fatalf("got %+v", got)
	}
	w.clock.Advance(time.Minute) // those before filled the record of theirs
	if a := s.signed("msg_1", alert("firing", "k"), now); a.Body["duplicate"] != true || a.Str("incidentId") != got[0].ID {
		t.Errorf("once it was handled: got %s", a.Text)
	}
	if last := s.deliveries()[0]; last["outcome"] != "duplicate" || last["incidentId"] != got[0].ID {
		t.Errorf("on record: got %v", last)
	}
	if a := w.connect("standard", "secret", s.secret).signed("msg_1", alert("firing", "k"), now); a.Body["duplicate"] != false {
		t.Errorf("another integration: got %s", a.Text)
	}
	w.clock.Advance(10*time.Minute + 2*time.Second) // both windows
	now = w.clock.Now()
	w.accepted(s.signed("msg_1", alert("firing", "k"), now)) // an id of so long ago; the mark is past its time, whether or not TTL removed it
	w.take()
	if got := w.incidents(); len(got) != 2 || got[0].AlertCount+got[1].AlertCount != 3 { // the other's key is its own
		t.Errorf("got %+v", got)
	}
}

// TestAnAnswerThatWasLost: the transaction was done, its answer did not come, and the same is tried again.
func TestAnAnswerThatWasLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect("standard")
	w.env.Faults.Add(front.Fault{Function: "HooksFunction", Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Swallow})
	w.accepted(s.signed("msg_1", alert("firing", "k"), w.clock.Now()))
	w.take()
	if got := w.incidents(); len(got) != 1 {
		t.Errorf("got %+v", got)
	}
}

// TestOutages: what fails on our side is a 503, so that the sender tries again, and nothing is on record as refused.
func TestOutages(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]front.Fault{
		"the read":        {Service: "dynamodb", Operation: "GetItem"},
		"the transaction": {Service: "dynamodb", Operation: "TransactWriteItems"},
		"KMS":             {Service: "kms", Operation: "Decrypt"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.door.Store.Table.DB = dynamodb.New(w.door.Store.Table.DB.Options(), func(o *dynamodb.Options) { o.RetryMaxAttempts = 1 })
			w.door.Key = &secret.Key{ID: w.door.Key.ID, Client: kms.New(w.door.Key.Client.Options(), func(o *kms.Options) { o.RetryMaxAttempts = 1 })}
			s := w.connect("standard")
			fault.Function, fault.Times, fault.Do = "HooksFunction", -1, front.Fail
			w.env.Faults.Add(fault)
			now := w.clock.Now()
			if a := s.signed("msg_1", alert("firing", "k"), now); a.StatusCode != 503 || a.code() != "unavailable" || a.Header.Get("Retry-After") == "" {
				t.Errorf("got %d %s", a.StatusCode, a.Text)
			}
			w.env.Faults.Clear()
			if list := s.deliveries(); len(list) != 0 {
				t.Errorf("on record: %v", list)
			}
			w.accepted(s.signed("msg_1", alert("firing", "k"), now))
		})
	}
	t.Run("SQS", func(t *testing.T) { // it only hurries
		t.Parallel()
		w := newWorld(t)
		w.door.Queue = broken{}
		s := w.connect("generic")
		w.accepted(s.bearer(alert("firing", "k")))
		if n := len(w.records().Records); n != 0 || w.due() != 1 {
			t.Fatalf("%d messages, %d due", n, w.due())
		}
		w.sweep()
		if got := w.incidents(); len(got) != 1 || w.due() != 0 {
			t.Errorf("got %+v, %d due", got, w.due())
		}
	})
}

type broken struct{}

func (broken) Send(context.Context, any) error { return errors.New("no queue") }

// TestWhatADeliveryCosts: one read and one transaction, and of a secret that signs one decryption in a function's life.
func TestWhatADeliveryCosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect("standard")
	w.accepted(s.signed("msg_0", alert("firing", "k"), w.clock.Now()))
	w.env.Counts.Reset()
	for n := range 5 {
		w.accepted(s.signed(fmt.Sprintf("msg_%d", n+1), alert("firing", "k"), w.clock.Now()))
	}
	got := map[string]int{}
	for _, c := range w.env.Counts.Calls(front.Call{Function: "HooksFunction"}) {
		got[c.Service+" "+c.Operation]++
	}
	if want := map[string]int{"dynamodb GetItem": 5, "dynamodb TransactWriteItems": 5, "sqs SendMessage": 5}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestAFloodOfRefusals is on record as a few of each minute, and costs a read each once that is full.
func TestAFloodOfRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect("generic")
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if a := s.post(alert("firing", "")); a.StatusCode != 401 {
				t.Errorf("got %d %s", a.StatusCode, a.Text)
			}
		})
	}
	wg.Wait()
	if n := len(s.deliveries()); n != 10 {
		t.Errorf("%d are on record, want 10", n)
	}
	w.env.Counts.Reset()
	for range 20 {
		s.post(alert("firing", ""))
	}
	if n := w.env.Counts.Number(front.Call{Function: "HooksFunction"}); n != 20 {
		t.Errorf("20 refusals made %d calls, want a read each", n)
	}
	w.accepted(s.bearer(alert("firing", "k"))) // it does not stand in the way
	w.clock.Advance(time.Minute)
	s.post(alert("firing", ""))
	if n := len(s.deliveries()); n != 12 {
		t.Errorf("%d are on record in the next minute, want 12", n)
	}
}

// TestWhatGoesAlong: what was proved, the ceiling of that moment, and the depth.
func TestWhatGoesAlong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect("github")
	depths := map[string]int{"": 0, "0": 0, "3": 3, "99": 99, "100": 99, "18446744073709551616": 99, "-1": 0, "+1": 0, "1.0": 0, "x": 0, " 4": 0, "00000000000000000000001": 1}
	n := 0
	want := map[string]int{}
	for written, depth := range depths {
		n++
		title := fmt.Sprintf("t%d", n)
		want[title] = depth
		w.accepted(s.github(`{"title":"`+title+`"}`, integration.DepthHeader, written))
	}
	w.must(200, "lead", "PATCH", s.path(), `{"unattendedRisk":"LOW"}`)
	w.accepted(s.github(`{"title":"lowered"}`))
	seen := &desk{Desk: w.taker.Desk}
	var got []string
	seen.before = func(from incident.From, a incident.Alert) error {
		title, _ := a.Raw["title"].(string)
		ceiling := "MEDIUM"
		if title == "lowered" {
			ceiling = "LOW"
		}
		if from.Trust != "signed" || string(from.Unattended) != ceiling || from.Depth != want[title] || from.Provider != "github" || from.ServiceID != w.svc || from.TeamID != w.team || from.IntegrationID != s.id {
			t.Errorf("%s: got %+v, want depth %d", title, from, want[title])
		}
		got = append(got, title)
		return nil
	}
	w.taker.Desk = seen
	w.take()
	if len(got) != len(depths)+1 {
		t.Errorf("got %v", got)
	}
}

// TestBodiesOfUnknownShape become incidents with what was sent.
func TestBodiesOfUnknownShape(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect("generic")
	w.accepted(s.bearer(`{"n":12345678901234567890.5,"deep":` + strings.Repeat(`{"a":`, 60) + `1` + strings.Repeat(`}`, 60) + `}`))
	big := `{"blob":"` + strings.Repeat("Zm9v", 200_000) + `"}`
	w.accepted(s.bearer(big))
	noise := make([]byte, 500_000)
	for i := range noise {
		noise[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"[(i*i*31+i*17+i/7)%64]
	}
	w.accepted(s.bearer(`{"blob":"` + string(noise) + `"}`))
	w.take()
	got := w.incidents()
	if len(got) != 3 {
		t.Fatalf("got %d incidents, want 3", len(got))
	}
	whole := ""
	for _, i := range got {
		raw, err := json.Marshal(i.Raw)
		if err != nil || len(i.Raw) == 0 || len(raw) > 128<<10 {
			t.Errorf("raw: got %d bytes, %v", len(raw), err)
		}
		whole += string(raw)
	}
	if !strings.Contains(whole, "12345678901234567890.5") {
		t.Errorf("a number became another: %.300s", whole)
	}
}

// TestWhatAsksForNothing is accepted and done.
func TestWhatAsksForNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect("github")
	w.accepted(s.github(`{"zen":"Keep it logically awesome.","hook_id":1}`))
	if n, m := w.due(), len(w.records().Records); n != 0 || m != 0 {
		t.Errorf("%d due, %d messages", n, m)
	}
	if d := s.deliveries()[0]; d["action"] != "ignore" || d["result"] != "nothing" || d["handledAt"] == nil || d["detail"] == nil {
		t.Errorf("on record: %v", d)
	}
}

// TestSubscriptions are confirmed where the message was proved, and not answered 202 before that is done.
func TestSubscriptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const arn = "arn:aws:sns:eu-central-1:123456789012:alarms"
	var topic string
	w.door.Providers = func(name string) (hook.Provider, bool) { // its verifier needs a certificate of SNS
		p, ok := hook.Of(name)
		p.Verify = func(_ context.Context, r hook.Request, k hook.Keys, _ time.Time) (hook.Proof, error) {
			if topic = k.TopicARN; r.Header.Get("X-Forged") != "" {
				return hook.Proof{}, problem.New(401, hook.SignatureInvalid, "no")
			}
			return hook.Proof{}, nil
		}
		return p, ok
	}
	s := w.connect("cloudwatch", "topicArn", arn)
	body := `{"Type":"SubscriptionConfirmation","MessageId":"m","Token":"2336412f37","TopicArn":"` + arn + `","Message":"x","SubscribeURL":"https://evil.example/","Timestamp":"2060-03-01T12:00:00.000Z"}`
	if a := s.post(body, "Content-Type", "text/plain; charset=UTF-8", "X-Forged", "1"); a.StatusCode != 401 || len(w.confirmed) != 0 {
		t.Errorf("what was not proved: got %d, confirmed %v", a.StatusCode, w.confirmed)
	}
	w.accepted(s.post(body, "Content-Type", "text/plain; charset=UTF-8"))
	if want := []hook.Confirmation{{TopicARN: arn, Token: "2336412f37", Region: "eu-central-1"}}; !slices.Equal(w.confirmed, want) || topic != arn {
		t.Errorf("got %v of %s, want %v", w.confirmed, topic, want)
	}
	w.door.Confirm = func(context.Context, hook.Confirmation) error { return errors.New("no route to SNS") }
	if a := s.post(body, "Content-Type", "text/plain; charset=UTF-8"); a.StatusCode != 503 {
		t.Errorf("while SNS is away: got %d %s", a.StatusCode, a.Text)
	}
	w.accepted(s.post(strings.Replace(body, "SubscriptionConfirmation", "Notification", 1), "Content-Type", "text/plain; charset=UTF-8"))
}

// TestOtherMethods: the address takes POST alone.
func TestOtherMethods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect("generic")
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		if a := w.hooks.Call(t.Context(), t, method, "/v1/hooks/"+s.id, nil); a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "POST" {
			t.Errorf("%s: got %d, Allow %q", method, a.StatusCode, a.Header.Get("Allow"))
		}
	}
}
