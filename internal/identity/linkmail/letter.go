package linkmail

import (
	"bytes"
	_ "embed"
	html "html/template"
	text "text/template"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"pagefree/internal/identity"
)

// Subject is the subject of a sign-in mail to PageFree's own people.
const Subject = "Sign in to PageFree"

//go:embed mail.txt
var textSource string

//go:embed mail.html
var htmlSource string

var (
	textMail = text.Must(text.New("text").Parse(textSource))
	htmlMail = html.Must(html.New("html").Parse(htmlSource))
)

// letter is a mail with one link. It says nothing but what its reader knows, or
// asked for: a page is named to who may see it.
type letter struct {
	To      string
	Subject string // and headline
	Intro   string // before the link
	Button  string // that leads to it
	URL     string
	Notes   []string // after it
}

func linkLetter(link identity.Issued) letter {
	l := letter{To: link.Email, URL: link.URL, Subject: Subject, Intro: "Sign in to PageFree with this link:", Button: "Open the sign-in page"}
	switch {
	case link.Kind != identity.Partner:
	case link.Page != "":
		l.Subject = "Sign in to the status page " + link.Page
		l.Intro = "See the status page " + link.Page + " with this link:"
	default:
		l.Subject, l.Intro = "Sign in to your status pages", "See your status pages with this link:"
	}
	l.Notes = []string{"It works once, within 15 minutes, and shows a button to press."}
	if link.Bound {
		l.Notes = append(l.Notes, "Open it in the browser in which you asked for it. Any other shows a code instead, to type into the first one.")
	}
	l.Notes = append(l.Notes, "If you did not ask for it, do nothing: nobody can sign in without this mail.")
	return l
}

func invitationLetter(invited identity.Issued) letter {
	return letter{
		To: invited.Email, URL: invited.URL, Button: "Open the invitation",
		Subject: "You are invited to the status page " + invited.Page,
		Intro:   "You may see the status page " + invited.Page + ". Begin here:",
		Notes: []string{
			"There is no password: the invitation's page mails you a link that signs you in, whenever you need one. The invitation is good for 7 days.",
			"If you do not know what this is about, do nothing.",
		},
	}
}

func (s *Sender) compose(l letter) (*sesv2.SendEmailInput, error) {
	var plain, rich bytes.Buffer
	if err := textMail.Execute(&plain, l); err != nil {
		return nil, err
	}
	if err := htmlMail.Execute(&rich, l); err != nil {
		return nil, err
	}
	in := &sesv2.SendEmailInput{
		FromEmailAddress: &s.From,
		Destination:      &types.Destination{ToAddresses: []string{l.To}},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: content(l.Subject),
			Body:    &types.Body{Text: content(plain.String()), Html: content(rich.String())},
		}},
	}
	if s.Configuration != "" {
		in.ConfigurationSetName = &s.Configuration
	}
	return in, nil
}

func content(s string) *types.Content { return &types.Content{Data: &s, Charset: aws.String("UTF-8")} }
