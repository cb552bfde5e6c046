package signin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	front "pagefree/infra/local/aws"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/token"
)

// finding is what the authorizer says of a request for pages: "nobody", a
// problem, or who it is, with the plan that it falls under.
func finding(t *testing.T, v events.APIGatewayCustomAuthorizerResponse) string {
	t.Helper()
	if s := v.PolicyDocument.Statement; len(s) != 1 || s[0].Effect != "Allow" {
		t.Fatalf("pages are denied: %+v", s)
	}
	plan := ", " + v.UsageIdentifierKey
	if code, refused := v.Context["problem"].(string); refused {
		if v.Context["principal"] != nil || v.PrincipalID != "anonymous" {
			t.Error("a problem passes with a principal")
		}
		return code + plan
	}
	raw, known := v.Context["principal"].(string)
	if !known {
		if len(v.Context) > 0 || v.PrincipalID != "anonymous" {
			t.Errorf("nobody passes as %q with %v", v.PrincipalID, v.Context)
		}
		return "nobody" + plan
	}
	var p principal.Principal
	if err := json.Unmarshal([]byte(raw), &p); err != nil || p.ID == "" || p.ID != v.PrincipalID {
		t.Fatalf("got %s, %v", raw, err)
	}
	if p.Kind == principal.Partner {
		return string(p.Partner.Via) + " " + p.ID + plan
	}
	return string(p.Kind) + plan
}

func TestReadersOfPages(t *testing.T) {
	w := newWorld(t)
	at := w.grant(w.page("acme", "Acme Cloud", 7), pat)
	of := func(via seat.Via) seat.Pass {
		return seat.Pass{Via: via, PageID: at.page.ID, AccessID: at.access.ID, PartnerID: at.account.ID}
	}
	bearer, other, feed := w.pass(token.Partner, of(seat.ByToken)), w.pass(token.Partner, of(seat.ByToken)), w.pass(token.Feed, of(seat.ByFeed))
	shared, shared2 := w.pass(token.Shared, seat.Pass{Via: seat.ByShared, PageID: at.page.ID}), w.pass(token.Shared, seat.Pass{Via: seat.ByShared, PageID: at.page.ID})
	mixed := w.pass(token.Partner, of(seat.ByFeed)) // a pass that is not of the secret's kind
	gone := w.pass(token.Partner, of(seat.ByToken))
	if err := dynamo.Commit(t.Context(), w.status.DB, seat.Withdraw(w.status, token.Hash(gone))); err != nil {
		t.Fatal(err)
	}
	open := func(email, next string) string {
		return w.want(w.verify(secretOf(t, w.mailed(email, next).Links[0], "token")), http.StatusOK, "").text("session.token")
	}
	session := open(pat, "")
	link, err := w.operator.ForOperator(t.Context(), operatorRequest(admin))
	if err != nil {
		t.Fatal(err)
	}
	staff := w.want(w.verify(secretOf(t, link.Link, "token")), http.StatusOK, "").text("session.token")
	unknown := func(k token.Kind) string { return token.New(k) }

	as := func(secret string) http.Header { return http.Header{"Authorization": {"Bearer " + secret}} }
	cookie := func(pairs ...string) http.Header { return http.Header{"Cookie": {strings.Join(pairs, "; ")}} }
	const cs, ch = "__Host-pf_session=", "__Host-pf_shared="
	const page, atom, summary = "/status/acme", "/status/acme/feed.atom", "/status/acme/api/v2/summary.json"
	const nobody, ambiguous, user = "nobody, nobody", "ambiguous_credentials, nobody", "user, partners"
	byToken, byFeed, byShared := "token "+at.access.ID+", partners", "feed "+at.access.ID+", partners", "shared "+at.page.ID+", partners"
	bySession := "session " + w.looker(session, page).ID + ", partners"

	tests := map[string]struct {
		target string
		header http.Header
		want   string
	}{
		"nothing":                               {page, nil, nobody},
		"a token":                               {page, as(bearer), byToken},
		"a token, for the list":                 {"/status", as(bearer), byToken},
		"a token, in any case":                  {page, http.Header{"authorization": {"BEARER " + bearer}}, byToken},
		"a token as a key":                      {page, http.Header{"X-Api-Key": {bearer}}, nobody},
		"a token in a cookie":                   {page, cookie(cs + bearer), nobody},
		"a token in the query":                  {page + "?token=" + bearer, nil, nobody},
		"a token in the query of a feed":        {atom + "?feed=" + bearer, nil, nobody},
		"a token of another header":             {page, http.Header{"X-Token": {bearer}}, nobody},
		"an unknown token":                      {page, as(unknown(token.Partner)), nobody},
		"a withdrawn token":                     {page, as(gone), nobody},
		"a pass of another kind":                {page, as(mixed), nobody},
		"half a token":                          {page, as(bearer[:20]), nobody},
		"an API key":                            {page, as(unknown(token.APIKey)), nobody},
		"an API key in its header":              {page, http.Header{"X-Api-Key": {unknown(token.APIKey)}}, nobody},
		"a password":                            {page, http.Header{"Authorization": {"Basic YTpi"}}, nobody},
		"a session":                             {page, as(session), bySession},
		"a session in its cookie":               {page, cookie(cs + session), bySession},
		"a session, for the list":               {"/status", cookie(cs + session), bySession},
		"a session in the query":                {page + "?token=" + session, nil, nobody},
		"an unknown session":                    {page, cookie(cs + unknown(token.Session)), nobody},
		"staff":                                 {page, cookie(cs + staff), user},
		"a feed's token at the feed":            {atom + "?feed=" + feed, nil, byFeed},
		"a feed's token twice":                  {atom + "?feed=" + feed + "&feed=" + feed, nil, byFeed},
		"a feed's token at the page":            {page + "?feed=" + feed, nil, nobody},
		"a feed's token at the JSON":            {summary + "?feed=" + feed, nil, nobody},
		"a feed's token at the history":         {page + "/history?feed=" + feed, nil, nobody},
		"a feed's token for the list":           {"/status?feed=" + feed, nil, nobody},
		"a feed's token at a page of that name": {"/status/feed.atom?feed=" + feed, nil, byFeed}, // there is none of that name
		"a feed's token at an odd path":         {"/status/acme/feed.atom/x?feed=" + feed, nil, nobody},
		"a feed's token as a bearer":            {atom, as(feed), nobody},
		"a feed's token as a shared one":        {atom + "?token=" + feed, nil, nobody},
		"an unknown feed's token":               {atom + "?feed=" + unknown(token.Feed), nil, nobody},
		"a shared token":                        {page + "?token=" + shared, nil, byShared},
		"a shared token, further down":          {summary + "?token=" + shared, nil, byShared},
		"a shared token, for the list":          {"/status?token=" + shared, nil, nobody},
		"a shared token as a bearer":            {page, as(shared), nobody},
		"a shared token in its cookie":          {page, cookie(ch + shared), byShared},
		"a shared token in its cookie, list":    {"/status", cookie(ch + shared), byShared},
		"a shared token in another cookie":      {page, cookie(cs + shared), nobody},
		"an unknown shared token":               {page + "?token=" + unknown(token.Shared), nil, nobody},

		"the same token twice":                   {page, http.Header{"Authorization": {"Bearer " + bearer, "Bearer " + bearer}}, byToken},
		"the same session twice":                 {page, http.Header{"Authorization": {"Bearer " + session}, "Cookie": {cs + session}}, bySession},
		"two tokens":                             {page, http.Header{"Authorization": {"Bearer " + bearer, "Bearer " + other}}, ambiguous},
		"a token and a session":                  {page, http.Header{"Authorization": {"Bearer " + bearer}, "Cookie": {cs + session}}, ambiguous},
		"a token and a key":                      {page, http.Header{"Authorization": {"Bearer " + bearer}, "X-Api-Key": {unknown(token.APIKey)}}, ambiguous},
		"a token and a password":                 {page, http.Header{"Authorization": {"Bearer " + bearer, "Basic YTpi"}}, ambiguous},
		"a feed's token and a session":           {atom + "?feed=" + feed, cookie(cs + session), ambiguous},
		"a feed's token, not looked at":          {page + "?feed=" + feed, cookie(cs + session), bySession},
		"two feeds' tokens":                      {atom + "?feed=" + feed + "&feed=" + unknown(token.Feed), nil, ambiguous},
		"a shared token and a session":           {page + "?token=" + shared, cookie(cs + session), ambiguous},
		"a shared token and a token":             {page + "?token=" + shared, as(bearer), ambiguous},
		"two shared tokens":                      {page + "?token=" + shared + "&token=" + shared2, nil, ambiguous},
		"two shared cookies":                     {page, cookie(ch+shared, ch+shared2), ambiguous},
		"the shared cookie yields to a token":    {page, http.Header{"Authorization": {"Bearer " + bearer}, "Cookie": {ch + shared}}, byToken},
		"the shared cookie yields to a session":  {page, cookie(ch+shared, cs+session), bySession},
		"the shared cookie yields to the query":  {page + "?token=" + shared2, cookie(ch + shared), byShared},
		"the shared cookie yields to a feed's":   {atom + "?feed=" + feed, cookie(ch + shared), byFeed},
		"the shared cookie yields to staff":      {page, cookie(ch+shared, cs+staff), user},
		"the shared cookie yields to an old one": {page, cookie(ch+shared, cs+unknown(token.Session)), nobody},
		"an empty query beside a session":        {page + "?token=&feed=", cookie(cs + session), bySession},

		"read from another site's page": {page, http.Header{"Cookie": {cs + session}, "Origin": {"https://evil.example"}}, bySession},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			resource := "/status/{proxy+}"
			if path, _, _ := strings.Cut(tt.target, "?"); path == "/status" {
				resource = "/status"
			}
			if got := finding(t, w.authorize(resource, http.MethodGet, tt.target, tt.header)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("a cookie on another site's behalf", func(t *testing.T) {
		w := w.in(t)
		h := http.Header{"Cookie": {cs + session}, "Origin": {"https://evil.example"}}
		if got := finding(t, w.authorize("/status/{proxy+}", http.MethodPost, page, h)); got != "cross_origin, nobody" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("one read", func(t *testing.T) {
		w := w.in(t)
		for name, c := range map[string]struct {
			target string
			header http.Header
		}{
			"token": {page, as(bearer)}, "unknown": {page, as(unknown(token.Partner))}, "feed": {atom + "?feed=" + feed, nil},
			"shared": {page + "?token=" + shared, nil}, "session": {page, cookie(cs + session)},
		} {
			w.env.Counts.Reset()
			w.clock.pass(time.Hour)
			w.authorize("/status/{proxy+}", http.MethodGet, c.target, c.header)
			calls := w.env.Counts.Calls(front.Call{Function: "AuthorizerFunction"})
			if len(calls) != 1 || calls[0].Operation != "GetItem" {
				t.Errorf("%s: got %v, want one read", name, calls)
			}
		}
		w.env.Counts.Reset()
		w.authorize("/status/{proxy+}", http.MethodGet, page, as("pfp_x"))
		w.authorize("/status/{proxy+}", http.MethodGet, page, as(unknown(token.APIKey)))
		if got := w.env.Counts.Number(front.Call{}); got != 0 {
			t.Errorf("got %d reads for what cannot be a credential here", got)
		}
	})
	t.Run("what a principal holds", func(t *testing.T) {
		w := w.in(t)
		p := w.looker(bearer, page)
		want := seat.Seat{PageID: at.page.ID, AccessID: at.access.ID, PartnerID: at.account.ID}
		if len(p.Partner.Seats) != 1 || p.Partner.Seats[0] != want || p.Partner.Since != nil || p.SessionHash != "" {
			t.Errorf("by token: got %+v", p)
		}
		p = w.looker(session, page)
		want.PersonID, want.Slug = at.person.ID, "acme"
		if len(p.Partner.Seats) != 1 || p.Partner.Seats[0] != want || p.Partner.Since == nil || p.SessionHash != token.Hash(session) || !strings.HasPrefix(p.ID, "pse_") {
			t.Errorf("by session: got %+v", p)
		}
	})
	t.Run("DynamoDB does not answer", func(t *testing.T) {
		w := w.in(t)
		w.env.Faults.Add(front.Fault{Function: "AuthorizerFunction", Operation: "GetItem", Do: front.Fail, Times: -1})
		defer w.env.Faults.Clear()
		for _, secret := range []string{bearer, session} {
			if got := finding(t, w.authorize("/status/{proxy+}", http.MethodGet, page, as(secret))); got != "unavailable, partners" {
				t.Errorf("got %q", got)
			}
		}
	})
}
