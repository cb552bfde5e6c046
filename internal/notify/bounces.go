package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"pagefree/internal/audit"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/mailaddr"
	"pagefree/internal/platform/mailstop"
	"pagefree/internal/platform/teams"
	"pagefree/internal/platform/timestamp"
)

// Bounces stops mail to addresses that SES tells of.
type Bounces struct {
	People interface {
		At(ctx context.Context, email string) (teams.Person, bool, error)
	}
	Identity dynamo.Table
	Audit    audit.Log
	Now      func() time.Time
}

// mailEvent is what SES publishes of a mail, as far as it counts here (Amazon
// SES, "Contents of event data that Amazon SES publishes to Amazon SNS").
type mailEvent struct {
	EventType string `json:"eventType"`
	Bounce    struct {
		BounceType string         `json:"bounceType"` // Permanent, Transient or Undetermined
		Recipients []recipient    `json:"bouncedRecipients"`
		At         timestamp.Time `json:"timestamp"`
	} `json:"bounce"`
	Complaint struct {
		Recipients []recipient    `json:"complainedRecipients"`
		At         timestamp.Time `json:"timestamp"`
	} `json:"complaint"`
}

type recipient struct {
	Address string `json:"emailAddress"`
}

// Handle reads a message of SES and stops mail to whom it names. A bounce that
// passes, and every other event, changes nothing. It may come any number of times.
func (b *Bounces) Handle(ctx context.Context, message string) error {
	var e mailEvent
	if err := json.Unmarshal([]byte(message), &e); err != nil {
		return fmt.Errorf("this is no event of SES: %w", err)
	}
	switch {
	case e.EventType == "Bounce" && e.Bounce.BounceType == "Permanent":
		return b.stop(ctx, e.Bounce.Recipients, mailstop.Stop{Reason: mailstop.Bounce, At: e.Bounce.At})
	case e.EventType == "Complaint":
		return b.stop(ctx, e.Complaint.Recipients, mailstop.Stop{Reason: mailstop.Complaint, At: e.Complaint.At})
	}
	return nil
}

func (b *Bounces) stop(ctx context.Context, of []recipient, s mailstop.Stop) error {
	now := b.Now()
	if s.At.IsZero() {
		s.At = timestamp.Of(now)
	}
	for _, r := range of {
		address, err := mailaddr.Normalize(r.Address)
		if err != nil { // we send to no such address
			slog.WarnContext(ctx, "an event of SES names no address that PageFree mails")
			continue
		}
		// Whose address it is belongs into the record; the address itself does not.
		subject := audit.Ref{Kind: "address", ID: mailstop.Hash(address)}
		who, found, err := b.People.At(ctx, address)
		if err != nil {
			return err
		}
		if found {
			subject = audit.Ref{Kind: "user", ID: who.ID}
		}
		err = dynamo.Commit(ctx, b.Identity.DB, mailstop.Add(b.Identity, address, s),
			b.Audit.Record(ctx, now, audit.Entry{Type: "mail.stopped", Subject: subject, Outcome: audit.Failed, Detail: map[string]any{"reason": string(s.Reason)}}))
		if lost, is := dynamo.Failed(err); is && lost.Index == 0 { // it is stopped already
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}
