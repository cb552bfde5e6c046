// Package pageform is what the forms about a status page have in common, which
// two functions read: the one that publishes, and the one that tells who would
// see it before.
package pageform

import (
	"maps"
	"slices"
	"strings"
	"time"

	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/web/console"
)

// Names of fields. A component's status is in a field of its own, its id after
// Status; a maintenance lies over those in Components.
const (
	Status     = "status."
	Components = "components"
	Audience   = "audience" // All or Chosen
	Access     = "access"   // ids of the partners' accesses that are chosen
)

// Who something is meant for, in the field Audience.
const (
	All    = "all"
	Chosen = "chosen"
)

// Touched are the components that a form gives a status, as the API's body has them.
func Touched(f console.Form) []map[string]any {
	out := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(f.Values)) {
		if id, ok := strings.CutPrefix(name, Status); ok && f.Get(name) != "" {
			out = append(out, map[string]any{"id": id, "status": f.Get(name)})
		}
	}
	return out
}

// Addressed is the audience that a form says, as the API's body has it. Whoever
// ticks partners and leaves it meant for all is asked what they mean.
func Addressed(f console.Form) (any, error) {
	chosen := f.All(Access)
	if f.Get(Audience) == Chosen {
		return map[string]any{"partnerAccessIds": append([]string{}, chosen...)}, nil
	}
	if len(chosen) > 0 {
		return nil, problem.InvalidField("body."+Audience, "it is meant for everybody, but you chose partners: choose \"Only those chosen\", or untick them")
	}
	return nil, nil
}

// layout is how a browser sends a date and a time: without a zone.
const layout = "2006-01-02T15:04"

// Time reads a field of date and time in a zone. A text that is none stays a
// text, so that the schema says what is wrong with it; a time that a clock
// there skips is refused, not guessed.
func Time(f console.Form, name string, zone *time.Location) (any, error) {
	text := f.Get(name)
	local, err := time.ParseInLocation(layout, text, zone)
	if err != nil {
		return text, nil
	}
	if local.Format(layout) != text {
		return nil, problem.InvalidField("body."+name, "this time does not exist in %s: the clocks go forward then", zone)
	}
	return timestamp.Of(local).String(), nil
}

// InZone is a time as a field of date and time holds it.
func InZone(t timestamp.Time, zone *time.Location) string { return t.In(zone).Format(layout) }

// Said is a time in a page's zone, as a page says it: "29 Nov 2026, 17:41 CET".
func Said(t timestamp.Time, zone *time.Location) string {
	return t.In(zone).Format("2 Jan 2006, 15:04 MST")
}

// Zone is a page's time zone; UTC where it is not known here.
func Zone(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return time.UTC
	}
	return zone
}

// Tab leads to one side of a status page.
type Tab struct {
	Name string
	Path string
	Here bool
}

// Tabs are the sides of a page; admin has one more.
func Tabs(pageID, here string, admin bool) []Tab {
	at := "/console/status-pages/" + pageID
	tabs := []Tab{{"Page", at, false}, {"Incidents", at + "/incidents", false}, {"Maintenances", at + "/maintenances", false}, {"Partners", at + "/partners", false}}
	if admin {
		tabs = append(tabs, Tab{"Settings", at + "/settings", false})
	}
	for i := range tabs {
		tabs[i].Here = tabs[i].Name == here
	}
	return tabs
}

// Stale is a form that was filled in from an older revision, to be sent once
// more: it keeps what was typed, and goes by the revision that there is now.
func Stale(with console.Form, refused error, rev string) console.Form {
	if console.Is(refused, problem.PreconditionFailed) {
		with.Values.Set("rev", rev)
		with.Text = "Somebody changed this since you opened the form. What you typed is still here. Look at what they changed in another tab first: sending this again replaces it."
	}
	return with
}
