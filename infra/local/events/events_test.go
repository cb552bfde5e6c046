package events

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"pagefree/infra/local/lambda"
	"pagefree/infra/local/template"
)

func TestPattern(t *testing.T) {
	const event = `{"source":"aws.ssm","detail-type":"EC2 Command Status-change Notification","resources":["a","b"],"detail":{"document-name":"pagefree-rb_1","status":"Failed","more":null,"flag":true}}`
	tests := map[string]struct {
		pattern string
		want    bool
	}{
		"source":                 {`{"source":["aws.ssm"]}`, true},
		"another source":         {`{"source":["aws.ec2"]}`, false},
		"one of some":            {`{"source":["aws.ec2","aws.ssm"],"detail-type":["EC2 Command Status-change Notification"]}`, true},
		"all of them":            {`{"source":["aws.ssm"],"detail-type":["other"]}`, false},
		"a prefix":               {`{"detail":{"document-name":[{"prefix":"pagefree-"}]}}`, true},
		"another prefix":         {`{"detail":{"document-name":[{"prefix":"AWS-"}]}}`, false},
		"anything but":           {`{"detail":{"status":[{"anything-but":["Pending","InProgress"]}]}}`, true},
		"anything but this":      {`{"detail":{"status":[{"anything-but":"Failed"}]}}`, false},
		"there":                  {`{"detail":{"status":[{"exists":true}]}}`, true},
		"not there":              {`{"detail":{"instance-id":[{"exists":false}]}}`, true},
		"a list holds it":        {`{"resources":["b"]}`, true},
		"a bool":                 {`{"detail":{"flag":[true]}}`, true},
		"null is no absence":     {`{"detail":{"none":[null]}}`, false},
		"null":                   {`{"detail":{"more":[null]}}`, true},
		"nothing below a string": {`{"source":{"x":["y"]}}`, false},
	}
	var seen map[string]any
	if err := json.Unmarshal([]byte(event), &seen); err != nil {
		t.Fatal(err)
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := compile(written(t, tt.pattern))
			if err != nil {
				t.Fatal(err)
			}
			if got := p.matches(seen); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
	for _, pattern := range []string{
		`{}`, `{"source":"aws.ssm"}`, `{"source":[{"suffix":"ssm"}]}`, `{"a":[{"numeric":[">",1]}]}`, `{"a":[1]}`, `{"$or":[{"a":["b"]}]}`,
		`{"a":[{"prefix":"a","exists":true}]}`, `{"a":[{"anything-but":{"prefix":"x"}}]}`, `{"a":{}}`,
	} {
		if _, err := compile(written(t, pattern)); err == nil {
			t.Errorf("%s is judged", pattern)
		}
	}
}

func written(t *testing.T, text string) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// functions remembers who was called with what.
type functions struct {
	mu    sync.Mutex
	calls map[string][]string
	err   error
}

func (f *functions) Invoke(_ context.Context, r lambda.Request) (lambda.Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[r.Function] = append(f.calls[r.Function], string(r.Payload))
	return lambda.Result{}, f.err
}

func TestBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		ssm := template.Rule{Name: "E", Pattern: written(t, `{"source":["aws.ssm"]}`), Enabled: true}
		off := ssm
		off.Enabled = false
		f := &functions{calls: map[string][]string{}}
		b, err := New(Options{
			Template: &template.Template{AccountID: "1", Region: "r", Functions: map[string]*template.Function{
				"A": {Rules: []template.Rule{ssm}}, "B": {Rules: []template.Rule{off}}, "C": {Rules: []template.Rule{{Pattern: written(t, `{"source":["x"]}`), Enabled: true}}},
			}},
			Functions: f, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		b.Emit("aws.ssm", "T", []string{}, map[string]string{"status": "Failed"})
		synctest.Wait()
		if len(f.calls) != 1 || len(f.calls["A"]) != 1 {
			t.Fatalf("got %v", f.calls)
		}
		got := written(t, f.calls["A"][0])
		if got["source"] != "aws.ssm" || got["detail-type"] != "T" || got["account"] != "1" || got["region"] != "r" || got["detail"].(map[string]any)["status"] != "Failed" || got["time"] == "" {
			t.Errorf("got %v", got)
		}
		f.err = errors.New("broken")
		b.Emit("aws.ssm", "T", []string{}, nil)
		synctest.Wait()
		if !strings.Contains(log.String(), "broken") {
			t.Errorf("not logged: %s", log.String())
		}
		b.Close()
		b.Emit("aws.ssm", "T", []string{}, nil)
		synctest.Wait()
		if len(f.calls["A"]) != 2 {
			t.Errorf("called after the end: %v", f.calls)
		}
	})
	_, err := New(Options{Template: &template.Template{Functions: map[string]*template.Function{
		"A": {Rules: []template.Rule{{Name: "E", Pattern: written(t, `{"a":[{"suffix":"x"}]}`)}}},
	}}})
	if err == nil || !strings.Contains(err.Error(), "A.Events.E.Pattern") {
		t.Errorf("got %v", err)
	}
}
