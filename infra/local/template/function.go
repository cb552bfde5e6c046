package template

import (
	"maps"
	"path"
	"slices"
	"strings"
)

func (b *builder) function(r *resource, p properties) {
	p.only("Architectures", "AutoPublishAlias", "CodeUri", "DeadLetterQueue", "DeploymentPreference", "Description", "Environment",
		"EphemeralStorage", "EventInvokeConfig", "Events", "FunctionName", "Handler", "KmsKeyArn", "Layers", "LoggingConfig",
		"MemorySize", "PackageType", "PermissionsBoundary", "Policies", "ReservedConcurrentExecutions", "Role", "RecursiveLoop",
		"RolePath", "Runtime", "RuntimeManagementConfig", "SnapStart", "Tags", "PropagateTags", "Timeout", "Tracing", "VpcConfig")
	f := &Function{
		LogicalID: r.id, Name: b.refText(r), ARN: b.attText(r, "Arn"),
		Folder: folder(r.id, p.text("CodeUri", "")), Handler: p.text("Handler", ""), Runtime: p.text("Runtime", ""),
		Architectures: p.texts("Architectures"), Timeout: seconds(p.integer("Timeout", 3)), MemoryMB: p.integer("MemorySize", 128),
		Environment: map[string]string{}, MaxConcurrency: p.integer("ReservedConcurrentExecutions", 0),
	}
	variables := p.sub("Environment").sub("Variables")
	for name := range variables.m {
		f.Environment[name] = variables.text(name, "")
	}
	f.RoleARN = p.text("Role", b.e.roleARN("/", b.e.opts.StackName+"-"+f.LogicalID+"Role"))
	f.Statements = slices.Concat(b.policies(p), b.roleOf(p))
	b.t.Functions[r.id] = f
	events := p.sub("Events")
	for _, name := range slices.Sorted(maps.Keys(events.m)) {
		b.event(r, f, name, events.sub(name))
	}
}

// folder is where a function's main package lies. CodeUri says so when it points below functions/; where all functions
// share a CodeUri (the makefile build needs the one folder that go.mod lies in), the logical id does: IdentityFunction
// is functions/identity, and the sandbox's three are one program.
func folder(id, codeURI string) string {
	if dir := path.Clean(codeURI); strings.HasPrefix(dir, "functions/") {
		return dir
	}
	name := strings.ToLower(strings.TrimSuffix(id, "Function"))
	if strings.HasPrefix(name, "sandbox") {
		name = "sandbox"
	}
	return "functions/" + name
}

func (b *builder) event(r *resource, f *Function, name string, p properties) {
	kind := p.text("Type", "")
	p = p.sub("Properties")
	switch kind {
	case "Api":
		b.route(f, p)
	case "SQS":
		p.only("BatchSize", "Enabled", "FunctionResponseTypes", "MaximumBatchingWindowInSeconds", "Queue", "ScalingConfig")
		f.QueueSources = append(f.QueueSources, QueueSource{
			Name: name, QueueARN: p.text("Queue", ""), BatchSize: p.integer("BatchSize", 10),
			Window:                  seconds(p.integer("MaximumBatchingWindowInSeconds", 0)),
			ReportBatchItemFailures: slices.Contains(p.texts("FunctionResponseTypes"), "ReportBatchItemFailures"),
			MaxConcurrency:          p.sub("ScalingConfig").integer("MaximumConcurrency", 0),
			Enabled:                 p.flag("Enabled", true),
		})
	case "Schedule":
		p.only("DeadLetterConfig", "Description", "Enabled", "Input", "Name", "RetryPolicy", "Schedule", "State", "RoleArn")
		rule := p.text("Name", b.e.opts.StackName+"-"+r.id+name)
		f.Schedules = append(f.Schedules, Schedule{
			Name: name, RuleARN: b.e.arn("events", "rule/"+rule), Expression: p.text("Schedule", ""), Input: p.text("Input", ""),
			Enabled: p.flag("Enabled", true) && p.text("State", "ENABLED") == "ENABLED",
		})
	case "EventBridgeRule", "CloudWatchEvent":
		p.only("DeadLetterConfig", "Enabled", "Pattern", "RetryPolicy", "RuleName", "State")
		rule := p.text("RuleName", b.e.opts.StackName+"-"+r.id+name)
		f.Rules = append(f.Rules, Rule{
			Name: name, RuleARN: b.e.arn("events", "rule/"+rule), Pattern: p.sub("Pattern").m,
			Enabled: p.flag("Enabled", true) && p.text("State", "ENABLED") == "ENABLED",
		})
	case "SNS":
		p.only("Topic")
		f.TopicSources = append(f.TopicSources, TopicSource{Name: name, TopicARN: p.text("Topic", "")})
	case "DynamoDB":
		p.only("BatchSize", "BisectBatchOnFunctionError", "DestinationConfig", "Enabled", "FilterCriteria", "FunctionResponseTypes",
			"MaximumBatchingWindowInSeconds", "MaximumRecordAgeInSeconds", "MaximumRetryAttempts", "ParallelizationFactor",
			"StartingPosition", "Stream")
		var filters []string
		for _, filter := range p.sub("FilterCriteria").items("Filters") {
			filters = append(filters, filter.text("Pattern", ""))
		}
		f.StreamSources = append(f.StreamSources, StreamSource{
			Name: name, StreamARN: p.text("Stream", ""), BatchSize: p.integer("BatchSize", 100),
			StartingPosition:        p.text("StartingPosition", ""),
			Filters:                 filters,
			ReportBatchItemFailures: slices.Contains(p.texts("FunctionResponseTypes"), "ReportBatchItemFailures"),
			BisectBatchOnError:      p.flag("BisectBatchOnFunctionError", false),
			MaximumRetryAttempts:    p.integer("MaximumRetryAttempts", -1),
			OnFailureARN:            p.sub("DestinationConfig").sub("OnFailure").text("Destination", ""),
			Window:                  seconds(p.integer("MaximumBatchingWindowInSeconds", 0)),
			Enabled:                 p.flag("Enabled", true),
		})
	default:
		p.fail("the local stack does not know the event type %q", kind)
	}
}
