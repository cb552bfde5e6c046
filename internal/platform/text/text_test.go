package text

import "testing"

func TestReorders(t *testing.T) {
	for s, want := range map[string]bool{
		"": false, "echo done": false, "שלום עולם": false, "مرحبا 123": false, "é\u200f\u200e": false, "\xff": false,
		"a\u202ab": true, "\u202e": true, "x\u2066y\u2069": true,
	} {
		if got := Reorders(s); got != want {
			t.Errorf("%q: got %v", s, got)
		}
	}
}

func TestHidesLines(t *testing.T) {
	for s, want := range map[string]bool{
		"": false, "one\ntwo\n": false, "one\r\ntwo\r\n": false, "tab\there": false, "\xff": false,
		"# seen\rhidden": true, "end\r": true, "\r": true, "\r\r\n": true, "// seen\u2028hidden": true, "\u2029": true,
	} {
		if got := HidesLines(s); got != want {
			t.Errorf("%q: got %v", s, got)
		}
	}
}
