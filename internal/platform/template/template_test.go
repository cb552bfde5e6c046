package template

import (
	"strings"
	"testing"
)

func scope() Scope {
	title, empty := "Disk full", ""
	zone := "eu-1"
	return Scope{
		Fields: map[string]*string{"incident.title": &title, "incident.description": &empty, "incident.service.name": nil, "incident.labels.zone": &zone},
		Open:   []string{"incident.labels."},
	}
}

func TestResolve(t *testing.T) {
	tests := map[string]struct {
		text, want, wantErr string
	}{
		"plain text stays":               {text: "no braces } here {", want: "no braces } here {"},
		"a path":                         {text: "[{{incident.title}}]", want: "[Disk full]"},
		"white space inside":             {text: "{{  incident.title }}", want: "Disk full"},
		"upper":                          {text: "{{upper incident.title}}", want: "DISK FULL"},
		"lower":                          {text: "{{lower incident.title}}", want: "disk full"},
		"json":                           {text: "{{json incident.title}}", want: `"Disk full"`},
		"a label":                        {text: "{{incident.labels.zone}}", want: "eu-1"},
		"default of a missing label":     {text: `{{default incident.labels.rack "r}}1"}}`, want: "r}}1"},
		"default of empty text":          {text: `{{default incident.description "none"}}`, want: "none"},
		"default where there is a value": {text: `{{default incident.title "none"}}`, want: "Disk full"},
		"two actions":                    {text: "{{incident.title}}/{{incident.labels.zone}}", want: "Disk full/eu-1"},
		"a missing label is an error":    {text: "{{incident.labels.rack}}", wantErr: "incident.labels.rack has no value here"},
		"no value is an error":           {text: "{{incident.service.name}}", wantErr: "incident.service.name has no value here"},
		"an unknown path is an error":    {text: "{{incident.secret}}", wantErr: "there is no incident.secret"},
		"the open prefix alone":          {text: "{{incident.labels}}", wantErr: "there is no incident.labels"},
		"an unknown helper":              {text: "{{env incident.title}}", wantErr: `no helper "env"`},
		"nothing nests":                  {text: "{{upper {{incident.title}}}}", wantErr: "is no path"},
		"not closed":                     {text: "{{incident.title", wantErr: "without }}"},
		"empty":                          {text: "{{}}", wantErr: "is no path"},
		"default without a text":         {text: "{{default incident.title}}", wantErr: "quoted text"},
		"default with a bare word":       {text: "{{default incident.title eu}}", wantErr: "double quotes"},
		"upper with an argument":         {text: `{{upper incident.title "x"}}`, wantErr: "nothing else"},
		"too long":                       {text: strings.Repeat("x", MaxLength+1), wantErr: "longer than"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := resolve(tt.text)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("got %q, error %v; want an error with %q", got, err, tt.wantErr)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Fatalf("got %q, error %v; want %q", got, err, tt.want)
			}
		})
	}
}

func resolve(text string) (string, error) {
	parsed, err := Parse(text)
	if err != nil {
		return "", err
	}
	return parsed.Resolve(scope())
}

func TestAResolvedValueIsNotResolvedAgain(t *testing.T) {
	evil := "{{incident.description}}"
	s := Scope{Fields: map[string]*string{"incident.title": &evil}}
	parsed, err := Parse("{{incident.title}}")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parsed.Resolve(s); err != nil || got != evil {
		t.Errorf("got %q, %v; want the text as it came", got, err)
	}
}

// TestLater: what names a value that nobody knows yet stays as it was written, and nothing else does.
func TestLater(t *testing.T) {
	known := "0"
	s := scope()
	s.Fields["steps.a.stdout"], s.Fields["steps.a.exitCode"], s.Later = nil, &known, []string{"steps."}
	for text, want := range map[string]string{
		"{{steps.a.stdout}} {{incident.title}}":               "{{steps.a.stdout}} Disk full",
		"{{  trim   steps.a.stdout }}{{json incident.title}}": "{{  trim   steps.a.stdout }}\"Disk full\"",
		`[{{default steps.a.stdout "}}"}}]`:                   `[{{default steps.a.stdout "}}"}}]`,
		"{{steps.a.exitCode}}":                                "0",
		`{{default incident.labels.rack "none"}}`:             "none",
	} {
		parsed, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parsed.Resolve(s); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", text, got, err, want)
		}
		if got := parsed.Waits(s); got != strings.Contains(text, "stdout") {
			t.Errorf("%s: waits %v", text, got)
		}
	}
	for _, text := range []string{"{{steps.b.stdout}}", "{{incident.labels.rack}}"} {
		parsed, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parsed.Resolve(s); err == nil || parsed.Waits(s) {
			t.Errorf("%s: got %q, waits %v", text, got, parsed.Waits(s))
		}
	}
}
