// Package safehttp is the one client for every URL that a user gives: webhook
// targets, push endpoints, certificates of senders.
//
// It calls https only, and only what is on the public internet: an address is
// looked at after DNS, when the socket is about to connect, so that a name that
// changes its mind in between gains nothing. It follows no redirect, knows no
// proxy, opens a fresh connection for each request, and sends a body that
// net/http cannot send a second time. Time and size of an answer are bounded.
//
// What went wrong it says without the URL's query, headers, and anything that
// the other side wrote.
package safehttp

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"syscall"
	"time"
)

// Limits of a request and its answer.
const (
	DefaultTimeout = 30 * time.Second
	MaxAnswer      = 64 << 10 // bytes of a body, unless the request says otherwise
	maxHeader      = 64 << 10 // bytes of an answer's headers
	connectTimeout = 10 * time.Second
)

var (
	// ErrNotSent: there was no connection, so that no byte of the request left.
	ErrNotSent = errors.New("the request was not sent")
	// ErrNoAnswer: the request may have been received, whole or in part, and no whole answer came.
	ErrNoAnswer = errors.New("the request got no answer")
)

// Options of New. The zero value is what runs in the cloud.
type Options struct {
	// Local is the one address that is let through on loopback, by plain http:
	// the local stack's echo target, http://127.0.0.1:<port>/_local/echo/, see
	// settings.LocalEcho. Anything else in its place lets nothing through.
	Local    string
	Resolver *net.Resolver  // instead of the system's
	Roots    *x509.CertPool // instead of the system's
}

// Client sends requests. It is safe for concurrent use.
type Client struct {
	local    exception
	resolver *net.Resolver
	roots    *x509.CertPool
	forbids  func(addr) bool // what inside says, except in this package's own tests
}

// New returns a client.
func New(o Options) *Client {
	return &Client{local: parseException(o.Local), resolver: o.Resolver, roots: o.Roots, forbids: inside}
}

// Request is what to send.
type Request struct {
	Method  string // default POST
	URL     string
	Header  http.Header
	Body    []byte
	Timeout time.Duration // for all of it, the answer's body included; default DefaultTimeout
	Limit   int           // bytes of the answer's body that are wanted; default MaxAnswer
}

// Answer is what came back, whatever its status. A 3xx is an answer as any other.
type Answer struct {
	Status int // 0 where none came
	Header http.Header
	Body   []byte // at most Limit bytes
	More   bool   // the body went on, or was cut
}

// Do sends a request, once. An error is a *Forbidden, ErrNotSent or
// ErrNoAnswer; time that ran out is context.DeadlineExceeded besides. With
// ErrNoAnswer the Answer holds what had come until then.
func (c *Client) Do(ctx context.Context, r Request) (Answer, error) {
	u, local, refused := c.look(r.URL)
	if refused != nil {
		return Answer{}, refused
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(r.Timeout, DefaultTimeout))
	defer cancel()
	// Before there is a connection, TLS included, nothing can have been written.
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, cmp.Or(r.Method, http.MethodPost), u.String(), nil)
	if err != nil {
		return Answer{}, &failure{kind: ErrNotSent, words: "it is malformed"} // the error quotes the URL
	}
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	if len(r.Body) > 0 { // with no GetBody, net/http has nothing to start over with
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(r.Body)), int64(len(r.Body))
	}
	// RoundTrip rather than a Client's Do: it knows neither redirects nor cookies.
	resp, err := c.transport(local).RoundTrip(req)
	if err != nil {
		return Answer{}, failed(err, connected.Load())
	}
	defer func() { _ = resp.Body.Close() }()
	answer := Answer{Status: resp.StatusCode, Header: resp.Header}
	limit := cmp.Or(r.Limit, MaxAnswer)
	answer.Body, err = io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
	if answer.More = err != nil || len(answer.Body) > limit; len(answer.Body) > limit {
		answer.Body, err = answer.Body[:limit], nil
	}
	if err != nil {
		return answer, failed(err, true)
	}
	return answer, nil
}

// transport is made anew for each request, so that no connection and no TLS
// session is left over for another. HTTP/1.1 alone: HTTP/2 may send again what
// a server says it did not look at.
func (c *Client) transport(local bool) *http.Transport {
	dialer := &net.Dialer{
		Timeout: connectTimeout, KeepAlive: -1, Resolver: c.resolver,
		Control: func(network, address string, _ syscall.RawConn) error { return c.admit(network, address, local) },
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy: nil, DialContext: dialer.DialContext, DisableKeepAlives: true, DisableCompression: true,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.roots},
		TLSHandshakeTimeout: connectTimeout, MaxResponseHeaderBytes: maxHeader, Protocols: protocols,
	}
}
