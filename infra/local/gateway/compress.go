package gateway

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// unpacked is a body as functions get it: API Gateway unpacks gzip and deflate before anything else looks at it, whatever
// MinimumCompressionSize says, and leaves Content-Encoding as it was. A body that is not what the header says is left alone.
// Sources: docs.aws.amazon.com/apigateway, "Payload compression for REST APIs" and "Call an API method with a compressed
// payload"; of the header github.com/dougmoscrop/serverless-http/issues/194.
func unpacked(h http.Header, body []byte) ([]byte, error) {
	var from io.Reader
	var err error
	switch strings.ToLower(h.Get("Content-Encoding")) {
	case "gzip":
		from, err = gzip.NewReader(bytes.NewReader(body))
	case "deflate":
		from, err = zlib.NewReader(bytes.NewReader(body))
	default:
		return body, nil
	}
	if err != nil {
		return body, nil
	}
	out, err := io.ReadAll(io.LimitReader(from, maxBody+1))
	switch {
	case err != nil:
		return body, nil
	case len(out) > maxBody:
		return nil, tooLarge
	}
	return out, nil
}

// compressor holds an answer back until its size is known, and compresses it as API Gateway does: of any type, from least
// bytes on (never where least is negative), and only if what the caller likes best is gzip or deflate.
type compressor struct {
	to     http.ResponseWriter
	least  int
	coding string
	status int
	body   bytes.Buffer
}

func newCompressor(w http.ResponseWriter, r *http.Request, least int) *compressor {
	c := &compressor{to: w, least: least}
	if r.Method != http.MethodHead {
		c.coding = favourite(r.Header.Get("Accept-Encoding"))
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
	if c.least >= 0 && len(body) >= c.least && h.Get("Content-Encoding") == "" && (c.coding == "gzip" || c.coding == "deflate") {
		body = packed(body, c.coding)
		h.Set("Content-Encoding", c.coding)
	}
	if c.status != http.StatusNoContent && c.status != http.StatusNotModified && c.status >= 200 {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	c.to.WriteHeader(c.status)
	_, _ = c.to.Write(body) // refused for HEAD, 204 and 304, which have none
}

// favourite is the first of the codings with the highest weight.
func favourite(accept string) string {
	best, weight := "", 0.0
	for part := range strings.SplitSeq(accept, ",") {
		name, parameters, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if text, found := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q="); found {
			if parsed, err := strconv.ParseFloat(text, 64); err == nil {
				q = parsed
			}
		}
		if q > weight {
			best, weight = strings.ToLower(name), q
		}
	}
	return best
}

func packed(body []byte, coding string) []byte {
	var out bytes.Buffer
	var z io.WriteCloser = gzip.NewWriter(&out)
	if coding == "deflate" {
		z = zlib.NewWriter(&out)
	}
	_, _ = z.Write(body) // into memory
	_ = z.Close()
	return out.Bytes()
}
