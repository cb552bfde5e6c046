package edge

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"pagefree/infra/local/template"
)

// cache holds answers by their key.
type cache struct {
	mu   sync.Mutex
	kept map[string]*answer
}

func (c *cache) get(key string, now time.Time) *answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.kept[key]
	if a == nil || !now.Before(a.until) {
		delete(c.kept, key)
		return nil
	}
	return a
}

func (c *cache) put(key string, a *answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept[key] = a
}

// keyOf is the path, and what compression it may have: no query, header or cookie is part of the key of the policies that
// are known here, of CachingDisabled neither, which keeps errors all the same.
func keyOf(r *http.Request, b template.Behavior) string {
	key := r.URL.EscapedPath()
	if b.Cache.Encodings {
		key += " " + encodings(r)
	}
	return key
}

// again is a kept answer as this viewer gets it. It is also what comes of a fresh one.
func (a *answer) again(r *http.Request, now time.Time) *answer {
	out := &answer{status: a.status, header: a.header.Clone(), from: a.from}
	if !a.since.Equal(now) && !a.since.IsZero() {
		out.header.Set("Age", strconv.Itoa(int(now.Sub(a.since).Seconds())))
		if out.from == missed {
			out.from = hit
		}
	}
	if tag := a.header.Get("Etag"); tag != "" && a.status == http.StatusOK && !a.since.IsZero() && known(r.Header.Get("If-None-Match"), tag) {
		out.status = http.StatusNotModified
		out.header.Del("Content-Length")
		return out
	}
	if r.Method != http.MethodHead {
		out.body = *bytes.NewBuffer(slices.Clone(a.body.Bytes()))
	}
	return out
}

// known compares tags weakly, as If-None-Match does.
func known(list, tag string) bool {
	for candidate := range strings.SplitSeq(list, ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == "*" || candidate == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

// The errors that CloudFront keeps, whatever their headers say, and those that it keeps when the origin says for how long.
var (
	keptErrors   = []int{404, 414, 500, 501, 502, 503, 504}
	keptIfSaidSo = []int{400, 403, 405, 412, 415}
)

// errorLife is for how long it keeps one that the distribution has no setting for.
const errorLife = 10 * time.Second

// life is how long an answer to GET is kept.
func (e *Edge) life(a *answer, b template.Behavior) time.Duration {
	said, present, never := lifeSaid(a.header)
	if a.status >= http.StatusBadRequest {
		least, set := e.d.ErrorTTL[a.status]
		if !set {
			least = errorLife
		}
		switch {
		case slices.Contains(keptErrors, a.status):
			return max(least, said)
		case slices.Contains(keptIfSaidSo, a.status) && said > 0:
			return max(least, said)
		}
		return 0
	}
	c := b.Cache
	switch {
	case c.Max == 0 || a.status == http.StatusNotModified:
		return 0
	case never:
		return c.Min
	case present:
		return min(max(said, c.Min), c.Max)
	}
	return max(c.Default, c.Min)
}

// lifeSaid reads Cache-Control: how long it says, whether it says so, and whether it forbids.
func lifeSaid(h http.Header) (said time.Duration, present, never bool) {
	shared := false
	for directive := range strings.SplitSeq(strings.ToLower(strings.Join(h.Values("Cache-Control"), ",")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch name {
		case "no-store", "no-cache", "private":
			never = true
		case "max-age", "s-maxage":
			n, err := strconv.Atoi(strings.Trim(value, `"`))
			if err != nil || shared && name == "max-age" {
				continue
			}
			said, present, shared = time.Duration(n)*time.Second, true, name == "s-maxage"
		}
	}
	if never {
		said = 0
	}
	return said, present, never
}
