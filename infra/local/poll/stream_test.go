package poll

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	api "github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/infra/local/engine"
	"pagefree/infra/local/lambda"
	"pagefree/infra/local/sqs"
	"pagefree/infra/local/streams"
	"pagefree/infra/local/template"
)

// reader is the function behind a stream: it notes the keys that it gets, and answers what do says.
type reader struct {
	mu       sync.Mutex
	calls    []string // the keys of each call, with what happened to them
	payloads []string
	do       func(keys []string, sequences []string) (payload, functionError string, err error)
}

func (r *reader) Invoke(_ context.Context, request lambda.Request) (lambda.Result, error) {
	var e struct {
		Records []struct {
			EventName string
			DynamoDB  struct {
				Keys           map[string]map[string]string
				SequenceNumber string
			}
		}
	}
	if err := json.Unmarshal(request.Payload, &e); err != nil {
		return lambda.Result{}, err
	}
	var keys, sequences []string
	for _, record := range e.Records {
		keys, sequences = append(keys, record.DynamoDB.Keys["pk"]["S"]), append(sequences, record.DynamoDB.SequenceNumber)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls, r.payloads = append(r.calls, strings.Join(keys, "")), append(r.payloads, string(request.Payload))
	payload, failed, err := r.do(keys, sequences)
	return lambda.Result{Payload: []byte(payload), FunctionError: failed}, err
}

func (r *reader) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

func handles([]string, []string) (string, string, error) {
	return `{"batchItemFailures":[]}`, "", nil
}

// brook is a table with a stream, in a real engine, and a function that follows it.
type brook struct {
	*reader
	t      *testing.T
	tpl    *template.Template
	db     *dynamodb.Client
	engine *engine.Engine
	sqs    *sqs.Service
	dir    string
}

func newBrook(t *testing.T, change func(*template.StreamSource)) *brook {
	t.Helper()
	e, err := engine.Start(t.Context(), engine.FromEnv())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	queues, err := sqs.Open(sqs.Options{Endpoint: "http://127.0.0.1:1", Region: "us-east-1", AccountID: "000000000000"})
	if err != nil {
		t.Fatal(err)
	}
	dead := &template.Queue{Name: "Dead", ARN: queues.ARN("Dead"), URL: queues.URL("Dead"), Visibility: time.Minute, Retention: time.Hour, MaximumSize: 1 << 20}
	if err := queues.Ensure(dead); err != nil {
		t.Fatal(err)
	}
	table := &template.Table{
		Name: "Brook", Attributes: map[string]string{"pk": "S"}, Keys: []template.KeyElement{{Name: "pk", Type: "HASH"}},
		StreamView: "NEW_AND_OLD_IMAGES", StreamConsumed: true, StreamARN: "arn:aws:dynamodb:us-east-1:000000000000:table/Brook/stream/local",
	}
	source := template.StreamSource{
		Name: "Changes", StreamARN: table.StreamARN, BatchSize: 10, StartingPosition: "TRIM_HORIZON", ReportBatchItemFailures: true,
		MaximumRetryAttempts: 2, OnFailureARN: dead.ARN, Enabled: true,
	}
	if change != nil {
		change(&source)
	}
	b := &brook{reader: &reader{do: handles}, t: t, engine: e, sqs: queues, dir: t.TempDir(), tpl: &template.Template{
		Region: "us-east-1", AccountID: "000000000000", Queues: map[string]*template.Queue{"Dead": dead}, Tables: map[string]*template.Table{"Brook": table},
		Functions: map[string]*template.Function{"Reader": {LogicalID: "Reader", ARN: "arn:reader", StreamSources: []template.StreamSource{source}}},
	}}
	b.db = dynamodb.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(e.Endpoint()), Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
	})})
	if err := engine.Create(t.Context(), b.db, table); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *brook) put(keys string) {
	b.t.Helper()
	for _, k := range keys {
		if _, err := b.db.PutItem(b.t.Context(), &dynamodb.PutItemInput{TableName: aws.String("Brook"), Item: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: string(k)}, "n": &types.AttributeValueMemberN{Value: "1.50"}, "b": &types.AttributeValueMemberB{Value: []byte{0xfb}},
		}}); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *brook) start() *Poller {
	b.t.Helper()
	p, err := Start(Options{Template: b.tpl, Queues: b.sqs, Functions: b.reader, Streams: &streams.Reader{Endpoint: b.engine.Endpoint()}, Dir: b.dir})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(p.Close)
	return p
}

// until waits for something to become true.
func (b *brook) until(what string, is func() bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second)
	defer cancel()
	for !is() {
		if pause(ctx, 5*time.Millisecond); ctx.Err() != nil {
			b.t.Fatalf("waited in vain for %s; calls %q", what, b.seen())
		}
	}
}

// dead are the messages of what was given up.
func (b *brook) dead() []map[string]any {
	b.t.Helper()
	var all []map[string]any
	out, err := b.sqs.ReceiveMessage(b.t.Context(), &api.ReceiveMessageInput{QueueUrl: aws.String(b.sqs.URL("Dead")), MaxNumberOfMessages: 10})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, m := range out.Messages {
		var v map[string]any
		if err := json.Unmarshal([]byte(*m.Body), &v); err != nil {
			b.t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

// reports answers that the first record with a key of these failed.
func reports(bad string) func([]string, []string) (string, string, error) {
	return func(keys, sequences []string) (string, string, error) {
		for i, k := range keys {
			if strings.Contains(bad, k) {
				return fmt.Sprintf(`{"batchItemFailures":[{"itemIdentifier":%q}]}`, sequences[i]), "", nil
			}
		}
		return handles(keys, sequences)
	}
}

// breaks answers that the function failed when one of these was in the batch.
func breaks(bad string) func([]string, []string) (string, string, error) {
	return func(keys, sequences []string) (string, string, error) {
		if strings.ContainsAny(strings.Join(keys, ""), bad) {
			return `{"errorMessage":"no"}`, "Unhandled", nil
		}
		return handles(keys, sequences)
	}
}

// TestStreamOutcomes: what becomes of the six records a to f, which are there before anyone reads.
func TestStreamOutcomes(t *testing.T) {
	bisect := func(s *template.StreamSource) { s.BisectBatchOnError = true }
	tests := map[string]struct {
		change func(*template.StreamSource)
		do     func([]string, []string) (string, string, error)
		want   string // calls
		dead   string // sizes of what was given up
	}{
		"all at once":                    {do: handles, want: "abcdef"},
		"by two":                         {change: func(s *template.StreamSource) { s.BatchSize = 2 }, do: handles, want: "ab cd ef"},
		"null is a success":              {do: func([]string, []string) (string, string, error) { return "null", "", nil }, want: "abcdef"},
		"one fails, and all after it":    {do: reports("d"), want: "abcdef def def def", dead: "3"},
		"one fails, and is taken out":    {change: bisect, do: reports("d"), want: "abcdef def d d d ef", dead: "1"},
		"the function fails":             {do: breaks("c"), want: "abcdef abcdef abcdef", dead: "6"},
		"it fails, and is split":         {change: bisect, do: breaks("c"), want: "abcdef abc a bc b c c c def", dead: "1"},
		"two fail, and are split":        {change: bisect, do: breaks("af"), want: "abcdef abc a a a bc def d ef e f f f", dead: "1 1"},
		"never tried again":              {change: func(s *template.StreamSource) { s.MaximumRetryAttempts = 0 }, do: reports("a"), want: "abcdef", dead: "6"},
		"given up without a destination": {change: func(s *template.StreamSource) { s.OnFailureARN = "" }, do: breaks("c"), want: "abcdef abcdef abcdef"},
		"an answer that is none":         {do: func([]string, []string) (string, string, error) { return "ok", "", nil }, want: "abcdef abcdef abcdef", dead: "6"},
		"a record of another batch": {do: func([]string, []string) (string, string, error) {
			return `{"batchItemFailures":[{"itemIdentifier":"x"}]}`, "", nil
		}, want: "abcdef abcdef abcdef", dead: "6"},
		"no function at all":               {do: func([]string, []string) (string, string, error) { return "", "", errors.New("throttled") }, want: "abcdef abcdef abcdef", dead: "6"},
		"without reports an answer is one": {change: func(s *template.StreamSource) { s.ReportBatchItemFailures = false }, do: reports("a"), want: "abcdef"},
		"what fits a filter": {change: func(s *template.StreamSource) {
			s.Filters = []string{`{"dynamodb":{"Keys":{"pk":{"S":["b"]}}}}`, `{"dynamodb":{"Keys":{"pk":{"S":["e","y"]}}}}`}
		}, do: handles, want: "be"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBrook(t, tt.change)
			b.do = tt.do
			b.put("abcdef")
			b.start()
			calls := strings.Fields(tt.want)
			b.until("the calls", func() bool { return len(b.seen()) >= len(calls) })
			b.mu.Lock()
			b.do = handles
			b.mu.Unlock()
			b.put("z") // the stream goes on
			want := append(calls, "z")
			if strings.HasPrefix(name, "what fits") {
				want = calls
				b.put("y")
				want = append(want, "y")
			}
			b.until("the stream to go on", func() bool { return len(b.seen()) >= len(want) })
			if got := b.seen(); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			var sizes []string
			for _, m := range b.dead() {
				sizes = append(sizes, fmt.Sprint(m["DDBStreamBatchInfo"].(map[string]any)["batchSize"]))
			}
			if got := strings.Join(sizes, " "); got != tt.dead {
				t.Errorf("given up: %q, want %q", got, tt.dead)
			}
		})
	}
}

func TestStreamForEver(t *testing.T) {
	b := newBrook(t, func(s *template.StreamSource) { s.MaximumRetryAttempts = -1 })
	b.do = breaks("a")
	b.put("a")
	b.start()
	b.until("more tries than a limit would give", func() bool { return len(b.seen()) > 5 })
}

func TestStreamEvent(t *testing.T) {
	b := newBrook(t, func(s *template.StreamSource) { s.MaximumRetryAttempts = 0 })
	b.do = breaks("a")
	b.put("aa") // the second is a change
	b.start()
	b.until("a call", func() bool { return len(b.dead()) > 0 || len(b.seen()) > 0 })
	b.mu.Lock()
	defer b.mu.Unlock()
	var got struct{ Records []map[string]any }
	if err := json.Unmarshal([]byte(b.payloads[0]), &got); err != nil {
		t.Fatal(err)
	}
	item := map[string]any{"pk": map[string]any{"S": "a"}, "n": map[string]any{"N": "1.5"}, "b": map[string]any{"B": "+w=="}}
	for i, r := range got.Records {
		for name, want := range map[string]any{
			"eventName": []string{"INSERT", "MODIFY"}[i], "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
			"eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/Brook/stream/local",
		} {
			if r[name] != want {
				t.Errorf("%s: got %v, want %v", name, r[name], want)
			}
		}
		change := r["dynamodb"].(map[string]any)
		if !reflect.DeepEqual(change["Keys"], map[string]any{"pk": map[string]any{"S": "a"}}) || !reflect.DeepEqual(change["NewImage"], item) {
			t.Errorf("got %v", change)
		}
		if _, old := change["OldImage"]; old != (i == 1) {
			t.Errorf("record %d: an old image: %v", i, old)
		}
		if s, ok := change["SequenceNumber"].(string); !ok || s == "" || change["StreamViewType"] != "NEW_AND_OLD_IMAGES" || r["eventID"] == "" {
			t.Errorf("got %v", r)
		}
		if at, ok := change["ApproximateCreationDateTime"].(float64); !ok || at < 1e9 || change["SizeBytes"].(float64) <= 0 {
			t.Errorf("got %v", change)
		}
	}
}

func TestWhatIsGivenUp(t *testing.T) {
	b := newBrook(t, func(s *template.StreamSource) { s.MaximumRetryAttempts = 1 })
	b.do = breaks("abc")
	b.put("abc")
	b.start()
	var m []map[string]any
	b.until("the message", func() bool { m = append(m, b.dead()...); return len(m) > 0 })
	info := m[0]["DDBStreamBatchInfo"].(map[string]any)
	asked := m[0]["requestContext"].(map[string]any)
	if info["batchSize"] != 3.0 || info["startSequenceNumber"] == info["endSequenceNumber"] || info["streamArn"] != "arn:aws:dynamodb:us-east-1:000000000000:table/Brook/stream/local" || info["shardId"] == "" {
		t.Errorf("got %v", info)
	}
	if asked["condition"] != "RetryAttemptsExhausted" || asked["approximateInvokeCount"] != 2.0 || asked["functionArn"] != "arn:reader" || m[0]["version"] != "1.0" {
		t.Errorf("got %v", m[0])
	}
	for _, name := range []string{"approximateArrivalOfFirstRecord", "approximateArrivalOfLastRecord"} {
		if _, err := time.Parse(time.RFC3339, cmp.Or(info[name], any("")).(string)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if raw, _ := json.Marshal(m[0]); strings.Contains(string(raw), "1.5") {
		t.Errorf("it holds what stood in the record: %s", raw)
	}
}

// TestThePlaceIsKept: whoever starts again reads what is new.
func TestThePlaceIsKept(t *testing.T) {
	b := newBrook(t, nil)
	b.put("ab")
	p := b.start()
	b.until("the first", func() bool { return slices.Equal(b.seen(), []string{"ab"}) })
	b.until("its place", func() bool { // it is written after the call
		kept, err := openPlace(b.dir, "Reader-Changes")
		return err == nil && len(kept.at.Shards) == 1
	})
	p.Close()
	b.put("cd")
	p = b.start()
	b.until("the rest alone", func() bool { return slices.Equal(b.seen(), []string{"ab", "cd"}) })
	p.Close()

	kept, err := openPlace(b.dir, "Reader-Changes")
	if err != nil {
		t.Fatal(err)
	}
	shard := ""
	for shard = range kept.at.Shards {
		break
	}
	if kept.begin(kept.at.Stream); kept.after(shard) == "" {
		t.Error("the place in the same stream is forgotten")
	}
	if kept.begin("another"); kept.after(shard) != "" {
		t.Error("a place in one stream is taken for one in another")
	}
	if err := os.WriteFile(kept.path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openPlace(b.dir, "Reader-Changes"); err == nil {
		t.Error("half a file: got no error")
	}
}

func TestStreamRefusals(t *testing.T) {
	tests := map[string]func(*template.StreamSource){
		"another start":             func(s *template.StreamSource) { s.StartingPosition = "LATEST" },
		"a destination of nobody":   func(s *template.StreamSource) { s.OnFailureARN = "arn:aws:sqs:us-east-1:000000000000:None" },
		"a pattern that is no JSON": func(s *template.StreamSource) { s.Filters = []string{"x"} },
		"an unknown rule":           func(s *template.StreamSource) { s.Filters = []string{`{"a":[{"numeric":[">",1]}]}`} },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			source := template.StreamSource{Name: "Changes", StartingPosition: "TRIM_HORIZON", Enabled: true}
			change(&source)
			p, err := Start(Options{Template: &template.Template{Functions: map[string]*template.Function{"Reader": {LogicalID: "Reader", StreamSources: []template.StreamSource{source}}}}})
			if err == nil {
				p.Close()
				t.Error("got no error")
			}
		})
	}
}
