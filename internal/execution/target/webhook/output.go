package webhook

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"pagefree/internal/execution/target"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/text"
)

// output is the answer's body, as what a script would have written.
func output(a safehttp.Answer, hide mask) target.Output {
	out, truncated := text.Clip([]byte(hide.apply(string(a.Body), a.More)), a.More, target.MaxOutput)
	return target.Output{Stdout: out, StdoutTruncated: truncated}
}

// mask hides what was sent in confidence and comes back: an echo of the
// request is read by everybody who may see the execution.
type mask struct {
	secrets []string
	longest int
}

const shortest = 6 // bytes of a secret that is worth masking; a shorter one would be found in any text

func masker(j target.Job) mask {
	var m mask
	for _, secret := range append(slices.Collect(maps.Values(j.Secrets)), j.Callback.Token) {
		if len(secret) < shortest {
			continue
		}
		m.secrets = append(m.secrets, secret)
		for _, html := range []bool{true, false} { // and as it stands in JSON
			var b bytes.Buffer
			e := json.NewEncoder(&b)
			e.SetEscapeHTML(html)
			if e.Encode(secret) == nil {
				m.secrets = append(m.secrets, b.String()[1:b.Len()-2]) // without its quotes and the line's end
			}
		}
	}
	// The longest first: of one that begins like another, nothing is to be left.
	slices.SortFunc(m.secrets, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	m.secrets = slices.Compact(m.secrets)
	if len(m.secrets) > 0 {
		m.longest = len(m.secrets[0])
	}
	return m
}

// apply masks every secret, and, where the text went on, the beginning of one
// at its end.
func (m mask) apply(s string, more bool) string {
	pairs := make([]string, 0, 2*len(m.secrets))
	for _, secret := range m.secrets {
		pairs = append(pairs, secret, "***")
	}
	s = strings.NewReplacer(pairs...).Replace(s)
	if !more {
		return s
	}
	cut := 0
	for _, secret := range m.secrets {
		for n := min(len(secret)-1, len(s)); n > cut; n-- {
			if strings.HasSuffix(s, secret[:n]) {
				cut = n
			}
		}
	}
	return s[:len(s)-cut]
}
