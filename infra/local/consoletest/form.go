package consoletest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Form is a form of a page, filled as the page filled it.
type Form struct {
	Values url.Values
	page   *Page
	node   Node
	button Node
}

// sends reports whether a button sends its form.
func sends(b Node) bool {
	return (b.Attr("type") == "" || b.Attr("type") == "submit") && b.Parent("form").Attr("method") != "dialog"
}

// Form is the form that the button of a name sends; without one the test ends.
func (p *Page) Form(t testing.TB, button string) *Form {
	t.Helper()
	for _, b := range p.main().All("form button") {
		if sends(b) && b.Text() == button {
			return p.formOf(b)
		}
	}
	t.Fatalf("%s has no button %q, but %q", p.at, button, p.Buttons())
	return nil
}

// FormTo is the form that is sent to an address; without one the test ends.
func (p *Page) FormTo(t testing.TB, action string) *Form {
	t.Helper()
	var actions []string
	for _, f := range p.main().All("form") {
		if f.Attr("action") == action && f.Attr("method") == "post" {
			for _, b := range f.All("button") {
				if sends(b) {
					return p.formOf(b)
				}
			}
		}
		actions = append(actions, f.Attr("action"))
	}
	t.Fatalf("%s has no form to %q, but %q", p.at, action, actions)
	return nil
}

// HasFormTo reports whether the content has a form that is sent to an address.
func (p *Page) HasFormTo(action string) bool {
	return p.main().First("form[action=" + action + "]").Is()
}

func (p *Page) formOf(button Node) *Form {
	f := &Form{Values: url.Values{}, page: p, node: button.Parent("form"), button: button}
	for _, e := range f.controls() {
		name := e.Attr("name")
		switch {
		case e.Has("disabled") || name == "":
		case e.Tag() == "select":
			options := e.All("option")
			chosen := -1
			for i, o := range options {
				if o.Has("selected") {
					chosen = i
					if e.Has("multiple") {
						f.Values.Add(name, value(o))
					}
				}
			}
			if !e.Has("multiple") && len(options) > 0 {
				f.Values.Add(name, value(options[max(chosen, 0)]))
			}
		case e.Tag() == "textarea":
			raw := ""
			if e.n.FirstChild != nil {
				raw = e.n.FirstChild.Data
			}
			f.Values.Add(name, raw)
		case ticked(e):
			if e.Has("checked") {
				f.Values.Add(name, value(e))
			}
		default:
			f.Values.Add(name, e.Attr("value"))
		}
	}
	return f
}

func (f *Form) controls() []Node {
	var all []Node
	for _, e := range f.node.All("[name]") {
		switch e.Tag() {
		case "input", "select", "textarea":
			all = append(all, e)
		}
	}
	return all
}

func ticked(e Node) bool { return e.Attr("type") == "checkbox" || e.Attr("type") == "radio" }

// value is that of an option or a box; an option without one has its text.
func value(e Node) string {
	v, has := e.attr("value")
	switch {
	case has:
		return v
	case e.Tag() == "option":
		return e.Text()
	}
	return "on"
}

// Set fills a field, by its name, with one value, or several where it takes them. What the form does not have, or a
// select does not offer, ends the test.
func (f *Form) Set(t testing.TB, name string, values ...string) *Form {
	t.Helper()
	var names, offered []string
	found := false
	for _, e := range f.controls() {
		names = append(names, e.Attr("name"))
		if e.Attr("name") != name {
			continue
		}
		found = true
		switch {
		case e.Tag() == "select":
			for _, o := range e.All("option") {
				offered = append(offered, value(o))
			}
		case ticked(e):
			offered = append(offered, value(e))
		}
	}
	if !found {
		t.Fatalf("%s: the form has no field %q, but %q", f.page.at, name, names)
	}
	for _, v := range values {
		if offered != nil && !contains(offered, v) {
			t.Fatalf("%s: the field %q does not offer %q, but %q", f.page.at, name, v, offered)
		}
	}
	f.Values[name] = values
	return f
}

func contains(all []string, one string) bool {
	for _, v := range all {
		if v == one {
			return true
		}
	}
	return false
}

// Offers are the values of a select or of boxes of a name.
func (f *Form) Offers(name string) []string {
	var all []string
	for _, e := range f.controls() {
		if e.Attr("name") != name {
			continue
		}
		if e.Tag() == "select" {
			for _, o := range e.All("option") {
				all = append(all, value(o))
			}
		} else if ticked(e) {
			all = append(all, value(e))
		}
	}
	return all
}

// Send presses the button.
func (f *Form) Send(t testing.TB, headers ...string) *Page {
	t.Helper()
	if name := f.button.Attr("name"); name != "" {
		f.Values.Set(name, f.button.Attr("value"))
	}
	action := f.node.Attr("action")
	if own := f.button.Attr("formaction"); own != "" {
		action = own
	}
	if strings.EqualFold(f.node.Attr("method"), http.MethodPost) {
		return f.page.browser.Post(t, action, f.Values, headers...)
	}
	path, _, _ := strings.Cut(action, "?")
	return f.page.browser.Get(t, path+"?"+f.Values.Encode(), headers...)
}
