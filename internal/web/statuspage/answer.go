package statuspage

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

// browser reports whether the caller names text/html among what it accepts.
func browser(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			media, params, err := mime.ParseMediaType(part)
			if err != nil || media != "text/html" {
				continue
			}
			if q, err := strconv.ParseFloat(params["q"], 64); err != nil || q > 0 {
				return true
			}
		}
	}
	return false
}

// jsonOf renders a body as JSON.
func jsonOf(v any) (answer, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return answer{media: "application/json", body: b.Bytes()}, err
}

// place is where a page stands, seen from the request: links in it are relative
// and so hold under any stage, and behind any distribution.
type place struct {
	root string // "../" for each folder that the request's path is below the root; "./" at it
	path string // of the request
}

func placeOf(r *http.Request) place {
	up := strings.Repeat("../", strings.Count(r.URL.EscapedPath(), "/")-1)
	if up == "" {
		up = "./"
	}
	return place{root: up, path: r.URL.Path}
}

// to is the link to a path of ours, which begins with a slash.
func (p place) to(ours string) string { return p.root + ours[1:] }

// redirect leads to a path of ours: as people see it from outside where that is
// known, else relative to the request.
func (p *Pages) redirect(w http.ResponseWriter, r *http.Request, ours string) {
	where := placeOf(r).to(ours)
	if p.Origin.Known() {
		where = p.Origin.Path(ours)
	}
	w.Header().Set("Location", where)
	w.WriteHeader(http.StatusSeeOther)
}

// withoutSecrets is the path and query of an address, without what opens it.
func withoutSecrets(u *url.URL) string {
	q := u.Query()
	q.Del("token")
	q.Del("feed")
	path := (&url.URL{Path: u.Path}).EscapedPath()
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return path
}

// refuse renders a refusal: for a program as a problem, for a browser as a
// page, and nobody in a browser is led to the sign-in.
func (p *Pages) refuse(w http.ResponseWriter, r *http.Request, err error) error {
	if err == nil || !browser(r) {
		return err
	}
	httpapi.Refused(r.Context(), err)
	b := problem.Render(r.Context(), err, principal.OriginOf(r.Context()).RequestID)
	if b.Status == http.StatusUnauthorized {
		p.redirect(w, r, "/signin?next="+url.QueryEscape(withoutSecrets(r.URL)))
		return nil
	}
	for name, values := range b.GetHeaders() {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	who, _ := principal.PartnerOf(r.Context())
	a, err := document("refusal", refusalOf(frameOf(placeOf(r), who), b))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", a.media)
	w.WriteHeader(b.Status)
	_, err = w.Write(a.body)
	return err
}
