package stack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/infra/local/engine"
	"pagefree/infra/local/engine/streamindex"
	"pagefree/infra/local/events"
	"pagefree/infra/local/lambda"
	"pagefree/infra/local/s3"
	"pagefree/infra/local/ssm"
	"pagefree/infra/local/template"
)

// laptop are the parameters that a stack on a laptop gives, where the template declares them.
func laptop(origin string) map[string]string {
	return map[string]string{
		"CountWithin":     "2000", // a laptop that is busy would admit everybody
		"Architecture":    map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH],
		"FirstAdminEmail": "admin@pagefree.test",
		"MailFrom":        "pagefree@pagefree.test",
		"PublicOrigin":    origin,
	}
}

// load reads the template for this stack's address, and returns the folder that its functions are named from.
func (s *Stack) load() (root string, err error) {
	path := s.opts.Template
	if path == "" {
		if path, err = above("template.yaml"); err != nil {
			return "", err
		}
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return "", err
	}
	declared, err := template.Declared(path)
	if err != nil {
		return "", err
	}
	given := map[string]string{}
	for name, value := range laptop(s.URL) {
		if declared[name] {
			given[name] = value
		}
	}
	for name, value := range s.opts.Parameters {
		given[name] = value
	}
	seed, err := s.seed()
	if err != nil {
		return "", err
	}
	if s.template, err = template.Load(path, template.Options{Endpoint: s.AWSEndpoint, Parameters: given, Seed: seed}); err != nil {
		return "", err
	}
	if s.opts.Adjust != nil {
		s.opts.Adjust(s.template)
	}
	if api := s.template.API; api != nil {
		s.APIURL += "/" + api.Stage
	}
	if s.opts.NoStreams {
		for _, f := range s.template.Functions {
			for i := range f.StreamSources {
				f.StreamSources[i].Enabled = false
			}
		}
		for _, t := range s.template.Tables {
			t.StreamConsumed = false
		}
	}
	return filepath.Dir(path), nil
}

// seed is what this stack's secrets are made from: random, and the same over restarts.
func (s *Stack) seed() (string, error) {
	path := filepath.Join(s.Dir, "seed")
	kept, err := os.ReadFile(path)
	if err == nil && len(kept) > 0 {
		return string(kept), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	seed := rand.Text()
	return seed, os.WriteFile(path, []byte(seed), 0o600)
}

// above finds a file in the working folder or the nearest one above it.
func above(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("%s is neither here nor in a folder above", name)
		}
		dir = parent
	}
}

// build compiles the functions into a folder that all stacks of this repository share, since that is fast when little
// has changed, and gives this stack links of its own, which a later build does not touch.
func (s *Stack) build(ctx context.Context, root, binaries string) error {
	module, err := above("go.mod")
	if err != nil {
		return err
	}
	shared := filepath.Join(filepath.Dir(module), ".local", "build")
	unlock, err := lock(filepath.Join(shared, ".lock"), true)
	if err != nil {
		return err
	}
	defer func() { _ = unlock() }()
	folders := lambda.Folders(s.template)
	began := time.Now()
	slow := time.AfterFunc(time.Second, func() {
		_, _ = fmt.Fprintf(s.opts.Progress, "building %d functions; the first time takes half a minute or more\n", len(folders))
	})
	err = lambda.Build(ctx, root, shared, folders)
	if !slow.Stop() && err == nil {
		_, _ = fmt.Fprintf(s.opts.Progress, "built %d functions in %.1f s\n", len(folders), time.Since(began).Seconds())
	}
	if err != nil {
		return err
	}
	if err := os.RemoveAll(binaries); err != nil {
		return err
	}
	if err := os.MkdirAll(binaries, 0o755); err != nil {
		return err
	}
	for _, folder := range folders {
		name := filepath.Base(folder)
		if err := link(filepath.Join(shared, name), filepath.Join(binaries, name)); err != nil {
			return err
		}
	}
	return nil
}

// link makes a hard link, or a copy where the other end is on another file system.
func link(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}

// tables makes the template's tables.
func (s *Stack) tables(ctx context.Context) error {
	var list []*template.Table
	for _, t := range s.template.Tables {
		list = append(list, t)
	}
	config := s.Config()
	endpoint := s.engine.Endpoint()
	config.BaseEndpoint = &endpoint
	if err := engine.Create(ctx, dynamodb.NewFromConfig(config), list...); err != nil {
		return err
	}
	streamed := slices.ContainsFunc(list, func(t *template.Table) bool { return t.StreamConsumed })
	if !streamed || s.engine.Kind() != engine.Dynoxide {
		return nil
	}
	dir := filepath.Join(s.Dir, "dynamodb")
	if err := streamindex.Create(ctx, dir); err != nil {
		return err
	}
	return streamindex.Trim(ctx, dir, time.Now())
}

// systems opens Systems Manager: its nodes run scripts by an agent that is built when the first one comes, put output
// into the buckets and tell of changes by events.
func (s *Stack) systems(bus *events.Bus, objects *s3.Service) (*ssm.Service, error) {
	o := ssm.Options{
		Parameters: s.template.SSM, Dir: filepath.Join(s.Dir, "ssm"), Region: s.template.Region, Nodes: s.opts.Nodes, Second: s.opts.Second,
		Put: objects.Put, Log: s.opts.Log,
		Agent: func(ctx context.Context) (string, error) {
			module, err := above("go.mod")
			if err != nil {
				return "", err
			}
			return lambda.BuildAgent(ctx, filepath.Dir(module))
		},
	}
	if !s.opts.NoEvents {
		o.Emit = func(detailType string, resources []string, detail any) {
			bus.Emit("aws.ssm", detailType, resources, detail)
		}
	}
	return ssm.Open(o)
}
