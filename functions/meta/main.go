// Command meta is the Lambda function that tells of the API itself: a sign of
// life, and the OpenAPI document. It has no rights, and needs none.
package main

import (
	_ "embed"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/log"
)

// document is written by `make openapi`.
//
//go:embed openapi.json
var document []byte

func main() {
	log.Setup(os.Stdout, "meta")
	api := httpapi.New()
	httpapi.Meta(api, document)
	lambda.Start(httpapi.Lambda(api.Handler(), httpapi.Edge{})) // it has no page, and asks for nobody's address
}
