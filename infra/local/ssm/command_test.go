package ssm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"pagefree/infra/local/lambda"
	"pagefree/infra/local/ssm"
)

// agent builds the nodes' agent once.
var agent = sync.OnceValues(func() (string, error) { return lambda.BuildAgent(context.Background(), "../../..") })

func open(t *testing.T, o ssm.Options) (*api.Client, *ssm.Service) {
	t.Helper()
	o.Agent = func(context.Context) (string, error) { return agent() }
	s, err := ssm.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(func() { server.Close(); _ = s.Close() })
	return api.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	}), s
}

// document is one that runs a script, with a run time that text says, and one parameter as text and one as a variable.
func document(script, timeout string) string {
	text, _ := json.Marshal(map[string]any{
		"schemaVersion": "2.2",
		"parameters": map[string]any{
			"Text": map[string]any{"type": "String", "default": "t", "allowedPattern": "^[a-z]*$"},
			"Env":  map[string]any{"type": "String", "default": "e", "interpolationType": "ENV_VAR"},
		},
		"mainSteps": []any{map[string]any{"action": "aws:runShellScript", "name": "run", "inputs": map[string]any{"timeoutSeconds": timeout, "runCommand": []string{script}}}},
	})
	return string(text)
}

func create(t *testing.T, c *api.Client, name, content string) {
	t.Helper()
	if _, err := c.CreateDocument(t.Context(), &api.CreateDocumentInput{Name: &name, Content: &content, DocumentType: types.DocumentTypeCommand, VersionName: aws.String("v1")}); err != nil {
		t.Fatal(err)
	}
}

func send(t *testing.T, c *api.Client, name string, ids ...string) string {
	t.Helper()
	out, err := c.SendCommand(t.Context(), &api.SendCommandInput{DocumentName: &name, InstanceIds: ids})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Command.CommandId
}

func wanted(t *testing.T, err error, code string) {
	t.Helper()
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

func invocation(t *testing.T, c *api.Client, command, node string) *api.GetCommandInvocationOutput {
	t.Helper()
	out, err := c.GetCommandInvocation(t.Context(), &api.GetCommandInvocationInput{CommandId: &command, InstanceId: &node})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func until(t *testing.T, c *api.Client, command, node string, details ...string) *api.GetCommandInvocationOutput {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		out := invocation(t, c, command, node)
		for _, d := range details {
			if *out.StatusDetails == d {
				return out
			}
		}
		if time.Now().After(end) {
			t.Fatalf("it is %s, and not %v", *out.StatusDetails, details)
		}
	}
}

func TestSendCommandRefuses(t *testing.T) {
	c, _ := open(t, ssm.Options{})
	create(t, c, "doc", document("echo 1", "60"))
	many := func(n int) (ids []string) {
		for i := range n {
			ids = append(ids, fmt.Sprintf("mi-%017d", i))
		}
		return ids
	}
	tests := map[string]struct {
		change func(*api.SendCommandInput)
		want   string
	}{
		"a document that is not there": {func(in *api.SendCommandInput) { in.DocumentName = aws.String("none") }, "InvalidDocument"},
		"a version that is not there":  {func(in *api.SendCommandInput) { in.DocumentVersion = aws.String("2") }, "InvalidDocumentVersion"},
		"another hash":                 {func(in *api.SendCommandInput) { in.DocumentHash = aws.String("0"); in.DocumentHashType = "Sha256" }, "InvalidDocument"},
		"a node that is not there":     {func(in *api.SendCommandInput) { in.InstanceIds = []string{"i-0123456789abcdef0"} }, "InvalidInstanceId"},
		"a node twice":                 {func(in *api.SendCommandInput) { in.InstanceIds = []string{"mi-local", "mi-local"} }, "DuplicateInstanceId"},
		"51 nodes":                     {func(in *api.SendCommandInput) { in.InstanceIds = many(51) }, "ValidationException"},
		"6 targets":                    {func(in *api.SendCommandInput) { in.InstanceIds = nil; in.Targets = make([]types.Target, 6) }, "ValidationException"},
		"51 values": {func(in *api.SendCommandInput) {
			in.InstanceIds = nil
			in.Targets = []types.Target{{Key: aws.String("tag:a"), Values: many(51)}}
		}, "ValidationException"},
		"neither nodes nor targets":      {func(in *api.SendCommandInput) { in.InstanceIds = nil }, "ValidationException"},
		"a comment of 101 characters":    {func(in *api.SendCommandInput) { in.Comment = aws.String(strings.Repeat("ü", 101)) }, "ValidationException"},
		"a delivery timeout of 29 s":     {func(in *api.SendCommandInput) { in.TimeoutSeconds = aws.Int32(29) }, "ValidationException"},
		"a delivery timeout of a month":  {func(in *api.SendCommandInput) { in.TimeoutSeconds = aws.Int32(2_592_001) }, "ValidationException"},
		"no concurrency":                 {func(in *api.SendCommandInput) { in.MaxConcurrency = aws.String("0") }, "ValidationException"},
		"errors that are no number":      {func(in *api.SendCommandInput) { in.MaxErrors = aws.String("many") }, "ValidationException"},
		"a parameter that is not there":  {func(in *api.SendCommandInput) { in.Parameters = map[string][]string{"X": {"1"}} }, "InvalidParameters"},
		"two values":                     {func(in *api.SendCommandInput) { in.Parameters = map[string][]string{"Text": {"a", "b"}} }, "InvalidParameters"},
		"a value against the pattern":    {func(in *api.SendCommandInput) { in.Parameters = map[string][]string{"Text": {"A"}} }, "InvalidParameters"},
		"a reference, which is resolved": {func(in *api.SendCommandInput) { in.Parameters = map[string][]string{"Env": {"x {{ ssm:pw }}"}} }, "InvalidParameters"},
		"64 KB with the parameters": {func(in *api.SendCommandInput) {
			in.Parameters = map[string][]string{"Env": {strings.Repeat("x", 64<<10)}}
		}, "MaxDocumentSizeExceeded"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := &api.SendCommandInput{DocumentName: aws.String("doc"), InstanceIds: []string{"mi-local"}}
			tt.change(in)
			_, err := c.SendCommand(t.Context(), in)
			wanted(t, err, tt.want)
		})
	}
	out, err := c.ListCommands(t.Context(), &api.ListCommandsInput{})
	if err != nil || len(out.Commands) != 0 {
		t.Errorf("it ran all the same: %+v, %v", out, err)
	}
}

func TestInvocations(t *testing.T) {
	c, _ := open(t, ssm.Options{})
	create(t, c, "doc", document(`printf '%s %s %s' "$SSM_Env" "{{ Text }}" "$AWS_SSM_INSTANCE_ID"; echo problem >&2; exit 7`, "60"))
	began := time.Now().Add(-2 * time.Second)
	out, err := c.SendCommand(t.Context(), &api.SendCommandInput{
		DocumentName: aws.String("doc"), Comment: aws.String("one"), Targets: []types.Target{{Key: aws.String("tag:env"), Values: []string{"local", "x"}}},
		Parameters: map[string][]string{"Env": {"$(id) 'q"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	id := *out.Command.CommandId
	for _, node := range []string{"mi-local", "mi-local-2"} {
		i := until(t, c, id, node, "Failed")
		if *i.StandardOutputContent != "$(id) 'q t "+node || *i.StandardErrorContent != "problem\n" || i.ResponseCode != 7 || i.Status != "Failed" {
			t.Errorf("got %+v", i)
		}
	}
	_, err = c.GetCommandInvocation(t.Context(), &api.GetCommandInvocationInput{CommandId: &id, InstanceId: aws.String("mi-offline")})
	wanted(t, err, "InvocationDoesNotExist")

	filter := func(key types.CommandFilterKey, value string) types.CommandFilter {
		return types.CommandFilter{Key: key, Value: &value}
	}
	for name, tt := range map[string]struct {
		in   api.ListCommandsInput
		want int
	}{
		"all":              {api.ListCommandsInput{}, 1},
		"its id":           {api.ListCommandsInput{CommandId: &id}, 1},
		"another id":       {api.ListCommandsInput{CommandId: aws.String("none")}, 0},
		"its document":     {api.ListCommandsInput{Filters: []types.CommandFilter{filter("DocumentName", "doc"), filter("Status", "Failed")}}, 1},
		"another status":   {api.ListCommandsInput{Filters: []types.CommandFilter{filter("Status", "Success")}}, 0},
		"another document": {api.ListCommandsInput{Filters: []types.CommandFilter{filter("DocumentName", "other")}}, 0},
		"after it":         {api.ListCommandsInput{Filters: []types.CommandFilter{filter("InvokedAfter", time.Now().Add(time.Hour).UTC().Format(time.RFC3339))}}, 0},
		"after the start":  {api.ListCommandsInput{Filters: []types.CommandFilter{filter("InvokedAfter", began.UTC().Format(time.RFC3339))}}, 1},
	} {
		got, err := c.ListCommands(t.Context(), &tt.in)
		if err != nil || len(got.Commands) != tt.want {
			t.Errorf("%s: got %+v, %v", name, got, err)
		} else if tt.want == 1 && (*got.Commands[0].Comment != "one" || got.Commands[0].TargetCount != 2 || got.Commands[0].ErrorCount != 2) {
			t.Errorf("%s: got %+v", name, got.Commands[0])
		}
	}
	_, err = c.ListCommands(t.Context(), &api.ListCommandsInput{Filters: []types.CommandFilter{filter("Whatever", "x")}})
	wanted(t, err, "InvalidFilterKey")

	list, err := c.ListCommandInvocations(t.Context(), &api.ListCommandInvocationsInput{CommandId: &id, Details: true, MaxResults: aws.Int32(1)})
	if err != nil || len(list.CommandInvocations) != 1 || list.NextToken == nil || list.CommandInvocations[0].CommandPlugins[0].ResponseCode != 7 {
		t.Fatalf("got %+v, %v", list, err)
	}
	list, err = c.ListCommandInvocations(t.Context(), &api.ListCommandInvocationsInput{CommandId: &id, NextToken: list.NextToken})
	if err != nil || len(list.CommandInvocations) != 1 || list.NextToken != nil || len(list.CommandInvocations[0].CommandPlugins) != 0 {
		t.Errorf("got %+v, %v", list, err)
	}
}

// TestOutputLimits: 24,000 and 8,000 characters, 2,500 of a plugin, none before the end, and all of it in the bucket.
func TestOutputLimits(t *testing.T) {
	var mu sync.Mutex
	objects := map[string]int{}
	c, _ := open(t, ssm.Options{Put: func(bucket, key string, body []byte) error {
		mu.Lock()
		defer mu.Unlock()
		objects[bucket+"/"+key] = len(body)
		return nil
	}})
	create(t, c, "doc", document(`head -c 30000 /dev/zero | tr '\0' o; head -c 9000 /dev/zero | tr '\0' e >&2`, "60"))
	out, err := c.SendCommand(t.Context(), &api.SendCommandInput{
		DocumentName: aws.String("doc"), InstanceIds: []string{"mi-local"}, OutputS3BucketName: aws.String("out"), OutputS3KeyPrefix: aws.String("a/b"),
	})
	if err != nil {
		t.Fatal(err)
	}
	id := *out.Command.CommandId
	i := until(t, c, id, "mi-local", "Success")
	if len(*i.StandardOutputContent) != 24_000 || len(*i.StandardErrorContent) != 8_000 || !strings.Contains(*i.StandardOutputUrl, id) {
		t.Errorf("got %d, %d, %s", len(*i.StandardOutputContent), len(*i.StandardErrorContent), *i.StandardOutputUrl)
	}
	list, err := c.ListCommandInvocations(t.Context(), &api.ListCommandInvocationsInput{CommandId: &id, Details: true})
	if err != nil || len(*list.CommandInvocations[0].CommandPlugins[0].Output) != 2_500 {
		t.Errorf("got %+v, %v", list, err)
	}
	at := "out/a/b/" + id + "/mi-local/awsrunShellScript/run/"
	if objects[at+"stdout"] != 30_000 || objects[at+"stderr"] != 9_000 {
		t.Errorf("got %v", objects)
	}

	create(t, c, "slow", document("echo begun; sleep 50", "60"))
	slow := send(t, c, "slow", "mi-local")
	if i := until(t, c, slow, "mi-local", "InProgress"); *i.StandardOutputContent != "" || i.ResponseCode != -1 {
		t.Errorf("before the end: got %+v", i)
	}
}

// TestExecutionTimeout: 5 to 172,800 s, and outside of that silently an hour.
func TestExecutionTimeout(t *testing.T) {
	c, _ := open(t, ssm.Options{Second: 100 * time.Millisecond})
	for name, tt := range map[string]struct {
		timeout string
		ends    bool
	}{
		"5s": {"5", true}, "4s": {"4", false}, "172801s": {"172801", false}, "no number": {"x", false},
	} {
		t.Run(name, func(t *testing.T) {
			doc := strings.ReplaceAll(name, " ", "-") + "-doc"
			create(t, c, doc, document("sleep 2", tt.timeout)) // longer than 5 of the shortened seconds
			i := until(t, c, send(t, c, doc, "mi-local"), "mi-local", "Success", "ExecutionTimedOut")
			if got := *i.StatusDetails == "ExecutionTimedOut"; got != tt.ends || tt.ends && (i.Status != "TimedOut" || i.ResponseCode != 137) {
				t.Errorf("got %+v", i)
			}
		})
	}
}

// TestExit137IsATimeout: the agent cannot tell it from its own kill.
func TestExit137IsATimeout(t *testing.T) {
	c, _ := open(t, ssm.Options{})
	create(t, c, "doc", document("exit 137", "60"))
	if i := until(t, c, send(t, c, "doc", "mi-local"), "mi-local", "ExecutionTimedOut", "Failed"); i.Status != "TimedOut" {
		t.Errorf("got %+v", i)
	}
}

// TestTimeoutSecondsIsTheDelivery: it does not end a script that runs.
func TestTimeoutSecondsIsTheDelivery(t *testing.T) {
	c, _ := open(t, ssm.Options{Second: 20 * time.Millisecond, Nodes: append(ssm.DefaultNodes[:3:3], ssm.Node{ID: "mi-gone", Undeliverable: true})})
	create(t, c, "doc", document("sleep 1; echo ran", "3600"))
	out, err := c.SendCommand(t.Context(), &api.SendCommandInput{
		DocumentName: aws.String("doc"), InstanceIds: []string{"mi-local", "mi-offline", "mi-gone"}, TimeoutSeconds: aws.Int32(30),
	})
	if err != nil {
		t.Fatal(err)
	}
	id := *out.Command.CommandId
	if i := invocation(t, c, id, "mi-offline"); i.Status != "Pending" {
		t.Errorf("got %+v", i)
	}
	if i := until(t, c, id, "mi-local", "Success"); *i.StandardOutputContent != "ran\n" {
		t.Errorf("got %+v", i)
	}
	if i := until(t, c, id, "mi-offline", "DeliveryTimedOut"); i.Status != "TimedOut" || i.ResponseCode != -1 {
		t.Errorf("got %+v", i)
	}
	if i := until(t, c, id, "mi-gone", "Undeliverable"); i.Status != "Failed" {
		t.Errorf("got %+v", i)
	}
}

func TestCancelCommand(t *testing.T) {
	c, _ := open(t, ssm.Options{})
	create(t, c, "doc", document("sleep 50", "60"))
	id := send(t, c, "doc", "mi-local", "mi-offline")
	until(t, c, id, "mi-local", "InProgress")
	if _, err := c.CancelCommand(t.Context(), &api.CancelCommandInput{CommandId: &id}); err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{"mi-local", "mi-offline"} {
		if i := until(t, c, id, node, "Cancelled"); i.Status != "Cancelled" {
			t.Errorf("%s: got %+v", node, i)
		}
	}
	if _, err := c.CancelCommand(t.Context(), &api.CancelCommandInput{CommandId: &id}); err != nil {
		t.Errorf("too late: %v", err)
	}
	_, err := c.CancelCommand(t.Context(), &api.CancelCommandInput{CommandId: aws.String("none")})
	wanted(t, err, "InvalidCommandId")
}
