package partner

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	front "pagefree/infra/local/aws"
	"pagefree/infra/local/awstest"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

// registered is one place of an address, as its items are.
type registered struct {
	account Account
	access  Access
	person  Person
	page    status.Page

	homeless bool // its page is nowhere
}

// directory is a Directory with the rights of sign-in, and what writes its items.
func directory(t *testing.T) (*awstest.Env, Directory, func(email string, r registered)) {
	t.Helper()
	env := awstest.New(t)
	all := dynamo.Table{Name: env.Table("StatusTable"), DB: dynamodb.NewFromConfig(env.Config)}
	type keys struct {
		PK string `dynamodbav:"pk"`
		SK string `dynamodbav:"sk"`
	}
	write := func(email string, r registered) {
		t.Helper()
		at := func(k dynamo.Key) keys { return keys{k.PK, k.SK} }
		any := expression.Or(dynamo.Absent(), dynamo.Present())
		viewer, home := at(viewerKey(email, r.access.ID)), status.PageKey(r.page.ID)
		if r.homeless {
			home.SK = "elsewhere"
		}
		err := dynamo.Commit(t.Context(), all.DB,
			all.Put(viewerItem{PK: viewer.PK, SK: viewer.SK, PageID: r.page.ID, AccessID: r.access.ID, PartnerID: r.account.ID, PersonID: r.person.ID}, any),
			all.Put(struct {
				keys
				Account
			}{at(accountKey(r.account.ID)), r.account}, any),
			all.Put(struct {
				keys
				Access
			}{at(accessKey(r.page.ID, r.access.ID)), r.access}, any),
			all.Put(struct {
				keys
				Person
			}{at(personKey(r.access.ID, r.person.ID)), r.person}, any),
			all.Put(struct {
				keys
				status.Page
			}{at(home), r.page}, any))
		if err != nil {
			t.Fatal(err)
		}
	}
	return env, Directory{Store: Store{Table: dynamo.Table{Name: all.Name, DB: dynamodb.NewFromConfig(env.ConfigOf("SigninFunction"))}}}, write
}

// one is the n-th place of an address, with everything as it should be.
func one(n int, email string) registered {
	return registered{
		account: Account{ID: fmt.Sprintf("prt_%04d", n), Active: true, Epoch: 3},
		access:  Access{ID: fmt.Sprintf("acc_%04d", n), PartnerID: fmt.Sprintf("prt_%04d", n), TeamID: "team_1"},
		person:  Person{ID: fmt.Sprintf("prs_%04d", n), Email: email},
		page:    status.Page{ID: fmt.Sprintf("sp_%04d", n), Slug: fmt.Sprintf("page-%d", n), Name: fmt.Sprintf("Page %d", n), SessionDays: 0.5},
	}
}

func TestPlaces(t *testing.T) {
	now := time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)
	past, future := timestamp.Ptr(now), timestamp.Ptr(now.Add(time.Millisecond))
	tests := map[string]struct {
		change func(*registered)
		held   bool
	}{
		"as it should be":         {func(*registered) {}, true},
		"expires later":           {func(r *registered) { r.access.ExpiresAt = future }, true},
		"expires now":             {func(r *registered) { r.access.ExpiresAt = past }, false},
		"revoked":                 {func(r *registered) { r.access.RevokedAt = past }, false},
		"the person is revoked":   {func(r *registered) { r.person.RevokedAt = past }, false},
		"the account is inactive": {func(r *registered) { r.account.Active = false }, false},
		"another's access":        {func(r *registered) { r.access.PartnerID = "prt_other" }, false},
		"the person has moved":    {func(r *registered) { r.person.Email = "new@acme.test" }, false},
		"no page":                 {func(r *registered) { r.homeless = true }, false},
	}
	_, d, write := directory(t)
	n := 0
	for name, tt := range tests {
		n++
		email := fmt.Sprintf("p%d@acme.test", n)
		r := one(n, email)
		t.Run(name, func(t *testing.T) {
			tt.change(&r)
			write(email, r)
			places, err := d.Places(t.Context(), email, now)
			if err != nil || len(places) > 0 != tt.held {
				t.Fatalf("got %+v, %v", places, err)
			}
			at := seat.Seat{PageID: r.page.ID, AccessID: r.access.ID, PartnerID: r.account.ID, PersonID: r.person.ID}
			place, held, err := d.Place(t.Context(), email, at, now)
			if err != nil || held != tt.held {
				t.Fatalf("got %+v, %v, %v", place, held, err)
			}
			if !held {
				return
			}
			at.Slug, at.Epoch = r.page.Slug, 3
			want := seat.Place{Seat: at, TeamID: "team_1", Email: email, PageName: r.page.Name, Lifetime: 12 * time.Hour}
			if place != want || places[0] != want {
				t.Errorf("got %+v and %+v, want %+v", place, places[0], want)
			}
			if _, held, err := d.Place(t.Context(), "other@acme.test", at, now); held || err != nil {
				t.Errorf("it is another address's too: %v, %v", held, err)
			}
		})
	}
	t.Run("nobody's", func(t *testing.T) {
		if places, err := d.Places(t.Context(), "nobody@acme.test", now); err != nil || len(places) > 0 {
			t.Errorf("got %+v, %v", places, err)
		}
	})
}

// TestPlacesAreBounded: the newest that hold, whatever ended among them, in few calls.
func TestPlacesAreBounded(t *testing.T) {
	now := time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)
	const email, all = "pat@acme.test", 3 * seat.Max
	env, d, write := directory(t)
	var want []string
	for n := range all {
		r := one(n, email)
		if n%2 == 0 || n > all-10 {
			r.access.RevokedAt = timestamp.Ptr(now)
		} else {
			want = append([]string{r.access.ID}, want...)
		}
		write(email, r)
	}
	env.Counts.Reset()
	places, err := d.Places(t.Context(), email, now)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range places {
		got = append(got, p.AccessID)
	}
	if !slices.Equal(got, want[:seat.Max]) {
		t.Errorf("got %v, want %v", got, want[:seat.Max])
	}
	if calls := env.Counts.Number(front.Call{Function: "SigninFunction"}); calls > 12 {
		t.Errorf("got %d calls for %d places", calls, all)
	}
}

// TestNoTeamPushesAnotherOut: whoever gives an address more places than a sign-in holds takes none from other teams.
func TestNoTeamPushesAnotherOut(t *testing.T) {
	now := time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)
	const email = "pat@acme.test"
	_, d, write := directory(t)
	for n := range 2 * seat.Max {
		r := one(n, email)
		if r.access.TeamID = "team_greedy"; n < 2 {
			r.access.TeamID = fmt.Sprintf("team_%d", n)
		}
		write(email, r)
	}
	places, err := d.Places(t.Context(), email, now)
	if err != nil || len(places) != seat.Max {
		t.Fatal(len(places), err)
	}
	last := places[seat.Max-2:]
	if last[0].AccessID != "acc_0001" || last[1].AccessID != "acc_0000" || places[0].AccessID != fmt.Sprintf("acc_%04d", 2*seat.Max-1) {
		t.Errorf("got %+v", places)
	}
}

func TestAccept(t *testing.T) {
	now := time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)
	_, d, write := directory(t)
	const email = "pat@acme.test"
	r := one(1, email)
	write(email, r)
	accept := func(now time.Time) error {
		places, err := d.Places(t.Context(), email, now)
		if err != nil || len(places) != 1 {
			t.Fatal(places, err)
		}
		return dynamo.Commit(t.Context(), d.Store.Table.DB, d.Accept(places, now)...)
	}
	acceptedAt := func() *timestamp.Time {
		var p Person
		if err := d.Store.Table.ReadAll(t.Context(), dynamo.Read{Key: personKey(r.access.ID, r.person.ID), Out: &p}); err != nil {
			t.Fatal(err)
		}
		return p.AcceptedAt
	}
	for range 2 { // the first time counts
		if err := accept(now); err != nil {
			t.Fatal(err)
		}
		if at := acceptedAt(); at == nil || !at.Equal(time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)) {
			t.Errorf("got %v", at)
		}
		now = now.Add(time.Hour)
	}
	places, err := d.Places(t.Context(), email, now)
	if err != nil {
		t.Fatal(err)
	}
	r.person.RevokedAt = timestamp.Ptr(now)
	write(email, r)
	if err := dynamo.Commit(t.Context(), d.Store.Table.DB, d.Accept(places, now)...); err == nil {
		t.Error("a person who was revoked meanwhile was accepted")
	}
}
