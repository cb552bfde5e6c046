package lambda

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// serveRuntime is the Lambda Runtime API, version 2018-06-01. Each instance has an address of its own: its id is the
// first part of the path.
func (s *Service) serveRuntime(w http.ResponseWriter, r *http.Request) {
	id, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	i := s.instance(id)
	rest, ok := strings.CutPrefix(rest, "2018-06-01/runtime/")
	if i == nil || !ok {
		runtimeError(w, http.StatusNotFound, "InvalidPath")
		return
	}
	switch what := strings.TrimPrefix(rest, "invocation/"); {
	case what == "next" && r.Method == http.MethodGet:
		i.serveNext(w, r)
	case rest == "init/error" && r.Method == http.MethodPost:
		i.serveInitError(w, r)
	case r.Method == http.MethodPost && strings.HasSuffix(what, "/response"):
		i.serveAnswer(w, r, strings.TrimSuffix(what, "/response"), false)
	case r.Method == http.MethodPost && strings.HasSuffix(what, "/error"):
		i.serveAnswer(w, r, strings.TrimSuffix(what, "/error"), true)
	default:
		runtimeError(w, http.StatusNotFound, "InvalidPath")
	}
}

// serveNext holds the process until there is a request for it. Asking says that the one before is over.
func (i *instance) serveNext(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	first := i.init == 0
	if first {
		i.init = time.Since(i.started)
	}
	before := i.call
	i.call = nil
	i.mu.Unlock()
	if first {
		close(i.ready)
	} else {
		i.function.release(i) // first, so that whoever gets the answer finds this process idle
		if before != nil {
			i.finish(before, failure("Runtime.NoResponse", before.requestID, "Error: the runtime asked for the next request without answering this one"))
		}
	}
	select {
	case c := <-i.work:
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", c.requestID)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(c.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", i.function.spec.ARN)
		h.Set("Lambda-Runtime-Trace-Id", c.traceID)
		if c.ClientContext != "" {
			h.Set("Lambda-Runtime-Client-Context", c.ClientContext)
		}
		_, _ = w.Write(c.Payload)
	case <-i.exited:
	case <-r.Context().Done():
	}
}

func (i *instance) serveInitError(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxPayload))
	if err != nil {
		runtimeError(w, http.StatusBadRequest, "InvalidRequest")
		return
	}
	i.mu.Lock()
	i.initError = body
	i.mu.Unlock()
	runtimeAccepted(w)
}

// serveAnswer keeps the function's answer, or its error, to the request with an id. The request ends when the process
// asks for the next one, or dies.
func (i *instance) serveAnswer(w http.ResponseWriter, r *http.Request, id string, failed bool) {
	c := i.current()
	if c == nil || c.requestID != id {
		runtimeError(w, http.StatusBadRequest, "InvalidRequestID")
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxPayload+1))
	if err != nil {
		runtimeError(w, http.StatusBadRequest, "InvalidRequest")
		return
	}
	result := Result{Payload: body}
	switch {
	case len(body) > MaxPayload:
		result = failure("Function.ResponseSizeTooLarge", id, "Response payload size exceeded maximum allowed payload size (6291556 bytes).")
		_, _ = io.Copy(io.Discard, r.Body)
	case r.Trailer.Get("Lambda-Runtime-Function-Error-Type") != "":
		failed = true
		if result.Payload, err = base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body")); err != nil {
			result.Payload = nil
		}
	}
	if failed {
		result.FunctionError = "Unhandled"
	}
	i.mu.Lock()
	if c.answer == nil {
		c.answer = &result
		i.requests++
	}
	i.mu.Unlock()
	runtimeAccepted(w)
}

func runtimeAccepted(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

func runtimeError(w http.ResponseWriter, status int, kind string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"errorMessage": http.StatusText(status), "errorType": kind})
}
