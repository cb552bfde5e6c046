// Package assets is what the console's pages are made of beside their HTML:
// style, scripts and pictures under names that hold the hash of their bytes, so
// that they may be kept for ever, and the two files of a web app whose names
// are fixed. They are the same for everybody and open to everybody.
package assets

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/problem"
)

//go:embed *.css *.js *.svg *.png *.webmanifest
var files embed.FS

const below = "/console/assets/"

var media = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png",
	".webmanifest": "application/manifest+json",
}

// fixed are the files that have one name for ever, as browsers ask for them by it.
var fixed = []string{"sw.js", "manifest.webmanifest"}

// named leads from each file's hashed name to its own.
var named = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // they are embedded
	}
	for _, e := range entries {
		if !slices.Contains(fixed, e.Name()) {
			all[hashed(e.Name())] = e.Name()
		}
	}
	return all
})

func read(name string) []byte {
	body, err := files.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	return body
}

func hashed(name string) string {
	sum := sha256.Sum256(read(name))
	ext := path.Ext(name)
	return strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
}

// paths leads from each file's name to where it is found.
var paths = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for hashed, name := range named() {
		all[name] = below + hashed
	}
	return all
})

// Path is where a file is found, by its own name, such as "console.css".
func Path(name string) string { return paths()[name] }

// Routes adds the files to api, and the address without a path, which somebody
// types who remembers nothing else: a browser is led to the console, and to
// programs there is nothing. at is where people reach PageFree.
func Routes(api *httpapi.API, at origin.Origin) {
	api.Handle("GET /{$}", func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Vary", "Accept")
		if !strings.Contains(r.Header.Get("Accept"), "text/html") {
			return problem.Missing()
		}
		w.Header().Set("Location", at.Path("/console"))
		w.WriteHeader(http.StatusSeeOther)
		return nil
	})
	api.Handle("GET "+below+"{name}", func(w http.ResponseWriter, r *http.Request) error {
		name, found := named()[r.PathValue("name")]
		if !found {
			return problem.New(http.StatusNotFound, problem.NotFound, "There is no such file.")
		}
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		return serve(w, r, name, read(name))
	})
	api.Handle("GET /console/sw.js", func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Cache-Control", "no-cache")
		return serve(w, r, "sw.js", shell(at))
	})
	api.Handle("GET /console/manifest.webmanifest", func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Cache-Control", "no-cache")
		return serve(w, r, "manifest.webmanifest", addressed(read("manifest.webmanifest"), at))
	})
}

func serve(w http.ResponseWriter, r *http.Request, name string, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", media[path.Ext(name)])
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; script-src 'self'; img-src 'self'") // of the worker, which loads pictures of notifications
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	return nil
}

// addressed replaces "asset:NAME" by the path of a file, and "path:/x" by a path of ours.
func addressed(body []byte, at origin.Origin) []byte {
	text := string(body)
	for name, own := range named() {
		text = strings.ReplaceAll(text, `"asset:`+own+`"`, quoted(at.Path(below+name)))
	}
	return []byte(strings.ReplaceAll(text, `"path:`, `"`+at.Path("")))
}

func quoted(s string) string {
	b, _ := json.Marshal(s) // a string always marshals
	return string(b)
}

// shell is the service worker with the list of what a page needs to be seen
// offline, and a version that changes with any of it.
func shell(at origin.Origin) []byte {
	var list []string
	for name := range named() {
		list = append(list, at.Path(below+name))
	}
	slices.Sort(list)
	text, _ := json.Marshal(list) // strings always marshal
	sum := sha256.Sum256(append(text, read("sw.js")...))
	body := bytes.Replace(read("sw.js"), []byte(`const SHELL = [];`), []byte("const SHELL = "+string(text)+";"), 1)
	body = bytes.Replace(body, []byte(`const VERSION = "";`), []byte(`const VERSION = "`+hex.EncodeToString(sum[:6])+`";`), 1)
	return bytes.Replace(body, []byte(`const BASE = "";`), []byte("const BASE = "+quoted(at.Path(""))+";"), 1)
}
