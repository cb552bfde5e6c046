package execution

import (
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/dynamo"
)

// The brake of a runbook: how many of its runs are live, and how many began in
// the last hour. Both change in the transactions that claim and end a run, so
// they are never wrong, whoever dies in between.
//
//	brake#<runbook>  slots#<service>            slots
//	brake#<runbook>  wait#<service>#<execution> an execution that waits for one of them
//	brake#<runbook>  hour                       hour

// slots counts the live runs of a runbook for one service.
type slots struct {
	PK      string `dynamodbav:"pk"`
	SK      string `dynamodbav:"sk"`
	Live    int    `dynamodbav:"live"`
	Waiting int    `dynamodbav:"waiting"`
}

// waiter is an execution that waits for a slot. Its sort key begins with the
// time of its trigger, so the oldest comes first.
type waiter struct {
	PK string `dynamodbav:"pk"`
	SK string `dynamodbav:"sk"`
	Message
}

// hour counts the runs of a runbook that began, by minute.
type hour struct {
	PK      string         `dynamodbav:"pk"`
	SK      string         `dynamodbav:"sk"`
	Minutes map[string]int `dynamodbav:"minutes"` // by minutes since 1970
	Rev     int64          `dynamodbav:"rev"`
}

func brakePK(runbookID string) string { return "brake#" + runbookID }

func slotsKey(runbookID, slot string) dynamo.Key {
	return dynamo.Key{PK: brakePK(runbookID), SK: "slots#" + slot}
}

func hourKey(runbookID string) dynamo.Key { return dynamo.Key{PK: brakePK(runbookID), SK: "hour"} }

func waitPrefix(slot string) string { return "wait#" + slot + "#" }

func waiterOf(e Execution) waiter {
	return waiter{PK: brakePK(e.RunbookID), SK: waitPrefix(e.slot()) + e.ID, Message: e.message()}
}

// take is the write that counts a run among the live ones, if fewer than limit are.
func (s Store) take(e Execution, limit int) dynamo.Op {
	u := expression.Add(expression.Name("live"), expression.Value(1))
	if e.Waiting {
		u = u.Add(expression.Name("waiting"), expression.Value(-1))
	}
	return s.Table.Update(slotsKey(e.RunbookID, e.slot()), u,
		expression.Or(expression.Name("live").AttributeNotExists(), expression.Name("live").LessThan(expression.Value(limit))))
}

// giveBack is the write that ends what take counted. Unless somebody is known
// to wait, its condition is that nobody does: so a slot that is free never
// goes unnoticed, and most ends need no look at who waits. What is known to be
// awaited is given back whatever the table says: no end of a run hangs on it.
func (s Store) giveBack(e Execution, awaited bool) dynamo.Op {
	cond := expression.Or(dynamo.Absent(), dynamo.Present())
	if !awaited {
		cond = expression.Name("live").GreaterThan(expression.Value(0)).
			And(expression.Or(expression.Name("waiting").AttributeNotExists(), expression.Name("waiting").LessThanEqual(expression.Value(0))))
	}
	return s.Table.Update(slotsKey(e.RunbookID, e.Slot), expression.Add(expression.Name("live"), expression.Value(-1)), cond)
}

// queueUp are the writes of an execution that begins to wait for a slot, if
// none of limit is free: else whoever gave the last one back saw nobody wait,
// and woke nobody.
func (s Store) queueUp(e Execution, limit int) []dynamo.Op {
	return []dynamo.Op{
		s.Table.Put(waiterOf(e), expression.Or(dynamo.Absent(), dynamo.Present())),
		s.Table.Update(slotsKey(e.RunbookID, e.slot()), expression.Add(expression.Name("waiting"), expression.Value(1)),
			expression.Name("live").GreaterThanEqual(expression.Value(limit))),
	}
}

// leaveQueue is the removal of a waiter, for the transaction that claims it.
func (s Store) leaveQueue(e Execution) dynamo.Op {
	w := waiterOf(e)
	return s.Table.Delete(dynamo.Key{PK: w.PK, SK: w.SK}, expression.Or(dynamo.Absent(), dynamo.Present()))
}

// giveUp are the writes of one that waits no more, without a slot. As with
// giveBack, no end hangs on what the table says of the slots.
func (s Store) giveUp(e Execution) []dynamo.Op {
	return []dynamo.Op{
		s.leaveQueue(e),
		s.Table.Update(slotsKey(e.RunbookID, e.slot()), expression.Add(expression.Name("waiting"), expression.Value(-1)), expression.Or(dynamo.Absent(), dynamo.Present())),
	}
}

// window is how long a run counts for maxRunsPerHour: an hour, and what is
// left of the minute, since runs are counted by minutes.
const window = 60

// began is the hour with a run more, and whether limit admits it.
func (h hour) began(now time.Time, limit int) (hour, bool) {
	this := now.Unix() / 60
	is := hour{Rev: h.Rev + 1, Minutes: map[string]int{}}
	sum := 0
	for text, n := range h.Minutes {
		minute, err := strconv.ParseInt(text, 10, 64)
		if err == nil && minute >= this-window {
			is.Minutes[text] = n
			sum += n
		}
	}
	if sum >= limit {
		return h, false
	}
	is.Minutes[strconv.FormatInt(this, 10)]++
	return is, true
}

// count is the write of an hour that was read at the revision before its own.
func (s Store) count(runbookID string, is hour) dynamo.Op {
	k := hourKey(runbookID)
	is.PK, is.SK = k.PK, k.SK
	if is.Rev == 1 {
		return s.Table.Create(is)
	}
	return s.Table.Put(is, dynamo.Is("rev", is.Rev-1))
}
