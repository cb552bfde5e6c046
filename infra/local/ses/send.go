package ses

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/google/uuid"

	"pagefree/infra/local/awsjson"
)

const (
	maxRecipients = 50
	maxRequest    = 10 << 20 // bytes; AWS takes 40 MB
)

// Handler serves POST /v2/email/outbound-emails. Everything else is an UnknownOperationException.
func (s *Service) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out, err := s.serve(r)
		if err != nil {
			awsjson.WriteRESTError(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("x-amzn-RequestId", uuid.NewString())
		_ = json.NewEncoder(w).Encode(map[string]string{"MessageId": *out.MessageId})
	})
}

func (s *Service) serve(r *http.Request) (*api.SendEmailOutput, error) {
	if r.Method != http.MethodPost || r.URL.Path != "/v2/email/outbound-emails" {
		e := awsjson.Unknown("ses", r.Method+" "+r.URL.Path)
		e.Status = http.StatusNotFound
		return nil, e
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxRequest {
		return nil, bad("Message length is more than %d bytes long.", maxRequest)
	}
	in := new(api.SendEmailInput)
	if err := json.Unmarshal(body, in); err != nil {
		return nil, bad("%v", err)
	}
	return s.SendEmail(r.Context(), in)
}

// SendEmail puts a mail into the mailbox once for each recipient. It takes simple and raw content; templates are refused.
func (s *Service) SendEmail(_ context.Context, in *api.SendEmailInput) (*api.SendEmailOutput, error) {
	m, to, err := content(in)
	if err != nil {
		return nil, err
	}
	if in.FromEmailAddress != nil {
		m.From = *in.FromEmailAddress
	}
	if m.From == "" {
		return nil, bad("The From address is missing.")
	}
	from, err := address(m.From)
	if err != nil {
		return nil, err
	}
	if d := in.Destination; d != nil {
		to = slices.Concat(d.ToAddresses, d.CcAddresses, d.BccAddresses)
	}
	if len(to) == 0 || len(to) > maxRecipients {
		return nil, bad("Recipient count must be between 1 and %d.", maxRecipients)
	}
	if !s.verified(from) {
		return nil, &awsjson.Error{Code: "MessageRejected", Message: fmt.Sprintf(
			"Email address is not verified. The following identities failed the check in region %s: %s", strings.ToUpper(s.opts.Region), m.From)}
	}
	var plain []string
	for _, one := range to {
		a, err := address(one)
		if err != nil {
			return nil, err
		}
		plain = append(plain, a)
	}
	m.ID = uuid.NewString()
	for _, m.To = range plain {
		if err := s.accept(m); err != nil {
			return nil, err
		}
		s.publish(aws.ToString(in.ConfigurationSetName), m)
	}
	return &api.SendEmailOutput{MessageId: &m.ID}, nil
}

// content reads the mail, and for raw content its recipients too.
func content(in *api.SendEmailInput) (m Mail, to []string, err error) {
	switch c := in.Content; {
	case c == nil || c.Template != nil || (c.Simple == nil) == (c.Raw == nil):
		return m, nil, bad("The local stack takes either simple or raw content.")
	case c.Raw != nil:
		return parse(c.Raw.Data)
	default:
		simple := c.Simple
		if simple.Subject == nil || simple.Subject.Data == nil || simple.Body == nil || (simple.Body.Text == nil && simple.Body.Html == nil) {
			return m, nil, bad("Subject and body are required.")
		}
		m.Subject, m.Text, m.HTML = data(simple.Subject), data(simple.Body.Text), data(simple.Body.Html)
		if strings.ContainsAny(m.Subject, "\r\n") {
			return m, nil, bad("The subject contains a line break.")
		}
		if m.Headers, err = headers(simple.Headers); err != nil {
			return m, nil, err
		}
		return m, nil, nil
	}
}

// ours are the headers that SES sets itself and takes from nobody (Amazon SES, "Header fields").
var ours = []string{
	"BCC", "CC", "Content-Disposition", "Content-Type", "Date", "From", "Message-ID", "MIME-Version", "Reply-To", "Return-Path", "Subject", "To",
}

// headers are those that a sender sets, in printable ASCII, each once (SES API, MessageHeader).
func headers(list []types.MessageHeader) (map[string]string, error) {
	out := map[string]string{}
	for _, h := range list {
		name, value := aws.ToString(h.Name), aws.ToString(h.Value)
		unprintable := func(r rune) bool { return r < ' ' || r > '~' }
		switch {
		case name == "" || len(name) > 126 || strings.ContainsAny(name, ": ") || strings.ContainsFunc(name, unprintable):
			return nil, bad("The header name is not valid.")
		case value == "" || len(name)+len(value) > 996 || strings.ContainsFunc(value, unprintable):
			return nil, bad("The value of the header %s is not valid.", name)
		case slices.ContainsFunc(ours, func(o string) bool { return strings.EqualFold(o, name) }):
			return nil, bad("The header %s cannot be set.", name)
		}
		if _, twice := out[name]; twice {
			return nil, bad("The header %s is set twice.", name)
		}
		out[name] = value
	}
	return out, nil
}

func data(c *types.Content) string {
	if c == nil {
		return ""
	}
	return aws.ToString(c.Data)
}

// verified tells whether mail may come from the address: it, or its domain or a parent of that, is an identity.
func (s *Service) verified(from string) bool {
	_, domain, _ := strings.Cut(from, "@")
	return len(s.opts.Identities) == 0 || slices.ContainsFunc(s.opts.Identities, func(identity string) bool {
		return strings.EqualFold(identity, from) || strings.EqualFold(identity, domain) ||
			strings.HasSuffix(strings.ToLower(domain), "."+strings.ToLower(identity))
	})
}

// address takes the bare address out of what may have a name before it.
func address(s string) (string, error) {
	a, err := mail.ParseAddress(s)
	if err != nil {
		if errors.Is(err, mail.ErrHeaderNotPresent) || !strings.Contains(s, "@") {
			return "", bad("Missing final '@domain'")
		}
		return "", bad("Illegal address")
	}
	return a.Address, nil
}

func bad(format string, a ...any) error {
	return &awsjson.Error{Code: "BadRequestException", Message: fmt.Sprintf(format, a...)}
}
