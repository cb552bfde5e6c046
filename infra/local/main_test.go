package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// buffer may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestRun starts what `make run` starts, without the demo, and stops it as Ctrl-C does.
func TestRun(t *testing.T) {
	t.Setenv("PORT", "0")
	dir := t.TempDir()
	env := filepath.Join(dir, "env.json")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out buffer
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"run", "-no-demo", "-dir", dir, "-sam-env", env}, &out) }()
	for !strings.Contains(out.String(), "Ctrl-C") {
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v\n%s", err, out.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
	url := regexp.MustCompile(`at (http://\S+)`).FindStringSubmatch(out.String())[1]
	resp, err := http.Get(url + "/_local/health")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("health is %d", resp.StatusCode)
	}
	var environments map[string]map[string]string
	data, err := os.ReadFile(env)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &environments); err != nil {
		t.Fatal(err)
	}
	if got := environments["IdentityFunction"]["AWS_ENDPOINT_URL"]; !strings.HasPrefix(got, "http://host.docker.internal:") {
		t.Errorf("the endpoint for sam local is %q", got)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if _, err := http.Get(url + "/_local/health"); err == nil {
		t.Error("it answers after its end")
	}
}

func TestRefusals(t *testing.T) {
	tests := map[string]struct {
		args []string
		port string
		want string
	}{
		"an unknown command":  {args: []string{"walk"}, want: "unknown command"},
		"an unknown flag":     {args: []string{"run", "-fast"}, want: "not defined"},
		"a word too many":     {args: []string{"demo", "now"}, want: `takes no "now"`},
		"a port that is none": {args: []string{"run"}, port: "http", want: "PORT"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PORT", tt.port)
			if err := run(t.Context(), tt.args, &buffer{}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
