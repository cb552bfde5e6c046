package bench

import (
	"strings"
	"testing"
)

func TestSpread(t *testing.T) {
	tests := map[string]struct {
		values []float64
		digits int
		want   string
	}{
		"nothing":                     {nil, 1, "0"},
		"one":                         {[]float64{3}, 0, "3"},
		"all the same":                {[]float64{3, 3, 3}, 0, "3"},
		"an odd number":               {[]float64{9, 1, 2}, 0, "2 (1..9)"},
		"an even number":              {[]float64{4, 1, 2, 9}, 0, "3 (1..9)"},
		"digits":                      {[]float64{1.26, 1.24, 1.31}, 1, "1.3 (1.2..1.3)"},
		"digits that say nothing":     {[]float64{2.04}, 1, "2"},
		"zeros before the point stay": {[]float64{100}, 1, "100"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := spreadOf(tt.values).text(tt.digits); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTable(t *testing.T) {
	var out strings.Builder
	print(&out, []group{
		{"Functions", []row{
			{name: "good", cells: map[column][]float64{aboveHello: {1, 2, 9}, resident: {12}}, aims: map[column]float64{aboveHello: 3, resident: 40}},
			{name: "fat", cells: map[column][]float64{aboveHello: {3}, resident: {40.1}}, aims: map[column]float64{aboveHello: 3, resident: 40}},
			{name: "silent", aims: map[column]float64{resident: 40}, note: "nobody calls it"},
		}},
		{"Operations", []row{
			{name: "slow", cells: map[column][]float64{rate: {80, 100, 90}}, aims: map[column]float64{rate: 1000}},
			{name: "no aim", cells: map[column][]float64{rate: {7}}},
		}},
	})
	want := `median (least..most)  above hello, ms  resident, MB  per s and core  aims
Functions
  good                2 (1..9)         12                            at most 3: ok; at most 40: ok
  fat                 3                40.1                          at most 3: ok; MISSED at most 40
  silent                                                             MISSED, not measured; nobody calls it
Operations
  slow                                               90 (80..100)    MISSED at least 1000
  no aim                                             7

Aims that are missed, by the median:
  fat: resident, MB at most 40, and it is 40.1
  silent: resident, MB at most 40, and it was not measured
  slow: per s and core at least 1000, and it is 90
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAllAimsMet(t *testing.T) {
	var out strings.Builder
	print(&out, []group{{"", []row{{name: "good", cells: map[column][]float64{resident: {12}}, aims: map[column]float64{resident: 12}}}}})
	if !strings.HasSuffix(out.String(), "\nAll aims are met.\n") {
		t.Errorf("got\n%s", out.String())
	}
}
