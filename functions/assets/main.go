// Command assets is the Lambda function that serves what the console's pages
// are made of beside their HTML: style, scripts, pictures, and the files of a
// web app. They are open to everybody; it has no rights, and needs none.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/log"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/settings"
	"pagefree/internal/web/console/assets"
)

func main() {
	env := settings.From(os.Getenv)
	log.Setup(os.Stdout, "assets")
	at := settings.Parsed(env, "PUBLIC_ORIGIN", origin.Parse)
	edge := settings.Parsed(env, "ORIGIN_SECRET", httpapi.ParseEdge)
	env.Check()

	api := httpapi.New()
	assets.Routes(api, at)
	lambda.Start(httpapi.Lambda(api.Handler(), edge))
}
