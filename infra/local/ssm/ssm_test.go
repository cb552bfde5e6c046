package ssm_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"pagefree/infra/local/ssm"
	"pagefree/infra/local/template"
)

func TestParameters(t *testing.T) {
	s, err := ssm.Open(ssm.Options{Parameters: map[string]*template.Parameter{"Origin": {LogicalID: "Origin", Name: "/app/origin", Type: "String", Value: "http://old"}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	c := api.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	})
	s.Set("/app/origin", "http://new")
	for _, name := range []string{"/app/origin", "arn:aws:ssm:us-east-1:000000000000:parameter/app/origin"} {
		got, err := c.GetParameter(t.Context(), &api.GetParameterInput{Name: &name})
		if err != nil || *got.Parameter.Value != "http://new" || *got.Parameter.Name != "/app/origin" {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	_, err = c.GetParameter(t.Context(), &api.GetParameterInput{Name: aws.String("/app/none")})
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != "ParameterNotFound" {
		t.Errorf("got %v, want ParameterNotFound", err)
	}
	many, err := c.GetParameters(t.Context(), &api.GetParametersInput{Names: []string{"/app/none", "/app/origin"}})
	if err != nil || len(many.Parameters) != 1 || !slices.Equal(many.InvalidParameters, []string{"/app/none"}) {
		t.Errorf("got %+v, %v", many, err)
	}
}
