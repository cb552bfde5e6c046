package sqs_test

import (
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// startMoto gives the address of moto's server: the one at MOTO_ENDPOINT, or one that runs for this test, from the
// virtual environment that infra/tools/requirements.txt makes. Where there is neither, the test fails.
func startMoto(t *testing.T) string {
	t.Helper()
	if endpoint := os.Getenv("MOTO_ENDPOINT"); endpoint != "" {
		return endpoint
	}
	bin, err := filepath.Abs("../../../.local/venv/bin/moto_server")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(bin); err != nil {
		if bin, err = exec.LookPath("moto_server"); err != nil {
			t.Fatal("no moto_server: make .local/venv with `make test-conformance`, or set MOTO_ENDPOINT")
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().(*net.TCPAddr)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(bin, "-H", "127.0.0.1", "-p", address.AddrPort().String()[len("127.0.0.1:"):])
	server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-server.Process.Pid, syscall.SIGKILL)
		_ = server.Wait()
	})
	endpoint := "http://" + address.String()
	deadline := time.After(60 * time.Second)
	for {
		resp, err := http.Get(endpoint)
		if err == nil {
			if err := errors.Join(resp.Body.Close()); err != nil {
				t.Fatal(err)
			}
			return endpoint
		}
		select {
		case <-deadline:
			t.Fatalf("moto does not answer: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
