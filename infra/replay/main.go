// Command replay knows the sample events in events/: which function each is for, and what is to come of it.
//
//	go run ./infra/replay list           each event's function, by logical id, and its path
//	go run ./infra/replay compare PATH   reads what the function answered to the event at PATH; exit 1 if it is not as wanted
//	go run ./infra/replay env ENDPOINT   the functions' environments for `sam local --env-vars`, with AWS at ENDPOINT
//
// Its test replays all of them against the built functions in a local stack.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pagefree/infra/local/template"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "replay:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	switch {
	case len(args) == 1 && args[0] == "list":
		t, err := load(".", "", nil)
		if err != nil {
			return err
		}
		list, err := events(".", t)
		for _, e := range list {
			fmt.Fprintln(out, e.function, e.path)
		}
		return err
	case len(args) == 2 && args[0] == "compare":
		got, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		return compare(args[1], got)
	case len(args) == 2 && args[0] == "env":
		return environments(args[1], out)
	}
	return errors.New("usage: replay list | compare PATH | env ENDPOINT")
}

// load reads the template below root as a stack on a laptop has it.
func load(root, endpoint string, parameters map[string]string) (*template.Template, error) {
	given := map[string]string{"FirstAdminEmail": "admin@pagefree.test", "MailFrom": "pagefree@pagefree.test"}
	maps.Copy(given, parameters)
	return template.Load(filepath.Join(root, "template.yaml"), template.Options{Endpoint: endpoint, Parameters: given})
}

// event is a sample event.
type event struct {
	function string // logical id
	path     string // of its file
}

// events lists the sample events below root, by path.
func events(root string, t *template.Template) ([]event, error) {
	var out []event
	err := filepath.WalkDir(filepath.Join(root, "events"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".json" || strings.HasSuffix(path, ".want.json") {
			return err
		}
		function, err := functionOf(t, path)
		out = append(out, event{function, path})
		return err
	})
	return out, err
}

// functionOf is the function of the folder that an event lies in; where several share it, the one of its language.
func functionOf(t *template.Template, path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var e struct{ Language string }
	if err := json.Unmarshal(b, &e); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	folder := filepath.Base(filepath.Dir(path))
	for _, id := range slices.Sorted(maps.Keys(t.Functions)) {
		f := t.Functions[id]
		if language := f.Environment["SANDBOX_LANGUAGE"]; filepath.Base(f.Folder) == folder && (language == "" || language == e.Language) {
			return id, nil
		}
	}
	return "", fmt.Errorf("%s: the template has no such function", path)
}

// compare tells how an answer differs from what is wanted of the event at path.
func compare(path string, answer []byte) error {
	b, err := os.ReadFile(strings.TrimSuffix(path, ".json") + ".want.json")
	if err != nil {
		return err
	}
	var got, want any
	if err := json.Unmarshal(b, &want); err != nil {
		return fmt.Errorf("wanted of %s: %w", path, err)
	}
	if err := json.Unmarshal(answer, &got); err != nil {
		return fmt.Errorf("%s: the answer is not JSON: %.300q", path, answer)
	}
	if diff := differences("$", got, want); len(diff) > 0 {
		return fmt.Errorf("%s:\n  %s", path, strings.Join(diff, "\n  "))
	}
	return nil
}

// environments writes what sam local takes by --env-vars: it overrides variables that the template declares, so that
// tables, queues and keys are those of a local stack at the endpoint.
func environments(endpoint string, out io.Writer) error {
	t, err := load(".", endpoint, map[string]string{"PublicOrigin": "http://127.0.0.1:3000"})
	if err != nil {
		return err
	}
	env := map[string]map[string]string{}
	for id, f := range t.Functions {
		env[id] = maps.Clone(f.Environment)
		if _, ok := env[id]["AWS_ENDPOINT_URL"]; ok {
			env[id]["AWS_ENDPOINT_URL"] = endpoint
		}
	}
	return json.NewEncoder(out).Encode(env)
}
