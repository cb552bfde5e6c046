// Package awsjson is the server's side of AWS's JSON protocols (1.0 and 1.1), as far as the local services need it.
//
// A service is a set of operations on the SDK's own input and output types, so that the shapes on the wire cannot drift
// from what the SDK reads. An operation that a service lacks is UnknownOperationException, never a silent success.
package awsjson

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/google/uuid"
)

// maxBody is above every limit of the services behind: SQS batches are the largest, with 1 MiB in base64.
const maxBody = 16 << 20

// Error is an error as AWS answers it.
type Error struct {
	Code    string // what the SDK makes its type from: NotFoundException
	Message string
	Status  int    // 0 is 400
	Query   string // the code of the older query protocol, for the x-amzn-query-error header; SQS only
	// Fields are more members of the error's body, such as CancellationReasons.
	Fields map[string]any
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Operation answers one operation from the JSON of its input.
type Operation func(ctx context.Context, input []byte) (any, error)

// Op makes an Operation of a method that takes and gives the SDK's types.
func Op[In, Out any](do func(context.Context, *In) (*Out, error)) Operation {
	return func(ctx context.Context, input []byte) (any, error) {
		in := new(In)
		if err := json.Unmarshal(input, in); err != nil {
			return nil, &Error{Code: "SerializationException", Message: err.Error()}
		}
		return do(ctx, in)
	}
}

// Service is an http.Handler for `POST /` with X-Amz-Target: <Prefix>.<operation>.
type Service struct {
	Prefix     string // AmazonSQS
	Version    string // 1.0 or 1.1
	Operations map[string]Operation
}

// Split takes an X-Amz-Target apart: AmazonSQS.SendMessage.
func Split(target string) (prefix, operation string) {
	prefix, operation, _ = strings.Cut(target, ".")
	return prefix, operation
}

func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, err := s.serve(r)
	if err != nil {
		WriteError(w, s.Version, err)
		return
	}
	body, err := Marshal(out)
	if err != nil {
		WriteError(w, s.Version, err)
		return
	}
	write(w, s.Version, http.StatusOK, body)
}

func (s *Service) serve(r *http.Request) (any, error) {
	prefix, name := Split(r.Header.Get("X-Amz-Target"))
	op, ok := s.Operations[name]
	if !ok || prefix != s.Prefix {
		return nil, Unknown(s.Prefix, name)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	return op(r.Context(), body)
}

// Unknown is the error for an operation that the local stack does not serve.
func Unknown(service, operation string) *Error {
	return &Error{Code: "UnknownOperationException", Message: "the local stack does not serve " + service + "." + operation}
}

// WriteError answers an error as the JSON services do.
func WriteError(w http.ResponseWriter, version string, err error) {
	e := wire(err)
	body := map[string]any{"__type": e.Code, "message": e.Message}
	for name, value := range e.Fields {
		body[name] = value
	}
	status := cmp.Or(e.Status, http.StatusBadRequest)
	if e.Query != "" {
		side := "Sender"
		if status >= 500 {
			side = "Receiver"
		}
		w.Header().Set("x-amzn-query-error", e.Query+";"+side)
	}
	data, err := json.Marshal(body)
	if err != nil {
		data = []byte(`{"__type":"InternalFailure"}`)
	}
	write(w, version, status, data)
}

// WriteRESTError answers an error as the REST services do (SES, Lambda): its code is in a header.
func WriteRESTError(w http.ResponseWriter, err error) {
	e := wire(err)
	body, err := json.Marshal(map[string]string{"message": e.Message})
	if err != nil {
		body = []byte("{}")
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("x-amzn-RequestId", uuid.NewString())
	h.Set("X-Amzn-ErrorType", e.Code)
	w.WriteHeader(cmp.Or(e.Status, http.StatusBadRequest))
	_, _ = w.Write(body) // a client that has gone needs no answer
}

// wire makes an error ready for the wire. One that is not an *Error is a fault of ours, a 500.
func wire(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: "InternalFailure", Message: err.Error(), Status: http.StatusInternalServerError}
}

func write(w http.ResponseWriter, version string, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/x-amz-json-"+version)
	h.Set("x-amzn-RequestId", uuid.NewString())
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone needs no answer
}
