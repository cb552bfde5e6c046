package integration_test

import (
	"testing"
)

func TestADeliveryBecomesAnIncident(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect("generic")
	w.accepted(s.bearer(alert("firing", "disk")))
	if got := w.incidents(); len(got) != 0 {
		t.Fatalf("before it was handled: got %+v", got)
	}
	w.take()
	got := w.incidents()
	if len(got) != 1 || got[0].Title != "Disk almost full" || got[0].Severity != "HIGH" || got[0].ServiceID != w.svc || got[0].Source.Kind != "generic" || *got[0].Source.IntegrationID != s.id {
		t.Fatalf("got %+v", got)
	}
	list := s.deliveries()
	if len(list) != 1 || list[0]["outcome"] != "accepted" || list[0]["incidentId"] != got[0].ID || list[0]["result"] != "opened" || list[0]["action"] != "fire" || list[0]["handledAt"] == nil || list[0]["ip"] != "198.51.100.4" {
		t.Errorf("deliveries: got %v", list)
	}
	w.accepted(s.bearer(alert("resolved", "disk")))
	w.take()
	if got := w.incidents(); got[0].Status != "RESOLVED" {
		t.Errorf("after its resolve: got %+v", got)
	}
	if n := w.due(); n != 0 {
		t.Errorf("%d are due still", n)
	}
}
