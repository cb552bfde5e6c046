// Package linkmail sends sign-in links by SES. It stands apart from identity
// so that only the function that mails links the SES client.
package linkmail

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	html "html/template"
	"log/slog"
	text "text/template"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"pagefree/internal/identity"
	"pagefree/internal/platform/principal"
)

// Subject is the subject of every sign-in mail.
const Subject = "Sign in to PageFree"

//go:embed mail.txt
var textSource string

//go:embed mail.html
var htmlSource string

var (
	textMail = text.Must(text.New("text").Parse(textSource))
	htmlMail = html.Must(html.New("html").Parse(htmlSource))
)

// Sender answers requests for links by mail.
type Sender struct {
	Links         *identity.Links
	SES           *sesv2.Client
	From          string
	Configuration string // of SES; "" for none
	Now           func() time.Time
}

// Handle sends a link to who has the address; for an address that nobody has,
// or a request that waited for longer than a link lives, it does nothing. A
// message that comes twice sends two links: each stands alone, and no mail at
// all would be worse.
func (s *Sender) Handle(ctx context.Context, m identity.MailRequest) error {
	ctx = principal.WithOrigin(ctx, principal.Origin{IP: m.IP, RequestID: m.RequestID})
	if s.Now().Sub(m.At.Time) > identity.LinkLife {
		slog.WarnContext(ctx, "sign-in mail not sent: the request is too old", "requestId", m.RequestID)
		return nil
	}
	link, ok, err := s.Links.Issue(ctx, identity.LinkRequest{Email: m.Email, Next: m.Next, Browser: m.Browser, Via: "mail"})
	if err != nil || !ok {
		return err
	}
	in, err := s.compose(link)
	if err != nil {
		return err
	}
	if _, err := s.SES.SendEmail(ctx, in); err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	return nil
}

func (s *Sender) compose(link identity.Issued) (*sesv2.SendEmailInput, error) {
	var plain, rich bytes.Buffer
	if err := textMail.Execute(&plain, link); err != nil {
		return nil, err
	}
	if err := htmlMail.Execute(&rich, link); err != nil {
		return nil, err
	}
	in := &sesv2.SendEmailInput{
		FromEmailAddress: &s.From,
		Destination:      &types.Destination{ToAddresses: []string{link.Email}},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: content(Subject),
			Body:    &types.Body{Text: content(plain.String()), Html: content(rich.String())},
		}},
	}
	if s.Configuration != "" {
		in.ConfigurationSetName = &s.Configuration
	}
	return in, nil
}

func content(s string) *types.Content { return &types.Content{Data: &s, Charset: aws.String("UTF-8")} }
