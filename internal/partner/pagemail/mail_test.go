package pagemail

import (
	"strings"
	"testing"
	"time"

	"pagefree/internal/partner"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

func TestCompose(t *testing.T) {
	o, err := origin.Parse("https://pagefree.test/prod")
	if err != nil {
		t.Fatal(err)
	}
	at := timestamp.Of(time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC))
	zone := func(name string) *time.Location {
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	incident := func(title, body string) status.News {
		return status.News{Page: "Acme & <b>Co</b>", Slug: "acme", Zone: zone("Europe/Berlin"), ItemID: "spi_1", Incident: true, Title: title, Status: "Resolved", At: at, Body: body}
	}
	maintenance := status.News{
		Page: "Acme", Slug: "acme", Zone: zone("America/Sao_Paulo"), ItemID: "mnt_1", Title: "Disks", Status: "In progress", Changed: true, At: at, Body: "New.", More: true,
		StartsAt: at, EndsAt: timestamp.Of(at.Add(time.Hour)), Components: []status.ViewTouched{{Name: "Web", Status: status.UnderMaintenance}, {Name: "DB"}},
	}
	tests := map[string]struct {
		news    status.News
		subject string
		text    string // in the text
		html    string // in the HTML
	}{
		"plain":         {incident("Slow", "Well."), "[Acme & <b>Co</b>] Slow: resolved", "Slow\nResolved, 1 Jul 2026, 12:00 CEST\n\nWell.\n\nhttps://pagefree.test/prod/status/acme/incidents/spi_1\n", "Acme &amp; &lt;b&gt;Co&lt;/b&gt;"},
		"a new line":    {incident("Slow\r\nBcc: x@y.test\u2028x", "Well."), "[Acme & <b>Co</b>] Slow  Bcc: x@y.test x: resolved", "Well.", "Bcc: x@y.test"},
		"right to left": {incident("الصفحة بطيئة", "نحن نعمل"), "[Acme & <b>Co</b>] الصفحة بطيئة: resolved", "نحن نعمل", `<h1 dir="auto"`},
		"emoji":         {incident("🔥 Fire", "🚒"), "[Acme & <b>Co</b>] 🔥 Fire: resolved", "🚒", "🔥 Fire"},
		"markup": {incident("<script>alert(1)</script>", "<img src=x onerror=alert(1)> [x](javascript:alert(1))"), "[Acme & <b>Co</b>] <script>alert(1)</script>: resolved",
			"<img src=x", "&lt;img src=x onerror=alert(1)&gt; [x](javascript:alert(1))"},
		"a template": {incident("{{.To}}", "{{.To}}"), "[Acme & <b>Co</b>] {{.To}}: resolved", "{{.To}}", "{{.To}}"},
		"a maintenance": {maintenance, "[Acme] Disks: in progress (changed)",
			"Disks\nIn progress (changed), 1 Jul 2026, 07:00 UTC-03:00\nPlanned for 1 Jul 2026, 07:00 UTC-03:00 to 1 Jul 2026, 08:00 UTC-03:00\n\n- Web\n- DB\n\nNew. ...\n\nThe whole text is on the page.\n\nhttps://pagefree.test/prod/status/acme#mnt_1\n",
			`href="https://pagefree.test/prod/status/acme#mnt_1"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := &Post{From: "pagefree@pagefree.test", Configuration: "set"}
			in, err := p.compose(partner.Letter{News: tt.news, To: "ann@partners.test", Partner: "Globex <Inc>"}, o)
			if err != nil {
				t.Fatal(err)
			}
			m := in.Content.Simple
			if *m.Subject.Data != tt.subject || *in.ConfigurationSetName != "set" || in.Destination.ToAddresses[0] != "ann@partners.test" {
				t.Errorf("subject: got %q, want %q", *m.Subject.Data, tt.subject)
			}
			text, html := *m.Body.Text.Data, *m.Body.Html.Data
			if !strings.Contains(text, tt.text) || !strings.Contains(text, "as somebody of Globex <Inc>.") {
				t.Errorf("text: got\n%s\nwant\n%s", text, tt.text)
			}
			if !strings.Contains(html, tt.html) || strings.Contains(html, "<script") || strings.Contains(html, "<img") || strings.Contains(html, "<b>") {
				t.Errorf("HTML: got\n%s", html)
			}
			for _, h := range m.Headers {
				if strings.ContainsFunc(*h.Value, func(r rune) bool { return r < 32 || r > 126 }) {
					t.Errorf("header %s: %q", *h.Name, *h.Value)
				}
			}
			if strings.Contains(text, "\n\n\n") || !strings.HasSuffix(text, "\n") {
				t.Errorf("the text is ragged: %q", text)
			}
		})
	}
}
