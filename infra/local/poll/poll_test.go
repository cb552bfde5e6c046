package poll

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"pagefree/infra/local/lambda"
	"pagefree/infra/local/sqs"
	"pagefree/infra/local/template"
)

// worker is the function behind the queue: it notes what it gets and answers what do says.
type worker struct {
	mu     sync.Mutex
	events []string
	bodies [][]string // of each call
	at     []time.Duration
	began  time.Time
	do     func(call int, e event) (string, string, error) // payload, function error, error
}

func (w *worker) Invoke(_ context.Context, r lambda.Request) (lambda.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var e event
	if err := json.Unmarshal(r.Payload, &e); err != nil {
		return lambda.Result{}, err
	}
	var bodies []string
	for _, record := range e.Records {
		bodies = append(bodies, record.Body)
	}
	w.events, w.bodies, w.at = append(w.events, string(r.Payload)), append(w.bodies, bodies), append(w.at, time.Since(w.began))
	payload, failed, err := w.do(len(w.events), e)
	return lambda.Result{Payload: []byte(payload), FunctionError: failed}, err
}

func (w *worker) calls() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for i, bodies := range w.bodies {
		out = append(out, fmt.Sprintf("%v %s", w.at[i].Round(time.Second), strings.Join(bodies, ",")))
	}
	return strings.Join(out, "; ")
}

type bench struct {
	*worker
	sqs *sqs.Service
	tpl *template.Template
}

// newBench has one queue, of 30 s visibility, whose messages go to the dead-letter queue after two tries.
func newBench(t *testing.T, change func(*template.QueueSource)) *bench {
	t.Helper()
	o := sqs.Options{Endpoint: "http://127.0.0.1:1", Region: "us-east-1", AccountID: "000000000000"}
	service, err := sqs.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	named := func(name string) *template.Queue {
		return &template.Queue{Name: name, ARN: service.ARN(name), URL: service.URL(name), Visibility: 30 * time.Second, Retention: time.Hour, MaximumSize: 1 << 20}
	}
	work, dead := named("Work"), named("Dead")
	work.DeadLetterARN, work.MaxReceiveCount = dead.ARN, 2
	for _, q := range []*template.Queue{dead, work} {
		if err := service.Ensure(q); err != nil {
			t.Fatal(err)
		}
	}
	source := template.QueueSource{Name: "Work", QueueARN: work.ARN, BatchSize: 10, ReportBatchItemFailures: true, Enabled: true}
	if change != nil {
		change(&source)
	}
	b := &bench{sqs: service, worker: &worker{began: time.Now(), do: func(int, event) (string, string, error) { return "null", "", nil }}, tpl: &template.Template{
		Region: "us-east-1", AccountID: "000000000000", Queues: map[string]*template.Queue{"Work": work, "Dead": dead},
		Functions: map[string]*template.Function{"Worker": {LogicalID: "Worker", QueueSources: []template.QueueSource{source}}},
	}}
	return b
}

func (b *bench) send(t *testing.T, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if _, err := b.sqs.SendMessage(t.Context(), &api.SendMessageInput{QueueUrl: aws.String(b.sqs.URL("Work")), MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
}

// run polls for so long, then tells what is left: in the queue and in the dead-letter queue.
func (b *bench) run(t *testing.T, long time.Duration) (left, dead int) {
	t.Helper()
	p, err := Start(Options{Template: b.tpl, Queues: b.sqs, Functions: b.worker})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(long)
	p.Close()
	visible, inFlight, delayed := b.sqs.Depth(b.sqs.ARN("Work"))
	dead, _, _ = b.sqs.Depth(b.sqs.ARN("Dead"))
	return visible + inFlight + delayed, dead
}

func TestOutcomes(t *testing.T) {
	ids := func(e event, bodies ...string) string {
		var items []string
		for _, r := range e.Records {
			if slices.Contains(bodies, r.Body) {
				items = append(items, `{"itemIdentifier":"`+r.MessageID+`"}`)
			}
		}
		return `{"batchItemFailures":[` + strings.Join(items, ",") + `]}`
	}
	const twice = "0s a,b,c; 30s a,b,c"
	tests := map[string]struct {
		do     func(int, event) (string, string, error)
		change func(*template.QueueSource)
		want   string
		dead   int
	}{
		"null is a success":       {do: func(int, event) (string, string, error) { return "null", "", nil }, want: "0s a,b,c"},
		"an empty object too":     {do: func(int, event) (string, string, error) { return "{}", "", nil }, want: "0s a,b,c"},
		"a list that is null too": {do: func(int, event) (string, string, error) { return `{"batchItemFailures":null}`, "", nil }, want: "0s a,b,c"},
		"an empty list too":       {do: func(int, event) (string, string, error) { return `{"batchItemFailures":[]}`, "", nil }, want: "0s a,b,c"},
		"one fails once": {do: func(n int, e event) (string, string, error) {
			return []string{ids(e, "b"), "null"}[min(n, 2)-1], "", nil
		}, want: "0s a,b,c; 30s b"},
		"one fails for good":        {do: func(_ int, e event) (string, string, error) { return ids(e, "b"), "", nil }, want: "0s a,b,c; 30s b", dead: 1},
		"no JSON fails all":         {do: func(int, event) (string, string, error) { return "ok", "", nil }, want: twice, dead: 3},
		"an empty answer fails all": {do: func(int, event) (string, string, error) { return "", "", nil }, want: twice, dead: 3},
		"an empty id fails all": {do: func(int, event) (string, string, error) {
			return `{"batchItemFailures":[{"itemIdentifier":""}]}`, "", nil
		}, want: twice, dead: 3},
		"a misnamed id fails all": {do: func(int, event) (string, string, error) { return `{"batchItemFailures":[{"id":"x"}]}`, "", nil }, want: twice, dead: 3},
		"an unknown id fails all": {do: func(int, event) (string, string, error) {
			return `{"batchItemFailures":[{"itemIdentifier":"x"}]}`, "", nil
		}, want: twice, dead: 3},
		"a function error fails all":       {do: func(int, event) (string, string, error) { return "{}", "Unhandled", nil }, want: twice, dead: 3},
		"no function fails all":            {do: func(int, event) (string, string, error) { return "", "", errors.New("throttled") }, want: twice, dead: 3},
		"without reports an answer is one": {do: func(_ int, e event) (string, string, error) { return ids(e, "b"), "", nil }, change: func(s *template.QueueSource) { s.ReportBatchItemFailures = false }, want: "0s a,b,c"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, tt.change)
				b.do = tt.do
				b.send(t, "a", "b", "c")
				left, dead := b.run(t, 2*time.Minute)
				if got := b.calls(); got != tt.want || left != 0 || dead != tt.dead {
					t.Errorf("got %q, %d left, %d dead; want %q, none left, %d dead", got, left, dead, tt.want, tt.dead)
				}
			})
		})
	}
}

func TestBatches(t *testing.T) {
	tests := map[string]struct {
		change func(*template.QueueSource)
		sends  int
		want   []int // sizes
	}{
		"at most ten":        {sends: 23, want: []int{10, 10, 3}},
		"a smaller size":     {change: func(s *template.QueueSource) { s.BatchSize = 2 }, sends: 5, want: []int{2, 2, 1}},
		"a window fills up":  {change: func(s *template.QueueSource) { s.BatchSize, s.Window = 15, 5*time.Second }, sends: 23, want: []int{15, 8}},
		"a switched-off one": {change: func(s *template.QueueSource) { s.Enabled = false }, sends: 3},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, tt.change)
				for range tt.sends {
					b.send(t, "x")
				}
				b.run(t, time.Minute)
				var sizes []int
				for _, bodies := range b.bodies {
					sizes = append(sizes, len(bodies))
				}
				slices.Sort(sizes)
				slices.Reverse(sizes)
				if !slices.Equal(sizes, tt.want) {
					t.Errorf("batches of %v, want %v", sizes, tt.want)
				}
			})
		})
	}
}

// TestAMessageIsTakenAtOnce: a poller that waits hears of a message when it comes.
func TestAMessageIsTakenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		time.AfterFunc(7*time.Second, func() { b.send(t, "late") })
		b.run(t, time.Minute)
		if got := b.calls(); got != "7s late" {
			t.Errorf("got %s", got)
		}
	})
}

func TestEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		_, err := b.sqs.SendMessage(t.Context(), &api.SendMessageInput{
			QueueUrl: aws.String(b.sqs.URL("Work")), MessageBody: aws.String("hello"), MessageAttributes: map[string]types.MessageAttributeValue{
				"kind": {DataType: aws.String("String"), StringValue: aws.String("k")}, "raw": {DataType: aws.String("Binary"), BinaryValue: []byte{1}},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		b.run(t, time.Second)
		var got struct{ Records []map[string]any }
		if err := json.Unmarshal([]byte(b.events[0]), &got); err != nil {
			t.Fatal(err)
		}
		r := got.Records[0]
		for name, want := range map[string]any{
			"body": "hello", "md5OfBody": "5d41402abc4b2a76b9719d911017c592", "eventSource": "aws:sqs", "awsRegion": "us-east-1",
			"eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:Work",
			"messageAttributes": map[string]any{
				"kind": map[string]any{"stringValue": "k", "stringListValues": []any{}, "binaryListValues": []any{}, "dataType": "String"},
				"raw":  map[string]any{"binaryValue": "AQ==", "stringListValues": []any{}, "binaryListValues": []any{}, "dataType": "Binary"},
			},
		} {
			if !reflect.DeepEqual(r[name], want) {
				t.Errorf("%s is %v, want %v", name, r[name], want)
			}
		}
		attributes := r["attributes"].(map[string]any)
		for _, name := range []string{"ApproximateReceiveCount", "SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} {
			if attributes[name] == nil {
				t.Errorf("the attribute %s is missing", name)
			}
		}
		for _, name := range []string{"messageId", "receiptHandle", "md5OfMessageAttributes"} {
			if r[name] == nil || r[name] == "" {
				t.Errorf("%s is missing", name)
			}
		}
	})
}

// ticker notes the payloads of a schedule.
type ticker struct {
	mu       sync.Mutex
	payloads []string
	takes    time.Duration
}

func (c *ticker) Invoke(_ context.Context, r lambda.Request) (lambda.Result, error) {
	c.mu.Lock()
	c.payloads = append(c.payloads, string(r.Payload))
	c.mu.Unlock()
	time.Sleep(c.takes)
	return lambda.Result{Payload: []byte("null")}, nil
}

func (c *ticker) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.payloads)
}

func TestSchedule(t *testing.T) {
	tests := map[string]struct {
		schedule template.Schedule
		every    time.Duration
		takes    time.Duration
		want     int // calls in ten and a half minutes
	}{
		"a rate":                      {schedule: template.Schedule{Expression: "rate(1 minute)", Enabled: true}, want: 10},
		"shortened":                   {schedule: template.Schedule{Expression: "rate(1 minute)", Enabled: true}, every: 10 * time.Second, want: 63},
		"a long call skips its turns": {schedule: template.Schedule{Expression: "rate(1 minute)", Enabled: true}, takes: 150 * time.Second, want: 3},
		"switched off":                {schedule: template.Schedule{Expression: "rate(1 minute)"}},
		"a constant input":            {schedule: template.Schedule{Expression: "rate(10 minutes)", Input: `{"a":1}`, Enabled: true}, want: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.schedule.RuleARN = "arn:aws:events:us-east-1:000000000000:rule/r"
				c := &ticker{takes: tt.takes}
				p, err := Start(Options{Functions: c, Every: tt.every, Template: &template.Template{Region: "us-east-1", AccountID: "000000000000", Functions: map[string]*template.Function{
					"Watchdog": {Schedules: []template.Schedule{tt.schedule}},
				}}})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(10*time.Minute + 30*time.Second)
				p.Close()
				if len(c.payloads) != tt.want {
					t.Fatalf("got %d calls, want %d", len(c.payloads), tt.want)
				}
				if tt.want == 0 {
					return
				}
				if tt.schedule.Input != "" {
					if c.payloads[0] != tt.schedule.Input {
						t.Errorf("got %s", c.payloads[0])
					}
					return
				}
				var e map[string]any
				if err := json.Unmarshal([]byte(c.payloads[0]), &e); err != nil {
					t.Fatal(err)
				}
				id, at := e["id"], e["time"].(string)
				if _, err := time.Parse("2006-01-02T15:04:05Z", at); err != nil || id == "" {
					t.Errorf("id %v, time %v", id, at)
				}
				delete(e, "id")
				delete(e, "time")
				want := map[string]any{
					"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "account": "000000000000", "region": "us-east-1",
					"resources": []any{tt.schedule.RuleARN}, "detail": map[string]any{},
				}
				if !reflect.DeepEqual(e, want) {
					t.Errorf("got %v, want %v", e, want)
				}
			})
		})
	}
}

func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &ticker{}
		p, err := Start(Options{Functions: c, Template: &template.Template{Functions: map[string]*template.Function{
			"Watchdog": {Schedules: []template.Schedule{{Expression: "rate(1 minute)", Enabled: true}}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		calls := func(minutes time.Duration) int {
			before := c.count()
			time.Sleep(minutes * time.Minute)
			synctest.Wait()
			return c.count() - before
		}
		time.Sleep(time.Second)
		if got := calls(3); got != 3 {
			t.Errorf("awake: %d calls in three minutes", got)
		}
		p.Rest()
		if got := calls(10); got != 0 {
			t.Errorf("at rest: %d calls", got)
		}
		p.Wake()
		if got := calls(3); got != 4 {
			t.Errorf("awake again: %d calls in three minutes, want the one that waited and three", got)
		}
		p.Rest()
		p.Close() // comes to an end
	})
}

func TestStartRefuses(t *testing.T) {
	for name, f := range map[string]*template.Function{
		"a bad schedule": {Schedules: []template.Schedule{{Expression: "rate(soon)", Enabled: true}}},
		"a stream":       {StreamSources: []template.StreamSource{{Name: "S"}}},
	} {
		if p, err := Start(Options{Template: &template.Template{Functions: map[string]*template.Function{"F": f}}}); err == nil {
			p.Close()
			t.Errorf("%s is accepted", name)
		}
	}
}
