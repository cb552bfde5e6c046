package notify

import (
	"context"
	"fmt"
	"strconv"

	"pagefree/internal/notify/push"
	"pagefree/internal/platform/mailstop"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/teams"
)

// reading asks each thing once: what many people are told of in one go is read
// once for all of them. It is as good as the moment of its making, so one that
// mails are made of is begun when what they tell lies on heaps: whoever changes
// it later finds it there, and tells what became of it.
type reading struct {
	facts      Facts
	store      Store
	teams      once[TeamSettings]
	incidents  once[Incident]
	executions once[Execution]
	versions   once[Version]
}

// once is what was read, by what was asked for.
type once[T any] map[string]answer[T]

type answer[T any] struct {
	is    T
	found bool
}

func (o once[T]) get(key string, read func() (T, bool, error)) (T, bool, error) {
	if a, known := o[key]; known {
		return a.is, a.found, nil
	}
	is, found, err := read()
	if err == nil {
		o[key] = answer[T]{is, found}
	}
	return is, found, err
}

func (n *Notifier) reading() *reading {
	return &reading{n.Facts, n.Store, once[TeamSettings]{}, once[Incident]{}, once[Execution]{}, once[Version]{}}
}

func (r *reading) team(ctx context.Context, teamID string) (TeamSettings, error) {
	t, _, err := r.teams.get(teamID, func() (TeamSettings, bool, error) {
		t, err := r.store.team(ctx, teamID)
		return t, true, err
	})
	return t, err
}

func (r *reading) incident(ctx context.Context, incidentID string) (Incident, bool, error) {
	return r.incidents.get(incidentID, func() (Incident, bool, error) { return r.facts.Incident(ctx, incidentID) })
}

func (r *reading) execution(ctx context.Context, executionID string, output bool) (Execution, bool, error) {
	return r.executions.get(fmt.Sprint(executionID, output), func() (Execution, bool, error) { return r.facts.Execution(ctx, executionID, output) })
}

// version is the one that an event is about.
func (r *reading) version(ctx context.Context, e outbox.Event) (Version, bool, error) {
	number, _ := strconv.Atoi(e.Detail["version"])
	return r.versions.get(fmt.Sprint(e.About, " ", number), func() (Version, bool, error) { return r.facts.Version(ctx, e.About, number) })
}

// settings are what holds for who may be told of something.
type settings struct {
	team    TeamSettings
	own     map[string]Own           // by person; who has set none is left out
	stopped map[string]mailstop.Stop // by address
	devices map[string]push.Devices  // by person; who has none may be left out
}

// may reads who may be concerned by an event: those whom the rule names, before
// anybody's settings.
func (n *Notifier) may(ctx context.Context, e outbox.Event, w wanted) ([]teams.Person, error) {
	if w.role == principal.None && !w.admins && len(w.people) == 0 {
		return nil, nil
	}
	var people []teams.Person
	add := func(some []teams.Person, err error) error {
		for _, p := range some {
			if w.concerns(e, p) {
				people = append(people, p)
			}
		}
		return err
	}
	if e.TeamID != "" {
		if err := add(n.People.Members(ctx, e.TeamID)); err != nil {
			return nil, err
		}
	}
	if w.admins {
		if err := add(n.People.Admins(ctx)); err != nil {
			return nil, err
		}
	}
	known := map[string]bool{}
	for _, p := range people {
		known[p.ID] = true
	}
	var others []string
	for _, id := range w.people {
		if !known[id] {
			others = append(others, id)
		}
	}
	if len(others) > 0 {
		if err := add(n.People.People(ctx, others)); err != nil {
			return nil, err
		}
	}
	return people, nil
}
