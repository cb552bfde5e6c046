// Package signin is the page that people sign in at. It works without
// JavaScript; reading it changes nothing, so that a mail scanner that opens a
// link does not use it up: only pressing the button does. A link that was asked
// for here opens in the same browser only: any other shows a code to type into
// the first.
package signin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"html/template"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"pagefree/internal/identity"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/platform/token"
)

// Sessions is what the page does for people. browser is the secret of the
// browser that they use.
type Sessions interface {
	AskLink(ctx context.Context, email, next, browser string) (ratelimit.Result, error)
	AskInvited(ctx context.Context, invitation, browser string) (ratelimit.Result, error)
	Look(ctx context.Context, secret, browser string) (identity.Looked, error)
	Verify(ctx context.Context, secret, browser string) (identity.Opened, error)
	VerifyCode(ctx context.Context, code, browser string) (identity.Opened, error)
}

//go:embed page.html style.css
var files embed.FS

var (
	style = read("style.css")
	pages = template.Must(template.New("page.html").Funcs(template.FuncMap{
		"style": func() template.CSS { return template.CSS(style) },
	}).ParseFS(files, "page.html"))
	policy = "default-src 'none'; style-src 'sha256-" + digest(style) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

func read(name string) string {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	return string(b)
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// maxForm is the largest form in bytes; ours hold an address or a token, and a path.
const maxForm = 8 << 10

type page struct {
	sessions Sessions
	at       origin.Origin
	guard    *http.CrossOriginProtection
}

// Routes registers /signin. at is where people reach PageFree; where it is
// unknown, redirects are relative to the page.
func Routes(api *httpapi.API, s Sessions, at origin.Origin) {
	p := &page{sessions: s, at: at, guard: http.NewCrossOriginProtection()}
	if at.Known() { // behind a distribution, the host that we see is not the one that people see
		if err := p.guard.AddTrustedOrigin(at.Site()); err != nil {
			panic(err) // it was parsed
		}
	}
	api.Handle("/signin", p.serve)
}

// view is what the template shows.
type view struct {
	Title  string
	State  string // of "ask", "press", "other", "invited", "sent", "code", "done", "sorry"
	Text   string
	Alert  bool   // Text is about what went wrong
	Secret string // of the link or the invitation
	Code   string // to type elsewhere
	Page   string // a status page, by its name
	Next   string
	Email  string // what was typed, or whose the link or the invitation is
	Asked  bool   // this browser asked for a link not long ago
	Wrong  string // what is wrong with what was typed
}

func (p *page) serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "private, no-store")
	var err error
	if refusal := httpapi.RefusalOf(r.Context()); refusal != nil {
		return p.answer(w, r, refusal)
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return p.get(w, r)
	case http.MethodPost:
		err = p.post(w, r)
	default:
		e := problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "This path does not take %s.", r.Method)
		e.Header = http.Header{"Allow": {"GET, HEAD, POST"}}
		err = e
	}
	if err != nil && wantsHTML(r) {
		return sorry(w, r, err)
	}
	return err
}

// get shows a form or a button, and does nothing.
func (p *page) get(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	next := identity.Next(q.Get("next"))
	switch {
	case q.Has("done"):
		return render(w, http.StatusOK, view{Title: "You are signed in", State: "done", Text: "You can close this page."})
	case q.Has("sent"):
		return render(w, http.StatusOK, view{Title: "Type the code", State: "code"})
	case q.Get("invite") != "":
		return p.invited(w, r, q.Get("invite"))
	case q.Get("token") == "":
		return render(w, http.StatusOK, view{Title: "Sign in", State: "ask", Next: next, Asked: browserOf(r) != ""})
	case !isLink(q.Get("token")):
		return render(w, http.StatusOK, view{Title: "Sign in", State: "ask", Next: next, Alert: true, Text: "This link is not whole. Copy it from the mail once more, or ask for a new one."})
	}
	return p.link(w, r, http.StatusOK, q.Get("token"))
}

func isLink(secret string) bool {
	kind, ok := token.KindOf(secret)
	return ok && kind == token.Link
}

// link shows what a link is good for in this browser: a button, a code for
// another browser, or why nothing. It names who is signed in: a link that was
// asked for by the API is bound to no browser, and may be somebody else's.
func (p *page) link(w http.ResponseWriter, r *http.Request, status int, secret string) error {
	seen, err := p.sessions.Look(r.Context(), secret, browserOf(r))
	if e, ok := errors.AsType[*problem.Error](err); ok && e.Status == http.StatusUnauthorized {
		return render(w, status, view{Title: "This link does not sign in", State: "ask", Alert: true, Text: e.Detail})
	}
	if err != nil {
		return p.answer(w, r, err)
	}
	if seen.Code != "" {
		return render(w, status, view{Title: "Sign in where you asked", State: "other", Code: seen.Code, Email: seen.Email})
	}
	return render(w, status, view{Title: "Sign in", State: "press", Secret: secret, Email: seen.Email})
}

// invited shows an invitation, with the button that asks for a link.
func (p *page) invited(w http.ResponseWriter, r *http.Request, secret string) error {
	seen, err := p.sessions.Look(r.Context(), secret, "")
	if err != nil {
		return p.answer(w, r, err)
	}
	return render(w, http.StatusOK, view{Title: "You are invited", State: "invited", Page: seen.Page, Secret: secret, Email: seen.Email})
}

// answer renders a refusal as the caller reads it.
func (p *page) answer(w http.ResponseWriter, r *http.Request, err error) error {
	if wantsHTML(r) {
		return sorry(w, r, err)
	}
	return err
}

// browserOf is the secret that the browser has from when it asked for a link.
func browserOf(r *http.Request) string {
	c, err := r.Cookie(identity.BrowserCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// post uses up a link, by its token or its code, or asks for one.
func (p *page) post(w http.ResponseWriter, r *http.Request) error {
	if err := p.guard.Check(r); err != nil {
		return httpapi.Refusals["cross_origin"]
	}
	if err := readForm(r); err != nil {
		return err
	}
	form := r.PostForm
	switch {
	case form.Has("token"):
		opened, err := p.sessions.Verify(r.Context(), form.Get("token"), browserOf(r))
		if e, ok := errors.AsType[*problem.Error](err); ok && e.Code == identity.OtherBrowser && wantsHTML(r) {
			return p.link(w, r, e.Status, form.Get("token"))
		}
		return p.enter(w, opened, err)
	case form.Has("code"):
		opened, err := p.sessions.VerifyCode(r.Context(), form.Get("code"), browserOf(r))
		if e, ok := errors.AsType[*problem.Error](err); ok && e.Code == identity.CodeInvalid && wantsHTML(r) {
			return render(w, e.Status, view{Title: "Type the code", State: "code", Wrong: e.Detail})
		}
		return p.enter(w, opened, err)
	case form.Has("invite"):
		browser := identity.BrowserSecret(r)
		left, err := p.sessions.AskInvited(r.Context(), form.Get("invite"), browser)
		return sent(w, left, err, browser, "A mail with a link is on its way to the address that was invited. The link is good for 15 minutes, once.")
	}
	email, next, browser := form.Get("email"), identity.Next(form.Get("next")), identity.BrowserSecret(r)
	left, err := p.sessions.AskLink(r.Context(), email, next, browser)
	if e, ok := errors.AsType[*problem.Error](err); ok && e.Code == problem.ValidationFailed && wantsHTML(r) {
		return render(w, e.Status, view{Title: "Sign in", State: "ask", Next: next, Email: email, Wrong: "This is not a mail address."})
	}
	return sent(w, left, err, browser, identity.MailSent)
}

// enter leads on in the session that was opened.
func (p *page) enter(w http.ResponseWriter, opened identity.Opened, err error) error {
	if err != nil {
		return err
	}
	http.SetCookie(w, opened.Cookie())
	next := opened.Next
	switch {
	case next != "":
	case opened.Kind == identity.Staff:
		next = "/console"
	default:
		next = "/signin?done"
	}
	p.redirect(w, next)
	return nil
}

// sent says that a mail was asked for, and remembers the browser that asked.
func sent(w http.ResponseWriter, left ratelimit.Result, err error, browser, text string) error {
	if err != nil {
		return err
	}
	left.Header(w.Header())
	http.SetCookie(w, identity.KeepBrowser(browser))
	return render(w, http.StatusOK, view{Title: "Look into your mail", State: "sent", Text: text})
}

// readForm parses the form of a POST, and nothing but a form.
func readForm(r *http.Request) error {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media != "application/x-www-form-urlencoded" {
		return problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type", "This page takes a form.")
	}
	r.Body = http.MaxBytesReader(nil, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return problem.New(http.StatusRequestEntityTooLarge, problem.BodyTooLarge, "The form is larger than this page takes.")
		}
		return problem.New(http.StatusBadRequest, "body_invalid", "The form cannot be read.")
	}
	for _, values := range r.PostForm {
		for _, v := range values {
			if !utf8.ValidString(v) {
				return problem.New(http.StatusBadRequest, "body_invalid", "The form is not UTF-8.")
			}
		}
	}
	return nil
}

// redirect leads on after signing in, to a path of ours: as people see it from
// outside where that is known, else relative to this page, which has the same
// effect under any stage.
func (p *page) redirect(w http.ResponseWriter, next string) {
	where := "." + next
	if p.at.Known() {
		where = p.at.Path(next)
	}
	w.Header().Set("Location", where)
	w.WriteHeader(http.StatusSeeOther)
}

// sorry is a refusal as a page.
func sorry(w http.ResponseWriter, r *http.Request, err error) error {
	b := problem.Render(r.Context(), err, principal.OriginOf(r.Context()).RequestID)
	for name, values := range b.GetHeaders() {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	v := view{Title: "This did not work", State: "sorry", Text: b.Detail, Alert: true}
	switch {
	case b.Code == problem.RateLimited:
		v.Title = "That was too often"
	case b.Code == identity.InvitationExpired, b.Code == identity.InvitationInvalid:
		v.Title = "This invitation has ended"
	case b.Status == http.StatusUnauthorized:
		v.Title, v.State = "This link does not sign in", "ask"
	}
	return render(w, b.Status, v)
}

func render(w http.ResponseWriter, status int, v view) error {
	var b bytes.Buffer
	if err := pages.Execute(&b, v); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}

// wantsHTML reports whether the caller is a browser, by its Accept header.
func wantsHTML(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			media, params, err := mime.ParseMediaType(part)
			if err != nil || media != "text/html" && media != "application/xhtml+xml" {
				continue
			}
			if q, err := strconv.ParseFloat(params["q"], 64); err != nil || q > 0 {
				return true
			}
		}
	}
	return false
}
