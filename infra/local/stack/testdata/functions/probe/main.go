// Command probe is the functions of the stack's own tests: behind the API, behind a queue, on a clock, and two that hear events and messages of a topic.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	mail "github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/settings"
)

var (
	config = aws.Config{
		Region: os.Getenv("AWS_REGION"), BaseEndpoint: aws.String(os.Getenv("AWS_ENDPOINT_URL")), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY")}, nil
		}),
	}
	db     = dynamodb.NewFromConfig(config)
	queues = sqs.NewFromConfig(config)
	mails  = sesv2.NewFromConfig(config)
	table  = os.Getenv("TABLE")
)

func main() {
	switch os.Getenv("ROLE") {
	case "web":
		lambda.Start(web)
	case "worker":
		lambda.Start(worker)
	case "listener":
		lambda.Start(func(ctx context.Context, e events.CloudWatchEvent) error { return note(ctx, e.Source) })
	case "subscriber":
		lambda.Start(func(ctx context.Context, e events.SNSEvent) error { return note(ctx, e.Records[0].SNS.Message) })
	case "clock":
		lambda.Start(func(ctx context.Context, _ events.CloudWatchEvent) error { return note(ctx, "clock") })
	}
}

func web(ctx context.Context, e events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	verb, id, _ := strings.Cut(strings.TrimPrefix(e.Path, "/"), "/")
	var err error
	body := "ok"
	switch verb {
	case "put":
		_, err = db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: id}}})
		if err == nil {
			_, err = queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String(os.Getenv("QUEUE")), MessageBody: &id})
		}
	case "get":
		var out *dynamodb.GetItemOutput
		if out, err = db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: key(id), ConsistentRead: aws.Bool(true)}); err == nil {
			body = "absent"
			if out.Item != nil {
				body = "0"
				if n, ok := out.Item["done"].(*types.AttributeValueMemberN); ok {
					body = n.Value
				}
			}
		}
	case "delete":
		_, err = db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &table, Key: key(id)})
	case "mail":
		_, err = mails.SendEmail(ctx, &sesv2.SendEmailInput{
			FromEmailAddress: aws.String("a@pagefree.test"), Destination: &mail.Destination{ToAddresses: []string{id}},
			Content: &mail.EmailContent{Simple: &mail.Message{Subject: &mail.Content{Data: aws.String("hello")}, Body: &mail.Body{Text: &mail.Content{Data: aws.String("see http://127.0.0.1/x")}}}},
		})
	case "call":
		client := safehttp.New(safehttp.Options{Local: settings.LocalEcho(os.Getenv)})
		var answer safehttp.Answer
		answer, err = client.Do(ctx, safehttp.Request{URL: e.QueryStringParameters["url"], Body: []byte(`{"a":1}`), Header: http.Header{"X-A": {"b"}}})
		body = fmt.Sprintf("%d %s", answer.Status, answer.Header.Get("Location"))
	case "die":
		err = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "sleep":
		time.Sleep(time.Minute)
	case "origin":
		body = os.Getenv("ORIGIN")
	case "pid":
		body = fmt.Sprint(os.Getpid())
	}
	if err != nil {
		return events.APIGatewayProxyResponse{StatusCode: 500, Body: err.Error()}, nil
	}
	return events.APIGatewayProxyResponse{StatusCode: 200, Body: body}, nil
}

func worker(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	response := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, m := range e.Records {
		if err := note(ctx, m.Body); err != nil {
			fmt.Println(err)
			response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return response, nil
}

// note counts one up on an item.
func note(ctx context.Context, id string) error {
	_, err := db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &table, Key: key(id), UpdateExpression: aws.String("ADD done :one"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":one": &types.AttributeValueMemberN{Value: "1"}},
	})
	return err
}

func key(id string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: id}}
}
