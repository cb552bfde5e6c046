package template

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// builder makes the typed view from evaluated resources.
type builder struct {
	e    *evaluator
	t    *Template
	errs []error
}

func (b *builder) build() {
	b.each("AWS::DynamoDB::Table", b.table)
	b.each("AWS::SQS::Queue", b.queue)
	b.each("AWS::SNS::Topic", b.topic)
	b.each("AWS::KMS::Key", b.key)
	b.each("AWS::KMS::Alias", b.alias)
	b.each("AWS::SSM::Parameter", b.parameter)
	b.each("AWS::S3::Bucket", b.bucket)
	b.each("AWS::SecretsManager::Secret", b.secret)
	b.each("AWS::Serverless::Api", b.api)
	b.each("AWS::ApiGatewayV2::Api", b.sockets)
	b.each("AWS::CloudFront::Distribution", b.distribution)
	b.each("AWS::ApiGateway::ApiKey", b.apiKey)
	b.each("AWS::ApiGateway::UsagePlan", b.usagePlan)
	b.each("AWS::ApiGateway::UsagePlanKey", b.usagePlanKey)
	b.each("AWS::Serverless::Function", b.function)
	b.each("AWS::SNS::Subscription", b.subscription)
	b.each("AWS::IAM::Policy", b.attachPolicy)
	b.each("AWS::IAM::ManagedPolicy", b.attachPolicy)
	b.checkReferences()
}

// each visits the resources of a type in the order of their logical ids.
func (b *builder) each(kind string, visit func(*resource, properties)) {
	for _, id := range slices.Sorted(maps.Keys(b.e.resources)) {
		if r := b.e.resources[id]; r.kind == kind {
			visit(r, properties{b: b, path: id, m: r.props})
		}
	}
}

// refText is Ref of a resource that is known to exist.
func (b *builder) refText(r *resource) string { return b.must(b.e.refResource(r)) }

func (b *builder) attText(r *resource, attr string) string { return b.must(b.e.getAtt(r.id, attr)) }

func (b *builder) must(v any, err error) string {
	if err != nil {
		b.errs = append(b.errs, err)
		return ""
	}
	s, err := text(v)
	if err != nil {
		b.errs = append(b.errs, err)
	}
	return s
}

func (b *builder) outputs(declared map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		m, _ := declared[name].(map[string]any)
		if condition, ok := m["Condition"].(string); ok {
			yes, err := b.e.condition(condition)
			if err != nil {
				b.errs = append(b.errs, fmt.Errorf("output %s: %w", name, err))
			}
			if !yes {
				continue
			}
		}
		v, err := b.e.eval(m["Value"])
		if err != nil {
			b.errs = append(b.errs, fmt.Errorf("output %s: %w", name, err))
			continue
		}
		b.t.Outputs[name] = b.must(v, nil)
	}
}

func (b *builder) table(r *resource, p properties) {
	p.only("AttributeDefinitions", "BillingMode", "DeletionProtectionEnabled", "GlobalSecondaryIndexes", "KeySchema",
		"PointInTimeRecoverySpecification", "SSESpecification", "StreamSpecification", "TableClass", "TableName", "Tags",
		"TimeToLiveSpecification", "OnDemandThroughput", "ContributorInsightsSpecification", "ResourcePolicy")
	t := &Table{
		LogicalID: r.id, Name: b.refText(r), ARN: b.attText(r, "Arn"), Attributes: map[string]string{},
		Keys: keySchema(p), StreamView: p.sub("StreamSpecification").text("StreamViewType", ""),
	}
	for _, a := range p.items("AttributeDefinitions") {
		t.Attributes[a.text("AttributeName", "")] = a.text("AttributeType", "")
	}
	for _, g := range p.items("GlobalSecondaryIndexes") {
		projection := g.sub("Projection")
		t.Indexes = append(t.Indexes, Index{
			Name: g.text("IndexName", ""), Keys: keySchema(g),
			Projection: projection.text("ProjectionType", ""), NonKeyAttributes: projection.texts("NonKeyAttributes"),
		})
	}
	if ttl := p.sub("TimeToLiveSpecification"); ttl.flag("Enabled", false) {
		t.TTLAttribute = ttl.text("AttributeName", "")
	}
	if t.StreamView != "" {
		t.StreamARN = b.attText(r, "StreamArn")
	}
	if len(t.Keys) == 0 {
		p.fail("has no KeySchema")
	}
	b.t.Tables[r.id] = t
}

func keySchema(p properties) []KeyElement {
	var out []KeyElement
	for _, k := range p.items("KeySchema") {
		out = append(out, KeyElement{Name: k.text("AttributeName", ""), Type: k.text("KeyType", "")})
	}
	return out
}

func (b *builder) queue(r *resource, p properties) {
	p.only("ContentBasedDeduplication", "DeduplicationScope", "DelaySeconds", "FifoQueue", "FifoThroughputLimit",
		"KmsDataKeyReusePeriodSeconds", "KmsMasterKeyId", "MaximumMessageSize", "MessageRetentionPeriod", "QueueName",
		"ReceiveMessageWaitTimeSeconds", "RedriveAllowPolicy", "RedrivePolicy", "SqsManagedSseEnabled", "Tags", "VisibilityTimeout")
	redrive := p.sub("RedrivePolicy")
	b.t.Queues[r.id] = &Queue{
		LogicalID: r.id, Name: b.attText(r, "QueueName"), ARN: b.attText(r, "Arn"), URL: b.refText(r),
		Visibility:      seconds(p.integer("VisibilityTimeout", 30)),
		Delay:           seconds(p.integer("DelaySeconds", 0)),
		Retention:       seconds(p.integer("MessageRetentionPeriod", 4*24*3600)),
		ReceiveWait:     seconds(p.integer("ReceiveMessageWaitTimeSeconds", 0)),
		MaximumSize:     p.integer("MaximumMessageSize", 1<<20),
		DeadLetterARN:   redrive.text("deadLetterTargetArn", ""),
		MaxReceiveCount: redrive.integer("maxReceiveCount", 0),
		FIFO:            p.flag("FifoQueue", false),
	}
}

func (b *builder) topic(r *resource, _ properties) {
	b.t.Topics[r.id] = &Topic{LogicalID: r.id, ARN: b.refText(r)}
}

// subscription gives a function its topic. Whoever else subscribes, by mail say, is not of this machine.
func (b *builder) subscription(r *resource, p properties) {
	if p.text("Protocol", "") != "lambda" {
		return
	}
	p.only("Endpoint", "Protocol", "TopicArn")
	for _, f := range b.t.Functions {
		if f.ARN == p.text("Endpoint", "") {
			f.TopicSources = append(f.TopicSources, TopicSource{Name: r.id, TopicARN: p.text("TopicArn", "")})
			return
		}
	}
	p.fail("Endpoint %q is no function of this template", p.text("Endpoint", ""))
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

func (b *builder) key(r *resource, p properties) {
	p.only("BypassPolicyLockoutSafetyCheck", "Description", "EnableKeyRotation", "Enabled", "KeyPolicy", "KeySpec", "KeyUsage",
		"MultiRegion", "PendingWindowInDays", "RotationPeriodInDays", "Tags", "Origin")
	b.t.Keys[r.id] = &Key{
		LogicalID: r.id, ID: b.refText(r), ARN: b.attText(r, "Arn"),
		Spec: p.text("KeySpec", "SYMMETRIC_DEFAULT"), Usage: p.text("KeyUsage", "ENCRYPT_DECRYPT"),
		Policy: statements(p.sub("KeyPolicy")),
	}
}

func (b *builder) alias(r *resource, p properties) {
	p.only("AliasName", "TargetKeyId")
	target := p.text("TargetKeyId", "")
	for _, k := range b.t.Keys {
		if target == k.ID || target == k.ARN {
			k.Aliases = append(k.Aliases, p.text("AliasName", ""))
			return
		}
	}
	p.fail("TargetKeyId %q is no key of this template", target)
}

func (b *builder) parameter(r *resource, p properties) {
	p.only("AllowedPattern", "DataType", "Description", "Name", "Policies", "Tags", "Tier", "Type", "Value")
	b.t.SSM[r.id] = &Parameter{LogicalID: r.id, Name: b.refText(r), Type: p.text("Type", ""), Value: p.text("Value", "")}
}

func (b *builder) bucket(r *resource, p properties) {
	p.only("BucketEncryption", "BucketName", "LifecycleConfiguration", "LoggingConfiguration", "OwnershipControls",
		"PublicAccessBlockConfiguration", "Tags", "VersioningConfiguration")
	b.t.Buckets[r.id] = &Bucket{LogicalID: r.id, Name: b.refText(r), ARN: b.attText(r, "Arn")}
}

// checkReferences notes what points at a resource that is not there, and marks the streams that somebody reads.
func (b *builder) checkReferences() {
	queues := map[string]bool{}
	for _, q := range b.t.Queues {
		queues[q.ARN] = true
	}
	for _, q := range b.t.Queues {
		if q.DeadLetterARN != "" && !queues[q.DeadLetterARN] {
			b.errs = append(b.errs, fmt.Errorf("%s: dead-letter queue %s is not in this template", q.LogicalID, q.DeadLetterARN))
		}
	}
	for _, f := range b.t.Functions {
		for _, source := range f.QueueSources {
			if !queues[source.QueueARN] {
				b.errs = append(b.errs, fmt.Errorf("%s.Events.%s: queue %s is not in this template", f.LogicalID, source.Name, source.QueueARN))
			}
		}
		for _, source := range f.StreamSources {
			found := false
			for _, t := range b.t.Tables {
				if t.StreamARN != "" && t.StreamARN == source.StreamARN {
					t.StreamConsumed, found = true, true
				}
			}
			if !found {
				b.errs = append(b.errs, fmt.Errorf("%s.Events.%s: stream %s is not in this template", f.LogicalID, source.Name, source.StreamARN))
			}
		}
	}
	if b.t.API == nil {
		return
	}
	for _, route := range b.t.API.Routes {
		if a := route.Authorizer; a != nil && b.t.Functions[a.Function] == nil {
			b.errs = append(b.errs, fmt.Errorf("authorizer %s: %q is no function of this template", a.Name, a.Function))
		}
	}
}
