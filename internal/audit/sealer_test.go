package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	front "pagefree/infra/local/aws"
	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/kmssign"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/stream"
)

// sealing is a sealer with its function's own rights, and what it counted.
type sealing struct {
	*audit.Sealer
	mu     sync.Mutex
	counts map[string]int
}

func (w *world) sealer(now time.Time) *sealing {
	own := w.env.ConfigOf("AuditSealerFunction")
	own.RetryMaxAttempts = w.tries
	s := &sealing{counts: map[string]int{}}
	key := kmssign.Key{ID: w.env.KeyID("AuditKey"), Client: kms.NewFromConfig(own)}
	s.Sealer = &audit.Sealer{
		Table: dynamo.Table{Name: w.env.Table("AuditTable"), DB: dynamodb.NewFromConfig(own)},
		KeyID: key.ID,
		Sign:  key.Sign,
		Now:   func() time.Time { return now },
		Count: func(metric string, n int) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.counts[metric] += n
		},
	}
	return s
}

// items are all items of a partition, read with every right.
func (w *world) items(pk string) []map[string]types.AttributeValue {
	w.t.Helper()
	name := w.env.Table("AuditTable")
	p := dynamodb.NewQueryPaginator(dynamodb.NewFromConfig(w.env.Config), &dynamodb.QueryInput{
		TableName: &name, KeyConditionExpression: aws.String("pk = :pk"), ConsistentRead: aws.Bool(true),
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": &types.AttributeValueMemberS{Value: pk}},
	})
	var all []map[string]types.AttributeValue
	for p.HasMorePages() {
		out, err := p.NextPage(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, out.Items...)
	}
	return all
}

// batch is what the stream tells of a team's events, from the first to (not with) the last.
func (w *world) batch(pk string, first, last int) stream.Event {
	w.t.Helper()
	var e stream.Event
	for i, item := range w.items(pk)[first:last] {
		e.Records = append(e.Records, inserted(item, first+i+1))
	}
	return e
}

func inserted(item map[string]types.AttributeValue, sequence int) stream.Record {
	return stream.Record{EventName: stream.Insert, Change: stream.Change{
		Keys: stream.Image{"pk": item["pk"], "sk": item["sk"]}, NewImage: item, SequenceNumber: fmt.Sprint(sequence),
	}}
}

// appended writes so many events of team_a, a millisecond apart.
func (w *world) appended(from time.Time, n int) {
	w.t.Helper()
	for i := range n {
		w.note(lead, from.Add(time.Duration(i)*time.Millisecond), audit.Entry{Type: "runbook.approved", TeamID: "team_a", Subject: audit.Ref{Kind: "runbook", ID: fmt.Sprint("rb_", i)}, Detail: map[string]any{"n": i, "half": 0.5, "list": []string{"a"}}})
	}
}

func done(a stream.Answer) bool { return a.BatchItemFailures != nil && len(a.BatchItemFailures) == 0 }

func failedAt(a stream.Answer) string {
	if len(a.BatchItemFailures) != 1 {
		return "no record"
	}
	return a.BatchItemFailures[0].ItemIdentifier
}

// sealedOnce checks by the verifier that so many events are sealed, in one chain, and none twice.
func (w *world) sealedOnce(events, blocks int) {
	w.t.Helper()
	r := w.verified(admin, nil)
	if !r.OK() || r.Sealed != events || r.Unsealed != 0 || r.Blocks != blocks || r.Head != int64(blocks) || r.Unfinished || r.Partial {
		w.t.Errorf("got %+v, want %d events sealed in %d blocks", r, events, blocks)
	}
}

func TestABatchIsSealedOnce(t *testing.T) {
	w := newWorld(t)
	w.appended(noon, 7)
	s := w.sealer(noon.Add(time.Minute))
	for i, b := range []struct{ first, last, blocks int }{
		{0, 3, 1}, {0, 3, 1}, // delivered again
		{1, 5, 2},                                  // and with others
		{0, 2, 2}, {5, 7, 3}, {0, 7, 3}, {6, 7, 3}, // late
	} {
		if got := s.Stream(t.Context(), w.batch("team#team_a", b.first, b.last)); !done(got) {
			t.Errorf("batch %d: got %+v", i, got)
		}
		if got := len(w.items("block#")); got != b.blocks {
			t.Errorf("batch %d: got %d blocks, want %d", i, got, b.blocks)
		}
	}
	w.sealedOnce(7, 3)
	if got := w.env.Counts.Number(front.Call{Service: "dynamodb", Operation: "Scan"}); got != 0 {
		t.Errorf("it scanned %d times", got)
	}
}

// TestAnIDTwiceHidesNobody: an event that was put among another team's by the id of a true one keeps neither from being
// sealed, in one batch, one after the other, and by the sweep.
func TestAnIDTwiceHidesNobody(t *testing.T) {
	for name, seal := range map[string]func(w *world, s *sealing, both stream.Event){
		"in one batch": func(w *world, s *sealing, both stream.Event) { s.Stream(w.t.Context(), both) },
		"one after the other": func(w *world, s *sealing, both stream.Event) {
			s.Stream(w.t.Context(), stream.Event{Records: both.Records[:1]})
			s.Stream(w.t.Context(), both)
		},
		"by the sweep": func(w *world, s *sealing, both stream.Event) {
			s.Stream(w.t.Context(), stream.Event{Records: both.Records[:1]})
			if err := s.Sweep(w.t.Context()); err != nil {
				w.t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.appended(noon, 1)
			forged := maps.Clone(w.items("team#team_a")[0])
			forged["pk"], forged["teamId"] = &types.AttributeValueMemberS{Value: "team#team_b"}, &types.AttributeValueMemberS{Value: "team_b"}
			table := w.env.Table("AuditTable")
			if _, err := dynamodb.NewFromConfig(w.env.Config).PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: forged}); err != nil {
				t.Fatal(err)
			}
			seal(w, w.sealer(noon.Add(time.Minute)), stream.Event{Records: []stream.Record{inserted(forged, 1), inserted(w.items("team#team_a")[0], 2)}})
			for _, team := range []string{"team_a", "team_b"} {
				if got := len(w.items("sealed#" + team)); got != 1 {
					t.Errorf("%s: %d of its events are sealed", team, got)
				}
			}
		})
	}
}

func TestALongBatchIsSeveralBlocks(t *testing.T) {
	w := newWorld(t)
	w.appended(noon, audit.BlockSize+5)
	b := w.batch("team#team_a", 0, audit.BlockSize+5)
	b.Records = append(b.Records, b.Records[0]) // a batch that has one twice
	if got := w.sealer(noon.Add(time.Minute)).Stream(t.Context(), b); !done(got) {
		t.Errorf("got %+v", got)
	}
	w.sealedOnce(audit.BlockSize+5, 2)
}

func TestSealersAtOnceMakeOneChain(t *testing.T) {
	w := newWorld(t)
	w.appended(noon, 40)
	var wg sync.WaitGroup
	for i := range 6 { // each gets half of what the next one gets as well
		s := w.sealer(noon.Add(time.Duration(7-i) * time.Minute)) // and their clocks differ
		b := w.batch("team#team_a", i*5, min(i*5+15, 40))
		wg.Go(func() {
			if got := s.Stream(t.Context(), b); !done(got) {
				t.Errorf("got %+v", got)
			}
		})
	}
	wg.Go(func() {
		if err := w.sealer(noon.Add(time.Hour)).Sweep(t.Context()); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	w.sealedOnce(40, len(w.items("block#")))
}

func TestWhatFailsComesAgain(t *testing.T) {
	tests := map[string]struct {
		fault front.Fault
		want  string // where it goes on; "" where it did it all the same
	}{
		"a conflict":                       {front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Conflict}, ""},
		"the answer is lost":               {front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Swallow}, ""},
		"the answer is lost for good":      {front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Swallow}, "1"},
		"it dies before it":                {front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.KillBefore}, "1"},
		"it dies after it":                 {front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.KillAfter}, "1"},
		"the second block fails":           {front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Fail, Nth: 2}, fmt.Sprint(audit.BlockSize + 1)},
		"the key cannot be used":           {front.Fault{Service: "kms", Operation: "Sign", Do: front.Fail}, "1"},
		"the end of the chain is not read": {front.Fault{Service: "dynamodb", Operation: "GetItem", Do: front.Fail}, "1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.appended(noon, audit.BlockSize+3)
			s := w.sealer(noon.Add(time.Minute))
			b := w.batch("team#team_a", 0, audit.BlockSize+3)
			if tt.want != "" {
				w.tries = 1
				s = w.sealer(noon.Add(time.Minute))
			}
			fault := w.env.Faults.Add(tt.fault)
			got := s.Stream(t.Context(), b)
			if fault.Struck() == 0 {
				t.Fatal("the fault never struck")
			}
			if tt.want == "" && !done(got) || tt.want != "" && failedAt(got) != tt.want {
				t.Errorf("got %+v, want record %q", got, tt.want)
			}
			w.env.Faults.Clear()
			if got := s.Stream(t.Context(), b); !done(got) {
				t.Errorf("again: got %+v", got)
			}
			w.sealedOnce(audit.BlockSize+3, 2)
		})
	}
}

// TestRightsOnTheRecord: who may put events cannot touch the chain, and who makes the chain cannot touch events.
func TestRightsOnTheRecord(t *testing.T) {
	w := newWorld(t)
	w.appended(noon, 1)
	name := w.env.Table("AuditTable")
	event := w.items("team#team_a")[0]
	item := func(pk string) map[string]types.AttributeValue {
		return map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: "x"}}
	}
	put := func(pk string) func(context.Context, *dynamodb.Client) error {
		return func(ctx context.Context, db *dynamodb.Client) error {
			_, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &name, Item: item(pk)})
			return err
		}
	}
	key := map[string]types.AttributeValue{"pk": event["pk"], "sk": event["sk"]}
	remove := func(ctx context.Context, db *dynamodb.Client) error {
		_, err := db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &name, Key: key})
		return err
	}
	update := func(ctx context.Context, db *dynamodb.Client) error {
		_, err := db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &name, Key: key, UpdateExpression: aws.String("REMOVE detail")})
		return err
	}
	tests := []struct {
		function, what string
		do             func(context.Context, *dynamodb.Client) error
		may            bool
	}{
		{"IdentityFunction", "puts an event", put("team#team_z"), true},
		{"IdentityFunction", "puts a block", put("block#"), false},
		{"RunbooksFunction", "puts a mark", put("sealed#team_a"), false},
		{"SigninFunction", "puts the end of the chain", put("head#"), false},
		{"AuditFunction", "puts the place of the sweep", put("sweep#"), false},
		{"AuditSealerFunction", "puts an event", put("team#team_z"), false},
		{"AuditSealerFunction", "puts a mark", put("sealed#team_a"), true},
		{"AuditSealerFunction", "removes an event", remove, false},
		{"AuditSealerFunction", "changes an event", update, false},
		{"IncidentsFunction", "removes an event", remove, false},
		{"AuditFunction", "changes an event", update, false},
	}
	for _, tt := range tests {
		err := tt.do(t.Context(), dynamodb.NewFromConfig(w.env.ConfigOf(tt.function)))
		if (err == nil) != tt.may || err != nil && !strings.Contains(err.Error(), "not authorized") {
			t.Errorf("%s %s: got %v, want it allowed: %v", tt.function, tt.what, err, tt.may)
		}
	}
	for function, may := range map[string]bool{"AuditSealerFunction": true, "AuditFunction": false, "RunbooksFunction": false} {
		key := kmssign.Key{ID: w.env.KeyID("AuditKey"), Client: kms.NewFromConfig(w.env.ConfigOf(function))}
		if _, err := key.Sign(t.Context(), [32]byte{}); (err == nil) != may {
			t.Errorf("%s signs: got %v, want it allowed: %v", function, err, may)
		}
	}
}

func TestTheListShowsTheBlock(t *testing.T) {
	w := newWorld(t)
	w.appended(noon, 3)
	if got := w.sealer(noon.Add(time.Minute)).Stream(t.Context(), w.batch("team#team_a", 0, 2)); !done(got) {
		t.Fatalf("got %+v", got)
	}
	for who, p := range map[string]principal.Principal{"lead": lead, "admin": admin} {
		_, body := w.get(p, "")
		var got []any
		for _, i := range body["items"].([]any) {
			got = append(got, i.(map[string]any)["block"])
		}
		if raw, _ := json.Marshal(got); string(raw) != "[null,1,1]" {
			t.Errorf("%s: blocks %s, want none of the newest", who, raw)
		}
	}
}
