package identity

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/token"
)

// Authorizer finds out who sends a request. It reads a credential and who it
// belongs to, two reads of DynamoDB at most, and writes the time of last use
// of a session now and then.
type Authorizer struct {
	Store    Store
	Idle     time.Duration // a session that was not used for so long has ended
	Site     string        // where people reach PageFree, as in an Origin header; "" if only API Gateway knows
	UsageKey string        // of the usage plan that requests fall under
	Nobody   string        // of the plan for those that anyone can send: they must not use up the callers' share
	Now      func() time.Time
}

// AuthorizerRequest is the part of API Gateway's REQUEST authorizer event that
// counts. The host is API Gateway's own word; all else was sent by the caller.
type AuthorizerRequest struct {
	MethodArn         string              `json:"methodArn"`
	Resource          string              `json:"resource"` // as the template names it, "/v1/me"
	HTTPMethod        string              `json:"httpMethod"`
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	RequestContext    struct {
		DomainName string `json:"domainName"`
		RequestID  string `json:"requestId"`
	} `json:"requestContext"`
}

func (r AuthorizerRequest) header() http.Header {
	h := http.Header{}
	for name, values := range r.MultiValueHeaders {
		for _, v := range values {
			h.Add(name, v)
		}
	}
	if len(h) == 0 {
		for name, v := range r.Headers {
			h.Add(name, v)
		}
	}
	return h
}

// Problems that the function answers, since API Gateway could not; see httpapi.Refusals.
const (
	ambiguous   = "ambiguous_credentials"
	crossOrigin = "cross_origin"
	unavailable = "unavailable"
)

// personal are the resources that take no credential but a session. An API key
// is of the wrong kind there, and counts as none.
var personal = []string{"/v1/me", "/v1/auth/sign-out"}

// reserve is the time kept for an answer when DynamoDB does not give one: an
// authorizer that is late is API Gateway's 500, without a code of ours.
const reserve = 500 * time.Millisecond

// Handle answers an authorizer event. It never returns an error: no principal
// is a Deny, which API Gateway renders as a 401 with the code given here; what
// needs another status passes, without a principal, for the function to answer.
func (a *Authorizer) Handle(ctx context.Context, r AuthorizerRequest) (events.APIGatewayCustomAuthorizerResponse, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
		defer cancel()
	}
	h := r.header()
	c, several := credentials(h)
	switch {
	case several:
		return a.refuse(r, ambiguous), nil
	case c.Cookie && foreign(r.HTTPMethod, h, r.RequestContext.DomainName, a.Site):
		return a.refuse(r, crossOrigin), nil
	case c.Kind == token.APIKey && slices.Contains(personal, r.Resource):
		return deny(r, "This is for a person's session, not for an API key."), nil
	}
	p, why, err := a.identify(ctx, c)
	if err != nil {
		slog.ErrorContext(ctx, "credential not looked up", "error", err, "requestId", r.RequestContext.RequestID)
		return a.pass(r, "anonymous", httpapi.ContextProblem, unavailable), nil
	}
	if why != "" {
		return deny(r, why), nil
	}
	text, err := json.Marshal(p)
	if err != nil {
		slog.ErrorContext(ctx, "principal not written", "error", err, "requestId", r.RequestContext.RequestID)
		return a.pass(r, "anonymous", httpapi.ContextProblem, unavailable), nil
	}
	return a.pass(r, p.ID, httpapi.ContextPrincipal, string(text)), nil
}

// identify returns the principal behind a credential, or why there is none.
func (a *Authorizer) identify(ctx context.Context, c Credential) (p principal.Principal, why string, err error) {
	switch {
	case c.Secret == "":
		return p, "This needs a credential: a session, or an API key.", nil
	case c.Kind == token.Session:
		return a.bySession(ctx, token.Hash(c.Secret))
	case c.Kind == token.APIKey:
		return a.byKey(ctx, token.Hash(c.Secret))
	}
	return p, "This is not a credential that is taken here.", nil
}

func (a *Authorizer) bySession(ctx context.Context, hash string) (p principal.Principal, why string, err error) {
	const ended = "The session has ended. Sign in again."
	s, found, err := a.Store.session(ctx, hash)
	if err != nil || !found || s.Kind != Staff {
		return p, ended, err
	}
	u, _, err := a.Store.user(ctx, s.UserID)
	now := a.Now()
	if err != nil || !s.live(u, now, a.Idle) {
		return p, ended, err
	}
	if s.stale(now, a.Idle) {
		err := a.Store.touch(ctx, s, now)
		if _, lost := dynamo.Failed(err); err != nil && !lost { // the session holds all the same; the next request tries again
			slog.WarnContext(ctx, "time of last use not written", "error", err)
		}
	}
	return s.principal(u), "", nil
}

func (a *Authorizer) byKey(ctx context.Context, hash string) (p principal.Principal, why string, err error) {
	const ended = "The API key is not one that works, or does not any more."
	k, found, err := a.Store.apiKeyBySecret(ctx, hash)
	if err != nil || !found {
		return p, ended, err
	}
	creator, _, err := a.Store.user(ctx, k.CreatedByID)
	if err != nil || !k.live(creator, a.Now()) {
		return p, ended, err
	}
	return k.principal(creator), "", nil
}

// pass lets a request through with one finding for the function.
func (a *Authorizer) pass(r AuthorizerRequest, id, name, value string) events.APIGatewayCustomAuthorizerResponse {
	answer := policy(r, id, "Allow")
	answer.Context = map[string]any{name: value}
	answer.UsageIdentifierKey = a.UsageKey
	return answer
}

// refuse lets a request of nobody through, for the function to refuse.
func (a *Authorizer) refuse(r AuthorizerRequest, code string) events.APIGatewayCustomAuthorizerResponse {
	answer := a.pass(r, "anonymous", httpapi.ContextProblem, code)
	answer.UsageIdentifierKey = a.Nobody
	return answer
}

func deny(r AuthorizerRequest, why string) events.APIGatewayCustomAuthorizerResponse {
	answer := policy(r, "anonymous", "Deny")
	answer.Context = map[string]any{"code": string(problem.Unauthenticated), "detail": why}
	return answer
}

// policy is about the whole stage: the answer is for one request (nothing is
// cached), and a path may hold characters that a policy gives a meaning to.
func policy(r AuthorizerRequest, id, effect string) events.APIGatewayCustomAuthorizerResponse {
	resource := r.MethodArn // arn:aws:execute-api:region:account:api/stage/METHOD/path
	if parts := strings.SplitN(resource, "/", 3); len(parts) == 3 {
		resource = parts[0] + "/" + parts[1] + "/*"
	}
	return events.APIGatewayCustomAuthorizerResponse{
		PrincipalID: id,
		PolicyDocument: events.APIGatewayCustomAuthorizerPolicy{
			Version: "2012-10-17",
			Statement: []events.IAMPolicyStatement{
				{Action: []string{"execute-api:Invoke"}, Effect: effect, Resource: []string{resource}},
			},
		},
	}
}
