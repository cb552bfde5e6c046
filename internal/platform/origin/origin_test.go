package origin

import (
	"context"
	"errors"
	"testing"
)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		text, site, url string
		fails           bool
	}{
		"a host":              {text: "https://pagefree.example.com", site: "https://pagefree.example.com", url: "https://pagefree.example.com/signin"},
		"a stage":             {text: "https://x.example.com/prod/", site: "https://x.example.com", url: "https://x.example.com/prod/signin"},
		"a port":              {text: "http://127.0.0.1:8080", site: "http://127.0.0.1:8080", url: "http://127.0.0.1:8080/signin"},
		"capitals":            {text: "HTTPS://PageFree.Example.com", site: "https://pagefree.example.com", url: "https://pagefree.example.com/signin"},
		"nothing":             {text: "", site: "", url: "/signin"},
		"no scheme":           {text: "pagefree.example.com", fails: true},
		"another scheme":      {text: "ftp://pagefree.example.com", fails: true},
		"a query":             {text: "https://pagefree.example.com?x=1", fails: true},
		"a fragment":          {text: "https://pagefree.example.com#x", fails: true},
		"somebody's password": {text: "https://a:b@pagefree.example.com", fails: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o, err := Parse(tt.text)
			if tt.fails != (err != nil) {
				t.Fatalf("got error %v, want one: %v", err, tt.fails)
			}
			if tt.fails {
				return
			}
			if o.Site() != tt.site || o.URL("/signin") != tt.url {
				t.Errorf("got %q, %q, want %q, %q", o.Site(), o.URL("/signin"), tt.site, tt.url)
			}
		})
	}
}

func TestSourceReadsOnce(t *testing.T) {
	reads, fail := 0, true
	s := NewSource(Origin{}, func(context.Context) (string, error) {
		reads++
		if fail {
			return "", errors.New("throttled")
		}
		return "https://pagefree.example.com", nil
	})
	if _, err := s.Get(t.Context()); err == nil {
		t.Error("got no error from a read that failed")
	}
	fail = false
	for range 3 {
		if o, err := s.Get(t.Context()); err != nil || o.Site() != "https://pagefree.example.com" {
			t.Errorf("got %q, %v", o.Site(), err)
		}
	}
	if reads != 2 {
		t.Errorf("got %d reads, want 2: one that failed, one that is kept", reads)
	}
}

func TestSourcePrefersWhatIsFixed(t *testing.T) {
	fixed, _ := Parse("https://pagefree.example.com")
	s := NewSource(fixed, func(context.Context) (string, error) {
		t.Error("the parameter was read")
		return "", nil
	})
	if o, err := s.Get(t.Context()); err != nil || o != fixed {
		t.Errorf("got %v, %v, want %v", o, err, fixed)
	}
}
