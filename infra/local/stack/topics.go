package stack

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"pagefree/infra/local/lambda"
)

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
			s.publish(arn, "Amazon SES Email Event Notification", event)
		}
	}
}

// publish hands a message of a topic to every function that is subscribed to it, and does not wait.
func (s *Stack) publish(topicARN, subject, message string) {
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	for id, f := range s.template.Functions {
		for _, source := range f.TopicSources {
			if source.TopicARN != topicARN {
				continue
			}
			payload, err := json.Marshal(map[string]any{"Records": []any{map[string]any{
				"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": topicARN + ":" + uuid.NewString(),
				"Sns": map[string]any{
					"Type": "Notification", "MessageId": uuid.NewString(), "TopicArn": topicARN, "Subject": subject, "Message": message, "Timestamp": now,
					"SignatureVersion": "1", "Signature": "local", "SigningCertUrl": "", "UnsubscribeUrl": "", "MessageAttributes": map[string]any{},
				},
			}}})
			if err != nil {
				s.opts.Log.Error("topic", "function", id, "cause", err.Error())
				continue
			}
			go func() {
				result, err := s.functions.Invoke(context.Background(), lambda.Request{Function: id, Payload: payload})
				if err != nil {
					s.opts.Log.Error("topic", "function", id, "cause", err.Error())
				} else if result.FunctionError != "" {
					s.opts.Log.Error("topic", "function", id, "cause", string(result.Payload))
				}
			}()
		}
	}
}
