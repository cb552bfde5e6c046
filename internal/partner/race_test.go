package partner_test

import (
	"fmt"
	"sync"
	"testing"

	front "pagefree/infra/local/aws"
	"pagefree/internal/platform/dynamo"
)

// atOnce calls n times side by side and counts the answers by status and code.
func (w *world) atOnce(n int, call func(i int) answer) (map[string]int, []answer) {
	answers := make([]answer, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { answers[i] = call(i) })
	}
	wg.Wait()
	count := map[string]int{}
	for _, a := range answers {
		count[fmt.Sprintf("%d %s", a.StatusCode, a.code())]++
	}
	return count, answers
}

func TestGrantsOfOneName(t *testing.T) {
	w := newWorld(t)
	count, _ := w.atOnce(8, func(i int) answer {
		return w.as("lead", "POST", of(w.page, "partners"), fmt.Sprintf(`{"partnerName":"Acme","contactEmail":"p%d@acme.test"}`, i))
	})
	if count["201 "] != 1 || count["409 name_taken"] != 7 {
		t.Errorf("got %v", count)
	}
	if n := len(w.must(200, "lead", "GET", "/v1/partners", nil).Items()); n != 1 {
		t.Errorf("%d accounts, want that of the one who won", n)
	}
}

func TestGrantsToOneAddress(t *testing.T) {
	w := newWorld(t)
	count, answers := w.atOnce(5, func(i int) answer {
		return w.as("lead", "POST", of(w.page, "partners"), fmt.Sprintf(`{"partnerName":"Acme %d","contactEmail":"ops@acme.test"}`, i))
	})
	if count["201 "] != 5 {
		t.Fatalf("got %v", count)
	}
	accounts := w.must(200, "lead", "GET", "/v1/partners", nil).Items()
	if len(accounts) != 1 || len(accounts[0]["pages"].([]any)) != 5 {
		t.Errorf("got %v, want one account with five accesses", accounts)
	}
	for _, a := range answers {
		if pass, found := w.leads(a.token()); !found || pass.PartnerID != accounts[0]["id"] {
			t.Errorf("a token leads to %+v, %v", pass, found)
		}
	}
}

func TestRegeneratedTwiceAtOnce(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	count, answers := w.atOnce(6, func(int) answer {
		return w.as("lead", "POST", of(w.page, "partners", made.id(), "regenerate-token"), nil)
	})
	// Whoever came after another had answered is not at once with it.
	if count["200 "] == 0 || count["200 "]+count["409 conflict"] != 6 {
		t.Errorf("got %v", count)
	}
	working := 0
	for _, a := range append(answers, made) {
		if _, found := w.leads(a.token()); found {
			working++
		}
	}
	if working != 1 {
		t.Errorf("%d tokens work, want 1", working)
	}
}

func TestFeedsMadeAtOnce(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	_, answers := w.atOnce(6, func(int) answer { return w.as("lead", "POST", of(w.page, "partners", made.id(), "feed-token"), nil) })
	working := 0
	for _, a := range answers {
		if _, found := w.leads(a.token()); found {
			working++
		}
	}
	if working != 1 {
		t.Errorf("%d feeds work, want 1", working)
	}
	w.must(204, "lead", "DELETE", of(w.page, "partners", made.id(), "feed-token"), nil)
	for _, a := range answers {
		if _, found := w.leads(a.token()); found {
			t.Error("a feed is left over")
		}
	}
}

// TestRevokedBesideChanges: whatever else is done to an access at that moment, it is revoked, and nothing makes it live again.
func TestRevokedBesideChanges(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	path := of(w.page, "partners", made.id())
	var revoked answer
	_, answers := w.atOnce(6, func(i int) answer {
		switch i {
		case 0:
			revoked = w.as("lead", "DELETE", path, nil)
			return revoked
		case 1:
			return w.as("lead", "PATCH", path, `{"partnerName":"New"}`)
		case 2:
			return w.as("lead", "PATCH", path, `{"contactEmail":"new@acme.test"}`)
		case 3:
			return w.as("lead", "POST", path+"/people", `{"email":"ann@acme.test"}`)
		case 4:
			return w.as("lead", "POST", path+"/regenerate-token", nil)
		}
		return w.as("lead", "POST", path+"/feed-token", nil)
	})
	if revoked.StatusCode != 200 {
		t.Errorf("revoking: got %d %s", revoked.StatusCode, revoked.Text)
	}
	for i, a := range answers {
		if a.StatusCode >= 300 && a.StatusCode != 409 {
			t.Errorf("call %d: got %d %s", i, a.StatusCode, a.Text)
		}
	}
	read := w.must(200, "lead", "GET", path, nil)
	if read.Body["isActive"] != false || read.Str("revokedAt") != revoked.Str("revokedAt") {
		t.Errorf("got %s", read.Text)
	}
	for _, a := range w.must(200, "lead", "GET", "/v1/partners", nil).Items() {
		if len(a["pages"].([]any)) != 0 {
			t.Errorf("an account still has it: %v", a)
		}
	}
	w.grant("Acme", "a@acme.test") // both names are free
	w.grant("New", "b@acme.test")
}

func TestAHundredPeopleAtOnce(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	path := of(w.page, "partners", made.id())
	count, _ := w.atOnce(105, func(i int) answer {
		return w.as("lead", "POST", path+"/people", fmt.Sprintf(`{"email":"p%d@acme.test"}`, i%102))
	})
	if count["201 "] != 99 {
		t.Errorf("got %v, want 99 beside the first person", count)
	}
	people := w.must(200, "lead", "GET", path+"/people?limit=200", nil).Items()
	seen := map[any]bool{}
	for _, p := range people {
		seen[p["email"]] = true
	}
	if len(people) != 100 || len(seen) != 100 {
		t.Errorf("%d people of %d addresses", len(people), len(seen))
	}
	var access struct {
		People int `dynamodbav:"people"`
	}
	if _, err := w.table.Get(t.Context(), dynamo.Key{PK: "grants#" + w.page, SK: made.id()}, &access); err != nil || access.People != 100 {
		t.Errorf("it counts %d people, %v", access.People, err)
	}
}

// TestDeactivatedBesideAGrant: no access comes to an account after it was seen to be off.
func TestDeactivatedBesideAGrant(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	_, answers := w.atOnce(2, func(i int) answer {
		if i == 0 {
			return w.as("lead", "PATCH", "/v1/partners/"+made.Str("partnerId"), `{"active":false}`)
		}
		return w.as("lead", "POST", of(w.second, "partners"), `{"partnerName":"Acme","contactEmail":"ops@acme.test"}`)
	})
	if answers[0].StatusCode != 200 || answers[0].Body["active"] != false {
		t.Errorf("got %d %s", answers[0].StatusCode, answers[0].Text)
	}
	if a := answers[1]; a.StatusCode != 201 && a.code() != "partner_deactivated" {
		t.Errorf("got %d %s", a.StatusCode, a.Text)
	}
}

func TestConflictsAreWaitedOut(t *testing.T) {
	w := newWorld(t)
	n := 0
	w.env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Conflict, Times: -1, When: func(front.Call) bool {
		n++ // every second call, as if another were at the same item
		return n%2 == 0
	}})
	made := w.grant("Acme", "ops@acme.test")
	path := of(w.page, "partners", made.id())
	w.must(200, "lead", "PATCH", path, `{"mail":true}`)
	w.must(201, "lead", "POST", path+"/people", `{"email":"ann@acme.test"}`)
	w.must(200, "lead", "DELETE", path, nil)
}

// TestAnAnswerThatWasLost: what was done and not heard of is not done twice.
func TestAnAnswerThatWasLost(t *testing.T) {
	w := newWorld(t)
	w.env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Swallow})
	made := w.grant("Acme", "ops@acme.test")
	if _, found := w.leads(made.token()); !found {
		t.Error("the token that was shown does not work")
	}
	w.env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Swallow})
	w.must(200, "lead", "DELETE", of(w.page, "partners", made.id()), nil)
	if n := len(w.must(200, "lead", "GET", of(w.page, "partners"), nil).Items()); n != 1 {
		t.Errorf("%d accesses", n)
	}
}
