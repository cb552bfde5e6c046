package pagemail_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pagefree/infra/local/awstest"
	"pagefree/infra/local/roomtest"
	"pagefree/infra/local/ses"
	"pagefree/internal/audit"
	"pagefree/internal/partner"
	"pagefree/internal/partner/pagemail"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/origin"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/queue"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

// world is one test's page with its staff, its partners and what mails them,
// each with the rights of the function that it runs in.
type world struct {
	t        *testing.T
	env      *awstest.Env
	ctx      context.Context // a lead's
	pages    *status.Service
	clock    *status.Clock
	partners *partner.Service
	teller   *partner.Teller
	table    dynamo.Table // with every right
	now      *roomtest.Clock

	page    string
	mails   int // seen
	people  map[string]string
	batches []int // mails of each message that was handled
}

type teams struct{}

func (teams) Exists(context.Context, string) (bool, error) { return true, nil }

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	env := awstest.New(t)
	w := &world{t: t, env: env, now: roomtest.NewClock(time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)), people: map[string]string{}}
	store := func(function string) dynamo.Table {
		return dynamo.Table{Name: env.Table("StatusTable"), DB: dynamodb.NewFromConfig(env.ConfigOf(function))}
	}
	ledger := func(function string) audit.Log {
		return audit.Log{Table: dynamo.Table{Name: env.Table("AuditTable"), DB: dynamodb.NewFromConfig(env.ConfigOf(function))}}
	}
	notices := func(function string) queue.Queue {
		return queue.Queue{URL: env.QueueURL("PageMailQueue"), Client: sqs.NewFromConfig(env.ConfigOf(function))}
	}
	w.table = dynamo.Table{Name: env.Table("StatusTable"), DB: dynamodb.NewFromConfig(env.Config)}
	w.pages = &status.Service{
		Store: status.Store{Table: store("StatusPagesFunction")}, Audit: ledger("StatusPagesFunction"), Teams: teams{},
		Notices: notices("StatusPagesFunction"), Now: w.now.Now,
	}
	w.clock = &status.Clock{
		Store: status.Store{Table: store("StatusClockFunction")}, Audit: ledger("StatusClockFunction"), Notices: notices("StatusClockFunction"),
		Left: &partner.Purger{Store: partner.Store{Table: store("StatusClockFunction")}}, Now: w.now.Now,
	}
	w.partners = &partner.Service{
		Store: partner.Store{
			Table: store("PartnersFunction"), Ephemeral: dynamo.Table{Name: env.Table("EphemeralTable"), DB: dynamodb.NewFromConfig(env.ConfigOf("PartnersFunction"))},
			Stops: dynamo.Table{Name: env.Table("IdentityTable"), DB: dynamodb.NewFromConfig(env.ConfigOf("PartnersFunction"))},
		},
		Audit: ledger("PartnersFunction"), Now: w.now.Now,
	}
	from, err := origin.Parse("https://pagefree.test")
	if err != nil {
		t.Fatal(err)
	}
	w.teller = &partner.Teller{
		Store: partner.Store{Table: store("PageMailFunction"), Stops: dynamo.Table{Name: env.Table("IdentityTable"), DB: dynamodb.NewFromConfig(env.ConfigOf("PageMailFunction"))}}, Queue: notices("PageMailFunction"),
		Post: &pagemail.Post{
			SES: sesv2.NewFromConfig(env.ConfigOf("PageMailFunction")), Origin: origin.NewSource(from, nil), From: "pagefree@pagefree.test",
		},
		Now: w.now.Now,
	}
	team := id.New(id.Team, w.now.Now())
	w.ctx = roomtest.As(t.Context(), principal.Principal{
		Kind: principal.User, ID: "usr_lead", UserID: "usr_lead", Teams: map[string]principal.Role{team: principal.TeamAdmin},
	})
	p, err := w.pages.Create(w.ctx, status.NewPage{Name: "Acme Cloud", Slug: "acme-cloud", TeamID: team, TimeZone: "Europe/Berlin"})
	w.ok(err)
	w.page = p.ID
	return w
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) component(name string) string {
	w.t.Helper()
	c, err := w.pages.CreateComponent(w.ctx, w.page, status.NewComponent{Name: name})
	w.ok(err)
	return c.ID
}

// grant lets a partner see components, nil for all, and switches mail on.
func (w *world) grant(name string, components []string) string {
	w.t.Helper()
	accessID := w.silent(name, components)
	on := true
	_, err := w.partners.Update(w.ctx, w.page, accessID, "", partner.AccessPatch{Mail: &on})
	w.ok(err)
	return accessID
}

// silent is grant without mail, as an access is at first.
func (w *world) silent(name string, components []string) string {
	w.t.Helper()
	g := partner.Grant{PartnerName: name, ContactEmail: strings.ToLower(name) + "@partners.test"}
	if components != nil {
		g.ComponentIDs.Sent, g.ComponentIDs.Value = true, &components
	}
	a, err := w.partners.Grant(w.ctx, w.page, g)
	w.ok(err)
	return a.ID
}

func (w *world) person(accessID, email string) {
	w.t.Helper()
	p, err := w.partners.AddPerson(w.ctx, w.page, accessID, partner.NewPerson{Email: email})
	w.ok(err)
	w.people[email] = p.ID
}

func touching(components ...string) []status.Touched {
	var out []status.Touched
	for _, c := range components {
		out = append(out, status.Touched{ID: c, Status: status.PartialOutage})
	}
	return out
}

// publish publishes an incident; audience is nil for everybody.
func (w *world) publish(title string, audience []string, components ...string) string {
	w.t.Helper()
	n := status.NewIncident{Title: title, Impact: status.ImpactMajor, Status: status.Investigating, Body: "We **look** into it.", Components: touching(components...)}
	if audience != nil {
		n.Audience.Sent, n.Audience.Value = true, &status.Audience{PartnerAccessIDs: audience}
	}
	i, err := w.pages.Publish(w.ctx, w.page, n)
	w.ok(err)
	return i.ID
}

func (w *world) say(incidentID string, as status.IncidentStatus, body string, components ...string) {
	w.t.Helper()
	_, err := w.pages.Say(w.ctx, w.page, incidentID, status.NewUpdate{Status: as, Body: body, Components: touching(components...)})
	w.ok(err)
}

// plan schedules a maintenance from and to some time from now.
func (w *world) plan(from, to time.Duration, components ...string) string {
	w.t.Helper()
	now := w.now.Now()
	m, err := w.pages.Schedule(w.ctx, w.page, status.NewMaintenance{
		Title: "Upgrade", Body: "New disks.", StartsAt: timestamp.Of(now.Add(from)), EndsAt: timestamp.Of(now.Add(to)), Components: components,
	})
	w.ok(err)
	return m.ID
}

// messages takes what waits in the queue.
func (w *world) messages() []status.NoticeMessage {
	w.t.Helper()
	client, url := sqs.NewFromConfig(w.env.Config), w.env.QueueURL("PageMailQueue")
	var out []status.NoticeMessage
	for {
		got, err := client.ReceiveMessage(w.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
		w.ok(err)
		if len(got.Messages) == 0 {
			return out
		}
		for _, m := range got.Messages {
			var n status.NoticeMessage
			w.ok(json.Unmarshal([]byte(*m.Body), &n))
			out = append(out, n)
			_, err := client.DeleteMessage(w.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
			w.ok(err)
		}
	}
}

// sent are the mails since it was asked last, oldest first.
func (w *world) sent() []ses.Mail {
	all := w.env.Mail()
	slices.Reverse(all)
	news := all[w.mails:]
	w.mails = len(all)
	return news
}

// deliver hands on what waits until nothing does, and returns the mails.
func (w *world) deliver() []ses.Mail {
	w.t.Helper()
	var out []ses.Mail
	for waiting := w.messages(); len(waiting) > 0; waiting = w.messages() {
		for _, m := range waiting {
			w.ok(w.teller.Handle(w.t.Context(), m))
			news := w.sent()
			w.batches = append(w.batches, len(news))
			out = append(out, news...)
		}
	}
	return out
}

// thrice hands a message on three times at once, as SQS may.
func (w *world) thrice(m status.NoticeMessage) {
	w.t.Helper()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := w.teller.Handle(w.t.Context(), m); err != nil {
				w.t.Error(err)
			}
		})
	}
	wg.Wait()
}

// to are the addresses of mails, sorted, without their domain.
func to(mails []ses.Mail) string {
	var out []string
	for _, m := range mails {
		name, _, _ := strings.Cut(m.To, "@")
		out = append(out, name)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (w *world) sweep() {
	w.t.Helper()
	w.ok(w.clock.Sweep(w.t.Context()))
}

func (w *world) revoke(accessID string) {
	w.t.Helper()
	_, err := w.partners.Revoke(w.ctx, w.page, accessID)
	w.ok(err)
}

// posting is a post of a test's own.
type posting func(ctx context.Context, l partner.Letter) error

func (p posting) Deliver(ctx context.Context, l partner.Letter) error { return p(ctx, l) }
