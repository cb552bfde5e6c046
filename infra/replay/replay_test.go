package replay

import (
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
	list, err := Events("../..", s.Template())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		t.Run(strings.TrimSuffix(filepath.ToSlash(strings.TrimPrefix(e.Path, "../../events/")), ".json"), func(t *testing.T) {
			payload, err := e.Payload(s.Template())
			if err != nil {
				t.Fatal(err)
			}
			result, err := s.Functions().Invoke(t.Context(), lambda.Request{Function: e.Function, Payload: payload})
			if err != nil {
				t.Fatal(err)
			}
			if result.FunctionError != "" {
				t.Fatalf("the function failed: %s", result.Payload)
			}
			if err := Compare(e.Path, result.Payload); err != nil {
				t.Error(err)
			}
		})
	}
}
