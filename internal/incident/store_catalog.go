package incident

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
)

const (
	serviceSK   = "svc"
	serviceKind = "svc"
	openPrefix  = "open#"
	nameSubject = "serviceId"
)

// serviceItem is a service with its keys; a deleted one is in no index.
type serviceItem struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	ByTeam string `dynamodbav:"byTeam,omitempty"`
	ByKind string `dynamodbav:"byKind,omitempty"`
	Service
}

type openItem struct {
	PK string `dynamodbav:"pk"`
	SK string `dynamodbav:"sk"`
}

// nameItem keeps a service's name to one service of its team.
type nameItem struct {
	PK        string `dynamodbav:"pk"`
	SK        string `dynamodbav:"sk"`
	ServiceID string `dynamodbav:"serviceId"`
}

func servicePK(serviceID string) string { return "svc#" + serviceID }

func serviceKey(serviceID string) dynamo.Key {
	return dynamo.Key{PK: servicePK(serviceID), SK: serviceSK}
}

func openKey(serviceID, incidentID string) dynamo.Key {
	return dynamo.Key{PK: servicePK(serviceID), SK: openPrefix + incidentID}
}

func nameKey(v Service) dynamo.Key {
	return dynamo.Key{PK: "svcname#" + v.TeamID, SK: strings.ToLower(v.Name)}
}

func serviceItemOf(v Service) serviceItem {
	i := serviceItem{PK: servicePK(v.ID), SK: serviceSK, Service: v}
	if v.DeletedAt == nil {
		i.ByTeam, i.ByKind = serviceKind+"#"+v.TeamID, serviceKind
	}
	return i
}

// Service reads a service, and false where there never was one. A deleted
// service is still found, so that what happened to it keeps its name: DeletedAt says so.
func (s Store) Service(ctx context.Context, serviceID string) (Service, bool, error) {
	var v Service
	found, err := s.Table.Get(ctx, serviceKey(serviceID), &v)
	return v, found, err
}

// TeamOf is the team of a service that exists: false for a deleted one too.
func (s Store) TeamOf(ctx context.Context, serviceID string) (teamID string, found bool, err error) {
	v, found, err := s.Service(ctx, serviceID)
	if err != nil || !found || v.DeletedAt != nil {
		return "", false, err
	}
	return v.TeamID, true, nil
}

// register are the writes of a new service. The first fails when its name is taken.
func (s Store) register(v Service) []dynamo.Op {
	return []dynamo.Op{s.takeName(v), s.Table.Create(serviceItemOf(v))}
}

func (s Store) takeName(v Service) dynamo.Op {
	k := nameKey(v)
	return s.Table.Create(nameItem{PK: k.PK, SK: k.SK, ServiceID: v.ID})
}

// alter are the writes that make was (at its revision) into is. Where the name
// changes, the first fails when the new one is taken.
func (s Store) alter(was, is Service) []dynamo.Op {
	put := s.Table.Put(serviceItemOf(is), dynamo.Is("rev", was.Rev))
	if nameKey(was) == nameKey(is) {
		return []dynamo.Op{put}
	}
	return []dynamo.Op{s.takeName(is), put, s.dropName(was)}
}

func (s Store) dropName(v Service) dynamo.Op {
	return s.Table.Delete(nameKey(v), dynamo.Is(nameSubject, v.ID))
}

// retire are the writes of a deletion; is has its DeletedAt.
func (s Store) retire(was, is Service) []dynamo.Op {
	return []dynamo.Op{s.Table.Put(serviceItemOf(is), dynamo.Is("rev", was.Rev)), s.dropName(was)}
}

// busy reports whether a service has an open incident.
func (s Store) busy(ctx context.Context, serviceID string) (bool, error) {
	q := dynamo.Query{Values: []string{servicePK(serviceID)}, Sort: dynamo.SK, Prefix: openPrefix, Limit: 1}
	open, _, err := dynamo.List(ctx, s.Table, q, func(i openItem) string { return i.SK }, nil)
	return len(open) > 0, err
}

// Open are the open incidents of services, the newest of each first and at most
// a hundred of each.
func (s Store) Open(ctx context.Context, serviceIDs []string) ([]Incident, error) {
	var out []Incident
	for _, serviceID := range serviceIDs {
		q := dynamo.Query{Values: []string{servicePK(serviceID)}, Sort: dynamo.SK, Prefix: openPrefix, Limit: maxOpen}
		open, _, err := dynamo.List(ctx, s.Table, q, func(i openItem) string { return i.SK }, nil)
		if err != nil {
			return nil, err
		}
		for _, o := range open {
			i, found, err := s.Incident(ctx, strings.TrimPrefix(o.SK, openPrefix))
			if err != nil {
				return nil, err
			}
			if found && i.Status != Resolved {
				out = append(out, i)
			}
		}
	}
	return out, nil
}

const maxOpen = 100

// services lists what keep accepts of the teams, or of all when teams is nil, newest first.
func (s Store) services(ctx context.Context, teams []string, keep func(Service) bool, page httpapi.Page) ([]Service, string, error) {
	return dynamo.List(ctx, s.Table, query(serviceKind, teams, page), func(v Service) string { return v.ID }, keep)
}

// maxServices bounds what is chosen from.
const maxServices = 1000

// ServicesOf are the services of a team, by name: at most maxServices.
func (s Store) ServicesOf(ctx context.Context, teamID string) ([]Service, error) {
	list, _, err := s.services(ctx, []string{teamID}, nil, httpapi.Page{Limit: maxServices})
	slices.SortFunc(list, func(a, b Service) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return list, err
}
