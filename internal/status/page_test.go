package status_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"slices"
	"strings"
	"testing"
	"time"

	front "pagefree/infra/local/aws"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/token"
	"pagefree/internal/status"
)

func TestAPageMovesWithItsSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	w.page("taken")
	web := w.component(page, "Website")
	if a := w.must(409, "lead", "PATCH", page, object{"slug": "taken"}); a.code() != "slug_taken" {
		t.Errorf("got %s", a.Text)
	}
	w.must(422, "lead", "PATCH", page, object{"slug": "console"})
	before := w.clock.Now()
	a := w.must(200, "lead", "PATCH", page, object{"slug": "acme-cloud", "name": "Acme Cloud", "timeZone": "Asia/Kathmandu", "accentColor": "#ABCDEF", "sessionDays": 0.5})
	if a.Str("slug") != "acme-cloud" || a.Str("accentColor") != "#abcdef" {
		t.Errorf("got %s", a.Text)
	}
	if _, there := w.published("acme"); there {
		t.Error("it is still at its old address")
	}
	s, there := w.published("acme-cloud")
	if !there || s.Slug != "acme-cloud" || s.Name != "Acme Cloud" || s.TimeZone != "Asia/Kathmandu" || s.Accent != "#abcdef" || s.SessionDays != 0.5 || !s.SaidAt.After(before) {
		t.Errorf("published %+v", s)
	}
	w.must(200, "lead", "PATCH", page+"/components/"+web, object{"status": "major_outage"})
	if v := w.view("acme-cloud", status.Reader{}); v.Indicator != status.ImpactCritical {
		t.Error("what changed after the move is not published")
	}
	other := w.page("acme") // the old address is free
	if other == page {
		t.Error("it is the same page")
	}
	w.must(200, "lead", "PATCH", page, object{"accentColor": nil})
	if s, _ := w.published("acme-cloud"); s.Accent != "" {
		t.Errorf("accent %q", s.Accent)
	}
}

func TestWhatReadersDoNotSeeIsNoNewsOfThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	was, _ := w.published("acme")
	w.must(200, "lead", "PATCH", page, object{"sessionDays": 30})
	w.must(200, "lead", "POST", page+"/shared-token", nil)
	w.must(200, "lead", "PATCH", page, object{"sharedToken": false})
	if is, _ := w.published("acme"); !is.SaidAt.Equal(was.SaidAt.Time) || is.SessionDays != 30 {
		t.Errorf("said at %v, before %v", is.SaidAt, was.SaidAt)
	}
}

func TestRevisionsOfAPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	etag := w.must(200, "observer", "GET", page, nil).Header.Get("ETag")
	w.must(304, "observer", "GET", page, nil, "If-None-Match", etag)
	w.component(page, "Website") // is no change of the page's own words
	w.must(200, "lead", "PATCH", page, object{"name": "One"}, "If-Match", etag)
	if a := w.must(412, "lead", "PATCH", page, object{"name": "Two"}, "If-Match", etag); a.code() != "precondition_failed" {
		t.Errorf("got %s", a.Text)
	}
	before := w.clock.Now()
	w.must(200, "lead", "PATCH", page, object{"name": "One"})
	if events := w.recorded(before); len(events) != 0 {
		t.Errorf("nothing changed, and %v was recorded", types(events))
	}
}

func TestPagesOfATeam(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.page("one"), w.page("two")
	w.must(201, "outsider", "POST", "/v1/status-pages", object{"name": "x", "slug": "theirs", "teamId": w.other})
	got := w.must(200, "observer", "GET", "/v1/status-pages", nil).Items()
	if len(got) != 2 || !strings.HasSuffix(second, got[0]["id"].(string)) || !strings.HasSuffix(first, got[1]["id"].(string)) {
		t.Errorf("got %v", got)
	}
	if got := w.must(200, "admin", "GET", "/v1/status-pages", nil).Items(); len(got) != 3 {
		t.Errorf("an admin sees %d", len(got))
	}
	w.must(404, "observer", "GET", "/v1/status-pages?teamId="+w.other, nil)
	if got := w.must(200, "admin", "GET", "/v1/status-pages?teamId="+w.other, nil).Items(); len(got) != 1 {
		t.Errorf("an admin sees %d of a team", len(got))
	}
	list := w.must(200, "observer", "GET", "/v1/status-pages?limit=1", nil)
	rest := w.must(200, "observer", "GET", "/v1/status-pages?limit=1&cursor="+list.Str("nextCursor"), nil)
	if rest.Items()[0]["slug"] != "one" {
		t.Errorf("got %s", rest.Text)
	}
	w.must(400, "observer", "GET", first+"/incidents?cursor="+list.Str("nextCursor"), nil)
}

// pass reads what a secret leads to, as the authorizer would.
func (w *world) pass(secret string) (seat.Pass, bool) {
	w.t.Helper()
	p, found, err := seat.PassOf(w.t.Context(), w.table, token.Hash(secret))
	if err != nil {
		w.t.Fatal(err)
	}
	return p, found
}

func TestTheTokenForEverybody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.must(201, "lead", "POST", "/v1/status-pages", object{"name": "x", "slug": "acme", "teamId": w.team, "sharedToken": true})
	if page.Body["sharedToken"] != true {
		t.Errorf("got %s", page.Text)
	}
	path := "/v1/status-pages/" + page.id()
	first := w.must(200, "lead", "POST", path+"/shared-token", nil).Str("token")
	if p, there := w.pass(first); !there || p.Via != seat.ByShared || p.PageID != page.id() || !strings.HasPrefix(first, "pft_") {
		t.Errorf("%q leads to %+v", first, p)
	}
	second := w.must(200, "lead", "POST", path+"/shared-token", nil).Str("token")
	if _, there := w.pass(first); there {
		t.Error("the token before is alive")
	}
	for _, who := range []string{"observer", "lead", "admin"} {
		for _, at := range []string{path, "/v1/status-pages"} {
			if a := w.must(200, who, "GET", at, nil); strings.Contains(a.Text, "pft_") || strings.Contains(a.Text, token.Hash(second)) {
				t.Errorf("%s is shown %s", who, a.Text)
			}
		}
	}
	if a := w.must(200, "lead", "PATCH", path, object{"sharedToken": false}); a.Body["sharedToken"] != false {
		t.Errorf("got %s", a.Text)
	}
	if _, there := w.pass(second); there {
		t.Error("it was switched off, and is alive")
	}
	third := w.must(200, "lead", "POST", path+"/shared-token", nil).Str("token")
	if w.must(200, "lead", "GET", path, nil).Body["sharedToken"] != true {
		t.Error("a new token does not switch it on")
	}
	w.must(204, "lead", "DELETE", path, nil)
	if _, there := w.pass(third); there {
		t.Error("the page is gone, and its token alive")
	}
	for _, e := range w.recorded(w.clock.Now().AddDate(-1, 0, 0)) {
		if strings.Contains(e.Type, "token") && len(e.Detail) != 1 {
			t.Errorf("%s says %v", e.Type, e.Detail)
		}
	}
}

func TestADeletedPageIsGoneAtOnceAndItsRestSoon(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	web := w.component(page, "Website")
	incident, maintenance := w.incident(page, "Down", web), w.maintenance(page, -1e9, 1e12, web)
	for range 60 {
		w.incident(page, "Again")
	}
	w.must(204, "lead", "DELETE", page, nil)
	if _, there := w.published("acme"); there {
		t.Error("readers still get it")
	}
	for _, path := range []string{page, page + "/components", incident, maintenance, page + "/proposals"} {
		w.must(404, "lead", "GET", path, nil)
	}
	w.must(404, "lead", "DELETE", page, nil)
	pageID := strings.TrimPrefix(page, "/v1/status-pages/")
	sweep := func() {
		t.Helper()
		if err := w.sweeper.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	if len(w.others.purges) != 0 {
		t.Error("what partners have is gone before their last looks were counted")
	}
	w.clock.Advance(10 * time.Minute)
	w.others.stuck = errors.New("stuck")
	if err := w.sweeper.Sweep(t.Context()); !errors.Is(err, w.others.stuck) {
		t.Errorf("what partners have could not be removed: got %v", err)
	}
	w.others.stuck = nil
	for range 4 {
		sweep()
	}
	if want := []string{pageID, pageID}; !slices.Equal(w.others.purges, want) { // not done, done
		t.Errorf("purged %v, want %v", w.others.purges, want)
	}
	var r status.Record
	for _, path := range []string{incident, maintenance} {
		there, err := w.table.Get(t.Context(), status.RecordKey(pageID, path[strings.LastIndexByte(path, '/')+1:]), &r)
		if err != nil || there {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	if due := w.due(); len(due) != 1 { // the end of the maintenance, whose time has not come
		t.Errorf("due: %v", due)
	}
	w.page("acme") // its address is free
}

func TestLogo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	photo := func(width, height int) string {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420), nil); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	bomb := picture(1, 1) // says that it is 50,000 pixels each way
	copy(bomb[16:24], []byte{0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50})
	copy(bomb[29:33], []byte{0x9a, 0x4d, 0x5f, 0x4c})
	for name, test := range map[string]struct {
		kind, body string
		status     int
	}{
		"SVG":                    {"image/svg+xml", `<svg xmlns="http://www.w3.org/2000/svg"/>`, 415},
		"SVG that says PNG":      {"image/png", `<svg xmlns="http://www.w3.org/2000/svg"/>`, 422},
		"JSON":                   {"application/json", `{}`, 415},
		"GIF":                    {"image/gif", "GIF89a", 415},
		"half a PNG":             {"image/png", string(picture(300, 300)[:60]), 422},
		"no more than a head":    {"image/jpeg", "\xff\xd8\xff\xe0", 422},
		"more pixels than bytes": {"image/png", string(bomb), 422},
		"wide beyond measure":    {"image/png", string(picture(30_000, 140)), 422},
		"257 KiB":                {"image/png", strings.Repeat("\x89PNG\r\n\x1a\n", 257<<7), 413},
		"PNG":                    {"image/png", string(picture(2000, 700)), 200},
		"JPEG":                   {"image/jpeg", photo(3, 900), 200},
		"PNG that says JPEG":     {"IMAGE/JPEG; x=y", string(picture(1, 1)), 200},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.as("lead", "PUT", page+"/logo", test.body, "Content-Type", test.kind)
			if a.StatusCode != test.status {
				t.Fatalf("got %d %s, want %d", a.StatusCode, a.Text, test.status)
			}
			if test.status != 200 {
				return
			}
			s, _ := w.published("acme")
			if len(s.Logo) != 64 || s.Logo != a.Str("logo") {
				t.Errorf("published %q, answered %q, want a whole SHA-256, by which pages find it", s.Logo, a.Str("logo"))
			}
			var kept status.Logo
			if _, err := w.table.Get(t.Context(), status.LogoKey(s.Logo), &kept); err != nil {
				t.Fatal(err)
			}
			is, err := png.DecodeConfig(bytes.NewReader(kept.Data))
			if err != nil || is.Width > 512 || is.Height > 128 || len(kept.Data) > 350<<10 {
				t.Errorf("kept %d x %d, %d bytes: %v", is.Width, is.Height, len(kept.Data), err)
			}
		})
	}
	w.must(204, "lead", "DELETE", page+"/logo", nil)
	if s, _ := w.published("acme"); s.Logo != "" {
		t.Errorf("the logo is %q", s.Logo)
	}
	w.must(412, "lead", "PUT", page+"/logo", string(picture(4, 4)), "Content-Type", "image/png", "If-Match", `"1"`)
}

func TestALogoKeepsItsProportionsAndColours(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	from := image.NewNRGBA(image.Rect(0, 0, 1024, 512)) // its left half clear, its right half red
	for y := range 512 {
		for x := 512; x < 1024; x++ {
			from.SetNRGBA(x, y, color.NRGBA{R: 200, A: 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, from); err != nil {
		t.Fatal(err)
	}
	hash := w.must(200, "lead", "PUT", page+"/logo", b.String(), "Content-Type", "image/png").Str("logo")
	var kept status.Logo
	if _, err := w.table.Get(t.Context(), status.LogoKey(hash), &kept); err != nil {
		t.Fatal(err)
	}
	got, err := png.Decode(bytes.NewReader(kept.Data))
	if err != nil || got.Bounds() != image.Rect(0, 0, 256, 128) {
		t.Fatalf("got %v, %v", got.Bounds(), err)
	}
	left, right := color.NRGBAModel.Convert(got.At(10, 60)), color.NRGBAModel.Convert(got.At(200, 60))
	if left.(color.NRGBA).A != 0 || right != (color.NRGBA{R: 200, A: 255}) {
		t.Errorf("got %v and %v", left, right)
	}
}

// TestACrashLeavesNothingStale: whatever is lost of a change, the snapshot and
// the record never tell of two states.
func TestACrashLeavesNothingStale(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.page("acme")
	web := w.component(page, "Website")
	i := w.incident(page, "Down", web)
	for name, fault := range map[string]front.Fault{
		"a write that was refused":   {Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Conflict, Times: 2},
		"an answer that was lost":    {Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Swallow},
		"a read that failed at once": {Service: "dynamodb", Operation: "GetItem", Do: front.Fail, Times: -1},
	} {
		w.env.Faults.Add(fault)
		a := w.as("responder", "POST", i+"/updates", object{"status": "monitoring", "body": name, "components": list{object{"id": web, "status": "operational"}}})
		w.env.Faults.Clear()
		whole := w.must(200, "observer", "GET", i, nil)
		v := w.view("acme", status.Reader{})
		updates := whole.Body["updates"].([]any)
		newest := updates[0].(object)["body"].(string)
		if len(v.Incidents) != 1 || v.Incidents[0].Updates[0].Body != newest || len(v.Incidents[0].Updates) != len(updates) {
			t.Errorf("%s: readers get %+v, staff %s", name, v.Incidents, whole.Text)
		}
		if done := a.StatusCode == 201; done != (newest == name) {
			t.Errorf("%s: answered %d, and it was said: %v", name, a.StatusCode, newest == name)
		}
	}
}
