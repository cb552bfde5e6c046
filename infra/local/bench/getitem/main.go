// Command getitem is the smallest function that reads: one consistent GetItem of a page's snapshot. It is the baseline
// that views of status pages are compared with.
package main

import (
	"context"
	"net/http"
	"os"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
)

func main() {
	db := dynamodb.NewFromConfig(awscfg.FromEnv(os.Getenv))
	table := os.Getenv("STATUS_TABLE")
	lambda.Start(func(ctx context.Context, r events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		out, err := db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, ConsistentRead: aws.Bool(true), Key: map[string]types.AttributeValue{
			dynamo.PK: &types.AttributeValueMemberS{Value: "sp#" + r.PathParameters["proxy"]},
			dynamo.SK: &types.AttributeValueMemberS{Value: "snapshot"},
		}})
		if err != nil {
			return events.APIGatewayProxyResponse{}, err
		}
		if len(out.Item) == 0 {
			return events.APIGatewayProxyResponse{StatusCode: http.StatusNotFound}, nil
		}
		return events.APIGatewayProxyResponse{StatusCode: http.StatusOK, Body: strconv.Itoa(len(out.Item))}, nil
	})
}
