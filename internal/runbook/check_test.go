package runbook

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// verifier is KMS that answers as a test says, for the pointer and for the content.
type verifier struct{ pointer, content func() (bool, error) }

func (v verifier) Verify(_ context.Context, message, _ []byte) (bool, error) {
	if bytes.HasPrefix(message, []byte(pointerLabel)) {
		return v.pointer()
	}
	return v.content()
}

// TestBothMACsCount: neither check stands in for the other, and what is known
// to be broken is not taken for a failure of KMS.
func TestBothMACsCount(t *testing.T) {
	ours := func() (bool, error) { return true, nil }
	broken := func() (bool, error) { return false, nil }
	down := func() (bool, error) { return false, errUnreachable }
	tests := map[string]struct {
		pointer, content func() (bool, error)
		want             error
	}{
		"both are ours":                        {ours, ours, nil},
		"a broken pointer":                     {broken, ours, ErrSealBroken},
		"broken content":                       {ours, broken, ErrSealBroken},
		"both broken":                          {broken, broken, ErrSealBroken},
		"no answer for the pointer":            {down, ours, errUnreachable},
		"no answer for the content":            {ours, down, errUnreachable},
		"no answer at all":                     {down, down, errUnreachable},
		"a broken pointer, and no answer more": {broken, down, ErrSealBroken},
		"broken content, and no answer more":   {down, broken, ErrSealBroken},
	}
	r, v := everything(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if err := CheckSeal(t.Context(), verifier{tt.pointer, tt.content}, r, v); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestBothMACsAreCheckedAtOnce: each call waits here for the other one.
func TestBothMACsAreCheckedAtOnce(t *testing.T) {
	r, v := everything(t)
	synctest.Test(t, func(t *testing.T) {
		met := make(chan struct{})
		meet := func() (bool, error) {
			select {
			case met <- struct{}{}:
			case <-met:
			}
			return true, nil
		}
		if err := CheckSeal(t.Context(), verifier{meet, meet}, r, v); err != nil {
			t.Error(err)
		}
	})
}
