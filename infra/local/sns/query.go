package sns

import (
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"pagefree/infra/local/awsjson"
)

const namespace = "http://sns.amazonaws.com/doc/2010-03-31/"

func bad(message string) error {
	return &awsjson.Error{Code: "InvalidParameter", Message: message, Status: http.StatusBadRequest}
}

func missing(message string) error {
	return &awsjson.Error{Code: "NotFound", Message: message, Status: http.StatusNotFound}
}

// Open tells the requests that SNS answers to anybody: its certificate, and the links that it puts into messages. It
// names their operation; "" is none.
func Open(r *http.Request) (operation string) {
	if r.Method != http.MethodGet {
		return ""
	}
	if strings.HasPrefix(r.URL.Path, "/SimpleNotificationService-") {
		return "Certificate"
	}
	if action := r.URL.Query().Get("Action"); r.URL.Path == "/" && (action == "ConfirmSubscription" || action == "Unsubscribe") {
		return action
	}
	return ""
}

// Read reads the operation and its parameters, of AWS's Query protocol.
func Read(r *http.Request, body []byte) (operation string, in url.Values) {
	in = r.URL.Query()
	if r.Method == http.MethodPost {
		if form, err := url.ParseQuery(string(body)); err == nil {
			in = form
		}
	}
	return in.Get("Action"), in
}

// Handler serves AWS's Query protocol, and the certificate.
func (s *Service) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/SimpleNotificationService-") {
			if r.URL.Path != s.signer.path {
				http.Error(w, "there is no such certificate", http.StatusNotFound)
				return
			}
			w.Header().Set("Content-Type", "application/x-pem-file")
			_, _ = w.Write(s.signer.pem) // a client that has gone needs no answer
			return
		}
		if err := r.ParseForm(); err != nil {
			WriteError(w, bad(err.Error()))
			return
		}
		name := r.Form.Get("Action")
		result, err := s.operate(name, r.Form)
		if err != nil {
			WriteError(w, err)
			return
		}
		write(w, http.StatusOK, answer{XMLName: xml.Name{Local: name + "Response"}, Space: namespace, Result: result, RequestID: uuid.NewString()})
	})
}

// result is a member's name and value, inside <...Result>.
type result struct {
	XMLName xml.Name
	Members []member
	Listed  *listed
}

type member struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}

type listed struct {
	XMLName xml.Name `xml:"Subscriptions"`
	Members []entry  `xml:"member"`
}

type entry struct {
	TopicArn, Protocol, SubscriptionArn, Owner, Endpoint string
}

type answer struct {
	XMLName   xml.Name
	Space     string `xml:"xmlns,attr"`
	Result    *result
	RequestID string `xml:"ResponseMetadata>RequestId"`
}

func one(action, name, value string) *result {
	return &result{XMLName: xml.Name{Local: action + "Result"}, Members: []member{{xml.Name{Local: name}, value}}}
}

func (s *Service) operate(name string, in url.Values) (*result, error) {
	switch name {
	case "CreateTopic":
		arn, err := s.CreateTopic(in.Get("Name"))
		return one(name, "TopicArn", arn), err
	case "SetTopicAttributes":
		if attribute := in.Get("AttributeName"); attribute != "SignatureVersion" {
			return nil, bad("Invalid parameter: the local stack does not know the attribute " + attribute)
		}
		return nil, s.SignBy(in.Get("TopicArn"), in.Get("AttributeValue"))
	case "Subscribe":
		arn, err := s.Subscribe(in.Get("TopicArn"), in.Get("Protocol"), in.Get("Endpoint"))
		if !s.Subscribed(in.Get("TopicArn"), in.Get("Endpoint")) && in.Get("ReturnSubscriptionArn") != "true" {
			arn = "pending confirmation"
		}
		return one(name, "SubscriptionArn", arn), err
	case "ConfirmSubscription":
		arn, err := s.Confirm(in.Get("TopicArn"), in.Get("Token"))
		return one(name, "SubscriptionArn", arn), err
	case "Unsubscribe":
		return nil, s.Unsubscribe(in.Get("SubscriptionArn"))
	case "ListSubscriptionsByTopic":
		list, err := s.list(in.Get("TopicArn"))
		return &result{XMLName: xml.Name{Local: name + "Result"}, Listed: &listed{Members: list}}, err
	case "Publish":
		id, err := s.Publish(in.Get("TopicArn"), in.Get("Subject"), in.Get("Message"))
		return one(name, "MessageId", id), err
	}
	return nil, &awsjson.Error{Code: "InvalidAction", Message: "The local stack's SNS does not know the action " + name + ".", Status: http.StatusBadRequest}
}

func (s *Service) list(topicARN string) ([]entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.topics[topicARN]
	if !ok {
		return nil, missing("Topic does not exist")
	}
	out := []entry{}
	for _, sub := range t.subs {
		e := entry{TopicArn: t.arn, Protocol: sub.protocol, SubscriptionArn: sub.arn, Owner: s.opts.AccountID, Endpoint: sub.endpoint}
		if !sub.confirmed {
			e.SubscriptionArn = "PendingConfirmation"
		}
		out = append(out, e)
	}
	return out, nil
}

// WriteError answers an error as the Query protocol does.
func WriteError(w http.ResponseWriter, err error) {
	e, ok := errors.AsType[*awsjson.Error](err)
	if !ok {
		e = &awsjson.Error{Code: "InternalError", Message: err.Error(), Status: http.StatusInternalServerError}
	}
	status, kind := e.Status, "Sender"
	if status == 0 {
		status = http.StatusBadRequest
	}
	if status >= 500 {
		kind = "Receiver"
	}
	write(w, status, struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Space     string   `xml:"xmlns,attr"`
		Type      string   `xml:"Error>Type"`
		Code      string   `xml:"Error>Code"`
		Message   string   `xml:"Error>Message"`
		RequestID string   `xml:"RequestId"`
	}{Space: namespace, Type: kind, Code: e.Code, Message: e.Message, RequestID: uuid.NewString()})
}

func write(w http.ResponseWriter, status int, v any) {
	body, err := xml.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(err.Error())
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone needs no answer
}
