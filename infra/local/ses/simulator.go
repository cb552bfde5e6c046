package ses

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"
)

// simulated is what the mailbox simulator does with a mail: its addresses bounce, or complain, a moment after the mail was
// taken (Amazon SES, "Using the mailbox simulator"). A label behind a plus sign does not count.
func simulated(to string) (event string) {
	local, domain, _ := strings.Cut(strings.ToLower(to), "@")
	if domain != "simulator.amazonses.com" {
		return ""
	}
	local, _, _ = strings.Cut(local, "+")
	switch local {
	case "bounce", "suppressionlist":
		return "Bounce"
	case "complaint":
		return "Complaint"
	}
	return "" // success, and ooto, whose answer nobody here gets
}

// publish tells of what became of a mail, in the shape in which SES publishes events of a configuration set ("Examples of
// event data that Amazon SES publishes to Amazon SNS").
func (s *Service) publish(set string, m Mail) {
	kind := simulated(m.To)
	if kind == "" || set == "" || s.opts.Publish == nil {
		return
	}
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	feedback := uuid.NewString()
	event := map[string]any{
		"eventType": kind,
		"mail": map[string]any{
			"timestamp": now, "source": m.From, "messageId": m.ID, "destination": []string{m.To}, "headersTruncated": false,
			"headers":       []any{map[string]string{"name": "Subject", "value": m.Subject}},
			"commonHeaders": map[string]any{"from": []string{m.From}, "to": []string{m.To}, "messageId": m.ID, "subject": m.Subject},
			"tags":          map[string]any{"ses:configuration-set": []string{set}},
		},
	}
	if kind == "Bounce" {
		sub := "General"
		if strings.HasPrefix(strings.ToLower(m.To), "suppressionlist") {
			sub = "Suppressed"
		}
		event["bounce"] = map[string]any{
			"bounceType": "Permanent", "bounceSubType": sub, "timestamp": now, "feedbackId": feedback, "reportingMTA": "dsn; local",
			"bouncedRecipients": []any{map[string]string{"emailAddress": m.To, "action": "failed", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 user unknown"}},
		}
	} else {
		event["complaint"] = map[string]any{
			"complainedRecipients": []any{map[string]string{"emailAddress": m.To}}, "timestamp": now, "feedbackId": feedback, "complaintFeedbackType": "abuse",
		}
	}
	if raw, err := json.Marshal(event); err == nil { // it is made of texts
		s.opts.Publish(set, kind, string(raw))
	}
}
