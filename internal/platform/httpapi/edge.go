package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"pagefree/internal/platform/problem"
)

// The headers that only the distribution sets. They are believed together or
// not at all, and no handler and no log ever sees them.
const (
	originHeader = "X-Pagefree-Origin" // the secret that the distribution and the functions share
	viewerHeader = "X-Pagefree-Viewer" // the address of whoever asked the distribution
)

// minSecret is the shortest origin secret, in bytes; the template makes one of 48.
const minSecret = 32

// Edge knows requests that came by the distribution, which is where people
// reach pages, from those that were sent to API Gateway's own address. The
// zero value knows none: it believes nobody, and no page is served.
type Edge struct {
	digest [sha256.Size]byte
	set    bool
}

// ParseEdge returns the Edge that shares a secret, of 32 bytes or more, with
// the distribution. Without one nobody could be told from anybody, so an empty
// secret is an error.
func ParseEdge(secret string) (Edge, error) {
	if len(secret) < minSecret {
		return Edge{}, fmt.Errorf("the origin secret has %d bytes, want %d or more", len(secret), minSecret)
	}
	return Edge{digest: sha256.Sum256([]byte(secret)), set: true}, nil
}

// receive takes the edge's headers out of an event, and tells whether the
// distribution sent it, and for whom: "" where that is not known.
func (e Edge) receive(event *events.APIGatewayProxyRequest) (passed bool, viewer string) {
	passed, viewer = e.look(event.MultiValueHeaders)
	event.Headers, event.MultiValueHeaders = without(event.Headers), without(event.MultiValueHeaders)
	return passed, viewer
}

// Address is where a request came from, by its headers and the source that API
// Gateway vouches for: the viewer of the distribution, if it sent it.
func (e Edge) Address(headers map[string][]string, source string) string {
	if _, viewer := e.look(headers); viewer != "" {
		return viewer
	}
	return source
}

func (e Edge) look(headers map[string][]string) (passed bool, viewer string) {
	var secrets, viewers []string
	for name, values := range headers {
		if strings.EqualFold(name, originHeader) {
			secrets = append(secrets, values...)
		}
		if strings.EqualFold(name, viewerHeader) {
			viewers = append(viewers, values...)
		}
	}
	if len(secrets) != 1 || !e.shares(secrets[0]) {
		return false, ""
	}
	if len(viewers) != 1 {
		return true, ""
	}
	address, err := netip.ParseAddr(viewers[0])
	if err != nil || address.Zone() != "" {
		return true, ""
	}
	return true, address.Unmap().String()
}

// shares compares hashes, in the same time whatever the secret is.
func (e Edge) shares(secret string) bool {
	digest := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(digest[:], e.digest[:]) == 1 && e.set
}

// without copies headers, but for the edge's.
func without[T any](headers map[string]T) map[string]T {
	if headers == nil {
		return nil
	}
	out := make(map[string]T, len(headers))
	for name, values := range headers {
		if !strings.EqualFold(name, originHeader) && !strings.EqualFold(name, viewerHeader) {
			out[name] = values
		}
	}
	return out
}

// open tells whether a path, as it was sent, may be asked for at API Gateway
// itself. All others are pages, also those that somebody adds one day.
func open(path string) bool {
	whole := strings.TrimSuffix(path, "/") // API Gateway leads both the same way
	return strings.HasPrefix(path, "/v1/") || whole == "/healthz" || whole == "/openapi.json"
}

// around is the refusal of a page to whoever went around the distribution.
var around = problem.New(http.StatusForbidden, problem.Forbidden, "Pages are not served at this address. Use the public address of PageFree.")
