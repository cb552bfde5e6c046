package status_test

import (
	"testing"

	"pagefree/internal/status"
)

func TestAPageFromItsFirstDay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme-cloud")
	web := w.component(page, "Website")
	hidden := w.component(page, "Database")
	w.incident(page, "The website is down", web)
	v := w.view("acme-cloud", status.Reader{Components: []string{web}})
	if v.Indicator != status.ImpactMajor || len(v.Components) != 1 || v.Components[0].Status != status.PartialOutage || len(v.Incidents) != 1 {
		t.Errorf("got %+v", v)
	}
	v = w.view("acme-cloud", status.Reader{Components: []string{hidden}})
	if v.Indicator != status.ImpactNone || len(v.Incidents) != 0 || v.Components[0].Name != "Database" {
		t.Errorf("got %+v", v)
	}
}
