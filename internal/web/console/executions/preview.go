package executions

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"pagefree/internal/execution"
	"pagefree/internal/platform/template"
	"pagefree/internal/runbook"
	"pagefree/internal/web/console"
)

// preview is what would run.
type preview struct {
	execution.Preview
	Values   []value
	Lines    []string
	Where    string
	Nodes    []string // that are offline
	Online   int
	Does     string // the button
	Author   console.Person
	Approver console.Person
	Approved console.Moment
	Hash     string
	Seen     string
	Over     bool // more nodes than may be
}

// look makes the preview of a request.
func (p *pages) look(c *console.Call, v *runView, r execution.Request) error {
	is, err := p.Executions.Preview(c.R.Context(), r)
	if err != nil {
		return err
	}
	ver, err := p.Library.Version(c.R.Context(), v.Runbook.ID, is.Version)
	if err != nil {
		return err
	}
	show := preview{
		Preview: is, Where: where(is.Target), Does: does(is.Target, is.Nodes), Seen: seen(ver.Parameters, is),
		Lines: strings.Split(strings.TrimSuffix(is.Script, "\n"), "\n"), Author: c.By(ver.CreatedByID), Approver: c.ByOr(ver.ReviewedByID), Approved: c.AgoOr(ver.ReviewedAt),
	}
	if is.Script == "" {
		show.Lines = nil
	}
	if ver.ContentHash != nil {
		show.Hash = *ver.ContentHash
	}
	for _, n := range is.Nodes {
		if n.Online {
			show.Online++
		} else {
			show.Nodes = append(show.Nodes, n.ID)
		}
	}
	show.Over = is.Target.Type == runbook.SSM && len(is.Nodes) > max(is.Target.MaxNodes, 1)
	for _, of := range ver.Parameters {
		given, set := is.Parameters[of.Name]
		show.Values = append(show.Values, value{
			Name: of.Name, Text: text(given), Unset: !set, Fixed: of.Template != "",
			External: of.Template != "" && v.Incident != nil && v.Incident.Source.External,
		})
	}
	v.Preview, v.Version = &show, ver.Version
	return nil
}

// seen names what a preview shows: version, target and values. Secrets are
// masked there, and what is filled from the clock is another each time.
func seen(params []runbook.Parameter, is execution.Preview) string {
	values := map[string]any{}
	for _, of := range params {
		if v, set := is.Parameters[of.Name]; set && !clocked(of.Template) {
			values[of.Name] = v
		}
	}
	raw, err := json.Marshal([]any{is.Version, is.Target, values})
	if err != nil { // it came as JSON
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

func clocked(text string) bool {
	t, err := template.Parse(text)
	return err == nil && slices.Contains(t.Paths(), "now")
}
