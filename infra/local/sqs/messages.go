package sqs

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/uuid"

	"pagefree/infra/local/awsjson"
)

// SendMessage answers once the message is in the journal.
func (s *Service) SendMessage(_ context.Context, in *api.SendMessageInput) (*api.SendMessageOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	m, err := s.send(q, outgoing{in.MessageBody, in.DelaySeconds, in.MessageAttributes, in.MessageSystemAttributes, in.MessageGroupId, in.MessageDeduplicationId})
	if err != nil {
		return nil, err
	}
	return &api.SendMessageOutput{
		MessageId: &m.ID, MD5OfMessageBody: aws.String(md5Of(m.Body)), MD5OfMessageAttributes: present(md5OfAttributes(m.Attributes)),
	}, nil
}

// SendMessageBatch sends up to 10 messages of 1 MiB in all. One that is not acceptable does not hold up the others.
func (s *Service) SendMessageBatch(_ context.Context, in *api.SendMessageBatchInput) (*api.SendMessageBatchOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch("Send", in.Entries, func(e types.SendMessageBatchRequestEntry) *string { return e.Id }); err != nil {
		return nil, err
	}
	total := 0
	for _, e := range in.Entries {
		total += len(aws.ToString(e.MessageBody))
		for name, a := range e.MessageAttributes {
			total += len(name) + len(aws.ToString(a.DataType)) + len(aws.ToString(a.StringValue)) + len(a.BinaryValue)
		}
	}
	if total > maxRequest {
		return nil, failure("BatchRequestTooLong", legacy("BatchRequestTooLong"), "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxRequest, total)
	}
	out := &api.SendMessageBatchOutput{}
	for _, e := range in.Entries {
		m, err := s.send(q, outgoing{e.MessageBody, e.DelaySeconds, e.MessageAttributes, e.MessageSystemAttributes, e.MessageGroupId, e.MessageDeduplicationId})
		if err != nil {
			out.Failed = append(out.Failed, failed(e.Id, err))
			continue
		}
		out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{
			Id: e.Id, MessageId: &m.ID, MD5OfMessageBody: aws.String(md5Of(m.Body)), MD5OfMessageAttributes: present(md5OfAttributes(m.Attributes)),
		})
	}
	return out, nil
}

func (s *Service) send(q *queue, o outgoing) (*message, error) {
	m, err := o.message(q, uuid.NewString(), time.Now())
	if err != nil {
		return nil, err
	}
	return m, s.record(entry{Op: opPut, Queue: q.Name, Message: m})
}

// ReceiveMessage gives up to 10 visible messages, and hides them for the visibility timeout. Where there is none it waits,
// at most WaitTimeSeconds, until there is. Messages that were received too often go to the dead-letter queue instead.
func (s *Service) ReceiveMessage(ctx context.Context, in *api.ReceiveMessageInput) (*api.ReceiveMessageOutput, error) {
	most := cmp.Or(in.MaxNumberOfMessages, 1)
	switch {
	case most < 1 || most > 10:
		return nil, invalid("Value %d for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.", most)
	case in.WaitTimeSeconds < 0 || in.WaitTimeSeconds > 20:
		return nil, invalid("Value %d for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.", in.WaitTimeSeconds)
	case in.VisibilityTimeout < 0 || in.VisibilityTimeout > int32(maxVisibility/time.Second):
		return nil, invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200, if provided.", in.VisibilityTimeout)
	}
	//lint:ignore SA1019 older clients name system attributes there
	show := append(slices.Clone(in.MessageSystemAttributeNames), systemNames(in.AttributeNames)...)
	start := time.Now()
	for {
		s.mu.Lock()
		q, err := s.find(in.QueueUrl)
		if err != nil {
			s.mu.Unlock()
			return nil, err
		}
		hide := cmp.Or(time.Duration(in.VisibilityTimeout)*time.Second, q.Settings.Visibility)
		given, err := s.take(q, int(most), hide)
		if err != nil || len(given) > 0 {
			out := &api.ReceiveMessageOutput{}
			for _, m := range given {
				out.Messages = append(out.Messages, m.outgoing(show, in.MessageAttributeNames))
			}
			s.mu.Unlock()
			return out, err
		}
		now := time.Now()
		end := start.Add(cmp.Or(time.Duration(in.WaitTimeSeconds)*time.Second, q.Settings.ReceiveWait))
		until := end
		if next, ok := q.next(now); ok && next.Before(end) {
			until = next
		}
		changed := q.changed
		s.mu.Unlock()
		if !now.Before(end) {
			return &api.ReceiveMessageOutput{}, nil
		}
		timer := time.NewTimer(until.Sub(now))
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
		timer.Stop()
	}
}

// take hands visible messages out, and clears away those that died or expired.
func (s *Service) take(q *queue, most int, hide time.Duration) ([]*message, error) {
	now := time.Now()
	f := q.look(now, most)
	for _, m := range f.expired {
		if err := s.record(entry{Op: opDelete, Queue: q.Name, ID: m.ID}); err != nil {
			return nil, err
		}
	}
	if dlq := s.findARN(q.Settings.DeadLetterARN); dlq != nil {
		for _, m := range f.dead {
			if err := s.record(entry{Op: opTransfer, Queue: q.Name, To: dlq.Name, ID: m.ID, At: now}); err != nil {
				return nil, err
			}
		}
	}
	if _, flying, _ := q.depth(now); len(f.give) > 0 && flying+len(f.give) > maxInFlight {
		return nil, failure("OverLimit", "OverLimit", "The maximum number of in flight messages is reached.")
	}
	for _, m := range f.give {
		if err := s.record(entry{Op: opReceipt, Queue: q.Name, ID: m.ID, At: now, Visible: now.Add(hide)}); err != nil {
			return nil, err
		}
	}
	return f.give, nil
}

// outgoing is the message as a consumer gets it, with the attributes that were asked for.
func (m *message) outgoing(system []types.MessageSystemAttributeName, names []string) types.Message {
	out := types.Message{
		MessageId: aws.String(m.ID), Body: aws.String(m.Body), MD5OfBody: aws.String(md5Of(m.Body)), ReceiptHandle: aws.String(m.handle()),
	}
	for name, value := range map[types.MessageSystemAttributeName]string{
		types.MessageSystemAttributeNameSenderId:                         cmp.Or(m.Sender, "AIDALOCAL"),
		types.MessageSystemAttributeNameSentTimestamp:                    millis(m.Sent),
		types.MessageSystemAttributeNameApproximateReceiveCount:          strconv.Itoa(m.Receives),
		types.MessageSystemAttributeNameApproximateFirstReceiveTimestamp: millis(m.First),
		types.MessageSystemAttributeNameMessageGroupId:                   m.Group,
		types.MessageSystemAttributeNameAWSTraceHeader:                   m.Trace,
		types.MessageSystemAttributeNameDeadLetterQueueSourceArn:         m.Source,
	} {
		if value != "" && (slices.Contains(system, name) || slices.Contains(system, types.MessageSystemAttributeNameAll)) {
			if out.Attributes == nil {
				out.Attributes = map[string]string{}
			}
			out.Attributes[string(name)] = value
		}
	}
	shown := map[string]attribute{}
	for name, a := range m.Attributes {
		if slices.ContainsFunc(names, func(want string) bool { return wanted(want, name) }) {
			shown[name] = a
		}
	}
	if len(shown) > 0 {
		out.MD5OfMessageAttributes = aws.String(md5OfAttributes(shown))
		out.MessageAttributes = map[string]types.MessageAttributeValue{}
		for name, a := range shown {
			out.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String(a.Type), StringValue: present(a.Text), BinaryValue: a.Binary}
		}
	}
	return out
}

// wanted tells whether a requested name (All, .*, prefix.* or the name itself) covers an attribute.
func wanted(want, name string) bool {
	if prefix, ok := strings.CutSuffix(want, ".*"); ok {
		return prefix == "" || strings.HasPrefix(name, prefix+".")
	}
	return want == "All" || want == name
}

// systemNames reads the deprecated AttributeNames, which hold the same names under another type.
func systemNames(list []types.QueueAttributeName) []types.MessageSystemAttributeName {
	names := make([]types.MessageSystemAttributeName, len(list))
	for i, name := range list {
		names[i] = types.MessageSystemAttributeName(name)
	}
	return names
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

func present(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// checkBatch checks what every batch has to hold to, before any entry is looked at.
func checkBatch[E any](verb string, entries []E, id func(E) *string) error {
	if len(entries) == 0 {
		return failure("EmptyBatchRequest", legacy("EmptyBatchRequest"), "There should be at least one %sMessageBatchRequestEntry in the request.", verb)
	}
	if n := len(entries); n > 10 {
		return failure("TooManyEntriesInBatchRequest", legacy("TooManyEntriesInBatchRequest"), "Maximum number of entries per request are 10. You have sent %d.", n)
	}
	seen := map[string]bool{}
	for _, e := range entries {
		name := aws.ToString(id(e))
		if !batchID.MatchString(name) {
			return failure("InvalidBatchEntryId", legacy("InvalidBatchEntryId"), "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[name] {
			return failure("BatchEntryIdsNotDistinct", legacy("BatchEntryIdsNotDistinct"), "Id %s repeated.", name)
		}
		seen[name] = true
	}
	return nil
}

// failed is an entry's error in the answer to a batch.
func failed(id *string, err error) types.BatchResultErrorEntry {
	e, ok := errors.AsType[*awsjson.Error](err)
	if !ok {
		return types.BatchResultErrorEntry{Id: id, Code: aws.String("InternalFailure"), Message: aws.String(err.Error())}
	}
	return types.BatchResultErrorEntry{Id: id, Code: aws.String(e.Query), Message: &e.Message, SenderFault: true}
}
