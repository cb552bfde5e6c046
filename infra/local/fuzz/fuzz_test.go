package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// line is an exchange as schemathesis reports it: a case, and its answer.
func line(method, path, status string) string {
	return `{"ScenarioFinished":{"recorder":{"cases":{"a":{"value":{"method":"` + method + `","path":"` + path + `"}}},"interactions":{"a":{"response":` + status + `}}}}}` + "\n"
}

func TestCount(t *testing.T) {
	r := row{statuses: map[string]map[int]int{}}
	report := `{"Initialize":{}}` + "\n" + line("get", "/v1/me", `{"status_code":200}`) + line("GET", "/v1/me", `{"status_code":401}`) +
		line("POST", "/v1/teams", `{"status_code":422}`) + line("POST", "/v1/teams", `null`) + `{"ScenarioFinished":{"recorder":{"label":"skipped"}}}`
	if err := r.count(strings.NewReader(report)); err != nil {
		t.Fatal(err)
	}
	if got := r.statuses["GET /v1/me"]; got[200] != 1 || got[401] != 1 || len(got) != 2 {
		t.Errorf("GET /v1/me was answered %v", got)
	}
	if got := r.granted(); !slices.Equal(got, []string{"GET /v1/me"}) {
		t.Errorf("granted: %v", got)
	}
	if got := unreached([]row{r}, []string{"GET /v1/me", "POST /v1/teams"}); !slices.Equal(got, []string{"POST /v1/teams"}) {
		t.Errorf("granted to none: %v", got)
	}
	if err := r.count(strings.NewReader("{")); err == nil {
		t.Error("half a report is taken for a whole one")
	}
}

func TestNobodyIsToldNothing(t *testing.T) {
	tests := map[string]struct {
		caller string
		status map[int]int
		says   string
	}{
		"refused":                     {"nobody", map[int]int{401: 3, 400: 1}, ""},
		"let in":                      {"nobody", map[int]int{401: 3, 200: 1}, "GET /v1/me answered 200, 1 times"},
		"told that there is nothing":  {"nobody", map[int]int{404: 1}, "answered 404"},
		"never asked":                 {"nobody", nil, "was not asked for"},
		"somebody may be told things": {"lead", map[int]int{200: 1}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := row{statuses: map[string]map[int]int{"GET /v1/me": tt.status}}
			err := r.judge([]string{"GET /v1/me"}, callers[tt.caller])
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %q", err, tt.says)
			}
		})
	}
}

func TestRead(t *testing.T) {
	whole := `{"running_time":2.5,"complete":true,"operations":{"selected":2,"tested":2},"test_cases":{"generated":7}}`
	tests := map[string]struct{ summary, says string }{
		"a whole run":      {whole, ""},
		"ended early":      {strings.Replace(whole, "true", "false", 1), "did not come to its end"},
		"not all of them":  {strings.Replace(whole, `"tested":2`, `"tested":1`, 1), "1 of 2"},
		"nothing was done": {`{"complete":true}`, "did not come to its end"},
		"no report":        {"", "reported nothing"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			summary, requests := filepath.Join(t.TempDir(), "json"), filepath.Join(t.TempDir(), "ndjson")
			if tt.summary != "" {
				write(t, summary, tt.summary)
			}
			write(t, requests, line("GET", "/v1/me", `{"status_code":200}`))
			r := row{cases: 1, statuses: map[string]map[int]int{}}
			err := r.read(summary, requests)
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %q", err, tt.says)
			}
			if err == nil && (r.cases != 8 || r.seconds != 2.5 || len(r.granted()) != 1) {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestConfigure(t *testing.T) {
	ids := map[string][]string{"teams": {"team_1", "team_2"}}
	takes := map[string][]string{"GET /v1/me": {"bearer", "session"}, "GET /v1/teams": {"bearer", "apiKey", "session"}}
	for name, tt := range map[string]struct{ has, lacks string }{
		"nobody":   {`values = ["team_1", "team_2"]`, "PAGEFREE_CREDENTIAL"},
		"lead":     {"[auth.openapi.bearer]\nbearer = \"${PAGEFREE_CREDENTIAL}\"", "api_key ="},
		"key":      {"[auth.openapi.apiKey]\napi_key = \"${PAGEFREE_CREDENTIAL}\"", "bearer ="},
		"observer": {"[auth.openapi.session]\napi_key =", "bearer ="},
	} {
		if got := configure(callers[name], ids, takes); !strings.Contains(got, tt.has) || strings.Contains(got, tt.lacks) || !strings.HasPrefix(got, configuration) {
			t.Errorf("%s: it lacks %q or has %q", name, tt.has, tt.lacks)
		}
	}
}

// TestAKeyWhereNoneIsTaken: a caller sends its own credential and no made-up one beside it, wherever the document has no
// word for what it sends; and no other operation is touched by that.
func TestAKeyWhereNoneIsTaken(t *testing.T) {
	takes := map[string][]string{"GET /v1/me": {"bearer", "session"}, "GET /v1/teams": {"bearer", "apiKey", "session"}}
	alone := "include-method = \"GET\"\ninclude-path = \"/v1/me\"\ngeneration.with-security-parameters = false\nheaders = { X-API-Key = \"${PAGEFREE_CREDENTIAL}\" }\n"
	for name, c := range callers {
		got := strings.TrimPrefix(configure(c, nil, takes), configuration)
		if has := strings.Contains(got, alone); has != c.key || strings.Contains(got, "/v1/teams") || !c.key && strings.Contains(got, "with-security-parameters") {
			t.Errorf("%s: got %s", name, got)
		}
	}
	if strings.Contains(configuration, "/v1/realtime/tickets") {
		t.Error("tickets are an exception again")
	}
}

func TestParse(t *testing.T) {
	tests := map[string]struct {
		args string
		says string
	}{
		"nothing":             {"", ""},
		"one caller":          {"-as lead -seed 7", ""},
		"an unknown caller":   {"-as king", `no "king"`},
		"a word too many":     {"everything", `takes no "everything"`},
		"no examples":         {"-examples 0", "1 or more"},
		"a seed below zero":   {"-seed -1", "invalid value"},
		"a program elsewhere": {"-schemathesis /nowhere/schemathesis", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parse(strings.Fields(tt.args), io.Discard)
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %q", err, tt.says)
			}
		})
	}
}

// TestWithoutSchemathesis: nothing is started, and it says what to do.
func TestWithoutSchemathesis(t *testing.T) {
	var out bytes.Buffer
	err := run(t.Context(), []string{"-schemathesis", filepath.Join(t.TempDir(), "schemathesis")}, &out)
	if err == nil || !strings.Contains(err.Error(), "make fuzz-api") || out.Len() > 0 {
		t.Errorf("got %v, and %q", err, out.String())
	}
}

// TestEveryCallerHasATurn: the order names each caller once.
func TestEveryCallerHasATurn(t *testing.T) {
	if len(order()) != len(callers) {
		t.Errorf("%d callers, %d in order", len(callers), len(order()))
	}
	for _, name := range order() {
		if callers[name].name != name {
			t.Errorf("%s is %+v", name, callers[name])
		}
	}
}
