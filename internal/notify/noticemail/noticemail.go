// Package noticemail sends letters of notifications by SES. It stands apart
// from notify so that only the function that mails links the SES client.
package noticemail

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	html "html/template"
	"net/url"
	text "text/template"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"pagefree/internal/notify"
	"pagefree/internal/platform/origin"
)

//go:embed mail.txt
var textSource string

//go:embed mail.html
var htmlSource string

var (
	textMail = text.Must(text.New("text").Parse(textSource))
	htmlMail = html.Must(html.New("html").Parse(htmlSource))
)

// Post is a notify.Post by SES.
type Post struct {
	SES           *sesv2.Client
	Origin        *origin.Source
	From          string
	Configuration string // of SES; "" for none
}

// Deliver mails a letter. What SES calls a bad request is an address that it
// takes from nobody; all else may be taken later.
func (p *Post) Deliver(ctx context.Context, l notify.Letter) error {
	o, err := p.Origin.Get(ctx)
	if err != nil {
		return err
	}
	in, err := p.compose(l, o)
	if err != nil {
		return fmt.Errorf("%w: %w", notify.ErrRefused, err) // it will not be better the next time
	}
	_, err = p.SES.SendEmail(ctx, in)
	if _, bad := errors.AsType[*types.BadRequestException](err); bad {
		return fmt.Errorf("%w: %w", notify.ErrRefused, err)
	}
	if err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	return nil
}

// sheet is a letter as it is written down.
type sheet struct {
	notify.Letter
	URL      string
	Settings string // where its reader switches it off
}

func (p *Post) compose(l notify.Letter, o origin.Origin) (*sesv2.SendEmailInput, error) {
	s := sheet{Letter: l, Settings: o.URL("/console/settings")}
	if l.Path != "" {
		s.URL = o.URL(l.Path)
	}
	var plain, rich bytes.Buffer
	if err := textMail.Execute(&plain, s); err != nil {
		return nil, err
	}
	if err := htmlMail.Execute(&rich, s); err != nil {
		return nil, err
	}
	in := &sesv2.SendEmailInput{
		FromEmailAddress: &p.From,
		Destination:      &types.Destination{ToAddresses: []string{l.To}},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: content(l.Subject),
			Body:    &types.Body{Text: content(plain.String()), Html: content(rich.String())},
			Headers: []types.MessageHeader{header("Auto-Submitted", "auto-generated")}, // RFC 3834: nobody's holiday answers
		}},
	}
	if l.Thread != "" {
		// SES gives every mail a Message-ID of its own and takes none of ours (Amazon SES, "Header fields"), so that no mail
		// can name the one before it. They all answer one that was never sent, which is what readers thread by.
		root := "<" + l.Thread + "@" + host(o) + ">"
		in.Content.Simple.Headers = append(in.Content.Simple.Headers, header("In-Reply-To", root), header("References", root))
	}
	if p.Configuration != "" {
		in.ConfigurationSetName = &p.Configuration
	}
	return in, nil
}

// host is the name in the ids of threads.
func host(o origin.Origin) string {
	if u, err := url.Parse(o.Site()); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	return "pagefree"
}

func header(name, value string) types.MessageHeader {
	return types.MessageHeader{Name: aws.String(name), Value: aws.String(value)}
}

func content(s string) *types.Content { return &types.Content{Data: &s, Charset: aws.String("UTF-8")} }
