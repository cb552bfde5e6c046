package parameter_test

import (
	"strings"
	"testing"

	"pagefree/infra/local/awstest"
	"pagefree/internal/platform/parameter"
)

func TestRead(t *testing.T) {
	env := awstest.New(t)
	got, err := parameter.Read(t.Context(), env.Config, "/pagefree-local/origin")
	if err != nil || !strings.HasPrefix(got, "http") {
		t.Errorf("got %q, %v, want an origin", got, err)
	}
	if got, err := parameter.Read(t.Context(), env.Config, "/pagefree-local/nothing"); err == nil || !strings.Contains(err.Error(), "/pagefree-local/nothing") {
		t.Errorf("got %q, %v, want an error that names it", got, err)
	}
}
