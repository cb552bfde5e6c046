// Command screenshots makes the README's pictures: it starts a local stack in
// a throw-away folder, lets the demo run, and photographs what people see with
// Debian's Chromium.
//
//	go run ./infra/screenshots FOLDER
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/infra/local/demo"
	"pagefree/infra/local/engine"
	"pagefree/infra/local/stack"
	"pagefree/internal/platform/dynamo"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: screenshots FOLDER")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "screenshots:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, folder string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	s, err := stack.Start(ctx, stack.Options{Engine: engine.FromEnv()})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	db := dynamodb.NewFromConfig(s.Config())
	past := &demo.Past{
		Automation: dynamo.Table{Name: s.Template().Tables["AutomationTable"].Name, DB: db},
		Status:     dynamo.Table{Name: s.Template().Tables["StatusTable"].Name, DB: db},
		Now:        time.Now,
	}
	var said bytes.Buffer
	result, err := demo.Run(ctx, demo.Options{URL: s.URL, Out: &said, Whole: true, Past: past, Topics: s.Topics()})
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "pagefree-screenshots-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	page := filepath.Join(work, "terminal.html")
	shown := fold(said.String())
	if err := terminal(page, shown); err != nil {
		return err
	}
	c, err := newCamera(ctx, work, folder)
	if err != nil {
		return err
	}
	defer c.close()
	lines := view{name: "run.png", at: "file://" + page, width: 1000, height: 91 + 21*strings.Count(shown, "\n")}
	if err := c.photograph(lines); err != nil {
		return err
	}
	if err := console(ctx, c, s.URL, result); err != nil {
		return err
	}
	return partner(ctx, c, s.URL)
}
