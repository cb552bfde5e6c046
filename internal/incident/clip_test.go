package incident

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"

	"pagefree/internal/platform/trust"
)

func TestClipped(t *testing.T) {
	long := strings.Repeat("é", 300)
	tests := map[string]struct{ given, want Alert }{
		"nothing":                        {Alert{}, Alert{Title: "An alert without a title", Severity: Medium}},
		"what is short stays":            {Alert{Title: "a", Severity: Low, DedupKey: " k "}, Alert{Title: "a", Severity: Low, DedupKey: " k "}},
		"lines become one":               {Alert{Title: " a\r\n\tb\x00c\u2028d "}, Alert{Title: "a b c d", Severity: Medium}},
		"a long title":                   {Alert{Title: long}, Alert{Title: long[:400], Severity: Medium}},
		"a title that is cut at a space": {Alert{Title: strings.Repeat("a", 199) + " b"}, Alert{Title: strings.Repeat("a", 199), Severity: Medium}},
		"a severity that there is not":   {Alert{Title: "a", Severity: "P1"}, Alert{Title: "a", Severity: Medium}},
		"labels": {
			Alert{Title: "a", Labels: map[string]string{"host name": "w", "host_name": "x", "_é": "y", "__a": "z", "ok": strings.Repeat("v", 600)}},
			Alert{Title: "a", Severity: Medium, Labels: map[string]string{"host_name": "w", "a": "z", "ok": strings.Repeat("v", 512)}},
		},
	}
	for name, tt := range tests {
		if tt.want.Labels == nil {
			tt.want.Labels = map[string]string{}
		}
		if got := tt.given.Clipped(); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, got, tt.want)
		}
	}
}

func TestLongKeysStayApart(t *testing.T) {
	long := strings.Repeat("é", 300)
	seen := map[string]bool{}
	for _, key := range []string{long, long + "1", long + "2", long[:512]} {
		got := clippedKey(key)
		if utf8.RuneCountInString(got) > 256 || clippedKey(got) != got {
			t.Errorf("%q is no key", got)
		}
		seen[got] = true
	}
	if len(seen) != 4 {
		t.Errorf("got %d keys, want 4", len(seen))
	}
	if got := clippedKey(long[:512]); got != long[:512] {
		t.Error("256 characters were cut")
	}
}

func TestManyLabels(t *testing.T) {
	labels := map[string]string{}
	for i := range 100 {
		labels[fmt.Sprintf("l%03d", i)] = "v"
	}
	got := clippedLabels(labels)
	if len(got) != MaxLabels || got["l000"] != "v" || got["l031"] != "v" {
		t.Errorf("got %d labels, want the first 32", len(got))
	}
}

func TestRawBodies(t *testing.T) {
	nested := any("x")
	for range 100 { // DynamoDB takes 32 levels
		nested = map[string]any{"a": nested}
	}
	for name, raw := range map[string]Raw{
		"deep":                       {"a": nested},
		"a number that is too large": {"a": json.Number("1e300")},
		"a member without a name":    {"": "a"},
		"marks":                      {"a": "<>&"},
	} {
		stored, err := attributevalue.Marshal(raw.bounded())
		if err != nil {
			t.Fatal(err)
		}
		var back Raw
		if err := attributevalue.Unmarshal(stored, &back); err != nil || !reflect.DeepEqual(back, raw) {
			t.Errorf("%s: got %v, %v", name, back, err)
		}
	}
	for name, raw := range map[string]Raw{
		"long":                         {"a": strings.Repeat("é", MaxRaw)},
		"long, of what takes six each": {"a": strings.Repeat("\x01", MaxRaw)},
		"long, of quotes":              {"a": strings.Repeat(`"`, MaxRaw)},
	} {
		got := raw.bounded()
		encoded, err := got.encode()
		if err != nil || len(encoded) > MaxRaw || len(encoded) < MaxRaw/16 {
			t.Errorf("%s: got %d bytes, %v", name, len(encoded), err)
		}
		if begin, is := got[cut].(string); !is || !strings.HasPrefix(begin, `{"a":"`) {
			t.Errorf("%s: got %.40v", name, got)
		}
	}
	stored, err := attributevalue.Marshal(map[string]any{"a": "of a release before"})
	if err != nil {
		t.Fatal(err)
	}
	var back Raw
	if err := attributevalue.Unmarshal(stored, &back); err != nil || back["a"] != "of a release before" {
		t.Errorf("got %v, %v", back, err)
	}
}

// TestRawIsReadable: what is kept of a body is JSON that every reader takes, with its numbers as they were written.
func TestRawIsReadable(t *testing.T) {
	d := json.NewDecoder(strings.NewReader(`{"n":[1e999999,12345678901234567890.5,7],"":1,"deep":` + strings.Repeat(`{"a":[`, 3000) + "1" + strings.Repeat("]}", 3000) + "}"))
	d.UseNumber()
	var given Raw
	if err := d.Decode(&given); err != nil {
		t.Fatal(err)
	}
	stored, err := attributevalue.Marshal(Alert{Raw: given}.Clipped().Raw)
	if err != nil {
		t.Fatal(err)
	}
	var back Raw
	if err := attributevalue.Unmarshal(stored, &back); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(back["n"], back[""]); got != "[1e999999 12345678901234567890.5 7]1" {
		t.Errorf("numbers: got %s", got)
	}
	if _, is := back["n"].([]any)[0].(string); !is {
		t.Error("a number that no float64 reaches is one still")
	}
	levels, v := 0, any(map[string]any(back))
	for ; ; levels++ {
		if m, is := v.(map[string]any); is {
			if v = m["a"]; levels == 0 {
				v = m["deep"]
			}
		} else if l, is := v.([]any); is {
			v = l[0]
		} else {
			break
		}
	}
	if text, is := v.(string); levels != maxRawDepth || !is || !strings.HasPrefix(text, `[{"a":[`) {
		t.Errorf("%d deep, and there %.20v", levels, v)
	}
}

// FuzzClipped: whatever a sender writes, the incident is a valid one, and cut twice is cut once.
func FuzzClipped(f *testing.F) {
	f.Add("title", "description", "HIGH", "name", "value", "key", `{"a":[1,{"b":"\u0001"}]}`)
	f.Add("\x00\r\n", "\xff", "", "\u202e", "\xed\xa0\x80", strings.Repeat("k", 300), "[]")
	f.Fuzz(func(t *testing.T, title, description, severity, name, value, key, raw string) {
		a := Alert{Action: Fire, Title: title, Description: description, Severity: Severity(severity), Labels: map[string]string{name: value}, DedupKey: key}
		if json.Unmarshal([]byte(raw), &a.Raw) != nil {
			a.Raw = nil
		}
		got := a.Clipped()
		i, err := got.open("inc_1", From{IntegrationID: "int_1", Provider: "generic", Trust: trust.Bearer}, Service{ID: "svc_1", TeamID: "team_1"}, time.Unix(0, 0))
		if err != nil {
			t.Fatalf("%+v: %v", got, err)
		}
		for _, s := range []string{i.Title, i.Description, got.DedupKey, got.Labels[name]} {
			if !utf8.ValidString(s) {
				t.Errorf("%q is no UTF-8", s)
			}
		}
		if again := got.Clipped(); !reflect.DeepEqual(again, got) {
			t.Errorf("cut again:\ngot  %+v\nwant %+v", again, got)
		}
		if _, err := attributevalue.MarshalMap(itemOf(i)); err != nil {
			t.Error(err)
		}
	})
}
