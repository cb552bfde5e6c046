package httpapi_test

import "testing"

func TestVouches(t *testing.T) {
	tests := map[string]struct {
		headers map[string][]string
		passed  bool
		viewer  string
	}{
		"by the distribution": {map[string][]string{"X-Pagefree-Origin": {originSecret}, "x-pagefree-viewer": {"203.0.113.7"}}, true, "203.0.113.7"},
		"without a viewer":    {map[string][]string{"x-pagefree-origin": {originSecret}}, true, ""},
		"around it":           {map[string][]string{"x-pagefree-viewer": {"203.0.113.7"}}, false, ""},
		"with a guess":        {map[string][]string{"x-pagefree-origin": {originSecret + "x"}}, false, ""},
		"with two":            {map[string][]string{"x-pagefree-origin": {originSecret, originSecret}}, false, ""},
		"with nothing":        {nil, false, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if passed, viewer := theEdge.Vouches(tt.headers); passed != tt.passed || viewer != tt.viewer {
				t.Errorf("got %v, %q", passed, viewer)
			}
		})
	}
}
