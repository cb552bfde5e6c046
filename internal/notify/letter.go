package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/text"
)

// Letter is a mail to one person, in words; how it looks is its post's.
// Everything but Text and Outputs is one line.
type Letter struct {
	To       string
	Subject  string
	Headline string
	Text     string // a paragraph, or several
	Facts    []Fact
	Items    []string // of a digest
	Outputs  []Output
	Button   string // that leads to Path, "" for none
	Path     string // of ours
	Why      string // the reader gets it
	Thread   string // the id that all mails of one thread have; "" for one that stands alone
}

// Fact is a line that says something by name.
type Fact struct{ Name, Value string }

// Output is what a script wrote to a stream.
type Output struct {
	Name, Text string
	Cut        bool
}

// Limits of what others wrote, in a mail.
const (
	maxTitle   = 160 // characters
	maxReason  = 400
	maxMessage = 4000
	maxOutput  = 4 << 10 // bytes of each stream
)

// compose makes the letter of a heap, or says that there is nothing to tell.
// open is what heap.Open is after it.
func compose(h heap, n news) (l Letter, open, ok bool) {
	switch {
	case len(n.items) == 0:
		return Letter{}, h.Open, false
	case id.Valid(id.Incident, h.Subject) && kinds[n.items[0].Type] == Incidents:
		return ofIncident(h, n)
	case len(n.items) == 1 && h.More == 0:
		l = single(n.items[0], n.incident)
	default:
		l = digest(n.items, h.More, !h.MailedAt.IsZero())
	}
	return l, h.Open, true
}

const (
	whyResponder = "You get this as a responder of the team."
	whyAdmin     = "You get this as an admin of the team, or since you started it."
	whyReviewer  = "You get this since you may approve it."
	whyNamed     = "You get this since a workflow of your team names you, or a group that you are in."
)

// ofIncident tells how an incident is now, whatever came in between. That it
// was acknowledged or resolved is only told to who was told that it was open;
// that it became worse, while somebody works on it, to who was not.
func ofIncident(h heap, n news) (l Letter, open, ok bool) {
	i := n.incident
	title, service := line(i.Title, maxTitle), line(i.Service, maxTitle)
	l = Letter{
		Subject: fmt.Sprintf("[%s] %s", i.Severity, title), Headline: title, Thread: i.ID,
		Facts:  []Fact{{"Severity", i.Severity}, {"Status", i.Status}, {"Service", service}},
		Button: "Open the incident", Path: "/console/incidents/" + i.ID, Why: whyResponder,
	}
	if service != "" {
		l.Subject += " (" + service + ")"
	} else {
		l.Facts = l.Facts[:2]
	}
	last := n.items[len(n.items)-1]
	worse := slices.ContainsFunc(n.items, func(i item) bool { return i.Type == outbox.IncidentUpdated })
	l.Facts = append(l.Facts, Fact{"When", clock(last.At.Time)})
	switch i.Status {
	case "TRIGGERED":
		l.Text, open = "An incident is open.", true
		if worse {
			l.Text = "An incident that is open became worse."
		}
		for _, item := range n.items {
			switch item.Type {
			case outbox.IncidentEscalated:
				l.Text = "Nobody has acknowledged this incident yet."
			case outbox.IncidentReopened:
				l.Text = "An incident was opened again."
			}
		}
	case "ACKNOWLEDGED":
		l.Text, open = "Somebody works on this incident.", true
		if worse {
			l.Text = "This incident became worse. Somebody works on it."
		}
	case "RESOLVED":
		l.Text = "This incident is over."
	default: // it is gone
		return Letter{}, h.Open, false
	}
	if i.Status != "TRIGGERED" && !h.Open && !(open && worse) {
		return Letter{}, h.Open, false
	}
	if i.Status != "TRIGGERED" && h.Open { // the same subject, so that readers who sort by it find the thread too
		l.Subject = "Re: " + l.Subject
	}
	return l, open, true
}

// named is what a heap's subject is called.
func named(i item) string {
	for _, name := range []string{i.execution.Runbook, i.version.Runbook, i.Detail["runbookName"], i.Detail["workflowName"]} {
		if name = line(name, maxTitle); name != "" {
			return name
		}
	}
	return i.About
}

// endings are those of an execution, as words after a runbook's name.
var endings = map[string]string{"FAILED": "failed", "TIMEOUT": "ran out of time", "UNKNOWN": "ended, and nobody knows how", "CANCELLED": "was cancelled"}

// status is how an execution ended.
func (i item) status() string {
	if failed[i.execution.Status] {
		return i.execution.Status
	}
	return i.Detail["status"]
}

// why is what is on record of the reason.
func (i item) why() string {
	for _, reason := range []string{i.execution.Error, i.execution.Reason, i.Detail["reason"]} {
		if reason = line(reason, maxReason); reason != "" {
			return reason
		}
	}
	return ""
}

// single is the letter of one event.
func single(i item, of Incident) Letter {
	name, reason := named(i), i.why()
	l := Letter{Button: "Open the execution", Path: "/console/executions/" + i.About}
	switch i.Type {
	case outbox.ExecutionEnded:
		status := i.status()
		l.Subject, l.Headline, l.Why = fmt.Sprintf("[%s] %s", status, name), name+" "+endings[status], whyAdmin
		l.Facts = []Fact{{"Status", status}, {"Reason", reason}}
		l.Outputs = outputs(i.execution)
	case outbox.ExecutionWaits:
		l.Subject, l.Headline, l.Why = "[CONFIRM] "+name, name+" waits for a confirmation", whyResponder
		l.Text = "It runs once a responder confirms it, and is cancelled after 15 minutes."
		l.Facts = []Fact{{"Reason", reason}}
	case outbox.ExecutionExpired:
		l.Subject, l.Headline, l.Why = "[NOT CONFIRMED] "+name, name+" did not run", whyResponder
		l.Text = "Nobody confirmed it in time, so that it was cancelled."
	case outbox.RunbookSubmitted:
		version := i.Detail["version"]
		l.Subject, l.Headline, l.Why = "[REVIEW] "+name, fmt.Sprintf("Version %s of %s waits for a review", version, name), whyReviewer
		l.Button, l.Path = "Open the version", "/console/runbooks/"+i.About+"/versions/"+version
	case outbox.WorkflowFailed:
		l.Subject, l.Headline, l.Why = "[FAILED] Workflow "+name, "The workflow "+name+" failed", whyAdmin
		l.Button, l.Path = "Open the run", "/console/workflow-runs/"+i.About
		l.Facts = []Fact{{"Reason", line(i.Detail["reason"], maxReason)}}
		if by := i.Detail["executionId"]; by != "" { // one mail for both
			status, of := "FAILED", line(i.Detail["workflowName"], maxTitle)
			ended := i.Detail["executionStatus"]
			if failed[ended] {
				status = ended
			}
			l.Subject = fmt.Sprintf("[%s] %s (workflow %s)", status, name, of)
			l.Headline = fmt.Sprintf("%s %s, and so the workflow %s failed", name, endings[ended], of)
			l.Facts = append(l.Facts, Fact{"Workflow", of}, Fact{"Execution", by})
			l.Outputs = outputs(i.execution)
		}
	case outbox.WorkflowNotify:
		l.Subject, l.Why = line(i.Detail["subject"], maxTitle), whyNamed
		if l.Subject == "" {
			l.Subject = "A message of the workflow " + name
		}
		l.Headline, l.Text = l.Subject, paragraphs(i.Detail["message"])
		l.Button, l.Path = "Open the run", "/console/workflow-runs/"+i.About
	}
	if of.ID != "" {
		l.Facts = append(l.Facts, Fact{"Incident", line(of.Title, maxTitle)})
	}
	l.Facts = append(l.Facts, Fact{"When", clock(i.At.Time)})
	kept := l.Facts[:0]
	for _, f := range l.Facts {
		if f.Value != "" {
			kept = append(kept, f)
		}
	}
	l.Facts = kept
	return l
}

// digest is the letter of many events about one thing.
func digest(items []item, uncounted int, before bool) Letter {
	what := map[string]string{
		outbox.ExecutionEnded: "failures", outbox.WorkflowFailed: "failures", outbox.ExecutionWaits: "confirmations that wait",
		outbox.ExecutionExpired: "confirmations that nobody gave", outbox.WorkflowNotify: "messages", outbox.RunbookSubmitted: "reviews that wait",
	}
	noun := what[items[0].Type]
	why := map[string]string{outbox.ExecutionEnded: whyAdmin, outbox.WorkflowFailed: whyAdmin, outbox.RunbookSubmitted: whyReviewer, outbox.WorkflowNotify: whyNamed}[items[0].Type]
	if why == "" {
		why = whyResponder
	}
	l := Letter{Why: why}
	for _, i := range items {
		if what[i.Type] != noun {
			noun = "messages"
		}
		l.Items = append(l.Items, i.short())
	}
	if uncounted > 0 {
		l.Items = append(l.Items, fmt.Sprintf("and %d more", uncounted))
	}
	more := ""
	if before {
		more = "more "
	}
	count := len(items) + uncounted
	if count == 1 {
		noun = strings.Replace(strings.Replace(noun, "s that wait", " that waits", 1), "messages", "message", 1)
	}
	l.Subject = fmt.Sprintf("%d %s%s of %s", count, more, noun, named(items[0]))
	l.Headline = l.Subject
	l.Text = "This came within a minute or so. You get one mail a minute about one runbook or workflow at most."
	switch last := items[len(items)-1]; last.Type {
	case outbox.WorkflowFailed, outbox.WorkflowNotify:
		l.Button, l.Path = "Open the newest run", "/console/workflow-runs/"+last.About
	case outbox.RunbookSubmitted:
		l.Button, l.Path = "Open the runbook", "/console/runbooks/"+last.About
	default:
		l.Button, l.Path = "Open the newest execution", "/console/executions/"+last.About
	}
	return l
}

// short is an event in one line.
func (i item) short() string {
	s := clock(i.At.Time) + ": "
	switch i.Type {
	case outbox.ExecutionEnded:
		s += i.status()
	case outbox.ExecutionWaits:
		s += "waits for a confirmation"
	case outbox.ExecutionExpired:
		s += "not confirmed in time"
	case outbox.RunbookSubmitted:
		s += "version " + line(i.Detail["version"], 20) + " waits for a review"
	case outbox.WorkflowFailed:
		s += line("the workflow "+i.Detail["workflowName"], maxTitle) + " failed"
		if reason := line(i.Detail["reason"], maxReason); reason != "" {
			s += ", " + reason
		}
		return s
	case outbox.WorkflowNotify:
		return s + line(strings.TrimSpace(i.Detail["subject"]+" "+i.Detail["message"]), maxReason)
	}
	if reason := i.why(); reason != "" && i.Type != outbox.ExecutionExpired {
		s += ", " + reason
	}
	return s
}

// clock is a moment as mails say it. Teams have no zone.
func clock(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04:05 UTC") }

// paragraphs is a text of others with its line ends and no other control characters.
func paragraphs(s string) string {
	var lines []string
	for one := range strings.SplitSeq(strings.ReplaceAll(s, "\r\n", "\n"), "\n") {
		lines = append(lines, line(one, maxMessage))
	}
	s = strings.TrimSpace(strings.Join(lines, "\n"))
	if runes := []rune(s); len(runes) > maxMessage {
		s = string(runes[:maxMessage]) + "..."
	}
	return s
}

// outputs are the ends of what a script wrote: why it failed stands there.
func outputs(e Execution) []Output {
	var out []Output
	for _, o := range []Output{{"stdout", e.Stdout, e.StdoutCut}, {"stderr", e.Stderr, e.StderrCut}} {
		if strings.TrimSpace(o.Text) == "" {
			continue
		}
		if over := len(o.Text) - maxOutput; over > 0 {
			o.Text, _ = text.Clip([]byte(strings.ToValidUTF8(o.Text[over:], "")), false, maxOutput)
			o.Cut = true
		}
		o.Text = printable(o.Text)
		out = append(out, o)
	}
	return out
}

// printable is what a script wrote without what a mail's reader would act on:
// escape sequences, and marks that change the order of what is read.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0) || text.Reorders(string(r)) {
			return -1
		}
		return r
	}, s)
}
