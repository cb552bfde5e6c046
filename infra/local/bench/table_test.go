package bench

import (
	"strings"
	"testing"
)

func TestSpread(t *testing.T) {
	tests := map[string]struct {
		values []float64
		rank   float64
		digits int
		want   string
	}{
		"nothing":                     {nil, 0, 1, "0"},
		"one":                         {[]float64{3}, 0, 0, "3"},
		"all the same":                {[]float64{3, 3, 3}, 0, 0, "3"},
		"an odd number":               {[]float64{9, 1, 2}, 0, 0, "2 (1..9)"},
		"an even number":              {[]float64{4, 1, 2, 9}, 0, 0, "3 (1..9)"},
		"digits":                      {[]float64{1.26, 1.24, 1.31}, 0, 1, "1.3 (1.2..1.3)"},
		"digits that say nothing":     {[]float64{2.04}, 0, 1, "2"},
		"a percentile is a value":     {[]float64{1, 2, 3, 4}, 50, 0, "2 (1..4)"},
		"the 99th of few":             {[]float64{3, 1, 2}, 99, 0, "3 (1..3)"},
		"the 99th of one":             {[]float64{7}, 99, 0, "7"},
		"the 99th of a hundred":       {upTo(100), 99, 0, "99 (1..100)"},
		"the 99th of two hundred":     {upTo(200), 99, 0, "198 (1..200)"},
		"zeros before the point stay": {[]float64{100}, 0, 1, "100"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := spreadOf(tt.values, tt.rank).text(tt.digits); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// upTo are the numbers from n down to 1.
func upTo(n int) (out []float64) {
	for ; n > 0; n-- {
		out = append(out, float64(n))
	}
	return out
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

Aims that are missed, by what is shown:
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
