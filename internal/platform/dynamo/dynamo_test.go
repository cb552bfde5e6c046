package dynamo_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	front "pagefree/infra/local/aws"
	"pagefree/infra/local/awstest"
	"pagefree/internal/platform/dynamo"
)

type thing struct {
	PK   string `dynamodbav:"pk"`
	SK   string `dynamodbav:"sk"`
	ID   string `dynamodbav:"id"`
	Team string `dynamodbav:"byTeam,omitempty"`
	N    int    `dynamodbav:"n"`
	Text string `dynamodbav:"text,omitempty"`
}

func key(pk string) dynamo.Key { return dynamo.Key{PK: pk, SK: "x"} }

func newThing(pk string, n int) thing { return thing{PK: pk, SK: "x", ID: pk, N: n} }

func newTable(t *testing.T) (dynamo.Table, *awstest.Env) {
	env := awstest.New(t)
	return dynamo.Table{Name: env.Table("AutomationTable"), DB: dynamodb.NewFromConfig(env.Config)}, env
}

func commit(t *testing.T, table dynamo.Table, ops ...dynamo.Op) {
	t.Helper()
	if err := dynamo.Commit(t.Context(), table.DB, ops...); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, table dynamo.Table, pk string) (thing, bool) {
	t.Helper()
	var v thing
	found, err := table.Get(t.Context(), key(pk), &v)
	if err != nil {
		t.Fatal(err)
	}
	return v, found
}

func TestCommitWritesAllOrNothing(t *testing.T) {
	table, _ := newTable(t)
	commit(t, table, table.Create(newThing("a", 1)), table.Create(newThing("b", 1)))
	add := expression.Add(expression.Name("n"), expression.Value(1))
	tests := map[string]struct {
		ops  []dynamo.Op
		want int // the index of the write whose condition fails
	}{
		"create what is there": {[]dynamo.Op{table.Create(newThing("c", 1)), table.Create(newThing("a", 9))}, 1},
		"put at another value": {[]dynamo.Op{table.Put(newThing("a", 9), dynamo.Is("n", 2)), table.Create(newThing("c", 1))}, 0},
		"update what is not":   {[]dynamo.Op{table.Create(newThing("c", 1)), table.Update(key("z"), add, dynamo.Present())}, 1},
		"delete what is not":   {[]dynamo.Op{table.Create(newThing("c", 1)), table.Update(key("a"), add, dynamo.Present()), table.Delete(key("z"), dynamo.Present())}, 2},
		"check what is not":    {[]dynamo.Op{table.Check(key("z"), dynamo.Present()), table.Create(newThing("c", 1))}, 0},
		"the first of several": {[]dynamo.Op{table.Create(newThing("c", 1)), table.Create(newThing("b", 9)), table.Create(newThing("a", 9))}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := dynamo.Commit(t.Context(), table.DB, test.ops...)
			lost, ok := dynamo.Failed(err)
			if !ok || lost.Index != test.want {
				t.Fatalf("got %v, want the condition of write %d", err, test.want)
			}
			if errors.Is(err, dynamo.ErrContended) {
				t.Error("a lost race is not a conflict to be tried again")
			}
			if _, found := read(t, table, "c"); found {
				t.Error("half of it was written")
			}
			if v, _ := read(t, table, "a"); v.N != 1 {
				t.Errorf("half of it was written: %+v", v)
			}
		})
	}
	err := dynamo.Commit(t.Context(), table.DB, table.Create(newThing("a", 9)))
	lost, _ := dynamo.Failed(err)
	var stood thing
	if lost == nil || dynamo.Decode(lost.Item, &stood) != nil || stood.N != 1 {
		t.Errorf("the item that stood in the way: got %+v of %v", stood, err)
	}
	commit(t, table, table.Update(key("a"), add, dynamo.Is("n", 1)), table.Delete(key("b"), dynamo.Present()), table.Put(newThing("d", 4), dynamo.Absent()))
	if v, _ := read(t, table, "a"); v.N != 2 {
		t.Errorf("updated: got %+v", v)
	}
	if _, found := read(t, table, "b"); found {
		t.Error("deleted, and still there")
	}
}

func TestCommitRefusesWhatCannotBeWritten(t *testing.T) {
	table, env := newTable(t)
	if err := dynamo.Commit(t.Context(), table.DB, table.Create(func() {})); err == nil {
		t.Error("a function was written")
	}
	gone := dynamo.Table{Name: env.Table("AutomationTable") + "x", DB: table.DB}
	err := dynamo.Commit(t.Context(), table.DB, gone.Create(newThing("a", 1)))
	if _, lost := dynamo.Failed(err); err == nil || lost || errors.Is(err, dynamo.ErrContended) {
		t.Errorf("a table that does not exist: got %v", err)
	}
}

func TestAConflictIsTriedAgain(t *testing.T) {
	table, env := newTable(t)
	tests := map[string]struct {
		fault front.Fault
		want  error // nil: it was written
	}{
		"one conflict":            {front.Fault{Do: front.Conflict}, nil},
		"five conflicts":          {front.Fault{Do: front.Conflict, Times: 5}, nil},
		"conflicts for ever":      {front.Fault{Do: front.Conflict, Times: -1}, dynamo.ErrContended},
		"a throttle":              {front.Fault{Do: front.Throttle}, nil},
		"a failure of AWS":        {front.Fault{Do: front.Fail}, nil},
		"an answer that was lost": {front.Fault{Do: front.Swallow}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.fault.Service, test.fault.Operation = "dynamodb", "TransactWriteItems"
			fault := env.Faults.Add(test.fault)
			defer fault.Remove()
			err := dynamo.Commit(t.Context(), table.DB, table.Create(newThing(name, 1)))
			if !errors.Is(err, test.want) || test.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if _, lost := dynamo.Failed(err); lost {
				t.Error("a conflict was taken for a lost race")
			}
			if fault.Struck() == 0 {
				t.Error("the fault never struck")
			}
			fault.Remove()
			if _, found := read(t, table, name); found != (test.want == nil) {
				t.Errorf("written: got %v", found)
			}
		})
	}
}

func TestAnEndedContextEndsTheTries(t *testing.T) {
	table, env := newTable(t)
	ctx, cancel := context.WithCancel(t.Context())
	env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Conflict, Times: -1, When: func(front.Call) bool { cancel(); return true }})
	if err := dynamo.Commit(ctx, table.DB, table.Create(newThing("a", 1))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's end", err)
	}
}

func TestOneOfManyWins(t *testing.T) {
	table, _ := newTable(t)
	commit(t, table, table.Create(newThing("a", 0)))
	var mu sync.Mutex
	won, lost := 0, 0
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			err := dynamo.Commit(t.Context(), table.DB, table.Put(newThing("a", i+1), dynamo.Is("n", 0)))
			mu.Lock()
			defer mu.Unlock()
			if _, ok := dynamo.Failed(err); ok {
				lost++
			} else if err == nil {
				won++
			}
		})
	}
	wg.Wait()
	if won != 1 || lost != 19 {
		t.Errorf("got %d winners and %d losers, want 1 and 19", won, lost)
	}
}

func TestNudge(t *testing.T) {
	table, _ := newTable(t)
	commit(t, table, table.Create(newThing("a", 1)))
	set := expression.Set(expression.Name("n"), expression.Value(2))
	if err := table.Nudge(t.Context(), key("a"), set, dynamo.Is("n", 1)); err != nil {
		t.Fatal(err)
	}
	if v, _ := read(t, table, "a"); v.N != 2 {
		t.Errorf("got %+v", v)
	}
	err := table.Nudge(t.Context(), key("a"), set, dynamo.Is("n", 1))
	if _, lost := dynamo.Failed(err); !lost {
		t.Errorf("got %v, want a failed condition", err)
	}
}

func TestGetAll(t *testing.T) {
	table, _ := newTable(t)
	var keys []dynamo.Key
	for i := range 120 {
		pk := string(rune('a'+i%26)) + string(rune('a'+i/26))
		keys = append(keys, key(pk))
		if i%2 == 0 {
			commit(t, table, table.Create(newThing(pk, i)))
		}
	}
	got, err := dynamo.GetAll[thing](t.Context(), table, keys)
	if err != nil || len(got) != 60 {
		t.Errorf("got %d items, %v, want the 60 that exist", len(got), err)
	}
	if got, err := dynamo.GetAll[thing](t.Context(), table, nil); err != nil || len(got) != 0 {
		t.Errorf("nothing asked: got %v, %v", got, err)
	}
}

func TestGetTellsABrokenItem(t *testing.T) {
	table, _ := newTable(t)
	commit(t, table, table.Create(map[string]any{"pk": "a", "sk": "x", "n": "not a number"}))
	var v thing
	if _, err := table.Get(t.Context(), key("a"), &v); err == nil {
		t.Errorf("got %+v", v)
	}
}
