package aws_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	front "pagefree/infra/local/aws"
	objects "pagefree/infra/local/s3"
	systems "pagefree/infra/local/ssm"
	"pagefree/infra/local/template"
)

const narrow = `
Transform: AWS::Serverless-2016-10-31
Resources:
  Out: {Type: AWS::S3::Bucket}
  SendFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/x
      Policies:
        - Statement:
            - {Effect: Allow, Action: ssm:SendCommand, Resource: [!Sub 'arn:aws:ssm:${AWS::Region}:${AWS::AccountId}:document/st-rb_*', !Sub 'arn:aws:ssm:${AWS::Region}:${AWS::AccountId}:managed-instance/*', !Sub 'arn:aws:ec2:${AWS::Region}:${AWS::AccountId}:instance/*']}
            - {Effect: Allow, Action: [ssm:ListCommands, ssm:GetCommandInvocation], Resource: '*'}
            - {Effect: Allow, Action: [s3:GetObject, s3:PutObject], Resource: !Sub '${Out.Arn}/executions/*'}
  OneFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/x
      Policies:
        - Statement:
            - {Effect: Allow, Action: ssm:SendCommand, Resource: [!Sub 'arn:aws:ssm:${AWS::Region}:${AWS::AccountId}:document/*', !Sub 'arn:aws:ssm:${AWS::Region}:${AWS::AccountId}:managed-instance/mi-local']}
            - {Effect: Allow, Action: [s3:GetObject, s3:ListBucket], Resource: '*'}
`

// TestRightsToCommandsAndObjects: a command takes the right to its document and to each node; what can't be narrowed is
// asked for on everything; and without the right to list, S3 does not say that an object is not there.
func TestRightsToCommandsAndObjects(t *testing.T) {
	as, err := template.Parse([]byte(narrow), template.Options{StackName: "st"})
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := systems.Open(systems.Options{Parameters: as.SSM})
	if err != nil {
		t.Fatal(err)
	}
	store := objects.New(objects.Options{Buckets: as.Buckets})
	handler, err := front.New(front.Options{Template: as, SSM: nodes, S3: store, Caller: func(key string) (front.Caller, bool) {
		f, ok := as.Functions[strings.TrimPrefix(key, front.AccessKeyPrefix)]
		return front.Caller{Function: f}, ok
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(func() { server.Close(); _ = nodes.Close() })
	config := func(key string) aws.Config {
		return aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key, SecretAccessKey: "test"}, nil
		})}
	}
	bucket := as.Buckets["Out"].Name
	if bucket != "st-out" {
		t.Errorf("a bucket named %s is none", bucket)
	}
	send := func(in *ssm.SendCommandInput) func(aws.Config) error {
		return func(c aws.Config) error { _, err := ssm.NewFromConfig(c).SendCommand(t.Context(), in); return err }
	}
	object := func(key string) func(aws.Config) error {
		return func(c aws.Config) error {
			_, err := s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }).GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
			return err
		}
	}
	if err := store.Put(bucket, "executions/a", []byte("x")); err != nil {
		t.Fatal(err)
	}
	byTag := []types.Target{{Key: aws.String("tag:env"), Values: []string{"local"}}}
	tests := map[string]struct {
		function string
		call     func(aws.Config) error
		want     string // InvalidDocument: it was let through
	}{
		"its document on a node":         {"SendFunction", send(&ssm.SendCommandInput{DocumentName: aws.String("st-rb_1"), InstanceIds: []string{"mi-local"}}), "InvalidDocument"},
		"its document on an EC2 machine": {"SendFunction", send(&ssm.SendCommandInput{DocumentName: aws.String("st-rb_1"), InstanceIds: []string{"i-0123456789abcdef0"}}), "InvalidDocument"},
		"its document by tag":            {"SendFunction", send(&ssm.SendCommandInput{DocumentName: aws.String("st-rb_1"), Targets: byTag}), "InvalidDocument"},
		"AWS's own document":             {"SendFunction", send(&ssm.SendCommandInput{DocumentName: aws.String("AWS-RunShellScript"), InstanceIds: []string{"mi-local"}}), "AccessDeniedException"},
		"another node than it may":       {"OneFunction", send(&ssm.SendCommandInput{DocumentName: aws.String("st-rb_1"), InstanceIds: []string{"mi-local", "mi-local-2"}}), "AccessDeniedException"},
		"any node where it may one":      {"OneFunction", send(&ssm.SendCommandInput{DocumentName: aws.String("st-rb_1"), Targets: byTag}), "AccessDeniedException"},
		"lists": {"SendFunction", func(c aws.Config) error {
			_, err := ssm.NewFromConfig(c).ListCommands(t.Context(), &ssm.ListCommandsInput{})
			return err
		}, ""},
		"cancels without the right": {"SendFunction", func(c aws.Config) error {
			_, err := ssm.NewFromConfig(c).CancelCommand(t.Context(), &ssm.CancelCommandInput{CommandId: aws.String("c3c4a8f5-0000-4000-8000-000000000000")})
			return err
		}, "AccessDeniedException"},
		"makes documents without the right": {"SendFunction", func(c aws.Config) error {
			_, err := ssm.NewFromConfig(c).CreateDocument(t.Context(), &ssm.CreateDocumentInput{Name: aws.String("st-rb_1"), Content: aws.String("{}")})
			return err
		}, "AccessDeniedException"},
		"an object":                   {"SendFunction", object("executions/a"), ""},
		"an object elsewhere":         {"SendFunction", object("other/a"), "AccessDenied"},
		"none, which may not be said": {"SendFunction", object("executions/none"), "AccessDenied"},
		"none, which may be said":     {"OneFunction", object("executions/none"), "NoSuchKey"},
		"a key of nobody":             {"Nobody", object("executions/a"), "UnrecognizedClientException"},
		"an operation that nobody here serves S3": {"SendFunction", func(c aws.Config) error {
			_, err := s3.NewFromConfig(c).ListBuckets(t.Context(), &s3.ListBucketsInput{})
			return err
		}, "NotImplemented"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := code(tt.call(config(front.AccessKeyPrefix + tt.function))); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if n := handler.Counts().Number(front.Call{Service: "s3", Operation: "GetObject"}); n < 4 {
		t.Errorf("counted %d", n)
	}
	handler.Faults().Add(front.Fault{Service: "s3", Operation: "GetObject", Do: front.Throttle})
	if got := code(object("executions/a")(config("test"))); got != "SlowDown" {
		t.Errorf("got %q", got)
	}
}
