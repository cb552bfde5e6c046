package incident_test

import (
	"fmt"
	"slices"
	"testing"

	"pagefree/infra/local/roomtest"
	"pagefree/internal/incident"
)

func TestUnresolved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.service("one"), w.service("two")
	open := func(service, title, severity string) string {
		return w.must(201, "responder", "POST", "/v1/incidents", map[string]any{"title": title, "severity": severity, "serviceId": service}).id()
	}
	low := open(one, "low", "LOW")
	critical := open(two, "critical", "CRITICAL")
	older := open(one, "older high", "HIGH")
	newer := open(two, "newer high", "HIGH")
	gone := open(one, "resolved", "CRITICAL")
	w.must(200, "responder", "POST", "/v1/incidents/"+gone+"/resolve", nil)
	w.must(200, "responder", "POST", "/v1/incidents/"+low+"/acknowledge", nil)

	tests := map[string]struct {
		who    string
		filter incident.Filter
		want   []string
	}{
		"worst first, then newest": {"observer", incident.Filter{}, []string{critical, newer, older, low}},
		"of a service":             {"observer", incident.Filter{ServiceID: one}, []string{older, low}},
		"by severity and status":   {"observer", incident.Filter{Severity: []incident.Severity{incident.High, incident.Low}, Status: []incident.Status{incident.Triggered}}, []string{newer, older}},
		"by title":                 {"observer", incident.Filter{Q: "OLDER"}, []string{older}},
		"of all, for an admin":     {"admin", incident.Filter{}, []string{critical, newer, older, low}},
		"of other teams, none":     {"outsider", incident.Filter{}, nil},
		"of others' service, none": {"outsider", incident.Filter{ServiceID: one}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := w.desk.Unresolved(roomtest.As(t.Context(), w.who[tt.who]), tt.filter)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, i := range got {
				ids = append(ids, i.ID)
			}
			if !slices.Equal(ids, tt.want) {
				t.Errorf("got %v, want %v", fmt.Sprint(ids), tt.want)
			}
		})
	}
	if _, err := w.desk.Unresolved(t.Context(), incident.Filter{}); err == nil {
		t.Error("it answers to nobody")
	}
}
