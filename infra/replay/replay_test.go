package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pagefree/infra/local/lambda"
	"pagefree/infra/local/stack"
)

// TestReplay sends every sample event to its function, as built and run in a local stack without data.
func TestReplay(t *testing.T) {
	s, err := stack.Start(t.Context(), stack.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	list, err := events("../..", s.Template())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		t.Run(strings.TrimSuffix(filepath.ToSlash(strings.TrimPrefix(e.path, "../../events/")), ".json"), func(t *testing.T) {
			payload, err := os.ReadFile(e.path)
			if err != nil {
				t.Fatal(err)
			}
			result, err := s.Functions().Invoke(t.Context(), lambda.Request{Function: e.function, Payload: payload})
			if err != nil {
				t.Fatal(err)
			}
			if result.FunctionError != "" {
				t.Fatalf("the function failed: %s", result.Payload)
			}
			if err := compare(e.path, result.Payload); err != nil {
				t.Error(err)
			}
		})
	}
}
