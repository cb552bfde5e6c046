// Package signin is the page that people sign in at. It works without
// JavaScript; reading it changes nothing, so that a mail scanner that opens a
// link does not use it up: only pressing the button does.
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

// Sessions is what the page does for people.
type Sessions interface {
	AskLink(ctx context.Context, email, next string) (ratelimit.Result, error)
	Verify(ctx context.Context, secret, browser string) (identity.Opened, error)
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
	Title string
	State string // of "ask", "press", "sent", "done", "sorry"
	Text  string
	Token string
	Next  string
	Email string
	Wrong string // what is wrong with Email
}

func (p *page) serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "private, no-store")
	var err error
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

// get shows a form or a button. Whatever the token is worth, it is not looked at.
func (p *page) get(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	next := identity.Next(q.Get("next"))
	switch secret := q.Get("token"); {
	case q.Has("done"):
		return render(w, http.StatusOK, view{Title: "You are signed in", State: "done", Text: "You can close this page, or go on to where you were."})
	case secret == "":
		return render(w, http.StatusOK, view{Title: "Sign in", State: "ask", Next: next})
	case !isLink(secret):
		return render(w, http.StatusOK, view{Title: "Sign in", State: "ask", Next: next, Text: "This link is not whole. Copy it from the mail once more, or ask for a new one."})
	default:
		return render(w, http.StatusOK, view{Title: "Sign in", State: "press", Token: secret})
	}
}

func isLink(secret string) bool {
	kind, ok := token.KindOf(secret)
	return ok && kind == token.Link
}

// post uses up a token, or asks for a link.
func (p *page) post(w http.ResponseWriter, r *http.Request) error {
	if err := p.guard.Check(r); err != nil {
		return httpapi.Refusals["cross_origin"]
	}
	if err := readForm(r); err != nil {
		return err
	}
	if r.PostForm.Has("token") {
		opened, err := p.sessions.Verify(r.Context(), r.PostForm.Get("token"), "")
		if err != nil {
			return err
		}
		http.SetCookie(w, opened.Cookie())
		p.redirect(w, opened.Next)
		return nil
	}
	email, next := r.PostForm.Get("email"), identity.Next(r.PostForm.Get("next"))
	left, err := p.sessions.AskLink(r.Context(), email, next)
	if e, ok := errors.AsType[*problem.Error](err); ok && e.Code == problem.ValidationFailed && wantsHTML(r) {
		return render(w, e.Status, view{Title: "Sign in", State: "ask", Next: next, Email: email, Wrong: "This is not a mail address."})
	}
	if err != nil {
		return err
	}
	left.Header(w.Header())
	return render(w, http.StatusOK, view{Title: "Look into your mail", State: "sent", Text: identity.MailSent})
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
	if next == "" {
		next = "/signin?done"
	}
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
	v := view{Title: "This did not work", State: "sorry", Text: b.Detail}
	if b.Code == problem.RateLimited {
		v.Title = "That was too often"
	}
	if b.Status == http.StatusUnauthorized {
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
