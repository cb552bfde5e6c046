package identity

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/token"
)

// Authorizer finds out who sends a request, and counts it. It reads a credential
// and who it belongs to, two reads of DynamoDB at most, one for a partner; it
// writes what it counted, once at most and seldom under load, and the time of
// last use of a staff session now and then.
type Authorizer struct {
	Store    Store
	Status   dynamo.Table  // where the passes of partners' tokens stand
	Idle     time.Duration // a staff session that was not used for so long has ended
	Site     string        // where people reach PageFree, as in an Origin header; "" if only API Gateway knows
	UsageKey string        // of the usage plan that requests fall under
	Partners string        // of the plan for readers of status pages
	Nobody   string        // of the plan for requests that anyone can send: they must not use up the callers' share
	Limited  string        // of the plan for requests that are refused for being too many: they take nobody else's place
	Edge     httpapi.Edge  // which vouches for the address of its viewers
	Tiers    Tiers
	Now      func() time.Time
}

// AuthorizerRequest is the part of API Gateway's REQUEST authorizer event that
// counts. The host is API Gateway's own word; all else was sent by the caller.
type AuthorizerRequest struct {
	MethodArn         string              `json:"methodArn"`
	Resource          string              `json:"resource"` // as the template names it, "/v1/me"
	Path              string              `json:"path"`
	HTTPMethod        string              `json:"httpMethod"`
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Query             map[string]string   `json:"queryStringParameters"`
	MultiValueQuery   map[string][]string `json:"multiValueQueryStringParameters"`
	RequestContext    struct {
		DomainName string `json:"domainName"`
		RequestID  string `json:"requestId"`
		Identity   struct {
			SourceIP string `json:"sourceIp"`
		} `json:"identity"`
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

func (r AuthorizerRequest) query() url.Values {
	if len(r.MultiValueQuery) > 0 {
		return r.MultiValueQuery
	}
	q := url.Values{}
	for name, v := range r.Query {
		q.Set(name, v)
	}
	return q
}

// pages reports whether the request is for status pages.
func (r AuthorizerRequest) pages() bool {
	return r.Resource == "/status" || strings.HasPrefix(r.Resource, "/status/")
}

// console reports whether the request is for a page for staff.
func (r AuthorizerRequest) console() bool {
	return r.Resource == "/console" || strings.HasPrefix(r.Resource, "/console/")
}

// Problems that the function answers, since API Gateway could not; see httpapi.Refusals.
const (
	ambiguous   = "ambiguous_credentials"
	crossOrigin = "cross_origin"
	unavailable = "unavailable"
)

// personal are the resources that take no credential but a session. An API key
// is of the wrong kind there, and counts as none.
var personal = []string{"/v1/me", signOut, "/v1/realtime/{proxy+}"}

// signOut is the one resource of the staff API that takes a partner's session.
const signOut = "/v1/auth/sign-out"

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
	return a.count(ctx, r, a.judge(ctx, r)), nil
}

// verdict is an answer, and whom it is about: nobody, for the zero principal.
type verdict struct {
	answer  events.APIGatewayCustomAuthorizerResponse
	who     principal.Principal
	unknown bool // it could not be found out
}

func (a *Authorizer) judge(ctx context.Context, r AuthorizerRequest) verdict {
	switch {
	case r.pages():
		return a.reader(ctx, r)
	case r.console():
		return a.staff(ctx, r)
	}
	h := r.header()
	c, several := credentials(h)
	switch {
	case several:
		return a.refuse(r, ambiguous)
	case c.Cookie && foreign(r.HTTPMethod, h, r.RequestContext.DomainName, a.Site):
		return a.refuse(r, crossOrigin)
	case c.Kind == token.APIKey && slices.Contains(personal, r.Resource):
		return deny(r, "This is for a person's session, not for an API key.")
	}
	p, why, err := a.identify(ctx, c, r)
	if err != nil {
		return a.unknown(ctx, r, a.UsageKey, err)
	}
	if why != "" {
		return deny(r, why)
	}
	key := a.UsageKey
	if p.Kind == principal.Partner {
		key = a.Partners
	}
	return a.admit(ctx, r, p, key)
}

// reader judges requests for status pages. It never denies, since only the
// function can lead a browser to the sign-in: who is nobody passes as nobody.
func (a *Authorizer) reader(ctx context.Context, r AuthorizerRequest) verdict {
	h := r.header()
	c, several := readers(h, r.Path, r.query())
	switch {
	case several:
		return a.refuse(r, ambiguous)
	case c.Cookie && foreign(r.HTTPMethod, h, r.RequestContext.DomainName, a.Site):
		return a.refuse(r, crossOrigin)
	}
	p, err := a.look(ctx, c, slugOf(r.Path))
	switch {
	case err != nil:
		return a.unknown(ctx, r, a.Partners, err)
	case p.ID == "":
		return a.nobody(r)
	}
	return a.admit(ctx, r, p, a.Partners)
}

// staff answers for the console. It never denies either: who has no session of
// staff passes as nobody, for the function to lead a browser to the sign-in,
// and a partner as one, to be told that there is nothing.
func (a *Authorizer) staff(ctx context.Context, r AuthorizerRequest) verdict {
	h := r.header()
	c, several := credentials(h)
	switch {
	case several:
		return a.refuse(r, ambiguous)
	case c.Cookie && foreign(r.HTTPMethod, h, r.RequestContext.DomainName, a.Site):
		return a.refuse(r, crossOrigin)
	case c.Kind != token.Session:
		return a.nobody(r)
	}
	s, found, err := a.Store.session(ctx, token.Hash(c.Secret))
	if err == nil && found && s.Kind == Partner && s.reads(a.Now()) {
		return a.admit(ctx, r, s.reader(""), a.Partners)
	}
	var p principal.Principal
	if err == nil && found {
		p, _, err = a.bySession(ctx, s)
	}
	switch {
	case err != nil:
		return a.unknown(ctx, r, a.UsageKey, err)
	case p.ID == "":
		return a.nobody(r)
	}
	return a.admit(ctx, r, p, a.UsageKey)
}

// nobody lets a request through without a principal, under the plan of those.
func (a *Authorizer) nobody(r AuthorizerRequest) verdict {
	answer := policy(r, "anonymous", "Allow")
	answer.UsageIdentifierKey = a.Nobody
	return verdict{answer: answer}
}

// look returns who looks at the page of a slug with a credential; the zero
// principal is nobody.
func (a *Authorizer) look(ctx context.Context, c Credential, slug string) (p principal.Principal, err error) {
	switch c.Kind {
	case token.Session:
		s, found, err := a.Store.session(ctx, token.Hash(c.Secret))
		if err != nil || !found {
			return p, err
		}
		if s.Kind == Partner {
			if s.reads(a.Now()) {
				p = s.reader(slug)
			}
			return p, nil
		}
		p, _, err = a.bySession(ctx, s)
		return p, err
	case token.Partner:
		return a.byPass(ctx, c.Secret, seat.ByToken)
	case token.Feed:
		return a.byPass(ctx, c.Secret, seat.ByFeed)
	case token.Shared:
		return a.byPass(ctx, c.Secret, seat.ByShared)
	}
	return p, nil
}

// byPass returns the partner behind a token that is the current one of its kind.
func (a *Authorizer) byPass(ctx context.Context, secret string, via seat.Via) (principal.Principal, error) {
	pass, found, err := seat.PassOf(ctx, a.Status, token.Hash(secret))
	if err != nil || !found || pass.Via != via {
		return principal.Principal{}, err
	}
	return principal.Principal{
		Kind: principal.Partner, ID: cmp.Or(pass.AccessID, pass.PageID),
		Partner: &principal.Reading{Via: via, Seats: []seat.Seat{{PageID: pass.PageID, AccessID: pass.AccessID, PartnerID: pass.PartnerID}}},
	}, nil
}

// identify returns the principal behind a credential of the staff API, or why
// there is none.
func (a *Authorizer) identify(ctx context.Context, c Credential, r AuthorizerRequest) (p principal.Principal, why string, err error) {
	switch {
	case c.Secret == "":
		return p, "This needs a credential: a session, or an API key.", nil
	case c.Kind == token.APIKey:
		return a.byKey(ctx, token.Hash(c.Secret))
	case c.Kind != token.Session:
		return p, "This is not a credential that is taken here.", nil
	}
	s, found, err := a.Store.session(ctx, token.Hash(c.Secret))
	switch {
	case err != nil || !found:
		return p, sessionEnded, err
	case s.Kind == Partner && r.Resource == signOut && s.reads(a.Now()):
		return s.reader(""), "", nil
	}
	return a.bySession(ctx, s)
}

const sessionEnded = "The session has ended. Sign in again."

// bySession returns the user of a staff session.
func (a *Authorizer) bySession(ctx context.Context, s Session) (p principal.Principal, why string, err error) {
	if s.Kind != Staff {
		return p, "This is not a credential that is taken here.", nil
	}
	u, _, err := a.Store.user(ctx, s.UserID)
	now := a.Now()
	if err != nil || !s.live(u, now, a.Idle) {
		return p, sessionEnded, err
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

// admit lets a request of somebody through, under the plan of a usage key.
func (a *Authorizer) admit(ctx context.Context, r AuthorizerRequest, p principal.Principal, key string) verdict {
	text, err := json.Marshal(p)
	if err != nil {
		return a.unknown(ctx, r, key, err)
	}
	return verdict{answer: pass(r, p.ID, key, httpapi.ContextPrincipal, string(text)), who: p}
}

// unknown lets a request through whose sender could not be found out, for the
// function to say so.
func (a *Authorizer) unknown(ctx context.Context, r AuthorizerRequest, key string, err error) verdict {
	slog.ErrorContext(ctx, "credential not looked up", "error", err, "requestId", r.RequestContext.RequestID)
	return verdict{answer: pass(r, "anonymous", key, httpapi.ContextProblem, unavailable), unknown: true}
}

// refuse lets a request of nobody through, for the function to refuse.
func (a *Authorizer) refuse(r AuthorizerRequest, code string) verdict {
	return verdict{answer: pass(r, "anonymous", a.Nobody, httpapi.ContextProblem, code)}
}

// pass lets a request through with one finding for the function.
func pass(r AuthorizerRequest, id, key, name, value string) events.APIGatewayCustomAuthorizerResponse {
	answer := policy(r, id, "Allow")
	answer.Context[name] = value
	answer.UsageIdentifierKey = key
	return answer
}

func deny(r AuthorizerRequest, why string) verdict {
	answer := policy(r, "anonymous", "Deny")
	answer.Context["code"], answer.Context["detail"] = string(problem.Unauthenticated), why
	return verdict{answer: answer}
}

// policy is about the whole stage: the answer is for one request (nothing is
// cached), and a path may hold characters that a policy gives a meaning to.
func policy(r AuthorizerRequest, id, effect string) events.APIGatewayCustomAuthorizerResponse {
	resource := r.MethodArn // arn:aws:execute-api:region:account:api/stage/METHOD/path
	if parts := strings.SplitN(resource, "/", 3); len(parts) == 3 {
		resource = parts[0] + "/" + parts[1] + "/*"
	}
	return events.APIGatewayCustomAuthorizerResponse{
		PrincipalID: id, Context: map[string]any{},
		PolicyDocument: events.APIGatewayCustomAuthorizerPolicy{
			Version: "2012-10-17",
			Statement: []events.IAMPolicyStatement{
				{Action: []string{"execute-api:Invoke"}, Effect: effect, Resource: []string{resource}},
			},
		},
	}
}
