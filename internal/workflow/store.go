package workflow

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
)

// Store keeps workflows and their runs in the automation table.
//
//	wf#<workflow>                 wf      the workflow      byTeam wf#<team>, byKind wf
//	wfname#<team>                 <name>  which workflow holds the name
//	wfr#<run>                     run     the run           byIncident wfr#<incident>
//	wfr#<run>                     def     the definition that it keeps
//	wfr#<workflow>                <run>   that the workflow has this run
//	wflive#<workflow>#<incident>  live    the run that is live, and those that wait for it to end
type Store struct {
	Table     dynamo.Table
	Retention time.Duration // how long runs are kept
}

const (
	workflowSK = "wf"
	kind       = "wf"
	runSK      = "run"
	defSK      = "def"
	liveSK     = "live"
)

type workflowItem struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	ByTeam string `dynamodbav:"byTeam"`
	ByKind string `dynamodbav:"byKind"`
	Workflow
}

type nameItem struct {
	PK         string `dynamodbav:"pk"`
	SK         string `dynamodbav:"sk"`
	WorkflowID string `dynamodbav:"workflowId"`
}

type runItem struct {
	PK         string `dynamodbav:"pk"`
	SK         string `dynamodbav:"sk"`
	ByIncident string `dynamodbav:"byIncident"`
	TTL        int64  `dynamodbav:"ttl"`
	Run
}

type definitionItem struct {
	PK  string `dynamodbav:"pk"`
	SK  string `dynamodbav:"sk"`
	TTL int64  `dynamodbav:"ttl"`
	Definition
}

// mention lists a run among those of its workflow.
type mention struct {
	PK  string `dynamodbav:"pk"`
	SK  string `dynamodbav:"sk"`
	TTL int64  `dynamodbav:"ttl"`
}

// live is which run of a workflow is live for an incident, and which wait, the
// first to begin first. Its zero value is that there is none.
type live struct {
	PK      string   `dynamodbav:"pk"`
	SK      string   `dynamodbav:"sk"`
	RunID   string   `dynamodbav:"runId"`
	Waiting []string `dynamodbav:"waiting"`
	Rev     int64    `dynamodbav:"rev"`
}

func workflowKey(workflowID string) dynamo.Key {
	return dynamo.Key{PK: "wf#" + workflowID, SK: workflowSK}
}

func nameKey(w Workflow) dynamo.Key {
	return dynamo.Key{PK: "wfname#" + w.TeamID, SK: strings.ToLower(w.Name)}
}

func runKey(runID string) dynamo.Key { return dynamo.Key{PK: "wfr#" + runID, SK: runSK} }

func definitionKey(runID string) dynamo.Key { return dynamo.Key{PK: "wfr#" + runID, SK: defSK} }

func liveKey(workflowID, incidentID string) dynamo.Key {
	return dynamo.Key{PK: "wflive#" + workflowID + "#" + incidentID, SK: liveSK}
}

func (w Workflow) item() workflowItem {
	k := workflowKey(w.ID)
	return workflowItem{PK: k.PK, SK: k.SK, ByTeam: kind + "#" + w.TeamID, ByKind: kind, Workflow: w}
}

// Workflow reads one, and false where there is none.
func (s Store) Workflow(ctx context.Context, workflowID string) (Workflow, bool, error) {
	var it workflowItem
	found, err := s.Table.Get(ctx, workflowKey(workflowID), &it)
	return it.Workflow, found, err
}

// create are the writes of a new workflow. The first fails when its name is taken.
func (s Store) create(w Workflow) []dynamo.Op {
	return []dynamo.Op{s.takeName(w), s.Table.Create(w.item())}
}

func (s Store) takeName(w Workflow) dynamo.Op {
	k := nameKey(w)
	return s.Table.Create(nameItem{PK: k.PK, SK: k.SK, WorkflowID: w.ID})
}

// replace are the writes of the next version of was. Where the name changes,
// the first fails when it is taken.
func (s Store) replace(was, is Workflow) []dynamo.Op {
	put := s.Table.Put(is.item(), dynamo.Is("version", was.Version))
	if nameKey(was) == nameKey(is) {
		return []dynamo.Op{put}
	}
	return []dynamo.Op{s.takeName(is), put, s.freeName(was)}
}

// remove are the writes that remove a workflow. Its runs stay, and go on.
func (s Store) remove(w Workflow) []dynamo.Op {
	return []dynamo.Op{s.Table.Delete(workflowKey(w.ID), dynamo.Is("version", w.Version)), s.freeName(w)}
}

func (s Store) freeName(w Workflow) dynamo.Op {
	return s.Table.Delete(nameKey(w), dynamo.Is("workflowId", w.ID))
}

// workflows lists what keep accepts of the teams, or of all when teams is nil, newest first.
func (s Store) workflows(ctx context.Context, teams []string, keep func(Workflow) bool, page httpapi.Page) ([]Workflow, string, error) {
	q := dynamo.Query{Index: "byKind", Values: []string{kind}, Sort: "id", Before: page.Before, Limit: page.Limit}
	if teams != nil {
		q.Index, q.Values = "byTeam", nil
		for _, t := range teams {
			q.Values = append(q.Values, kind+"#"+t)
		}
	}
	return dynamo.List(ctx, s.Table, q, func(w Workflow) string { return w.ID }, keep)
}

// enabled are a team's workflows that an event of a type may start. The index
// tells of them; each is read once more, since an index may be behind.
func (s Store) enabled(ctx context.Context, teamID, event string) ([]Workflow, error) {
	var keys []dynamo.Key
	for before := ""; ; {
		keep := func(w Workflow) bool { return slices.Contains(w.Trigger.On, event) }
		list, next, err := s.workflows(ctx, []string{teamID}, keep, httpapi.Page{Limit: 200, Before: before})
		if err != nil {
			return nil, err
		}
		for _, w := range list {
			keys = append(keys, workflowKey(w.ID))
		}
		if next == "" {
			break
		}
		before = next
	}
	all, err := dynamo.GetAll[Workflow](ctx, s.Table, keys)
	all = slices.DeleteFunc(all, func(w Workflow) bool { return !w.Enabled || w.TeamID != teamID })
	slices.SortFunc(all, func(a, b Workflow) int { return strings.Compare(a.ID, b.ID) })
	return all, err
}

func (s Store) ttl(r Run) int64 { return r.CreatedAt.Add(s.Retention).Unix() }

func (s Store) runItem(r Run) runItem {
	k := runKey(r.ID)
	return runItem{PK: k.PK, SK: k.SK, ByIncident: "wfr#" + r.IncidentID, TTL: s.ttl(r), Run: r}
}

// expired tells what the table still has and nobody may see any more.
func (s Store) expired(r Run, now time.Time) bool {
	return r.Status.Final() && !now.Before(r.CreatedAt.Add(s.Retention))
}

// run reads one, and false where there is none.
func (s Store) run(ctx context.Context, runID string) (Run, bool, error) {
	var it runItem
	found, err := s.Table.Get(ctx, runKey(runID), &it)
	return it.Run, found, err
}

// load reads a run with its definition; one that lost that has no steps in it.
func (s Store) load(ctx context.Context, runID string) (r Run, d Definition, found bool, err error) {
	var run runItem
	var def definitionItem
	err = s.Table.ReadAll(ctx, dynamo.Read{Key: runKey(runID), Out: &run, Found: &found}, dynamo.Read{Key: definitionKey(runID), Out: &def})
	return run.Run, def.Definition, found, err
}

// createRun are the writes of a new run, of which the first fails when there is one.
func (s Store) createRun(r Run, d Definition) []dynamo.Op {
	k := definitionKey(r.ID)
	ops := []dynamo.Op{
		s.Table.Create(s.runItem(r)),
		s.Table.Create(definitionItem{PK: k.PK, SK: k.SK, TTL: s.ttl(r), Definition: d}),
		s.Table.Create(mention{PK: "wfr#" + r.WorkflowID, SK: r.ID, TTL: s.ttl(r)}),
	}
	if !r.DueAt.IsZero() {
		ops = append(ops, due.Put(s.Table, reminder(r)))
	}
	return ops
}

// replaceRun are the writes of what became of a run, which nobody may have
// written to since it was read: that is the condition of the first.
func (s Store) replaceRun(was, is Run) []dynamo.Op {
	ops := []dynamo.Op{s.Table.Put(s.runItem(is), dynamo.Is("rev", was.Rev))}
	old, now := reminder(was), reminder(is)
	if was.DueAt.Equal(is.DueAt.Time) {
		return ops
	}
	if !was.DueAt.IsZero() {
		ops = append(ops, due.Done(s.Table, old))
	}
	if !is.DueAt.IsZero() {
		ops = append(ops, due.Put(s.Table, now))
	}
	return ops
}

// reminder is the due item of a run.
func reminder(r Run) due.Item { return due.React.New(DueRun, r.ID, r.DueAt.Time) }

// runsOf lists the runs of a workflow, newest first.
func (s Store) runsOf(ctx context.Context, workflowID string, page httpapi.Page) ([]Run, string, error) {
	q := dynamo.Query{Values: []string{"wfr#" + workflowID}, Sort: dynamo.SK, Before: page.Before, Limit: page.Limit}
	names, next, err := dynamo.List(ctx, s.Table, q, func(m mention) string { return m.SK }, nil)
	if err != nil {
		return nil, "", err
	}
	var runs []Run
	for few := range slices.Chunk(names, 20) { // a run has up to 400 KB
		keys := make([]dynamo.Key, len(few))
		for i, m := range few {
			keys[i] = runKey(m.SK)
		}
		more, err := dynamo.GetAll[Run](ctx, s.Table, keys)
		if err != nil {
			return nil, "", err
		}
		slices.SortFunc(more, func(a, b Run) int { return strings.Compare(b.ID, a.ID) })
		runs = append(runs, more...)
		fits, stopped, err := httpapi.Fit(runs, "", func(r Run) string { return r.ID })
		if err != nil || stopped != "" {
			return fits, stopped, err
		}
	}
	return runs, next, nil
}

// runsFor lists the runs for an incident, newest first.
func (s Store) runsFor(ctx context.Context, incidentID string, page httpapi.Page) ([]Run, string, error) {
	q := dynamo.Query{Index: "byIncident", Values: []string{"wfr#" + incidentID}, Sort: "id", Before: page.Before, Limit: page.Limit}
	return dynamo.List(ctx, s.Table, q, func(r Run) string { return r.ID }, nil)
}

// live reads which run is live.
func (s Store) live(ctx context.Context, workflowID, incidentID string) (live, error) {
	var l live
	_, err := s.Table.Get(ctx, liveKey(workflowID, incidentID), &l)
	return l, err
}

// putLive is the write of which run of r's workflow and incident is live, and
// of who waits; nobody may have changed that since it was read.
func (s Store) putLive(r Run, was, is live) dynamo.Op {
	k := liveKey(r.WorkflowID, r.IncidentID)
	unchanged := dynamo.Absent()
	if was.Rev > 0 {
		unchanged = expression.And(dynamo.Is("rev", was.Rev), dynamo.Is("runId", was.RunID))
	}
	if is.RunID == "" {
		return s.Table.Delete(k, unchanged)
	}
	is.PK, is.SK, is.Rev = k.PK, k.SK, was.Rev+1
	return s.Table.Put(is, unchanged)
}

// stillLive makes a transaction depend on it.
func (s Store) stillLive(r Run, was live) dynamo.Op {
	return s.Table.Check(liveKey(r.WorkflowID, r.IncidentID), expression.And(dynamo.Is("rev", was.Rev), dynamo.Is("runId", was.RunID)))
}
