package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/web/console/assets"
)

//go:embed templates/*.html
var files embed.FS

// common are the frame and the parts that every room's templates may use.
func (c *Console) common() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"to":      c.at.Path,
		"asset":   func(name string) string { return c.at.Path(assets.Path(name)) },
		"dict":    dict,
		"query":   url.QueryEscape,
		"tone":    tone,
		"word":    word,
		"lower":   strings.ToLower,
		"plain":   Plain,
		"member":  member,
		"short":   short,
		"count":   count,
		"words":   func(all ...string) []string { return all },
		"options": Options,
	}).ParseFS(files, "templates/*.html"))
}

// Page is one whole page.
type Page struct {
	Title  string
	Crumbs []Crumb // what lies above it; the section itself is the first
	View   any     // what its template shows
	Live   bool    // it has parts that follow changes by themselves
	Keep   bool    // a browser may keep its last copy, to be seen without a network
}

// Crumb leads to a page above.
type Crumb struct {
	Name string
	Path string
}

// frame is what the template of the frame shows.
type frame struct {
	Page
	Name  string
	Email string
	Nav   []navGroup
	Did   string
	Body  template.HTML
}

// Show answers a whole page, of the template of a name.
func (c *Call) Show(name string, p Page) error { return c.show(http.StatusOK, p, name, p.View) }

// Again answers a form's page once more, with what is wrong in it.
func (c *Call) Again(name string, p Page) error {
	return c.show(http.StatusUnprocessableEntity, p, name, p.View)
}

// Answer is Show with a status of its own.
func (c *Call) Answer(status int, name string, p Page) error { return c.show(status, p, name, p.View) }

func (c *Call) show(status int, p Page, name string, view any) error {
	body, err := c.render(name, view)
	if err != nil {
		return err
	}
	f := frame{
		Page: p, Name: c.Who.Name, Email: c.Who.Email, Nav: c.nav(),
		Did: done[c.R.URL.Query().Get("did")], Body: template.HTML(body.String()), // rendered by html/template
	}
	if c.Who.ID != "" {
		c.W.Header().Set(personHeader, c.Who.ID)
	}
	if p.Keep && status == http.StatusOK {
		c.W.Header().Set("X-PageFree-Keep", "1")
	}
	return c.write(status, "frame", f)
}

// Fragment answers a part of a page, which a script swaps in.
func (c *Call) Fragment(name string, view any) error { return c.write(http.StatusOK, name, view) }

func (c *Call) write(status int, name string, view any) error {
	body, err := c.render(name, view)
	if err != nil {
		return err
	}
	c.W.Header().Set("Content-Type", "text/html; charset=utf-8")
	c.W.WriteHeader(status)
	_, err = body.WriteTo(c.W)
	return err
}

func (c *Call) render(name string, view any) (*bytes.Buffer, error) {
	var b bytes.Buffer
	if err := c.room.parsed().ExecuteTemplate(&b, name, view); err != nil {
		return nil, fmt.Errorf("page %s: %w", name, err)
	}
	return &b, nil
}

// Moment is a time as a page shows it: how long ago, and exactly.
type Moment struct {
	Exact string // RFC 3339, for scripts
	Full  string // "29 Nov 2026, 17:41:09 UTC"
	Text  string // "3 min ago"
}

// Ago is a time seen from now. The zero Moment is no time.
func (c *Call) Ago(t timestamp.Time) Moment {
	if t.IsZero() {
		return Moment{}
	}
	return Moment{Exact: t.String(), Full: t.UTC().Format("2 Jan 2006, 15:04:05 UTC"), Text: ago(c.now.Sub(t.Time), t.UTC(), c.now.UTC())}
}

// AgoOr is Ago of what may not have been.
func (c *Call) AgoOr(t *timestamp.Time) Moment {
	if t == nil {
		return Moment{}
	}
	return c.Ago(*t)
}

func ago(d time.Duration, t, now time.Time) string {
	later := d < 0
	if later {
		d = -d
	}
	var text string
	switch {
	case d < 45*time.Second && !later, d < 5*time.Second: // clocks differ
		return "just now"
	case d < time.Minute:
		text = fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		text = fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		text = fmt.Sprintf("%d h", int(d.Hours()))
	case d < 14*24*time.Hour:
		text = fmt.Sprintf("%d days", int(d.Hours()/24))
	case t.Year() == now.Year():
		return t.Format("2 Jan")
	default:
		return t.Format("2 Jan 2006")
	}
	if later {
		return "in " + text
	}
	return text + " ago"
}

// Span is how long something took, or goes on: "4.2 s", "1 min 30 s".
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return ""
	case d < 100*time.Millisecond:
		return "under 0.1 s"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// Person is somebody as a page names them: by name where it is known, else by
// an id that a script replaces, and that leads to who it is.
type Person struct {
	ID   string
	Name string // "you", a system, or ""
}

// By is who did something, by the id of a user, a key, an integration or a run.
func (c *Call) By(actorID string) Person {
	switch {
	case actorID == "":
		return Person{}
	case actorID == c.Who.ID:
		return Person{Name: "you"}
	}
	kind, _, _ := strings.Cut(actorID, "_")
	switch kind {
	case id.User:
		return Person{ID: actorID}
	case id.APIKey:
		return Person{Name: "an API key"}
	case id.Integration:
		return Person{Name: "an integration"}
	case id.WorkflowRun, id.Workflow:
		return Person{Name: "a workflow"}
	}
	return Person{Name: "PageFree"}
}

// ByOr is By of what may be nobody.
func (c *Call) ByOr(actorID *string) Person {
	if actorID == nil {
		return Person{}
	}
	return c.By(*actorID)
}

// Pager leads through a list.
type Pager struct {
	First string // to the newest, "" at the newest
	Next  string // to what is older, "" at the end
}

// perPage is how many items a list shows.
const perPage = 50

// List reads one page of a list by the cursor of the request's query. list
// reads it of the service.
func List[T any](c *Call, cursors *httpapi.Cursors, list func(httpapi.Page) (items []T, next string, err error)) ([]T, Pager, error) {
	q := c.R.URL.Query()
	at := q.Get("cursor")
	q.Del("cursor")
	q.Del("did")
	here := (&url.URL{Path: c.R.URL.Path, RawQuery: q.Encode()}).RequestURI()
	page, err := cursors.Open(c.R.Context(), httpapi.PageInput{Limit: perPage, Cursor: at}, "console", here)
	if err != nil {
		return nil, Pager{}, err
	}
	items, next, err := list(page)
	if err != nil {
		return nil, Pager{}, err
	}
	sealed, err := cursors.Seal(c.R.Context(), next, "console", here)
	if err != nil {
		return nil, Pager{}, err
	}
	var pager Pager
	if at != "" {
		pager.First = here
	}
	if sealed != nil {
		q.Set("cursor", *sealed)
		pager.Next = c.R.URL.Path + "?" + q.Encode()
	}
	return items, pager, nil
}

// All reads a whole list, for what has to be chosen from: at most 1,000 items.
func All[T any](list func(httpapi.Page) (items []T, next string, err error)) ([]T, error) {
	var all []T
	page := httpapi.Page{Limit: 200}
	for range 5 {
		items, next, err := list(page)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
		if next == "" {
			break
		}
		page.Before = next
	}
	return all, nil
}

// dict makes a map of names and values, for a template that takes several.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict takes names and values")
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no name", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

// nav

type navGroup struct {
	Name  string
	Items []navItem
}

type navItem struct {
	Name string
	Path string
	Icon string
	Key  string // pressed after g
	Here bool
}

// sections are the pages' groups, in the order of an incident's life. least is
// who has any use for one; the services decide who may what.
var sections = []struct {
	group, id, name, path, icon, key string
	least                            principal.Role
}{
	{"Respond", "incidents", "Incidents", "/console/incidents", "alert", "i", principal.Observer},
	{"Respond", "executions", "Executions", "/console/executions", "play", "e", principal.Observer},
	{"Respond", "workflows", "Workflows", "/console/workflows", "flow", "w", principal.Observer},
	{"Prepare", "runbooks", "Runbooks", "/console/runbooks", "book", "r", principal.Observer},
	{"Prepare", "reviews", "Reviews", "/console/reviews", "check", "v", principal.TeamAdmin},
	{"Prepare", "targets", "Targets", "/console/targets", "server", "", principal.TeamAdmin},
	{"Prepare", "secrets", "Secrets", "/console/secrets", "lock", "", principal.TeamAdmin},
	{"Prepare", "services", "Services", "/console/services", "box", "", principal.Observer},
	{"Prepare", "integrations", "Integrations", "/console/integrations", "plug", "", principal.TeamAdmin},
	{"Tell", "status-pages", "Status pages", "/console/status-pages", "pulse", "s", principal.Observer},
	{"Tell", "partners", "Partners", "/console/partners", "people", "p", principal.TeamAdmin},
	{"Govern", "audit", "Audit", "/console/audit", "list", "a", principal.TeamAdmin},
	{"Govern", "people", "People and teams", "/console/people", "person", "", principal.Observer},
	{"Govern", "api-keys", "API keys", "/console/api-keys", "key", "", principal.TeamAdmin},
}

func (c *Call) nav() []navGroup {
	var groups []navGroup
	for _, s := range sections {
		if !c.Who.Best().AtLeast(s.least) {
			continue
		}
		if n := len(groups); n == 0 || groups[n-1].Name != s.group {
			groups = append(groups, navGroup{Name: s.group})
		}
		g := &groups[len(groups)-1]
		g.Items = append(g.Items, navItem{s.name, s.path, s.icon, s.key, s.id == c.room.section})
	}
	return groups
}
