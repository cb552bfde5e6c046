package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"pagefree/infra/local/client"
	"pagefree/infra/local/sns"
)

// Topics are the stack's own and those that others make, by which the demo's alarms come.
type Topics struct{ sns *sns.Service }

// Topics are the stack's.
func (s *Stack) Topics() Topics { return Topics{s.sns} }

// Subscribe makes the topic, asks the address to confirm, and waits until it did.
func (t Topics) Subscribe(ctx context.Context, topicARN, url string) error {
	if _, err := t.sns.CreateTopic(topicARN[strings.LastIndex(topicARN, ":")+1:]); err != nil {
		return err
	}
	if _, err := t.sns.Subscribe(topicARN, "http", url); err != nil {
		return err
	}
	for !t.sns.Subscribed(topicARN, url) {
		if err := client.Pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("nobody confirmed the subscription of %s: %w", url, err)
		}
	}
	return nil
}

// Publish sends a message to whoever confirmed.
func (t Topics) Publish(_ context.Context, topicARN, subject, message string) error {
	_, err := t.sns.Publish(topicARN, subject, message)
	return err
}

// mailEvent hands an event of a mail to the topics that its configuration set has for it.
func (s *Stack) mailEvent(set, kind, event string) {
	for _, r := range s.template.Resources {
		if r.Type != "AWS::SES::ConfigurationSetEventDestination" || r.Properties["ConfigurationSetName"] != set {
			continue
		}
		to, _ := r.Properties["EventDestination"].(map[string]any)
		kinds, _ := to["MatchingEventTypes"].([]any)
		topic, _ := to["SnsDestination"].(map[string]any)
		if arn, _ := topic["TopicARN"].(string); to["Enabled"] == true && slices.Contains(kinds, any(strings.ToLower(kind))) {
			if _, err := s.sns.Publish(arn, "Amazon SES Email Event Notification", event); err != nil {
				s.opts.Log.Error("mail event", "topic", arn, "cause", err.Error())
			}
		}
	}
}
