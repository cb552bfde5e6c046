// Package sns is the Simple Notification Service of the local stack: topics, subscriptions of functions and of addresses
// on this machine, and messages to them, signed as SNS signs. Its certificate is served where SigningCertURL says, if
// AWS_ENDPOINT_URL stands for AWS.
//
// Not like SNS: a topic signs by version 2 unless it is told to use 1, nothing survives a restart, endpoints are on loopback
// only, and there are no filters, attributes of messages, FIFO topics or raw delivery.
package sns

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"pagefree/infra/local/lambda"
	"pagefree/infra/local/template"
)

// Limits of SNS.
const (
	maxMessage = 256 << 10 // bytes
	maxSubject = 100       // characters
)

// Invoker calls a function by its logical id, and again where it fails, as Lambda does with what SNS sends.
type Invoker interface {
	InvokeAsync(lambda.Request) (string, error)
}

// Options of New. The zero value has no topics and calls no functions.
type Options struct {
	Template  *template.Template // for its topics and the functions that subscribe to them
	Functions Invoker
	Region    string // default us-east-1, or the template's
	AccountID string // default 000000000000, or the template's
	// RetryAfter are the waits before an endpoint is tried again, after a 5xx, a 429 or no answer; default three of 20
	// seconds, as SNS' own policy for HTTP.
	RetryAfter []time.Duration
	Log        *slog.Logger // gets what was given up; default none
}

// Service is the topics of one account and region.
type Service struct {
	opts   Options
	signer *signer
	client *http.Client

	mu     sync.Mutex
	topics map[string]*topic // by ARN
	closed bool

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup
}

type topic struct {
	arn     string
	version string // of signatures
	subs    map[string]*subscription
}

type subscription struct {
	arn, topic         string
	protocol, endpoint string // http or https and a URL; lambda and a logical id
	token              string
	confirmed          bool
	serial             int // the order in which they came
}

// New makes the service, with a fresh key.
func New(o Options) (*Service, error) {
	if o.Template != nil {
		o.Region, o.AccountID = cmp.Or(o.Region, o.Template.Region), cmp.Or(o.AccountID, o.Template.AccountID)
	}
	o.Region, o.AccountID = cmp.Or(o.Region, "us-east-1"), cmp.Or(o.AccountID, "000000000000")
	if o.RetryAfter == nil {
		o.RetryAfter = []time.Duration{20 * time.Second, 20 * time.Second, 20 * time.Second}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	signer, err := newSigner(o.Region)
	if err != nil {
		return nil, fmt.Errorf("sns: %w", err)
	}
	s := &Service{opts: o, signer: signer, topics: map[string]*topic{}, client: &http.Client{
		Timeout:       15 * time.Second, // SNS' own
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if o.Template == nil {
		return s, nil
	}
	for _, t := range o.Template.Topics {
		s.topic(t.ARN)
	}
	for _, id := range slices.Sorted(maps.Keys(o.Template.Functions)) {
		for _, source := range o.Template.Functions[id].TopicSources {
			t := s.topic(source.TopicARN)
			sub := s.add(t, "lambda", id)
			sub.confirmed = true
		}
	}
	return s, nil
}

// Close gives up what is under way.
func (s *Service) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.work.Wait()
	return nil
}

// topic is a topic, made where there is none of the ARN.
func (s *Service) topic(arn string) *topic {
	t, ok := s.topics[arn]
	if !ok {
		t = &topic{arn: arn, version: "2", subs: map[string]*subscription{}}
		s.topics[arn] = t
	}
	return t
}

func (s *Service) add(t *topic, protocol, endpoint string) *subscription {
	sub := &subscription{arn: t.arn + ":" + uuid.NewString(), topic: t.arn, protocol: protocol, endpoint: endpoint, token: randomHex(48), serial: len(t.subs)}
	t.subs[sub.arn] = sub
	return sub
}

var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

// CreateTopic makes a topic, or finds the one that has the name, and returns its ARN.
func (s *Service) CreateTopic(name string) (arn string, err error) {
	if !topicName.MatchString(name) {
		return "", bad("Invalid parameter: Topic Name")
	}
	arn = "arn:aws:sns:" + s.opts.Region + ":" + s.opts.AccountID + ":" + name
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.topic(arn).arn, nil
}

// SignBy sets the SignatureVersion of a topic, 1 or 2.
func (s *Service) SignBy(topicARN, version string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.topics[topicARN]
	if !ok {
		return missing("Topic does not exist")
	}
	if version != "1" && version != "2" {
		return bad("Invalid parameter: SignatureVersion")
	}
	t.version = version
	return nil
}

// Subscribe asks an address on this machine whether it wants the messages of a topic, and returns the subscription's ARN.
// Nothing is sent to it before it has confirmed. The same address again is the same subscription, and is asked again
// while it has not.
func (s *Service) Subscribe(topicARN, protocol, endpoint string) (arn string, err error) {
	u, err := url.Parse(endpoint)
	if protocol != "http" && protocol != "https" {
		return "", bad("Invalid parameter: the local stack delivers to http and https, and to the functions that the template subscribes")
	}
	if err != nil || u.Scheme != protocol || !onLoopback(u.Hostname()) {
		return "", bad("Invalid parameter: Endpoint must be on loopback here, and match the protocol")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.topics[topicARN]
	if !ok {
		return "", missing("Topic does not exist")
	}
	sub := t.of(endpoint)
	if sub == nil {
		sub = s.add(t, protocol, endpoint)
	}
	if !sub.confirmed {
		m := s.signer.message(t, confirmation, "", "You have chosen to subscribe to the topic "+t.arn+
			".\nTo confirm the subscription, visit the SubscribeURL included in this message.", sub)
		s.send(sub, m)
	}
	return sub.arn, nil
}

func (t *topic) of(endpoint string) *subscription {
	for _, sub := range t.subs {
		if sub.endpoint == endpoint {
			return sub
		}
	}
	return nil
}

func onLoopback(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsLoopback()
	}
	return host == "localhost"
}

// Confirm confirms the subscription that a token was sent for, and returns its ARN.
func (s *Service) Confirm(topicARN, token string) (arn string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.topics[topicARN]
	if !ok {
		return "", missing("Topic does not exist")
	}
	for _, sub := range t.subs {
		if token != "" && sub.token == token {
			sub.confirmed = true
			return sub.arn, nil
		}
	}
	return "", bad("Invalid parameter: Token")
}

// Unsubscribe ends a subscription. One that does not exist is no error, as with SNS.
func (s *Service) Unsubscribe(arn string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.topics[arn[:max(0, strings.LastIndexByte(arn, ':'))]]; ok {
		delete(t.subs, arn)
	}
	return nil
}

// Subscribed tells whether an address has confirmed that it wants the messages of a topic.
func (s *Service) Subscribed(topicARN, endpoint string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.topics[topicARN]
	if !ok {
		return false
	}
	sub := t.of(endpoint)
	return sub != nil && sub.confirmed
}

// Publish sends a message to all who are subscribed, in the background, and returns its id. An empty subject is none.
func (s *Service) Publish(topicARN, subject, message string) (messageID string, err error) {
	switch {
	case message == "" || len(message) > maxMessage:
		return "", bad("Invalid parameter: Message")
	case len([]rune(subject)) > maxSubject || strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' }):
		return "", bad("Invalid parameter: Subject")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.topics[topicARN]
	if !ok {
		return "", missing("Topic does not exist")
	}
	messageID = uuid.NewString()
	for _, sub := range slices.SortedFunc(maps.Values(t.subs), func(a, b *subscription) int { return a.serial - b.serial }) {
		if !sub.confirmed {
			continue
		}
		m := s.signer.message(t, notification, subject, message, sub)
		m.id = messageID
		s.signer.sign(&m)
		if sub.protocol == "lambda" {
			s.call(sub, m)
			continue
		}
		s.send(sub, m)
	}
	return messageID, nil
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
