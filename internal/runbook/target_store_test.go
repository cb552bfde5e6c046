package runbook

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"pagefree/internal/platform/dynamo"
)

// TestTheConditionRefusesSelfApprovalOfATarget goes around the service:
// whoever calls the store with a reviewer that wrote the definition writes nothing.
func TestTheConditionRefusesSelfApprovalOfATarget(t *testing.T) {
	w := newWorld(t)
	at := w.named("one", hook)
	w.must(200, "second", "PUT", at, body{"target": hook.with(body{"async": true})})
	edit := expression.Set(expression.Name("newest.lastEditorId"), expression.Value("usr_editor"))
	if err := w.store.commit(t.Context(), w.store.Table.Update(targetKey(targetID(at)), edit, dynamo.Present())); err != nil {
		t.Fatal(err)
	}
	read := func() NamedTarget {
		named, found, err := w.store.target(t.Context(), targetID(at))
		if err != nil || !found {
			t.Fatalf("got %v, %v", found, err)
		}
		return named
	}
	approve := func(by *string) error {
		old := read()
		is := old
		is.Target, is.Approved, is.ApprovedByID, is.Newest.Status = &old.Newest.Target, old.Newest.Version, by, Approved
		is, err := sealTarget(t.Context(), w.seal, is)
		if err != nil {
			t.Fatal(err)
		}
		return w.store.approveTarget(t.Context(), old, is, w.service.recordTarget(t.Context(), is, "approved", w.clock.Now(), nil))
	}
	for name, by := range map[string]*string{"the author": ptr("usr_lead"), "a writer": ptr("usr_second"), "the last editor": ptr("usr_editor"), "nobody": nil} {
		err := approve(by)
		if lost, ok := dynamo.Failed(err); !ok || lost.Index != 0 {
			t.Errorf("%s: got %v, want the condition of the target", name, err)
		}
	}
	if named := read(); named.Target != nil || named.Sequence != 0 || named.Latest != 0 || named.Newest.Status != PendingReview {
		t.Fatalf("a refused approval was written: %+v", named)
	}
	if err := approve(ptr("usr_reviewer")); err != nil {
		t.Errorf("a second person: %v", err)
	}
	w.leads(at, "https://awx.example/api")
	if lost, ok := dynamo.Failed(approve(ptr("usr_root"))); !ok || lost.Index != 0 {
		t.Error("what is approved was approved again")
	}
}

func TestAnEditedTargetDoesNotServe(t *testing.T) {
	w := newWorld(t)
	at := w.served("one", hook.with(body{"signWith": "sign-key", "async": true}))
	w.must(200, "lead", "PUT", at, body{"target": hook.with(body{"url": "https://two.example"})})
	head := targetKey(targetID(at))
	text := func(name, to string) func(dynamo.Item) {
		return func(i dynamo.Item) { i[name] = &types.AttributeValueMemberS{Value: to} }
	}
	num := func(name, to string) func(dynamo.Item) {
		return func(i dynamo.Item) { i[name] = &types.AttributeValueMemberN{Value: to} }
	}
	gone := func(name string) func(dynamo.Item) { return func(i dynamo.Item) { delete(i, name) } }
	within := func(i dynamo.Item, name string) dynamo.Item { return i[name].(*types.AttributeValueMemberM).Value }
	definition := func(name string, to types.AttributeValue) func(dynamo.Item) {
		return func(i dynamo.Item) { within(i, "target")[name] = to }
	}
	s := func(to string) types.AttributeValue { return &types.AttributeValueMemberS{Value: to} }
	edits := map[string]func(dynamo.Item){
		"the address": definition("url", s("https://awx.example/apj")), "the preset": definition("preset", s("rundeck")),
		"the type, of both": func(i dynamo.Item) { within(i, "target")["type"], i["type"] = s("ssm"), s("ssm") },
		"the type":          definition("type", s("sandbox")), "its type": text("type", "sandbox"),
		"a header": func(i dynamo.Item) {
			within(within(i, "target"), "headers")["Authorization"] = s("Bearer {{secrets.awx-tokem}}")
		},
		"a header's name": func(i dynamo.Item) { within(within(i, "target"), "headers")["X"] = s("y") },
		"no header":       func(i dynamo.Item) { delete(within(i, "target"), "headers") },
		"the signature":   definition("signWith", s("sign-kez")), "async": func(i dynamo.Item) { delete(within(i, "target"), "async") },
		"a node":              definition("instanceIds", &types.AttributeValueMemberL{Value: []types.AttributeValue{s("mi-local")}}),
		"the number of nodes": definition("maxNodes", &types.AttributeValueMemberN{Value: "9"}),
		"what waits":          func(i dynamo.Item) { i["target"] = within(i, "newest")["target"] },
		"no definition":       gone("target"),
		"nor any approval":    func(i dynamo.Item) { delete(i, "target"); delete(i, "sequence") },
		"the team":            text("teamId", w.other),
		"no team":             gone("teamId"),
		"an empty team":       text("teamId", ""),
		"the id":              text("id", "tgt_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
		"the version":         num("approved", "2"),
		"the approver":        text("approvedById", "usr_lead"),
		"no approver":         gone("approvedById"),
		"the sequence":        num("sequence", "2"),
		"the hash":            text("contentHash", strings.Repeat("0", 64)),
		"the seal":            gone("seal"),
		"the format":          func(i dynamo.Item) { within(i, "seal")["format"] = &types.AttributeValueMemberN{Value: "2"} },
		"one byte of the MAC": func(i dynamo.Item) { within(i, "seal")["mac"].(*types.AttributeValueMemberB).Value[0] ^= 1 },
		"a MAC that is shorter": func(i dynamo.Item) {
			mac := within(i, "seal")["mac"].(*types.AttributeValueMemberB)
			mac.Value = mac.Value[1:]
		},
	}
	for name, change := range edits {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.t = t
			before := w.item(head)
			w.edit(head, change)
			named, err := w.store.NamedTarget(t.Context(), targetID(at))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := CheckTarget(t.Context(), w.seal, named, w.team); !errors.Is(err, ErrSealBroken) {
				t.Errorf("got %v, want ErrSealBroken", err)
			}
			w.edit(head, func(i dynamo.Item) { clear(i); maps.Copy(i, before) })
			w.leads(at, "https://awx.example/api")
		})
	}
}

// TestAnOlderDefinitionThatWasSlippedBackDoesNotServe puts back rows that were
// ours once, with MACs that were ours.
func TestAnOlderDefinitionThatWasSlippedBackDoesNotServe(t *testing.T) {
	w := newWorld(t)
	at := w.served("one", hook)
	head := targetKey(targetID(at))
	then := w.item(head)
	w.must(200, "lead", "PUT", at, body{"target": hook.with(body{"url": "https://two.example"})})
	w.must(200, "reviewer", "POST", at+"/approve", nil)
	now := w.item(head)
	broken := func(what string) {
		t.Helper()
		named, err := w.store.NamedTarget(t.Context(), targetID(at))
		if err != nil {
			t.Fatal(err)
		}
		if to, err := CheckTarget(t.Context(), w.seal, named, w.team); !errors.Is(err, ErrSealBroken) {
			t.Errorf("%s: got %+v, %v, want ErrSealBroken", what, to, err)
		}
	}
	w.edit(head, func(i dynamo.Item) { clear(i); maps.Copy(i, then) })
	broken("an old head")
	w.edit(head, func(i dynamo.Item) { i["sequence"] = now["sequence"] })
	broken("an old head with the new sequence")
	w.edit(head, func(i dynamo.Item) {
		clear(i)
		maps.Copy(i, now)
		for _, name := range []string{"target", "approved", "contentHash", "seal"} {
			i[name] = then[name]
		}
	})
	broken("an old definition in the new head")

	// A change that waits does not seal it, an approval mends it.
	w.must(200, "lead", "PUT", at, body{"target": hook.with(body{"url": "https://three.example"})})
	broken("with a change that waits")
	w.must(200, "reviewer", "POST", at+"/approve", nil)
	w.leads(at, "https://three.example")

	// What was deleted and put back does not serve either.
	last := w.item(head)
	w.must(204, "lead", "DELETE", at, nil)
	if _, err := w.store.Table.DB.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &w.store.Table.Name, Item: last}); err != nil {
		t.Fatal(err)
	}
	broken("deleted, and put back")
}

func TestATargetThatWasNeverApprovedDoesNotServe(t *testing.T) {
	w := newWorld(t)
	ours, evil := w.served("ours", hook), w.named("evil", hook.with(body{"url": "https://evil.example"}))
	sealed := w.item(targetKey(targetID(ours)))
	w.edit(targetKey(targetID(evil)), func(i dynamo.Item) {
		i["target"] = i["newest"].(*types.AttributeValueMemberM).Value["target"]
		for _, name := range []string{"approved", "approvedById", "contentHash", "seal"} {
			i[name] = sealed[name]
		}
	})
	named, err := w.store.NamedTarget(t.Context(), targetID(evil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := CheckTarget(t.Context(), w.seal, named, w.team); !errors.Is(err, ErrSealBroken) {
		t.Errorf("got %v, want ErrSealBroken", err)
	}
	w.must(200, "lead", "PUT", evil, body{"name": "renamed", "target": hook.with(body{"url": "https://evil.example"})})
	if named, err = w.store.NamedTarget(t.Context(), targetID(evil)); err != nil {
		t.Fatal(err)
	}
	if _, err := CheckTarget(t.Context(), w.seal, named, w.team); !errors.Is(err, ErrSealBroken) {
		t.Errorf("renamed: got %v, want ErrSealBroken", err)
	}
}

func TestNamedTargetOfNothing(t *testing.T) {
	w := newWorld(t)
	for _, unknown := range []string{"tgt_01ARZ3NDEKTSV4RRFFQ69G5FAV", "", "rb_01ARZ3NDEKTSV4RRFFQ69G5FAV", "tgt_01ARZ3NDEKTSV4RRFFQ69G5FAV#head"} {
		w.leads("/v1/targets/"+unknown, "")
	}
}

func TestStillServes(t *testing.T) {
	w := newWorld(t)
	at := w.served("one", hook)
	read := func() NamedTarget {
		named, err := w.store.NamedTarget(t.Context(), targetID(at))
		if err != nil {
			t.Fatal(err)
		}
		return named
	}
	depends := func(named NamedTarget) error { return w.store.commit(t.Context(), w.store.StillServes(named)) }
	first := read()
	w.must(200, "lead", "PUT", at, body{"name": "uno", "target": hook.with(body{"async": true})})
	if err := depends(first); err != nil {
		t.Errorf("what waits changes nothing: %v", err)
	}
	w.must(200, "reviewer", "POST", at+"/approve", nil)
	if _, lost := dynamo.Failed(depends(first)); !lost {
		t.Error("after an approval the old definition still serves")
	}
	second := read()
	w.must(204, "lead", "DELETE", at, nil)
	if _, lost := dynamo.Failed(depends(second)); !lost {
		t.Error("a deleted target still serves")
	}
}

func TestRacesOfTargets(t *testing.T) {
	w := newWorld(t)
	for round := range 4 {
		at := w.named(fmt.Sprintf("reviewers %d", round), hook)
		answers := race(
			w.call("reviewer", "POST", at+"/approve", nil), w.call("second", "POST", at+"/approve", nil), w.call("admin", "POST", at+"/reject", body{"reason": "no"}),
		)
		if got := statuses(answers); !slices.Equal(got, []int{200, 409, 409}) {
			t.Errorf("three reviewers at once: got %v", got)
		}

		// Of a change and an approval both may be done, one after the other; nobody approves their own by it.
		at = w.named(fmt.Sprintf("edit %d", round), hook)
		answers = race(w.call("reviewer", "POST", at+"/approve", nil), w.call("reviewer", "PUT", at, body{"target": hook.with(body{"async": true})}))
		named, err := w.store.NamedTarget(t.Context(), targetID(at))
		if err != nil || answers[1].StatusCode != 200 || named.Newest.Status != PendingReview || (answers[0].StatusCode == 200) != (named.Approved == 1) {
			t.Errorf("a change during an approval: %v, %+v, %v", statuses(answers), named, err)
		}

		name := fmt.Sprintf("wanted %d", round)
		answers = race(
			w.call("lead", "POST", "/v1/targets", body{"name": name, "teamId": w.team, "target": hook}),
			w.call("second", "POST", "/v1/targets", body{"name": name, "teamId": w.team, "target": hook}),
			w.call("lead", "PUT", at, body{"name": name, "target": hook}),
		)
		if got := statuses(answers); !slices.Equal(got, []int{200, 409, 409}) && !slices.Equal(got, []int{201, 409, 409}) {
			t.Errorf("three who want one name: got %v", got)
		}

		at = w.served(fmt.Sprintf("gone %d", round), hook)
		answers = race(w.call("lead", "DELETE", at, nil), w.call("second", "DELETE", at, nil))
		if got := statuses(answers); !slices.Equal(got, []int{204, 404}) {
			t.Errorf("two who delete: got %v", got)
		}
	}
}

func TestAnApprovalOfATargetWhoseAnswerIsLostIsDoneOnce(t *testing.T) {
	w := newWorld(t)
	at := w.named("one", hook)
	lossy := &swallowed{RoundTripper: http.DefaultTransport, times: 1}
	w.service.Store.Table.DB = dynamodb.New(w.store.Table.DB.Options(), func(o *dynamodb.Options) { o.HTTPClient = &http.Client{Transport: lossy} })
	w.must(200, "reviewer", "POST", at+"/approve", nil)
	if lossy.times != 0 {
		t.Fatal("no answer was swallowed")
	}
	if named, err := w.store.NamedTarget(t.Context(), targetID(at)); err != nil || named.Sequence != 1 {
		t.Errorf("got %+v, %v", named, err)
	}
	w.leads(at, "https://awx.example/api")
}
