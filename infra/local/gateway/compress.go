package gateway

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

// compressor holds an answer back until its size is known, and compresses it as CloudFront does.
type compressor struct {
	to     http.ResponseWriter
	accept string
	status int
	body   bytes.Buffer
}

func newCompressor(w http.ResponseWriter, r *http.Request) *compressor {
	c := &compressor{to: w}
	if r.Method != http.MethodHead {
		c.accept = r.Header.Get("Accept-Encoding")
	}
	return c
}

func (c *compressor) Header() http.Header { return c.to.Header() }

func (c *compressor) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
}

func (c *compressor) Write(p []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	return c.body.Write(p)
}

func (c *compressor) finish() {
	if c.status == 0 {
		return // somebody else answered
	}
	h := c.Header()
	body := c.body.Bytes()
	if c.fits(h, len(body)) {
		h.Add("Vary", "Accept-Encoding")
		if acceptsGzip(c.accept) {
			body = gzipped(body)
			h.Set("Content-Encoding", "gzip")
			if tag := h.Get("Etag"); tag != "" && !strings.HasPrefix(tag, "W/") {
				h.Set("Etag", "W/"+tag)
			}
		}
	}
	if c.status != http.StatusNoContent && c.status != http.StatusNotModified && c.status >= 200 {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	c.to.WriteHeader(c.status)
	_, _ = c.to.Write(body) // refused for HEAD, 204 and 304, which have none
}

// fits says whether CloudFront would compress this answer for somebody.
func (c *compressor) fits(h http.Header, size int) bool {
	mediaType, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return size >= minCompress && size <= maxCompress && h.Get("Content-Encoding") == "" &&
		(c.status == http.StatusOK || c.status == http.StatusForbidden || c.status == http.StatusNotFound) &&
		(strings.HasPrefix(mediaType, "text/") || slices.Contains(compressible, mediaType))
}

// acceptsGzip reads Accept-Encoding; q=0 refuses.
func acceptsGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		name, parameters, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name != "gzip" && name != "*" {
			continue
		}
		q, found := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !found || err != nil || weight > 0
	}
	return false
}

func gzipped(body []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(body) // into memory
	_ = z.Close()
	return out.Bytes()
}
