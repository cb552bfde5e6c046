package integration

import (
	"bytes"
	"context"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"pagefree/internal/incident/hook"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/problem"
)

// admit refuses what is not even looked at: another media type or encoding than
// the provider sends, or more than is taken. No Content-Type counts as JSON.
func admit(p hook.Provider, r hook.Request) error {
	if written := r.Header.Get("Content-Type"); written != "" {
		media, _, err := mime.ParseMediaType(written)
		if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") && !slices.Contains(p.Media, media) {
			return unsupported("This integration takes application/json%s.", also(p.Media))
		}
	}
	switch strings.ToLower(strings.Join(r.Header.Values("Content-Encoding"), ",")) {
	case "", "identity", "gzip", "x-gzip":
	default:
		return unsupported("The body may be compressed by gzip, and by nothing else.")
	}
	if len(r.Body) > hook.MaxBody {
		return problem.New(http.StatusRequestEntityTooLarge, problem.BodyTooLarge, "A delivery has at most 1 MiB, unpacked too.")
	}
	return nil
}

// arrived is a request with the encoding that its body has by now. API Gateway
// unpacks gzip on the way and leaves the header that says so; a body that is
// none, and was none before, is still refused for what it then is. Source:
// docs.aws.amazon.com/apigateway, "Call an API method with a compressed payload";
// that the header stays, github.com/dougmoscrop/serverless-http/issues/194.
func arrived(r hook.Request) hook.Request {
	if r.Header.Get("Content-Encoding") != "" && !bytes.HasPrefix(r.Body, []byte{0x1f, 0x8b}) {
		r.Header = r.Header.Clone()
		r.Header.Del("Content-Encoding")
	}
	return r
}

func also(media []string) string {
	if len(media) == 0 {
		return ""
	}
	return " and " + strings.Join(media, ", ")
}

func unsupported(format string, args ...any) error {
	return problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type", format, args...)
}

// notedPerMinute is how many refusals, and how many duplicates, of an
// integration are put on record in a minute: enough to see what is wrong, and a
// flood fills neither the table nor the list.
const notedPerMinute = 10

// note puts a delivery that led to nothing on record, or passes over it where
// there are many. The answer does not depend on it.
func (d *Door) note(ctx context.Context, i Integration, is Delivery, now time.Time) {
	name := string(is.Outcome)
	if d.full.is(i.ID+name, now) {
		return
	}
	is.HandledAt = &is.At
	err := dynamo.Commit(ctx, d.Store.Table.DB, d.Seen.count(i.ID, name, notedPerMinute, now), d.Store.record(is, waiting{IntegrationID: i.ID}))
	if _, over := dynamo.Failed(err); over {
		d.full.set(i.ID+name, now)
		return
	}
	if err != nil {
		slog.WarnContext(ctx, "delivery not put on record", "integration", i.ID, "outcome", is.Outcome, "code", is.Code, "error", err)
	}
}

// full remembers, in one function's memory, of what enough is on record in this
// minute, so that the rest of a flood costs no write.
type full struct {
	mu     sync.Mutex
	minute time.Time
	names  map[string]bool
}

func (f *full) is(name string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.minute.Equal(now.Truncate(time.Minute)) && f.names[name]
}

func (f *full) set(name string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if minute := now.Truncate(time.Minute); !f.minute.Equal(minute) {
		f.minute, f.names = minute, map[string]bool{}
	}
	f.names[name] = true
}
