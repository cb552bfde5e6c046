package runbook

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"pagefree/internal/platform/dynamo"
)

// edit changes one item of the table as somebody with a database console would.
func (w *world) edit(k dynamo.Key, change func(dynamo.Item)) {
	w.t.Helper()
	item := w.item(k)
	change(item)
	if _, err := w.store.Table.DB.PutItem(w.t.Context(), &dynamodb.PutItemInput{TableName: &w.store.Table.Name, Item: item}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) item(k dynamo.Key) dynamo.Item {
	w.t.Helper()
	key, err := attributevalue.MarshalMap(map[string]string{dynamo.PK: k.PK, dynamo.SK: k.SK})
	if err != nil {
		w.t.Fatal(err)
	}
	got, err := w.store.Table.DB.GetItem(w.t.Context(), &dynamodb.GetItemInput{TableName: &w.store.Table.Name, Key: key})
	if err != nil || got.Item == nil {
		w.t.Fatalf("get %v: %v", k, err)
	}
	return got.Item
}

// verdict is what the dispatcher would find.
func (w *world) verdict(at string) error {
	w.t.Helper()
	r, v, err := w.store.Runnable(w.t.Context(), idOf(at))
	if err != nil {
		w.t.Fatal(err)
	}
	return CheckSeal(w.t.Context(), w.seal, r, v)
}

func TestAnEditedRowDoesNotRun(t *testing.T) {
	w := newWorld(t)
	at := w.approved("one")
	w.next(at, body{"scriptContent": "echo 2", "parameters": []body{{"name": "A", "type": "string", "pattern": "a"}}, "serviceId": w.svc})
	head, version := headKey(idOf(at)), versionKey(idOf(at), 2)
	text := func(name, to string) func(dynamo.Item) {
		return func(i dynamo.Item) { i[name] = &types.AttributeValueMemberS{Value: to} }
	}
	num := func(name, to string) func(dynamo.Item) {
		return func(i dynamo.Item) { i[name] = &types.AttributeValueMemberN{Value: to} }
	}
	flag := func(name string, to bool) func(dynamo.Item) {
		return func(i dynamo.Item) { i[name] = &types.AttributeValueMemberBOOL{Value: to} }
	}
	gone := func(name string) func(dynamo.Item) { return func(i dynamo.Item) { delete(i, name) } }
	nested := func(name, member, to string) func(dynamo.Item) {
		return func(i dynamo.Item) {
			m := i[name]
			if l, ok := m.(*types.AttributeValueMemberL); ok {
				m = l.Value[0]
			}
			m.(*types.AttributeValueMemberM).Value[member] = &types.AttributeValueMemberS{Value: to}
		}
	}
	edits := map[string]struct {
		key    dynamo.Key
		change func(dynamo.Item)
	}{
		"the script": {version, text("scriptContent", "echo 3")}, "the language": {version, text("language", "PYTHON")},
		"a parameter's pattern": {version, nested("parameters", "pattern", ".*")}, "a parameter": {version, gone("parameters")},
		"the target": {version, nested("target", "type", "ssm")}, "the timeout": {version, num("timeoutSeconds", "300")},
		"the retries": {version, num("maxRetries", "3")}, "idempotent": {version, flag("idempotent", true)},
		"the concurrency": {version, num("concurrency", "100")}, "the runs an hour": {version, num("maxRunsPerHour", "1000")},
		"the service": {version, gone("serviceId")}, "the confirmation": {version, flag("requiresConfirm", true)},
		"the risk": {version, text("risk", "LOW")}, "the approver": {version, text("reviewedById", "usr_lead")},
		"the document": {version, func(i dynamo.Item) {
			i["document"] = &types.AttributeValueMemberM{Value: dynamo.Item{"name": &types.AttributeValueMemberS{Value: "evil"}}}
		}},
		"the hash": {version, text("contentHash", strings.Repeat("0", 64))}, "the seal": {version, gone("seal")},
		"the status": {version, text("status", "DRAFT")}, "the number": {version, num("version", "1")}, "the runbook": {version, text("runbookId", "rb_x")},
		"the pointer": {head, num("approved", "1")}, "the pointer's MAC": {head, gone("pointerMac")}, "the sequence": {head, num("sequence", "1")},
		"the team": {head, text("teamId", w.other)}, "the global team": {head, gone("teamId")}, "archived": {head, flag("archived", true)},
	}
	for name, e := range edits {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.t = t
			before := w.item(e.key)
			w.edit(e.key, e.change)
			if err := w.verdict(at); !errors.Is(err, ErrSealBroken) {
				t.Errorf("got %v, want ErrSealBroken", err)
			}
			w.edit(e.key, func(i dynamo.Item) { clear(i); maps.Copy(i, before) })
			w.runs(at, 2)
		})
	}
}

// TestAnOlderStateThatWasSlippedBackDoesNotRun puts back rows that were ours
// once, with MACs that were ours: version 1 and the whole head that named it.
func TestAnOlderStateThatWasSlippedBackDoesNotRun(t *testing.T) {
	w := newWorld(t)
	at := w.approved("one")
	then := w.item(headKey(idOf(at)))
	w.next(at, body{"scriptContent": "echo 2"})
	now := w.item(headKey(idOf(at)))
	w.edit(headKey(idOf(at)), func(i dynamo.Item) { clear(i); maps.Copy(i, then) })
	if err := w.verdict(at); !errors.Is(err, ErrSealBroken) {
		t.Fatalf("an old head: got %v, want ErrSealBroken", err)
	}
	w.edit(headKey(idOf(at)), func(i dynamo.Item) {
		for _, name := range []string{"approved", "pointerMac"} {
			i[name] = then[name]
		}
		i["sequence"] = now["sequence"]
	})
	if err := w.verdict(at); !errors.Is(err, ErrSealBroken) {
		t.Fatalf("an old pointer with the new sequence: got %v, want ErrSealBroken", err)
	}

	// Nor is it sealed by going through other states.
	w.must(200, "lead", "POST", at+"/deprecate", body{"reason": "x"})
	w.must(200, "lead", "POST", at+"/archive", body{"reason": "x"})
	w.must(200, "lead", "POST", at+"/restore", nil)
	if err := w.verdict(at); !errors.Is(err, ErrSealBroken) {
		t.Fatalf("archived and restored: got %v, want ErrSealBroken", err)
	}
	// A decision on a version mends it.
	w.must(200, "lead", "POST", at+"/rollback", body{"version": 2, "reason": "mend"})
	w.runs(at, 2)
}

func TestAVersionThatWasNeverApprovedDoesNotRun(t *testing.T) {
	w := newWorld(t)
	at := w.approved("one")
	w.must(201, "lead", "POST", at+"/versions", script.with(body{"scriptContent": "echo evil"}))
	sealed := w.item(versionKey(idOf(at), 1))
	w.edit(versionKey(idOf(at), 2), func(i dynamo.Item) {
		for _, name := range []string{"status", "reviewedById", "reviewedAt", "contentHash", "seal"} {
			i[name] = sealed[name]
		}
	})
	w.must(200, "lead", "POST", at+"/rollback", body{"version": 2, "reason": "the row says it was approved"})
	if err := w.verdict(at); !errors.Is(err, ErrSealBroken) {
		t.Errorf("got %v, want ErrSealBroken", err)
	}
}
