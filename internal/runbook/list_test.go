package runbook

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func names(items []map[string]any) []string {
	got := []string{}
	for _, item := range items {
		got = append(got, item["name"].(string))
	}
	return got
}

func TestListsAreScopedAndFiltered(t *testing.T) {
	w := newWorld(t)
	w.draft("Draft")
	w.pending("Pending")
	live := w.approved("Live")
	w.must(201, "lead", "POST", live+"/versions", script) // a draft beside the approved one
	old := w.approved("Old STRASSE")
	w.must(200, "lead", "POST", old+"/deprecate", body{"reason": "x"})
	gone := w.approved("Gone Straße")
	w.must(200, "lead", "POST", gone+"/archive", body{"reason": "x"})
	w.must(201, "lead", "POST", "/v1/runbooks", w.creation("Bound").with(body{"serviceId": w.svc}))
	w.must(201, "outsider", "POST", "/v1/runbooks", w.creation("Foreign").with(body{"teamId": w.other}))
	w.must(201, "admin", "POST", "/v1/runbooks", w.creation("Global").with(body{"teamId": nil}))

	tests := []struct{ who, query, want string }{
		{"observer", "", "Global,Bound,Gone Straße,Old STRASSE,Live,Pending,Draft"},
		{"small key", "", "Global,Bound,Gone Straße,Old STRASSE,Live,Pending,Draft"},
		{"outsider", "", "Global,Foreign"},
		{"stranger", "", ""},
		{"admin", "", "Global,Foreign,Bound,Gone Straße,Old STRASSE,Live,Pending,Draft"},
		{"observer", "teamId=" + w.team, "Bound,Gone Straße,Old STRASSE,Live,Pending,Draft"},
		{"admin", "teamId=" + w.other, "Foreign"},
		{"observer", "status=APPROVED", "Live"},
		{"observer", "status=DRAFT", "Global,Bound,Draft"},
		{"observer", "status=PENDING_REVIEW", "Pending"},
		{"observer", "status=DEPRECATED", "Old STRASSE"},
		{"observer", "status=ARCHIVED", "Gone Straße"},
		{"observer", "serviceId=" + w.svc, "Bound"},
		{"observer", "serviceId=" + w.otherSvc, ""},
		{"observer", "q=LIV", "Live"},
		{"observer", "q=stra%C3%9Fe", "Gone Straße"},
		{"observer", "q=strasse", "Old STRASSE"},
		{"observer", "q=b&status=DRAFT", "Global,Bound"},
		{"observer", "q=%25", ""},
	}
	for _, test := range tests {
		a := w.must(200, test.who, "GET", "/v1/runbooks?"+test.query, nil)
		if got := strings.Join(names(a.items()), ","); got != test.want || a.body["nextCursor"] != nil {
			t.Errorf("%s, %q: got %s, cursor %v, want %s", test.who, test.query, got, a.body["nextCursor"], test.want)
		}
	}
	w.refused(404, "not_found", "observer", "GET", "/v1/runbooks?teamId="+w.other, nil)
	for _, item := range w.must(200, "lead", "GET", "/v1/runbooks?q=live", nil).items() {
		if fmt.Sprint(item["allowedActions"]) != "[submit deprecate archive execute]" || item["approvedVersion"] != 1.0 {
			t.Errorf("got %v", item)
		}
	}
}

func TestPagesAndCursors(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range 7 {
		name := fmt.Sprintf("r%d", i)
		in := w.creation(name)
		if i%3 == 1 { // from several partitions, merged
			in["teamId"] = nil
		}
		w.must(201, "admin", "POST", "/v1/runbooks", in)
		want = append([]string{name}, want...)
	}
	for _, limit := range []int{1, 2, 3, 6, 7} {
		var got []string
		next := ""
		for range 10 {
			a := w.must(200, "observer", "GET", fmt.Sprintf("/v1/runbooks?limit=%d&q=r&cursor=%s", limit, url.QueryEscape(next)), nil)
			got = append(got, names(a.items())...)
			if next = a.str("nextCursor"); next == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: got %v, want %v", limit, got, want)
		}
	}
	cursor := w.must(200, "observer", "GET", "/v1/runbooks?limit=2&q=r", nil).str("nextCursor")
	other := "A" // than it begins with
	if strings.HasPrefix(cursor, other) {
		other = "B"
	}
	for name, query := range map[string]string{
		"another filter": "q=s&cursor=" + cursor, "no filter": "cursor=" + cursor, "altered": "q=r&cursor=" + other + cursor[1:],
		"not base64": "q=r&cursor=%21", "moved between filters": "status=DRAFT&q=r&cursor=" + cursor,
	} {
		if a := w.do("observer", "GET", "/v1/runbooks?"+query, nil); a.StatusCode != 400 || a.str("code") != "cursor_invalid" {
			t.Errorf("a cursor with %s: got %d %s", name, a.StatusCode, a.text)
		}
	}
}

func TestVersionsAreListedWhole(t *testing.T) {
	w := newWorld(t)
	at, other := w.draft("one"), w.draft("two")
	for i := range 4 {
		w.must(201, "lead", "POST", at+"/versions", script.with(body{"changeNote": fmt.Sprint(i + 2)}))
	}
	first := w.must(200, "observer", "GET", at+"/versions?limit=3", nil)
	rest := w.must(200, "observer", "GET", at+"/versions?limit=3&cursor="+first.str("nextCursor"), nil)
	var got []string
	for _, item := range append(first.items(), rest.items()...) {
		got = append(got, EnvValue(item["version"]))
		if item["scriptContent"] == "" || item["parameters"] == nil {
			t.Errorf("got %v", item)
		}
	}
	if strings.Join(got, "") != "54321" || rest.body["nextCursor"] != nil {
		t.Errorf("got %v, then %v", got, rest.body["nextCursor"])
	}
	w.refused(400, "cursor_invalid", "observer", "GET", other+"/versions?cursor="+first.str("nextCursor"), nil)
}

// Lambda answers with 6 MB at most, and the body is escaped once more on its way.
func TestAListOfLargeVersionsFitsIntoAnAnswer(t *testing.T) {
	w := newWorld(t)
	large := Content{Language: Bash, ScriptContent: strings.Repeat("\x01", MaxScript), Target: Target{Type: Sandbox}} // six bytes of JSON for each
	at := "/v1/runbooks/" + w.must(201, "lead", "POST", "/v1/runbooks", w.creation("large").with(body{"scriptContent": strings.Repeat("\"", MaxScript)})).id()
	for range 11 {
		if _, err := w.service.AddVersion(w.as("lead"), idOf(at), large); err != nil {
			t.Fatal(err)
		}
	}
	seen, next := 0, ""
	for range 12 {
		a := w.must(200, "observer", "GET", at+"/versions?limit=200&cursor="+next, nil)
		if len(a.text) > 3<<20 {
			t.Errorf("an answer of %d bytes", len(a.text))
		}
		seen += len(a.items())
		if next = a.str("nextCursor"); next == "" {
			break
		}
	}
	if seen != 12 {
		t.Errorf("got %d versions, want 12", seen)
	}
}
