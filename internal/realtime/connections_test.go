package realtime

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// TestAnswersOfConnections: what API Gateway says of a connection, and what is none of its client's doing.
func TestAnswersOfConnections(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	t.Cleanup(server.Close)
	c, err := NewConnections(aws.Config{
		Region: "eu-central-1", BaseEndpoint: &server.URL, HTTPClient: http.DefaultClient,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "key", SecretAccessKey: "test"}, nil
		}),
	}, "https://x.execute-api.eu-central-1.amazonaws.com/socket", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	const another = "another"
	for _, tt := range []struct {
		status      int
		post, close string
	}{
		{http.StatusOK, "", ""},
		{http.StatusGone, ErrGone.Error(), ""},
		{http.StatusTooManyRequests, ErrFull.Error(), another},
		{http.StatusForbidden, another, another},
		{http.StatusInternalServerError, another, another},
	} {
		status = tt.status
		said := func(err error) string {
			switch {
			case err == nil:
				return ""
			case errors.Is(err, ErrGone), errors.Is(err, ErrFull):
				return err.Error()
			}
			return another
		}
		if post, end := said(c.Post(t.Context(), "a=", []byte("x"))), said(c.Close(t.Context(), "a=")); post != tt.post || end != tt.close {
			t.Errorf("%d: post %q, close %q, want %q and %q", tt.status, post, end, tt.post, tt.close)
		}
	}
}
