package console_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pagefree/infra/local/consoletest"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/web/console"
)

var update = flag.Bool("update", false, "write golden files")

func TestMain(m *testing.M) {
	flag.Parse()
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	os.Exit(m.Run())
}

var now = time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)

// templates are a room's, with every part of the common ones in use.
var templates = fstest.MapFS{"room.html": {Data: []byte(`
{{define "plain"}}<h1>{{.}}</h1>{{end}}
{{define "broken"}}<h1>{{.Nothing}}</h1>{{end}}
{{define "part"}}<p>{{.}}</p>{{end}}
{{define "rows"}}<h1>Rows</h1><ul>{{range .Rows}}<li>{{.}}</li>{{end}}</ul>{{template "pager" .Pager}}{{end}}
{{define "parts"}}<div class="head"><h1 dir="auto">{{.Title}}</h1></div>
{{template "badge" "PENDING_REVIEW"}} {{template "time" .When}} {{template "person" .Who}} {{template "person" .You}} {{count 2 "step"}}
<form class="form sheet" method="post" action="{{to "/console/stub"}}">{{template "wrong" .Form}}
{{template "input" dict "form" .Form "name" "name" "label" "Name" "required" true "max" 20 "hint" "A word."}}
{{template "area" dict "form" .Form "name" "text" "label" "Text" "mono" true}}
{{template "select" dict "form" .Form "name" "severity" "label" "Severity" "options" (options "HIGH" "LOW") "none" "Any"}}
{{template "check" dict "form" .Form "name" "kinds" "value" "a" "label" "A" "hint" "the first"}}
<p class="acts"><button type="submit">Save</button></p></form>
{{template "ask" dict "act" "Delete" "does" "It goes for good." "path" "/console/stub" "field" "reason" "label" "Why"}}
{{template "once" dict "id" "secret" "value" "pfk_x" "label" "The key"}}
{{template "copy" dict "id" "paste" "value" "curl"}}
{{template "empty" dict "title" "Nothing." "text" "Make one." "path" "/console/stub/new" "act" "Make one"}}
<p class="{{tone "RESOLVED"}}">{{range words "a" "b"}}{{.}}{{end}} {{query "a b"}} {{lower "A"}}</p>{{end}}`)}}

type partsView struct {
	Title string
	When  console.Moment
	Who   console.Person
	You   console.Person
	Form  console.Form
}

type rowsView struct {
	Rows  []string
	Pager console.Pager
}

// site has a page of each sort.
func site(t *testing.T, at origin.Origin) *consoletest.Site {
	t.Helper()
	cursors := httpapi.NewCursors(func(context.Context, string) ([]byte, error) { return []byte("k"), nil })
	api := httpapi.New()
	room := console.New(at, func() time.Time { return now }).Room(api, "runbooks", templates, nil)
	room.Get("/console/stub", func(c *console.Call) error {
		return c.Show("plain", console.Page{Title: "Stub", View: "Stub", Keep: true})
	})
	room.Post("/console/stub", func(c *console.Call) error {
		return c.Show("plain", console.Page{Title: "Sent", View: c.Sent().Get("text")})
	})
	room.Get("/console/stub/parts", func(c *console.Call) error {
		f := console.NewForm(map[string]string{"name": consoletest.Hostile, "severity": "LOW", "kinds": "a", "text": "\nlines"})
		f.Text, f.Wrong = "Some fields need another look.", map[string]string{"name": "Is " + consoletest.Hostile}
		v := partsView{consoletest.Hostile, c.Ago(timestamp.Of(now.Add(-time.Minute))), c.By("usr_01ARZ3NDEKTSV4RRFFQ69G5FAV"), c.By(c.Who.ID), f}
		return c.Show("parts", console.Page{Title: consoletest.Hostile, Crumbs: []console.Crumb{{Name: consoletest.Hostile, Path: "/console/stub"}}, View: v, Live: true})
	})
	room.Get("/console/stub/part", func(c *console.Call) error { return c.Fragment("part", consoletest.Hostile) })
	room.Get("/console/stub/broken", func(c *console.Call) error { return c.Show("broken", console.Page{View: 1}) })
	for status, err := range map[string]error{
		"missing": problem.Missing(), "denied": problem.Denied("This needs the role X."), "fault": errors.New("secret"),
		"conflict": problem.New(http.StatusConflict, "name_taken", "It is taken."),
		"often":    &problem.Error{Status: http.StatusTooManyRequests, Code: problem.RateLimited, Detail: "Wait a moment.", Header: http.Header{"Retry-After": {"7"}}},
		"fields":   problem.InvalidField("body.name", "is %s", consoletest.Hostile),
	} {
		room.Get("/console/stub/"+status, func(*console.Call) error { return err })
	}
	room.Post("/console/stub/see", func(c *console.Call) error { return c.See(c.Sent().Get("to"), "saved") })
	list := func(c *console.Call) error {
		rows, pager, err := console.List(c, cursors, func(page httpapi.Page) ([]string, string, error) {
			if page.Before == "" {
				return []string{"new"}, "p1", nil
			}
			return []string{"after " + page.Before}, "", nil
		})
		if err != nil {
			return err
		}
		return c.Show("rows", console.Page{Title: "Rows", View: rowsView{rows, pager}})
	}
	room.Get("/console/stub/rows", list)
	room.Get("/console/stub/others", list)
	return consoletest.New(api)
}

func person(role principal.Role) principal.Principal {
	return principal.Principal{Kind: principal.User, ID: "usr_1", UserID: "usr_1", Name: "Sam Reed", Email: "sam@pagefree.test", Teams: map[string]principal.Role{"team_a": role}}
}

// TestEntry: who comes in, and what nobody gets.
func TestEntry(t *testing.T) {
	s := site(t, origin.Origin{})
	consoletest.Gates(t, s, nil)
	b := s.As(person(principal.Responder))
	b.Get(t, "/console/stub").Want(t, 200)

	// A session that came as a bearer is one; a principal of another kind, or without a session, is none.
	noSession := person(principal.Responder)
	noSession.Kind, noSession.SessionHash = principal.Workflow, "ab"
	s.As(noSession).Get(t, "/console/stub").Want(t, 403)

	to := s.Anybody().Get(t, "/console/stub?q=a%26b&x=%C3%A9").Header.Get("Location")
	u, err := url.Parse(to)
	if err != nil || u.Path != "/signin" || u.Query().Get("next") != "/console/stub?q=a%26b&x=%C3%A9" {
		t.Errorf("leads to %q: %v", to, err)
	}

	for name, tt := range map[string]struct {
		body    string
		headers []string
		want    int
		says    string
	}{
		"a form":               {"text=a%0D%0Ab", nil, 200, "a b"},
		"with a charset":       {"text=a", []string{"Content-Type", "application/x-www-form-urlencoded; charset=UTF-8"}, 200, "a"},
		"JSON":                 {`{"text":"a"}`, []string{"Content-Type", "application/json"}, 415, "This page takes a form."},
		"no type":              {"text=a", []string{"Content-Type", ""}, 415, "This page takes a form."},
		"parts":                {"--x--", []string{"Content-Type", "multipart/form-data; boundary=x"}, 415, "This page takes a form."},
		"not UTF-8":            {"text=%ff", nil, 400, "The form is not UTF-8."},
		"not a form":           {"text=%zz", nil, 400, "The form cannot be read."},
		"too large":            {"text=" + strings.Repeat("a", 192<<10), nil, 413, "The form is larger than this page takes."},
		"just not too large":   {"text=" + strings.Repeat("a", 192<<10-5), nil, 200, ""},
		"from elsewhere":       {"text=a", []string{"Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site"}, 403, ""},
		"an old browser":       {"text=a", []string{"Sec-Fetch-Site", ""}, 200, ""},
		"an old one elsewhere": {"text=a", []string{"Origin", "https://evil.test", "Sec-Fetch-Site", ""}, 403, ""},
		"of a sibling":         {"text=a", []string{"Origin", "https://x.example.com", "Sec-Fetch-Site", "same-site"}, 403, ""},
		"without an origin":    {"text=a", []string{"Origin", "null", "Sec-Fetch-Site", ""}, 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := b.PostText(t, "/console/stub", tt.body, tt.headers...).Want(t, tt.want)
			if tt.says != "" && got.H1() != tt.says {
				t.Errorf("says %q, want %q", got.H1(), tt.says)
			}
		})
	}
	if got := b.PostText(t, "/console/stub", "text=a%0D%0Ab"); !strings.Contains(got.Body, "a\nb") {
		t.Errorf("the end of a line is not as people write it: %q", got.Body)
	}
}

// TestKnownOrigin: behind a distribution, its origin is ours, and links have the stage.
func TestKnownOrigin(t *testing.T) {
	at, err := origin.Parse("https://pagefree.test/prod")
	if err != nil {
		t.Fatal(err)
	}
	b := site(t, at).As(person(principal.Responder))
	b.Post(t, "/console/stub", url.Values{"text": {"a"}}, "Origin", "https://pagefree.test", "Sec-Fetch-Site", "").Want(t, 200)
	b.Post(t, "/console/stub", url.Values{}, "Origin", "https://evil.test", "Sec-Fetch-Site", "").Want(t, 403)
	if got := b.Get(t, "/console/stub").First("aside a[aria-current=page]").Attr("href"); got != "/prod/console/runbooks" {
		t.Errorf("a link of the frame leads to %q", got)
	}
	if got := b.Post(t, "/console/stub/see", url.Values{"to": {"/console/x"}}).Header.Get("Location"); got != "/prod/console/x?did=saved" {
		t.Errorf("leads to %q", got)
	}
	if got := site(t, at).Anybody().Get(t, "/console/stub?a=b").Header.Get("Location"); got != "/prod/signin?next=%2Fconsole%2Fstub%3Fa%3Db" {
		t.Errorf("leads to %q", got)
	}
}

// TestRefusals: an error is a page with a way on, or to a script a sentence that says where it belongs.
func TestRefusals(t *testing.T) {
	b := site(t, origin.Origin{}).As(person(principal.Observer))
	for path, tt := range map[string]struct {
		status     int
		title, say string
	}{
		"missing":  {404, "There is no such page", "There is nothing here that you may see."},
		"denied":   {403, "You may not do this", "This needs the role X."},
		"conflict": {409, "This was not done", "It is taken."},
		"often":    {429, "That was too often", "Wait a moment."},
		"fields":   {422, "This did not work", "name is " + consoletest.Hostile + "."},
		"fault":    {500, "Something went wrong on our side", "Something went wrong on our side. The request id finds it in our log."},
		"broken":   {500, "Something went wrong on our side", "Something went wrong on our side. The request id finds it in our log."},
	} {
		t.Run(path, func(t *testing.T) {
			page := b.Get(t, "/console/stub/"+path).Want(t, tt.status).Hides(t, "secret")
			if page.H1() != tt.say || page.First("title").Text() != "" && !strings.HasPrefix(page.First("title").Text(), tt.title) {
				t.Errorf("says %q, titled %q", page.H1(), page.First("title").Text())
			}
			if page.Link(t, "To the incidents") != "/console/incidents" || !strings.Contains(page.Body, "5b2c1a52") {
				t.Error("no way on, or no request to name")
			}
			if path == "often" && page.Header.Get("Retry-After") != "7" {
				t.Errorf("Retry-After is %q", page.Header.Get("Retry-After"))
			}
			part := b.HTMX().Get(t, "/console/stub/"+path).Want(t, tt.status)
			if part.Header.Get("HX-Retarget") != "#alerts" || part.Header.Get("HX-Reswap") != "innerHTML" || part.Alert() != tt.say || strings.Contains(part.Body, "<main") {
				t.Errorf("a script gets %v %s", part.Header, part.Body)
			}
		})
	}
}

// TestNoSuchPage: an address that no page has, or that only takes a form, is answered by a page too.
func TestNoSuchPage(t *testing.T) {
	b := site(t, origin.Origin{}).As(person(principal.Observer))
	page := b.Get(t, "/console/stub/none/such").Want(t, 404).Shows(t, "There is nothing here that you may see.")
	if page.Link(t, "To the incidents") != "/console/incidents" || page.First("[aria-current]").Text() != "" {
		t.Error("no way on, or it seems to be in a section")
	}
	page = b.Get(t, "/console/stub/see").Want(t, 405).Shows(t, "There is no page at this address: it only takes what a form sends.")
	if page.Header.Get("Allow") != "POST" || page.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("got %v", page.Header)
	}
	if other := b.Get(t, "/elsewhere").Want(t, 404); !strings.HasPrefix(other.Header.Get("Content-Type"), "application/problem+json") {
		t.Errorf("outside of the console: %v", other.Header)
	}
}

// TestSee: an act leads on, with what was done as a word that the next page knows; nothing that an address says is shown.
func TestSee(t *testing.T) {
	b := site(t, origin.Origin{}).As(person(principal.Responder))
	for to, want := range map[string]string{
		"/console/x": "/console/x?did=saved", "/console/x?a=b": "/console/x?a=b&did=saved", "/console/x#y": "/console/x?did=saved#y", "/console/x?a=b#y": "/console/x?a=b&did=saved#y",
	} {
		form := url.Values{"to": {to}}
		if got := b.Post(t, "/console/stub/see", form).Want(t, 303).Header.Get("Location"); got != want {
			t.Errorf("%s: leads to %q, want %q", to, got, want)
		}
		if got := b.HTMX().Post(t, "/console/stub/see", form).Want(t, 204).Header.Get("HX-Redirect"); got != want {
			t.Errorf("%s: leads a script to %q, want %q", to, got, want)
		}
	}
	if got := b.Get(t, "/console/stub?did=saved").Did(); got != "Your changes were saved." {
		t.Errorf("says %q", got)
	}
	for _, word := range []string{"", "x", "Send+money+to+me", url.QueryEscape(consoletest.Hostile), "SAVED"} {
		if got := b.Get(t, "/console/stub?did="+word); got.Did() != "" || word != "" && len(word) > 3 && strings.Contains(got.Body, "money") {
			t.Errorf("%q: says %q", word, got.Did())
		}
	}
}

// TestLists: a list is led through; a cursor is good for the very list with its filters, and else refused with a way on.
func TestLists(t *testing.T) {
	b := site(t, origin.Origin{}).As(person(principal.Responder))
	first := b.Get(t, "/console/stub/rows?q=a&did=saved").Shows(t, "new")
	next := first.Link(t, "Older")
	if u, _ := url.Parse(next); u.Query().Get("q") != "a" || u.Query().Get("cursor") == "" || u.Query().Has("did") {
		t.Fatalf("older is at %s", next)
	}
	older := first.Click(t, "Older").Shows(t, "after p1")
	if got := older.Link(t, "Newest"); got != "/console/stub/rows?q=a" {
		t.Errorf("newest is at %s", got)
	}
	if older.HasLink(next) || len(older.All("a[rel=next]")) != 0 {
		t.Error("the end leads on")
	}
	_, query, _ := strings.Cut(next, "?")
	for name, path := range map[string]string{
		"another list": "/console/stub/others?" + query, "another filter": "/console/stub/rows?" + strings.Replace(query, "q=a", "q=b", 1),
		"altered": next + "A", "made up": "/console/stub/rows?q=a&cursor=abc",
	} {
		page := b.Get(t, path).Want(t, 400)
		if page.H1() != "The cursor is not one of this list. Start again without it." {
			t.Errorf("%s: says %q", name, page.H1())
		}
		if got := page.Link(t, "To the beginning of the list"); strings.Contains(got, "cursor") || !strings.HasPrefix(got, "/console/stub/") || !strings.Contains(got, "?q=") {
			t.Errorf("%s: leads on to %s", name, got)
		}
		page.Click(t, "To the beginning of the list").Want(t, 200)
	}
}

// TestNav: each role is led to what it has any use for, and the section that one is in is marked.
func TestNav(t *testing.T) {
	s := site(t, origin.Origin{})
	sections := func(p principal.Principal) []string {
		var names []string
		for _, a := range s.As(p).Get(t, "/console/stub").All("aside li a") {
			names = append(names, a.Text())
		}
		return names
	}
	sees := []string{"Incidents", "Executions", "Workflows", "Runbooks", "Services", "Status pages", "People and teams"}
	all := []string{"Incidents", "Executions", "Workflows", "Runbooks", "Reviews", "Targets", "Secrets", "Services", "Integrations", "Status pages", "Partners", "Audit", "People and teams", "API keys"}
	admin := person(principal.None)
	admin.PlatformAdmin, admin.Teams = true, nil
	for name, tt := range map[string]struct {
		who  principal.Principal
		want []string
	}{
		"observer": {person(principal.Observer), sees}, "responder": {person(principal.Responder), sees}, "lead": {person(principal.TeamAdmin), all}, "admin": {admin, all}, "nobody's": {person(principal.None), nil},
	} {
		if got := sections(tt.who); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
	page := s.As(person(principal.TeamAdmin)).Get(t, "/console/stub")
	if here := page.All("aside a[aria-current=page]"); len(here) != 1 || here[0].Text() != "Runbooks" {
		t.Errorf("%d sections are marked", len(here))
	}
	if !page.First("#keys").Is() || page.Header.Get("X-PageFree-Keep") != "1" {
		t.Error("no keys, or not kept")
	}
	if got := s.As(person(principal.TeamAdmin)).Get(t, "/console/stub/denied").Header.Get("X-PageFree-Keep"); got != "" {
		t.Error("a refusal may be kept")
	}
}

// TestFrame holds the frame and every part of a page against what they were, hostile texts among them.
func TestFrame(t *testing.T) {
	p := person(principal.TeamAdmin)
	p.Name = consoletest.Hostile
	page := site(t, origin.Origin{}).As(p).Get(t, "/console/stub/parts?did=saved").Want(t, 200)
	got := []byte(unhashed(page.Body))
	path := filepath.Join("testdata", "frame.golden.html")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the page is not as %s has it (go test -update writes it anew):\n%s", path, got)
	}
	page.Shows(t, "Pending review", "1 min ago", "usr…9G5FAV", "you", "2 steps", "Is "+consoletest.Hostile, "It goes for good.", "Make one.")
	form := page.Form(t, "Save").Values
	if form.Get("name") != consoletest.Hostile || form.Get("severity") != "LOW" || form.Get("kinds") != "a" || form.Get("text") != "\nlines" {
		t.Errorf("the form holds %v", form)
	}
	if part := site(t, origin.Origin{}).As(p).Get(t, "/console/stub/part"); part.Text() != consoletest.Hostile {
		t.Errorf("a part shows %q", part.Text())
	}
}

// unhashed are the addresses of assets by their own names, which change less.
func unhashed(body string) string {
	parts := strings.Split(body, "/console/assets/")
	for i, part := range parts[1:] {
		if at := strings.Index(part, "."); at >= 0 && len(part) > at+13 {
			parts[i+1] = part[:at] + part[at+13:]
		}
	}
	return strings.Join(parts, "/console/assets/")
}

// TestRoutesAlone: the routes of pages can be registered where nothing is served.
func TestRoutesAlone(t *testing.T) {
	api := httpapi.New()
	var none *console.Console
	none.Room(api, "x", templates, nil).Get("/console/x", nil)
	if got := api.Routes(); !slices.Equal(got, []string{"GET /console/x"}) {
		t.Errorf("got %q", got)
	}
}
