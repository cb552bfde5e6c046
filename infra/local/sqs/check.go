package sqs

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	maxRequest    = 1 << 20 // bytes of all messages of one request
	maxAttributes = 10
	maxDelay      = 900 // seconds
)

var (
	attributeName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,256}$`)
	batchID       = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)
)

// outgoing is what SendMessage and an entry of SendMessageBatch have in common.
type outgoing struct {
	body       *string
	delay      int32
	attributes map[string]types.MessageAttributeValue
	system     map[string]types.MessageSystemAttributeValue
	group      *string
	dedup      *string
}

// message checks a message and makes it. A delay of zero seconds is the queue's own: the SDK leaves a zero out.
func (o outgoing) message(q *queue, id string, now time.Time) (*message, error) {
	if o.body == nil || *o.body == "" {
		return nil, missing("MessageBody")
	}
	if i := strings.IndexFunc(*o.body, func(r rune) bool { return !allowed(r) }); i >= 0 || !utf8.ValidString(*o.body) {
		return nil, failure("InvalidMessageContents", "InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF")
	}
	if o.dedup != nil {
		return nil, invalid("Value %s for parameter MessageDeduplicationId is invalid. Reason: The request include parameter that is not valid for this queue type.", *o.dedup)
	}
	if o.delay < 0 || o.delay > maxDelay {
		return nil, invalid("Value %d for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.", o.delay)
	}
	if n := len(o.attributes); n > maxAttributes {
		return nil, invalid("Number of message attributes [%d] exceeds the allowed maximum [%d].", n, maxAttributes)
	}
	m := &message{ID: id, Body: *o.body, Sent: now}
	for name, value := range o.attributes {
		a, err := checkAttribute(name, value)
		if err != nil {
			return nil, err
		}
		if m.Attributes == nil {
			m.Attributes = map[string]attribute{}
		}
		m.Attributes[name] = a
	}
	for name, value := range o.system {
		if name != string(types.MessageSystemAttributeNameForSendsAWSTraceHeader) || value.StringValue == nil {
			return nil, invalid("Message system attribute name '%s' is invalid.", name)
		}
		m.Trace = *value.StringValue
	}
	if o.group != nil {
		m.Group = *o.group
	}
	if m.size() > q.Settings.MaximumSize {
		return nil, invalid("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", q.Settings.MaximumSize)
	}
	delay := q.Settings.Delay
	if o.delay > 0 {
		delay = time.Duration(o.delay) * time.Second
	}
	m.Visible = now.Add(delay)
	return m, nil
}

// allowed are the characters of XML 1.0.
func allowed(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000
}

func checkAttribute(name string, v types.MessageAttributeValue) (attribute, error) {
	lower := strings.ToLower(name)
	if !attributeName.MatchString(name) || strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon.") {
		return attribute{}, invalid("The message attribute name '%s' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters.", name)
	}
	if v.DataType == nil || *v.DataType == "" {
		return attribute{}, invalid("The message attribute '%s' must contain non-empty message attribute type.", name)
	}
	a := attribute{Type: *v.DataType}
	empty := false
	switch kind, _, _ := strings.Cut(a.Type, "."); kind {
	case "String", "Number":
		empty = v.StringValue == nil || *v.StringValue == "" || v.BinaryValue != nil
		if !empty {
			a.Text = *v.StringValue
		}
	case "Binary":
		empty = len(v.BinaryValue) == 0 || v.StringValue != nil
		a.Binary = v.BinaryValue
	default:
		return attribute{}, invalid("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
	}
	if empty {
		return attribute{}, invalid("The message attribute '%s' must contain non-empty message attribute value for message attribute type '%s'.", name, a.Type)
	}
	return a, nil
}

// size is what AWS counts: the body and the names, types and values of the attributes, in bytes.
func (m *message) size() int {
	n := len(m.Body)
	for name, a := range m.Attributes {
		n += len(name) + len(a.Type) + len(a.Text) + len(a.Binary)
	}
	return n
}

func md5Of(body string) string {
	sum := md5.Sum([]byte(body))
	return hex.EncodeToString(sum[:])
}

// md5OfAttributes is AWS's own encoding: for each attribute by name, the name, the type, a byte for the kind of value
// (1 text, 2 binary) and the value; each but that byte after its length in four bytes, big endian.
func md5OfAttributes(list map[string]attribute) string {
	if len(list) == 0 {
		return ""
	}
	h := md5.New()
	for _, name := range slices.Sorted(maps.Keys(list)) {
		a := list[name]
		measured(h, []byte(name))
		measured(h, []byte(a.Type))
		if strings.HasPrefix(a.Type, "Binary") {
			h.Write([]byte{2})
			measured(h, a.Binary)
		} else {
			h.Write([]byte{1})
			measured(h, []byte(a.Text))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func measured(h hash.Hash, b []byte) {
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(b)))
	h.Write(length[:])
	h.Write(b)
}
