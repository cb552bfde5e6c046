package status_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/status"
)

const html = `<script>alert(1)</script><img src=x onerror=alert(2)>"'&`

func TestPagesThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.page("taken")
	body := func(change object) object {
		b := object{"name": "Acme", "slug": "acme", "teamId": w.team}
		for k, v := range change {
			b[k] = v
		}
		return b
	}
	tests := map[string]struct {
		change object
		status int
		code   string
		wrong  string
	}{
		"a slug that is taken":        {object{"slug": "taken"}, 409, "slug_taken", ""},
		"a slug in capitals":          {object{"slug": "Acme"}, 422, "validation_failed", "body.slug"},
		"a short slug":                {object{"slug": "ab"}, 422, "validation_failed", "body.slug"},
		"a long slug":                 {object{"slug": strings.Repeat("a", 64)}, 422, "validation_failed", "body.slug"},
		"dashes side by side":         {object{"slug": "a--b"}, 422, "validation_failed", "body.slug"},
		"a dash at the end":           {object{"slug": "acme-"}, 422, "validation_failed", "body.slug"},
		"a slug with a line end":      {object{"slug": "acme\n"}, 422, "validation_failed", "body.slug"},
		"a slug of other letters":     {object{"slug": "äcme"}, 422, "validation_failed", "body.slug"},
		"no name":                     {object{"name": ""}, 422, "validation_failed", "body.name"},
		"a name of spaces":            {object{"name": "   "}, 422, "validation_failed", "body.name"},
		"a long name":                 {object{"name": strings.Repeat("ä", 121)}, 422, "validation_failed", "body.name"},
		"a name with NUL":             {object{"name": "a\x00b"}, 422, "validation_failed", "body.name"},
		"a name in two lines":         {object{"name": "a\nb"}, 422, "validation_failed", "body.name"},
		"a name that reorders":        {object{"name": "a\u202eb"}, 422, "validation_failed", "body.name"},
		"a long description":          {object{"description": strings.Repeat("a", 2001)}, 422, "validation_failed", "body.description"},
		"no time zone":                {object{"timeZone": "Europe/Atlantis"}, 422, "validation_failed", "body.timeZone"},
		"the machine's time zone":     {object{"timeZone": "Local"}, 422, "validation_failed", "body.timeZone"},
		"a path for a time zone":      {object{"timeZone": "../../etc/passwd"}, 422, "validation_failed", "body.timeZone"},
		"a colour by name":            {object{"accentColor": "red"}, 422, "validation_failed", "body.accentColor"},
		"a short colour":              {object{"accentColor": "#fff"}, 422, "validation_failed", "body.accentColor"},
		"sessions of minutes":         {object{"sessionDays": 0.01}, 422, "validation_failed", "body.sessionDays"},
		"sessions of months":          {object{"sessionDays": 31}, 422, "validation_failed", "body.sessionDays"},
		"an unknown member":           {object{"theme": "dark"}, 422, "validation_failed", "body.theme"},
		"another team":                {object{"teamId": w.other}, 404, "not_found", ""},
		"a team that does not exist":  {object{"teamId": id.New(id.Team, w.clock.Now())}, 404, "not_found", ""},
		"the empty team":              {object{"teamId": ""}, 404, "not_found", ""},
		"a token instead of a switch": {object{"sharedToken": "pft_x"}, 422, "validation_failed", "body.sharedToken"},
	}
	for _, word := range []string{"api", "admin", "assets", "console", "feed", "login", "logout", "signin", "static", "status", "www", "healthz"} {
		tests["the word "+word] = struct {
			change object
			status int
			code   string
			wrong  string
		}{object{"slug": word}, 422, "validation_failed", "body.slug"}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, who := range []string{"lead", "admin"} {
				if who == "admin" && test.status == 404 && test.change["teamId"] == w.other {
					continue // they may
				}
				a := w.as(who, "POST", "/v1/status-pages", body(test.change))
				if a.StatusCode != test.status || a.code() != test.code || test.wrong != "" && !slices.Contains(a.wrong(), test.wrong) {
					t.Errorf("as %s: got %d %s, want %d %s %s", who, a.StatusCode, a.Text, test.status, test.code, test.wrong)
				}
			}
		})
	}
	for name, body := range map[string]object{
		"an emoji":           {"name": "🚀 Rockets", "slug": "rockets"},
		"from right to left": {"name": "حالة الخدمة", "slug": "halah", "description": "שלום עולם"},
		"markup":             {"name": html, "slug": "markup", "description": html},
		"every member":       {"name": "x", "slug": "abc", "timeZone": "America/Argentina/Buenos_Aires", "accentColor": "#A1b2C3", "sessionDays": 1.0 / 24, "sharedToken": true},
		"nulls":              {"name": "x", "slug": "abd", "accentColor": nil, "sessionDays": nil},
	} {
		t.Run(name, func(t *testing.T) {
			body["teamId"] = w.team
			a := w.must(201, "lead", "POST", "/v1/status-pages", body)
			if a.Str("name") != body["name"] || a.Header.Get("Location") != "/v1/status-pages/"+a.id() {
				t.Errorf("got %s at %s", a.Text, a.Header.Get("Location"))
			}
		})
	}
}

func TestComponentsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page, elsewhere := w.page("acme"), w.page("elsewhere")
	foreign := w.component(elsewhere, "Foreign")
	ours := w.runs(w.team)
	for name, test := range map[string]struct {
		body   object
		status int
		wrong  string
	}{
		"no name":                     {object{"name": ""}, 422, "body.name"},
		"a long name":                 {object{"name": strings.Repeat("x", 121)}, 422, "body.name"},
		"a word of ours":              {object{"name": "x", "status": "down"}, 422, "body.status"},
		"a long description":          {object{"name": "x", "description": strings.Repeat("x", 501)}, 422, "body.description"},
		"a long group":                {object{"name": "x", "group": strings.Repeat("x", 121)}, 422, "body.group"},
		"a place before the first":    {object{"name": "x", "position": -1}, 422, "body.position"},
		"another team's service":      {object{"name": "x", "serviceId": w.runs(w.other)}, 404, ""},
		"no service":                  {object{"name": "x", "serviceId": id.New(id.Service, w.clock.Now())}, 404, ""},
		"what is no id":               {object{"name": "x", "serviceId": "svc_../../x"}, 404, ""},
		"all of it":                   {object{"name": html, "description": html, "group": html, "position": 3, "status": "under_maintenance", "serviceId": ours}, 201, ""},
		"from right to left":          {object{"name": "مدفوعات", "group": "🛒"}, 201, ""},
		"nothing but a name, by null": {object{"name": "x", "group": nil, "position": nil, "serviceId": nil}, 201, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.as("lead", "POST", page+"/components", test.body)
			if a.StatusCode != test.status || test.wrong != "" && !slices.Contains(a.wrong(), test.wrong) {
				t.Errorf("got %d %s, want %d %s", a.StatusCode, a.Text, test.status, test.wrong)
			}
		})
	}
	for _, method := range []string{"GET", "PATCH", "DELETE"} {
		var body any
		if method == "PATCH" {
			body = object{"name": "mine"}
		}
		if a := w.as("lead", method, page+"/components/"+foreign, body); a.StatusCode != 404 {
			t.Errorf("%s of a component of another page: got %d", method, a.StatusCode)
		}
	}
	w.must(422, "lead", "PATCH", page+"/components/"+w.component(page, "x"), `{"name":null}`)
}

func TestTwoHundredComponents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	for n := range status.MaxComponents {
		w.component(page, fmt.Sprint("Component ", n))
	}
	a := w.must(422, "lead", "POST", page+"/components", object{"name": "One more"})
	if a.code() != "validation_failed" || !strings.Contains(a.Str("detail"), "200") {
		t.Errorf("got %s", a.Text)
	}
	var got int
	cursor := ""
	for range 5 {
		list := w.must(200, "observer", "GET", page+"/components?limit=60"+cursor, nil)
		got += len(list.Items())
		next := list.Str("nextCursor")
		if next == "" {
			break
		}
		cursor = "&cursor=" + next
	}
	if got != status.MaxComponents || len(w.view("acme", status.Reader{}).Components) != status.MaxComponents {
		t.Errorf("listed %d", got)
	}
}

func TestIncidentsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page, elsewhere := w.page("acme"), w.page("elsewhere")
	web, foreign := w.component(page, "Website"), w.component(elsewhere, "Foreign")
	access := w.grants(page)
	theirs := w.grants(elsewhere)
	secret := w.breaks(w.runs(w.other), "Theirs", status.ImpactMajor)
	touch := func(componentID, to string) list { return list{object{"id": componentID, "status": to}} }
	body := func(change object) object {
		b := object{"title": "Down", "impact": "major", "status": "investigating", "body": "We look."}
		for k, v := range change {
			b[k] = v
		}
		return b
	}
	for name, test := range map[string]struct {
		change object
		status int
		wrong  string
	}{
		"no title":                       {object{"title": ""}, 422, "body.title"},
		"a long title":                   {object{"title": strings.Repeat("ü", 201)}, 422, "body.title"},
		"a title that reorders":          {object{"title": "a\u2067b"}, 422, "body.title"},
		"an unknown impact":              {object{"impact": "terrible"}, 422, "body.impact"},
		"an unknown status":              {object{"status": "open"}, 422, "body.status"},
		"a postmortem first":             {object{"status": "postmortem"}, 422, "body.status"},
		"no text":                        {object{"body": " \n"}, 422, "body.body"},
		"64 KB of text":                  {object{"body": strings.Repeat("x", 64<<10)}, 422, "body.body"},
		"32 KiB and a byte":              {object{"body": strings.Repeat("x", 32<<10+1)}, 422, "body.body"},
		"text with NUL":                  {object{"body": "a\x00b"}, 422, "body.body"},
		"a component of another page":    {object{"components": append(touch(web, "operational"), touch(foreign, "major_outage")...)}, 422, "body.components[1].id"},
		"a component twice":              {object{"components": append(touch(web, "operational"), touch(web, "major_outage")...)}, 422, "body.components[1].id"},
		"an unknown word of a component": {object{"components": touch(web, "broken")}, 422, "body.components[0].status"},
		"an access of another page":      {object{"audience": object{"partnerAccessIds": list{access, theirs}}}, 422, "body.audience.partnerAccessIds[1]"},
		"an access that is none":         {object{"audience": object{"partnerAccessIds": list{"acc_x#y"}}}, 422, "body.audience.partnerAccessIds[0]"},
		"an access twice":                {object{"audience": object{"partnerAccessIds": list{access, access}}}, 422, "body.audience.partnerAccessIds[1]"},
		"an incident of another team":    {object{"internalIncidentId": secret}, 404, ""},
		"no internal incident":           {object{"internalIncidentId": "inc_x"}, 404, ""},
		"32 KiB":                         {object{"body": strings.Repeat("x", 32<<10)}, 201, ""},
		"markup":                         {object{"title": html, "body": html}, 201, ""},
		"from right to left":             {object{"title": "عطل 🔥", "body": "נבדוק"}, 201, ""},
		"resolved at once":               {object{"status": "resolved", "components": touch(web, "operational")}, 201, ""},
		"to nobody":                      {object{"audience": object{"partnerAccessIds": list{}}}, 201, ""},
		"to one":                         {object{"audience": object{"partnerAccessIds": list{access}}}, 201, ""},
		"nulls":                          {object{"audience": nil, "internalIncidentId": nil, "components": nil}, 201, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.as("responder", "POST", page+"/incidents", body(test.change))
			if a.StatusCode != test.status || test.wrong != "" && !slices.Contains(a.wrong(), test.wrong) {
				t.Errorf("got %d %s, want %d %s", a.StatusCode, a.Text, test.status, test.wrong)
			}
		})
	}
	i := w.incident(page, "Down", web)
	w.must(422, "responder", "POST", i+"/updates", object{"status": "monitoring", "body": strings.Repeat("x", 64<<10)})
	w.must(422, "responder", "POST", i+"/updates", object{"status": "monitoring", "body": "x", "components": touch(foreign, "operational")})
	w.must(422, "responder", "PATCH", i, `{"title":null}`)
	w.must(404, "responder", "PATCH", i, object{"internalIncidentId": secret})
	w.must(404, "responder", "POST", strings.Replace(i, page, elsewhere, 1)+"/updates", object{"status": "monitoring", "body": "x"})
	w.must(413, "responder", "POST", page+"/incidents", `{"title":"`+strings.Repeat("x", 300<<10)+`"}`)
}

// grants puts an access to a page where the partner room would, and returns its id.
func (w *world) grants(page string) string {
	w.t.Helper()
	accessID := id.New(id.PartnerAccess, w.clock.Now())
	item := struct {
		PK string `dynamodbav:"pk"`
		SK string `dynamodbav:"sk"`
	}{"grants#" + strings.TrimPrefix(page, "/v1/status-pages/"), accessID}
	if err := dynamo.Commit(w.t.Context(), w.table.DB, w.table.Create(item)); err != nil {
		w.t.Fatal(err)
	}
	return accessID
}

func TestMaintenancesThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page, elsewhere := w.page("acme"), w.page("elsewhere")
	web, foreign := w.component(page, "Website"), w.component(elsewhere, "Foreign")
	now := w.clock.Now()
	at := func(d time.Duration) string { return now.Add(d).Format(time.RFC3339) }
	body := func(change object) object {
		b := object{"title": "Upgrade", "body": "Disks.", "startsAt": at(time.Hour), "endsAt": at(2 * time.Hour), "components": list{web}}
		for k, v := range change {
			b[k] = v
		}
		return b
	}
	for name, test := range map[string]struct {
		change object
		status int
		wrong  string
	}{
		"an end before its start":     {object{"endsAt": at(time.Minute)}, 422, "body.endsAt"},
		"an end at its start":         {object{"endsAt": at(time.Hour)}, 422, "body.endsAt"},
		"no time":                     {object{"endsAt": "tomorrow"}, 422, "body.endsAt"},
		"no title":                    {object{"title": " "}, 422, "body.title"},
		"64 KB of text":               {object{"body": strings.Repeat("x", 64<<10)}, 422, "body.body"},
		"a component of another page": {object{"components": list{web, foreign}}, 422, "body.components[1]"},
		"a component twice":           {object{"components": list{web, web}}, 422, "body.components[1]"},
		"an access that is none":      {object{"audience": object{"partnerAccessIds": list{"acc_x"}}}, 422, "body.audience.partnerAccessIds[0]"},
		"an overlap":                  {object{}, 201, ""},
		"the same again":              {object{}, 201, ""},
		"one that runs":               {object{"startsAt": at(-time.Hour)}, 201, ""},
		"one that is over":            {object{"startsAt": at(-2 * time.Hour), "endsAt": at(-time.Hour)}, 201, ""},
		"of nothing, with markup":     {object{"components": nil, "title": html, "body": html}, 201, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.as("responder", "POST", page+"/maintenances", body(test.change))
			if a.StatusCode != test.status || test.wrong != "" && !slices.Contains(a.wrong(), test.wrong) {
				t.Errorf("got %d %s, want %d %s", a.StatusCode, a.Text, test.status, test.wrong)
			}
		})
	}
}
