package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// Listen opens a port on both loopback addresses, 127.0.0.1 and [::1], and nowhere else. Port 0 picks a free one. A
// machine without IPv6 gets the first alone. A port in use is an error that says so.
func Listen(port int) ([]net.Listener, error) {
	four, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d is in use: is another stack running? PORT picks another one", port)
	}
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	port = four.Addr().(*net.TCPAddr).Port
	six, err := net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		_ = four.Close()
		return nil, fmt.Errorf("port %d is in use on [::1]: is another stack running? PORT picks another one", port)
	}
	if err != nil {
		return []net.Listener{four}, nil
	}
	return []net.Listener{four, six}, nil
}

// NewServer makes a server that reads no more of a request's headers than the gateway needs to see that they are too many.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		MaxHeaderBytes:    4 * maxHeaders,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
	}
}
