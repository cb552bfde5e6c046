package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"pagefree/internal/platform/queue"
)

func TestGrouped(t *testing.T) {
	var batch events.SQSEvent
	for n := range 12 {
		batch.Records = append(batch.Records, events.SQSMessage{MessageId: fmt.Sprint(n), Body: fmt.Sprintf(`{"group":"g%d","n":%d}`, n%3, n)})
	}
	batch.Records = append(batch.Records, events.SQSMessage{MessageId: "unreadable", Body: "{"})
	type message struct {
		Group string
		N     int
	}
	var mu sync.Mutex
	var busy [3]atomic.Int32
	got := map[string][]int{}
	var met sync.WaitGroup
	met.Add(3)
	answer := queue.Grouped(t.Context(), batch, func(m message) string { return m.Group }, func(_ context.Context, m message) error {
		if busy[m.N%3].Add(1) > 1 {
			t.Errorf("two of %s at once", m.Group)
		}
		if m.N < 3 { // the first of each group waits for those of the others: groups go side by side
			met.Done()
			met.Wait()
		}
		mu.Lock()
		got[m.Group] = append(got[m.Group], m.N)
		mu.Unlock()
		busy[m.N%3].Add(-1)
		switch m.N {
		case 4:
			return errors.New("no")
		case 5:
			panic("no")
		}
		return nil
	})
	for g := range 3 {
		if want := []int{g, g + 3, g + 6, g + 9}; !slices.Equal(got[fmt.Sprintf("g%d", g)], want) {
			t.Errorf("group %d: got %v, want %v", g, got[fmt.Sprintf("g%d", g)], want)
		}
	}
	var failed []string
	for _, f := range answer.BatchItemFailures {
		failed = append(failed, f.ItemIdentifier)
	}
	if !slices.Equal(failed, []string{"4", "5", "unreadable"}) {
		t.Errorf("failed: %v", failed)
	}
	if none := queue.Grouped(t.Context(), events.SQSEvent{}, func(m message) string { return m.Group }, nil); none.BatchItemFailures == nil {
		t.Error("the list of failures is null")
	}
}
