package statuspage_test

import (
	"strings"
	"testing"

	"pagefree/infra/local/acme"
	"pagefree/infra/local/roomtest"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/web/statuspage"
)

// TestPreviews shows the page to staff under a bar that says whose view it is, and puts nothing on record.
func TestPreviews(t *testing.T) {
	w := newWorld(t, "")
	tests := map[string]struct {
		path, bar, sees, not string
	}{
		"everything":   {path: "/v1/status-pages/" + acme.PageID + "/preview", bar: "Preview for your team: everything on this page, whoever may see it.", sees: "Webhooks"},
		"as a partner": {path: "/v1/status-pages/" + acme.PageID + "/partners/" + acme.AccessGlobex + "/preview", bar: "Preview as Globex &lt;b&gt;: this is what they see.", sees: "Payouts", not: "Webhooks"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			page := w.get(staff, tt.path, "Accept", html)
			strict(t, page.text)
			if page.StatusCode != 200 || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") || page.Header.Get("X-Frame-Options") != "DENY" ||
				page.Header.Get("Content-Security-Policy") == "" || page.Header.Get("Cache-Control") != "private, no-store" {
				t.Errorf("got %d, %v", page.StatusCode, page.Header)
			}
			if !strings.Contains(page.text, `<aside class="bar" aria-label="Preview">`+tt.bar+`</aside>`) || strings.Contains(page.text, "data-live") || strings.Contains(page.text, "sign-out") {
				t.Errorf("the page has no bar, refreshes, or signs out: %.2000s", page.text)
			}
			data := w.get(staff, tt.path, "Accept", "application/json")
			for _, text := range []string{page.text, data.text} {
				if !strings.Contains(text, tt.sees) || tt.not != "" && strings.Contains(text, tt.not) {
					t.Errorf("shows what it should not, or not what it should: %.2000s", text)
				}
			}
			if data.Header.Get("Content-Type") != "application/json" || data.json(t)["page"] == nil {
				t.Errorf("got %v %.200s", data.Header, data.text)
			}
			if g := w.get(nobody, tt.path); g.StatusCode != 401 {
				t.Errorf("nobody: got %d", g.StatusCode)
			}
			if g := w.get(bySession(acme.AccessAcme), tt.path); g.StatusCode != 401 {
				t.Errorf("a partner: got %d", g.StatusCode)
			}
		})
	}
}

// TestPreviewsAreDescribed holds an answer against the document.
func TestPreviewsAreDescribed(t *testing.T) {
	w := newWorld(t, "")
	api := httpapi.New()
	statuspage.StaffPreview(api, ofStaff{w})
	statuspage.PartnerPreview(api, ofPartner{w})
	described := roomtest.New(t, api)
	described.Call(roomtest.As(t.Context(), staff), t, "GET", "/v1/status-pages/"+acme.PageID+"/preview", nil)
	described.Call(roomtest.As(t.Context(), staff), t, "GET", "/v1/status-pages/"+acme.PageID+"/partners/"+acme.AccessGlobex+"/preview", nil)
}
