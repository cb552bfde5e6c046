package audit_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	front "pagefree/infra/local/aws"
	"pagefree/internal/audit"
	"pagefree/internal/platform/stream"
)

func TestAnAlterationIsTold(t *testing.T) {
	w := newWorld(t)
	w.appended(noon, 2)
	item := w.items("team#team_a")[0]
	change := func(name, pk, sk string) stream.Record {
		return stream.Record{EventName: name, Change: stream.Change{NewImage: item, OldImage: item, SequenceNumber: "9", Keys: stream.Image{
			"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: sk}}}}
	}
	id := item["sk"].(*types.AttributeValueMemberS).Value
	tests := map[string]struct {
		record stream.Record
		want   int
	}{
		"an event is changed":  {change(stream.Modify, "team#team_a", id), 1},
		"an event is removed":  {change(stream.Remove, "team#team_a", id), 1},
		"a block is changed":   {change(stream.Modify, "block#", "000000000001"), 1},
		"a mark is removed":    {change(stream.Remove, "sealed#team_a", id), 1},
		"the end is removed":   {change(stream.Remove, "head#", "head"), 1},
		"the end moves on":     {change(stream.Modify, "head#", "head"), 0},
		"the sweep moves on":   {change(stream.Modify, "sweep#", "sweep"), 0},
		"another item of that": {change(stream.Modify, "head#", "head2"), 1},
		"a block is made":      {change(stream.Insert, "block#", "000000000001"), 0},
		"an event is made":     {inserted(item, 1), 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := w.sealer(noon.Add(time.Minute))
			if got := s.Stream(t.Context(), stream.Event{Records: []stream.Record{tt.record}}); !done(got) {
				t.Errorf("got %+v", got)
			}
			if got := s.counts[audit.Altered]; got != tt.want {
				t.Errorf("%s: got %d, want %d", audit.Altered, got, tt.want)
			}
		})
	}
	if got := len(w.items("block#")); got != 1 {
		t.Errorf("got %d blocks, want the one of the event that was made", got)
	}
}

// spoiled is an item among the events that is none.
func (w *world) spoiled(name string) map[string]types.AttributeValue {
	w.t.Helper()
	item := map[string]types.AttributeValue{}
	for k, v := range w.items("team#team_a")[0] {
		item[k] = v
	}
	s := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	switch name {
	case "a time that is none":
		item["at"] = s("yesterday")
	case "a detail that is a text":
		item["detail"] = s("x")
	case "the id of another event":
		item["sk"] = s(item["sk"].(*types.AttributeValueMemberS).Value + "x")
	case "another team's event":
		item["teamId"] = s("team_b")
	}
	return item
}

func TestWhatCannotBeReadIsTold(t *testing.T) {
	for _, name := range []string{"a time that is none", "a detail that is a text", "the id of another event", "another team's event"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.tries = 1
			w.appended(noon, 3)
			b := w.batch("team#team_a", 0, 3)
			b.Records = slices.Insert(b.Records, 2, inserted(w.spoiled(name), 99))
			s := w.sealer(noon.Add(time.Minute))
			if got := failedAt(s.Stream(t.Context(), b)); got != "99" {
				t.Errorf("it goes on at %s, want 99", got)
			}
			if s.counts[audit.Unreadable] != 1 {
				t.Errorf("got %v", s.counts)
			}
			if got := len(w.items("sealed#team_a")); got != 2 {
				t.Errorf("%d are sealed, want those before it", got)
			}
			w.env.Faults.Add(front.Fault{Service: "kms", Operation: "Sign", Do: front.Fail, Times: -1})
			b.Records = b.Records[1:]
			b.Records[0] = w.lone(t)
			if got := failedAt(s.Stream(t.Context(), b)); got != "77" {
				t.Errorf("where those before it cannot be sealed it goes on at %s, want 77", got)
			}
		})
	}
}

// lone is the record of one more event.
func (w *world) lone(t *testing.T) stream.Record {
	t.Helper()
	w.note(lead, noon.Add(time.Second), audit.Entry{Type: "runbook.approved", TeamID: "team_a"})
	all := w.items("team#team_a")
	return inserted(all[len(all)-1], 77)
}
