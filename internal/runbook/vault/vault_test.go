package vault_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	front "pagefree/infra/local/aws"
	"pagefree/internal/platform/secret"
)

const hush = "hush-4f1c9d: never shown"

func TestLifeOfASecret(t *testing.T) {
	w := newWorld(t)
	made := w.must(201, "", "lead", "POST", "/v1/secrets", body{"name": "awx-token", "teamId": w.team, "value": hush})
	at := "/v1/secrets/" + made.str("id")
	if made.Header.Get("Location") != at || !strings.HasPrefix(made.str("id"), "sec_") || made.Header.Get("ETag") != `"1"` {
		t.Errorf("Location %q, ETag %q", made.Header.Get("Location"), made.Header.Get("ETag"))
	}
	if len(made.body) != 8 || made.str("name") != "awx-token" || made.str("teamId") != w.team || made.body["version"] != 1.0 || made.str("createdById") != "usr_lead" || made.str("updatedById") != "usr_lead" {
		t.Errorf("got %s", made.text)
	}
	if got := w.value(w.team, "awx-token"); got != hush {
		t.Errorf("the dispatcher gets %q", got)
	}
	read := w.must(200, "", "second", "GET", at, nil)
	changed := w.must(200, "", "second", "PUT", at, body{"value": hush + "2"}, "If-Match", read.Header.Get("ETag"))
	if changed.body["version"] != 2.0 || changed.str("updatedById") != "usr_second" || changed.str("createdById") != "usr_lead" || changed.str("updatedAt") <= made.str("updatedAt") {
		t.Errorf("replaced: got %s", changed.text)
	}
	w.must(412, "precondition_failed", "lead", "PUT", at, body{"value": hush + "3"}, "If-Match", read.Header.Get("ETag"))
	if got := w.value(w.team, "awx-token"); got != hush+"2" {
		t.Errorf("the dispatcher gets %q", got)
	}
	w.must(200, "", "lead", "PUT", at, body{"name": "awx-token", "teamId": w.team, "value": hush + "3"}, "If-Match", "*")
	w.must(204, "", "lead", "DELETE", at, nil)
	w.must(404, "not_found", "lead", "GET", at, nil)
	w.must(404, "not_found", "lead", "PUT", at, body{"value": hush})
	w.must(404, "not_found", "lead", "DELETE", at, nil)
	_, err := w.resolver.Resolve(t.Context(), w.team, []string{"awx-token"})
	if m, ok := errors.AsType[*secret.MissingError](err); !ok || !slices.Equal(m.Names, []string{"awx-token"}) {
		t.Errorf("a deleted one: got %v", err)
	}
	w.keep("awx-token", hush) // its name is free
}

func TestRoutesByRole(t *testing.T) {
	w := newWorld(t)
	one := w.keep("one", hush)
	global := "/v1/secrets/" + w.must(201, "", "admin", "POST", "/v1/secrets", body{"name": "global", "teamId": nil, "value": hush}).str("id")
	everyone := []string{"nobody", "stranger", "outsider", "observer", "responder", "key", "lead", "admin"}
	tests := []struct {
		do   string
		in   body
		want string
	}{
		{"GET /v1/secrets", nil, "401 403 200 403 403 403 200 200"},
		{"GET /v1/secrets?teamId=" + w.team, nil, "401 404 404 403 403 403 200 200"},
		{"GET " + one, nil, "401 404 404 403 403 403 200 200"},
		{"POST /v1/secrets", body{"name": "by-%s", "teamId": w.team, "value": hush}, "401 404 404 403 403 403 201 201"},
		{"PUT " + one, body{"value": hush}, "401 404 404 403 403 403 200 200"},
		{"DELETE " + one, nil, "401 404 404 403 403 403 204 404"},
		{"GET " + global, nil, "401 404 403 403 403 403 403 200"},
		{"POST /v1/secrets", body{"name": "global-%s", "teamId": nil, "value": hush}, "401 404 403 403 403 403 403 201"},
		{"PUT " + global, body{"value": hush}, "401 404 403 403 403 403 403 200"},
		{"DELETE " + global, nil, "401 404 403 403 403 403 403 204"},
	}
	for _, tt := range tests {
		method, path, _ := strings.Cut(tt.do, " ")
		var got []string
		for _, who := range everyone {
			in := any(nil)
			if tt.in != nil {
				named := body{}
				for k, v := range tt.in {
					named[k] = v
				}
				if name, ok := tt.in["name"].(string); ok {
					named["name"] = fmt.Sprintf(name, who)
				}
				in = named
			}
			got = append(got, fmt.Sprint(w.do(who, method, path, in).StatusCode))
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s as %v:\ngot  %s\nwant %s", tt.do, everyone, strings.Join(got, " "), tt.want)
		}
	}
}

func TestWhatASecretMayBe(t *testing.T) {
	w := newWorld(t)
	one := w.keep("one", hush)
	post := func(members ...any) body {
		b := body{"name": "x", "teamId": w.team, "value": "v"}
		for i := 0; i < len(members); i += 2 {
			if b[members[i].(string)] = members[i+1]; members[i+1] == nil {
				delete(b, members[i].(string))
			}
		}
		return b
	}
	tests := map[string]struct {
		do     string
		in     any
		status int
		code   string
		at     string
	}{
		"a letter":                         {"POST /v1/secrets", post("name", "a"), 201, "", ""},
		"40 characters":                    {"POST /v1/secrets", post("name", "a"+strings.Repeat("-", 39)), 201, "", ""},
		"41 characters":                    {"POST /v1/secrets", post("name", strings.Repeat("a", 41)), 422, "validation_failed", "body.name"},
		"a capital":                        {"POST /v1/secrets", post("name", "Token"), 422, "validation_failed", "body.name"},
		"a digit first":                    {"POST /v1/secrets", post("name", "1a"), 422, "validation_failed", "body.name"},
		"a new line":                       {"POST /v1/secrets", post("name", "a\n"), 422, "validation_failed", "body.name"},
		"an underscore":                    {"POST /v1/secrets", post("name", "a_b"), 422, "validation_failed", "body.name"},
		"no name":                          {"POST /v1/secrets", post("name", nil), 422, "validation_failed", "body"},
		"a name that is taken":             {"POST /v1/secrets", post("name", "one"), 409, "name_taken", ""},
		"one byte":                         {"POST /v1/secrets", post("name", "b", "value", " "), 201, "", ""},
		"4 KiB":                            {"POST /v1/secrets", post("name", "c", "value", strings.Repeat("é", 2048)), 201, "", ""},
		"4 KiB and a byte":                 {"POST /v1/secrets", post("value", strings.Repeat("é", 2048)+"x"), 422, "validation_failed", "body.value"},
		"4 KiB and a byte, in a change":    {"PUT " + one, body{"value": strings.Repeat("é", 2048) + "x"}, 422, "validation_failed", "body.value"},
		"4097 characters":                  {"POST /v1/secrets", post("value", strings.Repeat("x", 4097)), 422, "validation_failed", "body.value"},
		"nothing":                          {"POST /v1/secrets", post("value", ""), 422, "validation_failed", "body.value"},
		"nothing, in a change":             {"PUT " + one, body{"value": ""}, 422, "validation_failed", "body.value"},
		"no value":                         {"POST /v1/secrets", post("value", nil), 422, "validation_failed", "body"},
		"a number":                         {"POST /v1/secrets", post("value", 5), 422, "validation_failed", "body.value"},
		"null":                             {"PUT " + one, `{"value":null}`, 422, "validation_failed", "body.value"},
		"half a character":                 {"PUT " + one, `{"value":"a\ud800"}`, 422, "validation_failed", "body.value"},
		"no UTF-8":                         {"PUT " + one, "{\"value\":\"\xff\"}", 400, "body_invalid", ""},
		"several lines":                    {"POST /v1/secrets", post("name", "pem", "value", "-----BEGIN\nx\n"), 201, "", ""},
		"an unknown member":                {"POST /v1/secrets", post("id", "sec_x"), 422, "validation_failed", "body.id"},
		"another name, in a change":        {"PUT " + one, body{"name": "two", "value": "v"}, 422, "validation_failed", "body.name"},
		"another team, in a change":        {"PUT " + one, body{"teamId": w.other, "value": "v"}, 422, "validation_failed", "body.teamId"},
		"global, in a change":              {"PUT " + one, `{"teamId":null,"value":"v"}`, 422, "validation_failed", "body.teamId"},
		"another team":                     {"POST /v1/secrets", post("teamId", w.other), 404, "not_found", ""},
		"an empty team":                    {"POST /v1/secrets", post("teamId", ""), 404, "not_found", ""},
		"an id of another kind":            {"GET /v1/secrets/rb_01ARZ3NDEKTSV4RRFFQ69G5FAV", nil, 404, "not_found", ""},
		"an id of nothing":                 {"GET /v1/secrets/sec_01ARZ3NDEKTSV4RRFFQ69G5FAV", nil, 404, "not_found", ""},
		"another method":                   {"PATCH " + one, body{"value": "v"}, 405, "method_not_allowed", ""},
		"a team that does not exist":       {"POST /v1/secrets", post("teamId", "team_01ARZ3NDEKTSV4RRFFQ69G5FAV"), 404, "not_found", ""},
		"a list of a team that is no name": {"GET /v1/secrets?teamId=" + strings.Repeat("x", 65), nil, 422, "validation_failed", "query.teamId"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.t = t
			method, path, _ := strings.Cut(tt.do, " ")
			if a := w.must(tt.status, tt.code, "lead", method, path, tt.in); tt.at != "" && !strings.Contains(a.text, `"location":"`+tt.at+`"`) {
				t.Errorf("got %s, want the location %s", a.text, tt.at)
			}
		})
	}
	if got := w.value(w.team, "one"); got != hush {
		t.Errorf("what was refused was written: %q", got)
	}
	w.must(404, "not_found", "admin", "POST", "/v1/secrets", post("teamId", "team_01ARZ3NDEKTSV4RRFFQ69G5FAV"))
	w.must(201, "", "outsider", "POST", "/v1/secrets", post("name", "one", "teamId", w.other))
	w.must(201, "", "admin", "POST", "/v1/secrets", post("name", "one", "teamId", nil))
	if w.value(w.other, "one") != "v" || w.value("", "one") != "v" || w.value(w.team, "one") != hush {
		t.Error("a name is one of its team")
	}
}

func TestListsAreScoped(t *testing.T) {
	w := newWorld(t)
	w.keep("a", hush)
	w.keep("b", hush)
	w.must(201, "", "outsider", "POST", "/v1/secrets", body{"name": "foreign", "teamId": w.other, "value": hush})
	w.must(201, "", "admin", "POST", "/v1/secrets", body{"name": "global", "value": hush})
	for _, tt := range []struct{ who, query, want string }{
		{"lead", "", "b,a"}, {"outsider", "", "foreign"}, {"admin", "", "global,foreign,b,a"}, {"lead", "teamId=" + w.team, "b,a"}, {"admin", "teamId=" + w.other, "foreign"},
	} {
		if got := w.must(200, "", tt.who, "GET", "/v1/secrets?"+tt.query, nil).names(); got != tt.want {
			t.Errorf("%s, %q: got %s, want %s", tt.who, tt.query, got, tt.want)
		}
	}
	first := w.must(200, "", "lead", "GET", "/v1/secrets?limit=1", nil)
	rest := w.must(200, "", "lead", "GET", "/v1/secrets?limit=1&cursor="+first.str("nextCursor"), nil)
	if first.names() != "b" || rest.names() != "a" || rest.body["nextCursor"] != nil {
		t.Errorf("one by one: got %s, %s", first.text, rest.text)
	}
	w.must(400, "cursor_invalid", "lead", "GET", "/v1/secrets?teamId="+w.team+"&cursor="+first.str("nextCursor"), nil)
}

// TestAValueIsNowhere looks for a value in everything that was answered, logged
// and stored, after it went through every route, right and wrong.
func TestAValueIsNowhere(t *testing.T) {
	w := newWorld(t)
	at := w.keep("one", hush)
	in := body{"name": "one", "teamId": w.team, "value": hush}
	for _, who := range []string{"nobody", "stranger", "outsider", "observer", "responder", "key", "lead", "admin"} {
		for _, do := range []struct {
			method, path string
			in           any
		}{
			{"POST", "/v1/secrets", in}, {"GET", "/v1/secrets", nil}, {"GET", at, nil}, {"PUT", at, body{"value": hush}}, {"PUT", at, in},
			{"PUT", at, body{"value": []string{hush}}}, {"PUT", at, body{"value": body{hush: hush}}}, {"PUT", at, body{"value": strings.Repeat(hush, 400)}},
			{"PUT", at, body{"value": hush, "name": hush}}, {"POST", "/v1/secrets", body{"name": hush, "teamId": w.team, "value": hush}},
			{"POST", "/v1/secrets", body{"name": "x", "teamId": hush, "value": hush}}, {"PUT", at, `{"value":"` + hush + `","value":"` + hush + `"}`},
			{"PUT", at, `{"value":"` + hush}, {"PATCH", at, body{"value": hush}}, {"PUT", "/v1/secrets/sec_01ARZ3NDEKTSV4RRFFQ69G5FAV", body{"value": hush}},
		} {
			w.do(who, do.method, do.path, do.in)
		}
	}
	w.env.Faults.Add(front.Fault{Service: "kms", Do: front.Fail, Times: -1}) // KMS refuses, and says what it was asked
	w.service.Key = &secret.Key{ID: w.service.Key.ID, Client: kms.New(w.service.Key.Client.Options(), func(o *kms.Options) { o.RetryMaxAttempts = 1 })}
	if a := w.do("lead", "PUT", at, body{"value": hush}); a.StatusCode < 500 {
		t.Errorf("without KMS: got %d %s", a.StatusCode, a.text)
	}
	w.must(204, "", "lead", "DELETE", at, nil)

	said, kept := w.said.String(), w.items()
	for name, text := range map[string]string{"what was said": said, "what is stored": kept} {
		for form, needle := range map[string]string{
			"itself": hush, "base64": base64.StdEncoding.EncodeToString([]byte(hush)), "bytes": strings.Trim(fmt.Sprint([]byte(hush)), "[]"), "quoted": strings.Trim(fmt.Sprintf("%q", hush), `"`),
		} {
			if strings.Contains(text, needle) {
				t.Errorf("the value, as %s, stands in %s", form, name)
			}
		}
	}
	var events []string
	for _, what := range []string{"secret.created", "secret.updated", "secret.deleted", "access.denied"} {
		if strings.Contains(kept, what) {
			events = append(events, what)
		}
	}
	if len(events) != 4 || len(said) < 10_000 || !strings.Contains(said, `"level":"ERROR"`) {
		t.Errorf("the test looked at too little: %v, %d bytes", events, len(said))
	}
}

func TestRaces(t *testing.T) {
	w := newWorld(t)
	together := func(n int, do func(i int) int) map[int]int {
		var mu sync.Mutex
		var wg sync.WaitGroup
		got, start := map[int]int{}, make(chan struct{})
		for i := range n {
			wg.Go(func() {
				<-start
				status := do(i)
				mu.Lock()
				defer mu.Unlock()
				got[status]++
			})
		}
		close(start)
		wg.Wait()
		return got
	}
	got := together(4, func(int) int {
		return w.status("lead", "POST", "/v1/secrets", body{"name": "wanted", "teamId": w.team, "value": "v"})
	})
	if got[201] != 1 || got[409] != 3 {
		t.Errorf("four who want one name: got %v", got)
	}
	at := w.keep("one", "v")
	if got := together(4, func(i int) int { return w.status("lead", "PUT", at, body{"value": fmt.Sprint(i)}) }); got[200]+got[409] != 4 || got[200] == 0 {
		t.Errorf("four new values: got %v", got)
	} else if v := w.must(200, "", "lead", "GET", at, nil).body["version"]; v != float64(1+got[200]) {
		t.Errorf("%v values were written, the version is %v", got, v)
	}
	if got := together(3, func(int) int { return w.status("lead", "DELETE", at, nil) }); got[204] != 1 || got[404] != 2 {
		t.Errorf("three who delete: got %v", got)
	}
}

func TestEncryptionThatIsOffKeepsNothing(t *testing.T) {
	w := newWorld(t)
	off := http.Client{Transport: echo{}}
	w.service.Key = &secret.Key{ID: w.service.Key.ID, Client: kms.New(w.service.Key.Client.Options(), func(o *kms.Options) { o.HTTPClient = &off })}
	w.must(500, "internal", "lead", "POST", "/v1/secrets", body{"name": "one", "teamId": w.team, "value": hush})
	if got := w.must(200, "", "lead", "GET", "/v1/secrets", nil).names(); got != "" || strings.Contains(w.items(), hush) {
		t.Errorf("it was kept: %q", got)
	}
}
