package edge

import (
	"bytes"
	"compress/gzip"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// CloudFront compresses bodies of this size, in bytes.
const minCompress, maxCompress = 1000, 10_000_000

// compressible are the types that CloudFront compresses, of those that we send; text/* besides.
var compressible = []string{
	"application/javascript", "application/json", "application/manifest+json", "application/xhtml+xml", "application/xml",
	"application/rss+xml", "image/svg+xml",
}

// compress does so for a viewer who takes it. CloudFront prefers Brotli; here is gzip alone.
func compress(a *answer, r *http.Request) {
	if !fits(a) || r.Method == http.MethodHead {
		return
	}
	a.header.Add("Vary", "Accept-Encoding")
	if !accepts(r, "gzip") {
		return
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(a.body.Bytes()) // into memory
	_ = z.Close()
	a.body = out
	a.header.Set("Content-Encoding", "gzip")
	a.header.Del("Content-Length")
	if tag := a.header.Get("Etag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		a.header.Set("Etag", "W/"+tag)
	}
}

// fits says whether CloudFront would compress this answer for somebody.
func fits(a *answer) bool {
	mediaType, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	size := a.body.Len()
	return size >= minCompress && size <= maxCompress && a.header.Get("Content-Encoding") == "" &&
		(a.status == http.StatusOK || a.status == http.StatusForbidden || a.status == http.StatusNotFound) &&
		(strings.HasPrefix(mediaType, "text/") || slices.Contains(compressible, mediaType))
}

// encodings is Accept-Encoding in the one form that CloudFront makes of it, for keys and for the origin.
func encodings(r *http.Request) string {
	var out []string
	for _, name := range []string{"br", "gzip"} {
		if accepts(r, name) {
			out = append(out, name)
		}
	}
	return strings.Join(out, ",")
}

// accepts reads Accept-Encoding; q=0 refuses.
func accepts(r *http.Request, encoding string) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, parameters, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name != encoding && name != "*" {
			continue
		}
		q, found := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !found || err != nil || weight > 0
	}
	return false
}
