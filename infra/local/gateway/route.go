package gateway

import (
	"crypto/sha256"
	"encoding/base32"
	"net/url"
	"strings"

	"pagefree/infra/local/template"
)

// route is one method of one resource, its path taken apart.
type route struct {
	template.Route
	parts []part
}

// part is one segment of a resource's path.
type part struct {
	kind int
	text string // the literal, or the variable's name
}

// The kinds of a segment, the one that wins first.
const (
	literal  = iota
	variable // {id}
	greedy   // {proxy+}: all that is left, at least one segment
)

func parseRoutes(list []template.Route) []route {
	out := make([]route, 0, len(list))
	for _, r := range list {
		out = append(out, route{Route: r, parts: parsePath(r.Path)})
	}
	return out
}

func parsePath(path string) []part {
	var parts []part
	for _, s := range segments(path) {
		switch {
		case strings.HasPrefix(s, "{") && strings.HasSuffix(s, "+}"):
			parts = append(parts, part{greedy, s[1 : len(s)-2]})
		case strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}"):
			parts = append(parts, part{variable, s[1 : len(s)-1]})
		default:
			parts = append(parts, part{literal, s})
		}
	}
	return parts
}

// segments splits a path; a slash at its end says nothing to API Gateway.
func segments(path string) []string {
	path = strings.TrimRight(strings.TrimPrefix(path, "/"), "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// match finds the resource for an escaped path, the most specific one, and in it the method, its own or ANY. A
// resource that lacks the method does not let a less specific one answer.
func match(routes []route, path, method string) (*route, map[string]string) {
	segs := segments(path)
	var best *route
	for i := range routes {
		r := &routes[i]
		if !fits(r.parts, segs) {
			continue
		}
		switch {
		case best == nil || closer(r.parts, best.parts):
			best = r
		case r.Path == best.Path && (r.Method == method || r.Method == "ANY" && best.Method != method):
			best = r
		}
	}
	if best == nil || best.Method != "ANY" && best.Method != method {
		return nil, nil
	}
	return best, variables(best.parts, segs)
}

func fits(parts []part, segs []string) bool {
	for i, p := range parts {
		switch {
		case i >= len(segs):
			return false
		case p.kind == greedy:
			return true
		case p.kind == literal && p.text != segs[i], segs[i] == "":
			return false
		}
	}
	return len(parts) == len(segs)
}

// closer says whether a is the more specific of two that fit the same path.
func closer(a, b []part) bool {
	for i := range min(len(a), len(b)) {
		if a[i].kind != b[i].kind {
			return a[i].kind < b[i].kind
		}
	}
	return len(a) > len(b)
}

func variables(parts []part, segs []string) map[string]string {
	out := map[string]string{}
	for i, p := range parts {
		value := segs[i]
		switch p.kind {
		case literal:
			continue
		case greedy:
			value = strings.Join(segs[i:], "/")
		}
		if decoded, err := url.PathUnescape(value); err == nil {
			value = decoded
		}
		out[p.text] = value
	}
	return out
}

// resourceID is six characters, as API Gateway's are.
func resourceID(path string) string {
	sum := sha256.Sum256([]byte(path))
	return strings.ToLower(base32.HexEncoding.EncodeToString(sum[:]))[:6]
}
