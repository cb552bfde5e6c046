package awscfg_test

import (
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
