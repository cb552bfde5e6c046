package awscfg_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pagefree/internal/platform/awscfg"
)

func TestFromEnv(t *testing.T) {
	env := map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t",
	}
	for name, endpoint := range map[string]string{"AWS itself": "", "the local stack": "http://127.0.0.1:4566"} {
		t.Run(name, func(t *testing.T) {
			env["AWS_ENDPOINT_URL"] = endpoint
			cfg := awscfg.FromEnv(func(name string) string { return env[name] })
			creds, err := cfg.Credentials.Retrieve(t.Context())
			if err != nil || creds.AccessKeyID != "AKIA" || creds.SecretAccessKey != "s" || creds.SessionToken != "t" {
				t.Errorf("credentials: got %+v, %v", creds, err)
			}
			if cfg.Region != "eu-central-1" {
				t.Errorf("region: got %q", cfg.Region)
			}
			if (cfg.BaseEndpoint == nil) != (endpoint == "") || endpoint != "" && *cfg.BaseEndpoint != endpoint {
				t.Errorf("endpoint: got %v, want %q", cfg.BaseEndpoint, endpoint)
			}
		})
	}
	if _, err := awscfg.FromEnv(func(string) string { return "" }).Credentials.Retrieve(t.Context()); err == nil {
		t.Error("without credentials: want an error at the first call, not requests without a signature")
	}
}

// body is one as the SDK's: it can be read to its end after it was closed, and not be written.
type body struct{ io.Reader }

func (body) Close() error                     { return nil }
func (body) WriteTo(io.Writer) (int64, error) { return 0, errors.New("it was closed") }

func TestABodyIsRead(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer server.Close()
	client := awscfg.FromEnv(func(string) string { return "" }).HTTPClient
	req, err := http.NewRequestWithContext(t.Context(), "POST", server.URL, body{strings.NewReader("read")})
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = 4
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, err := io.ReadAll(res.Body); string(got) != "read" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
