// Package audit keeps the record of who did what, when and from where. Events
// are written in the transaction of the change they tell of, never changed,
// and never hold a secret. A sealer puts them into a chain of signed blocks
// (package chain), so that an export of the record can be checked offline.
package audit

import (
	"context"
	"time"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/timestamp"
)

// Ref names a thing by kind and id, such as {"runbook", "rb_..."}.
type Ref struct {
	Kind string `json:"kind" dynamodbav:"kind"`
	ID   string `json:"id" dynamodbav:"id"`
}

// Outcomes of an event.
const (
	Succeeded = "success"
	Refused   = "denied"
	Failed    = "failure"
)

// Event is one entry of the record. Its type is <noun>.<past tense>. All but
// Block is what was written, once, and what its seal is made of.
type Event struct {
	ID        string         `json:"id" dynamodbav:"id"`
	At        timestamp.Time `json:"at" dynamodbav:"at"`
	Type      string         `json:"type" dynamodbav:"type"`
	Actor     Ref            `json:"actor" dynamodbav:"actor"`
	Subject   Ref            `json:"subject" dynamodbav:"subject"`
	TeamID    *string        `json:"teamId" dynamodbav:"teamId"`
	IP        string         `json:"ip" dynamodbav:"ip"`
	RequestID string         `json:"requestId" dynamodbav:"requestId"`
	Outcome   string         `json:"outcome" dynamodbav:"outcome"`
	Detail    map[string]any `json:"detail" dynamodbav:"detail"`
	Block     *int64         `json:"block,omitempty" dynamodbav:"-" doc:"the number of the signed block that holds it, once one does"`
}

// item is an event with its keys: by team, in order of time; by kind for
// platform admins; by actor and by subject.
type item struct {
	PK        string `dynamodbav:"pk"`
	SK        string `dynamodbav:"sk"`
	ByKind    string `dynamodbav:"byKind"`
	ByActor   string `dynamodbav:"byActor"`
	BySubject string `dynamodbav:"bySubject"`
	Event
}

// Log writes events to the audit table. Its functions hold the right to put
// events into it and no other.
type Log struct{ Table dynamo.Table }

// Entry is what a room says of a change; who, where and when are filled in.
type Entry struct {
	Type    string
	Subject Ref
	TeamID  string // "" for what belongs to no team
	Outcome string // Succeeded when empty
	Detail  map[string]any
	Actor   Ref // the principal of the context when empty
}

// Record returns the write of an event, for the transaction of the change.
func (l Log) Record(ctx context.Context, now time.Time, e Entry) dynamo.Op {
	return l.Table.Create(itemOf(l.event(ctx, now, e)))
}

// Note writes an event that stands alone: a refusal, a sign-out.
func (l Log) Note(ctx context.Context, now time.Time, e Entry) error {
	return dynamo.Commit(ctx, l.Table.DB, l.Record(ctx, now, e))
}

func (l Log) event(ctx context.Context, now time.Time, e Entry) Event {
	origin := principal.OriginOf(ctx)
	ev := Event{
		ID: id.New(id.Audit, now), At: timestamp.Of(now), Type: e.Type, Actor: e.Actor, Subject: e.Subject,
		IP: origin.IP, RequestID: origin.RequestID, Outcome: e.Outcome, Detail: e.Detail,
	}
	if ev.Outcome == "" {
		ev.Outcome = Succeeded
	}
	if ev.Detail == nil {
		ev.Detail = map[string]any{}
	}
	if e.TeamID != "" {
		ev.TeamID = &e.TeamID
	}
	if ev.Actor == (Ref{}) {
		ev.Actor = ActorOf(ctx)
	}
	return ev
}

// ActorOf is the principal of a context as an actor; PageFree itself where there is none.
func ActorOf(ctx context.Context) Ref {
	if p, ok := principal.From(ctx); ok {
		return Ref{Kind: string(p.Kind), ID: p.ID}
	}
	return Ref{Kind: string(principal.System), ID: "pagefree"}
}

func itemOf(e Event) item {
	return item{
		PK: partition(e.TeamID), SK: e.ID, ByKind: everything,
		ByActor: actorKey(e.Actor.ID), BySubject: subjectKey(e.Subject.ID), Event: e,
	}
}

// everything is the one partition of the index byKind.
const everything = "audit"

func actorKey(id string) string   { return "actor#" + id }
func subjectKey(id string) string { return "subject#" + id }

func partition(teamID *string) string {
	if teamID == nil {
		return "team#"
	}
	return "team#" + *teamID
}
