package aws_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	sestypes "github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	front "pagefree/infra/local/aws"
	"pagefree/infra/local/awstest"
)

type item = map[string]dynamodbtypes.AttributeValue

func text(v string) dynamodbtypes.AttributeValue {
	return &dynamodbtypes.AttributeValueMemberS{Value: v}
}

func key(pk string) item { return item{"pk": text(pk), "sk": text("-")} }

func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// once turns retries off, so that a fault's answer is seen.
func once(c aws.Config) aws.Config {
	c.RetryMaxAttempts = 1
	return c
}

func put(t *testing.T, c aws.Config, table, pk string) error {
	t.Helper()
	_, err := dynamodb.NewFromConfig(c).PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: key(pk)})
	return err
}

func TestUnknownOperations(t *testing.T) {
	env := awstest.New(t)
	_, err := dynamodb.NewFromConfig(env.Config).ListBackups(t.Context(), &dynamodb.ListBackupsInput{})
	if got := code(err); got != "UnknownOperationException" {
		t.Errorf("dynamodb: got %q", got)
	}
	_, err = kms.NewFromConfig(env.Config).ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: aws.String("k")})
	if got := code(err); got != "UnknownOperationException" {
		t.Errorf("kms: got %q", got)
	}
	_, err = sqs.NewFromConfig(env.Config).TagQueue(t.Context(), &sqs.TagQueueInput{QueueUrl: aws.String("http://q"), Tags: map[string]string{}})
	if got := code(err); got != "UnknownOperationException" {
		t.Errorf("sqs: got %q", got)
	}
	_, err = sesv2.NewFromConfig(env.Config).ListContacts(t.Context(), &sesv2.ListContactsInput{ContactListName: aws.String("l")})
	if got := code(err); got != "UnknownOperationException" {
		t.Errorf("ses: got %q", got)
	}
	_, err = ssm.NewFromConfig(env.Config).ListNodes(t.Context(), &ssm.ListNodesInput{})
	if got := code(err); got != "UnknownOperationException" {
		t.Errorf("ssm: got %q", got)
	}
}

func TestWhoCalls(t *testing.T) {
	env := awstest.New(t)
	ask := func(authorization string) int {
		r, err := http.NewRequestWithContext(t.Context(), "POST", *env.Config.BaseEndpoint, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Target", "AmazonSQS.ListQueues")
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	tests := map[string]struct {
		authorization string
		want          int
	}{
		"a person":           {"AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, Signature=x", 200},
		"nobody":             {"", 403},
		"a function, gone":   {"AWS4-HMAC-SHA256 Credential=LOCALgone/20260101/us-east-1/sqs/aws4_request, Signature=x", 403},
		"a function, denied": {"AWS4-HMAC-SHA256 Credential=LOCALMetaFunction/20260101/us-east-1/sqs/aws4_request, Signature=x", 403},
	}
	for name, test := range tests {
		if got := ask(test.authorization); got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
	}
}

// TestRights calls as the functions of template.yaml, each with its own policies.
func TestRights(t *testing.T) {
	env := awstest.New(t)
	automation, ephemeral, audit := env.Table("AutomationTable"), env.Table("EphemeralTable"), env.Table("AuditTable")
	executions, mails := env.QueueURL("ExecutionsQueue"), env.QueueURL("MailQueue")
	seal := env.KeyID("SealKey")
	db := func(function string) *dynamodb.Client { return dynamodb.NewFromConfig(env.ConfigOf(function)) }
	mac, err := kms.NewFromConfig(env.Config).GenerateMac(t.Context(), &kms.GenerateMacInput{KeyId: &seal, Message: []byte("m"), MacAlgorithm: kmstypes.MacAlgorithmSpecHmacSha256})
	if err != nil {
		t.Fatal(err)
	}
	putOf := func(table, pk string) dynamodbtypes.TransactWriteItem {
		return dynamodbtypes.TransactWriteItem{Put: &dynamodbtypes.Put{TableName: &table, Item: key(pk)}}
	}
	query := func(function, table, index, condition string, pk string) error {
		in := &dynamodb.QueryInput{TableName: &table, KeyConditionExpression: &condition, ExpressionAttributeValues: item{":v": text(pk)}}
		if index != "" {
			in.IndexName = &index
		}
		_, err := db(function).Query(t.Context(), in)
		return err
	}
	const denied = "AccessDeniedException"
	tests := map[string]struct {
		do   func() error
		want string
	}{
		"a table of its own":   {func() error { return put(t, env.ConfigOf("RunbooksFunction"), automation, "rb#1") }, ""},
		"a table of another's": {func() error { return put(t, env.ConfigOf("SigninFunction"), automation, "rb#1") }, denied},
		"no rights at all":     {func() error { return put(t, env.ConfigOf("MetaFunction"), automation, "rb#1") }, denied},
		"the engine's tables": {func() error {
			_, err := db("RunbooksFunction").DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: &automation})
			return err
		}, denied},
		"a scan": {func() error {
			_, err := db("RunbooksFunction").Scan(t.Context(), &dynamodb.ScanInput{TableName: &automation})
			return err
		}, denied},
		"an index of its own table":                  {func() error { return query("RunbooksFunction", automation, "byTeam", "byTeam = :v", "team#1") }, ""},
		"audit events are added":                     {func() error { return put(t, env.ConfigOf("RunbooksFunction"), audit, "team#1") }, ""},
		"blocks of the audit trail are the sealer's": {func() error { return put(t, env.ConfigOf("RunbooksFunction"), audit, "block#1") }, denied},
		"audit events are not deleted": {func() error {
			_, err := db("RunbooksFunction").DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &audit, Key: key("team#1")})
			return err
		}, denied},
		"a leading key of its own":   {func() error { return put(t, env.ConfigOf("SigninFunction"), ephemeral, "session#1") }, ""},
		"a leading key of another's": {func() error { return put(t, env.ConfigOf("SigninFunction"), ephemeral, "idem#1") }, denied},
		"a transaction": {func() error {
			_, err := db("SigninFunction").TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []dynamodbtypes.TransactWriteItem{putOf(ephemeral, "session#2"), putOf(audit, "team#2")}})
			return err
		}, ""},
		"a transaction with one item too many": {func() error {
			_, err := db("SigninFunction").TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []dynamodbtypes.TransactWriteItem{putOf(ephemeral, "session#3"), putOf(ephemeral, "idem#3")}})
			return err
		}, denied},
		"an update inside a transaction where only puts are allowed": {func() error {
			_, err := db("SigninFunction").TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []dynamodbtypes.TransactWriteItem{{Update: &dynamodbtypes.Update{
				TableName: &audit, Key: key("team#1"), UpdateExpression: aws.String("SET a = :v"), ExpressionAttributeValues: item{":v": text("x")},
			}}}})
			return err
		}, denied},
		"a batch of foreign keys": {func() error {
			_, err := db("AuthorizerFunction").BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]dynamodbtypes.KeysAndAttributes{ephemeral: {Keys: []item{key("link#1")}}}})
			return err
		}, denied},
		"its own queue": {func() error {
			_, err := sqs.NewFromConfig(env.ConfigOf("ExecutionsFunction")).SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &executions, MessageBody: aws.String("m")})
			return err
		}, ""},
		"another's queue": {func() error {
			_, err := sqs.NewFromConfig(env.ConfigOf("ExecutionsFunction")).SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &mails, MessageBody: aws.String("m")})
			return err
		}, "AccessDenied"},
		"the reviewer makes a seal": {func() error {
			_, err := kms.NewFromConfig(env.ConfigOf("RunbooksFunction")).GenerateMac(t.Context(), &kms.GenerateMacInput{KeyId: &seal, Message: []byte("m"), MacAlgorithm: kmstypes.MacAlgorithmSpecHmacSha256})
			return err
		}, ""},
		"the dispatcher makes none": {func() error {
			_, err := kms.NewFromConfig(env.ConfigOf("DispatcherFunction")).GenerateMac(t.Context(), &kms.GenerateMacInput{KeyId: &seal, Message: []byte("m"), MacAlgorithm: kmstypes.MacAlgorithmSpecHmacSha256})
			return err
		}, denied},
		"the dispatcher checks a seal": {func() error {
			_, err := kms.NewFromConfig(env.ConfigOf("DispatcherFunction")).VerifyMac(t.Context(), &kms.VerifyMacInput{KeyId: &seal, Message: []byte("m"), Mac: mac.Mac, MacAlgorithm: kmstypes.MacAlgorithmSpecHmacSha256})
			return err
		}, ""},
		"mail from the configured address": {func() error { return sendMail(t, env, "pagefree@pagefree.test") }, ""},
		"mail from another address":        {func() error { return sendMail(t, env, "ceo@pagefree.test") }, denied},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := code(test.do()); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if got := env.Mail(); len(got) != 1 || got[0].To != "someone@pagefree.test" {
		t.Errorf("mailbox: got %+v, want the one mail that was allowed", got)
	}
}

func sendMail(t *testing.T, env *awstest.Env, from string) error {
	_, err := sesv2.NewFromConfig(env.ConfigOf("SigninMailFunction")).SendEmail(t.Context(), &sesv2.SendEmailInput{
		FromEmailAddress: &from, Destination: &sestypes.Destination{ToAddresses: []string{"someone@pagefree.test"}},
		Content: &sestypes.EmailContent{Simple: &sestypes.Message{
			Subject: &sestypes.Content{Data: aws.String("s")}, Body: &sestypes.Body{Text: &sestypes.Content{Data: aws.String("t")}},
		}},
	})
	return err
}

func TestCounts(t *testing.T) {
	env := awstest.New(t)
	table := env.Table("AutomationTable")
	c := env.ConfigOf("RunbooksFunction")
	if err := put(t, c, table, "rb#1"); err != nil {
		t.Fatal(err)
	}
	if _, err := dynamodb.NewFromConfig(c).GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: key("rb#1")}); err != nil {
		t.Fatal(err)
	}
	if err := put(t, env.Config, table, "rb#2"); err != nil {
		t.Fatal(err)
	}
	calls := env.Counts.Calls(front.Call{Function: "RunbooksFunction", Service: "dynamodb"})
	if len(calls) != 2 || calls[0].Operation != "PutItem" || calls[0].Written != 1 || calls[1].Operation != "GetItem" || calls[1].Read != 0.5 {
		t.Errorf("got %+v, want a put of 1 unit and a get of a half", calls)
	}
	if !slices.Equal(calls[0].Tables, []string{table}) || calls[0].Status != 200 {
		t.Errorf("got %+v, want the table %s and 200", calls[0], table)
	}
	if n := env.Counts.Number(front.Call{Operation: "PutItem"}); n != 2 {
		t.Errorf("puts: got %d, want 2", n)
	}
	env.Counts.Reset()
	if n := env.Counts.Number(front.Call{}); n != 0 {
		t.Errorf("after a reset: got %d", n)
	}
}

func TestFaults(t *testing.T) {
	env := awstest.New(t)
	table := env.Table("AutomationTable")
	c := once(env.Config)
	db := dynamodb.NewFromConfig(c)
	there := func(pk string) bool {
		out, err := dynamodb.NewFromConfig(env.Config).GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: key(pk), ConsistentRead: aws.Bool(true)})
		if err != nil {
			t.Fatal(err)
		}
		return out.Item != nil
	}
	tests := map[string]struct {
		do     front.Action
		want   string // in the error
		stored bool
	}{
		"throttle":    {front.Throttle, "ProvisionedThroughputExceededException", false},
		"fail":        {front.Fail, "InternalServerError", false},
		"conflict":    {front.Conflict, "TransactionConflictException", false},
		"swallow":     {front.Swallow, "EOF", true},
		"kill before": {front.KillBefore, "EOF", false},
		"kill after":  {front.KillAfter, "EOF", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fault := env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "PutItem", Nth: 2, Do: test.do})
			defer fault.Remove()
			if err := put(t, c, table, name+"1"); err != nil {
				t.Errorf("first call: got %v", err)
			}
			if got := code(put(t, c, table, name+"2")); !strings.Contains(got, test.want) {
				t.Errorf("second call: got %q, want %q", got, test.want)
			}
			if got := there(name + "2"); got != test.stored {
				t.Errorf("stored: got %t, want %t", got, test.stored)
			}
			if err := put(t, c, table, name+"3"); err != nil || fault.Struck() != 1 {
				t.Errorf("third call: got %v, struck %d", err, fault.Struck())
			}
		})
	}

	t.Run("conflict of a transaction", func(t *testing.T) {
		env.Faults.Add(front.Fault{Operation: "TransactWriteItems", Do: front.Conflict})
		write := func() error {
			_, err := db.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []dynamodbtypes.TransactWriteItem{
				{Put: &dynamodbtypes.Put{TableName: &table, Item: key("t1")}}, {Put: &dynamodbtypes.Put{TableName: &table, Item: key("t2")}},
			}})
			return err
		}
		cancelled, ok := errors.AsType[*dynamodbtypes.TransactionCanceledException](write())
		if !ok || len(cancelled.CancellationReasons) != 2 || *cancelled.CancellationReasons[0].Code != "TransactionConflict" || *cancelled.CancellationReasons[1].Code != "None" {
			t.Errorf("got %+v, want a conflict at the first of two items", cancelled)
		}
		if err := write(); err != nil {
			t.Errorf("second: %v", err)
		}
	})
	t.Run("the SDK retries a throttled call", func(t *testing.T) {
		fault := env.Faults.Add(front.Fault{Operation: "PutItem", Do: front.Throttle})
		if err := put(t, env.Config, table, "again"); err != nil || fault.Struck() != 1 {
			t.Errorf("got %v, struck %d", err, fault.Struck())
		}
	})
	t.Run("delay", func(t *testing.T) {
		env.Faults.Add(front.Fault{Operation: "PutItem", Delay: 50 * time.Millisecond, When: func(c front.Call) bool { return slices.Contains(c.Tables, table) }})
		start := time.Now()
		if err := put(t, c, table, "late"); err != nil || time.Since(start) < 50*time.Millisecond {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
	t.Run("clear", func(t *testing.T) {
		env.Faults.Add(front.Fault{Do: front.Fail, Times: -1})
		env.Faults.Clear()
		if err := put(t, c, table, "clear"); err != nil {
			t.Error(err)
		}
	})
}
