package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/timestamp"
)

// hookWithin is how long a team's endpoint may take to answer.
const hookWithin = 10 * time.Second

// errGone is an endpoint that wants no more: by Standard Webhooks a 410 says
// so, and Slack answers it for an archived channel.
var errGone = errors.New("it answered 410")

// hook puts an event down to be sent to a team's webhook, and sends it at once.
// What fails is tried again by its reminder, for some three hours: an endpoint
// that is away must not hold up anybody's mail.
func (n *Notifier) hook(ctx context.Context, r *reading, e outbox.Event, already bool) error {
	if e.Depth >= outbox.MaxDepth { // or one that leads back to a hook of ours would go round for ever
		slog.WarnContext(ctx, "webhook not told: too many workflows and webhooks stand behind the event", "event", e.ID, "depth", e.Depth)
		return nil
	}
	if already {
		return nil
	}
	now := n.Now()
	d := delivery{Item: deliveryItem(e, now), Event: brief(e)}
	err := n.Store.commit(ctx, n.Store.mark(e.ID, hooked, now), n.Store.Automation.Create(d))
	if _, twice := dynamo.Failed(err); twice {
		return nil
	}
	if err != nil {
		return err
	}
	if err := n.send(ctx, r, e); err != nil {
		slog.WarnContext(ctx, "webhook not told; it is tried again", "event", e.ID, "error", err)
		return nil
	}
	return n.Store.commit(ctx, due.Done(n.Store.Automation, d.Item))
}

// deliver sends what an item says is to be sent.
func (n *Notifier) deliver(ctx context.Context, i due.Item) error {
	var d delivery
	found, err := n.Store.Automation.Get(ctx, i.Key(), &d)
	if err != nil || !found {
		return err
	}
	return n.send(ctx, n.reading(), d.Event)
}

// send posts an event to its team's webhook as that is now. One that is gone,
// or wants no such event any more, is done.
func (n *Notifier) send(ctx context.Context, r *reading, e outbox.Event) error {
	team, err := r.team(ctx, e.TeamID)
	if err != nil || !team.Webhook.wants(e) {
		return err
	}
	w := *team.Webhook
	to, err := n.Webhooks.Reveal(ctx, addressOf(e.TeamID), w.Address)
	if err != nil {
		return err
	}
	told, err := n.telling(ctx, r, e)
	if err != nil {
		return err
	}
	body, header, err := n.request(ctx, e, w, told)
	if err != nil {
		return err
	}
	answer, err := n.Client.Do(ctx, safehttp.Request{URL: string(to), Header: header, Body: body, Timeout: hookWithin, Limit: 1})
	switch {
	case err != nil && answer.Status == 0:
		return err
	case answer.Status == http.StatusGone:
		return n.off(ctx, e.TeamID, w)
	case answer.Status < 200 || answer.Status > 299: // a 3xx too: it is never followed
		return fmt.Errorf("http %d", answer.Status)
	}
	return nil
}

// off switches a webhook off, and says so on record and in the team's settings.
func (n *Notifier) off(ctx context.Context, teamID string, w Webhook) error {
	now := n.Now()
	err := n.Store.commit(ctx, n.Store.switchOff(teamID, w, errGone.Error(), now),
		n.Audit.Record(ctx, now, audit.Entry{Type: "notifications.webhook_disabled", Subject: audit.Ref{Kind: "team", ID: teamID}, TeamID: teamID,
			Outcome: audit.Failed, Detail: map[string]any{"reason": errGone.Error()}}))
	if _, lost := dynamo.Failed(err); lost { // it was changed meanwhile
		return nil
	}
	return err
}

// addressOf and secretOf are what hidden texts of a team are bound to.
func addressOf(teamID string) string { return teamID + "/address" }
func secretOf(teamID string) string  { return teamID + "/secret" }

// request is what is sent: its body and its headers.
func (n *Notifier) request(ctx context.Context, e outbox.Event, w Webhook, t telling) ([]byte, http.Header, error) {
	h := http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"PageFree"},
		// One more than stand behind the event, so that a circle through an endpoint ends too.
		"X-Pagefree-Depth": {strconv.Itoa(e.Depth + 1)},
	}
	if w.Format == Slack {
		body, err := plainJSON(map[string]any{"text": t.mrkdwn()})
		return body, h, err
	}
	body, err := plainJSON(map[string]any{"type": e.Type, "timestamp": e.At, "data": t.Data})
	if err != nil {
		return nil, nil, err
	}
	now := n.Now()
	at := strconv.FormatInt(now.Unix(), 10)
	var signatures []string
	for _, hidden := range [][]byte{w.Secret, w.previous(now)} {
		if hidden == nil {
			continue
		}
		secret, err := n.Webhooks.Reveal(ctx, secretOf(e.TeamID), hidden)
		if err != nil {
			return nil, nil, err
		}
		signature, err := sign(string(secret), e.ID, at, body)
		if err != nil {
			return nil, nil, err
		}
		signatures = append(signatures, signature)
	}
	h["Webhook-Id"], h["Webhook-Timestamp"], h["Webhook-Signature"] = []string{e.ID}, []string{at}, []string{strings.Join(signatures, " ")}
	return body, h, nil
}

// previous is the secret before the present one, while it still signs.
func (w Webhook) previous(now time.Time) []byte {
	if w.PreviousUntil == nil || !now.Before(w.PreviousUntil.Time) {
		return nil
	}
	return w.Previous
}

const secretPrefix = "whsec_"

// sign is a signature of Standard Webhooks, https://www.standardwebhooks.com.
func sign(secret, id, at string, body []byte) (string, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	if err != nil {
		return "", errors.New("the secret of a webhook is no base64")
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

// plainJSON is JSON without a longer form for <, > and &.
func plainJSON(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return []byte(strings.TrimSuffix(b.String(), "\n")), err
}

// telling is an event in words and members, for a webhook. It never holds what
// a script wrote, nor a parameter.
type telling struct {
	Data     map[string]any
	Headline string
	Lines    []string
	URL      string
}

// telling reads what is said of an event now.
func (n *Notifier) telling(ctx context.Context, r *reading, e outbox.Event) (telling, error) {
	o, err := n.Origin.Get(ctx)
	if err != nil {
		return telling{}, err
	}
	if kinds[e.Type] == Incidents {
		i, found, err := r.incident(ctx, e.About)
		if err != nil {
			return telling{}, err
		}
		if !found {
			i.ID = e.About
		}
		t := telling{Headline: fmt.Sprintf("[%s] %s", i.Severity, line(i.Title, maxTitle)), URL: o.URL("/console/incidents/" + i.ID), Lines: []string{incidentWords[e.Type]}}
		if i.Service != "" {
			t.Lines = append(t.Lines, "Service: "+line(i.Service, maxTitle))
		}
		t.Data = map[string]any{"teamId": e.TeamID, "incident": map[string]any{
			"id": i.ID, "title": i.Title, "severity": i.Severity, "status": i.Status, "service": i.Service, "url": t.URL}}
		return t, nil
	}
	it := item{Event: e}
	switch e.Type {
	case outbox.ExecutionEnded, outbox.ExecutionWaits, outbox.ExecutionExpired:
		it.execution, _, err = r.execution(ctx, e.About, false)
	case outbox.RunbookSubmitted:
		it.version, _, err = r.version(ctx, e)
	}
	if err != nil {
		return telling{}, err
	}
	l := single(it, Incident{})
	t := telling{Headline: l.Headline, URL: o.URL(l.Path), Data: map[string]any{"teamId": e.TeamID}}
	if l.Text != "" {
		t.Lines = append(t.Lines, l.Text)
	}
	for _, f := range l.Facts {
		t.Lines = append(t.Lines, f.Name+": "+f.Value)
	}
	about := map[string]any{"id": e.About, "url": t.URL}
	put := func(name string, value string) {
		if value != "" {
			about[name] = value
		}
	}
	switch e.Type {
	case outbox.RunbookSubmitted:
		about["name"], about["version"] = it.version.Runbook, e.Detail["version"]
		t.Data["runbook"] = about
	case outbox.WorkflowFailed, outbox.WorkflowNotify:
		put("workflowId", e.Detail["workflowId"])
		put("workflowName", e.Detail["workflowName"])
		put("incidentId", e.Detail["incidentId"])
		put("executionId", e.Detail["executionId"])
		put("runbookId", e.Detail["runbookId"])
		put("runbookName", e.Detail["runbookName"])
		put("reason", e.Detail["reason"])
		put("subject", e.Detail["subject"])
		put("message", e.Detail["message"])
		t.Data["run"] = about
	default:
		put("runbookId", e.Detail["runbookId"])
		put("runbookName", named(it))
		put("incidentId", it.execution.IncidentID)
		put("reason", it.why())
		about["status"] = map[string]string{outbox.ExecutionWaits: "AWAITING_CONFIRMATION", outbox.ExecutionExpired: "CANCELLED", outbox.ExecutionEnded: it.status()}[e.Type]
		t.Data["execution"] = about
	}
	return t, nil
}

var incidentWords = map[string]string{
	outbox.IncidentCreated: "An incident was opened.", outbox.IncidentReopened: "An incident was opened again.",
	outbox.IncidentEscalated: "Nobody has acknowledged this incident yet.", outbox.IncidentAcknowledged: "Somebody works on this incident.",
	outbox.IncidentResolved: "This incident is over.", outbox.IncidentUpdated: "This incident became worse.",
}

// escape is a text in Slack's markup: these three are all that has a meaning
// to its parser (Slack, "Formatting text for app surfaces"), and with them goes
// every way to a link, or to a mention of a channel.
var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace

// mrkdwn is the message in Slack's markup.
func (t telling) mrkdwn() string {
	lines := []string{"*" + escape(strings.ReplaceAll(t.Headline, "*", "")) + "*"}
	for _, l := range t.Lines {
		lines = append(lines, escape(l))
	}
	return strings.Join(append(lines, "<"+t.URL+"|Open it in PageFree>"), "\n")
}

// until is how long a replaced secret signs beside the new one.
func until(now time.Time) *timestamp.Time { return timestamp.Ptr(now.Add(24 * time.Hour)) }
