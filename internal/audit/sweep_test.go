package audit_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	front "pagefree/infra/local/aws"
	"pagefree/internal/audit"
	"pagefree/internal/platform/id"
)

func (w *world) sweep(now time.Time) *sealing {
	w.t.Helper()
	s := w.sealer(now)
	if err := s.Sweep(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// swept is the id before which the sweep looks at nothing any more, "" for none.
func (w *world) swept() string {
	w.t.Helper()
	for _, item := range w.items("sweep#") {
		return item["through"].(*types.AttributeValueMemberS).Value
	}
	return ""
}

func TestTheSweepSealsWhatTheStreamMissed(t *testing.T) {
	w := newWorld(t)
	w.appended(noon, 250) // more than a page, and than a block
	if got := w.sealer(noon.Add(time.Second)).Stream(t.Context(), w.batch("team#team_a", 100, 130)); !done(got) {
		t.Fatalf("got %+v", got)
	}
	if got := w.sweep(noon.Add(5 * time.Second)).counts; got[audit.SealedLate] != 0 {
		t.Errorf("events of a moment ago: got %v, want them left to the stream", got)
	}
	if got := w.sweep(noon.Add(time.Minute)).counts[audit.SealedLate]; got != 220 {
		t.Errorf("sealed late: got %d, want 220", got)
	}
	w.sealedOnce(250, len(w.items("block#")))
	if got := w.swept(); got >= id.Floor(id.Audit, noon) {
		t.Errorf("it looks at nothing before %s, but an event may still come to the index", got)
	}
	blocks := len(w.items("block#"))
	if got := w.sweep(noon.Add(2 * time.Minute)).counts; got[audit.SealedLate] != 0 || len(w.items("block#")) != blocks {
		t.Errorf("again: got %v, and %d blocks", got, len(w.items("block#")))
	}
	if counted, told := w.sweep(noon.Add(2 * time.Minute)).counts[audit.SealedLate]; counted != 0 || !told {
		t.Error("a sweep that found nothing is not counted: silence could not be told from it")
	}
}

func TestTheSweepLooksOnWhereItWas(t *testing.T) {
	w := newWorld(t)
	w.appended(noon, 3)
	w.sweep(noon.Add(3 * time.Hour))
	if got, want := w.swept(), id.Floor(id.Audit, noon.Add(2*time.Hour)); got != want {
		t.Errorf("swept to %s, want an hour ago, %s", got, want)
	}
	w.appended(noon.Add(150*time.Minute), 2)
	w.appended(noon.Add(-time.Minute), 1) // which cannot be: a function lives for minutes
	w.env.Counts.Reset()
	if got := w.sweep(noon.Add(3 * time.Hour)).counts[audit.SealedLate]; got != 2 {
		t.Errorf("sealed late: got %d, want the two since", got)
	}
	if got := w.env.Counts.Number(front.Call{Service: "dynamodb", Operation: "Query"}); got != 1 {
		t.Errorf("it asked %d times, want once", got)
	}
}

// TestTheSweepGoesOnNextTime: one that has no time left remembers how far it came.
func TestTheSweepGoesOnNextTime(t *testing.T) {
	w := newWorld(t)
	w.appended(noon, 450)
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second) // less than it wants to keep
	defer cancel()
	s := w.sealer(noon.Add(3 * time.Hour))
	if err := s.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if got := s.counts[audit.SealedLate]; got != 200 {
		t.Errorf("sealed late: got %d, want one page", got)
	}
	if got := w.sweep(noon.Add(3 * time.Hour)).counts[audit.SealedLate]; got != 250 {
		t.Errorf("then: got %d, want the rest", got)
	}
	w.sealedOnce(450, len(w.items("block#")))
}

func TestTheSweepPassesByWhatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	w.appended(noon, 3)
	name := w.env.Table("AuditTable")
	item := w.spoiled("the id of another event")
	if _, err := dynamodb.NewFromConfig(w.env.Config).PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &name, Item: item}); err != nil {
		t.Fatal(err)
	}
	got := w.sweep(noon.Add(time.Minute)).counts
	if got[audit.Unreadable] != 1 || got[audit.SealedLate] != 3 {
		t.Errorf("got %v, want one that cannot be read and three sealed", got)
	}
}

func TestASweepThatFailsIsRepeated(t *testing.T) {
	for name, fault := range map[string]front.Fault{
		"its place is not read":    {Service: "dynamodb", Operation: "GetItem", Do: front.Fail},
		"the index is not read":    {Service: "dynamodb", Operation: "Query", Do: front.Fail},
		"the marks are not read":   {Service: "dynamodb", Operation: "BatchGetItem", Do: front.Fail},
		"the key cannot be used":   {Service: "kms", Operation: "Sign", Do: front.Fail},
		"it dies after a block":    {Service: "dynamodb", Operation: "TransactWriteItems", Do: front.KillAfter},
		"its place is not written": {Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Fail, Nth: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.tries = 1
			w.appended(noon, 4)
			struck := w.env.Faults.Add(fault)
			if err := w.sealer(noon.Add(3 * time.Hour)).Sweep(t.Context()); err == nil || struck.Struck() == 0 {
				t.Errorf("got no error, struck %d times", struck.Struck())
			}
			w.env.Faults.Clear()
			w.sweep(noon.Add(3 * time.Hour))
			w.sealedOnce(4, 1)
		})
	}
}

// TestSweepsAtOnce: the place moves on, whichever was first.
func TestSweepsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.appended(noon, 30)
	errs := make(chan error, 4)
	for i := range 4 {
		s := w.sealer(noon.Add(3*time.Hour + time.Duration(i)*time.Minute))
		go func() { errs <- s.Sweep(t.Context()) }()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	w.sealedOnce(30, len(w.items("block#")))
	if got := w.swept(); got < id.Floor(id.Audit, noon.Add(2*time.Hour)) {
		t.Errorf("swept to %s", got)
	}
}

// removed takes an item away, as nobody of the product may.
func (w *world) removed(item map[string]types.AttributeValue) {
	w.t.Helper()
	_, err := dynamodb.NewFromConfig(w.env.Config).DeleteItem(w.t.Context(), &dynamodb.DeleteItemInput{
		TableName: aws.String(w.env.Table("AuditTable")), Key: map[string]types.AttributeValue{"pk": item["pk"], "sk": item["sk"]},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}
