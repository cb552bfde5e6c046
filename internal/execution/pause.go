package execution

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/text"
	"pagefree/internal/platform/timestamp"
)

// AutomationPaused is the code of a trigger that a pause refused.
const AutomationPaused problem.Code = "automation_paused"

// maxReason bounds the reason of a pause, in characters.
const maxReason = 2000

// Pause stops every dispatch of a team, or of all teams.
type Pause struct {
	TeamID     *string        `json:"teamId" dynamodbav:"teamId" doc:"null: all teams"`
	Reason     string         `json:"reason" dynamodbav:"reason"`
	PausedByID string         `json:"pausedById" dynamodbav:"pausedById"`
	PausedAt   timestamp.Time `json:"pausedAt" dynamodbav:"pausedAt"`
}

type pauseItem struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	ByKind string `dynamodbav:"byKind"`
	ID     string `dynamodbav:"id"` // the team, or everyone: the index's order
	Pause
}

const (
	everyone  = "*" // stands for all teams in the key of a pause
	pauseKind = "pause"
)

func pauseKey(teamID string) dynamo.Key {
	if teamID == "" {
		teamID = everyone
	}
	return dynamo.Key{PK: "pause#" + teamID, SK: "pause"}
}

// brakes are the pauses that hold an execution of a team, read with other things.
type brakes struct {
	all, team       pauseItem
	allIs, teamIsIt bool
}

func (b *brakes) reads(teamID string) []dynamo.Read {
	reads := []dynamo.Read{{Key: pauseKey(""), Out: &b.all, Found: &b.allIs}}
	if teamID != "" {
		reads = append(reads, dynamo.Read{Key: pauseKey(teamID), Out: &b.team, Found: &b.teamIsIt})
	}
	return reads
}

// paused reports why nothing is sent now, or nil.
func (b *brakes) paused() error {
	p := b.team
	switch {
	case b.allIs:
		p = b.all
	case !b.teamIsIt:
		return nil
	}
	return problem.New(http.StatusConflict, AutomationPaused, "Automation is paused since %s: %s", p.PausedAt, p.Reason)
}

// manages authorizes a change of a pause: a team's by its admins, that of all by platform admins.
func manages(ctx context.Context, teamID *string) (principal.Principal, string, error) {
	if teamID == nil {
		who, err := principal.RequireAdmin(ctx)
		return who, "", err
	}
	if !id.Valid(id.Team, *teamID) {
		return principal.Principal{}, "", problem.Missing()
	}
	who, err := principal.Require(ctx, *teamID, principal.TeamAdmin)
	return who, *teamID, err
}

// PauseAutomation stops dispatches from now on; what runs goes on. A pause
// that there is already stands as it is.
func (s *Service) PauseAutomation(ctx context.Context, teamID *string, reason string) (Pause, error) {
	who, team, err := manages(ctx, teamID)
	if err != nil {
		return Pause{}, err
	}
	if reason = strings.TrimSpace(reason); reason == "" || len([]rune(reason)) > maxReason || strings.ContainsRune(reason, 0) || text.Reorders(reason) {
		return Pause{}, problem.InvalidField("body.reason", "text of 1 to 2000 characters")
	}
	k := pauseKey(team)
	item := pauseItem{PK: k.PK, SK: k.SK, ByKind: pauseKind, ID: strings.TrimPrefix(k.PK, "pause#"), Pause: Pause{TeamID: teamID, Reason: reason, PausedByID: who.ID, PausedAt: timestamp.Of(s.Now())}}
	err = s.Store.commit(ctx, s.Store.Table.Create(item), s.tellPause(ctx, team, "automation.paused", map[string]any{"reason": reason}))
	if lost, is := dynamo.Failed(err); is {
		err = dynamo.Decode(lost.Item, &item)
	}
	return item.Pause, err
}

// ResumeAutomation ends a pause, and hurries what waited for that. Where there
// is none, nothing happens.
func (s *Service) ResumeAutomation(ctx context.Context, teamID *string) error {
	_, team, err := manages(ctx, teamID)
	if err != nil {
		return err
	}
	err = s.Store.commit(ctx, s.Store.Table.Delete(pauseKey(team), dynamo.Present()), s.tellPause(ctx, team, "automation.resumed", map[string]any{}))
	if _, none := dynamo.Failed(err); none {
		return nil
	}
	if err != nil {
		return err
	}
	return s.hurry(ctx, team)
}

func (s *Service) tellPause(ctx context.Context, team, what string, detail map[string]any) dynamo.Op {
	subject := audit.Ref{Kind: "team", ID: team}
	if team == "" {
		subject = audit.Ref{Kind: "automation", ID: "all"}
	}
	return s.Journal.Audit.Record(ctx, s.Now(), audit.Entry{Type: what, Subject: subject, TeamID: team, Detail: detail})
}

// hurry sends the messages of the newest executions that are pending; the
// watchdog sends those of older ones.
func (s *Service) hurry(ctx context.Context, team string) error {
	q := dynamo.Query{Index: "byKind", Values: []string{"ex"}, Sort: "id", Limit: 100}
	if team != "" {
		q.Index, q.Values = "byTeam", []string{"ex#" + team}
	}
	waiting, _, err := dynamo.List(ctx, s.Store.Table, q, func(it stored) string { return it.ID }, func(it stored) bool { return it.Status == Pending })
	if err != nil {
		return err
	}
	for _, it := range slices.Backward(waiting) { // the oldest first
		s.enqueue(ctx, it.Execution, 0)
	}
	return nil
}

// Pauses lists what is paused now of what the caller may know: their teams, and all.
func (s *Service) Pauses(ctx context.Context) ([]Pause, error) {
	who, err := principal.Authenticated(ctx)
	if err != nil {
		return nil, err
	}
	var items []pauseItem
	if who.PlatformAdmin {
		q := dynamo.Query{Index: "byKind", Values: []string{pauseKind}, Sort: "id", Limit: 1000}
		items, _, err = dynamo.List(ctx, s.Store.Table, q, func(it pauseItem) string { return it.ID }, nil)
	} else {
		keys := []dynamo.Key{pauseKey("")}
		for team := range maps.Keys(who.Teams) {
			keys = append(keys, pauseKey(team))
		}
		items, err = dynamo.GetAll[pauseItem](ctx, s.Store.Table, keys)
	}
	if err != nil {
		return nil, err
	}
	pauses := []Pause{}
	for _, it := range items {
		pauses = append(pauses, it.Pause)
	}
	slices.SortFunc(pauses, func(a, b Pause) int { return b.PausedAt.Compare(a.PausedAt.Time) })
	return pauses, nil
}

func pauseRoutes(api *httpapi.API, s *Service) {
	type pauseInput struct {
		Body struct {
			TeamID *string `json:"teamId,omitempty" nullable:"true" maxLength:"64" doc:"left out: all teams, which takes a platform admin"`
			Reason string  `json:"reason" minLength:"1" maxLength:"2000"`
		}
	}
	httpapi.Register(api, httpapi.Op("GET /v1/automation/pause", "List what is paused"),
		func(ctx context.Context, _ *struct{}) (*struct{ Body httpapi.List[Pause] }, error) {
			pauses, err := s.Pauses(ctx)
			return &struct{ Body httpapi.List[Pause] }{httpapi.List[Pause]{Items: pauses}}, err
		})
	pause := httpapi.Op("POST /v1/automation/pause", "Send nothing more, of a team or of all", http.StatusNotFound)
	api.Describe(pause, httpapi.Example(map[string]any{"reason": "We look into what the runbooks of last night did."}))
	httpapi.Register(api, pause,
		func(ctx context.Context, in *pauseInput) (*struct{ Body Pause }, error) {
			p, err := s.PauseAutomation(ctx, in.Body.TeamID, in.Body.Reason)
			return &struct{ Body Pause }{p}, err
		})
	type resumeInput struct {
		Body *struct {
			TeamID *string `json:"teamId,omitempty" nullable:"true" maxLength:"64" doc:"left out: what all teams were paused by"`
		}
	}
	resume := httpapi.Op("POST /v1/automation/resume", "Send again", http.StatusNotFound)
	resume.DefaultStatus = http.StatusNoContent
	httpapi.Register(api, resume, func(ctx context.Context, in *resumeInput) (*struct{}, error) {
		var team *string
		if in.Body != nil {
			team = in.Body.TeamID
		}
		return nil, s.ResumeAutomation(ctx, team)
	})
}
