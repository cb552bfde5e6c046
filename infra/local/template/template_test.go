package template

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func load(t *testing.T, parameters map[string]string) *Template {
	t.Helper()
	if parameters["FirstAdminEmail"] == "" {
		parameters["FirstAdminEmail"] = "admin@pagefree.test"
	}
	tpl, err := Load("testdata/full.yaml", Options{StackName: "st", Endpoint: "http://127.0.0.1:9", Parameters: parameters})
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

// same fails unless got is want, member by member.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %#v\nwant %#v", what, got, want)
	}
}

func TestFunction(t *testing.T) {
	tpl := load(t, map[string]string{"Architecture": "x86_64"})
	f := tpl.Functions["IdentityFunction"]
	key := tpl.Keys["Seal"].ID
	same(t, "environment", f.Environment, map[string]string{
		"SHARED": "yes", "QUEUE": "http://127.0.0.1:9/000000000000/st-Work", "KEY": key, "SANDBOX": "st-SandboxPythonFunction",
		"ORIGIN": "/st/origin", "LIST": "x|y", "SECOND": "b", "LITERAL": "${kept} 30", "IDLE": "30",
	})
	same(t, "arn", f.ARN, "arn:aws:lambda:us-east-1:000000000000:function:st-IdentityFunction")
	same(t, "folder", f.Folder, "functions/identity")
	same(t, "timeout", f.Timeout, 29*time.Second)
	same(t, "memory from Globals", f.MemoryMB, 128)
	same(t, "architectures", f.Architectures, []string{"x86_64"})
	same(t, "queues", f.QueueSources, []QueueSource{{
		Name: "Queue", QueueARN: "arn:aws:sqs:us-east-1:000000000000:st-Work", BatchSize: 5, ReportBatchItemFailures: true, MaxConcurrency: 4, Enabled: true,
	}})
	same(t, "schedules", f.Schedules, []Schedule{{
		Name: "Minute", RuleARN: "arn:aws:events:us-east-1:000000000000:rule/st-IdentityFunctionMinute", Expression: "rate(1 minute)", Enabled: true,
	}})
	same(t, "streams", len(f.StreamSources), 1)
	same(t, "filters", strings.Join(f.StreamSources[0].Filters, " "), `{"eventName":["INSERT"]} {"eventName":["REMOVE"]}`)

	sandbox := tpl.Functions["SandboxPythonFunction"]
	same(t, "sandbox folder", sandbox.Folder, "functions/sandbox")
	same(t, "sandbox memory over Globals", sandbox.MemoryMB, 1024)
	same(t, "folder by logical id", tpl.Functions["AuthorizerFunction"].Folder, "functions/authorizer")
}

func TestStatements(t *testing.T) {
	table := "arn:aws:dynamodb:us-east-1:000000000000:table/st-Main"
	want := []Statement{{
		Effect: "Allow", Actions: []string{"dynamodb:GetItem", "dynamodb:Query"}, Resources: []string{table, table + "/index/*"},
		Conditions: map[string]map[string][]string{"ForAllValues:StringLike": {"dynamodb:LeadingKeys": {"session#*"}}},
	}}
	same(t, "without the condition", load(t, map[string]string{}).Functions["AuthorizerFunction"].Statements, want)
	want = append(want, Statement{Effect: "Deny", Actions: []string{"*"}, Resources: []string{"*"}, Conditions: map[string]map[string][]string{}})
	same(t, "with it", load(t, map[string]string{"PublicOrigin": "https://a.test"}).Functions["AuthorizerFunction"].Statements, want)
}

func TestAPI(t *testing.T) {
	api := load(t, map[string]string{}).API
	authorizer := &Authorizer{Name: "Callers", Function: "AuthorizerFunction"}
	same(t, "routes", api.Routes, []Route{
		{Path: "/v1/me", Method: "ANY", Function: "IdentityFunction", Authorizer: authorizer, APIKeyRequired: true},
		{Path: "/v1/auth/{proxy+}", Method: "ANY", Function: "IdentityFunction"},
	})
	same(t, "settings", api.MethodSettings, []MethodSetting{
		{Path: "*", Method: "*"}, {Path: "/v1/auth/{proxy+}", Method: "*", Throttle: &Throttle{Rate: 20, Burst: 40}},
	})
	same(t, "binary", api.BinaryMediaTypes, []string{"*/*"})
	same(t, "denied", api.GatewayResponses["ACCESS_DENIED"], GatewayResponse{
		StatusCode: 401, Headers: map[string]string{"WWW-Authenticate": "'Bearer'", "X-Request-Id": "context.requestId"},
		Templates: map[string]string{"application/problem+json": `{"code":"$context.authorizer.code"}`},
	})
	same(t, "plans", len(api.UsagePlans), 1)
	plan := api.UsagePlans[0]
	same(t, "plan", []any{plan.Rate, plan.Burst, plan.QuotaLimit, plan.QuotaPeriod}, []any{50.0, 100, 1000, "DAY"})
	same(t, "plan's keys", plan.KeyIDs, []string{api.Keys[0].ID})
	same(t, "key's value", api.Keys[0].Value, "st-api-plan-key-value")
	same(t, "stage", api.Stage, "prod")
}

func TestData(t *testing.T) {
	tpl := load(t, map[string]string{})
	table := tpl.Tables["Main"]
	same(t, "name", table.Name, "st-Main")
	same(t, "keys", table.Keys, []KeyElement{{"pk", "HASH"}, {"sk", "RANGE"}})
	same(t, "indexes", table.Indexes, []Index{{Name: "byTeam", Keys: []KeyElement{{"byTeam", "HASH"}}, Projection: "ALL"}})
	same(t, "ttl", table.TTLAttribute, "ttl")
	same(t, "stream", []any{table.StreamView, table.StreamConsumed}, []any{"NEW_AND_OLD_IMAGES", true})

	work := tpl.Queues["Work"]
	same(t, "queue", []any{work.Visibility, work.MaxReceiveCount, work.DeadLetterARN, work.Retention},
		[]any{3 * time.Minute, 5, tpl.Queues["Dead"].ARN, 96 * time.Hour})
	same(t, "dead letters", tpl.Queues["Dead"].Retention, 14*24*time.Hour)
	if tpl.Queues["OnlyWithOrigin"] != nil {
		t.Error("a resource is there though its condition is false")
	}

	key := tpl.Keys["Seal"]
	same(t, "key", []any{key.Spec, key.Usage, key.Aliases}, []any{"HMAC_256", "GENERATE_VERIFY_MAC", []string{"alias/st-seal"}})
	same(t, "key arn", key.ARN, "arn:aws:kms:us-east-1:000000000000:key/"+key.ID)
	same(t, "action with a colon", key.Policy[0].Actions, []string{"kms:*"})
	same(t, "key policy", key.Policy[0].Principals, []string{"arn:aws:iam::000000000000:root"})
	same(t, "key id over a restart", load(t, map[string]string{}).Keys["Seal"].ID, key.ID)

	origin := tpl.SSM["Origin"]
	same(t, "parameter", []string{origin.Name, origin.Value}, []string{"/st/origin", "https://" + tpl.API.ID + ".execute-api.us-east-1.amazonaws.com/prod"})
	same(t, "outputs", tpl.Outputs, map[string]string{"Url": "https://" + tpl.API.ID + ".execute-api.us-east-1.amazonaws.com/prod"})
}

// TestColons: words with colons between braces, which the YAML parser alone would read as keys.
func TestColons(t *testing.T) {
	const doc = `{a: [dynamodb:GetItem, dynamodb:Query, s3:*], b: sqs:SendMessage, ForAllValues:StringLike: {dynamodb:LeadingKeys: [x]}, c: arn:aws:s3:::b/*, d: !Ref AWS::Region, e: 'f:g', h: !Sub "${A:B}"}`
	got, err := decode([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the mapping", got, map[string]any{
		"a": []any{"dynamodb:GetItem", "dynamodb:Query", "s3:*"}, "b": "sqs:SendMessage", "ForAllValues:StringLike": map[string]any{"dynamodb:LeadingKeys": []any{"x"}},
		"c": "arn:aws:s3:::b/*", "d": call{name: "Ref", arg: "AWS::Region", line: 1}, "e": "f:g", "h": call{name: "Sub", arg: "${A:B}", line: 1},
	})
}

// TestTheRealOne holds what is deployed against this reader.
func TestTheRealOne(t *testing.T) {
	tpl, err := Load("../../../template.yaml", Options{Parameters: map[string]string{
		"FirstAdminEmail": "admin@pagefree.test", "MailFrom": "pagefree@pagefree.test",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if tpl.API == nil || len(tpl.API.Routes) == 0 || len(tpl.Functions) == 0 || len(tpl.Tables) != 5 {
		t.Errorf("got %d functions, %d tables", len(tpl.Functions), len(tpl.Tables))
	}
}

// TestRefusals holds the promise that nothing unknown is passed over.
func TestRefusals(t *testing.T) {
	queue := func(property string) string {
		return "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      " + property + "\n"
	}
	function := func(property string) string {
		return "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      " + property + "\n"
	}
	tests := map[string]struct{ doc, want string }{
		"an unknown tag":               {queue("QueueName: !Cidr [a, 1]"), "!Cidr"},
		"an unknown long form":         {queue("QueueName: {'Fn::ImportValue': x}"), "Fn::ImportValue"},
		"an unknown name":              {queue("QueueName: !Ref Nobody"), "Nobody"},
		"an unknown name in Sub":       {queue("QueueName: !Sub 'a-${Nobody}'"), "Nobody"},
		"an unknown attribute":         {"Resources: {Q: {Type: AWS::SQS::Queue}}\nOutputs: {O: {Value: !GetAtt Q.Colour}}", "Colour"},
		"a name that needs itself":     {queue("QueueName: !GetAtt Q.QueueName"), "circular"},
		"an unknown pseudo parameter":  {queue("QueueName: !Ref AWS::Nothing"), "AWS::Nothing"},
		"an unknown property":          {queue("Colour: red"), "Colour"},
		"an unknown type":              {"Resources: {R: {Type: AWS::Kinesis::Stream}}", "AWS::Kinesis::Stream"},
		"an undeclared condition":      {"Resources: {R: {Type: AWS::SQS::Queue, Condition: C}}", "condition C"},
		"a condition on itself":        {"Conditions: {C: !Not [!Condition C]}\nResources: {R: {Type: AWS::SQS::Queue, Condition: C}}", "depends on itself"},
		"an unknown event":             {function("Events: {E: {Type: Kinesis}}"), "Kinesis"},
		"an event without a queue":     {function("Events: {E: {Type: SQS, Properties: {Queue: arn}}}"), "queue arn"},
		"an unknown policy template":   {function("Policies: [{SQSPollerPolicy: {QueueName: q}}]"), "SQSPollerPolicy"},
		"an unknown managed policy":    {function("Policies: [AdministratorAccess]"), "AdministratorAccess"},
		"a parameter without a value":  {"Parameters: {P: {Type: String}}\nResources: {}", "parameter P"},
		"a value that is not allowed":  {"Parameters: {P: {Type: String, Default: c, AllowedValues: [a, b]}}", "allowed values"},
		"a value off its pattern":      {"Parameters: {P: {Type: String, Default: ab, AllowedPattern: '[a]'}}", "does not match"},
		"a missing dead-letter queue":  {queue("RedrivePolicy: {deadLetterTargetArn: arn:x, maxReceiveCount: 3}"), "arn:x"},
		"a key twice":                  {"Resources: {}\nResources: {}", "already defined"},
		"an alias of no key":           {"Resources: {A: {Type: AWS::KMS::Alias, Properties: {AliasName: alias/a, TargetKeyId: x}}}", "no key"},
		"a merge key":                  {"Resources:\n  <<: {}\n", "merge"},
		"Select past the end":          {queue("QueueName: !Select [3, [a]]"), "no item 3"},
		"a Ref on a false condition":   {"Conditions: {No: !Equals [a, b]}\nResources:\n  R: {Type: AWS::SQS::Queue, Condition: No}\nOutputs: {O: {Value: !Ref R}}", `"R"`},
		"a route without an API":       {function("Events: {E: {Type: Api, Properties: {Path: /, Method: get}}}"), "no AWS::Serverless::Api"},
		"an override of no parameter":  {"Resources: {}", "parameter Extra"},
		"a document that is no map":    {"[]", "not a mapping"},
		"a statement of no effect":     {function("Policies: [{Statement: [{Action: a, Resource: b}]}]"), "Effect"},
		"a statement with odd members": {function("Policies: [{Statement: [{Effect: Allow, Actions: a}]}]"), "Actions"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			opts := Options{}
			if strings.Contains(tt.want, "Extra") {
				opts.Parameters = map[string]string{"Extra": "1"}
			}
			_, err := Parse([]byte(tt.doc), opts)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error that names %q", err, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("Resources: {Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub '${AWS::Region}'}}}")
	f.Add("Conditions: {C: !If [C, a, b]}\nParameters: {P: {Type: String}}")
	f.Fuzz(func(t *testing.T, doc string) {
		tpl, err := Parse([]byte(doc), Options{})
		if (tpl == nil) == (err == nil) {
			t.Errorf("got both or neither of a template and an error: %v", err)
		}
	})
}
