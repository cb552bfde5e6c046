package due_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/infra/local/awstest"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// swept collects what is due at now, of all shards.
func swept(t *testing.T, table dynamo.Table, now time.Time) []string {
	t.Helper()
	var got []string
	for shard := range due.Shards {
		items, err := due.Before(t.Context(), table, shard, now, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range items {
			got = append(got, i.Subject)
		}
	}
	slices.Sort(got)
	return got
}

func TestDueItems(t *testing.T) {
	env := awstest.New(t)
	table := dynamo.Table{Name: env.Table("AutomationTable"), DB: dynamodb.NewFromConfig(env.Config)}
	commit := func(ops ...dynamo.Op) {
		t.Helper()
		if err := dynamo.Commit(t.Context(), table.DB, ops...); err != nil {
			t.Fatal(err)
		}
	}
	items := map[string]due.Item{
		"long ago": due.New("k", "long ago", noon.Add(-time.Hour)),
		"now":      due.New("k", "now", noon),
		"in a ms":  due.New("k", "in a ms", noon.Add(time.Millisecond)),
		"tomorrow": due.New("k", "tomorrow", noon.Add(24*time.Hour)),
	}
	for _, i := range items {
		commit(due.Put(table, i))
	}
	if got, want := swept(t, table, noon), []string{"long ago", "now"}; !slices.Equal(got, want) {
		t.Errorf("at noon: got %v, want %v", got, want)
	}
	commit(due.Put(table, items["now"])) // again: it is the same item
	commit(due.Done(table, items["now"]), due.Done(table, items["tomorrow"]))
	commit(due.Done(table, items["now"])) // again: it is gone already
	if got, want := swept(t, table, noon.Add(48*time.Hour)), []string{"in a ms", "long ago"}; !slices.Equal(got, want) {
		t.Errorf("two days later: got %v, want %v", got, want)
	}
	// An item can be removed by who knows its three arguments, without having read it.
	commit(due.Done(table, due.New("k", "long ago", noon.Add(-time.Hour).In(time.FixedZone("", 3600)))))
	if got, want := swept(t, table, noon.Add(48*time.Hour)), []string{"in a ms"}; !slices.Equal(got, want) {
		t.Errorf("after its removal: got %v, want %v", got, want)
	}
}

func TestTheOldestComeFirstAndWhatIsNotDueIsNotRead(t *testing.T) {
	env := awstest.New(t)
	table := dynamo.Table{Name: env.Table("AutomationTable"), DB: dynamodb.NewFromConfig(env.Config)}
	var ops []dynamo.Op
	shard := 0
	for i := range 60 { // the same subject: one shard
		v := due.New("k", "s", noon.Add(time.Duration(i)*time.Minute))
		if _, err := fmt.Sscanf(v.PK, "due#%d", &shard); err != nil {
			t.Fatal(err)
		}
		ops = append(ops, due.Put(table, v))
	}
	if err := dynamo.Commit(t.Context(), table.DB, ops...); err != nil {
		t.Fatal(err)
	}
	got, err := due.Before(t.Context(), table, shard, noon.Add(30*time.Minute), 10)
	if err != nil || len(got) != 10 || !got[0].At.Equal(noon) || !got[9].At.Equal(noon.Add(9*time.Minute)) {
		t.Errorf("got %+v, %v, want the ten oldest", got, err)
	}
	if got, err = due.Before(t.Context(), table, shard, noon.Add(-time.Minute), 10); err != nil || len(got) != 0 {
		t.Errorf("before anything is due: got %v, %v", got, err)
	}
}

func TestShards(t *testing.T) {
	used := map[string]int{}
	for i := range 400 {
		used[due.New("k", fmt.Sprintf("ex_%d", i), noon).PK]++
	}
	if len(used) != due.Shards {
		t.Errorf("got %d partitions in use, want %d: %v", len(used), due.Shards, used)
	}
}
