package ses_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"

	"pagefree/infra/local/ses"
)

func open(t *testing.T, o ses.Options) (*ses.Service, *api.Client) {
	t.Helper()
	o.Region = "us-east-1"
	s, err := ses.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return s, api.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	})
}

func simple(from, subject, text, page string, to ...string) *api.SendEmailInput {
	body := &types.Body{}
	if text != "" {
		body.Text = &types.Content{Data: &text}
	}
	if page != "" {
		body.Html = &types.Content{Data: &page}
	}
	return &api.SendEmailInput{
		FromEmailAddress: &from, Destination: &types.Destination{ToAddresses: to},
		Content: &types.EmailContent{Simple: &types.Message{Subject: &types.Content{Data: &subject}, Body: body}},
	}
}

func TestMailbox(t *testing.T) {
	dir := t.TempDir()
	s, c := open(t, ses.Options{Dir: dir})
	if _, err := c.SendEmail(t.Context(), simple("PageFree <a@b.test>", "Grüße", "See http://x.test/a?b=1&c=2. Or (https://y.test/z)", `<a href="http://x.test/a?b=1&amp;c=2">x</a>`, "one@x.test", "Two <two@x.test>")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SendEmail(t.Context(), simple("a@b.test", "second", "no link", "", "one@x.test")); err != nil {
		t.Fatal(err)
	}
	check := func(s *ses.Service) {
		t.Helper()
		got := s.Mails("ONE@x.test")
		if len(got) != 2 || got[0].Subject != "second" || got[1].Subject != "Grüße" {
			t.Fatalf("got %+v, want two mails, newest first", got)
		}
		if want := []string{"http://x.test/a?b=1&c=2", "https://y.test/z"}; !slices.Equal(got[1].Links, want) {
			t.Errorf("links: got %q, want %q", got[1].Links, want)
		}
		if got[0].Links == nil {
			t.Error("no links: got null")
		}
		if at, err := time.Parse("2006-01-02T15:04:05.000Z", got[0].At); err != nil || time.Since(at) > time.Minute {
			t.Errorf("at: got %s", got[0].At)
		}
		if n := len(s.Mails("")); n != 3 {
			t.Errorf("all mails: got %d, want 3", n)
		}
		if to := s.Mails("two@x.test"); len(to) != 1 || to[0].To != "two@x.test" {
			t.Errorf("bare address: got %+v", to)
		}
	}
	check(s)
	again, _ := open(t, ses.Options{Dir: dir})
	check(again)
}

func TestRaw(t *testing.T) {
	s, c := open(t, ses.Options{})
	raw := strings.ReplaceAll(`From: PageFree <a@b.test>
To: one@x.test
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=cut

--cut
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Gr=C3=BC=C3=9Fe, http://x.test/=
a
--cut
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

PGI+aGk8L2I+
--cut--
`, "\n", "\r\n")
	if _, err := c.SendEmail(t.Context(), &api.SendEmailInput{Content: &types.EmailContent{Raw: &types.RawMessage{Data: []byte(raw)}}}); err != nil {
		t.Fatal(err)
	}
	got := s.Mails("one@x.test")
	if len(got) != 1 || got[0].Subject != "Grüße" || got[0].HTML != "<b>hi</b>" || !slices.Equal(got[0].Links, []string{"http://x.test/a"}) {
		t.Errorf("got %+v", got)
	}
}

func TestRefusals(t *testing.T) {
	s, c := open(t, ses.Options{Identities: []string{"b.test", "only@c.test"}})
	const bad, rejected = "BadRequestException", "MessageRejected"
	template := simple("a@b.test", "s", "t", "", "x@y.test")
	template.Content = &types.EmailContent{Template: &types.Template{TemplateName: aws.String("t")}}
	tests := map[string]struct {
		in   *api.SendEmailInput
		want string
	}{
		"from an identity's domain":     {simple("a@b.test", "s", "t", "", "x@y.test"), ""},
		"from below it":                 {simple("a@mail.b.test", "s", "t", "", "x@y.test"), ""},
		"from an identity":              {simple("Only <only@c.test>", "s", "t", "", "x@y.test"), ""},
		"from another of that domain":   {simple("other@c.test", "s", "t", "", "x@y.test"), rejected},
		"from a domain that looks like": {simple("a@xb.test", "s", "t", "", "x@y.test"), rejected},
		"to nobody":                     {simple("a@b.test", "s", "t", ""), bad},
		"to 51":                         {simple("a@b.test", "s", "t", "", slices.Repeat([]string{"x@y.test"}, 51)...), bad},
		"to no address":                 {simple("a@b.test", "s", "t", "", "x"), bad},
		"from no address":               {simple("nobody", "s", "t", "", "x@y.test"), bad},
		"a header inside the subject":   {simple("a@b.test", "s\r\nBcc: z@y.test", "t", "", "x@y.test"), bad},
		"no body":                       {simple("a@b.test", "s", "", "", "x@y.test"), bad},
		"a template":                    {template, bad},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := len(s.Mails(""))
			_, err := c.SendEmail(t.Context(), test.in)
			got := ""
			if e, ok := errors.AsType[smithy.APIError](err); ok {
				got = e.ErrorCode()
			} else if err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if sent := len(s.Mails("")) > before; sent != (test.want == "") {
				t.Errorf("in the mailbox: %t", sent)
			}
		})
	}
}

func FuzzRaw(f *testing.F) {
	f.Add([]byte("From: a@b.test\r\nTo: c@d.test\r\nSubject: s\r\n\r\nt"))
	f.Add([]byte("From: a@b.test\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nt\r\n--b--"))
	s, err := ses.Open(ses.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _ = s.SendEmail(t.Context(), &api.SendEmailInput{Content: &types.EmailContent{Raw: &types.RawMessage{Data: raw}}})
	})
}

// TestSimulator: the simulator's addresses bounce and complain, where somebody asked for events, and only there.
func TestSimulator(t *testing.T) {
	var got []string
	_, c := open(t, ses.Options{Publish: func(set, kind, event string) { got = append(got, set+" "+kind+" "+event) }})
	tests := map[string]struct {
		to, set string
		want    []string // what the event says; none for no event
	}{
		"bounces":                 {"bounce@simulator.amazonses.com", "set", []string{`set Bounce`, `"eventType":"Bounce"`, `"bounceType":"Permanent"`, `"emailAddress":"bounce@simulator.amazonses.com"`}},
		"with a label":            {"bounce+a@simulator.amazonses.com", "set", []string{`"emailAddress":"bounce+a@simulator.amazonses.com"`}},
		"complains":               {"Complaint@simulator.amazonses.com", "set", []string{`"eventType":"Complaint"`, `"complainedRecipients":[{"emailAddress":"Complaint@simulator.amazonses.com"}]`}},
		"is suppressed":           {"suppressionlist@simulator.amazonses.com", "set", []string{`"bounceSubType":"Suppressed"`}},
		"takes it":                {"success@simulator.amazonses.com", "set", nil},
		"is somebody else":        {"bounce@partners.test", "set", nil},
		"without a set, silently": {"bounce@simulator.amazonses.com", "", nil},
	}
	for name, tt := range tests {
		got = nil
		in := simple("a@b.test", "s", "x", "", tt.to)
		if tt.set != "" {
			in.ConfigurationSetName = &tt.set
		}
		if _, err := c.SendEmail(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		if len(got) != min(len(tt.want), 1) {
			t.Errorf("%s: got %v", name, got)
			continue
		}
		for _, part := range tt.want {
			if !strings.Contains(got[0], part) {
				t.Errorf("%s: got %s, want %s in it", name, got[0], part)
			}
		}
	}
}

// TestHeaders: SES takes no header that it sets itself, and none that would begin another.
func TestHeaders(t *testing.T) {
	s, c := open(t, ses.Options{})
	tests := map[string]struct {
		name, value string
		ok          bool
	}{
		"a thread":    {"References", "<inc_1@pagefree.test>", true},
		"its own":     {"message-id", "<1@x.test>", false},
		"a line end":  {"X-A", "b\r\nBcc: x@y.test", false},
		"not ASCII":   {"X-A", "é", false},
		"a bad name":  {"X A", "b", false},
		"without one": {"X-A", "", false},
	}
	for name, tt := range tests {
		in := simple("a@b.test", name, "x", "", "c@d.test")
		in.Content.Simple.Headers = []types.MessageHeader{{Name: &tt.name, Value: &tt.value}}
		_, err := c.SendEmail(t.Context(), in)
		if (err == nil) != tt.ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if mails := s.Mails(""); len(mails) != 1 || mails[0].Headers["References"] != "<inc_1@pagefree.test>" {
		t.Errorf("got %+v", mails)
	}
}
