// Package template reads template.yaml as AWS SAM and CloudFormation would deploy it, and gives a typed view of what
// the local stack serves: functions with their environment, rights and event sources, tables, queues, keys, parameters
// and the API. What a laptop runs is therefore what the cloud runs.
//
// It promises to leave nothing out in silence: an intrinsic function, a resource type, an event type, a policy template
// or an attribute that it does not know is an error that names it.
package template

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// Options say where and under which names the template is deployed.
type Options struct {
	StackName  string            // default "pagefree-local"; prefix of every physical name
	Region     string            // default "us-east-1"
	AccountID  string            // default "000000000000"
	Endpoint   string            // origin of the local AWS port, such as http://127.0.0.1:4566: queue URLs start with it
	Seed       string            // what generated secrets are made from; the same seed gives the same ones
	Parameters map[string]string // override the parameters' defaults; an undeclared name is an error
}

// Template is a deployed template.
type Template struct {
	StackName, Region, AccountID string

	Parameters map[string]string    // by name, lists joined by commas
	Functions  map[string]*Function // these and all below by logical id
	Tables     map[string]*Table
	Queues     map[string]*Queue
	Topics     map[string]*Topic
	Keys       map[string]*Key
	SSM        map[string]*Parameter
	Buckets    map[string]*Bucket
	Secrets    map[string]*Secret
	API        *API          // nil without an AWS::Serverless::Api
	Sockets    *SocketAPI    // nil without an AWS::ApiGatewayV2::Api
	Edge       *Distribution // nil without an AWS::CloudFront::Distribution
	Outputs    map[string]string
	Resources  map[string]Resource // every one whose condition holds
}

// Load reads and evaluates the file at path.
func Load(path string, opts Options) (*Template, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	t, err := Parse(data, opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Declared tells the names of the parameters of the file at path.
func Declared(path string) (map[string]bool, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	doc, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	names := map[string]bool{}
	for name := range section(doc, "Parameters") {
		names[name] = true
	}
	return names, nil
}

// Parse evaluates a template.
func Parse(data []byte, opts Options) (*Template, error) {
	opts.StackName = cmp.Or(opts.StackName, "pagefree-local")
	opts.Region = cmp.Or(opts.Region, "us-east-1")
	opts.AccountID = cmp.Or(opts.AccountID, "000000000000")
	opts.Endpoint = cmp.Or(opts.Endpoint, "http://127.0.0.1:4566")

	doc, err := decode(data)
	if err != nil {
		return nil, err
	}
	e := &evaluator{
		opts:     opts,
		rules:    section(doc, "Conditions"),
		mappings: section(doc, "Mappings"),
		decided:  map[string]bool{},
		deciding: map[string]bool{},
	}
	if e.parameters, err = parameters(section(doc, "Parameters"), opts.Parameters); err != nil {
		return nil, err
	}
	if err := e.collect(doc); err != nil {
		return nil, err
	}
	return e.assemble(doc)
}

// collect gathers the resources whose condition holds, with Globals merged in.
func (e *evaluator) collect(doc map[string]any) error {
	globals := section(doc, "Globals")
	e.resources = map[string]*resource{}
	for id, v := range section(doc, "Resources") {
		entry, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("resource %s: not a mapping", id)
		}
		if name, ok := entry["Condition"].(string); ok {
			yes, err := e.condition(name)
			if err != nil {
				return fmt.Errorf("resource %s: %w", id, err)
			}
			if !yes {
				continue
			}
		}
		kind, _ := entry["Type"].(string)
		if !isServed(kind) && !isInert(kind) {
			return fmt.Errorf("resource %s: the local stack does not know the type %q", id, kind)
		}
		raw := section(entry, "Properties")
		if name, ok := strings.CutPrefix(kind, "AWS::Serverless::"); ok {
			raw = merge(section(globals, name), raw).(map[string]any)
		}
		r := &resource{id: id, kind: kind, raw: raw, metadata: section(entry, "Metadata")}
		r.deletion, _ = entry["DeletionPolicy"].(string)
		r.replacement, _ = entry["UpdateReplacePolicy"].(string)
		e.resources[id] = r
	}
	return nil
}

// assemble evaluates every resource, inert ones too, so that a mistake anywhere is told.
func (e *evaluator) assemble(doc map[string]any) (*Template, error) {
	t := &Template{
		StackName: e.opts.StackName, Region: e.opts.Region, AccountID: e.opts.AccountID,
		Parameters: map[string]string{}, Functions: map[string]*Function{}, Tables: map[string]*Table{},
		Queues: map[string]*Queue{}, Topics: map[string]*Topic{}, Keys: map[string]*Key{}, SSM: map[string]*Parameter{}, Buckets: map[string]*Bucket{}, Secrets: map[string]*Secret{}, Outputs: map[string]string{},
		Resources: map[string]Resource{},
	}
	for name, v := range e.parameters {
		t.Parameters[name] = parameterText(v)
	}
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(e.resources)) {
		r := e.resources[id]
		v, err := e.eval(r.raw)
		if err == nil {
			v, err = e.resolve(v)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("resource %s: %w", id, err))
			continue
		}
		r.props = v.(map[string]any)
		t.Resources[id] = Resource{Type: r.kind, DeletionPolicy: r.deletion, UpdateReplacePolicy: r.replacement, Properties: r.props}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	b := &builder{e: e, t: t}
	b.build()
	b.outputs(section(doc, "Outputs"))
	if err := errors.Join(b.errs...); err != nil {
		return nil, err
	}
	return t, nil
}

// served are the types that the local stack gives life.
var served = []string{
	"AWS::ApiGateway::ApiKey", "AWS::ApiGateway::UsagePlan", "AWS::ApiGateway::UsagePlanKey",
	"AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Deployment", "AWS::ApiGatewayV2::Integration", "AWS::ApiGatewayV2::Route",
	"AWS::ApiGatewayV2::RouteResponse", "AWS::ApiGatewayV2::Stage",
	"AWS::CloudFront::Distribution", "AWS::CloudFront::Function", "AWS::CloudFront::ResponseHeadersPolicy", "AWS::DynamoDB::Table",
	"AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::IAM::Role", "AWS::KMS::Alias", "AWS::KMS::Key", "AWS::S3::Bucket", "AWS::SQS::Queue",
	"AWS::SNS::Subscription", "AWS::SNS::Topic", "AWS::SSM::Parameter", "AWS::SecretsManager::Secret", "AWS::Serverless::Api", "AWS::Serverless::Function",
}

func isServed(kind string) bool { return slices.Contains(served, kind) }

// inert are the types, or whole services, that change nothing about what a request does on a laptop.
var inert = []string{
	"AWS::ApiGateway::Account", "AWS::CertificateManager::", "AWS::CloudWatch::", "AWS::EC2::", "AWS::IAM::",
	"AWS::KMS::", "AWS::Lambda::Permission", "AWS::Logs::", "AWS::Route53::", "AWS::S3::BucketPolicy", "AWS::SES::", "AWS::SNS::",
	"AWS::SQS::QueuePolicy", "AWS::SSM::", "AWS::WAFv2::", "AWS::XRay::",
}

func isInert(kind string) bool {
	return slices.ContainsFunc(inert, func(prefix string) bool { return strings.HasPrefix(kind, prefix) })
}

// section is a member that is a mapping; an empty one where it is missing.
func section(m map[string]any, name string) map[string]any {
	s, ok := m[name].(map[string]any)
	if !ok {
		return map[string]any{}
	}
	return s
}
