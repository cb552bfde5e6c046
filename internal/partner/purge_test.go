package partner_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	front "pagefree/infra/local/aws"
	"pagefree/internal/partner"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/status"
)

// purger has the rights of its function and no others; before is called ahead of each of its transactions.
func (w *world) purger(before func()) *partner.Purger {
	db := dynamodb.NewFromConfig(w.env.ConfigOf("StatusClockFunction"), func(o *dynamodb.Options) {
		o.RetryMaxAttempts = 1 // what fails once has failed
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("before",
				func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
					if _, writes := in.Parameters.(*dynamodb.TransactWriteItemsInput); writes {
						before()
					}
					return next.HandleInitialize(ctx, in)
				}), middleware.Before)
		})
	})
	return &partner.Purger{Store: partner.Store{Table: dynamo.Table{Name: w.table.Name, DB: db}}}
}

// purge calls until all is removed, and counts the calls.
func (w *world) purge(pageID string) (calls int) {
	w.t.Helper()
	p := w.purger(func() {})
	for done := false; !done; calls++ {
		var err error
		if done, err = p.Purge(w.t.Context(), pageID); err != nil || calls > 50 {
			w.t.Fatalf("after %d calls: %v", calls, err)
		}
	}
	return calls
}

// stored is every item of the table, by its key, as text.
func (w *world) stored() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	pages := dynamodb.NewScanPaginator(w.table.DB, &dynamodb.ScanInput{TableName: &w.table.Name})
	for pages.HasMorePages() {
		out, err := pages.NextPage(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		for _, raw := range out.Items {
			var item map[string]any
			if err := attributevalue.UnmarshalMap(raw, &item); err != nil {
				w.t.Fatal(err)
			}
			all[fmt.Sprint(item["pk"], " ", item["sk"])] = fmt.Sprint(item)
		}
	}
	return all
}

// unpublish removes a page. What readers got of it is the status room's, and stays here.
func (w *world) unpublish(pageID string) {
	w.t.Helper()
	if err := dynamo.Commit(w.t.Context(), w.table.DB, w.table.Delete(status.PageKey(pageID), dynamo.Present())); err != nil {
		w.t.Fatal(err)
	}
}

// seat writes n more people of an access, each with a place.
func (w *world) seat(made answer, n int) {
	w.t.Helper()
	for i := range n {
		email, personID := fmt.Sprintf("p%d@acme.test", i), id.New(id.PartnerPerson, w.clock.Now())
		w.put(dynamo.Key{PK: "people#" + made.id(), SK: personID}, partner.Person{ID: personID, AccessID: made.id(), Email: email})
		w.put(dynamo.Key{PK: "viewer#" + email, SK: made.id()}, map[string]string{"accessId": made.id(), "personId": personID})
	}
}

// leave is a page with everything that partners can leave on it. It returns the accesses.
func (w *world) leave() []answer {
	w.t.Helper()
	acme := w.grant("Acme", "ops@acme.test")
	path := of(w.page, "partners", acme.id())
	ann := w.must(201, "lead", "POST", path+"/people", `{"email":"ann@acme.test"}`)
	w.must(204, "lead", "DELETE", path+"/people/"+ann.id(), nil)
	w.must(201, "lead", "POST", path+"/people", `{"email":"ann@acme.test"}`) // one address, two items
	w.must(200, "lead", "POST", path+"/regenerate-token", nil)
	w.must(201, "lead", "POST", path+"/feed-token", nil)
	w.seat(acme, 130)

	revoked := w.grant("Globex", "ops@globex.test")
	w.must(200, "lead", "DELETE", of(w.page, "partners", revoked.id()), nil)
	renamed := w.grant("Globex", "it@globex.test") // has the name of the one that was revoked
	moved := w.grant("Initech", "ops@initech.test")
	w.must(200, "lead", "PATCH", of(w.page, "partners", moved.id()), `{"contactEmail":"new@initech.test","partnerName":"Initech 2"}`)
	all := []answer{acme, revoked, renamed, moved}
	for i := range 6 {
		all = append(all, w.grant(fmt.Sprintf("Partner %d", i), fmt.Sprintf("p%d@partners.test", i)))
	}
	return all
}

// left are the keys of items that tell of accesses, but for looks.
func left(stored map[string]string, accesses []answer) []string {
	var out []string
	for k, item := range stored {
		if !strings.HasPrefix(k, "looks#") && slices.ContainsFunc(accesses, func(a answer) bool { return strings.Contains(item, a.id()) }) {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

func TestPurge(t *testing.T) {
	w := newWorld(t)
	kept := w.grantAt(w.second, "Acme", "ops@acme.test") // the same account and person, at another page
	w.must(201, "lead", "POST", of(w.second, "partners", kept.id(), "feed-token"), nil)
	w.must(201, "lead", "POST", of(w.second, "partners", kept.id(), "people"), `{"email":"ann@acme.test"}`)
	account := "prt#" + kept.Str("partnerId") + " partner"
	before := w.stored()

	accesses := w.leave()
	if got, err := w.counter().Handle(t.Context(), batch(t, w.look(accesses[0], "served"))); err != nil || failed(got) != "" {
		t.Fatalf("%v, %v", got, err)
	}
	w.unpublish(w.page)
	if n := len(left(w.stored(), accesses)); n < 300 {
		t.Fatalf("%d items: this proves nothing", n)
	}
	if calls := w.purge(w.page); calls > 2 {
		t.Errorf("%d calls", calls)
	}
	after := w.stored()
	if got := left(after, accesses); len(got) > 0 {
		t.Errorf("left over: %q", got)
	}
	looks := 0
	for k := range after {
		if _, was := before[k]; strings.HasPrefix(k, "looks#") {
			looks++
		} else if !was && !strings.HasPrefix(k, "prt#") && !strings.HasPrefix(k, "prtmail#") {
			t.Errorf("%s is new", k)
		}
	}
	if looks != 1 {
		t.Errorf("%d looks: they have their own time", looks)
	}
	for k, item := range before {
		deleted := k == "sp#"+w.page+" page"
		if _, there := after[k]; there == deleted || !deleted && k != account && after[k] != item {
			t.Errorf("%s was\n%s, is\n%s", k, item, after[k])
		}
	}
	pages := w.must(200, "lead", "GET", "/v1/partners/"+kept.Str("partnerId"), nil).Body["pages"].([]any)
	if len(pages) != 1 || pages[0].(map[string]any)["accessId"] != kept.id() {
		t.Errorf("the account has %v", pages)
	}

	w.env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Fail, Times: -1})
	if calls := w.purge(w.page); calls != 1 || !maps.Equal(w.stored(), after) { // nothing to write, so nothing fails
		t.Errorf("once more: %d calls", calls)
	}
}

// TestAPurgeThatBreaksOff: after each of its transactions, and what is left is always found again.
func TestAPurgeThatBreaksOff(t *testing.T) {
	w := newWorld(t)
	accesses := w.leave()
	w.unpublish(w.page)
	broke := 0
	for done := false; !done; {
		fault := w.env.Faults.Add(front.Fault{Function: "StatusClockFunction", Operation: "TransactWriteItems", Do: front.Fail, Nth: 2, Times: -1})
		var err error
		done, err = w.purger(func() {}).Purge(t.Context(), w.page)
		fault.Remove()
		if err != nil {
			broke++
		}
		if done && err != nil || broke > 50 {
			t.Fatalf("after %d: %v, %v", broke, done, err)
		}
		stored := w.stored()
		for _, a := range accesses {
			if _, there := stored["grants#"+w.page+" "+a.id()]; !there && len(left(stored, []answer{a})) > 0 {
				t.Fatalf("after %d the access is gone, and these are not: %q", broke, left(stored, []answer{a}))
			}
		}
	}
	if broke < len(accesses) {
		t.Errorf("it broke off %d times", broke)
	}
	if got := left(w.stored(), accesses); len(got) > 0 {
		t.Errorf("left over: %q", got)
	}
}

// TestAPurgeIsBounded: a call removes some hundred items, however many there are.
func TestAPurgeIsBounded(t *testing.T) {
	w := newWorld(t)
	accesses := []answer{w.grant("Acme", "ops@acme.test"), w.grant("Globex", "ops@globex.test")}
	w.seat(accesses[0], 350)
	w.unpublish(w.page)
	was := len(w.stored())
	done, err := w.purger(func() {}).Purge(t.Context(), w.page)
	if gone := was - len(w.stored()); done || err != nil || gone < 450 || gone > 600 {
		t.Errorf("the first call removed %d: %v, %v", gone, done, err)
	}
	if calls := w.purge(w.page); calls != 1 {
		t.Errorf("the rest took %d calls", calls)
	}
	if got := left(w.stored(), accesses); len(got) > 0 {
		t.Errorf("left over: %q", got)
	}
}

// TestAPurgeBesideAChange: somebody who saw the page before it was deleted adds a person after all were removed.
func TestAPurgeBesideAChange(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test") // the page stays, so that the change gets through
	writes := 0
	done, err := w.purger(func() {
		if writes++; writes == 2 {
			w.must(201, "lead", "POST", of(w.page, "partners", made.id(), "people"), `{"email":"late@acme.test"}`)
		}
	}).Purge(t.Context(), w.page)
	if done || err != nil || writes != 2 || w.viewer("late@acme.test", made.id()) == nil {
		t.Errorf("got %v, %v after %d writes", done, err, writes)
	}
	w.purge(w.page)
	if got := left(w.stored(), []answer{made}); len(got) > 0 {
		t.Errorf("left over: %q", got)
	}
}

// TestAPurgeMakesRoom: an account that was full takes another access.
func TestAPurgeMakesRoom(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	key := dynamo.Key{PK: "prt#" + made.Str("partnerId"), SK: "partner"}
	var item map[string]any
	if _, err := w.table.Get(t.Context(), key, &item); err != nil {
		t.Fatal(err)
	}
	pages := item["pages"].(map[string]any)
	for len(pages) < 200 {
		pages[id.New(id.PartnerAccess, w.clock.Now())] = id.New(id.StatusPage, w.clock.Now())
	}
	w.put(key, item)
	next := `{"partnerName":"Acme","contactEmail":"ops@acme.test"}`
	if a := w.must(409, "lead", "POST", of(w.second, "partners"), next); a.code() != "too_many" {
		t.Fatalf("got %s", a.Text)
	}
	w.unpublish(w.page)
	w.purge(w.page)
	w.must(201, "lead", "POST", of(w.second, "partners"), next)
}
