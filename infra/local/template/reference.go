package template

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"
)

// resource is one entry of the template's Resources.
type resource struct {
	id, kind string

	deletion, replacement string // DeletionPolicy and UpdateReplacePolicy

	raw      map[string]any // Properties as written, Globals merged in
	metadata map[string]any
	props    map[string]any // Properties evaluated; nil until then
}

// ref answers Ref, and a bare ${Name} in Fn::Sub.
func (e *evaluator) ref(name string) (any, error) {
	if strings.HasPrefix(name, "AWS::") {
		return e.pseudo(name)
	}
	if v, ok := e.parameters[name]; ok {
		return v, nil
	}
	if r, ok := e.resources[name]; ok {
		return e.refResource(r)
	}
	if v, ok := e.samRef(name); ok {
		return v, nil
	}
	return nil, fmt.Errorf("%q is neither a parameter nor a resource of this template", name)
}

func (e *evaluator) pseudo(name string) (any, error) {
	switch name {
	case "AWS::Region":
		return e.opts.Region, nil
	case "AWS::AccountId":
		return e.opts.AccountID, nil
	case "AWS::Partition":
		return "aws", nil
	case "AWS::StackName":
		return e.opts.StackName, nil
	case "AWS::StackId":
		return e.arn("cloudformation", "stack/"+e.opts.StackName+"/"+e.uuid("stack")), nil
	case "AWS::URLSuffix":
		return "amazonaws.com", nil
	case "AWS::NoValue":
		return noValue{}, nil
	}
	return nil, fmt.Errorf("unknown pseudo parameter %s", name)
}

// nameProperty is the property that gives a resource a name of its own, by type.
var nameProperty = map[string]string{
	"AWS::Serverless::Function": "FunctionName",
	"AWS::DynamoDB::Table":      "TableName",
	"AWS::SQS::Queue":           "QueueName",
	"AWS::SSM::Parameter":       "Name",
	"AWS::KMS::Alias":           "AliasName",
	"AWS::SNS::Topic":           "TopicName",
	"AWS::Logs::LogGroup":       "LogGroupName",
	"AWS::IAM::Role":            "RoleName",
	"AWS::CloudWatch::Alarm":    "AlarmName",
	"AWS::S3::Bucket":           "BucketName",
	"AWS::CloudFront::Function": "Name",

	"AWS::SecretsManager::Secret": "Name",
}

// physicalName is the name CloudFormation would give, without its random tail: <stack>-<logical id>.
func (e *evaluator) physicalName(r *resource) (string, error) {
	given := e.opts.StackName + "-" + r.id
	if r.kind == "AWS::S3::Bucket" {
		given = strings.ToLower(given)
	}
	raw, ok := r.raw[nameProperty[r.kind]]
	if !ok {
		return given, nil
	}
	v, err := e.eval(raw)
	if err != nil {
		return "", err
	}
	if _, gone := v.(noValue); gone {
		return given, nil
	}
	return text(v)
}

func (e *evaluator) refResource(r *resource) (any, error) {
	name, err := e.physicalName(r)
	if err != nil {
		return nil, fmt.Errorf("name of %s: %w", r.id, err)
	}
	switch r.kind {
	case "AWS::SQS::Queue":
		return e.opts.Endpoint + "/" + e.opts.AccountID + "/" + name, nil
	case "AWS::SNS::Topic":
		return e.arn("sns", name), nil
	case "AWS::SecretsManager::Secret":
		return e.arn("secretsmanager", "secret:"+name+"-"+e.shortID(r.id)[:6]), nil
	case "AWS::CloudFront::Function":
		return e.edgeFunctionARN(name), nil
	case "AWS::CloudFront::ResponseHeadersPolicy":
		return e.uuid(r.id), nil
	case "AWS::IAM::ManagedPolicy":
		return "arn:aws:iam::" + e.opts.AccountID + ":policy/" + name, nil
	case "AWS::KMS::Key":
		return e.uuid(r.id), nil
	case "AWS::ApiGatewayV2::Stage":
		v, err := e.eval(r.raw["StageName"])
		return v, err
	case "AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Integration", "AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::RouteResponse",
		"AWS::ApiGatewayV2::Deployment":
		return e.shortID(r.id), nil
	case "AWS::Serverless::Api", "AWS::ApiGateway::ApiKey", "AWS::ApiGateway::UsagePlan", "AWS::CloudFront::Distribution":
		return e.shortID(r.id), nil
	}
	return name, nil
}

// getAtt answers Fn::GetAtt. An attribute it does not know is an error, never an empty string.
func (e *evaluator) getAtt(id, attr string) (any, error) {
	r, ok := e.resources[id]
	if !ok {
		if v, ok := e.samAtt(id, attr); ok {
			return v, nil
		}
		return nil, fmt.Errorf("%q is not a resource of this template", id)
	}
	name, err := e.physicalName(r)
	if err != nil {
		return nil, fmt.Errorf("name of %s: %w", r.id, err)
	}
	switch r.kind + "." + attr {
	case "AWS::Serverless::Function.Arn":
		return e.arn("lambda", "function:"+name), nil
	case "AWS::DynamoDB::Table.Arn":
		return e.arn("dynamodb", "table/"+name), nil
	case "AWS::DynamoDB::Table.StreamArn":
		return e.arn("dynamodb", "table/"+name+"/stream/local"), nil
	case "AWS::SQS::Queue.Arn":
		return e.arn("sqs", name), nil
	case "AWS::SQS::Queue.QueueName", "AWS::SNS::Topic.TopicName":
		return name, nil
	case "AWS::SQS::Queue.QueueUrl", "AWS::SNS::Topic.TopicArn", "AWS::KMS::Key.KeyId", "AWS::ApiGateway::ApiKey.APIKeyId",
		"AWS::ApiGateway::UsagePlan.Id", "AWS::CloudFront::Distribution.Id", "AWS::Serverless::Api.RestApiId":
		return e.refResource(r)
	case "AWS::KMS::Key.Arn":
		return e.arn("kms", "key/"+e.uuid(r.id)), nil
	case "AWS::SSM::Parameter.Value", "AWS::SSM::Parameter.Type":
		return e.eval(r.raw[attr])
	case "AWS::Serverless::Api.RootResourceId":
		return e.shortID(r.id + "/root"), nil
	case "AWS::CloudFront::Distribution.DomainName":
		return strings.ToLower(e.shortID(r.id)) + ".cloudfront.net", nil
	case "AWS::CloudFront::Function.FunctionARN":
		return e.edgeFunctionARN(name), nil
	case "AWS::CloudFront::ResponseHeadersPolicy.Id", "AWS::SecretsManager::Secret.Id":
		return e.refResource(r)
	case "AWS::Logs::LogGroup.Arn":
		return e.arn("logs", "log-group:"+name+":*"), nil
	case "AWS::IAM::Role.Arn":
		path, err := e.eval(r.raw["Path"])
		if text, ok := path.(string); ok {
			return e.roleARN(text, name), err
		}
		return e.roleARN("/", name), err
	case "AWS::CloudWatch::Alarm.Arn":
		return e.arn("cloudwatch", "alarm:"+name), nil
	case "AWS::S3::Bucket.Arn":
		return "arn:aws:s3:::" + name, nil
	}
	if isInert(r.kind) && !strings.HasPrefix(r.kind, "AWS::SSM::") {
		return e.opts.StackName + "-" + r.id + "-" + attr, nil // nothing local ever reads it
	}
	return nil, fmt.Errorf("unknown attribute %s of %s (%s)", attr, id, r.kind)
}

// isSamProperty says whether a dotted name is one of SAM's referenceable properties, such as Api.Stage, which are
// read with Ref though they look like attributes.
func (e *evaluator) isSamProperty(name string) bool {
	id, property, _ := strings.Cut(name, ".")
	r := e.resources[id]
	return r != nil && r.kind == "AWS::Serverless::Api" && (property == "Stage" || property == "Deployment")
}

// samRef answers Ref for what SAM generates beside the resources that are written down.
func (e *evaluator) samRef(name string) (any, bool) {
	if id, property, dotted := strings.Cut(name, "."); dotted && e.isSamProperty(name) {
		if property == "Deployment" {
			return e.shortID(name), true
		}
		v, err := e.eval(e.resources[id].raw["StageName"])
		return v, err == nil
	}
	for id, r := range e.resources {
		tail, ok := strings.CutPrefix(name, id)
		switch {
		case !ok || tail == "":
		case r.kind == "AWS::Serverless::Api" && strings.HasSuffix(tail, "Stage"):
			v, err := e.eval(r.raw["StageName"])
			return v, err == nil
		case r.kind == "AWS::Serverless::Function" && (tail == "Role" || e.hasEvent(r, tail)):
			return e.opts.StackName + "-" + name, true
		}
	}
	return nil, false
}

// samAtt answers Fn::GetAtt for a function's generated role and for the rule of a scheduled event.
func (e *evaluator) samAtt(id, attr string) (any, bool) {
	if attr != "Arn" {
		return nil, false
	}
	name, ok := e.samRef(id)
	if !ok {
		return nil, false
	}
	if strings.HasSuffix(id, "Role") {
		return e.roleARN("/", name.(string)), true
	}
	return e.arn("events", "rule/"+name.(string)), true
}

func (e *evaluator) hasEvent(r *resource, name string) bool {
	events, ok := r.raw["Events"].(map[string]any)
	if !ok {
		return false
	}
	_, ok = events[name]
	return ok
}

// roleARN names a role. A path begins and ends with a slash.
func (e *evaluator) roleARN(path, name string) string {
	return "arn:aws:iam::" + e.opts.AccountID + ":role" + path + name
}

func (e *evaluator) arn(service, rest string) string {
	return "arn:aws:" + service + ":" + e.opts.Region + ":" + e.opts.AccountID + ":" + rest
}

// uuid is the same for the same stack and name, so that a key keeps its id over a restart.
func (e *evaluator) uuid(name string) string {
	sum := sha256.Sum256([]byte(e.opts.StackName + "\x00" + name))
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:]
}

// shortID is ten characters, as API Gateway's ids are.
func (e *evaluator) shortID(name string) string {
	sum := sha256.Sum256([]byte(e.opts.StackName + "\x00" + name))
	return strings.ToLower(base32.HexEncoding.EncodeToString(sum[:]))[:10]
}
