package incident

import (
	"context"

	"pagefree/internal/platform/dynamo"
)

// Store keeps incidents, timelines and services in the automation table.
//
//	inc#<incident>  inc             the incident         byTeam inc#<team>, byKind inc
//	inc#<incident>  tl#<ulid>       a timeline entry
//	svc#<service>   svc             the service          byTeam svc#<team>, byKind svc
//	svc#<service>   open#<incident> an open incident of the service
//	svcname#<team>  <name>          who holds the name
//	dedup#<service>#<hash> dedup    which open incident holds the dedup key
type Store struct{ Table dynamo.Table }

func incidentPK(incidentID string) string { return "inc#" + incidentID }

func incidentKey(incidentID string) dynamo.Key {
	return dynamo.Key{PK: incidentPK(incidentID), SK: "inc"}
}

func serviceKey(serviceID string) dynamo.Key { return dynamo.Key{PK: "svc#" + serviceID, SK: "svc"} }

// Incident reads an incident, and false where there is none.
func (s Store) Incident(ctx context.Context, incidentID string) (Incident, bool, error) {
	var i Incident
	found, err := s.Table.Get(ctx, incidentKey(incidentID), &i)
	return i, found, err
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
