// Package statuspage is what a partner gets of a status page: the page itself
// as HTML and as JSON, its history, its incidents, a feed, and the JSON that
// clients of Statuspage know.
//
// Every format renders a status.View and nothing else, so that what is hidden
// from a reader is in none of them. Whether somebody may read at all is the
// Door's to say, and no answer leaves before their look is on record. Without a
// change that the reader can see, an answer is the same to the byte: no time of
// the request and no request id is in it, and a refresh is a 304.
package statuspage

import (
	"context"
	"net/http"
	"strings"

	"pagefree/internal/partner"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/token"
)

// Door lets partners in; see partner.Door.
type Door interface {
	Enter(ctx context.Context, r partner.Request) (*partner.Visit, error)
	Pages(ctx context.Context) ([]partner.Listed, error)
	Refused(ctx context.Context, r partner.Request, refusal *problem.Error) error
}

// Pictures holds the logos of pages, each under the hash of its bytes.
type Pictures interface {
	Picture(ctx context.Context, hash string) (png []byte, found bool, err error)
}

// Pages are what partners read.
type Pages struct {
	Door     Door
	Pictures Pictures
	Cursors  *httpapi.Cursors
	Origin   origin.Origin // what addresses begin with where they have to be whole; unknown, they are paths
}

// Routes adds everything below /status to api. p may be nil where only the
// routes are wanted.
func Routes(api *httpapi.API, p *Pages) {
	api.Handle("/status", p.list)
	api.Handle("/status/{slug}", p.gated(p.page))
	api.Handle("/status/{slug}/history", p.gated(p.history))
	api.Handle("/status/{slug}/incidents/{id}", p.gated(p.incident))
	api.Handle("/status/{slug}/feed.atom", p.gated(p.feed))
	for name, body := range v2 {
		api.Handle("/status/{slug}/api/v2/"+name+".json", p.gated(p.v2(body)))
	}
	api.Handle("/status/{slug}/{rest...}", p.unknown)
	for name := range fixed() {
		api.Handle("/status/assets/"+name, p.asset)
	}
}

// Cookie carries the shared token of a page.
const Cookie = "__Host-pf_shared"

// policy allows nothing inline and nothing from elsewhere.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard sets what every answer of a page carries, refusals too.
func guard(h http.Header) {
	h.Set("Cache-Control", "private, no-store")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Vary", "Accept, Cookie, Authorization")
}

// early is what a request is refused for before anything is looked up: what
// the authorizer found, a method, a feed's token at something else. It is on
// record all the same.
func (p *Pages) early(r *http.Request) error {
	if refusal := httpapi.RefusalOf(r.Context()); refusal != nil { // it knows of nobody whose record this is
		return refusal
	}
	who, _ := principal.PartnerOf(r.Context())
	refusal := reads(r)
	if refusal == nil && who.Partner != nil && who.Partner.Via == seat.ByFeed && !strings.HasSuffix(r.URL.Path, "/feed.atom") {
		refusal = nobody("The token of a feed reads the feed alone.")
	}
	if refusal == nil {
		return nil
	}
	return p.Door.Refused(r.Context(), asked(r), refusal)
}

// reads refuses everything but GET and HEAD.
func reads(r *http.Request) *problem.Error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	e := problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "This path does not take %s.", r.Method)
	e.Header = http.Header{"Allow": {"GET, HEAD"}}
	return e
}

// answer is a rendered body.
type answer struct {
	media string
	body  []byte
}

// look is one visit and the request that it answers.
type look struct {
	*partner.Visit
	r  *http.Request
	at place
}

// gated is a route of a page: it lets the caller in, renders what they may see,
// and waits for the record of it.
func (p *Pages) gated(render func(look) (answer, error)) httpapi.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.PathValue("slug") == reserved {
			return p.asset(w, r)
		}
		guard(w.Header())
		return p.refuse(w, r, p.visit(w, r, render))
	}
}

// reserved is a slug that no page has, nor ever will.
const reserved = "assets"

// maxSlug is the length of a slug, in bytes.
const maxSlug = 63

// asked is what a request wants to see. What can be no slug or no id is
// replaced by one that leads to nothing, so that it is refused like one.
func asked(r *http.Request) partner.Request {
	q := partner.Request{Slug: r.PathValue("slug"), IncidentID: r.PathValue("id"), Method: r.Method, Path: r.URL.Path}
	if len(q.Slug) > maxSlug {
		q.Slug = reserved
	}
	if q.IncidentID != "" && !id.Valid(id.PageIncident, q.IncidentID) {
		q.IncidentID = id.PageIncident
	}
	return q
}

func (p *Pages) visit(w http.ResponseWriter, r *http.Request, render func(look) (answer, error)) error {
	if err := p.early(r); err != nil {
		return err
	}
	who, _ := principal.PartnerOf(r.Context())
	visit, err := p.Door.Enter(r.Context(), asked(r))
	if err != nil {
		return err
	}
	shared := who.Partner != nil && who.Partner.Via == seat.ByShared && r.URL.Query().Get("token") != ""
	var a answer
	if !shared {
		a, err = render(look{Visit: visit, r: r, at: placeOf(r)})
	}
	if recorded := visit.Recorded(r.Context()); recorded != nil {
		return recorded
	}
	if err != nil {
		return err
	}
	if shared {
		return p.keep(w, r)
	}
	w.Header().Set("Content-Type", a.media)
	_, err = w.Write(a.body)
	return err
}

// keep takes the shared token out of the address, where it would be seen and
// passed on, into a cookie. The authorizer has found it good for this page.
func (p *Pages) keep(w http.ResponseWriter, r *http.Request) error {
	secret := r.URL.Query().Get("token")
	if kind, ok := token.KindOf(secret); !ok || kind != token.Shared {
		return nobody("This is not the token of a page.")
	}
	http.SetCookie(w, &http.Cookie{Name: Cookie, Value: secret, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
	p.redirect(w, r, withoutSecrets(r.URL))
	return nil
}

// unknown is what is not there: files of the pages are public, all else is
// nothing to whoever may read, and asks nobody in.
func (p *Pages) unknown(w http.ResponseWriter, r *http.Request) error {
	if r.PathValue("slug") == reserved {
		return p.asset(w, r)
	}
	guard(w.Header())
	err := p.early(r)
	if err == nil {
		err = p.Door.Refused(r.Context(), asked(r), missing(r.Context()))
	}
	return p.refuse(w, r, err)
}

// missing is the answer to a path that there is not: only who may read something is told.
func missing(ctx context.Context) *problem.Error {
	_, reader := principal.PartnerOf(ctx)
	if who, known := principal.From(ctx); reader || known && who.Kind == principal.User {
		return problem.Missing()
	}
	return nobody("This page needs a sign-in, or the token of a partner.")
}

// list is GET /status.
func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	guard(w.Header())
	return p.refuse(w, r, p.listed(w, r))
}

type item struct {
	Slug string `json:"slug"`
	Name string `json:"name"`
}

func (p *Pages) listed(w http.ResponseWriter, r *http.Request) error {
	if err := p.early(r); err != nil {
		return err
	}
	who, _ := principal.PartnerOf(r.Context())
	pages, err := p.Door.Pages(r.Context())
	if err != nil {
		return err
	}
	items := make([]item, 0, len(pages))
	for _, one := range pages {
		items = append(items, item{Slug: one.Slug, Name: one.Name})
	}
	var a answer
	if browser(r) {
		f := frameOf(placeOf(r), who)
		f.Title = "Status pages"
		a, err = document("list", listPage{f, items})
	} else {
		a, err = jsonOf(map[string]any{"items": items})
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", a.media)
	_, err = w.Write(a.body)
	return err
}

// nobody is the answer to a credential that is none here.
func nobody(detail string) *problem.Error {
	e := problem.New(http.StatusUnauthorized, problem.Unauthenticated, "%s", detail)
	e.Header = http.Header{"WWW-Authenticate": {"Bearer"}}
	return e
}
