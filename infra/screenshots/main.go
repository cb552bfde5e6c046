// Command screenshots makes the README's pictures: it starts a local stack in
// a throw-away folder, lets the demo run, and photographs what a person sees
// with Debian's Chromium.
//
//	go run ./infra/screenshots FOLDER
package main

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"pagefree/infra/local/demo"
	"pagefree/infra/local/engine"
	"pagefree/infra/local/stack"
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
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	s, err := stack.Start(ctx, stack.Options{Engine: engine.FromEnv()})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	var said bytes.Buffer
	if _, err := demo.Run(ctx, demo.Options{URL: s.URL, Out: &said, Whole: true}); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "pagefree-screenshots-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	page := filepath.Join(work, "terminal.html")
	if err := terminal(page, said.String()); err != nil {
		return err
	}
	if err := photograph(ctx, work, "file://"+page, filepath.Join(folder, "run.png"), 1000, 91+21*strings.Count(said.String(), "\n")); err != nil {
		return err
	}
	return photograph(ctx, work, s.URL+"/signin", filepath.Join(folder, "signin.png"), 720, 460)
}

// photograph renders an address in a fresh Chromium.
func photograph(ctx context.Context, work, url, to string, width, height int) error {
	to, err := filepath.Abs(to)
	if err != nil {
		return err
	}
	profile, err := os.MkdirTemp(work, "profile-")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
		"--user-data-dir="+profile, fmt.Sprintf("--window-size=%d,%d", width, height), "--screenshot="+to, url)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("chromium (Debian: apt-get install chromium): %w\n%s", err, out)
	}
	return nil
}

// marks are what is worth an eye in the demo's lines.
var marks = []struct {
	what  *regexp.Regexp
	class string
}{
	{regexp.MustCompile(`COMPLETED|approved and sealed|\d+ of \d+ events are sealed`), "good"},
	{regexp.MustCompile(`403 self_approval|waits for review|TIMEOUT|CANCELLED|rolls back|with a warning`), "warn"},
	{regexp.MustCompile(`(?m)^ +\d+\.\d\d s|^ +\|`), "dim"},
	{regexp.MustCompile(`(?m)^[A-Z].*$`), "title"},
}

var frame = template.Must(template.New("").Parse(`<!doctype html><meta charset="utf-8"><style>
body{margin:0;background:#11151c;color:#d8dee9;font:14px/1.5 ui-monospace,"DejaVu Sans Mono",monospace}
pre{margin:0;padding:22px 26px} .good{color:#8fd694} .warn{color:#f0c674} .dim{color:#6b7689} b,.title{color:#fff;font-weight:bold}
</style><pre><b>$ make run</b>
{{.}}</pre>`))

// terminal writes a page that shows lines as a terminal does.
func terminal(path, lines string) error {
	text := template.HTMLEscapeString(lines)
	for _, m := range marks {
		text = m.what.ReplaceAllString(text, `<span class="`+m.class+`">$0</span>`)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return frame.Execute(f, template.HTML(text)) // escaped above
}
