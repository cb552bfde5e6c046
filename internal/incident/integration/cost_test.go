package integration_test

import (
	"fmt"
	"testing"

	front "pagefree/infra/local/aws"
)

// TestWhatHandlingCosts: what the order of a dedup key adds is one query, and nothing where there is no key.
func TestWhatHandlingCosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect("generic")
	for name, tt := range map[string]struct {
		body string
		want map[string]int
	}{
		"alone":          {alert("firing", ""), map[string]int{"BatchGetItem": 1, "GetItem": 1, "TransactWriteItems": 2}},
		"of a key":       {alert("firing", "k"), map[string]int{"BatchGetItem": 1, "Query": 1, "GetItem": 2, "TransactWriteItems": 2}},
		"with no effect": {alert("resolved", "other"), map[string]int{"BatchGetItem": 1, "Query": 1, "GetItem": 2, "TransactWriteItems": 2}},
	} {
		w.accepted(s.bearer(tt.body))
		w.env.Counts.Reset()
		w.take()
		got := map[string]int{}
		for _, c := range w.env.Counts.Calls(front.Call{Function: "AlertsFunction", Service: "dynamodb"}) {
			got[c.Operation]++
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}
