package incidents

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"pagefree/internal/incident"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/web/console"
)

// editView is the form of something that others may change meanwhile: it holds
// the revision that it was read at. What was written since stands beside what
// was typed, and sending it again then takes the place of that.
type editView struct {
	Form console.Form
	ID   string
	Name string
	Now  []now // what somebody else wrote
}

type now struct{ Name, Value string }

func revisionOf(f console.Form) string { return f.Get("rev") }

// since are the fields whose value is another now than the form has.
func since(typed, is console.Form, names ...string) []now {
	var differ []now
	for _, name := range names {
		if a, b := typed.Get(name), is.Get(name); strings.TrimSpace(a) != strings.TrimSpace(b) {
			differ = append(differ, now{name, b})
		}
	}
	return differ
}

func formOf(i incident.Incident) console.Form {
	return console.NewForm(map[string]string{
		"rev": httpapi.Revision(i.Rev), "title": i.Title, "description": i.Description, "severity": string(i.Severity), "labels": labelsText(i.Labels),
	})
}

// labelsText is labels a line each, name = value. A value that would not come
// back from a line as it is stands in quotes, with escapes.
func labelsText(labels map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		v := labels[name]
		if strings.ContainsFunc(v, unicode.IsControl) || strings.HasPrefix(v, `"`) || v != strings.TrimSpace(v) {
			v = strconv.Quote(v)
		}
		fmt.Fprintf(&b, "%s = %s\n", name, v)
	}
	return b.String()
}

// readLabels reads what labelsText wrote, and what people make of it.
func readLabels(text string) (map[string]any, error) {
	labels := map[string]any{}
	for n, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, v, ok := strings.Cut(line, "=")
		name, v = strings.TrimSpace(name), strings.TrimSpace(v)
		if !ok || name == "" {
			return nil, problem.InvalidField("body.labels", "line %d is not name = value", n+1)
		}
		if strings.HasPrefix(v, `"`) {
			plain, err := strconv.Unquote(v)
			if err != nil {
				return nil, problem.InvalidField("body.labels", "the quotes of line %d do not fit", n+1)
			}
			v = plain
		}
		if _, twice := labels[name]; twice {
			return nil, problem.InvalidField("body.labels", "%s is there twice", name)
		}
		labels[name] = v
	}
	return labels, nil
}

func (p *pages) edit(c *console.Call) error {
	i, err := p.desk.Get(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	if _, err := principal.Require(c.R.Context(), i.TeamID, principal.Responder); err != nil {
		return err
	}
	return c.Show("incident-edit", editPage(editView{Form: formOf(i), ID: i.ID, Name: i.Title}))
}

func editPage(v editView) console.Page {
	return console.Page{Title: "Edit " + v.Name, Crumbs: append(crumbs[:1:1], console.Crumb{Name: v.Name, Path: "/console/incidents/" + v.ID}), View: v}
}

func (p *pages) change(c *console.Call) error {
	f, incidentID := c.Sent(), c.R.PathValue("id")
	labels, err := readLabels(f.Get("labels"))
	var patch incident.IncidentPatch
	if err == nil {
		patch, err = httpapi.Read[incident.IncidentPatch](map[string]any{
			"title": f.Get("title"), "description": f.Get("description"), "severity": f.Get("severity"), "labels": labels,
		})
	}
	if err == nil {
		_, err = p.desk.Update(c.R.Context(), incidentID, revisionOf(f), patch)
	}
	if err == nil {
		return c.See("/console/incidents/"+incidentID, "saved")
	}
	with, ok := f.With(err)
	if !ok {
		return err
	}
	i, rerr := p.desk.Get(c.R.Context(), incidentID)
	if rerr != nil {
		return rerr
	}
	v := editView{Form: with, ID: i.ID, Name: i.Title}
	if console.Is(err, problem.PreconditionFailed) {
		v.Now = since(with, formOf(i), "title", "description", "severity", "labels")
		v.Form.Values.Set("rev", httpapi.Revision(i.Rev))
	}
	return c.Answer(http.StatusUnprocessableEntity, "incident-edit", editPage(v))
}
