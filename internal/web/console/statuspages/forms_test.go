package statuspages_test

import (
	"bytes"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"pagefree/infra/local/pagestest"
	"pagefree/internal/status"
)

// TestWhatIsWrongIsShownAtItsField: and nothing of what was typed is lost.
func TestWhatIsWrongIsShownAtItsField(t *testing.T) {
	t.Parallel()
	w := pagestest.New(t)
	web := w.Component(t, "Website", "", "")
	acme := w.Grant(t, "Acme")
	tests := map[string]struct {
		at    string
		form  []string
		field string // whose error it is, "" for above the form
		says  string
		keeps string
	}{
		"a page without a name":          {"/console/status-pages", []string{"name", "", "slug", "kept-slug", "teamId", w.Team, "timeZone", "UTC"}, "name", "not be empty", "kept-slug"},
		"a page of a taken address":      {"/console/status-pages", []string{"name", "Kept name", "slug", "acme-cloud", "teamId", w.Team, "timeZone", "UTC"}, "", "Another page has this slug.", "Kept name"},
		"a page of another team":         {"/console/status-pages", []string{"name", "Kept name", "slug", "other", "teamId", w.Other, "timeZone", "UTC"}, "teamId", "no such team", "Kept name"},
		"a reserved address":             {w.At("settings"), []string{"name", "Kept name", "slug", "admin", "timeZone", "UTC", "sessionDays", "7"}, "slug", "reserved", "Kept name"},
		"a zone that there is not":       {w.At("settings"), []string{"name", "Kept name", "slug", "acme", "timeZone", "Nowhere", "sessionDays", "7"}, "timeZone", "IANA", "Kept name"},
		"days that are no number":        {w.At("settings"), []string{"name", "Kept name", "slug", "acme", "timeZone", "UTC", "sessionDays", "a week"}, "sessionDays", "number", "a week"},
		"a settings form of before":      {w.At("settings"), []string{"name", "Kept name", "slug", "acme", "timeZone", "UTC", "sessionDays", "7", "rev", `"99"`}, "", "Somebody changed this since you opened the form.", "Kept name"},
		"a component without a name":     {w.At("components"), []string{"name", " ", "group", "Kept group", "status", "operational"}, "name", "One line", "Kept group"},
		"a service of nobody":            {w.At("components"), []string{"name", "Kept name", "status", "operational", "serviceId", "svc_01ARZ3NDEKTSV4RRFFQ69G5FAV"}, "serviceId", "no such service", "Kept name"},
		"an incident without a title":    {w.At("incidents"), []string{"title", "", "impact", "minor", "status", "investigating", "body", "Kept body", "status." + web, "major_outage"}, "title", "not be empty", "Kept body"},
		"an incident that says nothing":  {w.At("incidents"), []string{"title", "Kept title", "impact", "minor", "status", "investigating", "body", " "}, "body", "It says nothing", "Kept title"},
		"partners chosen and everybody":  {w.At("incidents"), []string{"title", "Kept title", "impact", "minor", "status", "investigating", "body", "x", "audience", "all", "access", acme.ID}, "audience", "you chose partners", "Kept title"},
		"an access of another page":      {w.At("incidents"), []string{"title", "Kept title", "impact", "minor", "status", "investigating", "body", "x", "audience", "chosen", "access", "acc_01ARZ3NDEKTSV4RRFFQ69G5FAV"}, "audience", "No partner's access", "Kept title"},
		"a maintenance that ends before": {w.At("maintenances"), []string{"title", "Kept title", "body", "x", "startsAt", "2060-05-01T10:00", "endsAt", "2060-05-01T09:00"}, "endsAt", "after", "2060-05-01T09:00"},
		"a time that no clock shows":     {w.At("maintenances"), []string{"title", "Kept title", "body", "x", "startsAt", "2060-03-28T02:30", "endsAt", "2060-03-28T05:00"}, "startsAt", "does not exist in Europe/Berlin", "Kept title"},
		"no time at all":                 {w.At("maintenances"), []string{"title", "Kept title", "body", "x", "startsAt", "soon", "endsAt", "2060-03-28T05:00"}, "startsAt", "", "Kept title"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			seen := w.Post(t, "lead", tt.at, tt.form...).Must(t, 422)
			seen.Has(t, tt.keeps, tt.says, `role="alert"`)
			if tt.field == "" {
				return
			}
			_, at, found := strings.Cut(seen.Text, `id="e-`+tt.field+`"`)
			if sentence, _, _ := strings.Cut(at, "</p>"); !found || !strings.Contains(sentence, tt.says) {
				t.Errorf("the field %s says %q:\n%s", tt.field, sentence, seen.Text)
			}
		})
	}
	if web == "" {
		t.Fatal("no component")
	}
	list, _, err := w.Status.ListIncidents(w.Lead, w.Page, pageOf(10))
	if err != nil || len(list) != 0 {
		t.Errorf("something was published: %v %v", list, err)
	}
}

// TestTimesAreOfThePage: a form's times are those of the page's zone, whoever fills it in wherever.
func TestTimesAreOfThePage(t *testing.T) {
	t.Parallel()
	w := pagestest.New(t)
	web := w.Component(t, "Website", "", "")
	w.Get(t, "responder", w.At("maintenances", "new")).Must(t, 200).Has(t, "In Europe/Berlin, the time zone of the page.", `value="2060-03-02T13:00"`)
	made := w.Post(t, "responder", w.At("maintenances"), "title", "Disks", "body", "New *disks*.", "startsAt", "2060-07-01T22:00", "endsAt", "2060-07-02T01:30", "components", web, "audience", "all").Must(t, 303)
	at, _, _ := strings.Cut(made.Location, "?")
	w.Get(t, "observer", at).Must(t, 200).Has(t, "1 Jul 2060, 22:00 CEST to 2 Jul 2060, 01:30 CEST", "<em>disks</em>", "Website", "Scheduled")
	list, _, err := w.Status.ListMaintenances(w.Lead, w.Page, pageOf(10))
	if err != nil || len(list) != 1 || list[0].StartsAt.String() != "2060-07-01T20:00:00.000Z" || list[0].EndsAt.String() != "2060-07-01T23:30:00.000Z" {
		t.Fatalf("got %+v %v", list, err)
	}
	w.Get(t, "responder", at+"/edit").Must(t, 200).Has(t, `value="2060-07-01T22:00"`, `value="2060-07-02T01:30"`, "checked")
	w.Post(t, "responder", at+"/edit", "title", "Disks", "body", "New *disks*.", "startsAt", "2060-07-01T22:00", "endsAt", "2060-07-02T03:00", "components", web, "audience", "all").Must(t, 303)
	if m, err := w.Status.GetMaintenance(w.Lead, w.Page, list[0].ID); err != nil || m.EndsAt.String() != "2060-07-02T01:00:00.000Z" || len(m.Edits) != 1 {
		t.Errorf("got %+v %v", m, err)
	}
	w.Post(t, "responder", at+"/updates", "status", "completed", "body", "Kept words").Must(t, 422).Has(t, "Kept words", "scheduled")
	w.Post(t, "responder", at+"/updates", "status", "scheduled", "body", "Bring **coffee**.").Must(t, 303)
	w.Get(t, "observer", at).Must(t, 200).Has(t, "<strong>coffee</strong>")
	w.Post(t, "responder", at+"/cancel").Must(t, 303)
	w.Get(t, "responder", at).Must(t, 200).Lacks(t, "Cancel this maintenance", "Say something new")
}

// TestStatusesInOneAct: what somebody else set since the page was read stays.
func TestStatusesInOneAct(t *testing.T) {
	t.Parallel()
	w := pagestest.New(t)
	a, b, c := w.Component(t, "A", "", ""), w.Component(t, "B", "", ""), w.Component(t, "C", "", "")
	if err := w.Status.SetStatuses(w.Lead, w.Page, []status.Touched{{ID: c, Status: status.MajorOutage}}); err != nil { // meanwhile
		t.Fatal(err)
	}
	w.Post(t, "lead", w.At("statuses"), "status."+a, "partial_outage", "was."+a, "operational", "status."+b, "under_maintenance", "was."+b, "operational",
		"status."+c, "operational", "was."+c, "operational").Must(t, 303)
	want := map[string]status.ComponentStatus{a: status.PartialOutage, b: status.UnderMaintenance, c: status.MajorOutage}
	for id, is := range want {
		if got, err := w.Status.GetComponent(w.Lead, w.Page, id); err != nil || got.Status != is {
			t.Errorf("%s is %s %v, want %s", got.Name, got.Status, err, is)
		}
	}
	w.Post(t, "lead", w.At("statuses"), "status."+a, "splendid").Must(t, 422)
}

func TestOrder(t *testing.T) {
	t.Parallel()
	w := pagestest.New(t)
	ids := map[string]string{}
	for _, name := range []string{"A", "B1", "B2", "C"} {
		group := ""
		if len(name) > 1 {
			group = "B"
		}
		ids[name] = w.Component(t, name, group, "")
	}
	order := func() string {
		v, err := w.Status.Preview(w.Lead, w.Page)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, c := range v.Components {
			names = append(names, c.Name)
		}
		return strings.Join(names, " ")
	}
	for _, step := range []struct{ name, to, want string }{
		{"A", "up", "A B1 B2 C"}, {"A", "down", "B1 B2 A C"}, {"B2", "up", "B2 B1 A C"}, {"B1", "down", "A B2 B1 C"}, {"C", "up", "A C B2 B1"}, {"C", "down", "A B2 B1 C"}, {"C", "down", "A B2 B1 C"},
	} {
		w.Post(t, "lead", w.At("components", ids[step.name], step.to)).Must(t, 303)
		if got := order(); got != step.want {
			t.Errorf("%s %s: got %s, want %s", step.name, step.to, got, step.want)
		}
	}
}

// TestProposals: what the team works on is proposed, and published by nobody but who sends the form.
func TestProposals(t *testing.T) {
	t.Parallel()
	w := pagestest.New(t)
	service := w.Serves("checkout")
	api := w.Component(t, "Checkout API", "", service)
	inc := w.Breaks(service, "db-7 <b>is</b> full")
	page := strings.TrimSuffix(w.At(), "/")
	seen := w.Get(t, "responder", page).Must(t, 200)
	seen.Has(t, "Not published yet", "/console/incidents/"+inc, "?proposal="+inc, "Only your team sees this link", "checkout")
	w.Get(t, "observer", page).Must(t, 200).Lacks(t, inc)
	form := w.Get(t, "responder", w.At("incidents", "new")+"?proposal="+inc).Must(t, 200)
	form.Has(t, "We are looking into a problem with Checkout API.", `value="`+inc+`"`, "Read every word")
	if !strings.Contains(form.HTML, "db-7 &lt;b&gt;is&lt;/b&gt; full") {
		t.Error("the title is not escaped")
	}
	if list, _, err := w.Status.ListIncidents(w.Lead, w.Page, pageOf(10)); err != nil || len(list) != 0 {
		t.Errorf("it was published: %v %v", list, err)
	}
	w.Post(t, "responder", w.At("incidents"), "title", "Checkout fails", "impact", "major", "status", "investigating", "body", "We look.", "status."+api, "partial_outage", "internalIncidentId", inc).Must(t, 303)
	w.Get(t, "responder", page).Must(t, 200).Lacks(t, "Not published yet")
	if got := w.Get(t, "responder", w.At("incidents", "new")+"?proposal="+inc); got.Status != 303 {
		t.Errorf("a proposal that is published: got %d", got.Status)
	}
}

// TestHostileNames: whatever people write is text.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	w := pagestest.New(t)
	const bad = `"><script>alert(1)</script>`
	component := w.Component(t, bad, bad, "")
	access := w.Grant(t, "Evil")
	i, err := w.Status.Publish(w.Lead, w.Page, status.NewIncident{Title: bad, Impact: "minor", Status: "investigating", Body: bad + "\n\n[x](javascript:alert(1))", Components: []status.Touched{{ID: component, Status: "major_outage"}}})
	if err != nil {
		t.Fatal(err)
	}
	name := bad
	if _, err := w.Status.Update(w.Lead, w.Page, "", status.PagePatch{Name: &name, Description: &name}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/console/status-pages", strings.TrimSuffix(w.At(), "/"), w.At("settings"), w.At("components", component), w.At("incidents"), w.At("incidents", "new"), w.At("incidents", i.ID),
		w.At("incidents", i.ID, "edit"), w.At("maintenances", "new"), w.At("partners"), w.At("partners", access.ID), w.At("partners", "new"), "/console/partners",
	} {
		if seen := w.Get(t, "lead", path).Must(t, 200); strings.Contains(seen.HTML, "<script>alert") || strings.Contains(seen.HTML, `href="javascript:`) {
			t.Errorf("%s runs it:\n%s", path, seen.HTML)
		}
	}
}

// TestLogo: a form with a file works as a browser sends it without a script, within its bounds.
func TestLogo(t *testing.T) {
	t.Parallel()
	w := pagestest.New(t)
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewNRGBA(image.Rect(0, 0, 40, 20))); err != nil {
		t.Fatal(err)
	}
	send := func(field, name, media string, data []byte) pagestest.Seen {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		part, err := form.CreatePart(map[string][]string{"Content-Disposition": {`form-data; name="` + field + `"; filename="` + name + `"`}, "Content-Type": {media}})
		if err == nil {
			_, err = part.Write(data)
		}
		if err == nil {
			err = form.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return w.Do(t, "lead", httptest.NewRequest(http.MethodPost, w.At("logo"), &body), "Content-Type", form.FormDataContentType(), "Sec-Fetch-Site", "same-origin")
	}
	if got := send("logo", "a.png", "image/png", picture.Bytes()); got.Status != 303 {
		t.Fatalf("got %d %s", got.Status, got.Text)
	}
	p, err := w.Status.Get(w.Lead, w.Page)
	if err != nil || p.Logo == nil {
		t.Fatalf("got %+v %v", p, err)
	}
	w.Get(t, "lead", w.At("settings")).Must(t, 200).Has(t, "/status/assets/logo-"+*p.Logo+".png")
	for name, tt := range map[string]struct {
		seen   pagestest.Seen
		status int
	}{
		"no file":          {send("logo", "", "application/octet-stream", nil), 422},
		"an empty one":     {send("logo", "a.png", "image/png", nil), 422},
		"an SVG":           {send("logo", "a.svg", "image/svg+xml", []byte("<svg/>")), 422},
		"no picture":       {send("logo", "a.png", "image/png", []byte("hello")), 422},
		"too large":        {send("logo", "a.png", "image/png", slices.Repeat([]byte{1}, status.MaxLogo+1)), 413},
		"much too large":   {send("logo", "a.png", "image/png", slices.Repeat([]byte{1}, 2<<20)), 413},
		"of another field": {send("face", "a.png", "image/png", picture.Bytes()), 400},
		"no form of files": {w.Post(t, "lead", w.At("logo"), "logo", "x"), 415},
	} {
		if tt.seen.Status != tt.status {
			t.Errorf("%s: got %d %s, want %d", name, tt.seen.Status, tt.seen.Text, tt.status)
		}
	}
	if again, err := w.Status.Get(w.Lead, w.Page); err != nil || again.Logo == nil || *again.Logo != *p.Logo {
		t.Errorf("the logo changed: %+v %v", again.Logo, err)
	}
	w.Post(t, "lead", w.At("logo", "remove")).Must(t, 303)
	if again, err := w.Status.Get(w.Lead, w.Page); err != nil || again.Logo != nil {
		t.Errorf("the logo stays: %+v %v", again.Logo, err)
	}
}

// TestSharedToken: shown in the answer alone, and made once by a form.
func TestSharedToken(t *testing.T) {
	t.Parallel()
	w := pagestest.New(t)
	_, at, found := strings.Cut(w.Get(t, "lead", w.At("settings")).Must(t, 200).Text, `action="`+w.At("shared-token")+"?rev=")
	rev, _, _ := strings.Cut(at, `"`)
	if !found {
		t.Fatal("no form makes a token")
	}
	made := w.Post(t, "lead", w.At("shared-token")+"?rev="+rev).Must(t, 200)
	made.Has(t, pagestest.Origin+"/status/acme-cloud?token=pft_", "It is shown this once.")
	again := w.Post(t, "lead", w.At("shared-token")+"?rev="+rev).Must(t, 409)
	again.Has(t, "it was shown that one time and works")
	again.Lacks(t, "pft_")
	w.Get(t, "lead", w.At("settings")).Must(t, 200).Lacks(t, "pft_")
	w.Post(t, "lead", w.At("shared-token", "end")).Must(t, 303)
	if p, err := w.Status.Get(w.Lead, w.Page); err != nil || p.SharedToken {
		t.Errorf("it is on: %v", err)
	}
}
