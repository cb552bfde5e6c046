package console

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pagefree/internal/platform/timestamp"
)

// TestAgo: how long ago something was, at each boundary; console.js says the same (see its test in the browser).
func TestAgo(t *testing.T) {
	now := time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		before time.Duration
		want   string
	}{
		{0, "just now"}, {44*time.Second + 999*time.Millisecond, "just now"}, {45 * time.Second, "45 s ago"}, {59 * time.Second, "59 s ago"},
		{time.Minute, "1 min ago"}, {time.Hour - time.Second, "59 min ago"}, {time.Hour, "1 h ago"}, {48*time.Hour - time.Second, "47 h ago"},
		{48 * time.Hour, "2 days ago"}, {14*24*time.Hour - time.Second, "13 days ago"}, {14 * 24 * time.Hour, "16 Feb"}, {60 * 24 * time.Hour, "1 Jan"},
		{61 * 24 * time.Hour, "31 Dec 2059"},
		{-5*time.Second + time.Millisecond, "just now"}, {-5 * time.Second, "in 5 s"}, {-59 * time.Second, "in 59 s"}, {-time.Minute, "in 1 min"}, {-time.Hour, "in 1 h"}, {-48 * time.Hour, "in 2 days"}, {-14 * 24 * time.Hour, "15 Mar"},
		{-400 * 24 * time.Hour, "5 Apr 2061"},
	} {
		c := &Call{now: now}
		got := c.Ago(timestamp.Of(now.Add(-tt.before)))
		if got.Text != tt.want {
			t.Errorf("%v before: got %q, want %q", tt.before, got.Text, tt.want)
		}
		if got.Exact != timestamp.Of(now.Add(-tt.before)).String() || !strings.HasSuffix(got.Full, " UTC") {
			t.Errorf("%v before: exactly %q, in full %q", tt.before, got.Exact, got.Full)
		}
	}
	c := &Call{now: now}
	if c.Ago(timestamp.Time{}) != (Moment{}) || c.AgoOr(nil) != (Moment{}) {
		t.Error("no time is shown as one")
	}
	if got := c.AgoOr(timestamp.Ptr(now.Add(-time.Minute))).Text; got != "1 min ago" {
		t.Errorf("got %q", got)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-1: "", 0: "under 0.1 s", 100 * time.Millisecond: "0.1 s", 4200 * time.Millisecond: "4.2 s", 9900 * time.Millisecond: "9.9 s", 10 * time.Second: "10 s", 59 * time.Second: "59 s",
		time.Minute: "1 min 0 s", 90 * time.Second: "1 min 30 s", time.Hour - time.Second: "59 min 59 s", time.Hour: "1 h 0 min", 48*time.Hour - time.Minute: "47 h 59 min", 48 * time.Hour: "2 days",
	} {
		if got := Span(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}

// TestPlain: the contract's words in the API's own sentences are said as people say them, and no others.
func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"Its integration starts runbooks of risk LOW by itself; this one is HIGH.": "Its integration starts runbooks of low risk by itself; this one's is high.",
		"It starts runbooks of risk LOW and MEDIUM by itself; this one is HIGH.":   "It starts runbooks of low and medium risk by itself; this one's is high.",
		"Step fix failed: The execution is FAILED: exit code 3":                    "Step fix failed: The execution failed: exit code 3",
		"The execution is TIMEOUT":               "The execution took too long",
		"Cannot confirm what is PENDING_REVIEW.": "Cannot confirm what is pending review.",
		"Cannot cancel what is TIMEOUT.":         "Cannot cancel what is timed out.",
		"LOW disk, HIGH load, it FAILED":         "LOW disk, HIGH load, it FAILED",
	} {
		if got := Plain(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"statusPageId": "Status page id", "path": "Path", "": ""} {
		if got := member(in); got != want {
			t.Errorf("member %q: got %q, want %q", in, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	for in, want := range map[string]string{"PENDING_REVIEW": "Pending review", "HIGH": "High", "partial_outage": "Partial outage", "TIMEOUT": "Timed out", "": ""} {
		if got := word(in); got != want {
			t.Errorf("word %q: got %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"usr_01ARZ3NDEKTSV4RRFFQ69G5FAV": "usr…9G5FAV", "usr_1": "usr_1", "pagefree": "pagefree", "": ""} {
		if got := short(in); got != want {
			t.Errorf("short %q: got %q, want %q", in, got, want)
		}
	}
	for n, want := range map[int]string{0: "0 steps", 1: "1 step", 2: "2 steps"} {
		if got := count(n, "step"); got != want {
			t.Errorf("count %d: got %q, want %q", n, got, want)
		}
	}
	if Tone("RESOLVED") != "ok" || Tone("what nobody knows") != "gap" {
		t.Error("tones are not as the style sheet has them")
	}
	css := string(style(t))
	for _, tone := range slices.Sorted(maps.Values(tones)) {
		if !strings.Contains(css, "\n."+tone+" {") {
			t.Errorf("the style sheet has no class for the tone %q", tone)
		}
	}
	for key, sentence := range done {
		if !strings.HasSuffix(sentence, ".") || strings.ContainsAny(key, "?&#= ") {
			t.Errorf("%q: %q is no sentence", key, sentence)
		}
	}
}

func TestPeople(t *testing.T) {
	c := &Call{}
	c.Who.ID = "usr_me"
	for id, want := range map[string]Person{
		"": {}, "usr_me": {Name: "you"}, "usr_x": {ID: "usr_x"}, "key_x": {Name: "an API key"}, "int_x": {Name: "an integration"},
		"wf_x": {Name: "a workflow"}, "wfr_x": {Name: "a workflow"}, "watchdog": {Name: "PageFree"},
	} {
		if got := c.By(id); got != want {
			t.Errorf("%q: got %+v, want %+v", id, got, want)
		}
	}
	if c.ByOr(nil) != (Person{}) || c.ByOr(new("usr_x")) != (Person{ID: "usr_x"}) {
		t.Error("what may be nobody")
	}
}

func TestDict(t *testing.T) {
	if got, err := dict("a", 1, "b", "c"); err != nil || got["a"] != 1 || got["b"] != "c" {
		t.Errorf("got %v %v", got, err)
	}
	for _, bad := range [][]any{{"a"}, {1, "a"}} {
		if _, err := dict(bad...); err == nil {
			t.Errorf("%v is no dict", bad)
		}
	}
}

func TestPlainly(t *testing.T) {
	for said, want := range map[string]string{
		"expected length >= 1": "it must not be empty", "expected length >= 12": "at least 12 characters", "expected length <= 120": "at most 120 characters",
		"expected number <= 300": "at most 300", "expected array length >= 1": "at least 1 of them", "two have the same name": "two have the same name",
	} {
		if got := plainly(said); got != want {
			t.Errorf("%q: got %q, want %q", said, got, want)
		}
	}
}
