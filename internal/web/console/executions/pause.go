package executions

import (
	"cmp"
	"net/http"
	"slices"

	"pagefree/internal/execution"
	"pagefree/internal/incident"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/web/console"
)

// pauseLine is a pause as pages show it.
type pauseLine struct {
	execution.Pause
	Team string // its name; "" for all teams
	Who  console.Person
	When console.Moment
	May  bool // end it
}

// Of is what is paused, in words.
func (l pauseLine) Of() string {
	if l.TeamID == nil {
		return "all teams"
	}
	return l.Team
}

func (p *pages) paused(c *console.Call) ([]pauseLine, error) {
	pauses, err := p.Executions.Pauses(c.R.Context())
	if err != nil {
		return nil, err
	}
	lines := make([]pauseLine, len(pauses))
	for i, is := range pauses {
		l := pauseLine{Pause: is, Who: c.By(is.PausedByID), When: c.Ago(is.PausedAt), May: c.Who.PlatformAdmin}
		if is.TeamID != nil {
			if l.Team, err = p.Team(c.R.Context(), *is.TeamID); err != nil {
				return nil, err
			}
			l.Team, l.May = cmp.Or(l.Team, "a team"), c.Can(*is.TeamID, principal.TeamAdmin)
		}
		lines[i] = l
	}
	return lines, nil
}

// banner is what every page says while something is paused, and nothing while nothing is.
func (p *pages) banner(c *console.Call) error {
	lines, err := p.paused(c)
	if err != nil {
		return err
	}
	return c.Fragment("pause-banner", lines)
}

type pauseView struct {
	Form  console.Form
	Lines []pauseLine
	Teams []console.Option // that the caller may pause; "*" is all
}

// everyone is the choice of all teams in the form.
const everyone = "*"

func (p *pages) pauseView(c *console.Call, f console.Form) (console.Page, error) {
	lines, err := p.paused(c)
	if err != nil {
		return console.Page{}, err
	}
	v := pauseView{Form: f, Lines: lines}
	ids, err := p.ruled(c)
	if err != nil {
		return console.Page{}, err
	}
	for _, team := range ids {
		name, err := p.Team(c.R.Context(), team)
		if err != nil {
			return console.Page{}, err
		}
		v.Teams = append(v.Teams, console.Option{Value: team, Name: cmp.Or(name, team)})
	}
	slices.SortFunc(v.Teams, func(a, b console.Option) int { return cmp.Compare(a.Name, b.Name) })
	if c.Who.PlatformAdmin {
		v.Teams = append(v.Teams, console.Option{Value: everyone, Name: "All teams"})
	}
	return console.Page{Title: "Pause automation", Crumbs: crumbs, View: v}, nil
}

// ruled are the teams whose automation the caller may pause: an admin's are those that have services.
func (p *pages) ruled(c *console.Call) ([]string, error) {
	var ids []string
	for team, role := range c.Who.Teams {
		if role.AtLeast(principal.TeamAdmin) {
			ids = append(ids, team)
		}
	}
	if c.Who.PlatformAdmin {
		services, err := console.All(func(page httpapi.Page) ([]incident.Service, string, error) {
			return p.Incidents.ListServices(c.R.Context(), incident.ServiceFilter{}, page)
		})
		if err != nil {
			return nil, err
		}
		for _, s := range services {
			ids = append(ids, s.TeamID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

func (p *pages) pauses(c *console.Call) error {
	page, err := p.pauseView(c, console.NewForm(map[string]string{"teamId": c.R.URL.Query().Get("teamId")}))
	if err != nil {
		return err
	}
	return c.Show("pauses", page)
}

// teamOf is the team that a form names, nil for all.
func teamOf(f console.Form) *string {
	team := f.Get("teamId")
	if team == everyone {
		return nil
	}
	return &team
}

func (p *pages) pause(c *console.Call) error {
	f := c.Sent()
	var err error
	if team := f.Get("teamId"); team != everyone && !id.Valid(id.Team, team) {
		f.Wrong = map[string]string{"teamId": "Choose what to pause."}
	} else if _, err = p.Executions.PauseAutomation(c.R.Context(), teamOf(f), f.Get("reason")); err == nil {
		return c.See("/console/automation/pause", "paused")
	} else {
		with, ok := f.With(err)
		if !ok {
			return err
		}
		f = with
	}
	page, err := p.pauseView(c, f)
	if err != nil {
		return err
	}
	return c.Answer(http.StatusUnprocessableEntity, "pauses", page)
}

func (p *pages) resume(c *console.Call) error {
	if err := p.Executions.ResumeAutomation(c.R.Context(), teamOf(c.Sent())); err != nil {
		return err
	}
	return c.See("/console/automation/pause", "resumed")
}
