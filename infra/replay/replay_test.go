package replay

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/infra/local/lambda"
	"pagefree/infra/local/stack"
)

// TestReplay sends every sample event to its function, as built and run in a local stack without data, but for what is given.
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
	db := dynamodb.NewFromConfig(s.Config())
	for _, e := range list {
		t.Run(strings.TrimSuffix(filepath.ToSlash(strings.TrimPrefix(e.Path, "../../events/")), ".json"), func(t *testing.T) {
			if err := e.Give(t.Context(), db, s.Template()); err != nil {
				t.Fatal(err)
			}
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
