package ssm

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

const pluginName = "aws:runShellScript"

// seen are the commands that readers know of by now, newest first. The caller holds mu.
func (s *Service) seen() []*command {
	var list []*command
	for _, c := range slices.Backward(s.commands) {
		if time.Since(c.Requested) >= s.opts.Lag {
			list = append(list, c)
		}
	}
	return list
}

func pageSize(given *int32) (int, error) {
	n := int(aws.ToInt32(given))
	if given != nil && (n < 1 || n > 50) {
		return 0, invalid("maxResults", "Member must have value between 1 and 50")
	}
	if n == 0 {
		n = 50
	}
	return n, nil
}

// passes tells whether a command has what the filters name.
func passes(c *command, status string, filters []types.CommandFilter) (bool, error) {
	for _, f := range filters {
		value := aws.ToString(f.Value)
		switch f.Key {
		case types.CommandFilterKeyInvokedAfter, types.CommandFilterKeyInvokedBefore:
			at, err := time.Parse(time.RFC3339, value)
			if err != nil {
				return false, failure("InvalidFilterKey", "The value of %s is no time: %s", f.Key, value)
			}
			if after := f.Key == types.CommandFilterKeyInvokedAfter; after == c.Requested.Before(at) {
				return false, nil
			}
		case types.CommandFilterKeyDocumentName:
			if c.Document != value {
				return false, nil
			}
		case types.CommandFilterKeyStatus:
			if status != value {
				return false, nil
			}
		default:
			return false, failure("InvalidFilterKey", "The specified key %s is not valid.", f.Key)
		}
	}
	return true, nil
}

// ListCommands lists commands, newest first.
func (s *Service) ListCommands(_ context.Context, in *api.ListCommandsInput) (*api.ListCommandsOutput, error) {
	size, err := pageSize(in.MaxResults)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []types.Command{}
	for _, c := range s.seen() {
		if in.CommandId != nil && c.ID != *in.CommandId || in.InstanceId != nil && c.on(*in.InstanceId) == nil {
			continue
		}
		status, _ := c.status()
		ok, err := passes(c, status, in.Filters)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, *s.describe(c))
		}
	}
	page, next, err := pageOf(list, size, in.NextToken)
	return &api.ListCommandsOutput{Commands: page, NextToken: next}, err
}

func (c *command) on(node string) *invocation {
	for _, i := range c.Invocations {
		if i.Node == node {
			return i
		}
	}
	return nil
}

// describe is a command as callers see it. The caller holds mu, and the answer is written without it: what changes is copied.
func (s *Service) describe(c *command) *types.Command {
	status, details := c.status()
	out := &types.Command{
		CommandId: &c.ID, Comment: &c.Comment, DocumentName: &c.Document, DocumentVersion: aws.String(strconv.Itoa(c.DocumentVersion)),
		InstanceIds: c.InstanceIDs, Targets: c.Targets, Parameters: c.Given, MaxConcurrency: &c.MaxConcurrency, MaxErrors: &c.MaxErrors,
		RequestedDateTime: &c.Requested, ExpiresAfter: aws.Time(s.expires(c).Add(s.seconds(c.Execution))), Status: types.CommandStatus(status), StatusDetails: &details,
		TimeoutSeconds: aws.Int32(int32(c.Delivery)), TargetCount: int32(len(c.Invocations)),
	}
	if c.Bucket != "" {
		out.OutputS3BucketName, out.OutputS3KeyPrefix = &c.Bucket, &c.Prefix
	}
	for _, i := range c.Invocations {
		if final(i.Status) {
			out.CompletedCount++
		}
		switch i.Details {
		case failed, execution:
			out.ErrorCount++
		case delivery:
			out.DeliveryTimedOutCount++
		}
	}
	return out
}

// ListCommandInvocations lists commands by node.
func (s *Service) ListCommandInvocations(_ context.Context, in *api.ListCommandInvocationsInput) (*api.ListCommandInvocationsOutput, error) {
	size, err := pageSize(in.MaxResults)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []types.CommandInvocation{}
	for _, c := range s.seen() {
		if in.CommandId != nil && c.ID != *in.CommandId {
			continue
		}
		for _, i := range c.Invocations {
			ok, err := passes(c, i.Status, in.Filters)
			if err != nil {
				return nil, err
			}
			if ok && (in.InstanceId == nil || i.Node == *in.InstanceId) {
				list = append(list, s.describeInvocation(c, i, in.Details))
			}
		}
	}
	page, next, err := pageOf(list, size, in.NextToken)
	return &api.ListCommandInvocationsOutput{CommandInvocations: page, NextToken: next}, err
}

func (s *Service) describeInvocation(c *command, i *invocation, details bool) types.CommandInvocation {
	n, _ := s.node(i.Node)
	out := types.CommandInvocation{
		CommandId: &c.ID, InstanceId: &i.Node, InstanceName: aws.String(n.Tags["Name"]), Comment: &c.Comment, DocumentName: &c.Document,
		DocumentVersion: aws.String(strconv.Itoa(c.DocumentVersion)), RequestedDateTime: &c.Requested,
		Status: types.CommandInvocationStatus(i.Status), StatusDetails: aws.String(i.Details), CommandPlugins: []types.CommandPlugin{},
	}
	if details && !i.Started.IsZero() {
		text := string(i.Stdout)
		if len(i.Stderr) > 0 {
			text += "\n----------ERROR-------\n" + string(i.Stderr)
		}
		p := types.CommandPlugin{
			Name: aws.String(pluginName), ResponseCode: int32(i.Code), Status: types.CommandPluginStatus(i.Status), StatusDetails: aws.String(i.Details),
			Output: aws.String(string(clipped([]byte(text), maxPlugin))), ResponseStartDateTime: aws.Time(i.Started),
		}
		if !i.Ended.IsZero() {
			p.ResponseFinishDateTime = aws.Time(i.Ended)
		}
		out.CommandPlugins = append(out.CommandPlugins, p)
	}
	return out
}

// GetCommandInvocation tells of a command on one node, with the beginning of its output once it has ended.
func (s *Service) GetCommandInvocation(_ context.Context, in *api.GetCommandInvocationInput) (*api.GetCommandInvocationOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.seen() {
		i := c.on(aws.ToString(in.InstanceId))
		if c.ID != aws.ToString(in.CommandId) || i == nil {
			continue
		}
		out := &api.GetCommandInvocationOutput{
			CommandId: &c.ID, InstanceId: &i.Node, Comment: &c.Comment, DocumentName: &c.Document, DocumentVersion: aws.String(strconv.Itoa(c.DocumentVersion)),
			PluginName: aws.String(pluginName), ResponseCode: int32(i.Code), Status: types.CommandInvocationStatus(i.Status), StatusDetails: aws.String(i.Details),
			StandardOutputContent: aws.String(""), StandardErrorContent: aws.String(""), StandardOutputUrl: aws.String(""), StandardErrorUrl: aws.String(""),
			ExecutionStartDateTime: aws.String(stamp(i.Started)), ExecutionEndDateTime: aws.String(stamp(i.Ended)), ExecutionElapsedTime: aws.String(""),
		}
		if final(i.Status) {
			out.StandardOutputContent, out.StandardErrorContent = aws.String(string(i.Stdout)), aws.String(string(i.Stderr))
			out.ExecutionElapsedTime = aws.String(fmt.Sprintf("PT%.3fS", i.Ended.Sub(i.Started).Seconds()))
		}
		if i.Uploaded {
			at := "https://s3." + s.opts.Region + ".amazonaws.com/" + c.Bucket + "/" + c.key(i.Node, s.stepOf(c))
			out.StandardOutputUrl, out.StandardErrorUrl = aws.String(at+"/stdout"), aws.String(at+"/stderr")
		}
		return out, nil
	}
	return nil, failure("InvocationDoesNotExist", "")
}

func (s *Service) stepOf(c *command) string {
	doc, err := parse(s.documents[c.Document].Versions[c.DocumentVersion-1].Content)
	if err != nil {
		return ""
	}
	return doc.MainSteps[0].Name
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// CancelCommand asks for the end of a command, on some of its nodes or on all. It promises nothing.
func (s *Service) CancelCommand(_ context.Context, in *api.CancelCommandInput) (*api.CancelCommandOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.commands {
		if c.ID != aws.ToString(in.CommandId) {
			continue
		}
		if status, _ := c.status(); final(status) {
			return &api.CancelCommandOutput{}, nil // too late, and no error
		}
		for _, id := range in.InstanceIds {
			if c.on(id) == nil {
				return nil, failure("InvalidInstanceId", "%s is not part of the command.", id)
			}
		}
		c.cancel(in.InstanceIds)
		s.tell(c, nil)
		return &api.CancelCommandOutput{}, s.keepCommand(c)
	}
	return nil, failure("InvalidCommandId", "The specified command ID isn't valid.")
}

// cancel marks what has not ended, and wakes who waits for it. The caller holds mu.
func (c *command) cancel(nodes []string) {
	if len(nodes) == 0 && !c.Cancelled {
		c.Cancelled = true
		close(c.stop)
	}
	for _, i := range c.Invocations {
		if final(i.Status) || i.Cancelled || len(nodes) > 0 && !slices.Contains(nodes, i.Node) {
			continue
		}
		i.Cancelled = true
		if i.Status == inProgress {
			i.Status, i.Details = cancelling, cancelling
		}
		close(i.stop)
	}
}
