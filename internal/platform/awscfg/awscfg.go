// Package awscfg builds the SDK's configuration from what Lambda puts into the
// environment, by hand: the SDK's own loader costs every cold start 6 ms for
// sources (SSO, IMDS, profiles) that a function never has.
package awscfg

import (
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// FromEnv reads region and credentials by getenv, a function's os.Getenv.
// AWS_ENDPOINT_URL, if not empty, replaces AWS itself: the local stack.
func FromEnv(getenv func(string) string) aws.Config {
	cfg := aws.Config{
		Region: getenv("AWS_REGION"),
		Credentials: credentials.NewStaticCredentialsProvider(
			getenv("AWS_ACCESS_KEY_ID"), getenv("AWS_SECRET_ACCESS_KEY"), getenv("AWS_SESSION_TOKEN")),
		HTTPClient: Client(awshttp.NewBuildableClient()),
	}
	if endpoint := getenv("AWS_ENDPOINT_URL"); endpoint != "" {
		cfg.BaseEndpoint = &endpoint
	}
	return cfg
}

// Client is c for a configuration of the SDK that is made elsewhere: see client.
func Client(c aws.HTTPClient) aws.HTTPClient { return client{c} }

// client sends requests whose bodies can be read, and nothing else. The SDK closes a body as soon as an answer begins, and
// its WriteTo then gives io.EOF as an error (smithy-go 1.28.8): where the answer was faster than the last look at the
// body, net/http closes the connection under the answer that is being read, and the call is made again up to two
// seconds later.
type client struct{ aws.HTTPClient }

func (c client) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body} // no more
	}
	return c.HTTPClient.Do(r)
}
