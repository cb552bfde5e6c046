package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/ratelimit"
)

// Names under which the authorizer hands on what it counted. All are whole
// numbers; API Gateway's own refusals have them as headers too (template.yaml).
const (
	ContextLimit     = "rateLimit"
	ContextRemaining = "rateRemaining"
	ContextReset     = "rateReset" // seconds
	ContextRetry     = "rateRetry" // seconds; there only where the request is refused
)

// ContextOf is what the authorizer hands on of a result.
func ContextOf(r ratelimit.Result) map[string]any {
	if r.Limit == 0 { // nobody counted
		return nil
	}
	h := http.Header{}
	r.Header(h)
	c := map[string]any{
		ContextLimit: h.Get("X-Ratelimit-Limit"), ContextRemaining: h.Get("X-Ratelimit-Remaining"), ContextReset: h.Get("X-Ratelimit-Reset"),
	}
	if !r.Allowed {
		c[ContextRetry] = h.Get("Retry-After")
	}
	return c
}

// counted reads a result out of the authorizer's context.
func counted(given map[string]any) (r ratelimit.Result, ok bool) {
	var n [4]int
	for i, name := range []string{ContextLimit, ContextRemaining, ContextReset, ContextRetry} {
		text, _ := given[name].(string)
		if text == "" && name == ContextRetry {
			continue
		}
		var err error
		if n[i], err = strconv.Atoi(text); err != nil {
			return ratelimit.Result{}, false
		}
	}
	return ratelimit.Result{
		Allowed: n[3] == 0, Limit: n[0], Remaining: n[1], Reset: time.Duration(n[2]) * time.Second, Retry: time.Duration(n[3]) * time.Second,
	}, true
}

// Count is how a function counts requests that no authorizer has counted. An
// error is the answer, a page's too (see RefusalOf).
type Count func(context.Context, *http.Request) (ratelimit.Result, error)

// measure counts a request that the authorizer did not, and returns its context
// with the refusal, if there is one. The result is known or not.
func measure(r *http.Request, given map[string]any, count []Count) (*http.Request, ratelimit.Result, bool) {
	result, known := counted(given)
	var err error
	if !known && len(count) > 0 {
		result, err = count[0](r.Context(), r)
		known = err == nil
	}
	if known && !result.Allowed {
		err = result.Refusal()
	}
	if err == nil {
		return r, result, known
	}
	refusal, ours := errors.AsType[*problem.Error](err)
	if !ours {
		refusal = later(problem.New(http.StatusServiceUnavailable, problem.Unavailable, "This cannot be done now. Try again in a moment."))
		refusal.Cause = err
	}
	return r.WithContext(context.WithValue(r.Context(), refusalKey{}, refusal)), result, known
}

// label says on an answer what was counted, unless a room counted more closely.
func label(answer *events.APIGatewayProxyResponse, r ratelimit.Result) {
	if answer.MultiValueHeaders == nil {
		answer.MultiValueHeaders = http.Header{}
	}
	r.Label(answer.MultiValueHeaders)
}

// BySource counts requests by their address alone.
func BySource(tier ratelimit.Tier) Count {
	return func(ctx context.Context, _ *http.Request) (ratelimit.Result, error) {
		return tier.Admit(ctx, "", principal.OriginOf(ctx).IP), nil
	}
}

type countedKey struct{}

// Counted puts what a room counted of a request on its answer, and is the
// refusal where that was one too many. Only below CountLate it has an effect on
// headers.
func Counted(ctx context.Context, r ratelimit.Result) error {
	if kept, ok := ctx.Value(countedKey{}).(*ratelimit.Result); ok {
		*kept = r
	}
	if r.Allowed {
		return nil
	}
	return r.Refusal()
}

// CountLate is for routes whose callers are known late: what no room counted is
// counted by its address once it is answered, and a refusal that is one too
// many becomes a 429. So nobody who knows no secret takes the place of those who do.
func CountLate(next http.Handler, tier ratelimit.Tier) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var result ratelimit.Result
		rec := &recorder{header: http.Header{}, status: http.StatusOK}
		next.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), countedKey{}, &result)))
		if result.Limit == 0 {
			origin := principal.OriginOf(r.Context())
			result = tier.Admit(r.Context(), "", origin.IP)
			if !result.Allowed && rec.status < http.StatusInternalServerError {
				rec = &recorder{header: http.Header{}}
				unseen(rec.header, origin.RequestID)
				problem.Write(rec, r, result.Refusal(), origin.RequestID)
			}
		}
		for name, values := range rec.header {
			w.Header()[name] = values
		}
		result.Label(w.Header())
		w.WriteHeader(rec.status)
		w.Write(rec.body.Bytes()) // the caller left: nobody to tell
	})
}
