//go:build lighthouse

package statuspage_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"pagefree/infra/local/acme"
)

// TestLighthouse asks for what the page promises: 100 for accessibility and best practices, 95 or more for performance.
func TestLighthouse(t *testing.T) {
	w := newWorld(t, "")
	s := w.serve(bySession(acme.AccessAcme))
	for _, preset := range []string{"mobile", "desktop"} {
		t.Run(preset, func(t *testing.T) {
			to := filepath.Join(t.TempDir(), "report.json")
			arguments := []string{"--no-install", "lighthouse", s.URL + here, "--quiet", "--output=json", "--output-path=" + to,
				"--only-categories=performance,accessibility,best-practices", "--chrome-flags=--headless=new --no-sandbox --disable-dev-shm-usage --disable-gpu"}
			if preset == "desktop" {
				arguments = append(arguments, "--preset=desktop")
			}
			cmd := exec.CommandContext(t.Context(), "npx", arguments...)
			cmd.Dir = filepath.Join(root, "infra/lighthouse")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			raw, err := os.ReadFile(to)
			if err != nil {
				t.Fatal(err)
			}
			var report struct {
				Categories map[string]struct {
					Score     float64
					AuditRefs []struct{ ID string }
				}
				Audits map[string]struct {
					Title        string
					Score        *float64
					DisplayValue string
				}
			}
			if err := json.Unmarshal(raw, &report); err != nil {
				t.Fatal(err)
			}
			for category, least := range map[string]float64{"accessibility": 1, "best-practices": 1, "performance": 0.95} {
				got := report.Categories[category]
				t.Logf("%s: %.0f", category, got.Score*100)
				if got.Score >= least {
					continue
				}
				t.Errorf("%s: got %.0f, want %.0f or more", category, got.Score*100, least*100)
				for _, ref := range got.AuditRefs {
					if a := report.Audits[ref.ID]; a.Score != nil && *a.Score < 1 {
						t.Logf("  %s: %s %s", ref.ID, a.Title, a.DisplayValue)
					}
				}
			}
		})
	}
}
