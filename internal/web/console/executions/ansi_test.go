package executions

import (
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestColour(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want []span
	}{
		"nothing":                     {"", nil},
		"plain lines":                 {"one\n\ttwo\n", []span{{Text: "one\n\ttwo\n"}}},
		"a colour and its end":        {"\x1b[31mred\x1b[0m plain", []span{{Class: "c-red", Text: "red"}, {Text: " plain"}}},
		"an empty one is a reset":     {"\x1b[1mb\x1b[mp", []span{{Class: "c-bold", Text: "b"}, {Text: "p"}}},
		"several in one":              {"\x1b[1;4;32mx", []span{{Class: "c-green c-bold c-under", Text: "x"}}},
		"a reset among others":        {"\x1b[1;0;3mx", []span{{Class: "c-italic", Text: "x"}}},
		"an empty one among others":   {"\x1b[31;;1mx", []span{{Class: "c-bold", Text: "x"}}},
		"bright, and a background":    {"\x1b[97;41mx", []span{{Class: "c-white c-bright b-red", Text: "x"}}},
		"each ends by itself":         {"\x1b[1;2;3;4;7;9;33;44mx\x1b[22;23;24;27;29;39;49my", []span{{Class: "c-blue b-yellow c-bold c-dim c-italic c-under c-cut", Text: "x"}, {Text: "y"}}},
		"inverse":                     {"\x1b[7mx", []span{{Class: "c-inverse", Text: "x"}}},
		"of 256":                      {"\x1b[38;5;9mx\x1b[38;5;46my\x1b[48;5;232mz", []span{{Class: "c-red c-bright", Text: "x"}, {Class: "c-green", Text: "y"}, {Class: "c-green b-black", Text: "z"}}},
		"of all":                      {"\x1b[38;2;250;240;10;1mx", []span{{Class: "c-yellow c-bold", Text: "x"}}},
		"with colons":                 {"\x1b[38:2::10:10:250mx\x1b[4:3my\x1b[4:0mz", []span{{Class: "c-blue", Text: "x"}, {Class: "c-blue c-under", Text: "y"}, {Class: "c-blue", Text: "z"}}},
		"a colour that breaks off":    {"\x1b[38;5mx\x1b[38mx", []span{{Text: "xx"}}},
		"unknown numbers":             {"\x1b[31;777;99999999999999999999mx", []span{{Class: "c-red", Text: "x"}}},
		"private is no SGR":           {"\x1b[?31mx\x1b[>1my", []span{{Text: "xy"}}},
		"another function":            {"\x1b[1 mx\x1b[2Jy\x1b[10;20Hz", []span{{Text: "xyz"}}},
		"as one character":            {"\u009b32mx", []span{{Class: "c-green", Text: "x"}}},
		"what does not belong":        {"\x1b[31<script>", []span{{Text: "cript>"}}}, // < is a parameter byte and s ends a sequence
		"it breaks at a line":         {"\x1b[31\nx", []span{{Text: "\nx"}}},
		"a title":                     {"\x1b]0;owned\ax", []span{{Text: "x"}}},
		"a link":                      {"\x1b]8;;javascript:alert(1)\x1b\\here\x1b]8;;\x1b\\", []span{{Text: "here"}}},
		"a string without an end":     {"\x1b]0;hidden\nshown", []span{{Text: "\nshown"}}},
		"a string that another ends":  {"\x1bPq#0\x1b[31mx", []span{{Class: "c-red", Text: "x"}}},
		"a character set":             {"\x1b(Bx\x1b=y\x1bcz", []span{{Text: "xyz"}}},
		"an escape at the end":        {"x\x1b", []span{{Text: "x"}}},
		"a sequence at the end":       {"x\x1b[31", []span{{Text: "x"}}},
		"a carriage return":           {"10%\r20%\r\ndone", []span{{Text: "10%\n20%\ndone"}}},
		"controls":                    {"a\x00b\x08c\x07d\x7fe", []span{{Text: "abcde"}}},
		"what reorders":               {"a\u202eb\u2066c", []span{{Text: "a\ufffdb\ufffdc"}}},
		"what is no UTF-8":            {"a\xff\xfeb", []span{{Text: "a\ufffd\ufffdb"}}},
		"markup is text":              {"<script>alert(1)</script>", []span{{Text: "<script>alert(1)</script>"}}},
		"a look that does not change": {"\x1b[31ma\x1b[31mb", []span{{Class: "c-red", Text: "ab"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := colour(tt.text); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text, what string
		want       []span
		hits       int
	}{
		"nothing to find":   {"abc", "", []span{{Text: "abc"}}, 0},
		"no hit":            {"abc", "x", []span{{Text: "abc"}}, 0},
		"in any case":       {"an Error here", "eRROR", []span{{Text: "an "}, {Text: "Error", Hit: true}, {Text: " here"}}, 1},
		"at both ends":      {"aXa", "a", []span{{Text: "a", Hit: true}, {Text: "X"}, {Text: "a", Hit: true}}, 2},
		"side by side":      {"aaaa", "aa", []span{{Text: "aa", Hit: true}, {Text: "aa", Hit: true}}, 2},
		"across looks":      {"x\x1b[31mer\x1b[32mror", "error", []span{{Text: "x"}, {Class: "c-red", Text: "er", Hit: true}, {Class: "c-green", Text: "ror", Hit: true}}, 1},
		"not a pattern":     {"a.b", ".", []span{{Text: "a"}, {Text: ".", Hit: true}, {Text: "b"}}, 1},
		"longer than it is": {"ab", "abc", []span{{Text: "ab"}}, 0},
		"letters of many":   {"ÄRGER İ", "ärger", []span{{Text: "ÄRGER", Hit: true}, {Text: " İ"}}, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, hits := find(colour(tt.text), tt.what)
			if !reflect.DeepEqual(got, tt.want) || hits != tt.hits {
				t.Errorf("got %d %+v, want %d %+v", hits, got, tt.hits, tt.want)
			}
		})
	}
}

// FuzzColour holds what must be of any output: no control but line feeds and tabs, valid UTF-8, classes of ours alone, no
// more text than there was, and marks that change none of it.
func FuzzColour(f *testing.F) {
	for _, seed := range []string{"\x1b[31mred\x1b[0m", "\x1b]8;;x\x1b\\y", "\x1b[38;5;1mx", "\u009b1m\u009dx\u009c", "\x1b[38:2::1:2:3m<b>", "\x1bP\x1b[", "a\rb\r\nc", "\xff\x1b["} {
		f.Add(seed, "e")
	}
	known := map[string]bool{"c-bright": true, "c-inverse": true, "c-bold": true, "c-dim": true, "c-italic": true, "c-under": true, "c-cut": true}
	for _, c := range colours {
		known["c-"+c], known["b-"+c] = true, true
	}
	f.Fuzz(func(t *testing.T, text, what string) {
		spans := colour(text)
		shown := plain(spans)
		if !utf8.ValidString(shown) {
			t.Errorf("%q is shown as %q, which is no UTF-8", text, shown)
		}
		if i := strings.IndexFunc(shown, func(r rune) bool {
			return r != '\n' && r != '\t' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
		}); i >= 0 {
			t.Errorf("%q is shown with a control at %d: %q", text, i, shown)
		}
		if utf8.RuneCountInString(shown) > utf8.RuneCountInString(text) {
			t.Errorf("%q became longer: %q", text, shown)
		}
		for _, s := range spans {
			for _, class := range strings.Fields(s.Class) {
				if !known[class] {
					t.Errorf("%q has the class %q", text, class)
				}
			}
			if s.Text == "" {
				t.Errorf("%q has a span of nothing", text)
			}
		}
		marked, hits := find(spans, what)
		if got := plain(marked); got != shown {
			t.Errorf("searching %q in %q changed it to %q", what, shown, got)
		}
		if (what == "") != (hits == 0) && (what == "" || strings.Contains(shown, what)) {
			t.Errorf("%q was found %d times in %q", what, hits, shown)
		}
	})
}
