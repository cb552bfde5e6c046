package runbook

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestTargetsWaitForReview(t *testing.T) {
	w := newWorld(t)
	one := w.named("one", hook)
	rb := w.pending("a runbook")
	queue := func(who string) []string {
		got := []string{}
		for _, item := range w.must(200, who, "GET", "/v1/reviews", nil).items() {
			if item["kind"] == "target" {
				got = append(got, fmt.Sprint(item["targetName"], item["version"]))
				if item["targetId"] != targetID(one) || item["teamId"] != w.team || item["submittedAt"] == "" || item["runbookId"] != nil || item["language"] != nil {
					t.Errorf("got %v", item)
				}
			} else if got = append(got, item["runbookName"].(string)); item["runbookId"] != idOf(rb) || item["targetId"] != nil {
				t.Errorf("got %v", item)
			}
		}
		return got
	}
	is := func(who string, want ...string) {
		t.Helper()
		if got := queue(who); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", who, got, want)
		}
	}
	is("reviewer", "a runbook", "one1")
	is("lead")
	is("key") // whose writing is lead's
	w.must(200, "second", "PUT", one, body{"name": "uno", "target": hook.with(body{"async": true})})
	is("reviewer", "uno2", "a runbook")
	is("second", "a runbook")
	is("lead") // who wrote of what waits
	w.must(200, "second", "PUT", one, body{"name": "eins", "target": hook.with(body{"async": true})})
	is("reviewer", "eins2", "a runbook")
	w.must(200, "reviewer", "POST", one+"/approve", nil)
	is("reviewer", "a runbook")
	w.must(200, "second", "PUT", one, body{"target": hook})
	is("lead", "eins3")
	w.must(200, "lead", "POST", one+"/reject", body{"reason": "x"})
	is("lead")
	w.must(200, "second", "PUT", one, body{"target": hook})
	w.must(204, "lead", "DELETE", one, nil)
	is("reviewer", "a runbook")
}

func TestRunbooksAtNamedTargets(t *testing.T) {
	w := newWorld(t)
	pending, nodes := w.named("webhook", hook), w.named("nodes", body{"type": "ssm", "instanceIds": []string{"mi-local"}})
	foreign := "/v1/targets/" + w.must(201, "outsider", "POST", "/v1/targets", body{"name": "foreign", "teamId": w.other, "target": hook}).id()
	global := "/v1/targets/" + w.must(201, "admin", "POST", "/v1/targets", body{"name": "global", "teamId": nil, "target": hook}).id()
	secret := []body{{"name": "P", "type": "string", "secret": true}}
	tests := map[string]struct {
		who    string
		change body
		status int
		at     string
	}{
		"one that is not approved yet":        {"lead", body{"target": at(pending)}, 201, ""},
		"a global one":                        {"lead", body{"target": at(global)}, 201, ""},
		"another team's":                      {"lead", body{"target": at(foreign)}, 404, ""},
		"another team's, by an admin":         {"admin", body{"target": at(foreign)}, 404, ""},
		"none":                                {"lead", body{"target": body{"type": "named", "targetId": "tgt_01ARZ3NDEKTSV4RRFFQ69G5FAV"}}, 404, ""},
		"a team's in a global runbook":        {"admin", body{"teamId": nil, "target": at(pending)}, 404, ""},
		"a global one in a global runbook":    {"admin", body{"teamId": nil, "target": at(global)}, 201, ""},
		"a webhook without a script":          {"lead", body{"target": at(pending), "scriptContent": nil}, 201, ""},
		"nodes without a script":              {"lead", body{"target": at(nodes), "scriptContent": nil}, 422, "body.scriptContent"},
		"nodes with a secret parameter":       {"lead", body{"target": at(nodes), "parameters": secret}, 422, "body.parameters[0].secret"},
		"a webhook with a secret parameter":   {"lead", body{"target": at(pending), "parameters": secret}, 201, ""},
		"nodes":                               {"lead", body{"target": at(nodes)}, 201, ""},
		"a name with what only a webhook has": {"lead", body{"target": at(pending).with(body{"url": "https://a.example"})}, 422, "body.target"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.t = t
			in := w.creation(name).with(tt.change)
			if team, there := tt.change["teamId"]; there && team == nil {
				delete(in, "teamId")
			}
			a := w.must(tt.status, tt.who, "POST", "/v1/runbooks", in)
			if !strings.Contains(a.text, tt.at) {
				t.Errorf("got %s, want the location %s", a.text, tt.at)
			}
		})
	}
}

func TestATargetInUseStays(t *testing.T) {
	w := newWorld(t)
	one := w.served("one", hook)
	rb := w.draft("runs there")
	write := func(target body) {
		t.Helper()
		w.must(201, "lead", "POST", rb+"/versions", script.with(body{"target": target}))
	}
	write(at(one))
	approve := func(n int) {
		t.Helper()
		v := fmt.Sprintf("%s/versions/%d", rb, n)
		w.must(200, "lead", "POST", v+"/submit", nil)
		w.must(200, "reviewer", "POST", v+"/approve", nil)
	}
	approve(2)
	if a := w.refused(409, "in_use", "lead", "DELETE", one, nil); !strings.Contains(a.str("detail"), "approved runbook") {
		t.Errorf("got %s", a.text)
	}
	w.must(200, "lead", "POST", rb+"/deprecate", body{"reason": "it still runs"})
	w.refused(409, "in_use", "lead", "DELETE", one, nil)
	write(body{"type": "sandbox"}) // a draft changes nothing
	w.refused(409, "in_use", "lead", "DELETE", one, nil)
	approve(3)
	two := w.served("two", hook)
	write(at(two))
	w.must(204, "lead", "DELETE", two, nil) // a draft alone holds nothing
	w.must(200, "lead", "POST", rb+"/rollback", body{"version": 2, "reason": "x"})
	w.refused(409, "in_use", "lead", "DELETE", one, nil)
	w.must(200, "lead", "POST", rb+"/archive", body{"reason": "x"})
	w.must(204, "lead", "DELETE", one, nil)
	w.leads(one, "")
}
