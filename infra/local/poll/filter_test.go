package poll

import (
	"encoding/json"
	"testing"
)

func TestFilter(t *testing.T) {
	record := `{"eventName":"MODIFY","n":1,"off":false,"none":null,"dynamodb":{"Keys":{"pk":{"S":"team#a"}}}}`
	tests := map[string]struct {
		pattern string
		want    bool
	}{
		"one of some":              {`{"eventName":["INSERT","MODIFY"]}`, true},
		"none of some":             {`{"eventName":["INSERT","REMOVE"]}`, false},
		"a number":                 {`{"n":[1]}`, true},
		"false":                    {`{"off":[false]}`, true},
		"null":                     {`{"none":[null]}`, true},
		"nothing is not null":      {`{"nothing":[null]}`, false},
		"a beginning":              {`{"dynamodb":{"Keys":{"pk":{"S":[{"prefix":"team#"}]}}}}`, true},
		"another beginning":        {`{"dynamodb":{"Keys":{"pk":{"S":[{"prefix":"block#"}]}}}}`, false},
		"a beginning of no text":   {`{"n":[{"prefix":"1"}]}`, false},
		"all must fit":             {`{"eventName":["MODIFY"],"dynamodb":{"Keys":{"pk":{"S":["team#b"]}}}}`, false},
		"anything but others":      {`{"dynamodb":{"Keys":{"pk":{"S":[{"anything-but":["head#","sweep#"]}]}}}}`, true},
		"anything but this":        {`{"dynamodb":{"Keys":{"pk":{"S":[{"anything-but":["team#a"]}]}}}}`, false},
		"anything but one":         {`{"n":[{"anything-but":2}]}`, true},
		"what is there":            {`{"n":[{"exists":true}],"m":[{"exists":false}]}`, true},
		"what is not":              {`{"m":[{"exists":true}]}`, false},
		"below what is no object":  {`{"n":{"x":["y"]}}`, false},
		"below what is not there":  {`{"m":{"x":[{"exists":false}]}}`, true},
		"anything but, of nothing": {`{"m":[{"anything-but":["x"]}]}`, false},
	}
	var r map[string]any
	if err := json.Unmarshal([]byte(record), &r); err != nil {
		t.Fatal(err)
	}
	for name, tt := range tests {
		f, err := parseFilter(tt.pattern)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := f.fits(r); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
	for name, pattern := range map[string]string{
		"nothing": `{}`, "a list": `[]`, "a bare value": `{"a":"b"}`, "a rule of two": `{"a":[{"prefix":"x","exists":true}]}`, "a nested rule": `{"a":[{"anything-but":{"prefix":"x"}}]}`,
		"a suffix": `{"a":[{"suffix":"x"}]}`, "below": `{"a":{"b":[{"cidr":"x"}]}}`,
	} {
		if _, err := parseFilter(pattern); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}
