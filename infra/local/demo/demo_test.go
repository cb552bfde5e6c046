package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pagefree/infra/local/client"
	"pagefree/infra/local/stack"
)

// altered is a way to the stack that changes answers.
type altered func(path string, status int, body string) (int, string)

func (a altered) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	status, changed := a(r.URL.Path, res.StatusCode, string(body))
	res.StatusCode, res.Body = status, io.NopCloser(strings.NewReader(changed))
	return res, nil
}

// TestDemo shows everything, and again on what is there, after somebody played with it.
func TestDemo(t *testing.T) {
	t.Parallel()
	s, err := stack.Start(t.Context(), stack.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	show := func() (Result, string) {
		t.Helper()
		var out bytes.Buffer
		result, err := Run(t.Context(), Options{URL: s.URL, Out: &out, Whole: true})
		if err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		return result, out.String()
	}
	first, said := show()
	for _, want := range []string{
		"403 self_approval", "\nPeople\n", "\nLibrary\n", "\nReview\n", "\nThe incident\n", "\nAlerts\n", "\nThe status page\n", "\nProof\n", `"Free disk space" (sandbox, BASH): COMPLETED`,
		"(sandbox, PYTHON): COMPLETED", "(sandbox, JAVASCRIPT): COMPLETED", "(node, by name, BASH): COMPLETED", "with a warning", "verifies its signature",
		"RUNNING", "that it was sent: COMPLETED", "its integration starts runbooks of risk LOW by itself; this one is HIGH", "[CONFIRM] Fail over the database",
		"responder confirms; it ran, and the incident is RESOLVED", "[FAILED] Rebuild the search index", "Recovered, and so the incident is RESOLVED", "any script, by curl", "and it is RESOLVED: ", `"Fail over the database" waits for you`, ": CANCELLED", ": TIMEOUT", "rolls back to version 1: it waits", "signed blocks",
		"Acme looks by token: 5 components", "Acme looks by mailed link: 5 components", "Globex looks by token: 4 components", "refused with access_revoked", "served and access_revoked",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not tell of %q:\n%s", want, said)
		}
	}
	line := regexp.MustCompile(`^( *\d+\.\d\d s  \S.*| +\| .*|[A-Z][a-z]+( incident| status page)?|)$`)
	for text := range strings.Lines(said) {
		if text = strings.TrimSuffix(text, "\n"); !line.MatchString(text) {
			t.Errorf("neither section, step nor output: %q", text)
		}
	}

	w := &world{t: t, api: client.Client{URL: s.URL}, people: first}
	if got := w.statuses(); got != "APPROVED 7, DEPRECATED 1, PENDING_REVIEW 1" {
		t.Errorf("the library: %s", got)
	}
	if first.Hook == "" || first.HookSecret == "" || first.WorkflowID == "" {
		t.Errorf("nothing to send an alert by: hook %q, workflow %q", first.Hook, first.WorkflowID)
	}
	before := w.made()
	again, said := show()
	if again.IncidentID != first.IncidentID || w.made() != before {
		t.Errorf("shown twice there is more than before: %s, then %s", before, w.made())
	}
	if strings.Contains(said, "written and submitted") {
		t.Errorf("it writes what is there:\n%s", said)
	}

	// Somebody plays with it: what is missing comes back, and no more than that.
	at := func(name string) string { return "/v1/runbooks/" + first.RunbookIDs[name] }
	w.call(Lead, 200, "POST", at(freeDisk)+"/archive", map[string]any{"reason": "played"})
	w.call(Lead, 200, "POST", at(budget)+"/deprecate", map[string]any{"reason": "played"})
	w.call(Lead, 200, "POST", at(drain)+"/rollback", map[string]any{"version": 2, "reason": "played"})
	w.call(Lead, 201, "POST", at(restart)+"/versions", byName(restart).content(&demo{targets: w.named("/v1/targets")}))
	w.call(Reviewer, 200, "POST", at(waiting)+"/versions/1/approve", map[string]any{})
	w.call(Responder, 200, "POST", "/v1/incidents/"+first.IncidentID+"/resolve", map[string]any{})
	w.call(Admin, 200, "POST", "/v1/automation/pause", map[string]any{"reason": "played"})
	if again, said := show(); again.IncidentID == first.IncidentID || !strings.Contains(said, "automation was paused (played)") {
		t.Errorf("got %s after\n%s", again.IncidentID, said)
	}
	if got := w.statuses(); got != "APPROVED 8, DEPRECATED 1" {
		t.Errorf("the library: %s", got)
	}
	if got := w.call(Lead, 200, "GET", at(waiting)+"/versions/2", nil).Text("status"); got != "PENDING_REVIEW" {
		t.Errorf("what was left for review is %s", got)
	}

	// What does not hold is found.
	for name, test := range map[string]struct {
		alter altered
		want  string
	}{
		"self-approval goes through": {func(path string, status int, body string) (int, string) {
			if strings.HasSuffix(path, "/approve") {
				status = 200
			}
			return status, body
		}, "got 200, want 403"},
		"a signature is another's": {func(path string, status int, body string) (int, string) {
			if path == "/_local/webhooks" {
				body = strings.ReplaceAll(body, `"webhook-id":"`, `"webhook-id":"x`)
			}
			return status, body
		}, "the signature of"},
		"an event was changed": {func(path string, status int, body string) (int, string) {
			if path == "/v1/audit/export" {
				body = strings.Replace(body, "runbook.approved", "runbook.rejected", 1)
			}
			return status, body
		}, "was changed"},
	} {
		var out bytes.Buffer
		_, err := run(t.Context(), Options{URL: s.URL, Out: &out, Whole: true}, &http.Client{Transport: test.alter})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q in it\n%s", name, err, test.want, out.String())
		}
	}
}

// TestNobodyThere: a demo without a stack ends with an error.
func TestNobodyThere(t *testing.T) {
	if _, err := Run(context.Background(), Options{URL: "http://127.0.0.1:1", Out: io.Discard}); err == nil {
		t.Error("it found something")
	}
}

type world struct {
	t      *testing.T
	api    client.Client
	people Result
}

func (w *world) call(who string, status int, method, path string, body any) client.Answer {
	w.t.Helper()
	a, err := w.api.Want(w.t.Context(), status, method, path, w.people.Sessions[who], body)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) named(path string) map[string]string {
	ids := map[string]string{}
	for _, item := range w.call(Lead, 200, "GET", path+"?limit=200", nil).Items() {
		ids[item["name"].(string)] = item["id"].(string)
	}
	return ids
}

// statuses counts the runbooks by their status.
func (w *world) statuses() string {
	number := map[string]int{}
	for _, r := range w.call(Lead, 200, "GET", "/v1/runbooks?limit=200", nil).Items() {
		number[r["status"].(string)]++
	}
	var parts []string
	for status, n := range number {
		parts = append(parts, fmt.Sprintf("%s %d", status, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// made counts what should not pile up.
func (w *world) made() string {
	var parts []string
	byPeople := 0 // what alerts open comes anew each time
	for _, i := range w.call(Lead, 200, "GET", "/v1/incidents?limit=200", nil).Items() {
		if i["source"].(map[string]any)["integrationId"] == nil {
			byPeople++
		}
	}
	parts = append(parts, fmt.Sprintf("incidents %d", byPeople))
	paths := []string{"/v1/services", "/v1/runbooks", "/v1/targets", "/v1/secrets", "/v1/integrations", "/v1/workflows"}
	for _, name := range slices.Sorted(maps.Keys(w.people.RunbookIDs)) {
		paths = append(paths, "/v1/runbooks/"+w.people.RunbookIDs[name]+"/versions")
	}
	for _, path := range paths {
		parts = append(parts, fmt.Sprintf("%s %d", path, len(w.call(Lead, 200, "GET", path+"?limit=200", nil).Items())))
	}
	for _, path := range []string{"/v1/users", "/v1/teams"} {
		parts = append(parts, fmt.Sprintf("%s %d", path, len(w.call(Admin, 200, "GET", path+"?limit=200", nil).Items())))
	}
	return strings.Join(parts, ", ")
}
