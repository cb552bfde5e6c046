package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"pagefree/infra/local/demo"
	"pagefree/internal/execution/target/sandbox/protocol"
	"pagefree/internal/identity"
	"pagefree/internal/partner"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/seat"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/web/console/assets"
)

// drivers are how each function gets one real request; n counts them.
func (w *work) drivers(ctx context.Context) (map[string]func(context.Context, int) error, error) {
	bash, err := w.approved(ctx, scripted("BASH", "echo bench\n"))
	if err != nil {
		return nil, err
	}
	node, err := w.approved(ctx, onNode("echo bench\n"))
	if err != nil {
		return nil, err
	}
	async, err := w.approved(ctx, w.webhook("202", true))
	if err != nil {
		return nil, err
	}
	paths := func(who string, paths ...string) func(context.Context, int) error {
		return func(ctx context.Context, n int) error {
			_, err := w.call(ctx, who, "GET", paths[n%len(paths)], nil)
			return err
		}
	}
	executed := func(runbook string, meanwhile func(context.Context, string) error) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error {
			id, err := w.trigger(ctx, runbook, w.people.IncidentID)
			if err == nil && meanwhile != nil {
				err = meanwhile(ctx, id)
			}
			if err == nil {
				err = w.ended(ctx, id)
			}
			return err
		}
	}
	return map[string]func(context.Context, int) error{
		"IdentityFunction":          paths(demo.Lead, "/v1/me", "/v1/teams", "/v1/api-keys"),
		"IncidentsFunction":         paths(demo.Responder, "/v1/incidents", "/v1/incidents/"+w.people.IncidentID+"/timeline", "/v1/services"),
		"RunbooksFunction":          paths(demo.Lead, "/v1/runbooks", "/v1/runbooks/"+bash, "/v1/runbooks/"+bash+"/versions/1", "/v1/reviews"),
		"ExecutionsFunction":        paths(demo.Responder, "/v1/executions"),
		"CallbacksFunction":         executed(async, w.report),
		"CommandsFunction":          executed(node, nil), // EventBridge calls it when the node is done
		"AuditSealerFunction":       w.seal,
		"AuditFunction":             paths(demo.Lead, "/v1/audit"),
		"MetaFunction":              paths("", "/healthz", "/openapi.json"),
		"AssetsFunction":            paths("", assets.Path("console.css"), "/console/sw.js", "/console/manifest.webmanifest"),
		"SigninFunction":            paths("", "/signin", "/signin?token=pfl_unknown"),
		"DispatcherFunction":        executed(bash, nil),
		"SandboxBashFunction":       executed(bash, nil),
		"SandboxPythonFunction":     w.script("SandboxPythonFunction", protocol.Python, "print('bench')\n"),
		"SandboxJavascriptFunction": w.script("SandboxJavascriptFunction", protocol.JavaScript, "console.log('bench')\n"),
		"SigninLinkFunction": func(ctx context.Context, _ int) error {
			return w.invoke(ctx, "SigninLinkFunction", identity.OperatorRequest{Email: demo.Lead}, nil)
		},
		"SigninMailFunction": func(ctx context.Context, n int) error {
			return w.message(ctx, "SigninMailFunction", n, identity.MailRequest{Email: demo.Lead, At: timestamp.Of(time.Now()), IP: "127.0.0.1", RequestID: "bench"})
		},
		"WatchdogFunction":    w.tick("WatchdogFunction"),
		"StatusClockFunction": w.tick("StatusClockFunction"),
		"StatusPagesFunction": paths(demo.Lead, "/v1/status-pages", under(w.pages.demo, "/components"), under(w.pages.large, "/incidents"), under(w.pages.demo, "/preview")),
		"PartnersFunction":    paths(demo.Lead, under(w.pages.demo, "/partners"), under(w.pages.demo, "/partners/"+w.pages.acme+"/accesses"), "/v1/partners"),
		"StatusFunction": func(ctx context.Context, n int) error {
			views := w.viewed()
			_, _, err := w.see(ctx, views[n%len(views)].look)
			return err
		},
		"AccessesFunction": func(ctx context.Context, n int) error {
			now := time.Now()
			return w.message(ctx, "AccessesFunction", n, partner.Look{
				ID: id.New(id.PartnerLook, now), AccessID: w.pages.acme, PageID: w.pages.demo, At: timestamp.Of(now),
				Method: "GET", Path: "/status/" + demo.Slug, IP: "127.0.0.1", UserAgent: "bench", Outcome: partner.Served, Via: seat.ByToken,
			})
		},
		"HooksFunction": func(ctx context.Context, n int) error {
			providers := slices.Sorted(maps.Keys(w.senders))
			_, err := w.send(ctx, providers[n%len(providers)])
			return err
		},
		"AlertsFunction": func(ctx context.Context, _ int) error {
			_, err := w.send(ctx, "generic")
			return errors.Join(err, w.drained(ctx, "AlertsFunction"))
		},
		"ReactorFunction": func(ctx context.Context, _ int) error { // by its stream
			_, err := w.alert(ctx, alert{of: w.sent.Add(1), remedied: true})
			return errors.Join(err, w.quiet(ctx))
		},
		"IntegrationsFunction":  paths(demo.Lead, "/v1/integrations", "/v1/integrations/"+w.senders["datadog"].id, "/v1/integrations/"+w.senders["generic"].id+"/deliveries"),
		"WorkflowsFunction":     paths(demo.Responder, "/v1/workflows", "/v1/workflows/"+w.workflow, "/v1/workflows/"+w.workflow+"/runs"),
		"NotificationsFunction": paths(demo.Lead, "/v1/me/notifications", "/v1/teams/"+w.team+"/notifications", "/v1/push/subscriptions"),
		"NotifierFunction": func(ctx context.Context, n int) error {
			e := outbox.New(outbox.IncidentCreated, w.people.IncidentID, w.team, time.Now())
			return w.message(ctx, "NotifierFunction", n, e)
		},
		"TicketsFunction": func(ctx context.Context, _ int) error {
			_, err := w.call(ctx, demo.Responder, "POST", "/v1/realtime/tickets", nil)
			return err
		},
		"RealtimeFunction": func(ctx context.Context, _ int) error {
			h, err := w.listen(ctx)
			if err != nil {
				return err
			}
			return h.conn.CloseNow()
		},
		"PublisherFunction": func(ctx context.Context, n int) error { return w.message(ctx, "PublisherFunction", n, w.changed()) },
		"PusherFunction": func(ctx context.Context, n int) error { // a push for a device that was removed
			return w.message(ctx, "PusherFunction", n, map[string]any{"userId": id.New(id.User, time.Now()), "deviceId": id.New(id.Device, time.Now()), "eventId": id.New(id.Event, time.Now()),
				"until": timestamp.Of(time.Now().Add(time.Hour)), "urgent": true, "note": map[string]any{"title": "Critical incident", "body": "An incident is open.", "url": "/console/incidents", "tag": "bench", "kind": "incident", "id": "bench", "at": timestamp.Of(time.Now())}})
		},
		"BouncesFunction": func(ctx context.Context, n int) error {
			return w.invoke(ctx, "BouncesFunction", bounced(fmt.Sprintf("gone%d@partners.test", n)), nil)
		},
		"PageMailFunction": func(ctx context.Context, n int) error { // a notice that is done, as when a message comes twice
			return w.message(ctx, "PageMailFunction", n, map[string]any{"subject": id.New(id.StatusPage, time.Now()) + "/" + id.New(id.PageIncident, time.Now()) + "/bench", "at": timestamp.Of(time.Now())})
		},
	}, nil
}

// bounced is what SES's topic tells of a mail that came back for good.
func bounced(address string) any {
	message, _ := json.Marshal(map[string]any{ // of texts alone
		"eventType": "Bounce", "mail": map[string]any{"destination": []string{address}},
		"bounce": map[string]any{"bounceType": "Permanent", "timestamp": timestamp.Of(time.Now()), "bouncedRecipients": []any{map[string]any{"emailAddress": address}}},
	})
	return map[string]any{"Records": []any{map[string]any{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": map[string]any{
		"Type": "Notification", "MessageId": id.New(id.Event, time.Now()), "Message": string(message), "Timestamp": timestamp.Of(time.Now()),
	}}}}
}

// tick is what a schedule does.
func (w *work) tick(function string) func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		return w.invoke(ctx, function, map[string]any{"detail-type": "Scheduled Event", "source": "aws.events", "detail": map[string]any{}}, nil)
	}
}

// script runs one in a sandbox, as the dispatcher asks for it.
func (w *work) script(function string, language protocol.Language, script string) func(context.Context, int) error {
	return func(ctx context.Context, n int) error {
		var res protocol.Result
		err := w.invoke(ctx, function, protocol.Request{ExecutionID: fmt.Sprint("bench", n), Attempt: 1, Language: language, Script: script, TimeoutSeconds: 30}, &res)
		if err == nil && (res.ExitCode == nil || *res.ExitCode != 0 || res.Stdout != "bench\n") {
			err = fmt.Errorf("the script ended otherwise: %+v", res)
		}
		return err
	}
}

// message gives a function one message of its queue.
func (w *work) message(ctx context.Context, function string, n int, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	var answer struct {
		BatchItemFailures []any `json:"batchItemFailures"`
	}
	err = w.invoke(ctx, function, map[string]any{"Records": []any{map[string]any{
		"messageId": fmt.Sprint("bench", n), "body": string(raw), "eventSource": "aws:sqs",
	}}}, &answer)
	if err == nil && len(answer.BatchItemFailures) > 0 {
		err = errors.New("it did not handle its message")
	}
	return err
}

// seal gives the sealer a batch as the audit table's stream would: the event
// of a change that was just made. The stream's own reader is a sealer beside
// it, and hands over some of the same events.
func (w *work) seal(ctx context.Context, n int) error {
	incident, err := w.call(ctx, demo.Responder, "POST", "/v1/incidents", map[string]any{"title": "Seal", "severity": "LOW", "serviceId": w.service})
	if err != nil {
		return err
	}
	db := dynamodb.NewFromConfig(w.stack.Config())
	out, err := db.Query(ctx, &dynamodb.QueryInput{
		TableName: aws.String(w.stack.Template().Tables["AuditTable"].Name), IndexName: aws.String("bySubject"), KeyConditionExpression: aws.String("bySubject = :s"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":s": &types.AttributeValueMemberS{Value: "subject#" + text(incident, "id")}},
	})
	if err != nil {
		return err
	}
	if len(out.Items) != 1 {
		return fmt.Errorf("a new incident has %d audit events", len(out.Items))
	}
	item := out.Items[0]
	image, err := attributevalue.MarshalMapJSON(item)
	if err != nil {
		return err
	}
	keys, err := attributevalue.MarshalMapJSON(map[string]types.AttributeValue{"pk": item["pk"], "sk": item["sk"]})
	if err != nil {
		return err
	}
	var answer struct {
		BatchItemFailures []any `json:"batchItemFailures"`
	}
	err = w.invoke(ctx, "AuditSealerFunction", map[string]any{"Records": []any{map[string]any{
		"eventName": "INSERT", "eventSource": "aws:dynamodb",
		"dynamodb": map[string]any{"Keys": json.RawMessage(keys), "NewImage": json.RawMessage(image), "SequenceNumber": fmt.Sprint(n + 1)},
	}}}, &answer)
	if err == nil && len(answer.BatchItemFailures) > 0 {
		err = errors.New("it did not seal its event")
	}
	return err
}
