package safehttp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"syscall"
)

// failure says what went wrong in words of our own. The cause stays in the
// chain, for errors.Is, and out of the text: what the other side wrote is
// quoted in some of them.
type failure struct {
	kind  error // ErrNotSent or ErrNoAnswer
	words string
	cause error
}

func (f *failure) Error() string { return f.kind.Error() + ": " + f.words }

func (f *failure) Unwrap() []error {
	if f.cause == nil {
		return []error{f.kind}
	}
	return []error{f.kind, f.cause}
}

// failed tells what an error of net/http means. A forbidden address was seen
// before the connection, whatever else failed.
func failed(err error, connected bool) error {
	if f, ok := errors.AsType[*Forbidden](err); ok && !connected {
		return f
	}
	timedOut := errors.Is(err, context.DeadlineExceeded) || os.IsTimeout(err)
	if connected {
		words := "the connection was cut"
		if timedOut {
			words = "the time was up"
		} else if errors.Is(err, context.Canceled) {
			words = "it was given up"
		}
		return &failure{kind: ErrNoAnswer, words: words, cause: err}
	}
	return &failure{kind: ErrNotSent, words: why(err, timedOut), cause: err}
}

func why(err error, timedOut bool) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "the name does not exist"
		}
		return "the name could not be looked up"
	}
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	op, _ := errors.AsType[*net.OpError](err)
	alert := op != nil && (op.Op == "remote error" || op.Op == "local error") // so crypto/tls marks its alerts
	switch {
	case certificate:
		return "the certificate cannot be trusted"
	case alert, record:
		return "the other side does not speak TLS as it is needed, 1.2 or later"
	case timedOut:
		return "no connection in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(err, context.Canceled):
		return "it was given up"
	}
	return "no connection could be made"
}
