package partner

import (
	"context"
	"net/http"

	"pagefree/internal/platform/httpapi"
)

type personOutput struct {
	Location string `header:"Location"`
	Body     PartnerPerson
}

type addPerson struct {
	AccessPath
	Body NewPerson
}

type personID struct {
	AccessPath
	PersonID string `path:"personId"`
}

type inviteInput struct {
	AccessPath
	Body *invitee
}

type invitee struct {
	PersonID string `json:"personId,omitempty" maxLength:"64" doc:"without it, the first person"`
}

type accountOutput struct {
	ETag string `header:"ETag"`
	Body PartnerAccount
}

type patchAccount struct {
	ID      string `path:"id"`
	IfMatch string `header:"If-Match" doc:"the ETag that was read; another revision is a 412"`
	Body    struct {
		httpapi.Patch
		Active *bool `json:"active,omitempty" doc:"false ends every session and stops every token; true lets tokens live again, and no session"`
	}
}

func peopleRoutes(api *httpapi.API, s *Service) {
	httpapi.Register(api, httpapi.Op("GET "+accessPath+"/people", "List who may sign in, and who was removed"),
		func(ctx context.Context, in *accessListInput) (*httpapi.ListOutput[PartnerPerson], error) {
			return page(ctx, s, in.PageInput, []string{"people", in.ID, in.AccessID}, func(p httpapi.Page) ([]PartnerPerson, string, error) {
				return s.People(ctx, in.ID, in.AccessID, p)
			})
		})
	add := httpapi.Op("POST "+accessPath+"/people", "Let one more person sign in", http.StatusConflict)
	add.DefaultStatus = http.StatusCreated
	httpapi.Register(api, add, func(ctx context.Context, in *addPerson) (*personOutput, error) {
		p, err := s.AddPerson(ctx, in.ID, in.AccessID, in.Body)
		return &personOutput{Location: location(in.ID, in.AccessID) + "/people", Body: p}, err
	})
	httpapi.Register(api, httpapi.Op("DELETE "+accessPath+"/people/{personId}", "Remove a person; their sessions lose this page at once"),
		func(ctx context.Context, in *personID) (*struct{}, error) {
			return nil, s.RemovePerson(ctx, in.ID, in.AccessID, in.PersonID)
		})
	invite := httpapi.Op("POST "+accessPath+"/invite", "Mail a person where the page is and how to sign in", http.StatusConflict)
	invite.DefaultStatus = http.StatusAccepted
	httpapi.Register(api, invite, func(ctx context.Context, in *inviteInput) (*struct{ Body PartnerPerson }, error) {
		if in.Body == nil {
			in.Body = &invitee{}
		}
		p, err := s.Invite(ctx, in.ID, in.AccessID, in.Body.PersonID)
		return &struct{ Body PartnerPerson }{p}, err
	})
}

func accountRoutes(api *httpapi.API, s *Service) {
	httpapi.Register(api, httpapi.Op("GET /v1/partners", "List the accounts of partners"),
		func(ctx context.Context, in *httpapi.PageInput) (*httpapi.ListOutput[PartnerAccount], error) {
			return page(ctx, s, *in, []string{"partners"}, func(p httpapi.Page) ([]PartnerAccount, string, error) { return s.Accounts(ctx, p) })
		})
	httpapi.Register(api, httpapi.Op("GET /v1/partners/{id}", "Read an account"), func(ctx context.Context, in *pageID) (*accountOutput, error) {
		a, err := s.Account(ctx, in.ID)
		return &accountOutput{ETag: httpapi.Revision(a.rev), Body: a}, err
	})
	httpapi.Register(api, httpapi.Op("PATCH /v1/partners/{id}", "Activate or deactivate an account, over all of its pages"),
		func(ctx context.Context, in *patchAccount) (*accountOutput, error) {
			a, err := s.Activate(ctx, in.ID, in.IfMatch, in.Body.Active)
			return &accountOutput{ETag: httpapi.Revision(a.rev), Body: a}, err
		})
}
