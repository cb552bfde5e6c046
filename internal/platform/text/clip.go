package text

import (
	"strings"
	"unicode/utf8"
)

// Clip turns the beginning of a stream into at most limit bytes of valid
// UTF-8. Each invalid byte becomes U+FFFD, which counts with its own three
// bytes, and the cut never splits a character. more says that the stream went
// on after raw; the start of a character at the end of raw is then cut off,
// rather than taken for invalid. truncated tells whether anything was left
// out.
//
// limit bytes of raw are always enough to fill limit bytes of text.
func Clip(raw []byte, more bool, limit int) (text string, truncated bool) {
	truncated = more
	var b strings.Builder
	b.Grow(min(len(raw), limit))
	for len(raw) > 0 {
		if more && !utf8.FullRune(raw) {
			break
		}
		r, size := utf8.DecodeRune(raw)
		if b.Len()+utf8.RuneLen(r) > limit {
			return b.String(), true
		}
		b.WriteRune(r) // DecodeRune gives U+FFFD for an invalid byte
		raw = raw[size:]
	}
	return b.String(), truncated
}
