package target

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// Mask hides what was given in confidence and comes back: what a job wrote, or
// a receiver echoed, is read by everybody who may see the execution.
type Mask struct {
	secrets []string
	longest int
}

// masked is what stands in a secret's place.
const masked = "***"

// shortest is how many bytes a secret has that is worth masking; a shorter one
// would be found in any text.
const shortest = 6

// NewMask hides each of the values, also as it stands in JSON.
func NewMask(values ...string) Mask {
	var m Mask
	for _, secret := range values {
		if len(secret) < shortest {
			continue
		}
		m.secrets = append(m.secrets, secret)
		for _, html := range []bool{true, false} {
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

// Longest is the most bytes that one secret takes: so much more of a text has
// to be read for none to lie across its cut.
func (m Mask) Longest() int { return m.longest }

// Apply masks every secret, and, where the text went on, the beginning of one
// at its end.
func (m Mask) Apply(s string, more bool) string {
	if len(m.secrets) == 0 {
		return s
	}
	pairs := make([]string, 0, 2*len(m.secrets))
	for _, secret := range m.secrets {
		pairs = append(pairs, secret, masked)
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

// Output masks both streams.
func (m Mask) Output(o Output) Output {
	o.Stdout, o.Stderr = m.Apply(o.Stdout, o.StdoutTruncated), m.Apply(o.Stderr, o.StderrTruncated)
	return o
}

// Report masks what a job wrote, and the words of its error.
func (m Mask) Report(r Report) Report {
	r.Output, r.Error = m.Output(r.Output), m.Apply(r.Error, false)
	return r
}
