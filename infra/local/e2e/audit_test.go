package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/infra/audit/verify"
	"pagefree/infra/local/aws"
	"pagefree/infra/local/demo"
	"pagefree/infra/local/stack"
)

// exported is the whole of an export, page by page.
func (w *world) exported(who, limit string) string {
	w.t.Helper()
	var all strings.Builder
	cursor := ""
	for range 200 {
		req, err := http.NewRequestWithContext(w.t.Context(), "GET", w.stack.URL+"/v1/audit/export?limit="+limit+"&cursor="+cursor, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+w.people.Sessions[who])
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			w.t.Fatal(err)
		}
		page, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/x-ndjson" {
			w.t.Fatalf("export: %d %s %v %.500s", res.StatusCode, res.Header.Get("Content-Type"), err, page)
		}
		all.Write(page)
		lines := bytes.Split(bytes.TrimSpace(page), []byte("\n"))
		var end struct{ NextCursor *string }
		if err := json.Unmarshal(lines[len(lines)-1], &end); err != nil {
			w.t.Fatal(err)
		}
		if end.NextCursor == nil {
			return all.String()
		}
		cursor = *end.NextCursor
	}
	w.t.Fatal("the export does not end")
	return ""
}

// verified holds an export against the key that KMS itself tells.
func (w *world) verified(who, limit string) verify.Report {
	w.t.Helper()
	public, err := kms.NewFromConfig(w.stack.Config()).GetPublicKey(w.t.Context(), &kms.GetPublicKeyInput{KeyId: &w.stack.Template().Keys["AuditKey"].ID})
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := verify.ParseKey(public.PublicKey)
	if err != nil {
		w.t.Fatal(err)
	}
	return verify.Files([]verify.Input{{Name: "export", Data: strings.NewReader(w.exported(who, limit))}}, []*ecdsa.PublicKey{key})
}

// sealed waits until every event is sealed, and returns what the verifier then says.
func (w *world) sealed() verify.Report {
	w.t.Helper()
	var r verify.Report
	w.until("every event to be sealed", func() bool {
		r = w.verified(admin, "200")
		return r.Unsealed == 0 && r.Events > 0
	})
	if !r.OK() || r.Partial || r.Unfinished || r.Sealed != r.Events {
		w.t.Errorf("got %+v", r)
	}
	return r
}

// services makes so many services: an event each.
func (w *world) services(n int) {
	w.t.Helper()
	team := w.call(demo.Lead, http.StatusOK, "GET", "/v1/me", nil).Body["teams"].([]any)[0].(map[string]any)["id"]
	for range n {
		w.call(demo.Lead, http.StatusCreated, "POST", "/v1/services", map[string]any{"name": fmt.Sprint("sealed ", time.Now().UnixNano()), "teamId": team})
	}
}

// TestFaultWhileSealing makes the sealer die, or its answers get lost, at the transaction that extends the chain. There
// is one chain all the same, every event is in it, and none twice.
func TestFaultWhileSealing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hurried)
	w.ended(w.trigger())
	before := w.sealed()
	for name, fault := range map[string]aws.Fault{
		"it dies before":         {Do: aws.KillBefore},
		"it dies after":          {Do: aws.KillAfter},
		"the answer is lost":     {Do: aws.Swallow},
		"it dies twice":          {Do: aws.KillAfter, Times: 2},
		"the table fails":        {Do: aws.Fail, Times: 4},
		"a conflict":             {Do: aws.Conflict},
		"the key is not to have": {Do: aws.Throttle, Times: 4, Service: "kms", Operation: "Sign"},
	} {
		fault.Function = "AuditSealerFunction"
		if fault.Service == "" {
			fault.Service, fault.Operation = "dynamodb", "TransactWriteItems"
			// The sweep may write down how far it came, which is not what is meant here; it has no other transaction then.
			fault.When = func(c aws.Call) bool { return len(c.Tables) == 1 }
		}
		struck := w.stack.Faults().Add(fault)
		w.services(3)
		w.call(admin, http.StatusCreated, "POST", "/v1/teams", map[string]any{"name": "beside " + name}) // of another team, for the same block
		w.until(name, func() bool { return struck.Struck() > 0 })
		w.sealed()
		struck.Remove()
	}
	after := w.sealed()
	if after.Events < before.Events+21 || after.Blocks <= before.Blocks {
		t.Errorf("from %+v to %+v: nothing came of it", before, after)
	}
	for _, limit := range []string{"1", "7"} {
		if got := w.verified(admin, limit); !got.OK() || got.Sealed != after.Sealed || got.Blocks != after.Blocks {
			t.Errorf("by %s: got %+v, want %+v", limit, got, after)
		}
	}
	part := w.verified(demo.Lead, "9")
	if !part.OK() || !part.Partial || part.Sealed == 0 || part.OfOthers == 0 || part.Sealed+part.OfOthers > after.Sealed {
		t.Errorf("a team's part: %+v", part)
	}
}

// TestTheSweepAlone: with the stream switched off the sweep seals everything.
func TestTheSweepAlone(t *testing.T) {
	t.Parallel()
	o := hurried
	o.NoStreams = true
	w := newWorld(t, o)
	w.ended(w.trigger())
	w.services(5)
	r := w.sealed()
	for _, item := range w.call(admin, http.StatusOK, "GET", "/v1/audit?limit=200", nil).Items() {
		if n, ok := item["block"].(float64); !ok || n < 1 || n > float64(r.Blocks) {
			t.Errorf("%v: its block is %v", item["id"], item["block"])
		}
	}
}

// lines collects what functions log.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.buf.String(), text)
}

// TestAnAlterationSounds: whoever has the account's keys changes an event and removes another; the sealer tells of both,
// and the export shows them.
func TestAnAlterationSounds(t *testing.T) {
	t.Parallel()
	var log lines
	o := hurried
	o.Output = &log
	w := newWorld(t, o)
	w.sealed()
	if log.has("AuditAltered") || log.has("the audit trail was altered") {
		t.Fatal("it told of an alteration where there was none")
	}
	events := w.call(admin, http.StatusOK, "GET", "/v1/audit?limit=2&type=runbook.created", nil).Items()
	db := dynamodb.NewFromConfig(w.stack.Config())
	table := w.stack.Template().Tables["AuditTable"].Name
	key := func(e map[string]any) map[string]types.AttributeValue {
		return map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "team#" + e["teamId"].(string)}, "sk": &types.AttributeValueMemberS{Value: e["id"].(string)}}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &table, Key: key(events[0])}); err != nil {
		t.Fatal(err)
	}
	expression := "SET outcome = :o"
	if _, err := db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &table, Key: key(events[1]), UpdateExpression: &expression,
		ExpressionAttributeValues: map[string]types.AttributeValue{":o": &types.AttributeValueMemberS{Value: "denied"}}}); err != nil {
		t.Fatal(err)
	}
	w.until("both to be told of", func() bool { return log.has(`"change":"REMOVE"`) && log.has(`"change":"MODIFY"`) })
	if !log.has(`"AuditAltered":1`) {
		t.Error("no metric counts it")
	}
	got := strings.Join(w.verified(admin, "50").Problems, "; ")
	for _, want := range []string{events[0]["id"].(string) + " of block", events[1]["id"].(string) + " was changed"} {
		if !strings.Contains(got, want) {
			t.Errorf("the export: got %q, want %q", got, want)
		}
	}
}

// TestSealingGoesOnAfterARestart: the place in the stream is kept, and the chain goes on.
func TestSealingGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	o := hurried
	o.Dir = t.TempDir()
	s, err := stack.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	people, err := demo.Run(t.Context(), demo.Options{URL: s.URL, Out: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	first := &world{t: t, stack: s, people: people}
	first.api.URL = s.URL
	before := first.sealed()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o.Every = 0 // no sweep helps
	if s, err = stack.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	second := &world{t: t, stack: s, people: people}
	second.api.URL = s.URL
	second.services(2)
	after := second.sealed()
	if after.Events < before.Events+2 || after.Head <= before.Head {
		t.Errorf("from %+v to %+v", before, after)
	}
	// What was read before is not read again: the new events were all that it got, and the head moved once or twice.
	if got := s.Counts().Number(aws.Call{Function: "AuditSealerFunction", Service: "kms", Operation: "Sign"}); int64(got) != after.Head-before.Head {
		t.Errorf("it signed %d times for %d blocks", got, after.Head-before.Head)
	}
}
