// Package problem is PageFree's error: a stable code for programs, a sentence
// for people, and a cause for the log. It renders as RFC 9457
// application/problem+json, once, at the edge.
package problem

import (
	"errors"
	"fmt"
	"net/http"
)

// Code is the stable, lower snake case name of an error. Clients match on it.
type Code string

// Codes that more than one room answers with.
const (
	Unauthenticated    Code = "unauthenticated"
	Forbidden          Code = "forbidden"
	NotFound           Code = "not_found"
	ValidationFailed   Code = "validation_failed"
	InvalidTransition  Code = "invalid_transition"
	PreconditionFailed Code = "precondition_failed"
	AlreadyMade        Code = "already_made"
	Conflict           Code = "conflict"
	RateLimited        Code = "rate_limited"
	CursorInvalid      Code = "cursor_invalid"
	BodyTooLarge       Code = "body_too_large"
	Internal           Code = "internal"
	Unavailable        Code = "unavailable"
)

// Field is one thing that is wrong with a request: where, and what.
type Field struct {
	Location string `json:"location" doc:"where in the request, such as body.name or query.limit"`
	Message  string `json:"message"`
}

// Error is an error that a caller may see. Detail was written for people;
// Cause never leaves the process.
type Error struct {
	Status int
	Code   Code
	Detail string
	Fields []Field
	Header http.Header // extra response headers, such as Retry-After
	TeamID string      // of a refusal: the team whose record it belongs in; never shown
	Cause  error
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Detail, e.Cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Detail)
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// Is makes two problems of one code equal to errors.Is.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code
}

// New returns a problem with a status, a code and a sentence for the caller.
func New(status int, code Code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// CodeOf returns the code of the problem in err's chain, Internal for any other error, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if p, ok := errors.AsType[*Error](err); ok {
		return p.Code
	}
	return Internal
}

// Missing is the one answer for what does not exist and what the caller may
// not know of, so that the two cannot be told apart.
func Missing() *Error {
	return New(http.StatusNotFound, NotFound, "There is nothing here that you may see.")
}

// Denied is the answer to a principal without the right, on something that it may know of.
func Denied(format string, args ...any) *Error {
	return New(http.StatusForbidden, Forbidden, format, args...)
}

// NoPrincipal is the answer to a request without a valid credential.
func NoPrincipal() *Error {
	e := New(http.StatusUnauthorized, Unauthenticated, "This needs a credential: a session, or an API key.")
	e.Header = http.Header{"WWW-Authenticate": {"Bearer"}}
	return e
}

// Invalid is a 422 that names each field that is wrong.
func Invalid(fields ...Field) *Error {
	e := New(http.StatusUnprocessableEntity, ValidationFailed, "The request has values that cannot be used.")
	if len(fields) == 1 {
		e.Detail = fmt.Sprintf("%s: %s", fields[0].Location, fields[0].Message)
	}
	e.Fields = fields
	return e
}

// InvalidField is Invalid for a single field.
func InvalidField(location, format string, args ...any) *Error {
	return Invalid(Field{Location: location, Message: fmt.Sprintf(format, args...)})
}

// Again is a 409 for a form that was sent before, or too late.
func Again(made bool) *Error {
	if made {
		return New(http.StatusConflict, AlreadyMade, "This form was sent before, and what it asks for was made then: nothing was done now. Send it once more to make another.")
	}
	return New(http.StatusConflict, AlreadyMade, "This form was open for more than a day, and nothing was done. Look at it again, and send it once more.")
}

// Lost is the answer to the loser of a race: somebody else wrote first.
func Lost(cause error) *Error {
	e := New(http.StatusConflict, Conflict, "Somebody else changed this at the same moment. Read it again and repeat.")
	e.Cause = cause
	return e
}

// Busy is the 503 for what many write to at once; trying again will do.
func Busy(cause error) *Error {
	e := New(http.StatusServiceUnavailable, Unavailable, "Too many write to this at once. Try again.")
	e.Header = http.Header{"Retry-After": {"1"}}
	e.Cause = cause
	return e
}

// Transition is the 409 for an action that the present state does not allow.
func Transition(action, state string) *Error {
	return New(http.StatusConflict, InvalidTransition, "Cannot %s what is %s.", action, state)
}
