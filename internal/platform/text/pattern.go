package text

import (
	"regexp"
	"sync"
)

// Pattern is regexp.MustCompile for the first who asks. One that counts
// repetitions up to 40 or 100 takes as long to compile as a whole package to
// start, and every cold start of a function that never asks would pay for it.
func Pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
