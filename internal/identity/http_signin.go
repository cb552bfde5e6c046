package identity

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/platform/timestamp"
)

// MailSent is what everybody who asks for a link by an address is told.
const MailSent = "If somebody here has this address, a mail with a link is on its way. The link is good for 15 minutes, once."

type askAnswer struct {
	Limit     string `header:"X-RateLimit-Limit"`
	Remaining string `header:"X-RateLimit-Remaining"`
	Reset     string `header:"X-RateLimit-Reset"`
	Body      struct {
		Message string `json:"message"`
	}
}

func askAnswerOf(left ratelimit.Result) *askAnswer {
	h := http.Header{}
	left.Header(h)
	a := &askAnswer{Limit: h.Get("X-RateLimit-Limit"), Remaining: h.Get("X-RateLimit-Remaining"), Reset: h.Get("X-RateLimit-Reset")}
	a.Body.Message = MailSent
	return a
}

type openedSession struct {
	Token     string         `json:"token" doc:"the secret, for Authorization: Bearer; it is not shown again"`
	ExpiresAt timestamp.Time `json:"expiresAt" doc:"the absolute end; a staff session that is not used ends earlier, and so does each page of a partner's by its own rule"`
	Kind      Kind           `json:"kind" enum:"staff,partner"`
}

type verifyAnswer struct {
	SetCookie string `header:"Set-Cookie"`
	Body      struct {
		Session openedSession `json:"session"`
	}
}

// AuthRoutes registers the routes of signing in and out. For the OpenAPI
// document alone, the service may be nil.
func AuthRoutes(api *httpapi.API, s *SignIn) {
	ask := httpapi.Public("POST /v1/auth/magic-link", "Ask for a sign-in link by mail")
	ask.DefaultStatus = http.StatusAccepted
	api.Describe(ask, httpapi.Example(map[string]any{"email": "ada@example.com"}))
	httpapi.Register(api, ask, func(ctx context.Context, in *struct {
		Body struct {
			Email string `json:"email" minLength:"1" maxLength:"320"`
			Next  string `json:"next,omitempty" doc:"where to go after signing in: a path of ours, anything else is dropped"`
		}
	}) (*askAnswer, error) {
		left, err := s.AskLink(ctx, in.Body.Email, in.Body.Next, "")
		return askAnswerOf(left), err
	})

	httpapi.Register(api, httpapi.Public("POST /v1/auth/verify", "Use up a sign-in link and open a session", http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict),
		func(ctx context.Context, in *struct {
			Relation string `header:"Sec-Fetch-Site" hidden:"true"`
			Browser  string `cookie:"__Host-pf_signin" hidden:"true"`
			Body     struct {
				Token string `json:"token" doc:"of the link"`
			}
		}) (*verifyAnswer, error) {
			// The answer sets the cookie: no other site's page may sign somebody in, least of all as its own user.
			if in.Relation == "cross-site" || in.Relation == "same-site" {
				return nil, httpapi.Refusals[crossOrigin]
			}
			opened, err := s.Verify(ctx, in.Body.Token, in.Browser)
			if p, ok := errors.AsType[*problem.Error](err); ok && p.Code == OtherBrowser {
				invalid := linkProblem(LinkInvalid) // to a program it is no more than that
				invalid.Detail = p.Detail
				return nil, invalid
			}
			if err != nil {
				return nil, err
			}
			answer := &verifyAnswer{SetCookie: opened.Cookie().String()}
			answer.Body.Session = openedSession{Token: opened.Secret, ExpiresAt: opened.ExpiresAt, Kind: opened.Kind}
			return answer, nil
		})

	out := httpapi.Personal("POST /v1/auth/sign-out", "End the session")
	out.DefaultStatus = http.StatusNoContent
	out.Responses = map[string]*huma.Response{"303": {Description: "To whose Accept names text/html, as of a form: on to the sign-in"}}
	api.Describe(out, func(op *huma.Operation) { delete(op.Responses["204"].Headers, "Location") })
	httpapi.Register(api, out, func(ctx context.Context, in *struct {
		Accept string `header:"Accept" hidden:"true"`
	}) (*signedOut, error) {
		if err := s.SignOut(ctx); err != nil {
			return nil, err
		}
		answer := &signedOut{Status: http.StatusNoContent, SetCookie: endedCookie().String(), Clear: leaves}
		if strings.Contains(in.Accept, "text/html") {
			answer.Status, answer.Location = http.StatusSeeOther, "../../signin" // from here, whatever the stage
		}
		return answer, nil
	})
}

// leaves is what goes from a browser whose person signs out: all that pages and
// their service worker kept in it, the worker and its subscription to pushes too.
const leaves = `"cache", "storage"`

type signedOut struct {
	Status    int
	SetCookie string `header:"Set-Cookie"`
	Location  string `header:"Location"`
	Clear     string `header:"Clear-Site-Data"`
}
