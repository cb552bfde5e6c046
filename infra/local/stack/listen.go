package stack

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"pagefree/infra/local/gateway"
)

// folder makes the data folder and locks it: two stacks in one would spoil each other's data.
func (s *Stack) folder() error {
	s.Dir = s.opts.Dir
	if s.Dir == "" {
		dir, err := os.MkdirTemp("", "pagefree-")
		if err != nil {
			return err
		}
		s.Dir = dir
		s.onClose(func() error { return os.RemoveAll(dir) })
	}
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		return err
	}
	s.Dir = dir
	unlock, err := lock(filepath.Join(dir, ".lock"), false)
	if err != nil {
		return fmt.Errorf("%s is in use by another stack (%w)", dir, err)
	}
	s.onClose(unlock)
	return nil
}

// doors are where requests come in.
type doors struct{ public, api http.Handler }

// listen opens both ports and answers 503 on them until the rest is there.
func (s *Stack) listen() error {
	public, err := s.door(s.opts.Port, func(d *doors) http.Handler { return d.public })
	if err != nil {
		return err
	}
	api, err := s.door(s.opts.APIPort, func(d *doors) http.Handler { return d.api })
	s.URL, s.APIURL = public, api
	return err
}

func (s *Stack) door(port int, of func(*doors) http.Handler) (origin string, err error) {
	listeners, err := gateway.Listen(port)
	if err != nil {
		return "", err
	}
	server := gateway.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d := s.ready.Load(); d != nil {
			of(d).ServeHTTP(w, r)
			return
		}
		http.Error(w, "the stack is starting", http.StatusServiceUnavailable)
	}))
	server.ErrorLog = slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug)
	s.serveOn(server, listeners)
	return "http://" + listeners[0].Addr().String(), nil
}

// serveOn serves until Close.
func (s *Stack) serveOn(server *http.Server, listeners []net.Listener) {
	for _, l := range listeners {
		go func() { _ = server.Serve(l) }()
	}
	s.onClose(server.Close)
}

func (s *Stack) listenAWS() ([]net.Listener, error) {
	var out []net.Listener
	port := s.opts.AWSPort
	for _, host := range append([]string{"127.0.0.1"}, s.opts.AWSHosts...) {
		l, err := net.Listen("tcp", net.JoinHostPort(host, fmt.Sprint(port)))
		if err != nil {
			return nil, fmt.Errorf("listen for the AWS services: %w", err)
		}
		s.onClose(func() error { _ = l.Close(); return nil }) // the server may have closed it already
		port = l.Addr().(*net.TCPAddr).Port
		out = append(out, l)
	}
	s.AWSEndpoint = "http://" + out[0].Addr().String()
	return out, nil
}
