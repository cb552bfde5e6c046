package httpapi_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/problem"
)

func fixed(key string) func(context.Context, string) ([]byte, error) {
	return func(_ context.Context, label string) ([]byte, error) { return []byte(key + label), nil }
}

func TestCursors(t *testing.T) {
	ctx := t.Context()
	cursors := httpapi.NewCursors(fixed("k"))
	out, err := httpapi.Answer(ctx, cursors, []string{"a"}, "ex_1", "executions", "x")
	if err != nil || out.Body.NextCursor == nil {
		t.Fatalf("got %+v, %v", out, err)
	}
	cursor := *out.Body.NextCursor
	raw, _ := base64.RawURLEncoding.DecodeString(cursor)
	altered := base64.RawURLEncoding.EncodeToString(append(raw[:len(raw)-1:len(raw)-1], raw[len(raw)-1]^1))
	foreign, err := httpapi.Answer(ctx, httpapi.NewCursors(fixed("another")), []string{"a"}, "ex_1", "executions", "x")
	if err != nil {
		t.Fatal(err)
	}
	inside, err := httpapi.Answer(ctx, cursors, []string{"a"}, "ex_1", "executions", "x\x00y")
	if err != nil {
		t.Fatal(err)
	}
	moved := *inside.Body.NextCursor
	if bytes.Contains(raw, []byte("ex_1")) {
		t.Error("the position can be read")
	}
	if again, err := httpapi.Answer(ctx, cursors, []string{"a"}, "ex_1", "executions", "x"); err != nil || *again.Body.NextCursor != cursor {
		t.Errorf("the same page has another cursor, %v", err)
	}
	tests := map[string]struct {
		cursor string
		list   []string
		want   problem.Code
	}{
		"its own list":            {cursor, []string{"executions", "x"}, ""},
		"another list":            {cursor, []string{"incidents", "x"}, problem.CursorInvalid},
		"another filter":          {cursor, []string{"executions", "y"}, problem.CursorInvalid},
		"parts joined":            {cursor, []string{"executionsx"}, problem.CursorInvalid},
		"parts moved":             {moved, []string{"executions\x00x", "y"}, problem.CursorInvalid},
		"a byte changed":          {altered, []string{"executions", "x"}, problem.CursorInvalid},
		"of another installation": {*foreign.Body.NextCursor, []string{"executions", "x"}, problem.CursorInvalid},
		"the position alone":      {base64.RawURLEncoding.EncodeToString([]byte("ex_1")), []string{"executions", "x"}, problem.CursorInvalid},
		"a MAC without position":  {base64.RawURLEncoding.EncodeToString(raw[:16]), []string{"executions", "x"}, problem.CursorInvalid},
		"with a line end":         {cursor + "\n", []string{"executions", "x"}, problem.CursorInvalid},
		"endless":                 {strings.Repeat("A", 5000), []string{"executions", "x"}, problem.CursorInvalid},
		"padded":                  {cursor + "=", []string{"executions", "x"}, problem.CursorInvalid},
		"no base64":               {"é", []string{"executions", "x"}, problem.CursorInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			page, err := cursors.Open(ctx, httpapi.PageInput{Limit: 7, Cursor: test.cursor}, test.list...)
			if got := problem.CodeOf(err); got != test.want {
				t.Fatalf("got %q, want %q", got, test.want)
			}
			if err == nil && (page.Before != "ex_1" || page.Limit != 7) {
				t.Errorf("got %+v", page)
			}
			if err != nil && page.Before != "" {
				t.Errorf("a refused cursor gave a position: %+v", page)
			}
		})
	}
}

func TestAnyCursorOpensWhatItHolds(t *testing.T) {
	cursors := httpapi.NewCursors(fixed("k"))
	rapid.Check(t, func(t *rapid.T) {
		position, list := rapid.StringN(1, 40, -1).Draw(t, "position"), rapid.String().Draw(t, "list")
		out, err := httpapi.Answer(context.Background(), cursors, []int{}, position, list)
		if err != nil {
			t.Fatal(err)
		}
		page, err := cursors.Open(context.Background(), httpapi.PageInput{Cursor: *out.Body.NextCursor}, list)
		if err != nil || page.Before != position {
			t.Fatalf("got %q, %v, want %q", page.Before, err, position)
		}
	})
}

func TestTheKeyIsAskedOnceAndOnlyWhenNeeded(t *testing.T) {
	var asked atomic.Int32
	fail := true
	cursors := httpapi.NewCursors(func(context.Context, string) ([]byte, error) {
		asked.Add(1)
		if fail {
			return nil, errors.New("KMS is away")
		}
		return []byte("k"), nil
	})
	if _, err := cursors.Open(t.Context(), httpapi.PageInput{Limit: 5}, "x"); err != nil || asked.Load() != 0 {
		t.Errorf("the first page: %v, asked %d times", err, asked.Load())
	}
	if out, err := httpapi.Answer[int](t.Context(), cursors, nil, "", "x"); err != nil || asked.Load() != 0 || out.Body.Items == nil || out.Body.NextCursor != nil {
		t.Errorf("the only page: %+v, %v, asked %d times; want an empty list, not null", out, err, asked.Load())
	}
	if _, err := httpapi.Answer(t.Context(), cursors, []int{1}, "p", "x"); err == nil {
		t.Error("without a key a cursor was made")
	}
	fail = false
	for range 3 {
		if _, err := httpapi.Answer(t.Context(), cursors, []int{1}, "p", "x"); err != nil {
			t.Error(err)
		}
	}
	if got := asked.Load(); got != 2 {
		t.Errorf("asked %d times, want again after the failure and then no more", got)
	}
}

func TestFit(t *testing.T) {
	position := func(s string) string { return s[:1] }
	long := func(name string, size int) string { return name + strings.Repeat("\x01", size) } // six bytes each in JSON
	tests := map[string]struct {
		items []string
		next  string
		want  int
		goOn  string
	}{
		"none":                      {nil, "", 0, ""},
		"all of them":               {[]string{"a", "b"}, "", 2, ""},
		"all, and there are more":   {[]string{"a", "b"}, "b", 2, "b"},
		"what fits":                 {[]string{long("a", 200_000), long("b", 100_000), long("c", 100_000), "d"}, "d", 2, "b"},
		"one that is too long":      {[]string{long("a", 400_000), "b"}, "", 1, "a"},
		"one that is too long last": {[]string{long("a", 400_000)}, "", 1, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, next, err := httpapi.Fit(tt.items, tt.next, position)
			if err != nil || len(got) != tt.want || next != tt.goOn {
				t.Errorf("got %d items and %q, %v; want %d and %q", len(got), next, err, tt.want, tt.goOn)
			}
		})
	}
}

// TestAnyAccept: whatever a caller says that it takes, it is answered.
func TestAnyAccept(t *testing.T) {
	h := newAPI().Handler()
	rapid.Check(t, func(t *rapid.T) {
		accept := rapid.StringOfN(rapid.RuneFrom([]rune("aq*/;,=.01 \t\u00e9\"")), 0, 24, -1).Draw(t, "accept")
		r := httptest.NewRequest("GET", "/v1/things/1", nil)
		r.Header["Accept"] = strings.SplitN(accept, "0", 2)
		rec := httptest.NewRecorder()
		if h.ServeHTTP(rec, r); rec.Code != http.StatusOK {
			t.Fatalf("got %d %s", rec.Code, rec.Body)
		}
	})
}
