package sqs

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// CreateQueue makes a queue. The same name with the same attributes is the same queue.
func (s *Service) CreateQueue(_ context.Context, in *api.CreateQueueInput) (*api.CreateQueueOutput, error) {
	if in.QueueName == nil {
		return nil, missing("QueueName")
	}
	name := *in.QueueName
	if !queueName.MatchString(name) {
		return nil, invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if q, ok := s.queues[name]; ok {
		same, err := s.set(q.Settings, in.Attributes)
		if err != nil {
			return nil, err
		}
		if same != q.Settings {
			return nil, failure("QueueNameExists", "QueueAlreadyExists", "A queue already exists with the same name and a different value for at least one attribute.")
		}
		return &api.CreateQueueOutput{QueueUrl: aws.String(s.URL(name))}, nil
	}
	chosen, err := s.set(defaults, in.Attributes)
	if err != nil {
		return nil, err
	}
	return &api.CreateQueueOutput{QueueUrl: aws.String(s.URL(name))}, s.record(entry{Op: opQueue, Queue: name, Settings: &chosen, At: time.Now()})
}

// DeleteQueue removes a queue and its messages. Unlike AWS the name is free again at once, not after 60 s.
func (s *Service) DeleteQueue(_ context.Context, in *api.DeleteQueueInput) (*api.DeleteQueueOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &api.DeleteQueueOutput{}, s.record(entry{Op: opDrop, Queue: q.Name})
}

// GetQueueUrl finds a queue by name.
func (s *Service) GetQueueUrl(_ context.Context, in *api.GetQueueUrlInput) (*api.GetQueueUrlOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q, ok := s.queues[aws.ToString(in.QueueName)]; ok {
		return &api.GetQueueUrlOutput{QueueUrl: aws.String(s.URL(q.Name))}, nil
	}
	return nil, noQueue()
}

// ListQueues lists at most 1,000 queues, by name. It does not page.
func (s *Service) ListQueues(_ context.Context, in *api.ListQueuesInput) (*api.ListQueuesOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &api.ListQueuesOutput{}
	for _, name := range slices.Sorted(maps.Keys(s.queues)) {
		if strings.HasPrefix(name, aws.ToString(in.QueueNamePrefix)) && len(out.QueueUrls) < 1000 {
			out.QueueUrls = append(out.QueueUrls, s.URL(name))
		}
	}
	return out, nil
}

// GetQueueAttributes answers the attributes that are asked for by name, or All.
func (s *Service) GetQueueAttributes(_ context.Context, in *api.GetQueueAttributesInput) (*api.GetQueueAttributesOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	visible, inFlight, delayed := q.depth(time.Now())
	all := map[types.QueueAttributeName]string{
		types.QueueAttributeNameApproximateNumberOfMessages:           strconv.Itoa(visible),
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible: strconv.Itoa(inFlight),
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed:    strconv.Itoa(delayed),
		types.QueueAttributeNameCreatedTimestamp:                      strconv.FormatInt(q.Created.Unix(), 10),
		types.QueueAttributeNameLastModifiedTimestamp:                 strconv.FormatInt(q.Modified.Unix(), 10),
		types.QueueAttributeNameQueueArn:                              s.ARN(q.Name),
		types.QueueAttributeNameVisibilityTimeout:                     seconds(q.Settings.Visibility),
		types.QueueAttributeNameDelaySeconds:                          seconds(q.Settings.Delay),
		types.QueueAttributeNameMessageRetentionPeriod:                seconds(q.Settings.Retention),
		types.QueueAttributeNameReceiveMessageWaitTimeSeconds:         seconds(q.Settings.ReceiveWait),
		types.QueueAttributeNameMaximumMessageSize:                    strconv.Itoa(q.Settings.MaximumSize),
	}
	if q.Settings.DeadLetterARN != "" {
		policy, err := json.Marshal(redrive{q.Settings.DeadLetterARN, json.Number(strconv.Itoa(q.Settings.MaxReceiveCount))})
		if err != nil {
			return nil, err
		}
		all[types.QueueAttributeNameRedrivePolicy] = string(policy)
	}
	out := &api.GetQueueAttributesOutput{}
	for _, name := range in.AttributeNames {
		if !slices.Contains(name.Values(), name) {
			return nil, failure("InvalidAttributeName", "InvalidAttributeName", "Unknown Attribute %s.", name)
		}
		for have, value := range all {
			if have == name || name == types.QueueAttributeNameAll {
				if out.Attributes == nil {
					out.Attributes = map[string]string{}
				}
				out.Attributes[string(have)] = value
			}
		}
	}
	return out, nil
}

// SetQueueAttributes changes the attributes that are given; the others stay.
func (s *Service) SetQueueAttributes(_ context.Context, in *api.SetQueueAttributesInput) (*api.SetQueueAttributesOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	chosen, err := s.set(q.Settings, in.Attributes)
	if err != nil {
		return nil, err
	}
	return &api.SetQueueAttributesOutput{}, s.record(entry{Op: opQueue, Queue: q.Name, Settings: &chosen, At: time.Now()})
}

// PurgeQueue removes all messages, at most once in 60 s.
func (s *Service) PurgeQueue(_ context.Context, in *api.PurgeQueueInput) (*api.PurgeQueueOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if now.Sub(q.purged) < time.Minute {
		e := failure("PurgeQueueInProgress", legacy("PurgeQueueInProgress"), "Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.Name)
		e.Status = 403
		return nil, e
	}
	return &api.PurgeQueueOutput{}, s.record(entry{Op: opPurge, Queue: q.Name, At: now})
}

// redrive is the JSON of a RedrivePolicy. AWS takes the count as a number or as text.
type redrive struct {
	DeadLetterTargetArn string      `json:"deadLetterTargetArn"`
	MaxReceiveCount     json.Number `json:"maxReceiveCount"`
}

// set applies attributes by name to settings.
func (s *Service) set(on settings, attributes map[string]string) (settings, error) {
	for name, value := range attributes {
		var err error
		switch types.QueueAttributeName(name) {
		case types.QueueAttributeNameVisibilityTimeout:
			on.Visibility, err = within(name, value, 0, 43_200)
		case types.QueueAttributeNameDelaySeconds:
			on.Delay, err = within(name, value, 0, 900)
		case types.QueueAttributeNameMessageRetentionPeriod:
			on.Retention, err = within(name, value, 60, 1_209_600)
		case types.QueueAttributeNameReceiveMessageWaitTimeSeconds:
			on.ReceiveWait, err = within(name, value, 0, 20)
		case types.QueueAttributeNameMaximumMessageSize:
			if on.MaximumSize, err = strconv.Atoi(value); err != nil || on.MaximumSize < 1024 || on.MaximumSize > maxRequest {
				err = invalidAttribute(name)
			}
		case types.QueueAttributeNameRedrivePolicy:
			on.DeadLetterARN, on.MaxReceiveCount, err = s.parseRedrive(value)
		default:
			err = failure("InvalidAttributeName", "InvalidAttributeName", "Unknown Attribute %s.", name)
		}
		if err != nil {
			return on, err
		}
	}
	return on, nil
}

// parseRedrive reads a RedrivePolicy; an empty one switches the dead-letter queue off.
func (s *Service) parseRedrive(value string) (arn string, count int, err error) {
	if value == "" || value == "{}" {
		return "", 0, nil
	}
	var p redrive
	if json.Unmarshal([]byte(value), &p) != nil || p.DeadLetterTargetArn == "" {
		return "", 0, invalid("Value %s for parameter RedrivePolicy is invalid. Reason: Redrive policy is not a valid JSON map.", value)
	}
	n, err := strconv.Atoi(p.MaxReceiveCount.String())
	if err != nil || n < 1 || n > 1000 {
		return "", 0, invalid("Value %s for parameter RedrivePolicy is invalid. Reason: Invalid value for maxReceiveCount: %s, valid values are from 1 to 1000 both inclusive.", value, p.MaxReceiveCount)
	}
	if s.findARN(p.DeadLetterTargetArn) == nil {
		return "", 0, failure("QueueDoesNotExist", legacy("NonExistentQueue"), "Value %s for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.", value)
	}
	return p.DeadLetterTargetArn, n, nil
}

func within(name, value string, least, most int) (time.Duration, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		return 0, invalidAttribute(name)
	}
	return time.Duration(n) * time.Second, nil
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
