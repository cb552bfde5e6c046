package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"pagefree/infra/local/client"
)

// Topics is the notification service that CloudWatch publishes its alarms to.
type Topics interface {
	// Subscribe makes the topic where it is missing, and asks an address to confirm that it wants its messages.
	Subscribe(ctx context.Context, topicARN, url string) error
	Publish(ctx context.Context, topicARN, subject, message string) error
}

const alarms = "arn:aws:sns:us-east-1:000000000000:pagefree-demo-alarms"

// What the alerts are called where they come from.
const (
	diskAlarm    = "checkout-web-3-disk-full"
	replicaAlert = "Replica of checkout-db lags 4 minutes behind"
	indexAlert   = "Search index is stale"
	openAlert    = "Replica of orders-db lags 11 minutes behind"
	scriptAlert  = "Disk of web-3 is 98 % full"
)

// Names of what takes an alert that anybody sends by curl, and of what it starts.
const (
	script  = "Any script"
	cleanup = "Clean up for any script"

	RemedyLabel = "cleanup" // the value of the label "remedy" that starts that workflow
)

// alerts connects monitoring, lets three alerts come in as their senders send them, and watches what becomes of them.
func (d *demo) alerts(ctx context.Context) error {
	if err := d.reacts(ctx); err != nil {
		return err
	}
	if d.topics != nil {
		if err := d.cloudwatch(ctx); err != nil {
			return fmt.Errorf("CloudWatch: %w", err)
		}
	}
	hook, secret, err := d.connect(ctx, "Datadog", map[string]any{"provider": "datadog", "serviceId": d.services["checkout"]})
	if err != nil {
		return err
	}
	if err := d.waits(ctx, hook, secret); err != nil {
		return fmt.Errorf("the alert whose runbook waits: %w", err)
	}
	if err := d.fails(ctx, hook, secret); err != nil {
		return fmt.Errorf("the alert whose runbook fails: %w", err)
	}
	if err := d.scripted(ctx); err != nil {
		return fmt.Errorf("the alert of a script: %w", err)
	}
	if err := d.left(ctx, hook, secret); err != nil {
		return fmt.Errorf("the alert that is left to the reader: %w", err)
	}
	return nil
}

// reacts makes the workflows, or puts them back as they were.
func (d *demo) reacts(ctx context.Context) error {
	known := map[string]string{}
	if err := d.named(ctx, "/v1/workflows", known); err != nil {
		return err
	}
	run := func(name string, more ...map[string]any) []map[string]any {
		return append([]map[string]any{{"id": "fix", "type": "runbook", "runbookId": d.runbooks[name]}}, more...)
	}
	solved := map[string]any{"id": "close", "type": "resolve", "note": "{{incident.title}}: solved by itself"}
	for name, w := range map[string]map[string]any{
		"Clean up full disks": {"labels": map[string]any{"alarm": diskAlarm}, "steps": append(
			[]map[string]any{{"id": "say", "type": "note", "text": "{{incident.service.name}}: cleaning up without waiting for anybody"}},
			run(freeDisk, map[string]any{"id": "told", "type": "note", "if": `{{steps.fix.exitCode}} == "0"`, "text": "{{steps.fix.stdout}}"}, solved)...)},
		cleanup:                          {"labels": map[string]any{"remedy": RemedyLabel}, "steps": run(freeDisk, solved)},
		"Fail over a database that lags": {"labels": map[string]any{"remedy": "failover"}, "steps": run(failover, solved)},
		"Rebuild a stale index":          {"labels": map[string]any{"remedy": "reindex"}, "steps": run(reindex, solved)},
	} {
		body := map[string]any{"name": name, "teamId": d.team, "enabled": true, "steps": w["steps"],
			"trigger": map[string]any{"on": []string{"incident.created"}, "labels": w["labels"]}, "timeLimitSeconds": 1200}
		method, path, status := "POST", "/v1/workflows", http.StatusCreated
		if known[name] != "" {
			method, path, status = "PUT", path+"/"+known[name], http.StatusOK
		}
		a, err := d.as(ctx, Lead, status, method, path, body)
		if err != nil {
			return err
		}
		d.workflows[name] = a.Text("id")
	}
	d.say("lead writes workflows: %s", strings.Join(slices.Sorted(maps.Keys(d.workflows)), ", "))
	return nil
}

// connect makes an integration, or finds it and rotates its secret, since nobody can read the old one.
func (d *demo) connect(ctx context.Context, name string, body map[string]any) (hook, secret string, err error) {
	known := map[string]string{}
	if err := d.named(ctx, "/v1/integrations", known); err != nil {
		return "", "", err
	}
	id := known[name]
	var a client.Answer
	if id == "" {
		body["name"], body["teamId"] = name, d.team
		if a, err = d.as(ctx, Lead, http.StatusCreated, "POST", "/v1/integrations", body); err != nil {
			return "", "", err
		}
		secret = a.Text("secret")
		d.say("lead connects %s: %s, starts runbooks up to risk %s by itself", name, a.Text("trust"), a.Text("unattendedRisk"))
	} else {
		if a, err = d.as(ctx, Lead, http.StatusOK, "GET", "/v1/integrations/"+id, nil); err != nil {
			return "", "", err
		}
		if body["provider"] != "cloudwatch" {
			rotated, err := d.as(ctx, Lead, http.StatusOK, "POST", "/v1/integrations/"+id+"/rotate-secret", nil)
			if err != nil {
				return "", "", err
			}
			secret = rotated.Text("secret")
		}
		d.say("%s is connected already", name)
	}
	return a.Text("url"), secret, nil
}

// cloudwatch lets a signed alarm come in through SNS. Its runbook runs by a workflow, and the incident is resolved without anybody.
func (d *demo) cloudwatch(ctx context.Context) error {
	hook, _, err := d.connect(ctx, "CloudWatch", map[string]any{"provider": "cloudwatch", "serviceId": d.services["checkout"], "topicArn": alarms})
	if err != nil {
		return err
	}
	if err := d.topics.Subscribe(ctx, alarms, hook); err != nil {
		return err
	}
	began := time.Now()
	message, err := json.Marshal(map[string]any{
		"AlarmName": diskAlarm, "AlarmDescription": "The disk of web-3 is full.", "AWSAccountId": "000000000000", "Region": "US East (N. Virginia)",
		"AlarmArn": "arn:aws:cloudwatch:us-east-1:000000000000:alarm:" + diskAlarm, "NewStateValue": "ALARM", "OldStateValue": "OK",
		"NewStateReason":  "Threshold Crossed: 1 datapoint [98.7] was greater than the threshold (95.0).",
		"StateChangeTime": began.UTC().Format("2006-01-02T15:04:05.000+0000"),
		"Trigger": map[string]any{"MetricName": "disk_used_percent", "Namespace": "CWAgent", "Statistic": "AVERAGE", "Period": 60, "Threshold": 95.0,
			"Dimensions": []map[string]any{{"name": "host", "value": "web-3"}}},
	})
	if err != nil {
		return err
	}
	if err := d.topics.Publish(ctx, alarms, `ALARM: "`+diskAlarm+`" in US East (N. Virginia)`, string(message)); err != nil {
		return err
	}
	d.say("CloudWatch, by SNS and signed: ALARM %s", diskAlarm)
	i, err := d.alerted(ctx, diskAlarm, began, func(i map[string]any) bool { return i["status"] == "RESOLVED" })
	if err != nil {
		return err
	}
	d.say("%v opened, its workflow ran %q, and it is RESOLVED: %d ms after the alarm", i["id"], freeDisk, time.Since(began).Milliseconds())
	return d.history(ctx, i["id"].(string))
}

// datadog sends what Datadog makes of the payload template. cycle is what all alerts of one trouble have in common.
func (d *demo) datadog(ctx context.Context, hook, secret, title, cycle, remedy, transition string) error {
	at, err := url.Parse(hook)
	if err != nil {
		return err
	}
	_, err = d.Want(ctx, http.StatusAccepted, "POST", at.Path, secret, map[string]any{
		"id": fmt.Sprint(time.Now().UnixNano()), "title": "[" + transition + " on {host:web-3}] " + title, "body": "Monitored for 5 minutes.",
		"date": fmt.Sprint(time.Now().UnixMilli()), "alert_id": "1184", "alert_cycle_key": "demo-" + cycle, "alert_transition": transition,
		"alert_type": "error", "alert_priority": "P2", "hostname": "web-3", "tags": "env:local,zone:eu-1,remedy:" + remedy, "org": "PageFree demo",
	})
	return err
}

// waits lets an alert come in by a bearer secret, whose runbook is too risky for that: a person has to confirm it.
func (d *demo) waits(ctx context.Context, hook, secret string) error {
	began := time.Now()
	if err := d.datadog(ctx, hook, secret, replicaAlert, "failover", "failover", "Triggered"); err != nil {
		return err
	}
	d.say("Datadog, by a bearer secret: %s", replicaAlert)
	e, err := d.asked(ctx, replicaAlert, began)
	if err != nil {
		return err
	}
	d.say("%q waits: %v", failover, e["reason"])
	if err := d.mail(ctx, Responder, failover, began); err != nil {
		return err
	}
	if _, err := d.as(ctx, Responder, http.StatusOK, "POST", fmt.Sprintf("/v1/executions/%v/confirm", e["id"]), nil); err != nil {
		return err
	}
	if _, err := d.alerted(ctx, replicaAlert, began, func(i map[string]any) bool { return i["status"] == "RESOLVED" }); err != nil {
		return err
	}
	d.say("responder confirms; it ran, and the incident is RESOLVED")
	return nil
}

// asked waits until a workflow asks a person about the incident of an alert, and returns the execution that waits.
func (d *demo) asked(ctx context.Context, title string, since time.Time) (e map[string]any, err error) {
	i, err := d.alerted(ctx, title, since, nil)
	if err != nil {
		return nil, err
	}
	if err := poll(ctx, func() (bool, error) {
		list, err := d.all(ctx, Responder, "/v1/executions?status=AWAITING_CONFIRMATION&incidentId="+i["id"].(string))
		if len(list) == 1 {
			e = list[0]
		}
		return e != nil, err
	}); err != nil {
		return nil, fmt.Errorf("no execution waits: %w", err)
	}
	return e, nil
}

// left lets one more such alert come in, and leaves it to whoever reads this: an open incident, and a runbook that waits
// for them, for a quarter of an hour. What an earlier demo left open is over first.
func (d *demo) left(ctx context.Context, hook, secret string) error {
	began := time.Now()
	for _, transition := range []string{"Recovered", "Triggered"} {
		if err := d.datadog(ctx, hook, secret, openAlert, "left", "failover", transition); err != nil {
			return err
		}
	}
	if _, err := d.asked(ctx, openAlert, began); err != nil {
		return err
	}
	d.say("Datadog: %s; %q waits for you", openAlert, failover)
	return nil
}

// fails lets an alert come in whose runbook does not work: its team's admins get a mail.
func (d *demo) fails(ctx context.Context, hook, secret string) error {
	began := time.Now()
	if err := d.datadog(ctx, hook, secret, indexAlert, "reindex", "reindex", "Triggered"); err != nil {
		return err
	}
	d.say("Datadog: %s", indexAlert)
	if _, err := d.alerted(ctx, indexAlert, began, nil); err != nil {
		return err
	}
	if err := d.mail(ctx, Lead, reindex, began); err != nil {
		return err
	}
	if err := d.datadog(ctx, hook, secret, indexAlert, "reindex", "reindex", "Recovered"); err != nil {
		return err
	}
	_, err := d.alerted(ctx, indexAlert, began, func(i map[string]any) bool { return i["status"] == "RESOLVED" })
	d.say("Datadog: Recovered, and so the incident is RESOLVED")
	return err
}

// scripted lets an alert come in that any script can send. Its runbook is of risk LOW, which a bearer secret may start.
func (d *demo) scripted(ctx context.Context) (err error) {
	if d.hook, d.hookKey, err = d.connect(ctx, script, map[string]any{"provider": "generic", "serviceId": d.services["checkout"]}); err != nil {
		return err
	}
	at, err := url.Parse(d.hook)
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := d.Want(ctx, http.StatusAccepted, "POST", at.Path, d.hookKey, map[string]any{
		"title": scriptAlert, "severity": "critical", "labels": map[string]any{"remedy": RemedyLabel, "zone": "eu-1"}}); err != nil {
		return err
	}
	i, err := d.alerted(ctx, scriptAlert, began, func(i map[string]any) bool { return i["status"] == "RESOLVED" })
	if err != nil {
		return err
	}
	d.say("any script, by curl: %v, CRITICAL; its workflow ran %q, and it is RESOLVED: %d ms after the request", i["id"], freeDisk, time.Since(began).Milliseconds())
	return nil
}

// alerted waits for the incident of an alert, and until it is as it should be.
func (d *demo) alerted(ctx context.Context, title string, since time.Time, is func(map[string]any) bool) (found map[string]any, err error) {
	var seen string
	err = poll(ctx, func() (bool, error) {
		a, err := d.as(ctx, Responder, http.StatusOK, "GET", "/v1/incidents?limit=5&q="+url.QueryEscape(title), nil)
		if err != nil {
			return false, err
		}
		seen = a.Raw
		for _, i := range a.Items() {
			at, err := time.Parse(time.RFC3339, i["createdAt"].(string))
			if err == nil && !at.Before(since.Truncate(time.Millisecond)) && (is == nil || is(i)) {
				found = i
			}
		}
		return found != nil, nil
	})
	if err != nil {
		err = fmt.Errorf("the incident %q: %w: %s", title, err, seen)
	}
	return found, err
}

// history shows an incident's timeline, the oldest line first.
func (d *demo) history(ctx context.Context, incident string) error {
	list, err := d.all(ctx, Responder, "/v1/incidents/"+incident+"/timeline?limit=200")
	if err != nil {
		return err
	}
	slices.Reverse(list)
	var lines strings.Builder
	for _, e := range list {
		actor, _ := e["actor"].(map[string]any)
		text, _, _ := strings.Cut(e["text"].(string), "\n")
		fmt.Fprintf(&lines, "%-12v %-12v %s\n", e["kind"], actor["kind"], text)
	}
	d.output(lines.String())
	return nil
}

// mail waits for a mail that tells somebody of a runbook. Who was told of it within the last minute is told anew when
// that is over: the demo does not wait for that.
func (d *demo) mail(ctx context.Context, to, of string, since time.Time) error {
	at := d.Client
	if d.Mail != "" {
		at.URL = d.Mail
	}
	return poll(ctx, func() (bool, error) {
		a, err := at.Want(ctx, http.StatusOK, "GET", "/_local/mail?to="+url.QueryEscape(to), "", nil)
		if err != nil {
			return false, err
		}
		var all []struct {
			Subject string
			At      time.Time
		}
		if err := json.Unmarshal([]byte(a.Raw), &all); err != nil {
			return false, err
		}
		for _, m := range all { // newest first
			if !strings.Contains(m.Subject, of) {
				continue
			}
			switch {
			case !m.At.Before(since.Truncate(time.Second)):
				d.say("mail to %s: %s", to, m.Subject)
			case m.At.After(since.Add(-time.Minute)):
				d.say("mail to %s about %q comes within two minutes: one about the same runbook left %d s ago", to, of, int(since.Sub(m.At).Seconds()))
			default:
				continue
			}
			return true, nil
		}
		return false, nil
	})
}

// poll asks until something is so.
func poll(ctx context.Context, is func() (bool, error)) error {
	for {
		if ok, err := is(); ok || err != nil {
			return err
		}
		if err := client.Pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}
