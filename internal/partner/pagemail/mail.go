package pagemail

import (
	"bytes"
	_ "embed"
	"fmt"
	html "html/template"
	"strings"
	text "text/template"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"pagefree/internal/partner"
	"pagefree/internal/platform/origin"
	"pagefree/internal/status"
)

//go:embed mail.txt
var textSource string

//go:embed mail.html
var htmlSource string

var (
	textMail = text.Must(text.New("text").Parse(textSource))
	htmlMail = html.Must(html.New("html").Parse(htmlSource))
)

// sheet is a letter as it is written down.
type sheet struct {
	partner.Letter
	Subject string
	URL     string // of the incident, or of the page
	When    string // a maintenance is
	Said    string // when
	Parts   []part
}

// part is a component and how it does.
type part struct{ Name, Status string }

func sheetOf(l partner.Letter, o origin.Origin) sheet {
	page := "/status/" + l.Slug
	s := sheet{Letter: l, Subject: subject(l), Said: clock(l.At.In(l.Zone))}
	if l.Incident {
		s.URL = o.URL(page + "/incidents/" + l.ItemID)
	} else {
		s.URL = o.URL(page) + "#" + l.ItemID
		s.When = clock(l.StartsAt.In(l.Zone)) + " to " + clock(l.EndsAt.In(l.Zone))
	}
	for _, c := range l.Components {
		p := part{Name: c.Name}
		if l.Incident { // what a maintenance lies over is under maintenance: its times say when
			p.Status = status.ComponentWords[c.Status]
		}
		s.Parts = append(s.Parts, p)
	}
	return s
}

// subject is one line, whatever stands in the words of others.
func subject(l partner.Letter) string {
	words := strings.ToLower(l.Status)
	if l.Changed {
		words += " (changed)"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, fmt.Sprintf("[%s] %s: %s", l.Page, l.Title, words))
}

// clock is a moment in its own zone: 12 Mar 2026, 14:05 CET.
func clock(t time.Time) string {
	name, offset := t.Zone()
	if strings.Trim(name, "+-0123456789") == "" { // some zones have numbers for names
		name = fmt.Sprintf("UTC%+03d:%02d", offset/3600, max(offset, -offset)/60%60)
	}
	return t.Format("2 Jan 2006, 15:04 ") + name
}

func (p *Post) compose(l partner.Letter, o origin.Origin) (*sesv2.SendEmailInput, error) {
	s := sheetOf(l, o)
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
			Subject: content(s.Subject),
			Body:    &types.Body{Text: content(plain.String()), Html: content(rich.String())},
			Headers: []types.MessageHeader{
				header("List-Id", "<"+l.Slug+".status.pagefree>"), // one list for each page: readers sort by it
				header("Auto-Submitted", "auto-generated"),        // RFC 3834: nobody's holiday answers
			},
		}},
	}
	if p.Configuration != "" {
		in.ConfigurationSetName = &p.Configuration
	}
	return in, nil
}

func header(name, value string) types.MessageHeader {
	return types.MessageHeader{Name: aws.String(name), Value: aws.String(value)}
}

func content(s string) *types.Content { return &types.Content{Data: &s, Charset: aws.String("UTF-8")} }
