package stack

import (
	"io"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"pagefree/infra/local/aws"
)

const heard = "aws.ssm"

// command makes a document and runs it on a node, and returns where its output lies.
func command(t *testing.T, s *Stack) (key string) {
	t.Helper()
	c := ssm.NewFromConfig(s.Config())
	const content = `{"schemaVersion":"2.2","mainSteps":[{"action":"aws:runShellScript","name":"run","inputs":{"timeoutSeconds":"60","runCommand":["echo hello"]}}]}`
	if _, err := c.CreateDocument(t.Context(), &ssm.CreateDocumentInput{Name: sdk.String("probe-1"), Content: sdk.String(content), DocumentType: types.DocumentTypeCommand}); err != nil {
		t.Fatal(err)
	}
	out, err := c.SendCommand(t.Context(), &ssm.SendCommandInput{
		DocumentName: sdk.String("probe-1"), InstanceIds: []string{"mi-local"}, OutputS3BucketName: sdk.String(s.Template().Buckets["Output"].Name), OutputS3KeyPrefix: sdk.String("p"),
	})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the command", func() bool {
		list, err := c.ListCommands(t.Context(), &ssm.ListCommandsInput{CommandId: out.Command.CommandId})
		return err == nil && list.Commands[0].Status == types.CommandStatusSuccess
	})
	return "p/" + *out.Command.CommandId + "/mi-local/awsrunShellScript/run/stdout"
}

// TestCommand goes from a command by a node and its output in a bucket to the function that hears of its end, once: of
// its steps before, and of invocations, the rule does not want to hear.
func TestCommand(t *testing.T) {
	s := start(t, Options{})
	key := command(t, s)
	out, err := s3.NewFromConfig(s.Config(), func(o *s3.Options) { o.UsePathStyle = true }).GetObject(t.Context(), &s3.GetObjectInput{
		Bucket: sdk.String(s.Template().Buckets["Output"].Name), Key: &key,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if body, err := io.ReadAll(out.Body); err != nil || string(body) != "hello\n" {
		t.Errorf("got %q, %v", body, err)
	}
	waitFor(t, "the event", func() bool { return s.Counts().Number(aws.Call{Function: "ListenerFunction"}) > 0 })
	if got := mustGet(t, s.URL+"/get/"+heard); got != "1" {
		t.Errorf("heard %s times", got)
	}
}

// TestNoEvents: events are best effort, and here none comes.
func TestNoEvents(t *testing.T) {
	s := start(t, Options{NoEvents: true})
	command(t, s)
	if err := s.Close(); err != nil { // and with it everything that is under way
		t.Fatal(err)
	}
	if n := s.Counts().Number(aws.Call{Function: "ListenerFunction"}); n != 0 {
		t.Errorf("heard %d times", n)
	}
}
