package integration

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"

	"pagefree/internal/incident"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/platform/trust"
)

// Outcome is how a delivery was answered.
type Outcome string

// The outcomes.
const (
	Accepted  Outcome = "accepted"
	Duplicate Outcome = "duplicate"
	Refused   Outcome = "refused"
)

// Delivery is one request of a sender, as people look at it.
type Delivery struct {
	ID         string          `json:"id" dynamodbav:"id"`
	At         timestamp.Time  `json:"at" dynamodbav:"at"`
	Outcome    Outcome         `json:"outcome" dynamodbav:"outcome" enum:"accepted,duplicate,refused"`
	Code       problem.Code    `json:"code,omitempty" dynamodbav:"code,omitempty" doc:"why it was refused"`
	Detail     string          `json:"detail,omitempty" dynamodbav:"detail,omitempty" doc:"the same in words, or why nothing came of it"`
	Bytes      int             `json:"bytes" dynamodbav:"bytes" doc:"of its body, as it was sent"`
	IP         string          `json:"ip" dynamodbav:"ip" doc:"where it came from"`
	Action     incident.Action `json:"action,omitempty" dynamodbav:"action,omitempty" enum:"fire,resolve,ignore" doc:"what it asked for"`
	IncidentID *string         `json:"incidentId" dynamodbav:"incidentId,omitempty" doc:"what it opened, was counted into, or resolved"`
	HandledAt  *timestamp.Time `json:"handledAt" dynamodbav:"handledAt,omitempty" doc:"null while it waits"`
	Result     string          `json:"result,omitempty" dynamodbav:"result,omitempty" enum:"opened,folded,resolved,nothing,failed" doc:"what became of it"`
	Error      string          `json:"error,omitempty" dynamodbav:"error,omitempty" doc:"why it failed"`
}

// Results of handling a delivery.
const (
	opened   = "opened"
	folded   = "folded"
	resolved = "resolved"
	nothing  = "nothing"
	failed   = "failed"
)

// resultOf names what became of an alert.
func resultOf(t incident.Taken) string {
	switch {
	case t.Opened:
		return opened
	case t.Folded:
		return folded
	case t.Resolved:
		return resolved
	}
	return nothing
}

// waiting is what is kept of an accepted delivery until it is handled, besides
// what people look at.
type waiting struct {
	IntegrationID string      `dynamodbav:"integrationId"`
	Provider      string      `dynamodbav:"provider"`
	ServiceID     string      `dynamodbav:"serviceId"`
	TeamID        string      `dynamodbav:"teamId"`
	Trust         trust.Level `dynamodbav:"trust"`
	Unattended    trust.Risk  `dynamodbav:"unattended"` // the integration's ceiling when it came
	Depth         int         `dynamodbav:"depth,omitempty"`
	Group         string      `dynamodbav:"group,omitempty"` // of its dedup key; "": it stands alone
	RequestID     string      `dynamodbav:"requestId,omitempty"`
}

// from is who sent the alert of a delivery.
func (w waiting) from(deliveryID string) incident.From {
	return incident.From{
		DeliveryID: deliveryID, IntegrationID: w.IntegrationID, Provider: w.Provider, ServiceID: w.ServiceID, TeamID: w.TeamID,
		Trust: w.Trust, Unattended: w.Unattended, Depth: w.Depth,
	}
}

// groupOf names what must be handled in the order of its arrival: the alerts of
// one dedup key. The key is the sender's text, and of any length.
func groupOf(a incident.Alert) string {
	if a.DedupKey == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(a.DedupKey))
	return hex.EncodeToString(sum[:16])
}

// content is what a delivery held, compressed: an item of DynamoDB takes 400 KB.
type content struct {
	Alert []byte `dynamodbav:"alert"`          // JSON
	Body  []byte `dynamodbav:"body,omitempty"` // unpacked, as it was parsed; none where it is too large
}

// maxPacked bounds a body that is kept, in bytes; an alert has at most 200 KB before it is packed.
const maxPacked = 180 << 10

// contentOf packs a clipped alert, which fits, and its body.
func contentOf(a incident.Alert, body []byte) (content, error) {
	raw, err := json.Marshal(a)
	c := content{Alert: pack(raw), Body: pack(body)}
	if len(c.Body) > maxPacked {
		c.Body = nil
	}
	return c, err
}

// alert is the alert that was packed.
func (c content) alert() (incident.Alert, error) {
	var a incident.Alert
	raw, err := unpack(c.Alert, 8<<20)
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber() // what is raw stays as it was written
		err = d.Decode(&a)
	}
	if err != nil {
		return incident.Alert{}, fmt.Errorf("a stored alert: %w", err)
	}
	return a, nil
}

// cut ends a text at a whole character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// packers are kept: each holds more than half a megabyte, and every delivery needs two.
var packers = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}

func pack(raw []byte) []byte {
	var out bytes.Buffer
	w := packers.Get().(*gzip.Writer)
	defer packers.Put(w)
	w.Reset(&out)
	_, _ = w.Write(raw) // into memory
	_ = w.Close()
	return out.Bytes()
}

// unpack reads what is gzip, of at most limit bytes unpacked.
func unpack(raw []byte, limit int64) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(out)) > limit {
		err = errors.New("it is larger than anything that was packed")
	}
	return out, err
}
