package replay

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestDifferences(t *testing.T) {
	tests := map[string]struct {
		got, want string
		diff      []string
	}{
		"the same":                    {got: `{"a":[1,null,"x"]}`, want: `{"a":[1,null,"x"]}`},
		"another number":              {got: `{"a":1}`, want: `{"a":2}`, diff: []string{"$.a: got 1, want 2"}},
		"null is not nothing":         {got: `{}`, want: `{"a":null}`, diff: []string{"$.a is missing"}},
		"one too many":                {got: `{"a":1,"b":2}`, want: `{"a":1}`, diff: []string{"$.b is not wanted: 2"}},
		"others may be there":         {got: `{"a":1,"b":2}`, want: `{"a":1,"*":"*"}`},
		"a list's length counts":      {got: `[1,2]`, want: `[1]`, diff: []string{"$: got [1,2], want [1]"}},
		"an empty list is not null":   {got: `null`, want: `[]`, diff: []string{"$: got null, want []"}},
		"an id":                       {got: `"rb_01K9ZD3R5Q8S1T3V5W7X9Y0Z2A"`, want: `"rb_{{ulid}}"`},
		"not that id":                 {got: `"rb_1"`, want: `"rb_{{ulid}}"`, diff: []string{`$: got "rb_1", want "rb_{{ulid}}"`}},
		"the whole text":              {got: `"xurn:uuid:3c9f6f3e-6d0a-4a6c-9a57-0f5d6a1b7c2e"`, want: `"urn:uuid:{{uuid}}"`, diff: []string{`$: got "xurn:uuid:3c9f6f3e-6d0a-4a6c-9a57-0f5d6a1b7c2e", want "urn:uuid:{{uuid}}"`}},
		"a time":                      {got: `"2026-11-21T09:14:03.000Z"`, want: `"{{time}}"`},
		"anything":                    {got: `{"a":{"b":1}}`, want: `{"a":"{{any}}"}`},
		"any number":                  {got: `17`, want: `"{{number}}"`},
		"no number":                   {got: `"17"`, want: `"{{number}}"`, diff: []string{`$: got "17", want "{{number}}"`}},
		"JSON in a text":              {got: `{"body":"{\"items\":[]}\n"}`, want: `{"body":{"items":[]}}`},
		"a text where JSON is wanted": {got: `"oops"`, want: `{"a":1}`, diff: []string{`$: got "oops", want {"a":1}`}},
		"dots are dots":               {got: `"a-b"`, want: `"a.b"`, diff: []string{`$: got "a-b", want "a.b"`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got, want any
			if err := json.Unmarshal([]byte(tt.got), &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(tt.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := differences("$", got, want); !slices.Equal(diff, tt.diff) {
				t.Errorf("got %q, want %q", diff, tt.diff)
			}
		})
	}
}
