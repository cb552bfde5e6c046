package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/infra/local/aws"
	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
)

// executions is how many a campaign triggers: few in `make test`, a thousand in `make faults`.
var executions = flag.Int("executions", 60, "how many executions the campaign of faults triggers")

// kind is one way in which a dispatch goes wrong.
type kind struct {
	name               string
	service, operation string
	times              int
	do                 aws.Action
}

var kinds = []kind{
	{"dies while reading", "dynamodb", "BatchGetItem", 1, aws.KillBefore},
	{"dies before a claim or a record", "dynamodb", "TransactWriteItems", 1, aws.KillBefore},
	{"dies after a claim or a record", "dynamodb", "TransactWriteItems", 1, aws.KillAfter},
	{"dies before it checks a seal", "kms", "VerifyMac", 1, aws.KillBefore},
	{"loses the answer of a claim or a record", "dynamodb", "TransactWriteItems", 2, aws.Swallow},
	{"loses the answer of a read", "dynamodb", "BatchGetItem", 1, aws.Swallow},
	{"meets conflicts", "dynamodb", "TransactWriteItems", 5, aws.Conflict},
	{"meets a table that fails", "dynamodb", "BatchGetItem", 3, aws.Fail},
	{"is throttled", "kms", "VerifyMac", 2, aws.Throttle},
}

func (k kind) kills() bool { return k.do == aws.KillBefore || k.do == aws.KillAfter }

// TestFaultCampaign throws faults at dispatchers while they work, at calls of
// any step in any order, and sends messages again: however they die, nothing is
// sent twice, everything ends, and UNKNOWN is what a dispatcher held when it was killed.
func TestFaultCampaign(t *testing.T) {
	t.Parallel()
	w := hurriedStacks.world(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	runbook := w.approved(map[string]any{
		"name": "Campaign", "teamId": w.team(), "language": "BASH", "concurrency": 100, "timeoutSeconds": 8,
		"target": map[string]any{"type": "webhook", "url": w.stack.URL + "/_local/echo/200"},
	})

	var kills []time.Time
	var ids []string
	struck := map[string]int{}
	queue := sqs.NewFromConfig(w.stack.Config())
	const burst = 4
	for len(ids) < *executions {
		k := kinds[rng.IntN(len(kinds))]
		f := w.stack.Faults().Add(aws.Fault{
			Function: "DispatcherFunction", Service: k.service, Operation: k.operation, Nth: 1 + rng.IntN(2*burst), Times: k.times, Do: k.do,
		})
		for range min(burst, *executions-len(ids)) {
			ids = append(ids, w.call(demo.Responder, http.StatusAccepted, "POST", "/v1/executions", map[string]any{
				"runbookId": runbook, "incidentId": w.people.IncidentID}).Text("id"))
			again := fmt.Sprintf(`{"executionId":%q}`, ids[rng.IntN(len(ids))]) // a message comes twice, and out of order
			if _, err := queue.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: sdk.String(w.queueURL()), MessageBody: &again}); err != nil {
				t.Fatal(err)
			}
		}
		for wait := 0; wait < 50 && f.Struck() == 0; wait++ {
			if err := client.Pause(t.Context(), 10*time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		if f.Struck() > 0 {
			struck[k.name]++
			if k.kills() {
				kills = append(kills, time.Now())
			}
		}
		w.stack.Faults().Clear()
	}

	all := w.settled(runbook)
	delivered := map[string]int{}
	for _, r := range w.stack.Webhooks() {
		var body struct{ ExecutionID string }
		if err := json.Unmarshal([]byte(r.Body), &body); err != nil {
			t.Fatal(err)
		}
		delivered[body.ExecutionID]++
	}
	ends := map[string]int{}
	for _, e := range all {
		id, status := e["id"].(string), e["status"].(string)
		ends[status]++
		if n := delivered[id]; n > 1 || status == "COMPLETED" && n != 1 {
			t.Errorf("%s is %s and was sent %d times", id, status, n)
		}
		switch status {
		case "COMPLETED":
		case "UNKNOWN":
			if !killedMeanwhile(t, e, kills) {
				t.Errorf("%s is UNKNOWN, and nobody was killed while it ran: %v", id, e)
			}
		default:
			t.Errorf("%s ended %s: %v", id, status, e["error"])
		}
	}
	if len(all) != *executions {
		t.Errorf("%d executions on record, %d were triggered", len(all), *executions)
	}
	if len(kills) == 0 || ends["COMPLETED"] == 0 {
		t.Error("too little went wrong, or right, to show anything")
	}
	t.Logf("%d executions ended %v; %d dispatchers were killed; struck: %v", len(all), ends, len(kills), struck)
}

// killedMeanwhile tells whether some dispatcher was killed while an execution
// ran. A kill is seen some milliseconds after it.
func killedMeanwhile(t *testing.T, e map[string]any, kills []time.Time) bool {
	t.Helper()
	started, err := time.Parse(time.RFC3339, e["startedAt"].(string))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(kills, func(k time.Time) bool {
		return k.After(started.Add(-time.Second)) && k.Before(started.Add(hurried.Timeouts["DispatcherFunction"]+2*time.Second))
	})
}

func (w *world) queueURL() string { return w.stack.Template().Queues["ExecutionsQueue"].URL }

// settled waits for the end of all executions of a runbook.
func (w *world) settled(runbook string) []map[string]any {
	w.t.Helper()
	deadline := time.Now().Add(4 * time.Minute) // what a killed dispatcher held is looked at 25 s later
	for {
		all := map[string]map[string]any{}
		open := 0
		for cursor := ""; ; {
			a := w.call(demo.Responder, http.StatusOK, "GET", "/v1/executions?limit=200&runbookId="+runbook+"&cursor="+url.QueryEscape(cursor), nil)
			for _, e := range a.Items() {
				all[e["id"].(string)] = e
				if s := e["status"]; s == "PENDING" || s == "RUNNING" {
					open++
				}
			}
			if cursor = a.Text("nextCursor"); cursor == "" {
				break
			}
		}
		if open == 0 {
			return slices.Collect(maps.Values(all))
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%d executions are stuck", open)
		}
		if err := client.Pause(w.t.Context(), 500*time.Millisecond); err != nil {
			w.t.Fatal(err)
		}
	}
}

// approved makes a runbook that one wrote and another approved.
func (w *world) approved(body map[string]any) string {
	w.t.Helper()
	id := w.call(demo.Lead, http.StatusCreated, "POST", "/v1/runbooks", body).Text("id")
	version := "/v1/runbooks/" + id + "/versions/1"
	w.call(demo.Lead, http.StatusOK, "POST", version+"/submit", nil)
	w.call(demo.Reviewer, http.StatusOK, "POST", version+"/approve", map[string]any{})
	return id
}
