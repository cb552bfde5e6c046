package statuspage

import (
	"testing"
	"time"

	"pagefree/infra/local/acme"
	"pagefree/internal/platform/principal"
)

// BenchmarkPage is the rendering of a page whose texts were rendered before.
func BenchmarkPage(b *testing.B) {
	now := time.Date(2026, 5, 20, 9, 41, 0, 0, time.UTC)
	s := acme.Snapshot(now)
	for b.Loop() {
		if _, err := statusPage(place{root: "../"}, principal.Principal{}, s.For(acme.Acme(), now)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkJSON is the same page as JSON.
func BenchmarkJSON(b *testing.B) {
	now := time.Date(2026, 5, 20, 9, 41, 0, 0, time.UTC)
	s := acme.Snapshot(now)
	for b.Loop() {
		if _, err := jsonOf(viewJSON(s.For(acme.Acme(), now))); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFirstText is what the first text costs, parser and policy made anew.
func BenchmarkFirstText(b *testing.B) {
	for b.Loop() {
		m := renderer{made: newMarkdown}
		m.render("A **text**.")
	}
}
