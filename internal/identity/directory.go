package identity

import (
	"context"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/teams"
)

// Directory shows people to those who tell them something. It authorizes
// nobody: it is for functions that act by themselves, and for services that
// have asked who calls.
type Directory struct{ Store Store }

// most bounds how many people a page of the directory reads at once.
const most = 200

func (u User) person() teams.Person {
	return teams.Person{ID: u.ID, Email: u.Email, Name: u.Name, Active: u.Active, PlatformAdmin: u.PlatformAdmin, Roles: u.Teams}
}

// Members are the people of a team, those who are not active too.
func (d Directory) Members(ctx context.Context, teamID string) ([]teams.Person, error) {
	var ids []string
	page := httpapi.Page{Limit: most}
	for {
		members, next, err := d.Store.listMembers(ctx, teamID, page)
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			ids = append(ids, m.UserID)
		}
		if page.Before = next; next == "" {
			return d.People(ctx, ids)
		}
	}
}

// Admins are the platform admins.
func (d Directory) Admins(ctx context.Context) ([]teams.Person, error) {
	var admins []teams.Person
	before := ""
	for {
		items, next, err := dynamo.List(ctx, d.Store.Identity,
			dynamo.Query{Index: "byKind", Values: []string{kindUser}, Sort: "id", Before: before, Limit: most},
			func(i userItem) string { return i.User.ID }, func(i userItem) bool { return i.PlatformAdmin })
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			admins = append(admins, item.User.person())
		}
		if before = next; next == "" {
			return admins, nil
		}
	}
}

// People are those of the ids that exist, in the order of the ids.
func (d Directory) People(ctx context.Context, ids []string) ([]teams.Person, error) {
	found, err := d.Store.users(ctx, ids)
	if err != nil {
		return nil, err
	}
	var people []teams.Person
	for _, id := range ids {
		if u, ok := found[id]; ok {
			people = append(people, u.person())
		}
	}
	return people, nil
}

// At is who has a mail address, which must be normalized; false for nobody.
func (d Directory) At(ctx context.Context, email string) (teams.Person, bool, error) {
	u, found, err := d.Store.userByEmail(ctx, email)
	return u.person(), found, err
}
