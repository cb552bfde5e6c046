// Package awscfg builds the SDK's configuration from what Lambda puts into the
// environment, by hand: the SDK's own loader costs every cold start 6 ms for
// sources (SSO, IMDS, profiles) that a function never has.
package awscfg

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// FromEnv reads region and credentials by getenv, a function's os.Getenv.
// AWS_ENDPOINT_URL, if not empty, replaces AWS itself: the local stack.
func FromEnv(getenv func(string) string) aws.Config {
	cfg := aws.Config{
		Region: getenv("AWS_REGION"),
		Credentials: credentials.NewStaticCredentialsProvider(
			getenv("AWS_ACCESS_KEY_ID"), getenv("AWS_SECRET_ACCESS_KEY"), getenv("AWS_SESSION_TOKEN")),
	}
	if endpoint := getenv("AWS_ENDPOINT_URL"); endpoint != "" {
		cfg.BaseEndpoint = &endpoint
	}
	return cfg
}
