package statuspage

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestAccents: whatever colour a team likes, text in it and on it can be read, in light and in dark.
func TestAccents(t *testing.T) {
	colours := regexp.MustCompile(`--(brand|accent|on-accent):#([0-9a-f]{6})`)
	check := func(t rapid.TB, hex string) {
		css := string(accent(hex))
		got := colours.FindAllStringSubmatch(css, -1)
		if len(got) != 5 || got[0][2] != hex || strings.Count(css, "{") != strings.Count(css, "}") {
			t.Fatalf("#%s: got %s", hex, css)
		}
		light, onLight, dark, onDark := parseRGB(got[1][2]), parseRGB(got[2][2]), parseRGB(got[3][2]), parseRGB(got[4][2])
		for name, pair := range map[string][2]rgb{
			"on white": {light, white}, "on paper": {light, lightGround}, "its own text": {light, onLight},
			"on a dark sheet": {dark, darkGround}, "its own text in dark": {dark, onDark},
		} {
			if c := contrast(pair[0], pair[1]); c < 4.5 {
				t.Errorf("#%s, %s: a contrast of %.2f", hex, name, c)
			}
		}
	}
	for _, hex := range []string{"000000", "ffffff", "ff0000", "00ff00", "0000ff", "ffff00", "808080", "767676", "0f766e"} {
		check(t, hex)
	}
	rapid.Check(t, func(t *rapid.T) { check(t, rapid.StringMatching(`[0-9a-f]{6}`).Draw(t, "colour")) })
}

// TestGrounds: the accent is corrected for the grounds that the style sheet has.
func TestGrounds(t *testing.T) {
	css, err := assetFiles.ReadFile("assets/page.css")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(css), "--paper: "+lightGround.String()) || !strings.Contains(string(css), "--sheet: "+darkGround.String()) {
		t.Errorf("the style sheet has other grounds than %s and %s", lightGround, darkGround)
	}
}
