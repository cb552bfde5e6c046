package integration

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"pagefree/internal/incident"
	"pagefree/internal/incident/hook"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/timestamp"
)

// Door takes deliveries: it verifies, keeps, and answers. What a delivery means
// is done later, by a Taker.
//
// Its answers are for machines: a 4xx says that sending the very same again
// cannot help, since many senders give up then. Whatever fails on our side is
// a 503.
type Door struct {
	Store        Store
	Seen         Seen
	Key          *secret.Key
	Providers    func(name string) (hook.Provider, bool)
	Certificates hook.CertificateFor                              // of cloudwatch
	Confirm      func(context.Context, hook.Confirmation) error   // of cloudwatch
	Confirmation func(body []byte) (c hook.Confirmation, is bool) // what Confirm is asked for, of a verified body
	Queue        Outbox
	Rates        ratelimit.Tier // of verified deliveries, by integration and by address
	Refusals     ratelimit.Tier // of all others, by address: they take nothing from an integration
	Now          func() time.Time

	opener opener
	full   full
}

// Outbox is where messages are sent that hurry what is due.
type Outbox interface {
	Send(ctx context.Context, message any) error
}

// Message tells a Taker of a delivery. It only hurries: all is in the table.
type Message struct {
	IntegrationID string `json:"integrationId"`
	DeliveryID    string `json:"deliveryId"`
	Group         string `json:"group,omitempty"` // of what is to be handled one after the other
}

// Receipt is the answer to a delivery.
type Receipt struct {
	Accepted   bool   `json:"accepted"`
	IncidentID string `json:"incidentId,omitempty" doc:"of a duplicate: what the first one led to, where that is known"`
	Duplicate  bool   `json:"duplicate" doc:"this very delivery was seen before"`
}

// DepthHeader says how many workflows stand behind a delivery.
const DepthHeader = "X-PageFree-Depth"

// maxDetail bounds what is noted of an alert that asks for nothing, in bytes.
const maxDetail = 1 << 10

// sendWithin bounds how long an answer waits for the queue, which only hurries.
const sendWithin = 3 * time.Second

// Receive takes a delivery for an integration.
func (d *Door) Receive(ctx context.Context, integrationID string, r hook.Request) (Receipt, error) {
	if !id.Valid(id.Integration, integrationID) {
		return Receipt{}, problem.Missing()
	}
	i, found, err := d.Store.integration(ctx, integrationID)
	if err != nil {
		return Receipt{}, outage(err)
	}
	if !found {
		return Receipt{}, problem.Missing()
	}
	if i.DeletedAt != nil {
		return Receipt{}, problem.New(http.StatusGone, Deleted, "This integration was deleted. Stop sending to it.")
	}
	now := d.Now()
	is := Delivery{ID: id.New(id.Delivery, now), At: timestamp.Of(now), Outcome: Accepted, Bytes: len(r.Body), IP: principal.OriginOf(ctx).IP}
	proved := false
	receipt, err := d.receive(ctx, i, r, is, now, &proved)
	if p, ours := errors.AsType[*problem.Error](err); ours && p.Status < http.StatusInternalServerError {
		if p.Code == problem.RateLimited { // whoever sends too much does not fill the record too
			return Receipt{}, err
		}
		if !proved {
			if err := httpapi.Counted(ctx, d.Refusals.Admit(ctx, "", is.IP)); err != nil {
				return Receipt{}, err
			}
		}
		is.Outcome, is.Code, is.Detail = Refused, p.Code, p.Detail
		d.note(ctx, i, is, now)
		return Receipt{}, err
	}
	return receipt, outage(err)
}

func (d *Door) receive(ctx context.Context, i Integration, r hook.Request, is Delivery, now time.Time, proved *bool) (Receipt, error) {
	p, known := d.Providers(i.Provider)
	if !known {
		return Receipt{}, errors.New("no provider " + i.Provider)
	}
	if err := admit(p, r); err != nil {
		return Receipt{}, err
	}
	r = arrived(r)
	keys, err := d.keys(ctx, i, now)
	if err != nil {
		return Receipt{}, err
	}
	proof, err := p.Verify(ctx, r, keys, now)
	if err != nil {
		return Receipt{}, err
	}
	*proved = true
	if err := httpapi.Counted(ctx, d.Rates.Admit(ctx, i.ID, is.IP)); err != nil {
		return Receipt{}, err
	}
	body, err := hook.Unpack(r)
	if err != nil {
		return Receipt{}, err
	}
	if byTopic(p) {
		if c, asked := d.Confirmation(body); asked {
			if err := d.Confirm(ctx, c); err != nil {
				return Receipt{}, err
			}
		}
	}
	alert, err := p.Parse(r, body, now)
	if err != nil {
		return Receipt{}, err
	}
	is.Action = alert.Action
	w := waiting{
		IntegrationID: i.ID, Provider: i.Provider, ServiceID: i.ServiceID, TeamID: i.TeamID, Trust: p.Trust, Unattended: i.UnattendedRisk,
		Depth: depthOf(r.Header), Group: groupOf(alert), RequestID: principal.OriginOf(ctx).RequestID,
	}
	if alert.Action == incident.Ignore {
		is.HandledAt, is.Result, is.Detail = &is.At, nothing, cut(alert.Note, maxDetail)
	}
	return d.accept(ctx, i, proof, is, w, alert, body, now)
}

// accept writes a delivery that was proved and understood. Where it is not the
// first of its proof, nothing is written.
func (d *Door) accept(ctx context.Context, i Integration, proof hook.Proof, is Delivery, w waiting, alert incident.Alert, body []byte, now time.Time) (Receipt, error) {
	held, err := contentOf(alert, body)
	if err != nil {
		return Receipt{}, err
	}
	var ops []dynamo.Op
	if proof.ID != "" {
		ops = append(ops, d.Seen.first(i.ID, proof.ID, is.ID, proof.Keep, now))
	}
	err = dynamo.Commit(ctx, d.Store.Table.DB, append(ops, d.Store.accept(is, w, held)...)...)
	if lost, raced := dynamo.Failed(err); raced && proof.ID != "" {
		var m mark
		if err := dynamo.Decode(lost.Item, &m); err != nil || m.DeliveryID == "" {
			return Receipt{}, errors.Join(lost, err)
		}
		if m.DeliveryID != is.ID { // else an answer was lost, and it is our own
			return d.repeated(ctx, i, is, m.DeliveryID, now)
		}
		err = nil
	}
	if err != nil {
		return Receipt{}, err
	}
	if is.HandledAt == nil {
		d.hurry(ctx, Message{IntegrationID: i.ID, DeliveryID: is.ID, Group: w.Group})
	}
	return Receipt{Accepted: true}, nil
}

// repeated answers a delivery that was accepted before.
func (d *Door) repeated(ctx context.Context, i Integration, is Delivery, first string, now time.Time) (Receipt, error) {
	incidentID, err := d.Store.incidentOf(ctx, i.ID, first)
	if err != nil {
		return Receipt{}, err
	}
	is.Outcome, is.HandledAt, is.Detail = Duplicate, &is.At, "The same as "+first+"."
	if incidentID != "" {
		is.IncidentID = &incidentID
	}
	d.note(ctx, i, is, now)
	return Receipt{Accepted: true, IncidentID: incidentID, Duplicate: true}, nil
}

// hurry sends the message of a delivery. Where that fails, a sweep finds it.
func (d *Door) hurry(ctx context.Context, m Message) {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	if err := d.Queue.Send(ctx, m); err != nil {
		slog.WarnContext(ctx, "delivery not queued; the sweep takes it", "integration", m.IntegrationID, "delivery", m.DeliveryID, "error", err)
	}
}

// keys are what a delivery is held against at now.
func (d *Door) keys(ctx context.Context, i Integration, now time.Time) (hook.Keys, error) {
	k := hook.Keys{Certificates: d.Certificates}
	if i.TopicARN != nil {
		k.TopicARN = *i.TopicARN
	}
	for _, s := range i.live(now) {
		if len(s.Hash) == sha256.Size {
			k.Hashes = append(k.Hashes, [32]byte(s.Hash))
			continue
		}
		value, err := d.opener.open(ctx, d.Key, i.ID, s.Box)
		if err != nil {
			return hook.Keys{}, err
		}
		k.Secrets = append(k.Secrets, value)
	}
	return k, nil
}

// maxDepth stands for every depth beyond it: nothing is triggered long before.
const maxDepth = 99

// depthOf reads DepthHeader: a whole number, and 0 for what is none. One that is
// too large for anything is still deep, and the deepest of several counts.
func depthOf(h http.Header) int {
	deepest := uint64(0)
	for _, written := range h.Values(DepthHeader) {
		n, err := strconv.ParseUint(written, 10, 64)
		if err == nil || errors.Is(err, strconv.ErrRange) {
			deepest = max(deepest, n)
		}
	}
	return int(min(deepest, maxDepth))
}

// outage makes a 503 of what went wrong on our side: the sender tries again.
func outage(err error) error {
	if err == nil {
		return nil
	}
	if _, ours := errors.AsType[*problem.Error](err); ours {
		return err
	}
	e := problem.New(http.StatusServiceUnavailable, problem.Unavailable, "The delivery could not be taken now. Send it again.")
	e.Header = http.Header{"Retry-After": {"5"}}
	e.Cause = err
	return e
}
