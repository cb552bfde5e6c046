package statuspage

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

//go:embed templates/*.html
var files embed.FS

// templates are read when the first page is asked for: who asks for JSON alone does not wait for it.
var templates = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"markdown": markdown.HTML,
		"percent":  percent,
	}).ParseFS(files, "templates/*.html"))
})

// document renders one of the templates.
func document(name string, data any) (answer, error) {
	var b bytes.Buffer
	err := templates().ExecuteTemplate(&b, name+".html", data)
	return answer{media: "text/html; charset=utf-8", body: b.Bytes()}, err
}

// frame is what every document has around its own.
type frame struct {
	at      place
	Title   string
	Accent  string // rrggbb, or ""
	Logo    string // hash, or ""
	Zone    string // IANA name
	Live    bool   // refreshes itself
	Feed    string // link to the feed, or ""
	SignOut bool
	Preview string // who sees the page so; "" where it is no preview
	Updated *moment
}

// To is the link to a path of ours.
func (f frame) To(ours string) string { return f.at.to(ours) }

// Asset is the link to a file of ours.
func (f frame) Asset(name string) string { return f.at.to("/status/assets/" + hashed(name)) }

func frameOf(at place, who principal.Principal) frame {
	return frame{at: at, SignOut: who.Partner != nil && who.Partner.Via == seat.BySession}
}

func whoOf(r *http.Request) principal.Principal {
	who, _ := principal.PartnerOf(r.Context())
	return who
}

// viewFrame is the frame of a page's own documents.
func viewFrame(at place, who principal.Principal, v status.View) frame {
	f := frameOf(at, who)
	f.Title, f.Zone, f.Logo, f.Live = v.Name, v.TimeZone, v.Logo, true
	if len(v.Accent) == 7 {
		f.Accent = v.Accent[1:]
	}
	updated := momentOf(v.UpdatedAt, v.Zone)
	f.Updated = &updated
	f.Feed = f.To("/status/" + v.Slug + "/feed.atom")
	return f
}

type listPage struct {
	frame
	Items []item
}

// moment is a time as a page shows it: in its zone, and exactly for the reader's browser.
type moment struct {
	Exact string
	Text  string
}

func momentOf(t timestamp.Time, zone *time.Location) moment {
	return moment{t.String(), clock(t.In(zone))}
}

func spanOf(from, to timestamp.Time, zone *time.Location) (moment, moment) {
	a, b := span(from.In(zone), to.In(zone))
	return moment{from.String(), a}, moment{to.String(), b}
}

type update struct {
	Word       string
	At         moment
	Body       string
	More       bool
	Components []touched
}

type touched struct {
	Name string
	state
}

type incident struct {
	ID      string
	Title   string
	Link    string
	Impact  state
	Word    string // its status
	Over    bool
	Started moment
	Ended   *moment
	Touched []touched
	Updates []update
	Earlier int // updates that are not shown here
}

type maintenance struct {
	ID      string
	Title   string
	Word    string
	Running bool
	From    moment
	To      moment
	Body    string
	More    bool
	Touched []touched
	Updates []update
}

type component struct {
	status.ViewComponent
	State state
	Strip strip
}

type group struct {
	Name       string
	ID         string
	State      state // of its worst component
	Open       bool
	Components []component
}

type pastDay struct {
	Date         string // 2006-01-02
	Text         string
	Month        string     // where it is the first of its month in the list
	Open         []incident // told of above, on the same document
	Incidents    []incident
	Maintenances []maintenance
	Troubled     []touchedDay
}

// touchedDay is a component on a day that was not all well.
type touchedDay struct {
	Name string
	state
	Detail string
}

// Bounds of what a page shows of long stories.
const (
	shownUpdates = 10 // of an open incident
	pastUpdates  = 3  // of one that is over
	pastDays     = 14
	manyShown    = 40 // components: beyond, groups that are well are folded
)

type pageData struct {
	frame
	View         status.View
	Banner       string
	Incidents    []incident
	Maintenances []maintenance
	Groups       []group
	Past         []pastDay
	Formula      string
	History      string // link
}

func statusPage(at place, who principal.Principal, v status.View) (answer, error) {
	return document("page", dataOf(viewFrame(at, who, v), v))
}

func dataOf(f frame, v status.View) pageData {
	d := pageData{
		frame: f, View: v, Banner: bannerStates[v.Indicator], Formula: status.Formula,
		Groups: groupsOf(v), History: f.To("/status/" + v.Slug + "/history"),
	}
	if v.Indicator == status.ImpactNone && slices.ContainsFunc(v.Components, func(c status.ViewComponent) bool { return c.Status == status.UnderMaintenance }) {
		d.Banner = "work"
	}
	for _, i := range v.Incidents {
		d.Incidents = append(d.Incidents, incidentOf(f, v, i, shownUpdates))
	}
	for _, m := range v.Maintenances {
		d.Maintenances = append(d.Maintenances, maintenanceOf(v, m))
	}
	for _, day := range remembered(v)[:pastDays] {
		past := pastDayOf(f, v, day, pastUpdates)
		past.Open = slices.DeleteFunc(slices.Clone(past.Incidents), func(i incident) bool { return i.Over })
		past.Incidents = slices.DeleteFunc(past.Incidents, func(i incident) bool { return !i.Over })
		d.Past = append(d.Past, past)
	}
	return d
}

func groupsOf(v status.View) []group {
	var out []group
	for n, c := range v.Components {
		if n == 0 || c.Group == "" || v.Components[n-1].Group != c.Group {
			out = append(out, group{Name: c.Group, State: componentStates[status.Operational]})
			if c.Group != "" {
				out[len(out)-1].ID = "g-" + idOf("group", v.Slug, c.Group)
			}
		}
		g := &out[len(out)-1]
		g.Components = append(g.Components, component{c, componentStates[c.Status], stripOf(c.Days)})
	}
	for n := range out {
		worst := status.Operational
		for _, c := range out[n].Components {
			worst = graver(worst, c.Status)
		}
		out[n].State = componentStates[worst]
		out[n].Open = len(v.Components) <= manyShown || worst != status.Operational
	}
	return out
}

func touchedsOf(list []status.ViewTouched) []touched {
	var out []touched
	for _, t := range list {
		out = append(out, touched{t.Name, componentStates[t.Status]})
	}
	return out
}

func incidentOf(f frame, v status.View, i status.ViewIncident, shown int) incident {
	out := incident{
		ID: i.ID, Title: i.Title, Link: f.To("/status/" + v.Slug + "/incidents/" + i.ID), Impact: impactStates[i.Impact],
		Word: incidentWords[i.Status], Over: i.Status.Over(), Started: momentOf(i.StartedAt, v.Zone), Touched: touchedsOf(i.Components),
	}
	if i.ResolvedAt != nil {
		began, ended := spanOf(i.StartedAt, *i.ResolvedAt, v.Zone)
		out.Started, out.Ended = began, &ended
	}
	for n, u := range i.Updates {
		if n == shown {
			out.Earlier = len(i.Updates) - shown
			break
		}
		out.Updates = append(out.Updates, update{incidentWords[u.Status], momentOf(u.At, v.Zone), u.Body, u.More, touchedsOf(u.Components)})
	}
	return out
}

func maintenanceOf(v status.View, m status.ViewMaintenance) maintenance {
	out := maintenance{
		ID: m.ID, Title: m.Title, Word: maintenanceWords[m.Status], Running: m.Status == status.InProgress || m.Status == status.Verifying,
		Body: m.Body, More: m.More, Touched: touchedsOf(m.Components),
	}
	out.From, out.To = spanOf(m.StartsAt, m.EndsAt, v.Zone)
	for _, u := range m.Updates {
		out.Updates = append(out.Updates, update{Word: maintenanceWords[u.Status], At: momentOf(u.At, v.Zone), Body: u.Body, More: u.More})
	}
	return out
}

func pastDayOf(f frame, v status.View, d day, shown int) pastDay {
	out := pastDay{Date: d.date, Text: dates(d.date, d.date)}
	for _, i := range d.incidents {
		out.Incidents = append(out.Incidents, incidentOf(f, v, i, shown))
	}
	for _, m := range d.maintenances {
		out.Maintenances = append(out.Maintenances, maintenanceOf(v, m))
	}
	return out
}

type incidentData struct {
	frame
	View     status.View
	Incident incident
	Back     string
}

// all is more updates than any incident has.
const all = 1 << 30

func incidentPage(at place, who principal.Principal, v status.View, i status.ViewIncident) (answer, error) {
	f := viewFrame(at, who, v)
	d := incidentData{View: v, Incident: incidentOf(f, v, i, all), Back: f.To("/status/" + v.Slug)}
	f.Title = i.Title + " · " + v.Name
	*f.Updated = momentOf(i.UpdatedAt, v.Zone)
	d.frame = f
	return document("incident", d)
}

type historyData struct {
	frame
	View    status.View
	Days    []pastDay
	Older   string // link, or ""
	Newest  string // link, or ""
	Back    string
	Formula string
}

func historyPage(at place, who principal.Principal, v status.View, days []day, cursor *string, asked url.Values) (answer, error) {
	f := viewFrame(at, who, v)
	d := historyData{View: v, Back: f.To("/status/" + v.Slug), Formula: status.Formula}
	here := f.To("/status/" + v.Slug + "/history")
	if asked.Has("cursor") {
		d.Newest = here
	}
	if cursor != nil {
		older := url.Values{"cursor": {*cursor}}
		if asked.Has("limit") {
			older.Set("limit", asked.Get("limit"))
		}
		d.Older = here + "?" + older.Encode()
	}
	month := ""
	for _, one := range days {
		shown := pastDayOf(f, v, one, pastUpdates)
		if t, err := time.Parse(time.DateOnly, one.date); err == nil && t.Format("January 2006") != month {
			month = t.Format("January 2006")
			shown.Month = month
		}
		for _, c := range v.Components {
			if st := componentStates[c.Days[one.at].Worst]; st.Class != "ok" && st.Class != "gap" {
				shown.Troubled = append(shown.Troubled, touchedDay{c.Name, st, detail(c.Days[one.at], one.at == len(c.Days)-1)})
			}
		}
		d.Days = append(d.Days, shown)
	}
	f.Title = "History · " + v.Name
	d.frame = f
	return document("history", d)
}

type refusalData struct {
	frame
	Heading string
	Text    string
	Advice  string
	Code    problem.Code
	SignIn  string // link, or ""
}

// refusals are headings and advice of what a browser may be refused with.
var refusals = map[problem.Code][2]string{
	"access_revoked":      {"Your access has ended", "If you think that this is a mistake, ask the people who gave you access."},
	"access_expired":      {"Your access has expired", "Ask the people who gave you access to renew it."},
	"ip_not_allowed":      {"Not from here", "Try again from your company's network, or ask the people who gave you access to allow this address."},
	problem.NotFound:      {"There is nothing here", "The address may be mistyped, or the page may have moved."},
	problem.Forbidden:     {"This page is for partners", ""},
	problem.Unavailable:   {"Back in a moment", "This page cannot be shown right now. That says nothing about the services themselves."},
	problem.CursorInvalid: {"This link is out of date", "Start again from the newest days."},
}

func refusalOf(f frame, b *problem.Body) refusalData {
	d := refusalData{frame: f, Heading: "This did not work", Text: b.Detail, Code: b.Code}
	if known, ok := refusals[b.Code]; ok {
		d.Heading, d.Advice = known[0], known[1]
	}
	d.Title = d.Heading
	if b.Status == http.StatusForbidden || b.Status == http.StatusNotFound {
		d.SignIn = f.To("/signin")
	}
	return d
}
