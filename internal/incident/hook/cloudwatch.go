package hook

import (
	"cmp"
	"strings"
	"time"

	"pagefree/internal/incident"
	"pagefree/internal/platform/trust"
)

// cloudwatch is CloudWatch alarms through an SNS topic, and whatever else is
// published to it. SNS signs each message with the key of the region.
var cloudwatch = Provider{
	Name: "cloudwatch", Label: "CloudWatch", Trust: trust.SignedTime, Media: []string{"text/plain"},
	Verify: verifySNS,
	Parse:  parseCloudWatch,
	Instructions: []string{
		"Take the SNS topic that the alarms publish to, in all three of their states or in ALARM and OK at the least, as this integration's topicArn.",
		"aws sns set-topic-attributes --topic-arn <topic> --attribute-name SignatureVersion --attribute-value 2",
		"aws sns subscribe --topic-arn <topic> --protocol https --notification-endpoint {{url}} (raw message delivery stays off)",
		"PageFree confirms the subscription by itself within a minute; only this topic's messages are taken.",
		"An alarm is HIGH, unless its description says for example severity: critical, or its name begins with [P1].",
	},
}

func parseCloudWatch(r Request, body []byte, _ time.Time) (incident.Alert, error) {
	o, err := read(r, body)
	if err != nil {
		return incident.Alert{}, err
	}
	switch o.text("Type") {
	case snsSubscribe:
		return ignored("SNS asks to confirm the subscription."), nil
	case snsUnsubscribe:
		return ignored("SNS says that the subscription was ended: alarms of this topic do not come any more."), nil
	}
	message := member(o, "Message")
	if m, err := decode([]byte(message)); err == nil {
		switch {
		case m.text("AlarmName") != "" && m.text("NewStateValue") != "":
			return alarm(m), nil
		case m.text("detail-type") == "CloudWatch Alarm State Change" && m.text("detail", "alarmName") != "":
			return alarm(fromEvent(m)), nil
		}
	}
	// Something else was published to the topic: a person's words, another service's event.
	a := unknown(o)
	delete(a.Raw, "Signature")
	delete(a.Raw, "UnsubscribeURL") // whoever opens it ends the subscription
	a.Title, a.Severity = o.text("Subject"), severity(incident.Medium, spoken(message))
	if a.Title != "" {
		a.Description = message
	}
	return a, nil
}

// fromEvent gives an event of EventBridge the shape of an alarm's message.
func fromEvent(e object) object {
	m := object{
		"AlarmName": e.text("detail", "alarmName"), "NewStateValue": e.text("detail", "state", "value"),
		"NewStateReason": e.text("detail", "state", "reason"), "OldStateValue": e.text("detail", "previousState", "value"),
		"AlarmDescription": e.text("detail", "configuration", "description"), "AWSAccountId": e.text("account"), "Region": e.text("region"),
		"StateChangeTime": e.text("detail", "state", "timestamp"),
	}
	if arns := e.list("resources"); len(arns) > 0 {
		m["AlarmArn"] = scalar(arns[0])
	}
	return m
}

// alarm reads the message of an alarm, of a metric or composite. Its ARN is the
// dedup key: one incident for as long as the alarm is not OK again.
func alarm(m object) incident.Alert {
	name, state, about := m.text("AlarmName"), m.text("NewStateValue"), m.text("AlarmDescription")
	arn := m.text("AlarmArn") // arn:aws:cloudwatch:<region>:<account>:alarm:<name>; the member Region is for people
	region := ""
	if parts := strings.SplitN(arn, ":", 5); len(parts) == 5 {
		region = parts[3]
	}
	a := incident.Alert{
		Action: incident.Fire, Title: name, Description: lines(about, m.text("NewStateReason")),
		DedupKey: cmp.Or(arn, keyed("cloudwatch", m.text("AWSAccountId"), cmp.Or(m.text("Region"), "*"), name)),
		Severity: severity(incident.High, spoken(name, about)),
		Labels: put(map[string]string{}, "alarm", name, "account", m.text("AWSAccountId"), "region", region,
			"namespace", m.text("Trigger", "Namespace"), "metric", m.text("Trigger", "MetricName")),
	}
	for _, v := range m.list("Trigger", "Dimensions") {
		if d, ok := v.(map[string]any); ok { // SNS writes name and value so, the API of CloudWatch Name and Value
			put(a.Labels, cmp.Or(object(d).text("name"), object(d).text("Name")), cmp.Or(object(d).text("value"), object(d).text("Value")))
		}
	}
	a.At = moment(m.text("StateChangeTime"))
	switch state {
	case "OK":
		a.Action, a.Note = incident.Resolve, "CloudWatch: "+cmp.Or(m.text("NewStateReason"), "OK")
	case "INSUFFICIENT_DATA":
		// It comes only to those who put an action on it: that nothing is known is what they want to hear.
		a.Title, a.Severity = name+": insufficient data", severity(incident.Medium, spoken(name, about))
	}
	return a
}
