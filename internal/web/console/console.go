// Package console is what the pages for staff stand on: who may be there, how
// a page looks, and how a form's mistakes are shown at their fields.
//
// Each room's pages are a package of their own below this one, registered by
// the function of that room with its rights and no others: a page calls the
// room's services in the context of its request, as an API call would, so that
// what a role may not do is refused whatever a page shows. All of it works
// without JavaScript. GET shows, POST acts and then leads to what it changed.
package console

import (
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"html/template"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

// policy allows nothing inline and nothing from elsewhere. A socket of the
// same host is 'self' too (CSP Level 3, 6.7.2.8).
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; " +
	"worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Console is where people reach the pages, and the clock that they go by.
type Console struct {
	at    origin.Origin
	guard *http.CrossOriginProtection
	now   func() time.Time
}

// New returns a Console. Where the origin is unknown, links begin at the root
// of the host, which is what a distribution of our own shows.
func New(at origin.Origin, now func() time.Time) *Console {
	c := &Console{at: at, guard: http.NewCrossOriginProtection(), now: now}
	if at.Known() { // behind a distribution, the host that we see is not the one that people see
		if err := c.guard.AddTrustedOrigin(at.Site()); err != nil {
			panic(err) // it was parsed
		}
	}
	return c
}

// Room is the pages of one room: its templates beside the common ones.
type Room struct {
	*Console
	api     *httpapi.API
	section string
	parsed  func() *template.Template
}

// Room adds a room's pages to an API. files holds its templates, *.html, each
// with a {{define}} for every page and fragment; funcs are what only they need.
// c may be nil where only the routes are wanted.
func (c *Console) Room(api *httpapi.API, section string, files fs.FS, funcs template.FuncMap) *Room {
	r := &Room{Console: c, api: api, section: section, parsed: sync.OnceValue(func() *template.Template {
		return template.Must(c.common().Funcs(funcs).ParseFS(files, "*.html"))
	})}
	nowhere := &Room{Console: c, api: api, parsed: r.parsed} // several rooms share an API: it may be of any
	api.Unrouted("/console/", nowhere.unrouted)
	return r
}

// unrouted answers for an address of the console that no page has, or that
// only takes a form.
func (r *Room) unrouted(w http.ResponseWriter, req *http.Request, e *problem.Error) error {
	c := &Call{W: w, R: req, room: r, now: r.now()}
	guard(w.Header())
	if err := c.enter(); err != nil {
		return c.refuse(err)
	}
	if e.Status == http.StatusMethodNotAllowed {
		w.Header()["Allow"] = e.Header["Allow"]
		e.Detail = "There is no page at this address: it only takes what a form sends."
	}
	return c.refuse(e)
}

// Handler answers one request for a page, or returns why it cannot: the error
// is rendered as a page, or where htmx asked as a sentence above it.
type Handler func(c *Call) error

// Get adds a page, or a fragment of one.
func (r *Room) Get(path string, h Handler) { r.handle("GET "+path, h) }

// Post adds what a form does.
func (r *Room) Post(path string, h Handler) { r.handle("POST "+path, h) }

// Upload is Post for a form with one file in it, which the browser sends as
// multipart/form-data: its field file is of at most limit bytes (see Call.File).
func (r *Room) Upload(path, file string, limit int64, h Handler) {
	r.take("POST "+path, &upload{field: file, limit: limit}, h)
}

func (r *Room) handle(pattern string, h Handler) { r.take(pattern, nil, h) }

func (r *Room) take(pattern string, takes *upload, h Handler) {
	r.api.Handle(pattern, func(w http.ResponseWriter, req *http.Request) error {
		c := &Call{W: w, R: req, room: r, now: r.now(), takes: takes}
		guard(w.Header())
		err := c.enter()
		if err == nil {
			err = h(c)
		}
		return c.refuse(err)
	})
}

// personHeader says whose page it is. By it the service worker knows whose
// copies it has, and drops those of anybody else. Where that could not be found
// out there is none.
const personHeader = "X-PageFree-Person"

// guard sets what every answer carries, refusals too.
func guard(h http.Header) {
	h.Set("Cache-Control", "private, no-store")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Vary", "Cookie, HX-Request")
}

// Call is one request for a page by one person.
type Call struct {
	W    http.ResponseWriter
	R    *http.Request
	Who  principal.Principal
	room *Room
	now  time.Time
	form url.Values // of a POST

	takes *upload // nil where a form has no file
	file  File
}

// maxForm is the largest form in bytes: a script of 48 KiB, every byte of it escaped.
const maxForm = 192 << 10

// enter lets staff in by their session and reads the form of a POST. Everybody
// else gets nothing here: a partner is told that there is no such page, and
// whoever has no session is led to the sign-in.
func (c *Call) enter() error {
	if refusal := httpapi.RefusalOf(c.R.Context()); refusal != nil {
		return refusal
	}
	if _, partner := principal.PartnerOf(c.R.Context()); partner {
		c.W.Header().Set(personHeader, "nobody") // what the service worker kept of somebody of the staff is not theirs
		return problem.Missing()
	}
	who, known := principal.From(c.R.Context())
	if !known {
		return problem.NoPrincipal()
	}
	if who.Kind != principal.User || who.SessionHash == "" {
		return problem.Denied("The console is for people. Programs use the API, below /v1.")
	}
	c.Who = who
	if c.R.Method != http.MethodPost {
		return nil
	}
	if err := c.room.guard.Check(c.R); err != nil {
		return httpapi.Refusals["cross_origin"]
	}
	if c.takes != nil {
		return c.readUpload()
	}
	return c.readForm()
}

// Once is a word for a form that is to make one thing, however often it is sent.
func (c *Call) Once() string { return id.New(id.Form, c.now) }

// HTMX reports whether a script asked, which swaps what it gets into the page that is there.
func (c *Call) HTMX() bool { return c.R.Header.Get("HX-Request") == "true" }

// Now is the time of the request.
func (c *Call) Now() time.Time { return c.now }

// Can reports whether the caller has at least the role in a team, for showing
// what they may do. The service decides, whatever is shown.
func (c *Call) Can(teamID string, min principal.Role) bool {
	_, err := principal.Require(c.R.Context(), teamID, min)
	return err == nil
}

// See leads to another page of the console after an act. did is what happened,
// as one of the sentences of the page that follows: a key of done, or "".
func (c *Call) See(path, did string) error {
	if did != "" {
		path, fragment, marked := strings.Cut(path, "#")
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		path += sep + "did=" + url.QueryEscape(did)
		if marked {
			path += "#" + fragment
		}
		return c.lead(path)
	}
	return c.lead(path)
}

func (c *Call) lead(path string) error {
	path = c.room.at.Path(path)
	if c.HTMX() {
		c.W.Header().Set("HX-Redirect", path)
		c.W.WriteHeader(http.StatusNoContent)
		return nil
	}
	c.W.Header().Set("Location", path)
	c.W.WriteHeader(http.StatusSeeOther)
	return nil
}

// refuse renders an error for who sees it.
func (c *Call) refuse(err error) error {
	if err == nil {
		return nil
	}
	httpapi.Refused(c.R.Context(), err)
	b := problem.Render(c.R.Context(), httpapi.Shown(err), principal.OriginOf(c.R.Context()).RequestID)
	if b.Status == http.StatusUnauthorized {
		next := "/signin"
		if c.R.Method == http.MethodGet && !c.HTMX() {
			next += "?next=" + url.QueryEscape((&url.URL{Path: c.R.URL.Path, RawQuery: c.R.URL.RawQuery}).RequestURI())
		}
		return c.lead(next)
	}
	for name, values := range b.GetHeaders() {
		c.W.Header()[http.CanonicalHeaderKey(name)] = values
	}
	if c.HTMX() {
		c.W.Header().Set("HX-Retarget", "#alerts")
		c.W.Header().Set("HX-Reswap", "innerHTML")
		return c.write(b.Status, "alert", refusal{Text: sentence(b), Request: b.Instance})
	}
	on := refusal{Text: sentence(b), Request: b.Instance, Path: "/console/incidents", Act: "To the incidents"}
	if _, partner := principal.PartnerOf(c.R.Context()); partner {
		on.Path, on.Act = "/status", "To your status pages"
	}
	if b.Code == problem.CursorInvalid {
		q := c.R.URL.Query()
		q.Del("cursor")
		on.Path, on.Act = (&url.URL{Path: c.R.URL.Path, RawQuery: q.Encode()}).RequestURI(), "To the beginning of the list"
	}
	return c.show(b.Status, Page{Title: refusalTitle(b.Status)}, "refusal", on)
}

// refusal is what the page of a refusal says.
type refusal struct {
	Text    string
	Request string
	Path    string // a way on
	Act     string // what it is called
}

func refusalTitle(status int) string {
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return "There is no such page"
	case http.StatusForbidden:
		return "You may not do this"
	case http.StatusConflict, http.StatusPreconditionFailed:
		return "This was not done"
	case http.StatusTooManyRequests:
		return "That was too often"
	}
	if status >= http.StatusInternalServerError {
		return "Something went wrong on our side"
	}
	return "This did not work"
}

// sentence is a problem's detail and its fields, for where there is no field to show them at.
func sentence(b *problem.Body) string {
	var parts []string
	for _, f := range b.Errors {
		parts = append(parts, strings.TrimPrefix(f.Location, "body.")+" "+f.Message)
	}
	if len(parts) > 0 {
		return strings.Join(parts, "; ") + "."
	}
	return roles.Replace(Plain(b.Detail))
}

// Is reports whether err is a problem of a code, for what a page answers by itself.
func Is(err error, code problem.Code) bool {
	p, ok := errors.AsType[*problem.Error](err)
	return ok && p.Code == code
}
