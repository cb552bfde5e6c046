package lambda

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
)

// Handler is Lambda's Invoke operation on the wire: POST /2015-03-31/functions/NAME/invocations. Every other
// operation is an UnknownOperationException.
func (s *Service) Handler() http.Handler { return http.HandlerFunc(s.serveInvoke) }

func (s *Service) serveInvoke(w http.ResponseWriter, r *http.Request) {
	name, ok := functionOf(r)
	if !ok || r.Method != http.MethodPost {
		wireError(w, http.StatusNotFound, "UnknownOperationException", "")
		return
	}
	f := s.find(name)
	if f == nil {
		wireError(w, http.StatusNotFound, "ResourceNotFoundException", fmt.Sprintf("Function not found: arn:aws:lambda:%s:%s:function:%s",
			s.opts.Template.Region, s.opts.Template.AccountID, name))
		return
	}
	limit := MaxPayload
	async := r.Header.Get("X-Amz-Invocation-Type") == "Event"
	if async {
		limit = maxAsyncPayload
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, int64(limit)+1))
	if err != nil {
		wireError(w, http.StatusBadRequest, "InvalidRequestContentException", "Could not read the request")
		return
	}
	if len(body) > limit {
		wireError(w, http.StatusRequestEntityTooLarge, "RequestTooLargeException",
			fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", limit))
		return
	}
	if len(body) > 0 && !json.Valid(body) {
		wireError(w, http.StatusBadRequest, "InvalidRequestContentException", "Could not parse request body into json")
		return
	}
	request := Request{Function: f.spec.LogicalID, Payload: body, TraceID: r.Header.Get("X-Amzn-Trace-Id")}
	if text, err := base64.StdEncoding.DecodeString(r.Header.Get("X-Amz-Client-Context")); err == nil {
		request.ClientContext = string(text)
	}
	switch kind := r.Header.Get("X-Amz-Invocation-Type"); kind {
	case "", "RequestResponse":
		s.answerInvoke(r.Context(), w, f, request, r.Header.Get("X-Amz-Log-Type") == "Tail")
	case "Event":
		id, err := s.InvokeAsync(request)
		if err != nil {
			wireError(w, http.StatusNotFound, "ResourceNotFoundException", err.Error())
			return
		}
		w.Header().Set("X-Amzn-Requestid", id)
		w.WriteHeader(http.StatusAccepted)
	case "DryRun":
		w.WriteHeader(http.StatusNoContent)
	default:
		wireError(w, http.StatusBadRequest, "InvalidParameterValueException", "Unsupported invocation type "+kind)
	}
}

func (s *Service) answerInvoke(ctx context.Context, w http.ResponseWriter, f *function, request Request, tail bool) {
	result, err := s.Invoke(ctx, request)
	switch {
	case errors.Is(err, ErrThrottled):
		wireError(w, http.StatusTooManyRequests, "TooManyRequestsException", "Rate Exceeded.")
		return
	case err != nil:
		wireError(w, http.StatusInternalServerError, "ServiceException", err.Error())
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Amzn-Requestid", result.RequestID)
	h.Set("X-Amz-Executed-Version", "$LATEST")
	if result.FunctionError != "" {
		h.Set("X-Amz-Function-Error", result.FunctionError)
	}
	if tail {
		text := strings.Join(f.logs.lines(), "\n")
		h.Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString([]byte(text[max(0, len(text)-4096):])))
	}
	_, _ = w.Write(result.Payload)
}

// functionOf reads the name out of the path; an ARN in it is percent-encoded.
func functionOf(r *http.Request) (string, bool) {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/2015-03-31/functions/")
	if !ok {
		return "", false
	}
	escaped, ok := strings.CutSuffix(rest, "/invocations")
	if !ok {
		return "", false
	}
	name, err := url.PathUnescape(escaped)
	return name, err == nil
}

func wireError(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Requestid", uuid.NewString())
	w.Header().Set("X-Amzn-Errortype", kind)
	w.WriteHeader(status)
	body := map[string]string{"Message": message, "Type": "User"}
	if kind == "TooManyRequestsException" {
		body["Reason"] = "ReservedFunctionConcurrentInvocationLimitExceeded"
	}
	_ = json.NewEncoder(w).Encode(body)
}
