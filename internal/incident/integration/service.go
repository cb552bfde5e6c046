package integration

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/incident/hook"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
)

// Codes of this room.
const (
	NoSecret problem.Code = "no_secret"           // rotating what has none
	Deleted  problem.Code = "integration_deleted" // its address is still delivered to
)

// Services tells which team a service belongs to; false for one that does not exist.
type Services interface {
	TeamOf(ctx context.Context, serviceID string) (teamID string, found bool, err error)
}

// Service is what staff do with integrations. Each method decides from the
// principal in its context: TEAM_ADMIN, and to change anything a person.
type Service struct {
	Store     Store
	Services  Services
	Providers func(name string) (hook.Provider, bool)
	Key       *secret.Key
	Origin    func(context.Context) (origin.Origin, error)
	Cursors   *httpapi.Cursors
	Audit     audit.Log
	Now       func() time.Time
}

// View is an integration as people see it.
type View struct {
	Integration
	URL             string   `json:"url" doc:"where the sender delivers to"`
	Secret          *string  `json:"secret,omitempty" doc:"shown this once, and only where it was not given"`
	SecretMissing   bool     `json:"secretMissing,omitempty" doc:"the sender's secret was not given yet: no delivery is taken until it is, by rotate-secret"`
	Unattended      string   `json:"unattended" doc:"what its alerts may start by themselves, in words"`
	PayloadTemplate string   `json:"payloadTemplate,omitempty" doc:"what to paste at a sender that has no payload of its own"`
	Instructions    []string `json:"instructions" doc:"the steps at the sender, one each"`
}

// view shows an integration, with its secret where that was just made.
func (s *Service) view(ctx context.Context, i Integration, made *string) (View, error) {
	at, err := s.Origin(ctx)
	if err != nil {
		return View{}, err
	}
	v := View{Integration: i, URL: at.URL("/v1/hooks/" + i.ID), Secret: made, Unattended: i.unattended(), Instructions: []string{}}
	p, _ := s.Providers(i.Provider) // one that is not known any more has nothing to say
	shown := "<the secret>"
	if made != nil {
		shown = *made
	}
	fill := strings.NewReplacer("{{url}}", v.URL, "{{secret}}", shown)
	v.PayloadTemplate = p.Template
	if v.SecretMissing = len(i.Secrets) == 0 && theirs(p); v.SecretMissing {
		v.Instructions = append(v.Instructions, p.Label+" shows its secret once it has the address. Until it is given here, by POST /v1/integrations/"+i.ID+"/rotate-secret with it as secret, every delivery is refused.")
	}
	for _, step := range p.Instructions {
		v.Instructions = append(v.Instructions, fill.Replace(step))
	}
	return v, nil
}

// Create makes an integration. The secret is in the answer, unless the caller
// gave it, or is to give it later.
func (s *Service) Create(ctx context.Context, n New) (View, error) {
	who, err := principal.RequirePerson(ctx, n.TeamID, principal.TeamAdmin)
	if err != nil {
		return View{}, err
	}
	if !id.Valid(id.Team, n.TeamID) || !id.Valid(id.Service, n.ServiceID) {
		return View{}, problem.Missing()
	}
	team, found, err := s.Services.TeamOf(ctx, n.ServiceID)
	if err != nil {
		return View{}, err
	}
	if !found || team != n.TeamID {
		return View{}, problem.Missing()
	}
	p, known := s.Providers(n.Provider)
	if !known {
		return View{}, problem.InvalidField("body.provider", "this provider is not known")
	}
	if err := n.check(p); err != nil {
		return View{}, err
	}
	now := s.Now()
	at := timestamp.Of(now)
	integrationID, ok := id.New(id.Integration, now), true
	if n.Form != "" {
		if integrationID, ok = id.Once(id.Integration, n.Form, now, who.ID, n.ServiceID, n.Provider, n.Name); !ok {
			return View{}, problem.Again(false)
		}
	}
	i := Integration{
		ID: integrationID, Name: strings.TrimSpace(n.Name), Provider: n.Provider, TeamID: n.TeamID, ServiceID: n.ServiceID, TopicARN: n.TopicARN,
		Trust: p.Trust, UnattendedRisk: p.Trust.Unattended(), CreatedByID: who.ID, CreatedAt: at, UpdatedAt: at, Rev: 1,
	}
	raised := false
	if n.UnattendedRisk != nil {
		if raised = raises(i.UnattendedRisk, *n.UnattendedRisk); raised {
			if err := mayRaise(who, i); err != nil {
				return View{}, err
			}
		}
		i.UnattendedRisk = *n.UnattendedRisk
	}
	var made *string
	if !byTopic(p) && !(n.Secret == nil && theirs(p)) {
		var kept Secret
		if made, kept, err = s.secret(ctx, p, i.ID, n.Secret); err != nil {
			return View{}, err
		}
		i.Secrets = []Secret{kept}
	}
	v, err := s.view(ctx, i, made) // before it is written: without an address nobody could use it
	if err != nil {
		return View{}, err
	}
	events := []event{{"created", map[string]any{"provider": i.Provider, "serviceId": i.ServiceID, "unattendedRisk": string(i.UnattendedRisk)}}}
	if raised {
		events = append(events, ceiling(p.Trust.Unattended(), i.UnattendedRisk))
	}
	err = s.commit(ctx, i, now, events, s.Store.create(i))
	if lost, is := dynamo.Failed(err); is && lost.Index == 0 && n.Form != "" {
		return View{}, problem.Again(true)
	}
	return v, err
}

// secret is the secret that was given or a new one, which alone is shown, and how it is kept.
func (s *Service) secret(ctx context.Context, p hook.Provider, integrationID string, given *string) (made *string, kept Secret, err error) {
	value := given
	if value == nil {
		made = new(newSecret(p))
		value = made
	}
	kept, err = stored(ctx, s.Key, p, integrationID, *value)
	return made, kept, err
}

// mayRaise refuses whoever may not raise the ceiling of an integration.
func mayRaise(who principal.Principal, i Integration) error {
	if who.PlatformAdmin {
		return nil
	}
	e := problem.Denied("Only a platform admin may raise unattendedRisk above %s.", i.UnattendedRisk)
	e.TeamID = i.TeamID
	return e
}

// Get reads an integration.
func (s *Service) Get(ctx context.Context, integrationID string) (View, error) {
	i, err := s.open(ctx, integrationID, principal.Require)
	if err != nil {
		return View{}, err
	}
	return s.view(ctx, i, nil)
}

// List returns the integrations of the teams that the caller administers, or of
// one of them, newest first.
func (s *Service) List(ctx context.Context, teamID string, page httpapi.Page) ([]View, string, error) {
	p, err := principal.Authenticated(ctx)
	if err != nil {
		return nil, "", err
	}
	var teams []string
	switch {
	case teamID != "":
		if _, err := principal.Require(ctx, teamID, principal.TeamAdmin); err != nil {
			return nil, "", err
		}
		teams = []string{teamID}
	case !p.PlatformAdmin:
		for team, role := range p.Teams {
			if role.AtLeast(principal.TeamAdmin) {
				teams = append(teams, team)
			}
		}
		if slices.Sort(teams); len(teams) == 0 {
			return nil, "", problem.Denied("This needs the role %s in a team.", principal.TeamAdmin)
		}
	}
	list, next, err := s.Store.integrations(ctx, teams, page)
	if err != nil {
		return nil, "", err
	}
	views := make([]View, len(list))
	for n, i := range list {
		if views[n], err = s.view(ctx, i, nil); err != nil {
			return nil, "", err
		}
	}
	return httpapi.Fit(views, next, func(v View) string { return v.ID })
}

// Update changes the name of an integration, and what it may start by itself.
// A stale ifMatch is a 412.
func (s *Service) Update(ctx context.Context, integrationID, ifMatch string, p Patch) (View, error) {
	return again(func() (View, error) {
		i, err := s.open(ctx, integrationID, principal.RequirePerson)
		if err != nil {
			return View{}, err
		}
		if err := httpapi.Match(ifMatch, i.Rev); err != nil {
			return View{}, err
		}
		now := s.Now()
		next, changed, err := i.patch(p, now)
		if err != nil {
			return View{}, err
		}
		raised := raises(i.UnattendedRisk, next.UnattendedRisk)
		if raised {
			who, _ := principal.From(ctx)
			if err := mayRaise(who, i); err != nil {
				return View{}, err
			}
		}
		v, err := s.view(ctx, next, nil)
		if err != nil || changed == nil {
			return v, err
		}
		var events []event
		if raised {
			events = append(events, ceiling(i.UnattendedRisk, next.UnattendedRisk))
		}
		if !raised || len(changed) > 1 {
			detail := map[string]any{"changed": changed}
			if i.UnattendedRisk != next.UnattendedRisk {
				detail["from"], detail["to"] = string(i.UnattendedRisk), string(next.UnattendedRisk)
			}
			events = append(events, event{"updated", detail})
		}
		return v, s.commit(ctx, next, now, events, s.Store.replace(next))
	})
}

// Rotation is the answer to a change of the secret.
type Rotation struct {
	Secret             *string         `json:"secret" doc:"shown this once; null where it was given"`
	PreviousValidUntil *timestamp.Time `json:"previousValidUntil" doc:"until then the secret before it is taken too, and none before that; null where there was none"`
}

// Rotate replaces the secret by one that was given or a new one. It also gives
// the first to an integration that was made without.
func (s *Service) Rotate(ctx context.Context, integrationID string, given *string) (Rotation, error) {
	return again(func() (Rotation, error) {
		i, err := s.open(ctx, integrationID, principal.RequirePerson)
		if err != nil {
			return Rotation{}, err
		}
		p, known := s.Providers(i.Provider)
		if !known || byTopic(p) {
			return Rotation{}, problem.New(http.StatusConflict, NoSecret, "It has no secret: deliveries are signed with a certificate.")
		}
		if message := checkSecret(p, given); message != "" {
			return Rotation{}, problem.InvalidField("body.secret", "%s", message)
		}
		made, kept, err := s.secret(ctx, p, i.ID, given)
		if err != nil {
			return Rotation{}, err
		}
		now := s.Now()
		next, until := i.rotated(kept, now)
		detail := map[string]any{"given": given != nil}
		if until != nil {
			detail["previousValidUntil"] = until.String()
		}
		events := []event{{"secret_rotated", detail}}
		return Rotation{Secret: made, PreviousValidUntil: until}, s.commit(ctx, next, now, events, s.Store.replace(next))
	})
}

// Delete ends an integration. Its address answers 410 from then on, which
// senders take as a word to stop; what was accepted before is still handled.
func (s *Service) Delete(ctx context.Context, integrationID string) error {
	_, err := again(func() (struct{}, error) {
		i, err := s.open(ctx, integrationID, principal.RequirePerson)
		if err != nil {
			return struct{}{}, err
		}
		now := s.Now()
		return struct{}{}, s.commit(ctx, i, now, []event{{"deleted", map[string]any{"name": i.Name}}}, s.Store.replace(i.deleted(now)))
	})
	return err
}

// Deliveries lists what came to an integration, newest first.
func (s *Service) Deliveries(ctx context.Context, integrationID string, page httpapi.Page) ([]Delivery, string, error) {
	i, err := s.open(ctx, integrationID, principal.Require)
	if err != nil {
		return nil, "", err
	}
	list, next, err := s.Store.deliveries(ctx, i.ID, s.Now(), page)
	if err != nil {
		return nil, "", err
	}
	return httpapi.Fit(list, next, func(d Delivery) string { return d.ID })
}

// open reads an integration that was not deleted, for a TEAM_ADMIN by require,
// which is principal.Require or principal.RequirePerson.
func (s *Service) open(ctx context.Context, integrationID string, require func(context.Context, string, principal.Role) (principal.Principal, error)) (Integration, error) {
	if _, err := principal.Authenticated(ctx); err != nil {
		return Integration{}, err
	}
	if !id.Valid(id.Integration, integrationID) {
		return Integration{}, problem.Missing()
	}
	i, found, err := s.Store.integration(ctx, integrationID)
	if err != nil {
		return Integration{}, err
	}
	if !found || i.DeletedAt != nil {
		return Integration{}, problem.Missing()
	}
	_, err = require(ctx, i.TeamID, principal.TeamAdmin)
	return i, err
}

// event is what the record says of a change.
type event struct {
	what   string
	detail map[string]any
}

func ceiling(from, to trust.Risk) event {
	return event{"ceiling_raised", map[string]any{"from": string(from), "to": string(to)}}
}

// commit writes a change with the record of it, which holds no secret.
func (s *Service) commit(ctx context.Context, i Integration, now time.Time, events []event, op dynamo.Op) error {
	ops := []dynamo.Op{op}
	for _, e := range events {
		ops = append(ops, s.Audit.Record(ctx, now, audit.Entry{
			Type: "integration." + e.what, Subject: audit.Ref{Kind: "integration", ID: i.ID}, TeamID: i.TeamID, Detail: e.detail,
		}))
	}
	return dynamo.Commit(ctx, s.Store.Table.DB, ops...)
}

// attempts is how often a decision is made again on what somebody else wrote meanwhile.
const attempts = 5

// again repeats a read, a decision and its conditional write until no race is lost.
func again[T any](do func() (T, error)) (T, error) {
	var none T
	for range attempts {
		v, err := do()
		if err == nil {
			return v, nil
		}
		if _, lost := dynamo.Failed(err); !lost {
			return none, err
		}
	}
	return none, dynamo.ErrContended
}
