package identity

import (
	"context"
	"maps"

	"github.com/aws/aws-lambda-go/events"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/token"
)

// Tiers are the limits of those who send requests that the authorizer sees.
type Tiers struct {
	Staff   ratelimit.Tier // users and API keys, each by itself
	Partner ratelimit.Tier // readers of status pages, by who was let in
	Public  ratelimit.Tier // nobody known, by address alone
}

// count counts a request under its sender and its address, and hands on what is
// left. One too many passes without its sender, for the function to answer: a
// Deny would be a 401.
func (a *Authorizer) count(ctx context.Context, r AuthorizerRequest, v verdict) events.APIGatewayCustomAuthorizerResponse {
	result := a.rate(ctx, r, v)
	if !result.Allowed {
		v.answer = policy(r, v.answer.PrincipalID, "Allow")
		v.answer.UsageIdentifierKey = a.Limited
	}
	maps.Copy(v.answer.Context, httpapi.ContextOf(result))
	return v.answer
}

func (a *Authorizer) rate(ctx context.Context, r AuthorizerRequest, v verdict) ratelimit.Result {
	address := a.Edge.Address(r.header(), r.RequestContext.Identity.SourceIP)
	switch {
	case v.unknown && r.pages(): // it is answered with a 503, and DynamoDB is what does not answer
		return a.Tiers.Partner.Unlimited()
	case v.unknown:
		return a.Tiers.Staff.Unlimited()
	case v.who.Kind == principal.Partner && v.who.Partner.Via == seat.ByShared:
		return a.Tiers.Partner.AdmitEach(ctx, v.who.ID, address)
	case v.who.Kind == principal.Partner:
		return a.Tiers.Partner.Admit(ctx, readerOf(v.who), address)
	case v.who.ID != "":
		return a.Tiers.Staff.Admit(ctx, v.who.ID, address)
	}
	return a.Tiers.Public.Admit(ctx, "", address)
}

// readerOf is whom a partner's requests are counted for: a person, however many
// sessions they have; an access, by its token.
func readerOf(p principal.Principal) string {
	if p.Partner.Via == seat.BySession {
		return "person#" + token.Hash(p.Email)
	}
	return p.ID
}
