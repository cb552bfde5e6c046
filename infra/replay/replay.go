// Package replay knows the sample events in events/<function>/: which function each is for, and what is to come of it.
// What lies a folder deeper is part of events, such as the bodies that monitoring systems send. <event>.given.json holds the
// items that the event finds in the tables, as DynamoDB's JSON, by the table's logical id.
// Its test sends all events to the built functions in a local stack; infra/sam does so under sam local invoke.
package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/infra/local/template"
	"pagefree/internal/platform/stream"
)

// Event is a sample event.
type Event struct {
	Function string // logical id
	Path     string // of its file
}

// Events lists the sample events below root, the top of the repository, by path.
func Events(root string, t *template.Template) ([]Event, error) {
	var out []Event
	err := filepath.WalkDir(filepath.Join(root, "events"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && filepath.Dir(filepath.Dir(path)) == filepath.Join(root, "events") {
			return filepath.SkipDir
		}
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".json" || strings.HasSuffix(path, ".want.json") || strings.HasSuffix(path, ".given.json") {
			return err
		}
		function, err := functionOf(t, path)
		out = append(out, Event{function, path})
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

// originSecret stands in an event for what the distribution adds, which each stack makes for itself.
const originSecret = "{{originSecret}}"

// Payload is the event as the function gets it, in the stack of a template.
func (e Event) Payload(t *template.Template) ([]byte, error) {
	b, err := os.ReadFile(e.Path)
	if err != nil {
		return nil, err
	}
	return bytes.ReplaceAll(b, []byte(originSecret), []byte(t.Secrets["OriginSecret"].Value)), nil
}

// Give puts the items that the event finds into the tables of a template's stack; most events find nothing.
func (e Event) Give(ctx context.Context, db *dynamodb.Client, t *template.Template) error {
	b, err := os.ReadFile(strings.TrimSuffix(e.Path, ".json") + ".given.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var given map[string][]stream.Image
	if err := json.Unmarshal(b, &given); err != nil {
		return fmt.Errorf("given for %s: %w", e.Path, err)
	}
	for id, items := range given {
		table := t.Tables[id]
		if table == nil {
			return fmt.Errorf("given for %s: the template has no table %s", e.Path, id)
		}
		for _, item := range items {
			if _, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table.Name, Item: item}); err != nil {
				return fmt.Errorf("given for %s: %w", e.Path, err)
			}
		}
	}
	return nil
}

// Compare tells how a function's answer differs from what is wanted of the event at path.
func Compare(path string, answer []byte) error {
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
