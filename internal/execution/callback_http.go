package execution

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"pagefree/internal/execution/target"
	"pagefree/internal/execution/target/webhook/notice"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
)

type callbackBody struct {
	Status   string  `json:"status" enum:"RUNNING,COMPLETED,FAILED"`
	ExitCode *int    `json:"exitCode,omitempty" minimum:"-2147483648" maximum:"4294967295" doc:"COMPLETED with another one than 0 is FAILED"`
	Stdout   *string `json:"stdout,omitempty" doc:"all of it until now; its first 65,536 bytes are kept"`
	Stderr   *string `json:"stderr,omitempty" doc:"all of it until now; its first 65,536 bytes are kept"`
	Error    string  `json:"error,omitempty" doc:"why it failed; its first 2,000 bytes are kept"`
}

type callbackAnswer struct {
	Ignored bool `json:"ignored" doc:"it came too late, and changed nothing"`
}

// CallbackRoutes adds what receivers of webhooks call.
func CallbackRoutes(api *httpapi.API, c *Callbacks) {
	type input struct {
		ID            string `path:"id"`
		Authorization string `header:"Authorization" doc:"Bearer pfc_..., as it came with the delivery"`
		Body          callbackBody
	}
	op := httpapi.Public("POST /v1/callbacks/{id}", "Report on an execution that a webhook was sent for", http.StatusUnauthorized)
	httpapi.Register(api, op, func(ctx context.Context, in *input) (*struct{ Body callbackAnswer }, error) {
		report, err := in.Body.report(in.ID, bearer(in.Authorization))
		if err != nil {
			return nil, err
		}
		ignored, err := c.Take(ctx, report)
		return &struct{ Body callbackAnswer }{callbackAnswer{Ignored: ignored}}, err
	})

	type rawInput struct {
		ContentType string `header:"Content-Type"`
		RawBody     []byte
	}
	product := func(op huma.Operation, describe func(*huma.Operation), read func(contentType string, body []byte) (notice.Notice, error)) {
		api.Describe(op, describe)
		httpapi.Register(api, op, func(ctx context.Context, in *rawInput) (*struct{ Body callbackAnswer }, error) {
			n, err := read(in.ContentType, in.RawBody)
			if err != nil {
				return nil, err
			}
			ignored, err := c.Take(ctx, Reported{
				ExecutionID: n.ExecutionID, Token: n.Token, State: n.State, Ref: n.Ref, Error: n.Error, Output: outputOf(target.Report{Output: n.Output}),
			})
			return &struct{ Body callbackAnswer }{callbackAnswer{Ignored: ignored}}, err
		})
	}
	product(httpapi.Public("POST /v1/callbacks/awx", "Take a notification of AWX, which names execution and token in extra_vars", http.StatusUnauthorized, http.StatusNotFound),
		describeAWX, notice.AWX)
	product(httpapi.Public("POST /v1/callbacks/rundeck", "Take a notification of Rundeck, JSON or XML, which names execution and token in the job's options", http.StatusUnauthorized, http.StatusNotFound),
		describeRundeck, notice.Rundeck)
}

// bearer is the token of an Authorization header, "" for any other header.
func bearer(header string) string {
	scheme, value, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(value)
}

// Refusals logs what CallbackRoutes refuses, whatever is wrong with it: which
// execution it was for, and the status. Nothing of its body or its token.
func Refusals(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &statusOf{ResponseWriter: w}
		next.ServeHTTP(answer, r)
		if answer.status < http.StatusBadRequest {
			return
		}
		_, of, _ := strings.Cut(r.URL.Path, "/v1/callbacks/")
		if !id.Valid(id.Execution, of) && of != "awx" && of != "rundeck" { // a caller's own text
			of = "unknown"
		}
		slog.WarnContext(r.Context(), "callback refused", "of", of, "status", answer.status)
	})
}

// statusOf remembers the status of an answer.
type statusOf struct {
	http.ResponseWriter
	status int
}

func (s *statusOf) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}
