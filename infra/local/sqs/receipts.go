package sqs

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// DeleteMessage removes a message by the handle of its latest receipt. The handle of an earlier receipt succeeds and
// changes nothing, as does one of a message that is gone.
func (s *Service) DeleteMessage(_ context.Context, in *api.DeleteMessageInput) (*api.DeleteMessageOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &api.DeleteMessageOutput{}, s.delete(q, in.ReceiptHandle)
}

// DeleteMessageBatch deletes up to 10.
func (s *Service) DeleteMessageBatch(_ context.Context, in *api.DeleteMessageBatchInput) (*api.DeleteMessageBatchOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch("Delete", in.Entries, func(e types.DeleteMessageBatchRequestEntry) *string { return e.Id }); err != nil {
		return nil, err
	}
	out := &api.DeleteMessageBatchOutput{}
	for _, e := range in.Entries {
		if err := s.delete(q, e.ReceiptHandle); err != nil {
			out.Failed = append(out.Failed, failed(e.Id, err))
			continue
		}
		out.Successful = append(out.Successful, types.DeleteMessageBatchResultEntry{Id: e.Id})
	}
	return out, nil
}

func (s *Service) delete(q *queue, handle *string) error {
	id, receipt, err := receiptOf(handle)
	if err != nil {
		return err
	}
	if i := q.at(id); i < 0 || q.messages[i].Receives != receipt {
		return nil
	}
	return s.record(entry{Op: opDelete, Queue: q.Name, ID: id})
}

// ChangeMessageVisibility hides a message that is in flight for 0 to 43,200 s from now, 12 h from its receipt at most.
func (s *Service) ChangeMessageVisibility(_ context.Context, in *api.ChangeMessageVisibilityInput) (*api.ChangeMessageVisibilityOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &api.ChangeMessageVisibilityOutput{}, s.hide(q, in.ReceiptHandle, in.VisibilityTimeout)
}

// ChangeMessageVisibilityBatch does so for up to 10.
func (s *Service) ChangeMessageVisibilityBatch(_ context.Context, in *api.ChangeMessageVisibilityBatchInput) (*api.ChangeMessageVisibilityBatchOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch("ChangeMessageVisibility", in.Entries, func(e types.ChangeMessageVisibilityBatchRequestEntry) *string { return e.Id }); err != nil {
		return nil, err
	}
	out := &api.ChangeMessageVisibilityBatchOutput{}
	for _, e := range in.Entries {
		if err := s.hide(q, e.ReceiptHandle, e.VisibilityTimeout); err != nil {
			out.Failed = append(out.Failed, failed(e.Id, err))
			continue
		}
		out.Successful = append(out.Successful, types.ChangeMessageVisibilityBatchResultEntry{Id: e.Id})
	}
	return out, nil
}

func (s *Service) hide(q *queue, handle *string, seconds int32) error {
	id, receipt, err := receiptOf(handle)
	if err != nil {
		return err
	}
	timeout := time.Duration(seconds) * time.Second
	if timeout < 0 || timeout > maxVisibility {
		return invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must be an integer between 0 and 43200", seconds)
	}
	now := time.Now()
	i := q.at(id)
	if i < 0 || q.messages[i].Receives != receipt {
		return invalid("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", aws.ToString(handle))
	}
	m := q.messages[i]
	if !m.inFlight(now) {
		return failure("MessageNotInflight", legacy("MessageNotInflight"), "The specified message isn't in flight.")
	}
	if now.Add(timeout).Sub(m.Last) > maxVisibility {
		return invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds].", seconds)
	}
	return s.record(entry{Op: opVisible, Queue: q.Name, ID: id, Visible: now.Add(timeout)})
}

func receiptOf(handle *string) (id string, receipt int, err error) {
	if handle == nil || *handle == "" {
		return "", 0, missing("ReceiptHandle")
	}
	id, receipt, ok := parseHandle(*handle)
	if !ok {
		return "", 0, badHandle(*handle)
	}
	return id, receipt, nil
}
