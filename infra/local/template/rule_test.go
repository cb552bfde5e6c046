package template

import (
	"strings"
	"testing"
)

const ruled = `
Transform: AWS::Serverless-2016-10-31
Resources:
  OutputBucket:
    Type: AWS::S3::Bucket
    Properties: {BUCKET}
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/f
      Environment: {Variables: {BUCKET: !Ref OutputBucket, ARN: !GetAtt OutputBucket.Arn}}
      Events:
        Ended: {Type: KIND, Properties: {Pattern: {source: [aws.ssm], detail: {document-name: [{prefix: !Sub '${AWS::StackName}-'}]}} MORE}}
`

func TestRulesAndBuckets(t *testing.T) {
	parse := func(kind, more, bucket string) (*Template, error) {
		text := strings.NewReplacer("KIND", kind, "MORE", more, "BUCKET}", bucket+"}").Replace(strings.Replace(ruled, "Variables: {BUCKET:", "Variables: {OUT:", 1))
		return Parse([]byte(text), Options{StackName: "St"})
	}
	for _, kind := range []string{"EventBridgeRule", "CloudWatchEvent"} {
		tpl, err := parse(kind, "", "")
		if err != nil {
			t.Fatal(err)
		}
		f := tpl.Functions["F"]
		same(t, "rules", f.Rules, []Rule{{
			Name: "Ended", RuleARN: "arn:aws:events:us-east-1:000000000000:rule/St-FEnded", Enabled: true,
			Pattern: map[string]any{"source": []any{"aws.ssm"}, "detail": map[string]any{"document-name": []any{map[string]any{"prefix": "St-"}}}},
		}})
		same(t, "bucket", *tpl.Buckets["OutputBucket"], Bucket{LogicalID: "OutputBucket", Name: "st-outputbucket", ARN: "arn:aws:s3:::st-outputbucket"})
		same(t, "environment", f.Environment, map[string]string{"OUT": "st-outputbucket", "ARN": "arn:aws:s3:::st-outputbucket"})
	}
	if tpl, err := parse("EventBridgeRule", ", State: DISABLED", "BucketName: own"); err != nil || tpl.Functions["F"].Rules[0].Enabled || tpl.Buckets["OutputBucket"].Name != "own" {
		t.Errorf("got %v", err)
	}
	for what, refused := range map[string][2]string{"an input": {", Input: '{}'", ""}, "a bucket that is a website": {"", "WebsiteConfiguration: {}"}} {
		if _, err := parse("EventBridgeRule", refused[0], refused[1]); err == nil {
			t.Errorf("%s is passed over", what)
		}
	}
}
