package workflow_test

import "testing"

// TestAKeySendsNoSecret: an API key lets no workflow send or sign by a secret but as a person wrote it: it reads none.
func TestAKeySendsNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := func(name string, more m) m {
		hook := m{"id": "hook", "type": "webhook", "url": "https://hooks.example.com/"}
		for k, v := range more {
			hook[k] = v
		}
		return m{"name": name, "teamId": w.team, "trigger": m{"on": []string{"incident.created"}}, "steps": []m{hook}}
	}
	sends := m{"headers": m{"X-Token": "{{secrets.prod}}"}}
	for name, more := range map[string]m{"a header": sends, "a signature": {"signWith": "prod"}} {
		if a := w.as("lead's key", "POST", "/v1/workflows", body(name, more)); a.StatusCode != 403 {
			t.Errorf("%s: a key gets %d %s", name, a.StatusCode, a.Text)
		}
		w.must(201, "lead", "POST", "/v1/workflows", body(name, more))
	}
	w.must(201, "lead's key", "POST", "/v1/workflows", body("none", nil))
	path := "/v1/workflows/" + w.must(201, "lead", "POST", "/v1/workflows", body("theirs", sends)).id()
	w.must(200, "lead's key", "PUT", path, body("renamed", sends))
	for name, more := range map[string]m{
		"elsewhere":      {"headers": sends["headers"], "url": "https://evil.example.com/"},
		"another header": {"headers": m{"X-Token": "{{secrets.prod}}{{secrets.other}}"}},
		"signed too":     {"headers": sends["headers"], "signWith": "prod"},
	} {
		if a := w.as("lead's key", "PUT", path, body("renamed", more)); a.StatusCode != 403 {
			t.Errorf("%s: a key gets %d %s", name, a.StatusCode, a.Text)
		}
	}
	w.must(200, "lead's key", "PUT", path, body("renamed", nil)) // it may take one away
}
