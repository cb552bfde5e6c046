package notify

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/mailstop"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/token"
)

// Service keeps what people and teams want to be told of.
type Service struct {
	Store    Store
	People   Directory
	Webhooks secret.Webhooks    // it only hides: no address and no secret is read back
	CheckURL func(string) error // a 422 for what is never called
	Audit    audit.Log
	Now      func() time.Time
}

// Mine are a person's own settings, as they are shown.
type Mine struct {
	Email           Kinds   `json:"email"`
	Push            Kinds   `json:"push"`
	ShowTitles      bool    `json:"showTitles" doc:"pushes show titles of incidents and names of runbooks"`
	MinimumSeverity *string `json:"minimumSeverity" enum:"CRITICAL,HIGH,MEDIUM,LOW" doc:"null: as each team says"`
	Mail            Mail    `json:"mail"`

	rev int64
}

// Teams are a team's settings, as they are shown.
type Teams struct {
	TeamID          string                       `json:"teamId"`
	Webhook         httpapi.OrNull[ShownWebhook] `json:"webhook"`
	Email           Kinds                        `json:"email"`
	MinimumSeverity string                       `json:"minimumSeverity" enum:"CRITICAL,HIGH,MEDIUM,LOW"`
	IncludeOutput   bool                         `json:"includeOutput"`
	MailStopped     []StoppedMember              `json:"mailStopped" nullable:"false" doc:"members to whom no notification is mailed any more"`

	rev int64
}

// ShownWebhook is a team's endpoint without what is secret in its address.
type ShownWebhook struct {
	URL                 string          `json:"url" doc:"the host; the path is never shown"`
	Format              string          `json:"format" enum:"standard,slack"`
	Events              []string        `json:"events,omitempty" doc:"without it all"`
	Secret              string          `json:"secret,omitempty" doc:"that signs (Standard Webhooks); shown once, when the address is set"`
	PreviousSecretUntil *timestamp.Time `json:"previousSecretUntil,omitempty" doc:"until then the secret before signs too"`
	Disabled            *Disabled       `json:"disabled,omitempty" doc:"it wanted no more and is not called; setting its address again switches it on"`
}

// Disabled says since when a webhook is off, and why.
type Disabled struct {
	At     timestamp.Time `json:"at"`
	Reason string         `json:"reason"`
}

// StoppedMember is a member to whom no notification is mailed.
type StoppedMember struct {
	UserID string          `json:"userId"`
	Name   string          `json:"name"`
	Reason mailstop.Reason `json:"reason" enum:"bounce,complaint"`
	At     timestamp.Time  `json:"at"`
}

// NewSecret is what now signs for a team's webhook.
type NewSecret struct {
	Secret             string         `json:"secret" doc:"shown once"`
	PreviousValidUntil timestamp.Time `json:"previousValidUntil" doc:"until then both sign"`
}

// person is the caller, who has to be one: a key has no mail.
func person(ctx context.Context) (principal.Principal, error) {
	p, err := principal.Authenticated(ctx)
	if err == nil && p.Kind != principal.User {
		err = problem.Denied("Only a person has notifications, not an API key.")
	}
	return p, err
}

// Mine reads the caller's settings.
func (s *Service) Mine(ctx context.Context) (Mine, error) {
	p, err := person(ctx)
	if err != nil {
		return Mine{}, err
	}
	return s.mine(ctx, p)
}

func (s *Service) mine(ctx context.Context, p principal.Principal) (Mine, error) {
	o, err := s.own(ctx, p.ID)
	if err != nil {
		return Mine{}, err
	}
	m := Mine{Email: o.Email, Push: o.pushed(), ShowTitles: o.ShowTitles, MinimumSeverity: o.MinimumSeverity, Mail: Mail{Address: p.Email}, rev: o.Rev}
	stopped, err := mailstop.Of(ctx, s.Store.Identity, p.Email)
	if stop, is := stopped[p.Email]; is {
		m.Mail.Stopped.Value = &stop
	}
	return m, err
}

func (s *Service) own(ctx context.Context, userID string) (Own, error) {
	found, err := s.Store.owns(ctx, []string{userID})
	if o, set := found[userID]; set {
		return o, err
	}
	return defaultOwn, err
}

// PutMine sets the caller's settings. A stale ifMatch is a 412.
func (s *Service) PutMine(ctx context.Context, ifMatch string, in OwnPut) (Mine, error) {
	p, err := person(ctx)
	if err != nil {
		return Mine{}, err
	}
	err = again(func() error {
		o, err := s.own(ctx, p.ID)
		if err != nil {
			return err
		}
		if err := httpapi.Match(ifMatch, o.Rev); err != nil {
			return err
		}
		pushed := in.Push.kinds()
		o.Email, o.Push, o.ShowTitles, o.MinimumSeverity = in.Email.kinds(), &pushed, in.ShowTitles, in.MinimumSeverity
		return s.commit(ctx, audit.Entry{Type: "notifications.updated", Subject: audit.Ref{Kind: "user", ID: p.ID}}, s.Store.putOwn(p.ID, o))
	})
	if err != nil {
		return Mine{}, err
	}
	return s.mine(ctx, p)
}

// ResumeMail lets notifications be mailed to the caller again. It is safe for
// the person alone to ask: whoever signs in does so by a mail to that address.
// If it bounces once more, it is stopped once more.
func (s *Service) ResumeMail(ctx context.Context) (Mine, error) {
	p, err := person(ctx)
	if err != nil {
		return Mine{}, err
	}
	err = s.commit(ctx, audit.Entry{Type: "mail.resumed", Subject: audit.Ref{Kind: "user", ID: p.ID}},
		mailstop.Lift(s.Store.Identity, p.Email, timestamp.Of(s.Now())))
	if lost, is := dynamo.Failed(err); err != nil && (!is || lost.Index != 0) { // it was not stopped: nothing to lift
		return Mine{}, err
	}
	return s.mine(ctx, p)
}

// Team reads a team's settings, for its members.
func (s *Service) Team(ctx context.Context, teamID string) (Teams, error) {
	if err := s.may(ctx, teamID, principal.Require, principal.Observer); err != nil {
		return Teams{}, err
	}
	t, err := s.Store.team(ctx, teamID)
	if err != nil {
		return Teams{}, err
	}
	return s.show(ctx, teamID, t, "")
}

type requirement func(context.Context, string, principal.Role) (principal.Principal, error)

// may is require for a team that exists: a platform admin may name any.
func (s *Service) may(ctx context.Context, teamID string, require requirement, min principal.Role) error {
	if _, err := principal.Authenticated(ctx); err != nil {
		return err
	}
	if !id.Valid(id.Team, teamID) {
		return problem.Missing()
	}
	if _, err := require(ctx, teamID, min); err != nil {
		return err
	}
	found, err := s.Store.Identity.Get(ctx, dynamo.Key{PK: "team#" + teamID, SK: "team"}, &struct{}{})
	if err == nil && !found {
		err = problem.Missing()
	}
	return err
}

func (s *Service) show(ctx context.Context, teamID string, t TeamSettings, fresh string) (Teams, error) {
	out := Teams{TeamID: teamID, Email: t.Email, MinimumSeverity: t.MinimumSeverity, IncludeOutput: t.IncludeOutput, MailStopped: []StoppedMember{}, rev: t.Rev}
	if w := t.Webhook; w != nil {
		shown := ShownWebhook{URL: w.Shown, Format: w.Format, Events: w.Events, Secret: fresh}
		if w.previous(s.Now()) != nil {
			shown.PreviousSecretUntil = w.PreviousUntil
		}
		if w.DisabledAt != nil {
			shown.Disabled = &Disabled{At: *w.DisabledAt, Reason: w.DisabledReason}
		}
		out.Webhook.Value = &shown
	}
	members, err := s.People.Members(ctx, teamID)
	if err != nil {
		return Teams{}, err
	}
	var addresses []string
	for _, m := range members {
		addresses = append(addresses, m.Email)
	}
	stopped, err := mailstop.Of(ctx, s.Store.Identity, addresses...)
	for _, m := range members {
		if stop, is := stopped[m.Email]; is {
			out.MailStopped = append(out.MailStopped, StoppedMember{UserID: m.ID, Name: m.Name, Reason: stop.Reason, At: stop.At})
		}
	}
	return out, err
}

// PutTeam sets a team's settings. Codes: address_forbidden, precondition_failed.
func (s *Service) PutTeam(ctx context.Context, teamID, ifMatch string, in TeamPut) (Teams, error) {
	if err := s.may(ctx, teamID, principal.RequirePerson, principal.TeamAdmin); err != nil {
		return Teams{}, err
	}
	var t TeamSettings
	fresh := ""
	err := again(func() error {
		old, err := s.Store.team(ctx, teamID)
		if err != nil {
			return err
		}
		if err := httpapi.Match(ifMatch, old.Rev); err != nil {
			return err
		}
		t = TeamSettings{Email: in.Email.kinds(), MinimumSeverity: defaultSeverity, IncludeOutput: in.IncludeOutput, Rev: old.Rev}
		if in.MinimumSeverity != nil {
			t.MinimumSeverity = *in.MinimumSeverity
		}
		if t.Webhook, fresh, err = s.webhook(ctx, teamID, old.Webhook, in.Webhook); err != nil {
			return err
		}
		return s.commit(ctx, audit.Entry{Type: "notifications.updated", Subject: audit.Ref{Kind: "team", ID: teamID}, TeamID: teamID,
			Detail: map[string]any{"webhook": t.Webhook != nil, "webhookChanged": changed(old.Webhook, t.Webhook), "includeOutput": t.IncludeOutput}},
			s.Store.putTeam(teamID, t))
	})
	if err != nil {
		return Teams{}, err
	}
	t.Rev++
	return s.show(ctx, teamID, t, fresh)
}

func changed(old, now *Webhook) bool {
	return (old == nil) != (now == nil) || old != nil && (old.Hash != now.Hash || old.Format != now.Format)
}

// webhook is the endpoint that a team has after a PUT, and its secret if that
// is a new one. An address as it is shown, or the same again, is the one that
// there is.
func (s *Service) webhook(ctx context.Context, teamID string, old *Webhook, in *WebhookPut) (*Webhook, string, error) {
	if in == nil {
		return nil, "", nil
	}
	if err := in.check(); err != nil {
		return nil, "", err
	}
	var events []string
	if len(in.Events) > 0 {
		events = slices.Compact(slices.Sorted(slices.Values(in.Events)))
	}
	hash := token.Hash(in.URL)
	masked := old != nil && in.URL == old.Shown && hash != old.Hash
	if !masked {
		if err := s.CheckURL(in.URL); err != nil {
			return nil, "", err
		}
	}
	w := Webhook{}
	if same := masked || old != nil && hash == old.Hash; same {
		w = *old
		if !masked { // whoever gives the whole address means it
			w.DisabledAt, w.DisabledReason = nil, ""
		}
	} else {
		address, err := s.Webhooks.Hide(ctx, addressOf(teamID), []byte(in.URL))
		if err != nil {
			return nil, "", err
		}
		w = Webhook{Shown: shown(in.URL), Hash: hash, Address: address}
	}
	w.Format, w.Events = in.Format, events
	if w.Format == Slack {
		w.Secret, w.Previous, w.PreviousUntil = nil, nil, nil
		return &w, "", nil
	}
	if w.Secret != nil {
		return &w, "", nil
	}
	var fresh string
	var err error
	fresh, w.Secret, err = s.secret(ctx, teamID)
	return &w, fresh, err
}

// secret makes a new one, of 32 bytes as Standard Webhooks wants them.
func (s *Service) secret(ctx context.Context, teamID string) (fresh string, hidden []byte, err error) {
	var key [32]byte
	_, _ = rand.Read(key[:]) // it never fails
	fresh = secretPrefix + base64.StdEncoding.EncodeToString(key[:])
	hidden, err = s.Webhooks.Hide(ctx, secretOf(teamID), []byte(fresh))
	return fresh, hidden, err
}

// shown is an address without its path and query, where Slack and others have what is secret.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "***"
	}
	return u.Scheme + "://" + u.Host + "/***"
}

// RotateSecret gives a team's webhook a new secret. For a day both sign.
func (s *Service) RotateSecret(ctx context.Context, teamID string) (NewSecret, error) {
	if err := s.may(ctx, teamID, principal.RequirePerson, principal.TeamAdmin); err != nil {
		return NewSecret{}, err
	}
	var out NewSecret
	err := again(func() error {
		t, err := s.Store.team(ctx, teamID)
		if err != nil {
			return err
		}
		if t.Webhook == nil || t.Webhook.Secret == nil {
			return problem.New(http.StatusConflict, problem.InvalidTransition, "This team has no webhook that is signed.")
		}
		w := *t.Webhook
		w.Previous, w.PreviousUntil = w.Secret, until(s.Now())
		if out.Secret, w.Secret, err = s.secret(ctx, teamID); err != nil {
			return err
		}
		out.PreviousValidUntil = *w.PreviousUntil
		t.Webhook = &w
		return s.commit(ctx, audit.Entry{Type: "notifications.secret_rotated", Subject: audit.Ref{Kind: "team", ID: teamID}, TeamID: teamID}, s.Store.putTeam(teamID, t))
	})
	return out, err
}

// commit writes a change with its audit event.
func (s *Service) commit(ctx context.Context, e audit.Entry, op dynamo.Op) error {
	return dynamo.Commit(ctx, s.Store.Identity.DB, op, s.Audit.Record(ctx, s.Now(), e))
}

// again repeats a change that lost a race against another one.
func again(change func() error) error {
	for range rounds {
		err := change()
		if _, lost := dynamo.Failed(err); !lost && !errors.Is(err, dynamo.ErrContended) {
			return err
		}
	}
	return dynamo.ErrContended
}
