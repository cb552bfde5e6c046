package due_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/infra/local/awstest"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
)

// note is a due item with something of its own in it.
type note struct {
	due.Item
	Text string `dynamodbav:"text"`
}

// TestSweeping: an item is handled and removed; one that fails comes again, later each time, and after ten tries it lies,
// whole, in the lane of what was given up, with what else giving up writes.
func TestSweeping(t *testing.T) {
	t.Parallel()
	env := awstest.New(t)
	table := dynamo.Table{Name: env.Table("AutomationTable"), DB: dynamodb.NewFromConfig(env.Config)}
	put := func(subject string, at time.Time) due.Item {
		i := due.React.New("k", subject, at)
		if err := dynamo.Commit(t.Context(), table.DB, table.Create(note{i, "of " + subject})); err != nil {
			t.Fatal(err)
		}
		return i
	}
	bad, kept := put("bad", noon), put("kept", noon)
	good := put("good", noon)
	put("tomorrow", noon.Add(24*time.Hour))

	now := noon
	var calls [4]atomic.Int32
	var metrics bytes.Buffer
	mark := dynamo.Key{PK: "mark", SK: "of bad"}
	s := due.Sweeper{Table: table, Lane: due.React, Within: time.Minute, Now: func() time.Time { return now }, Metrics: &metrics,
		GivenUp: func(_ context.Context, i due.Item) ([]dynamo.Op, error) {
			return []dynamo.Op{table.Create(struct {
				PK string `dynamodbav:"pk"`
				SK string `dynamodbav:"sk"`
			}{mark.PK, "of " + i.Subject})}, nil
		},
		Handle: func(_ context.Context, i due.Item) (bool, error) {
			switch i.Subject {
			case "good":
				calls[0].Add(1)
				return false, nil
			case "bad":
				calls[1].Add(1)
				return false, errors.New("it cannot be done")
			case "kept":
				calls[2].Add(1)
				return true, nil
			}
			calls[3].Add(1)
			return false, nil
		}}
	for range 2 { // the second sweep of the same moment finds nothing of bad
		err := s.Sweep(t.Context())
		if err != nil || calls[1].Load() != 1 { // that one failed is no failure of the sweep
			t.Fatalf("the bad one was handled %d times: %v", calls[1].Load(), err)
		}
	}
	there := func(i due.Item) (n note, found bool) {
		found, err := table.Get(t.Context(), i.Key(), &n)
		if err != nil {
			t.Fatal(err)
		}
		return n, found
	}
	if _, found := there(good); found || calls[0].Load() != 1 {
		t.Errorf("the good one is still there, or was handled %d times", calls[0].Load())
	}
	if _, found := there(kept); !found || calls[2].Load() != 2 {
		t.Error("what was kept is gone")
	}
	tries := 1
	for ; tries < due.MaxTries && now.Before(noon.Add(12*time.Hour)); now = now.Add(time.Minute) {
		before := calls[1].Load()
		if found, err := table.Get(t.Context(), mark, &dynamo.Item{}); err != nil || found {
			t.Fatalf("after %d tries: marked as given up: %v, %v", tries, found, err)
		}
		s.Sweep(t.Context())
		if calls[1].Load() > before {
			tries++
		}
		if told := strings.Contains(metrics.String(), "DueItemsFailing"); told != (tries >= 4) || told && tries == 4 && now.After(noon.Add(15*time.Minute)) {
			t.Errorf("after %d tries, at %s: counted as failing: %v", tries, now, told)
		}
	}
	if tries != due.MaxTries {
		t.Errorf("handled %d times, want %d", tries, due.MaxTries)
	}
	if got := strings.Count(metrics.String(), `"DueItemsFailing":1`); got != 1 {
		t.Errorf("counted as failing %d times: %s", got, metrics.String())
	}
	if _, found := there(bad); found {
		t.Error("what was given up is still in its lane")
	}
	if n, found := there(due.Failed.New("k", "bad", noon)); !found || n.Text != "of bad" || n.Tries != due.MaxTries-1 {
		t.Errorf("given up: got %+v, %v", n, found)
	}
	if got := strings.Count(metrics.String(), `"DueItemsFailed":1`); got != 1 {
		t.Errorf("counted %d times: %s", got, metrics.String())
	}
	if found, err := table.Get(t.Context(), mark, &dynamo.Item{}); err != nil || !found {
		t.Errorf("what giving up writes besides: %v, %v", found, err)
	}
	for ; now.Before(noon.Add(23 * time.Hour)); now = now.Add(30 * time.Minute) {
		s.Sweep(t.Context())
	}
	if got := calls[1].Load(); got != due.MaxTries {
		t.Errorf("once given up it was handled still, %d times", got)
	}
	if calls[3].Load() != 0 {
		t.Error("what is due tomorrow was handled")
	}
}
