package statuspage

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"

	"pagefree/internal/platform/problem"
)

//go:embed assets
var assetFiles embed.FS

// file is an asset that is the same for every page.
type file struct {
	media string
	body  []byte
}

var media = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png"}

// fixed are the assets by their hashed names: page.<hash>.css.
var fixed = sync.OnceValue(func() map[string]file {
	all := map[string]file{}
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		panic(err) // they are embedded
	}
	for _, e := range entries {
		body, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(body)
		ext := path.Ext(e.Name())
		all[strings.TrimSuffix(e.Name(), ext)+"."+hex.EncodeToString(sum[:6])+ext] = file{media[ext], body}
	}
	return all
})

// names leads from an asset's name to its hashed one.
var names = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for name := range fixed() {
		parts := strings.Split(name, ".")
		all[parts[0]+"."+parts[2]] = name
	}
	return all
})

func hashed(name string) string {
	if h := names()[name]; h != "" {
		return h
	}
	return name
}

var (
	accentName = regexp.MustCompile(`^accent-([0-9a-f]{6})\.css$`)
	logoName   = regexp.MustCompile(`^logo-([0-9a-f]{64})\.png$`)
)

// asset answers what is public: the look of the pages, and nothing that is on
// them. Whatever has a name here never changes, so that it may be kept for ever.
func (p *Pages) asset(w http.ResponseWriter, r *http.Request) error {
	if err := reads(r); err != nil {
		return err
	}
	name := strings.TrimPrefix(r.URL.Path, "/status/assets/")
	f, found := fixed()[name]
	if m := accentName.FindStringSubmatch(name); m != nil {
		f, found = file{media[".css"], accent(m[1])}, true
	}
	if m := logoName.FindStringSubmatch(name); m != nil && p.Pictures != nil {
		png, there, err := p.Pictures.Picture(r.Context(), m[1])
		if err != nil {
			e := problem.New(http.StatusServiceUnavailable, problem.Unavailable, "The picture cannot be read for a moment. Try again.")
			e.Header = http.Header{"Retry-After": {"5"}}
			e.Cause = err
			return e
		}
		f, found = file{media[".png"], png}, there
	}
	if !found {
		return problem.New(http.StatusNotFound, problem.NotFound, "There is no such file.")
	}
	h := w.Header()
	h.Set("Content-Type", f.media)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
	return nil
}

// LogoPath is where a page's picture is read, by its hash.
func LogoPath(hash string) string { return "/status/assets/logo-" + hash + ".png" }
