package identity

import (
	"context"
	"net/http"

	"pagefree/internal/platform/httpapi"
)

// Routes registers the routes of people, teams and keys. For the OpenAPI
// document alone, service and cursors may be nil.
func Routes(api *httpapi.API, s *Service, cursors *httpapi.Cursors) {
	userRoutes(api, s, cursors)
	teamRoutes(api, s, cursors)
	apiKeyRoutes(api, s, cursors)
}

type userBody struct {
	Email         string `json:"email" minLength:"3" maxLength:"320" doc:"compared without regard to case; ASCII, as SES sends to no other"`
	Name          string `json:"name" minLength:"1" maxLength:"120"`
	PlatformAdmin bool   `json:"platformAdmin,omitempty"`
	Active        *bool  `json:"active,omitempty" default:"true"`
}

type userPatch struct {
	httpapi.Patch
	Email         *string `json:"email,omitempty" minLength:"3" maxLength:"320"`
	Name          *string `json:"name,omitempty" minLength:"1" maxLength:"120"`
	PlatformAdmin *bool   `json:"platformAdmin,omitempty"`
	Active        *bool   `json:"active,omitempty"`
}

type userAnswer struct {
	ETag string `header:"ETag"`
	Body User
}

type createdUser struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     User
}

func showUser(u User) *userAnswer { return &userAnswer{ETag: httpapi.Revision(u.Rev), Body: u} }

func userRoutes(api *httpapi.API, s *Service, cursors *httpapi.Cursors) {
	httpapi.Register(api, httpapi.Personal("GET /v1/me", "Who am I"),
		func(ctx context.Context, _ *struct{}) (*struct{ Body Me }, error) {
			me, err := s.Me(ctx)
			return &struct{ Body Me }{me}, err
		})

	httpapi.Register(api, httpapi.Op("GET /v1/users", "List users"),
		func(ctx context.Context, in *httpapi.PageInput) (*httpapi.ListOutput[User], error) {
			page, err := cursors.Open(ctx, *in, "users")
			if err != nil {
				return nil, err
			}
			users, next, err := s.Users(ctx, page)
			if err != nil {
				return nil, err
			}
			return httpapi.Answer(ctx, cursors, users, next, "users")
		})

	create := httpapi.Op("POST /v1/users", "Create a user")
	create.DefaultStatus = http.StatusCreated
	api.Describe(create, httpapi.Example(map[string]any{"email": "ada@example.com", "name": "Ada"}))
	httpapi.Register(api, create, func(ctx context.Context, in *struct{ Body userBody }) (*createdUser, error) {
		active := in.Body.Active == nil || *in.Body.Active
		u, err := s.CreateUser(ctx, in.Body.Email, in.Body.Name, in.Body.PlatformAdmin, active)
		return &createdUser{Location: "/v1/users/" + u.ID, ETag: httpapi.Revision(u.Rev), Body: u}, err
	})

	httpapi.Register(api, httpapi.Op("GET /v1/users/{id}", "Read a user"),
		func(ctx context.Context, in *struct {
			ID string `path:"id"`
		}) (*userAnswer, error) {
			u, err := s.User(ctx, in.ID)
			return showUser(u), err
		})

	httpapi.Register(api, httpapi.Op("PATCH /v1/users/{id}", "Change a user"),
		func(ctx context.Context, in *struct {
			ID      string `path:"id"`
			IfMatch string `header:"If-Match"`
			Body    userPatch
		}) (*userAnswer, error) {
			u, err := s.ChangeUser(ctx, in.ID, in.IfMatch, UserChange{Email: in.Body.Email, Name: in.Body.Name, PlatformAdmin: in.Body.PlatformAdmin, Active: in.Body.Active})
			return showUser(u), err
		})
}
