package trust

import "testing"

func TestCovers(t *testing.T) {
	tests := map[string]struct {
		ceiling, risk Risk
		want          bool
	}{
		"the same":            {Low, Low, true},
		"less":                {High, Low, true},
		"more":                {Low, Medium, false},
		"nothing is no risk":  {High, "", false},
		"unknown covers none": {"EXTREME", Low, false},
	}
	for name, tt := range tests {
		if got := tt.ceiling.Covers(tt.risk); got != tt.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestLower(t *testing.T) {
	for _, tt := range [][3]Risk{{Low, High, Low}, {High, Low, Low}, {Medium, Medium, Medium}, {"", High, ""}, {High, "", ""}} {
		if got := Lower(tt[0], tt[1]); got != tt[2] {
			t.Errorf("%q and %q: got %q, want %q", tt[0], tt[1], got, tt[2])
		}
	}
}

func TestUnattended(t *testing.T) {
	for level, want := range map[Level]Risk{Person: High, SignedTime: Medium, Signed: Medium, Bearer: Low, "": Low, "else": Low} {
		if got := level.Unattended(); got != want {
			t.Errorf("%q: got %s, want %s", level, got, want)
		}
	}
}
