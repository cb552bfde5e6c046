package executions

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"pagefree/internal/execution"
	"pagefree/internal/incident"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/runbook"
	"pagefree/internal/web/console"
)

type showView struct {
	row
	Incident *incident.Incident
	Version  *runbook.VersionView // that it used: what was sealed
	Author   console.Person
	Approver console.Person
	Approved console.Moment
	Until    console.Moment // when a confirmation is too late
	Started  console.Moment
	Ended    console.Moment
	Asked    console.Moment // when somebody wanted it to stop
	Confirm  console.Person // who confirmed it
	Where    string
	Values   []value
	Limit    int // seconds an attempt may take
	Elapsed  int // seconds, of one that runs
	Tries    []try
	Shown    int // the attempt whose output is shown
	Chosen   int // the same where somebody chose an earlier one, else 0
	Streams  []stream
	Find     string
	Hits     int
	Comes    string   // when there is no output yet: when it comes
	Script   []string // of one that waits for a confirmation, by lines: who gives it has to have read it
	May      bool     // confirm or cancel it
	Final    bool
	Again    string // the path of running it once more, "" where the caller may not
	Refused  string // why what was asked for was not done
	Said     string // the error as its target put it, where Words put it otherwise
	Audits   bool   // the caller may read what was recorded of it
}

type try struct {
	execution.Attempt
	Begun console.Moment
	Took  string
	Here  bool   // its output is shown
	Words string // why it did not complete
}

// stream is one of the two outputs.
type stream struct {
	Name      string
	Spans     []span
	Lines     int
	Truncated bool
	Path      string // of its download
}

// maxFind bounds what is searched for in an output, in bytes.
const maxFind = 200

func (p *pages) view(c *console.Call) (showView, error) {
	ctx, q := c.R.Context(), c.R.URL.Query()
	v, err := p.Executions.Execution(ctx, c.R.PathValue("id"))
	if err != nil {
		return showView{}, err
	}
	s := showView{
		row: rowOf(c, v), Where: where(v.Target), Limit: int(v.Limit().Seconds()), Final: v.Status.Final(), Shown: v.Attempt,
		Started: c.AgoOr(v.StartedAt), Ended: c.AgoOr(v.CompletedAt), Asked: c.AgoOr(v.CancelRequestedAt), Confirm: c.ByOr(v.ConfirmedByID),
		May: c.Can(v.Team(), principal.Responder), Find: q.Get("find"), Until: c.Ago(timestamp.Of(v.CreatedAt.Add(execution.ConfirmWithin))),
	}
	if len(s.Find) > maxFind {
		s.Find = strings.ToValidUTF8(s.Find[:maxFind], "")
	}
	s.Audits = c.Can(v.Team(), principal.TeamAdmin)
	if v.Error != nil && *v.Error != "cancelled" && !strings.Contains(s.Words, *v.Error) { // the one word says no more than the state
		s.Said = *v.Error
	}
	if v.IncidentID != nil {
		if s.Incident, err = p.incident(c, *v.IncidentID); err != nil {
			return s, err
		}
	}
	if err := p.seal(c, &s); err != nil {
		return s, err
	}
	if s.May {
		s.Again = "/console/executions/new?runbookId=" + v.RunbookID
		if v.IncidentID != nil {
			s.Again += "&incidentId=" + *v.IncidentID
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.Parameters)) {
		s.Values = append(s.Values, value{Name: name, Text: text(v.Parameters[name]), External: slices.Contains(v.External, name)})
	}
	out := execution.Output{Stdout: *v.Stdout, Stderr: *v.Stderr, StdoutTruncated: v.StdoutTruncated, StderrTruncated: v.StderrTruncated}
	if n, err := strconv.Atoi(q.Get("attempt")); err == nil && n != v.Attempt {
		s.Shown, s.Chosen = n, n
		if out, err = p.Executions.Output(ctx, v.ID, n); err != nil {
			return s, err
		}
	}
	s.tries(c)
	s.output(out)
	return s, nil
}

// seal adds what was approved, if the caller may still read it.
func (p *pages) seal(c *console.Call, s *showView) error {
	ver, err := p.Library.Version(c.R.Context(), s.RunbookID, s.VersionUsed)
	if console.Is(err, problem.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	s.Version, s.Author, s.Approver, s.Approved = &ver, c.By(ver.CreatedByID), c.ByOr(ver.ReviewedByID), c.AgoOr(ver.ReviewedAt)
	if s.Status == execution.AwaitingConfirmation && ver.ScriptContent != "" {
		s.Script = strings.Split(strings.TrimSuffix(ver.ScriptContent, "\n"), "\n")
	}
	return nil
}

func (s *showView) tries(c *console.Call) {
	for _, a := range s.View.Tries() {
		t := try{Attempt: a, Begun: c.Ago(a.StartedAt), Here: a.Attempt == s.Shown}
		if a.EndedAt != nil {
			t.Took = console.Span(a.EndedAt.Sub(a.StartedAt.Time))
		}
		t.Words = wordsOf(execution.View{Status: a.Status, Error: a.Error, ExitCode: a.ExitCode})
		s.Tries = append(s.Tries, t)
	}
	if n := len(s.Tries); n > 0 && s.Status == execution.Running {
		s.Elapsed = min(int(c.Now().Sub(s.Tries[n-1].StartedAt.Time)/time.Second), s.Limit)
	}
}

func (s *showView) output(out execution.Output) {
	for _, o := range []struct {
		name, text string
		truncated  bool
	}{{"stdout", out.Stdout, out.StdoutTruncated}, {"stderr", out.Stderr, out.StderrTruncated}} {
		if o.text == "" {
			continue
		}
		spans, hits := find(colour(o.text), s.Find)
		s.Hits += hits
		s.Streams = append(s.Streams, stream{
			Name: o.name, Spans: spans, Lines: strings.Count(strings.TrimSuffix(o.text, "\n"), "\n") + 1, Truncated: o.truncated,
			Path: "/console/executions/" + s.ID + "/output.txt?stream=" + o.name + "&attempt=" + strconv.Itoa(s.Shown),
		})
	}
	switch {
	case len(s.Streams) > 0:
	case s.Final:
		s.Comes = "It wrote nothing."
	case s.Target.Type == runbook.Webhook:
		s.Comes = "Output shows here with each report of the receiver."
	default:
		s.Comes = "Output shows here when it ends."
	}
}

func (p *pages) show(c *console.Call) error {
	v, err := p.view(c)
	if err != nil {
		return err
	}
	return c.Show("execution", p.page(v))
}

func (p *pages) page(v showView) console.Page {
	return console.Page{Title: v.RunbookName, Crumbs: crumbs, View: v, Live: true}
}

// live are the parts of the page that follow changes: the state, or with
// part=output what it wrote. Between them stands a field that people type into.
func (p *pages) live(c *console.Call) error {
	v, err := p.view(c)
	if err != nil {
		return err
	}
	if c.R.URL.Query().Get("part") == "output" {
		return c.Fragment("execution-output", v)
	}
	return c.Fragment("execution-live", v)
}

// download answers an output as the script wrote it. A browser keeps it as a
// file, and shows none of it as a page of ours.
func (p *pages) download(c *console.Call) error {
	v, err := p.Executions.Execution(c.R.Context(), c.R.PathValue("id"))
	if err != nil {
		return err
	}
	q := c.R.URL.Query()
	attempt := v.Attempt
	if q.Has("attempt") {
		if attempt, err = strconv.Atoi(q.Get("attempt")); err != nil {
			return problem.Missing()
		}
	}
	out, err := p.Executions.Output(c.R.Context(), v.ID, attempt)
	if err != nil {
		return err
	}
	body, name := out.Stdout, "stdout"
	switch q.Get("stream") {
	case "", "stdout":
	case "stderr":
		body, name = out.Stderr, "stderr"
	default:
		return problem.Missing()
	}
	h := c.W.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+v.ID+"-"+strconv.Itoa(attempt)+"-"+name+`.txt"`)
	h.Set("X-Content-Type-Options", "nosniff")
	c.W.WriteHeader(http.StatusOK)
	_, err = c.W.Write([]byte(body))
	return err
}

func (p *pages) confirm(c *console.Call) error {
	_, err := p.Executions.Confirm(c.R.Context(), c.R.PathValue("id"))
	return p.acted(c, err, "confirmed")
}

func (p *pages) cancel(c *console.Call) error {
	v, _, err := p.Executions.Cancel(c.R.Context(), c.R.PathValue("id"))
	did := "cancelled"
	if !v.Status.Final() {
		did = "cancelling"
	}
	return p.acted(c, err, did)
}

// acted leads to the execution, or shows it as it is now with why the act was not done.
func (p *pages) acted(c *console.Call, err error, did string) error {
	if err == nil {
		return c.See("/console/executions/"+c.R.PathValue("id"), did)
	}
	with, ok := c.Sent().With(err)
	if !ok || c.HTMX() {
		return err
	}
	v, rerr := p.view(c)
	if rerr != nil {
		return rerr
	}
	v.Refused = with.Text
	return c.Answer(http.StatusConflict, "execution", p.page(v))
}
