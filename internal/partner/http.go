package partner

import (
	"context"
	"net/http"

	"pagefree/internal/platform/httpapi"
)

const (
	partnersPath = "/v1/status-pages/{id}/partners"
	accessPath   = partnersPath + "/{accessId}"
)

type pageID struct {
	ID string `path:"id"`
}

// AccessPath names an access in a path. (It is exported because huma looks into no other embedded struct.)
type AccessPath struct {
	ID       string `path:"id"`
	AccessID string `path:"accessId"`
}

// location is the path of an access.
func location(pageID, accessID string) string {
	return "/v1/status-pages/" + pageID + "/partners/" + accessID
}

type accessOutput struct {
	ETag string `header:"ETag"`
	Body PartnerAccess
}

func answer(a PartnerAccess, err error) (*accessOutput, error) {
	return &accessOutput{ETag: httpapi.Revision(a.rev), Body: a}, err
}

type grantInput struct {
	ID   string `path:"id"`
	Body Grant
}

type grantedOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     GrantedAccess
}

type listInput struct {
	ID string `path:"id"`
	httpapi.PageInput
}

type accessListInput struct {
	AccessPath
	httpapi.PageInput
}

type patchInput struct {
	AccessPath
	IfMatch string `header:"If-Match" doc:"the ETag that was read; another revision is a 412"`
	Body    AccessPatch
}

type draftInput struct {
	ID   string `path:"id"`
	Body Draft
}

// Routes adds the operations of staff to api. s may be nil where only their
// description is wanted.
func Routes(api *httpapi.API, s *Service) {
	grant := httpapi.Op("POST "+partnersPath, "Let a partner see the page", http.StatusConflict)
	grant.DefaultStatus = http.StatusCreated
	httpapi.Register(api, grant, func(ctx context.Context, in *grantInput) (*grantedOutput, error) {
		a, err := s.Grant(ctx, in.ID, in.Body)
		return &grantedOutput{ETag: httpapi.Revision(a.rev), Location: location(in.ID, a.ID), Body: a}, err
	})
	httpapi.Register(api, httpapi.Op("GET "+partnersPath, "List the accesses to the page, the revoked ones too"),
		func(ctx context.Context, in *listInput) (*httpapi.ListOutput[PartnerAccess], error) {
			return page(ctx, s, in.PageInput, []string{"accesses", in.ID}, func(p httpapi.Page) ([]PartnerAccess, string, error) { return s.Accesses(ctx, in.ID, p) })
		})
	httpapi.Register(api, httpapi.Op("GET "+accessPath, "Read an access"), func(ctx context.Context, in *AccessPath) (*accessOutput, error) {
		return answer(s.Access(ctx, in.ID, in.AccessID))
	})
	httpapi.Register(api, httpapi.Op("PATCH "+accessPath, "Change an access", http.StatusConflict), func(ctx context.Context, in *patchInput) (*accessOutput, error) {
		return answer(s.Update(ctx, in.ID, in.AccessID, in.IfMatch, in.Body))
	})
	revoke := httpapi.Op("DELETE "+accessPath, "Revoke an access for good; the record of it stays")
	revoke.DefaultStatus = http.StatusOK
	httpapi.Register(api, revoke, func(ctx context.Context, in *AccessPath) (*struct{ Body Revocation }, error) {
		r, err := s.Revoke(ctx, in.ID, in.AccessID)
		return &struct{ Body Revocation }{r}, err
	})
	httpapi.Register(api, httpapi.Op("POST "+accessPath+"/regenerate-token", "Exchange the token; the old one is dead at once", http.StatusConflict),
		func(ctx context.Context, in *AccessPath) (*struct{ Body GrantedAccess }, error) {
			a, err := s.Regenerate(ctx, in.ID, in.AccessID)
			return &struct{ Body GrantedAccess }{a}, err
		})

	feed := httpapi.Op("POST "+accessPath+"/feed-token", "Make a token for the feed, or another one", http.StatusConflict)
	feed.DefaultStatus = http.StatusCreated
	httpapi.Register(api, feed, func(ctx context.Context, in *AccessPath) (*struct {
		Location string `header:"Location"`
		Body     FeedToken
	}, error) {
		f, err := s.IssueFeed(ctx, in.ID, in.AccessID)
		return &struct {
			Location string `header:"Location"`
			Body     FeedToken
		}{location(in.ID, in.AccessID), f}, err
	})
	httpapi.Register(api, httpapi.Op("DELETE "+accessPath+"/feed-token", "End the feed, at once"), func(ctx context.Context, in *AccessPath) (*struct{}, error) {
		return nil, s.WithdrawFeed(ctx, in.ID, in.AccessID)
	})
	httpapi.Register(api, httpapi.Op("GET "+accessPath+"/sessions", "List who is signed in"),
		func(ctx context.Context, in *accessListInput) (*httpapi.ListOutput[SignedIn], error) {
			return page(ctx, s, in.PageInput, []string{"sessions", in.ID, in.AccessID}, func(p httpapi.Page) ([]SignedIn, string, error) {
				return s.Sessions(ctx, in.ID, in.AccessID, p)
			})
		})
	httpapi.Register(api, httpapi.Op("GET "+accessPath+"/accesses", "List every look, refusals too, newest first"),
		func(ctx context.Context, in *accessListInput) (*httpapi.ListOutput[LookEntry], error) {
			return page(ctx, s, in.PageInput, []string{"looks", in.ID, in.AccessID}, func(p httpapi.Page) ([]LookEntry, string, error) {
				return s.History(ctx, in.ID, in.AccessID, p)
			})
		})
	httpapi.Register(api, httpapi.Op("POST /v1/status-pages/{id}/audience-preview", "Who would see an incident, and what of it", http.StatusConflict),
		func(ctx context.Context, in *draftInput) (*struct{ Body Audience }, error) {
			a, err := s.AudienceOf(ctx, in.ID, in.Body)
			return &struct{ Body Audience }{a}, err
		})
	peopleRoutes(api, s)
	accountRoutes(api, s)
}

// page answers one page of a list; parts name the list to the cursor.
func page[T any](ctx context.Context, s *Service, in httpapi.PageInput, parts []string, list func(httpapi.Page) ([]T, string, error)) (*httpapi.ListOutput[T], error) {
	p, err := s.Cursors.Open(ctx, in, parts...)
	if err != nil {
		return nil, err
	}
	items, next, err := list(p)
	if err != nil {
		return nil, err
	}
	return httpapi.Answer(ctx, s.Cursors, items, next, parts...)
}
