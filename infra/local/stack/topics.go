package stack

import (
	"slices"
	"strings"
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
			if _, err := s.sns.Publish(arn, "Amazon SES Email Event Notification", event); err != nil {
				s.opts.Log.Error("mail event", "topic", arn, "cause", err.Error())
			}
		}
	}
}
