package text

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClip(t *testing.T) {
	tests := map[string]struct {
		raw   string
		more  bool
		limit int
		want  string
		cut   bool
	}{
		"empty":                              {"", false, 4, "", false},
		"short":                              {"abc", false, 4, "abc", false},
		"exactly full":                       {"abcd", false, 4, "abcd", false},
		"exactly full, and more":             {"abcd", true, 4, "abcd", true},
		"one over":                           {"abcde", false, 4, "abcd", true},
		"a character that does not fit":      {"abcé", false, 4, "abc", true},
		"a character that just fits":         {"abé", false, 4, "abé", false},
		"four bytes that do not fit":         {"a😀", false, 4, "a", true},
		"split where the stream goes on":     {"ab\xf0\x9f", true, 8, "ab", true},
		"split where the stream ends":        {"ab\xf0\x9f", false, 8, "ab\uFFFD\uFFFD", false},
		"an invalid byte":                    {"a\xffb", false, 8, "a\uFFFDb", false},
		"invalid bytes fill the limit":       {"\xff\xff\xff", false, 8, "\uFFFD\uFFFD", true},
		"an invalid byte that cannot be put": {"abcdef\xff", false, 8, "abcdef", true},
		"NUL stays":                          {"a\x00b", false, 4, "a\x00b", false},
		"a surrogate is invalid":             {"\xed\xa0\x80", false, 9, "\uFFFD\uFFFD\uFFFD", false},
		"a replacement character stays":      {"\uFFFD", false, 3, "\uFFFD", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, cut := Clip([]byte(test.raw), test.more, test.limit)
			if got != test.want || cut != test.cut {
				t.Fatalf("got %q, %v; want %q, %v", got, cut, test.want, test.cut)
			}
		})
	}
}

func FuzzClip(f *testing.F) {
	f.Add([]byte("héllo\xff\x00😀"), true, 7)
	f.Add([]byte("\xf0\x9f\x98"), false, 3)
	f.Fuzz(func(t *testing.T, raw []byte, more bool, limit int) {
		if limit < 0 || limit > 64<<10 {
			return
		}
		got, cut := Clip(raw, more, limit)
		if !utf8.ValidString(got) {
			t.Fatalf("%q is not UTF-8", got)
		}
		if len(got) > limit {
			t.Fatalf("%d bytes, the limit is %d", len(got), limit)
		}
		whole := strings.ToValidUTF8(perByte(raw), "")
		if !strings.HasPrefix(whole, got) {
			t.Fatalf("%q does not begin %q", got, whole)
		}
		if !cut && got != whole {
			t.Fatalf("%q instead of %q, and not said to be cut", got, whole)
		}
		if more && !cut {
			t.Fatal("the stream went on, and it is not said to be cut")
		}
		// What was kept could not have been longer by one character.
		if rest := whole[len(got):]; rest != "" && !more {
			_, size := utf8.DecodeRuneInString(rest)
			if len(got)+size <= limit {
				t.Fatalf("%d more bytes had fitted", size)
			}
		}
	})
}

// perByte replaces each invalid byte, where strings.ToValidUTF8 joins runs.
func perByte(raw []byte) string { return string([]rune(string(raw))) }
