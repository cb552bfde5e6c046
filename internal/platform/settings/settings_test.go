package settings_test

import (
	"strings"
	"testing"
	"time"

	"pagefree/internal/platform/settings"
)

func TestSettings(t *testing.T) {
	env := map[string]string{"TABLE": "t", "DAYS": "30", "ZERO": "0", "WORD": "many"}
	from := func() *settings.Settings { return settings.From(func(name string) string { return env[name] }) }

	good := from()
	if got := good.Text("TABLE"); got != "t" {
		t.Errorf("Text: got %q", got)
	}
	if got := good.Optional("MISSING"); got != "" {
		t.Errorf("Optional: got %q", got)
	}
	if got := good.Duration("DAYS", 24*time.Hour); got != 720*time.Hour {
		t.Errorf("Duration: got %v", got)
	}
	if err := good.Err(); err != nil {
		t.Errorf("got %v, want nothing wrong", err)
	}

	bad := from()
	bad.Text("MISSING")
	bad.Number("ZERO")
	bad.Number("WORD")
	bad.Duration("NONE", time.Hour)
	err := bad.Err()
	if err == nil {
		t.Fatal("nothing was said of what is missing")
	}
	for _, name := range []string{"MISSING", "ZERO", "WORD", "NONE"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}
