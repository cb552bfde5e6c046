package runbook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
)

// Diff is what differs between two versions.
type Diff struct {
	From    int      `json:"from" doc:"0: against nothing"`
	To      int      `json:"to"`
	Unified string   `json:"unified" doc:"unified diffs of the script, the parameters and the settings, one after the other"`
	Changed []string `json:"changed" doc:"names members of a version"`

	Warnings    []string `json:"warnings,omitempty"`
	deprecation string
}

// content is what the writer of a version said of it.
func (v Version) content() Content {
	return Content{
		Language: v.Language, ScriptContent: v.ScriptContent, Parameters: v.Parameters, Target: v.Target,
		TimeoutSeconds: v.TimeoutSeconds, MaxRetries: v.MaxRetries, Idempotent: v.Idempotent, Concurrency: v.Concurrency,
		MaxRunsPerHour: v.MaxRunsPerHour, ServiceID: v.ServiceID, RequiresConfirm: v.RequiresConfirm, Risk: v.Risk,
		ChangeNote: v.ChangeNote,
	}
}

// version is a draft with this content.
func (c Content) version() Version {
	return Version{
		Status: Draft, Language: c.Language, ScriptContent: c.ScriptContent, Parameters: c.Parameters, Target: c.Target,
		TimeoutSeconds: c.TimeoutSeconds, MaxRetries: c.MaxRetries, Idempotent: c.Idempotent, Concurrency: c.Concurrency,
		MaxRunsPerHour: c.MaxRunsPerHour, ServiceID: c.ServiceID, RequiresConfirm: c.RequiresConfirm, Risk: c.Risk,
		ChangeNote: c.ChangeNote,
	}
}

// member is one member of a content, as indented JSON; the script as it is.
type member struct{ name, text string }

// members are those of Content by their JSON names, in its order. The change
// note says why, and decides nothing.
func (v Version) members() ([]member, error) {
	c := reflect.ValueOf(v.content())
	var all []member
	for i := range c.NumField() {
		name, _, _ := strings.Cut(c.Type().Field(i).Tag.Get("json"), ",")
		text := v.ScriptContent
		if name == "changeNote" {
			continue
		}
		if name != "scriptContent" {
			var b bytes.Buffer
			e := json.NewEncoder(&b)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			if err := e.Encode(c.Field(i).Interface()); err != nil {
				return nil, err
			}
			text = strings.TrimSuffix(b.String(), "\n")
		}
		all = append(all, member{name: name, text: text})
	}
	return all, nil
}

// compare is the diff from one version to another; a zero from is no version.
func compare(from, to Version) (Diff, error) {
	d := Diff{From: from.Version, To: to.Version, Changed: []string{}}
	after, err := to.members()
	if err != nil {
		return d, err
	}
	before := make([]member, len(after))
	if from.Version > 0 {
		if before, err = from.members(); err != nil {
			return d, err
		}
	}
	var oldSettings, newSettings strings.Builder
	var out bytes.Buffer
	for i, m := range after {
		if before[i].text != m.text {
			d.Changed = append(d.Changed, m.name)
		}
		switch m.name {
		case "scriptContent": // as it is: a missing last newline shows
			out.Write(diff.Diff(label(from, m.name), []byte(before[i].text), label(to, m.name), []byte(m.text)))
		case "parameters":
			out.Write(diff.Diff(label(from, m.name), line(before[i].text), label(to, m.name), line(m.text)))
		default:
			if from.Version > 0 {
				fmt.Fprintf(&oldSettings, "%s: %s\n", m.name, before[i].text)
			}
			fmt.Fprintf(&newSettings, "%s: %s\n", m.name, m.text)
		}
	}
	out.Write(diff.Diff(label(from, "settings"), []byte(oldSettings.String()), label(to, "settings"), []byte(newSettings.String())))
	d.Unified = out.String()
	return d, nil
}

func label(v Version, part string) string { return fmt.Sprintf("v%d/%s", v.Version, part) }

func line(text string) []byte {
	if text == "" {
		return nil
	}
	return []byte(text + "\n")
}
