package ssm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"pagefree/internal/execution/target"
)

// Look reports what became of a command: by its id, or where that is not known
// by its comment. For some seconds after SendCommand the readers of SSM know
// nothing of a command; one whose id is known is then still running.
func (t Target) Look(ctx context.Context, s target.Sent) (target.Report, bool, error) {
	c, err := t.find(ctx, s)
	if err != nil {
		return target.Report{}, false, err
	}
	if c == nil {
		return target.Report{State: target.Running, Ref: s.Ref}, s.Ref != "", nil
	}
	r := target.Report{State: target.Running, Ref: aws.ToString(c.CommandId)}
	if !ended(string(c.Status)) {
		return r, true, nil
	}
	if why, nothing := neverRan[strings.ReplaceAll(aws.ToString(c.StatusDetails), " ", "")]; nothing {
		r.State, r.Error = target.Failed, why
		return r, true, nil
	}
	if c.TargetCount == 0 {
		r.State, r.Error = target.Failed, "no_nodes: no managed node has these tags any more"
		return r, true, nil
	}
	nodes, err := t.invocations(ctx, r.Ref)
	if err != nil {
		return target.Report{}, false, err
	}
	if len(nodes) < int(c.TargetCount) || slices.ContainsFunc(nodes, func(n invocation) bool { return !ended(n.status) }) {
		return r, true, nil // its parts are seen later than the whole
	}
	if err := t.outputs(ctx, r.Ref, nodes); err != nil {
		return target.Report{}, false, err
	}
	return fold(r, nodes), true, nil
}

// ExecutionOf says which execution a command was sent for, "" for a command
// that readers of SSM do not know yet, or that was not ours.
func (t Target) ExecutionOf(ctx context.Context, command string) (executionID string, err error) {
	out, err := t.SSM.ListCommands(ctx, &ssm.ListCommandsInput{CommandId: &command})
	if err != nil {
		return "", fmt.Errorf("list command %s: %w", command, err)
	}
	if len(out.Commands) == 0 {
		return "", nil
	}
	executionID, _, _ = strings.Cut(aws.ToString(out.Commands[0].Comment), "#")
	return executionID, nil
}

// neverRan are details of a command that reached no node.
// Source: Systems Manager user guide, command statuses.
var neverRan = map[string]string{
	"RateExceeded": "ssm_refused: the account's quota of pending invocations is used up, and nothing was run",
	"AccessDenied": "ssm_refused: PageFree has no right to the nodes that were named, and nothing was run",
}

func ended(status string) bool {
	return slices.Contains([]string{"Success", "Cancelled", "Failed", "TimedOut"}, status)
}

// findPages bounds the search by comment: commands of one document since the
// claim, 50 a page.
const findPages = 20

// find is the command of an attempt, or nil.
func (t Target) find(ctx context.Context, s target.Sent) (*types.Command, error) {
	in := &ssm.ListCommandsInput{MaxResults: aws.Int32(50)}
	if s.Ref != "" {
		in.CommandId = &s.Ref
	} else {
		// Our clock and SSM's may differ a little.
		since := s.Since.Add(-time.Minute).UTC().Format("2006-01-02T15:04:05Z")
		in.Filters = append(in.Filters, types.CommandFilter{Key: types.CommandFilterKeyInvokedAfter, Value: &since})
		if s.Document != nil {
			in.Filters = append(in.Filters, types.CommandFilter{Key: types.CommandFilterKeyDocumentName, Value: &s.Document.Name})
		}
	}
	wanted := comment(s.ExecutionID, s.Attempt)
	pages := ssm.NewListCommandsPaginator(t.SSM, in)
	for range findPages {
		if !pages.HasMorePages() {
			return nil, nil
		}
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list commands: %w", err)
		}
		for _, c := range page.Commands {
			if s.Ref != "" || aws.ToString(c.Comment) == wanted {
				return &c, nil
			}
		}
	}
	return nil, nil
}

// invocation is a command on one node.
type invocation struct {
	id              string
	status, details string
	exit            *int
	signal          string // that ended the script
	stdout, stderr  stream
}

// stream is the beginning of what a script wrote. more: there was more.
type stream struct {
	head []byte
	more bool
}

// invocations lists a command by node, in the order of their ids.
func (t Target) invocations(ctx context.Context, command string) ([]invocation, error) {
	var out []invocation
	pages := ssm.NewListCommandInvocationsPaginator(t.SSM, &ssm.ListCommandInvocationsInput{CommandId: &command, Details: true, MaxResults: aws.Int32(50)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list invocations of %s: %w", command, err)
		}
		for _, i := range page.CommandInvocations {
			n := invocation{id: aws.ToString(i.InstanceId), status: string(i.Status), details: aws.ToString(i.StatusDetails)}
			for _, p := range i.CommandPlugins {
				// Below 0 there is none: a signal ended the agent's own shell.
				if code := int(p.ResponseCode); code >= 0 && (n.details == "Success" || n.details == "Failed") {
					n.exit = &code
				}
			}
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b invocation) int { return strings.Compare(a.id, b.id) })
	return out, nil
}

// state is what a node's end means.
//
// DeliveryTimedOut does not say that nothing ran: SSM shows it as well where
// the agent ran the script and its answer was lost. Undeliverable says no more
// than that the node did not respond. Neither is certain, so neither is an end
// after which a script may be run again.
func (n invocation) state() target.State {
	switch n.details {
	case "Success":
		return target.Completed
	case "ExecutionTimedOut":
		return target.TimedOut
	case "DeliveryTimedOut", "Undeliverable":
		return target.Unknown
	case "Cancelled", "Terminated":
		return target.Cancelled
	}
	return target.Failed
}

// reason says in words why a node did not complete.
func (n invocation) reason() string {
	switch n.state() {
	case target.Completed:
		return ""
	case target.TimedOut:
		return "ended by the time limit"
	case target.Unknown:
		return fmt.Sprintf("the node did not answer (%s): whether the script ran is unknown", n.details)
	case target.Cancelled:
		if n.details == "Terminated" {
			return "not run, since too many other nodes failed"
		}
		return "cancelled"
	}
	switch {
	case n.signal != "":
		return "ended by signal " + n.signal
	case n.exit != nil:
		return fmt.Sprintf("exit code %d", *n.exit)
	}
	return "SSM says " + n.details
}

// fold makes one report of all nodes. One that failed makes it failed; one that
// nobody knows of keeps it from being completed.
func fold(r target.Report, nodes []invocation) target.Report {
	worst := []target.State{target.Failed, target.TimedOut, target.Unknown, target.Cancelled, target.Completed}
	rank := len(worst) - 1
	var reasons []string
	for _, n := range nodes {
		rank = min(rank, slices.Index(worst, n.state()))
		if why := n.reason(); why != "" {
			if len(nodes) > 1 {
				why = n.id + ": " + why
			}
			reasons = append(reasons, why)
		}
	}
	r.State = worst[rank]
	r.Error = strings.Join(reasons[:min(len(reasons), shownReasons)], "; ")
	if more := len(reasons) - shownReasons; more > 0 {
		r.Error += fmt.Sprintf("; and %d more", more)
	}
	if len(nodes) == 1 {
		r.ExitCode = nodes[0].exit
	}
	for _, n := range nodes {
		r.Invocations = append(r.Invocations, target.Invocation{NodeID: n.id, Status: n.details, ExitCode: n.exit})
	}
	r.Output = join(nodes)
	return r
}

// shownReasons is how many nodes an error names.
const shownReasons = 10
