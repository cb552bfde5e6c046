// Package sqs is the Simple Queue Service of the local stack: standard queues with visibility timeouts, delays,
// redelivery, dead-letter queues, retention and long polling, with the limits and errors of AWS.
//
// An acknowledged message survives the death of this process, however it dies: each change is written to a journal
// before its answer. (It is not synced to the disk: a power cut may lose the last moments.)
// Time is the time package's own, so that a test in a testing/synctest bubble decides how it passes.
//
// There are no FIFO queues, no queue policies and no encryption settings: asking for one is an error.
package sqs

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"pagefree/infra/local/awsjson"
	"pagefree/infra/local/template"
)

// Options say where the queues live.
type Options struct {
	Dir       string // where the journal is kept; empty: in memory only
	Endpoint  string // origin of queue URLs, such as http://127.0.0.1:4566
	Region    string // of queue ARNs
	AccountID string
}

// Service holds the queues of one account and region.
type Service struct {
	opts Options

	mu      sync.Mutex
	queues  map[string]*queue // by name
	tasks   []moveTask
	journal *journal // nil in memory
}

// Open reads the queues and messages that were left in the directory.
func Open(o Options) (*Service, error) {
	s := &Service{opts: o, queues: map[string]*queue{}}
	if o.Dir == "" {
		return s, nil
	}
	var err error
	if s.journal, err = openJournal(filepath.Join(o.Dir, "sqs.jsonl"), s.apply); err != nil {
		return nil, fmt.Errorf("sqs: %w", err)
	}
	if err := s.journal.compact(s.snapshot()); err != nil {
		return nil, fmt.Errorf("sqs: %w", err)
	}
	return s, nil
}

// Close closes the journal. Messages in it stay.
func (s *Service) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.journal.close()
}

// Ensure makes the queue of the template, or gives the one that is there the template's settings, as a deployment does.
func (s *Service) Ensure(t *template.Queue) error {
	if t.FIFO {
		return fmt.Errorf("sqs: queue %s: the local stack has no FIFO queues", t.LogicalID)
	}
	settings := settings{
		Visibility: t.Visibility, Delay: t.Delay, Retention: t.Retention, ReceiveWait: t.ReceiveWait,
		MaximumSize: t.MaximumSize, DeadLetterARN: t.DeadLetterARN, MaxReceiveCount: t.MaxReceiveCount,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, ok := s.queues[t.Name]
	if ok && q.Settings == settings {
		return nil
	}
	return s.record(entry{Op: opQueue, Queue: t.Name, Settings: &settings, At: time.Now()})
}

// URL is the address of a queue.
func (s *Service) URL(name string) string {
	return s.opts.Endpoint + "/" + s.opts.AccountID + "/" + name
}

// ARN is a queue's name for policies and dead-letter settings.
func (s *Service) ARN(name string) string {
	return "arn:aws:sqs:" + s.opts.Region + ":" + s.opts.AccountID + ":" + name
}

// ARNOfURL gives the ARN that a queue's URL stands for, whether there is such a queue or not.
func (s *Service) ARNOfURL(url string) string { return s.ARN(nameOfURL(url)) }

// Depth counts a queue's messages by ARN: those that can be received, those in flight and those delayed.
func (s *Service) Depth(arn string) (visible, inFlight, delayed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[nameOfARN(arn)]; q != nil {
		return q.depth(time.Now())
	}
	return 0, 0, 0
}

// Handler serves the operations on the wire: JSON 1.0, X-Amz-Target AmazonSQS.<operation>.
func (s *Service) Handler() *awsjson.Service {
	return &awsjson.Service{Prefix: "AmazonSQS", Version: "1.0", Operations: map[string]awsjson.Operation{
		"CreateQueue":                  awsjson.Op(s.CreateQueue),
		"DeleteQueue":                  awsjson.Op(s.DeleteQueue),
		"GetQueueUrl":                  awsjson.Op(s.GetQueueUrl),
		"ListQueues":                   awsjson.Op(s.ListQueues),
		"GetQueueAttributes":           awsjson.Op(s.GetQueueAttributes),
		"SetQueueAttributes":           awsjson.Op(s.SetQueueAttributes),
		"PurgeQueue":                   awsjson.Op(s.PurgeQueue),
		"SendMessage":                  awsjson.Op(s.SendMessage),
		"SendMessageBatch":             awsjson.Op(s.SendMessageBatch),
		"ReceiveMessage":               awsjson.Op(s.ReceiveMessage),
		"DeleteMessage":                awsjson.Op(s.DeleteMessage),
		"DeleteMessageBatch":           awsjson.Op(s.DeleteMessageBatch),
		"ChangeMessageVisibility":      awsjson.Op(s.ChangeMessageVisibility),
		"ChangeMessageVisibilityBatch": awsjson.Op(s.ChangeMessageVisibilityBatch),
		"StartMessageMoveTask":         awsjson.Op(s.StartMessageMoveTask),
		"ListMessageMoveTasks":         awsjson.Op(s.ListMessageMoveTasks),
	}}
}

// find looks a queue up by its URL; only the path counts, for the same stack has more than one address.
func (s *Service) find(url *string) (*queue, error) {
	if url == nil || *url == "" {
		return nil, missing("QueueUrl")
	}
	if q, ok := s.queues[nameOfURL(*url)]; ok {
		return q, nil
	}
	return nil, noQueue()
}

func (s *Service) findARN(arn string) *queue {
	name := nameOfARN(arn)
	if q, ok := s.queues[name]; ok && s.ARN(name) == arn {
		return q
	}
	return nil
}

func nameOfURL(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

func nameOfARN(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }

// record writes a change to the journal, and then makes it.
func (s *Service) record(e entry) error {
	if err := s.journal.append(e); err != nil {
		return err
	}
	s.apply(e)
	if s.journal.bloated() {
		return s.journal.compact(s.snapshot())
	}
	return nil
}

// snapshot is the shortest journal that leads to the present state.
func (s *Service) snapshot() []entry {
	var list []entry
	for name, q := range s.queues {
		list = append(list, entry{Op: opQueue, Queue: name, Settings: &q.Settings, At: q.Created})
		for _, m := range q.messages {
			list = append(list, entry{Op: opPut, Queue: name, Message: m})
		}
	}
	return list
}
