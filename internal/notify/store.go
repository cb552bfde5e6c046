package notify

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/notify/push"
	"pagefree/internal/platform/devices"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/mailstop"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/teams"
	"pagefree/internal/platform/timestamp"
)

// Store keeps settings beside the people, in the identity table, and what is
// to be told beside what it is about, in the automation one. A function leaves
// out the table that it has no right to.
//
//	notify#<user or team>  notify    settings             identity
//	quiet#<user>           <subject> a heap               automation
//	told#<event>           <user>    it lies on the heap  automation
//	told#<event>           webhook   it is to be sent     automation
//	notice#<shard>         ...       reminders, and what webhooks are to be sent
type Store struct {
	Identity   dynamo.Table
	Automation dynamo.Table
}

const settingsSK = "notify"

func settingsKey(of string) dynamo.Key { return dynamo.Key{PK: "notify#" + of, SK: settingsSK} }

func heapKey(userID, subject string) dynamo.Key {
	return dynamo.Key{PK: "quiet#" + userID, SK: subject}
}

func markKey(eventID, to string) dynamo.Key { return dynamo.Key{PK: "told#" + eventID, SK: to} }

// hooked stands for the webhook among those who were told.
const hooked = "webhook"

type mark struct {
	PK  string `dynamodbav:"pk"`
	SK  string `dynamodbav:"sk"`
	TTL int64  `dynamodbav:"ttl"`
}

type ownItem struct {
	PK string `dynamodbav:"pk"`
	SK string `dynamodbav:"sk"`
	Own
}

type teamItem struct {
	PK string `dynamodbav:"pk"`
	SK string `dynamodbav:"sk"`
	TeamSettings
}

// team reads a team's settings; the defaults where there are none.
func (s Store) team(ctx context.Context, teamID string) (TeamSettings, error) {
	var item teamItem
	if teamID == "" {
		return defaultTeam, nil
	}
	found, err := s.Identity.Get(ctx, settingsKey(teamID), &item)
	if err != nil || !found {
		return defaultTeam, err
	}
	return item.TeamSettings, nil
}

// owns reads the settings of people, by id; who has set none is left out.
func (s Store) owns(ctx context.Context, ids []string) (map[string]Own, error) {
	keys := make([]dynamo.Key, len(ids))
	by := map[string]string{}
	for i, id := range ids {
		keys[i] = settingsKey(id)
		by[keys[i].PK] = id
	}
	items, err := dynamo.GetAll[ownItem](ctx, s.Identity, keys)
	found := make(map[string]Own, len(items))
	for _, item := range items {
		found[by[item.PK]] = item.Own
	}
	return found, err
}

// settings reads what holds for who may be told of something of a team, all at once.
func (s Store) settings(ctx context.Context, teamID string, people []teams.Person) (settings, error) {
	var of teamItem
	var set bool
	out := settings{team: defaultTeam, own: map[string]Own{}, stopped: map[string]mailstop.Stop{}, devices: map[string]push.Devices{}}
	var reads []dynamo.Read
	if teamID != "" {
		reads = append(reads, dynamo.Read{Key: settingsKey(teamID), Out: &of, Found: &set})
	}
	owns, has := make([]ownItem, len(people)), make([]bool, len(people))
	stops, phones := make([]func() (mailstop.Stop, bool), len(people)), make([]push.Devices, len(people))
	for i, p := range people {
		var stop dynamo.Read
		stop, stops[i] = mailstop.Look(p.Email)
		reads = append(reads, dynamo.Read{Key: settingsKey(p.ID), Out: &owns[i], Found: &has[i]}, stop,
			dynamo.Read{Key: devices.Key(p.ID), Out: &phones[i]})
	}
	if err := s.Identity.ReadAll(ctx, reads...); err != nil {
		return settings{}, err
	}
	if set {
		out.team = of.TeamSettings
	}
	for i, p := range people {
		if has[i] {
			out.own[p.ID] = owns[i].Own
		}
		if stop, is := stops[i](); is {
			out.stopped[p.Email] = stop
		}
		if len(phones[i].List) > 0 {
			out.devices[p.ID] = phones[i]
		}
	}
	return out, nil
}

// at is the condition that settings are at a revision, 0 for none.
func at(rev int64) expression.ConditionBuilder {
	if rev == 0 {
		return dynamo.Absent()
	}
	return dynamo.Is("rev", rev)
}

func (s Store) putOwn(userID string, o Own) dynamo.Op {
	k := settingsKey(userID)
	o.Rev++
	return s.Identity.Put(ownItem{PK: k.PK, SK: k.SK, Own: o}, at(o.Rev-1))
}

func (s Store) putTeam(teamID string, t TeamSettings) dynamo.Op {
	k := settingsKey(teamID)
	t.Rev++
	return s.Identity.Put(teamItem{PK: k.PK, SK: k.SK, TeamSettings: t}, at(t.Rev-1))
}

// switchOff ends a webhook that wants no more; it fails where it is another one by now.
func (s Store) switchOff(teamID string, w Webhook, reason string, now time.Time) dynamo.Op {
	update := expression.Set(expression.Name("webhook.disabledAt"), expression.Value(timestamp.Of(now))).
		Set(expression.Name("webhook.disabledReason"), expression.Value(reason)).
		Add(expression.Name("rev"), expression.Value(1))
	return s.Identity.Update(settingsKey(teamID), update, dynamo.Is("webhook.hash", w.Hash).And(dynamo.Is("webhook.disabledAt", nil)))
}

func (s Store) heap(ctx context.Context, userID, subject string) (heap, error) {
	k := heapKey(userID, subject)
	h := heap{PK: k.PK, SK: k.SK, UserID: userID, Subject: subject}
	_, err := s.Automation.Get(ctx, k, &h)
	return h, err
}

// putHeap is the write of what became of a heap that was read at h.Rev.
func (s Store) putHeap(h heap, now time.Time) dynamo.Op {
	h.Rev++
	h.TTL = now.Unix() + heapLife
	return s.Automation.Put(h, at(h.Rev-1))
}

// mark is the write that an event was handed to somebody. It fails where it was already.
func (s Store) mark(eventID, to string, now time.Time) dynamo.Op {
	k := markKey(eventID, to)
	return s.Automation.Create(mark{PK: k.PK, SK: k.SK, TTL: now.Unix() + keepTold})
}

// heaps reads what people are to be told about a subject, and to whom an event
// was handed already.
func (s Store) heaps(ctx context.Context, e outbox.Event, userIDs []string) (heaps map[string]*heap, told map[string]*bool, err error) {
	heaps, told = map[string]*heap{}, map[string]*bool{hooked: new(bool)}
	of := subject(e)
	reads := []dynamo.Read{{Key: markKey(e.ID, hooked), Out: new(mark), Found: told[hooked]}}
	for _, id := range userIDs {
		k := heapKey(id, of)
		heaps[id], told[id] = &heap{PK: k.PK, SK: k.SK, UserID: id, Subject: of}, new(bool)
		reads = append(reads, dynamo.Read{Key: k, Out: heaps[id]}, dynamo.Read{Key: markKey(e.ID, id), Out: new(mark), Found: told[id]})
	}
	return heaps, told, s.Automation.ReadAll(ctx, reads...)
}

// delivery is an event that a webhook is to be sent, with its reminder.
type delivery struct {
	due.Item
	outbox.Event
}

// deliveryItem reminds of a delivery that nobody can be at any more: a sweep
// that came while the first try still waits for its answer would post it twice.
func deliveryItem(e outbox.Event, now time.Time) due.Item {
	return due.Notices.New(hookKind, e.ID, now.Add(lease))
}

func (s Store) commit(ctx context.Context, ops ...dynamo.Op) error {
	return dynamo.Commit(ctx, s.Automation.DB, ops...)
}
