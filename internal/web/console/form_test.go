package console

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"testing"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/problem"
)

func style(t *testing.T) []byte {
	t.Helper()
	css, err := os.ReadFile("assets/console.css")
	if err != nil {
		t.Fatal(err)
	}
	return css
}

// TestWith: each of a problem's fields is said where the form has its place for it, and nothing is lost.
func TestWith(t *testing.T) {
	form := Form{Values: url.Values{"name": {"x"}, "target.url": {""}, "parameters": {""}}}
	fields := func(all ...problem.Field) error {
		return &problem.Error{Status: http.StatusUnprocessableEntity, Code: problem.ValidationFailed, Detail: "No.", Fields: all}
	}
	for name, tt := range map[string]struct {
		err   error
		ok    bool
		text  string
		wrong map[string]string
	}{
		"a field":            {fields(problem.Field{Location: "body.name", Message: "is empty"}), true, "Some fields need another look.", map[string]string{"name": "Is empty."}},
		"twice at one":       {fields(problem.Field{Location: "body.name", Message: "is a"}, problem.Field{Location: "body.name", Message: "is b"}), true, "Some fields need another look.", map[string]string{"name": "Is a. Is b."}},
		"the nearest parent": {fields(problem.Field{Location: "body.parameters[2].pattern", Message: "does not compile"}), true, "Some fields need another look.", map[string]string{"parameters": "Does not compile."}},
		"a dotted name":      {fields(problem.Field{Location: "body.target.url", Message: "is no address"}), true, "Some fields need another look.", map[string]string{"target.url": "Is no address."}},
		"a part of it":       {fields(problem.Field{Location: "body.target.url.host", Message: "x"}), true, "Some fields need another look.", map[string]string{"target.url": "X."}},
		"no such field":      {fields(problem.Field{Location: "body.other", Message: "is odd"}), true, "Other: is odd.", map[string]string{}},
		"the whole":          {fields(problem.Field{Location: "body", Message: "is odd"}), true, "Is odd.", map[string]string{}},
		"both":               {fields(problem.Field{Location: "body.name", Message: "is empty"}, problem.Field{Location: "query.q", Message: "is odd"}), true, "Query.q: is odd.", map[string]string{"name": "Is empty."}},
		"a conflict":         {problem.New(http.StatusConflict, "name_taken", "It is taken."), true, "It is taken.", map[string]string{}},
		"a stale change":     {problem.New(http.StatusPreconditionFailed, problem.PreconditionFailed, "It was changed."), true, "It was changed.", map[string]string{}},
		"too large":          {problem.New(http.StatusRequestEntityTooLarge, problem.BodyTooLarge, "Too large."), true, "Too large.", map[string]string{}},
		"no right":           {problem.Denied("No."), false, "", nil},
		"no such thing":      {problem.Missing(), false, "", nil},
		"too often":          {problem.New(http.StatusTooManyRequests, "rate_limited", "Wait."), false, "", nil},
		"a fault":            {errors.New("boom"), false, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := form.With(tt.err)
			if ok != tt.ok || got.Text != tt.text || len(got.Wrong) != len(tt.wrong) {
				t.Fatalf("got %v %q %v, want %v %q %v", ok, got.Text, got.Wrong, tt.ok, tt.text, tt.wrong)
			}
			for field, want := range tt.wrong {
				if got.Error(field) != want {
					t.Errorf("at %s: got %q, want %q", field, got.Error(field), want)
				}
			}
			if got.Get("name") != "x" || form.Wrong != nil || form.Text != "" {
				t.Error("the form that was sent is not as it was")
			}
		})
	}
	marked := form.Mark("name", problem.New(http.StatusConflict, "name_taken", "It is taken."))
	if marked.Error("name") != "It is taken." || marked.Whole() != "It is taken." || marked.Text == "" {
		t.Errorf("marked: %+v", marked)
	}
	if got := (Form{Text: "No."}).Whole(); got != "No." {
		t.Errorf("the whole is %q", got)
	}
	if got := form.Mark("name", errors.New("boom")); got.Text != "" || got.Wrong != nil {
		t.Errorf("a fault is shown: %+v", got)
	}
}

func TestForm(t *testing.T) {
	f := Form{Values: url.Values{"n": {" 12 "}, "bad": {"12x"}, "kinds": {"a", "b"}}}
	if f.Number("n") != int64(12) || f.Number("bad") != "12x" || f.Number("none") != "" {
		t.Errorf("numbers: %v %v %v", f.Number("n"), f.Number("bad"), f.Number("none"))
	}
	if !f.Has("kinds", "b") || f.Has("kinds", "c") || f.Has("none", "") || len(f.All("kinds")) != 2 {
		t.Error("several values")
	}
	if got := NewForm(map[string]string{"a": "b"}); got.Get("a") != "b" || got.Error("a") != "" {
		t.Errorf("got %+v", got)
	}
	if got := Options("PENDING_REVIEW"); got[0] != (Option{"PENDING_REVIEW", "Pending review"}) {
		t.Errorf("got %v", got)
	}
}

// body is held against its schema, as that of a request would be.
type body struct {
	Name   string   `json:"name" minLength:"1" maxLength:"5"`
	Count  int      `json:"count" minimum:"1" maximum:"9"`
	Kind   string   `json:"kind,omitempty" enum:"A,B"`
	Tags   []string `json:"tags,omitempty" maxItems:"2"`
	Target *struct {
		URL string `json:"url" minLength:"1"`
	} `json:"target,omitempty"`
}

// TestRead: a form is held against the rules of the API's body, each breach named by its member.
func TestRead(t *testing.T) {
	for name, tt := range map[string]struct {
		sent map[string]any
		at   []string
	}{
		"good":            {map[string]any{"name": "a", "count": 3, "tags": []string{"x"}, "target": map[string]any{"url": "u"}}, nil},
		"an empty name":   {map[string]any{"name": "", "count": 3}, []string{"body.name"}},
		"a long name":     {map[string]any{"name": "abcdef", "count": 3}, []string{"body.name"}},
		"no number":       {map[string]any{"name": "a", "count": "three"}, []string{"body.count"}},
		"a great number":  {map[string]any{"name": "a", "count": 10}, []string{"body.count"}},
		"not offered":     {map[string]any{"name": "a", "count": 3, "kind": "C"}, []string{"body.kind"}},
		"deep":            {map[string]any{"name": "a", "count": 3, "target": map[string]any{"url": ""}}, []string{"body.target.url"}},
		"unknown":         {map[string]any{"name": "a", "count": 3, "other": 1}, []string{"body.other"}},
		"too many":        {map[string]any{"name": "a", "count": 3, "tags": []string{"x", "y", "z"}}, []string{"body.tags"}},
		"left out":        {map[string]any{"count": 3}, []string{"body"}},
		"several at once": {map[string]any{"name": "", "count": 0}, []string{"body.count", "body.name"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := httpapi.Read[body](tt.sent)
			if tt.at == nil {
				if err != nil || got.Name != "a" || got.Count != 3 || got.Target.URL != "u" {
					t.Fatalf("got %+v %v", got, err)
				}
				return
			}
			p, is := errors.AsType[*problem.Error](err)
			if !is || p.Status != http.StatusUnprocessableEntity || p.Code != problem.ValidationFailed {
				t.Fatalf("got %v", err)
			}
			at := map[string]bool{}
			for _, f := range p.Fields {
				at[f.Location] = true
			}
			for _, want := range tt.at {
				if !at[want] || len(at) != len(tt.at) {
					t.Errorf("got %v, want %v", p.Fields, tt.at)
				}
			}
		})
	}
}
