package assets_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/origin"
	"pagefree/internal/web/console/assets"
)

func get(t *testing.T, at origin.Origin, method, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	api := httpapi.New()
	assets.Routes(api, at)
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	api.Handler().ServeHTTP(rec, r)
	return rec
}

// own are the files of the folder that have hashed names, as pages name them.
func own(t *testing.T) []string {
	t.Helper()
	var names []string
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case strings.HasSuffix(name, ".go"), name == "sw.js", name == "manifest.webmanifest", e.IsDir():
		default:
			names = append(names, name)
		}
	}
	return names
}

// TestRoot: the address without a path leads to the console, and nothing else below it does.
func TestRoot(t *testing.T) {
	at, err := origin.Parse("https://api.pagefree.test/prod")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/": "/prod/console", "/x": "", "/console/assets/": ""} {
		rec := get(t, at, http.MethodGet, path, "Accept", "text/html")
		if got := rec.Header().Get("Location"); got != want || (rec.Code == http.StatusSeeOther) != (want != "") {
			t.Errorf("%s: got %d to %q, want %q", path, rec.Code, got, want)
		}
		if rec := get(t, at, http.MethodGet, path); rec.Code != http.StatusNotFound {
			t.Errorf("%s: a program gets %d", path, rec.Code)
		}
	}
}

var hashed = regexp.MustCompile(`^/console/assets/[a-z0-9-]+\.[0-9a-f]{12}\.(css|js|svg|png)$`)

// TestFiles: each file has a name that holds its hash, its media type, and may be kept for ever by everybody.
func TestFiles(t *testing.T) {
	for _, name := range own(t) {
		path := assets.Path(name)
		if !hashed.MatchString(path) {
			t.Errorf("%s is at %q", name, path)
			continue
		}
		rec := get(t, origin.Origin{}, http.MethodGet, path)
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if rec.Code != 200 || rec.Body.String() != string(want) {
			t.Errorf("%s: got %d and %d bytes", path, rec.Code, rec.Body.Len())
		}
		media := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png"}[filepath.Ext(name)]
		for header, want := range map[string]string{
			"Content-Type": media, "Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin", "Set-Cookie": "",
		} {
			if got := rec.Header().Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", path, header, got, want)
			}
		}
		if head := get(t, origin.Origin{}, http.MethodHead, path); head.Code != 200 || head.Body.Len() != 0 {
			t.Errorf("HEAD %s: got %d and %d bytes", path, head.Code, head.Body.Len())
		}
	}
	if assets.Path("console.css") == assets.Path("console.js") {
		t.Error("two files have one name")
	}
}

func TestUnknown(t *testing.T) {
	for _, path := range []string{
		"/console/assets/console.css", "/console/assets/console.000000000000.css", "/console/assets/", "/console/assets/..%2fassets.go", "/console/assets/assets.go",
		"/console/assets/sw.js", "/console/sw.js/x", strings.ToUpper(assets.Path("console.css")),
	} {
		if rec := get(t, origin.Origin{}, http.MethodGet, path); rec.Code != 404 || strings.Contains(rec.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: got %d, %s", path, rec.Code, rec.Header().Get("Cache-Control"))
		}
	}
	for _, path := range []string{assets.Path("console.css"), "/console/sw.js", "/console/manifest.webmanifest"} {
		if rec := get(t, origin.Origin{}, http.MethodPost, path); rec.Code != 405 {
			t.Errorf("POST %s: got %d", path, rec.Code)
		}
	}
}

// TestNamed: every asset that a template names exists; an unknown one would be an address that leads nowhere.
func TestNamed(t *testing.T) {
	asset := regexp.MustCompile(`asset "([^"]+)"`)
	found := 0
	err := filepath.WalkDir("..", func(path string, e os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".html" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range asset.FindAllStringSubmatch(string(text), -1) {
			found++
			if assets.Path(m[1]) == "" {
				t.Errorf("%s names %s, which is not there", path, m[1])
			}
		}
		return nil
	})
	if err != nil || found == 0 {
		t.Fatalf("found %d: %v", found, err)
	}
}

// TestWorker: the service worker is asked for anew each time, and knows all that a page needs by the names that it has now.
func TestWorker(t *testing.T) {
	at, err := origin.Parse("https://pagefree.test/prod")
	if err != nil {
		t.Fatal(err)
	}
	for prefix, at := range map[string]origin.Origin{"": {}, "/prod": at} {
		rec := get(t, at, http.MethodGet, "/console/sw.js")
		text := rec.Body.String()
		if rec.Code != 200 || rec.Header().Get("Cache-Control") != "no-cache" || rec.Header().Get("Content-Type") != "text/javascript; charset=utf-8" {
			t.Errorf("got %d %v", rec.Code, rec.Header())
		}
		list := regexp.MustCompile(`const SHELL = (\[.*?\]);`).FindStringSubmatch(text)
		var shell []string
		if list == nil || json.Unmarshal([]byte(list[1]), &shell) != nil || len(shell) == 0 {
			t.Fatalf("the shell is %v", list)
		}
		for _, path := range shell {
			inside, ours := strings.CutPrefix(path, prefix)
			if rec := get(t, at, http.MethodGet, inside); !ours || rec.Code != 200 {
				t.Errorf("the shell names %s, which answers %d", path, rec.Code)
			}
		}
		for _, needed := range []string{"console.css", "console.js", "htmx.js"} {
			if !strings.Contains(text, prefix+assets.Path(needed)) {
				t.Errorf("the shell lacks %s", needed)
			}
		}
		if !regexp.MustCompile(`const VERSION = "[0-9a-f]{12}";`).MatchString(text) || !strings.Contains(text, `const BASE = "`+prefix+`";`) {
			t.Errorf("no version, or another base than %q: %.300s", prefix, text)
		}
	}
}

// TestManifest: the manifest is one, and all that it names is there.
func TestManifest(t *testing.T) {
	at, err := origin.Parse("https://pagefree.test/prod")
	if err != nil {
		t.Fatal(err)
	}
	rec := get(t, at, http.MethodGet, "/console/manifest.webmanifest")
	var manifest map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &manifest); err != nil || rec.Header().Get("Content-Type") != "application/manifest+json" || rec.Header().Get("Cache-Control") != "no-cache" {
		t.Fatalf("got %v %v", err, rec.Header())
	}
	if text := rec.Body.String(); strings.Contains(text, `"asset:`) || strings.Contains(text, `"path:`) {
		t.Errorf("an address was not filled in: %s", text)
	}
	icons, _ := manifest["icons"].([]any)
	for _, icon := range icons {
		src, _ := icon.(map[string]any)["src"].(string)
		inside, ours := strings.CutPrefix(src, "/prod")
		if got := get(t, at, http.MethodGet, inside); !ours || got.Code != 200 || !strings.HasPrefix(got.Header().Get("Content-Type"), "image/") {
			t.Errorf("the icon %s answers %d", src, got.Code)
		}
	}
}
