package awstest_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/infra/local/awstest"
)

func TestEnvsDoNotSeeEachOther(t *testing.T) {
	key := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "a"}, "sk": &types.AttributeValueMemberS{Value: "a"}}
	one, two := awstest.New(t), awstest.New(t)
	table := one.Table("AutomationTable")
	if _, err := dynamodb.NewFromConfig(one.Config).PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: key}); err != nil {
		t.Fatal(err)
	}
	table = two.Table("AutomationTable")
	got, err := dynamodb.NewFromConfig(two.Config).GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: key})
	if err != nil || got.Item != nil {
		t.Errorf("the other test's item: got %v, %v, want none", got.Item, err)
	}
}

func TestKeys(t *testing.T) {
	env := awstest.New(t)
	client := kms.NewFromConfig(env.Config)
	id := env.KeyID("SealKey")
	mac, err := client.GenerateMac(t.Context(), &kms.GenerateMacInput{KeyId: &id, Message: []byte("m"), MacAlgorithm: kmstypes.MacAlgorithmSpecHmacSha256})
	if err != nil {
		t.Fatal(err)
	}
	ok, err := client.VerifyMac(t.Context(), &kms.VerifyMacInput{KeyId: &id, Message: []byte("m"), Mac: mac.Mac, MacAlgorithm: kmstypes.MacAlgorithmSpecHmacSha256})
	if err != nil || !ok.MacValid {
		t.Errorf("got %v, %v", ok, err)
	}
}

func TestQueues(t *testing.T) {
	env := awstest.New(t)
	client := sqs.NewFromConfig(env.Config)
	url := env.QueueURL("ExecutionsQueue")
	if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("m")}); err != nil {
		t.Fatal(err)
	}
	got, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url})
	if err != nil || len(got.Messages) != 1 || *got.Messages[0].Body != "m" {
		t.Errorf("got %v, %v, want the message", got, err)
	}
}

func TestAnEnvIsCheap(t *testing.T) {
	awstest.New(t) // starts the engine
	start := time.Now()
	awstest.New(t).Table("AutomationTable")
	if took := time.Since(start); took > time.Second {
		t.Errorf("an Env and a table took %v", took)
	} else {
		t.Log(took)
	}
}
