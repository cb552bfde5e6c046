package sqs

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/uuid"
)

// moveTask is a finished redrive of a dead-letter queue.
type moveTask struct {
	source, destination string // ARNs; destination empty: to where each message came from
	started             time.Time
	moved               int64
}

// StartMessageMoveTask moves what a dead-letter queue holds to another queue, or back to where each message came from.
// Moved messages are new ones, with a new id and time. Unlike AWS it is done when it answers, and messages that are in
// flight at that moment stay.
func (s *Service) StartMessageMoveTask(_ context.Context, in *api.StartMessageMoveTaskInput) (*api.StartMessageMoveTaskOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.findARN(aws.ToString(in.SourceArn))
	if from == nil {
		return nil, noResource("The resource that you specified for the SourceArn parameter doesn't exist.")
	}
	if !s.deadLetters(aws.ToString(in.SourceArn)) {
		return nil, invalid("Source queue must be configured as a Dead Letter Queue.")
	}
	to := s.findARN(aws.ToString(in.DestinationArn))
	if in.DestinationArn != nil && to == nil {
		return nil, noResource("The resource that you specified for the DestinationArn parameter doesn't exist.")
	}
	task := moveTask{source: *in.SourceArn, destination: aws.ToString(in.DestinationArn), started: time.Now()}
	for _, m := range slices.Clone(from.messages) {
		target := cmp.Or(to, s.findARN(m.Source))
		if target == nil || m.Visible.After(task.started) {
			continue
		}
		moved := &message{
			ID: uuid.NewString(), Body: m.Body, Attributes: m.Attributes, Trace: m.Trace, Group: m.Group,
			Sent: task.started, Visible: task.started,
		}
		// Put first: a death between the two leaves the message twice, never not at all.
		if err := s.record(entry{Op: opPut, Queue: target.Name, Message: moved}); err != nil {
			return nil, err
		}
		if err := s.record(entry{Op: opDelete, Queue: from.Name, ID: m.ID}); err != nil {
			return nil, err
		}
		task.moved++
	}
	s.tasks = append(s.tasks, task)
	return &api.StartMessageMoveTaskOutput{TaskHandle: aws.String(uuid.NewString())}, nil
}

// ListMessageMoveTasks lists the tasks of a queue since this process started, newest first, at most MaxResults (1 to 10, default 1).
func (s *Service) ListMessageMoveTasks(_ context.Context, in *api.ListMessageMoveTasksInput) (*api.ListMessageMoveTasksOutput, error) {
	most := int(cmp.Or(aws.ToInt32(in.MaxResults), 1))
	if most < 1 || most > 10 {
		return nil, invalid("Value %d for parameter MaxResults is invalid. Reason: Must be between 1 and 10, if provided.", most)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.findARN(aws.ToString(in.SourceArn)) == nil {
		return nil, noResource("The resource that you specified for the SourceArn parameter doesn't exist.")
	}
	out := &api.ListMessageMoveTasksOutput{}
	for _, t := range slices.Backward(s.tasks) {
		if t.source == *in.SourceArn && len(out.Results) < most {
			out.Results = append(out.Results, types.ListMessageMoveTasksResultEntry{
				Status: aws.String("COMPLETED"), SourceArn: aws.String(t.source), DestinationArn: present(t.destination),
				ApproximateNumberOfMessagesMoved: t.moved, ApproximateNumberOfMessagesToMove: aws.Int64(t.moved), StartedTimestamp: t.started.UnixMilli(),
			})
		}
	}
	return out, nil
}

// deadLetters tells whether any queue sends its dead messages there.
func (s *Service) deadLetters(arn string) bool {
	for _, q := range s.queues {
		if q.Settings.DeadLetterARN == arn {
			return true
		}
	}
	return false
}

func noResource(message string) error {
	e := failure("ResourceNotFoundException", "ResourceNotFoundException", "%s", message)
	e.Status = 404
	return e
}
