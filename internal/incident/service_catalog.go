package incident

import (
	"context"
	"net/http"
	"strings"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/teams"
	"pagefree/internal/platform/timestamp"
)

// CreateService adds a service to a team.
func (d *Desk) CreateService(ctx context.Context, n NewService) (Service, error) {
	who, err := principal.Require(ctx, n.TeamID, principal.TeamAdmin)
	if err != nil {
		return Service{}, err
	}
	if _, exists, err := teams.Name(ctx, d.Store.Table, n.TeamID); err != nil || !exists { // a platform admin may name any id
		return Service{}, orMissing(err)
	}
	now := d.Now()
	v, err := n.create(id.New(id.Service, now), author(who), now)
	if err != nil {
		return Service{}, err
	}
	return v, d.commitService(ctx, v, "service.created", nil, d.Store.register(v)...)
}

// GetService reads a service.
func (d *Desk) GetService(ctx context.Context, serviceID string) (Service, error) {
	v, _, err := d.live(ctx, serviceID, principal.Observer)
	return v, err
}

// ServiceFilter narrows a list of services; zero members let everything through.
type ServiceFilter struct {
	TeamID string
	Q      string // part of the name, in any case
}

// ListServices returns the services that the caller may see, newest first.
func (d *Desk) ListServices(ctx context.Context, f ServiceFilter, page httpapi.Page) ([]Service, string, error) {
	p, err := principal.Authenticated(ctx)
	if err != nil {
		return nil, "", err
	}
	teams, err := visible(p, f.TeamID)
	if err != nil {
		return nil, "", err
	}
	keep := func(v Service) bool { return strings.Contains(strings.ToLower(v.Name), strings.ToLower(f.Q)) }
	list, next, err := d.Store.services(ctx, teams, keep, page)
	if err != nil {
		return nil, "", err
	}
	return httpapi.Fit(list, next, func(v Service) string { return v.ID })
}

// UpdateService changes the words of a service. A stale ifMatch is a 412.
func (d *Desk) UpdateService(ctx context.Context, serviceID, ifMatch string, p ServicePatch) (Service, error) {
	v, _, err := d.live(ctx, serviceID, principal.TeamAdmin)
	if err != nil {
		return Service{}, err
	}
	if err := httpapi.Match(ifMatch, v.Rev); err != nil {
		return Service{}, err
	}
	next, changed, err := v.patch(p, d.Now())
	if err != nil || !changed {
		return next, err
	}
	next.Rev++
	return next, d.commitService(ctx, next, "service.updated", nil, d.Store.alter(v, next)...)
}

// DeleteService removes a service from use; what happened to it keeps its name.
// While an incident of it is open that is a 409: those would lose their owner.
func (d *Desk) DeleteService(ctx context.Context, serviceID string) error {
	v, _, err := d.live(ctx, serviceID, principal.TeamAdmin)
	if err != nil {
		return err
	}
	busy, err := d.Store.busy(ctx, v.ID)
	if err != nil {
		return err
	}
	if busy {
		return problem.New(http.StatusConflict, "service_in_use", "It has open incidents. Resolve them first.")
	}
	gone := v
	gone.DeletedAt, gone.Rev = timestamp.Ptr(d.Now()), v.Rev+1
	return d.commitService(ctx, v, "service.deleted", map[string]any{"name": v.Name}, d.Store.retire(v, gone)...)
}

// commitService writes ops with the audit event of what they do to v. A name
// that is taken and a service that changed since are told apart by the item
// that stood in the way.
func (d *Desk) commitService(ctx context.Context, v Service, event string, detail map[string]any, ops ...dynamo.Op) error {
	ops = append(ops, d.Audit.Record(ctx, d.Now(), audit.Entry{Type: event, Subject: audit.Ref{Kind: "service", ID: v.ID}, TeamID: v.TeamID, Detail: detail}))
	err := dynamo.Commit(ctx, d.Store.Table.DB, ops...)
	lost, ok := dynamo.Failed(err)
	if !ok {
		return err
	}
	var held nameItem
	if err := dynamo.Decode(lost.Item, &held); err == nil && held.PK == nameKey(v).PK && held.ServiceID != v.ID {
		return problem.New(http.StatusConflict, "name_taken", "The team has a service of this name.")
	}
	return problem.Lost(err)
}

// live reads a service that was not deleted, for somebody with the role in its team.
func (d *Desk) live(ctx context.Context, serviceID string, min principal.Role) (Service, principal.Principal, error) {
	if _, err := principal.Authenticated(ctx); err != nil {
		return Service{}, principal.Principal{}, err
	}
	v, found, err := d.service(ctx, serviceID)
	if err != nil || !found || v.DeletedAt != nil {
		return Service{}, principal.Principal{}, orMissing(err)
	}
	who, err := principal.Require(ctx, v.TeamID, min)
	return v, who, err
}

// service reads a service by an id that came from outside.
func (d *Desk) service(ctx context.Context, serviceID string) (Service, bool, error) {
	if !id.Valid(id.Service, serviceID) {
		return Service{}, false, nil
	}
	return d.Store.Service(ctx, serviceID)
}

func orMissing(err error) error {
	if err != nil {
		return err
	}
	return problem.Missing()
}
