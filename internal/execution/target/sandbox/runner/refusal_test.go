//go:build linux

package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pagefree/internal/execution/target/sandbox/protocol"
)

func TestWhereTooMuchIsMissingNothingRuns(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		without walls
		want    string
	}{
		"no wall before the network": {walls{Namespaces: true, Seccomp: true}, "network"},
		"no wall before the files":   {walls{Namespaces: true, Landlock: 1}, "files"},
	}
	if os.Geteuid() == 0 {
		tests["root"] = struct {
			without walls
			want    string
		}{walls{OwnUser: true}, "root"}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			r := New(Options{Language: protocol.Bash, launcher: launcher, without: test.without, Log: logTo(&log)})
			_, err := r.Run(t.Context(), protocol.Request{Language: protocol.Bash, Script: "true", TimeoutSeconds: 5})
			notRun, ok := err.(*protocol.NotRun)
			if !ok || !strings.Contains(notRun.Reason, test.want) || !strings.Contains(r.Confinement().Refused, test.want) {
				t.Fatalf("got %v, want a refusal for the %s", err, test.want)
			}
			if !strings.Contains(log.String(), `"level":"ERROR"`) || !strings.Contains(log.String(), test.want) {
				t.Errorf("logged %s", log.String())
			}
		})
	}
}

func TestAMissingInterpreterIsARefusal(t *testing.T) {
	t.Parallel()
	_, err := findInterpreter("COBOL", "")
	if err == nil {
		t.Error("found one")
	}
	dir := t.TempDir()
	shim := filepath.Join(dir, "node")
	if err := os.WriteFile(shim, []byte("#!/bin/sh\nexec node"), 0o755); err != nil {
		t.Fatal(err)
	}
	if isProgram(shim) {
		t.Error("a shell script was taken for an interpreter")
	}
}
