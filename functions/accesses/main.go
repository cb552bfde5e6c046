// Command accesses is the Lambda function behind the queue of partners' looks:
// it puts each on record and counts it.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/internal/partner"
	"pagefree/internal/platform/awscfg"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/settings"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "accesses")
	counter := &partner.Counter{
		Table:     dynamo.Table{Name: env.Text("STATUS_TABLE"), DB: dynamodb.NewFromConfig(awscfg.FromEnv(os.Getenv))},
		Retention: env.Duration("RETENTION_DAYS", 24*time.Hour),
	}
	env.Check()

	lambda.Start(counter.Handle)
}
