package template

import (
	"strings"
	"testing"
	"time"
)

// edge is a template with a distribution; each part of it may be replaced.
const edge = `Resources:
  Api: {Type: AWS::Serverless::Api, Properties: {StageName: live}}
  Secret:
    Type: AWS::SecretsManager::Secret
    Properties: {GenerateSecretString: {PasswordLength: 40, ExcludePunctuation: true}}
  Code:
    Type: AWS::CloudFront::Function
    Properties:
      Name: code
      AutoPublish: true
      FunctionConfig: {Comment: c, Runtime: cloudfront-js-2.0}
      FunctionCode: |
        function handler(event) { return event.request; } // { a }
  Headers:
    Type: AWS::CloudFront::ResponseHeadersPolicy
    Properties:
      ResponseHeadersPolicyConfig:
        Name: h
        SecurityHeadersConfig: {StrictTransportSecurity: {AccessControlMaxAgeSec: 60, IncludeSubdomains: true, Override: false}, FrameOptions: {FrameOption: DENY, Override: true}}
  Distribution:
    Type: AWS::CloudFront::Distribution
    Properties:
      DistributionConfig:
        Enabled: true
        Origins:
          - Id: api
            DomainName: !Sub ${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}
            OriginPath: /live
            OriginCustomHeaders: [{HeaderName: x-secret, HeaderValue: !Sub '{{resolve:secretsmanager:${Secret}:SecretString}}'}]
        DefaultCacheBehavior:
          TargetOriginId: api
          ViewerProtocolPolicy: https-only
          AllowedMethods: [GET, HEAD, OPTIONS]
          CachePolicyId: 4135ea2d-6df8-44a3-9df3-4b5a84be39ad
          OriginRequestPolicyId: b689b0a8-53d0-40ab-baf2-68738e2966ac
          ResponseHeadersPolicyId: !Ref Headers
          FunctionAssociations: [{EventType: viewer-request, FunctionARN: !GetAtt Code.FunctionARN}]
        CacheBehaviors:
          - {PathPattern: 'a/*.css', TargetOriginId: api, ViewerProtocolPolicy: https-only, Compress: true, CachePolicyId: 658327ea-f89d-4fab-a63d-7e88639e58f6}
        CustomErrorResponses: [{ErrorCode: 404, ErrorCachingMinTTL: 0}, {ErrorCode: 500}]
`

func TestDistribution(t *testing.T) {
	tpl, err := Parse([]byte(edge), Options{StackName: "st"})
	if err != nil {
		t.Fatal(err)
	}
	d := tpl.Edge
	same(t, "origin", d.OriginDomain, tpl.API.ID+".execute-api.us-east-1.amazonaws.com")
	same(t, "path", d.OriginPath, "/live")
	same(t, "headers", d.OriginHeaders, map[string]string{"x-secret": tpl.Secrets["Secret"].Value})
	same(t, "errors", d.ErrorTTL, map[int]time.Duration{404: 0, 500: 10 * time.Second})
	same(t, "behaviors", d.Behaviors, []Behavior{
		{Pattern: "a/*.css", Methods: []string{"GET", "HEAD"}, Compress: true, Headers: map[string]Header{},
			Cache: CachePolicy{Min: time.Second, Default: 24 * time.Hour, Max: 365 * 24 * time.Hour, Encodings: true}},
		{Pattern: "*", Methods: []string{"GET", "HEAD", "OPTIONS"}, ForwardsHeaders: true,
			Headers:       map[string]Header{"Strict-Transport-Security": {Value: "max-age=60; includeSubDomains"}, "X-Frame-Options": {Value: "DENY", Override: true}},
			ViewerRequest: "function handler(event) { return event.request; } // { a }\n"},
	})
	for path, want := range map[string]string{"/a/x.css": "a/*.css", "/a/b/x.css": "a/*.css", "/a/.css": "a/*.css", "/b/a/x.css": "*", "/a/x.csss": "*", "/": "*"} {
		if got := d.BehaviorFor(path).Pattern; got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func TestSecret(t *testing.T) {
	value := func(doc string, o Options) string {
		t.Helper()
		tpl, err := Parse([]byte(doc), o)
		if err != nil {
			t.Fatal(err)
		}
		return tpl.Secrets["Secret"].Value
	}
	first := value(edge, Options{StackName: "st", Seed: "a"})
	if len(first) != 40 || strings.Trim(first, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
		t.Errorf("got %q", first)
	}
	if again := value(edge, Options{StackName: "st", Seed: "a"}); again != first {
		t.Errorf("the same stack has another one")
	}
	for name, other := range map[string]string{
		"seed": value(edge, Options{StackName: "st", Seed: "b"}), "stack": value(edge, Options{StackName: "other", Seed: "a"}),
		"name": value(strings.Replace(edge, "Properties: {Generate", "Properties: {Name: next, Generate", 1), Options{StackName: "st", Seed: "a"}),
	} {
		if other == first {
			t.Errorf("another %s gives the same secret", name)
		}
	}
}

// TestEdgeRefusals: what the local stack does not play, it says.
func TestEdgeRefusals(t *testing.T) {
	tests := map[string]struct{ from, to, want string }{
		"another cache policy":         {"4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "x", `cache policy "x"`},
		"another request policy":       {"b689b0a8-53d0-40ab-baf2-68738e2966ac", "x", `origin request policy "x"`},
		"another headers policy":       {"!Ref Headers", "x", "no policy of this template"},
		"another function":             {"!GetAtt Code.FunctionARN", "arn", "no function of this template"},
		"another event":                {"viewer-request", "viewer-response", "viewer-response"},
		"another runtime":              {"cloudfront-js-2.0", "cloudfront-js-1.0", "cloudfront-js-1.0"},
		"a function of no life":        {"AutoPublish: true", "AutoPublish: false", "published"},
		"another origin":               {"${Api}.execute-api", "x", "no origin but the template's API"},
		"without the stage":            {"OriginPath: /live", "OriginPath: /other", "no origin but the template's API"},
		"a page of its own":            {"{ErrorCode: 500}", "{ErrorCode: 500, ResponsePagePath: /x}", "ResponsePagePath"},
		"Lambda@Edge":                  {"FunctionAssociations", "LambdaFunctionAssociations", "LambdaFunctionAssociations"},
		"other headers":                {"FrameOptions", "ContentSecurityPolicy", "ContentSecurityPolicy"},
		"a secret of another template": {"${Secret}:", "other:", "no secret of this template"},
		"a part of a secret":           {"${Secret}:SecretString}}", "${Secret}:SecretString:a}}", "no secret of this template"},
		"another service's reference":  {"resolve:secretsmanager", "resolve:ssm", "no secret of this template"},
		"a secret with punctuation":    {"ExcludePunctuation: true", "ExcludePunctuation: false", "ExcludePunctuation"},
		"a secret that is written out": {"GenerateSecretString: {PasswordLength: 40, ExcludePunctuation: true}", "SecretString: x", "SecretString"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			doc := strings.Replace(edge, tt.from, tt.to, 1)
			if doc == edge {
				t.Fatal("nothing was changed")
			}
			if _, err := Parse([]byte(doc), Options{}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error that names %q", err, tt.want)
			}
		})
	}
}
