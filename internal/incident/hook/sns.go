package hook

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net/url"
	"strings"
	"time"

	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/text"
)

// Types of the messages that SNS posts.
const (
	snsNotification = "Notification"
	snsSubscribe    = "SubscriptionConfirmation"
	snsUnsubscribe  = "UnsubscribeConfirmation"
)

// signedMembers are what SNS signs, in its order: name and value, each with a
// line feed after it. A Subject that is not there is left out.
// Source: docs.aws.amazon.com/sns, "Verifying the signatures of Amazon SNS messages".
var signedMembers = map[string][]string{
	snsNotification: {"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"},
	snsSubscribe:    {"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"},
	snsUnsubscribe:  {"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"},
}

// verifySNS holds a message of SNS against its signature, of version 2 alone:
// version 1 is SHA-1. What costs nothing is looked at before the certificate is
// fetched, so that nobody makes this function fetch for messages of other topics.
func verifySNS(ctx context.Context, r Request, k Keys, now time.Time) (Proof, error) {
	o, err := unpacked(r)
	if err != nil {
		return Proof{}, err
	}
	kind, version := member(o, "Type"), member(o, "SignatureVersion")
	signature, err := base64.StdEncoding.DecodeString(member(o, "Signature"))
	switch {
	case member(o, "Signature") == "":
		return Proof{}, missing("Signature in its body, as messages of SNS have")
	case signedMembers[kind] == nil:
		return Proof{}, invalid("This is no message of SNS.")
	case version != "2":
		return Proof{}, invalid("The topic has to sign by version 2: aws sns set-topic-attributes --attribute-name SignatureVersion --attribute-value 2.")
	case k.TopicARN == "" || member(o, "TopicArn") != k.TopicARN:
		return Proof{}, invalid("This is a message of another topic than that of this integration.")
	case err != nil:
		return Proof{}, wrongSignature()
	}
	address := member(o, "SigningCertURL")
	if !certificateOf(address, k.TopicARN) {
		return Proof{}, invalid("SigningCertURL does not lead to SNS in the region of the topic.")
	}
	// With no line feed in these, the signed text can be taken apart in one way
	// only: else what somebody published, and holds such lines, could be sent
	// again as another message.
	if !snsMessage().MatchString(member(o, "MessageId")) || strings.ContainsAny(member(o, "Subject"), "\r\n") {
		return Proof{}, invalid("MessageId or Subject is not as SNS writes it.")
	}
	at, err := time.Parse(time.RFC3339, member(o, "Timestamp"))
	if err != nil {
		return Proof{}, invalid("Timestamp is no time.")
	}
	if err := timely(at, now, Window, Window); err != nil {
		return Proof{}, err
	}
	certificate, err := k.Certificates(ctx, address)
	if err != nil {
		return Proof{}, err
	}
	if !trusted(certificate, now) {
		return Proof{}, invalid("The certificate at SigningCertURL is not valid now, or its key is not RSA.")
	}
	sum := sha256.Sum256(canonical(o))
	if rsa.VerifyPKCS1v15(certificate.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], signature) != nil {
		return Proof{}, wrongSignature()
	}
	return Proof{ID: member(o, "MessageId"), Keep: keepWindow}, nil
}

// member is a member that is a text, byte for byte as it was signed.
func member(o object, name string) string {
	s, _ := o[name].(string)
	return s
}

// canonical is the text that SNS signs of a message.
func canonical(o object) []byte {
	var b strings.Builder
	for _, name := range signedMembers[member(o, "Type")] {
		value, ok := o[name].(string)
		if !ok && name == "Subject" {
			continue
		}
		b.WriteString(name + "\n" + value + "\n")
	}
	return []byte(b.String())
}

// trusted reports whether a certificate is good for a signature at now.
func trusted(c *x509.Certificate, now time.Time) bool {
	key, ok := c.PublicKey.(*rsa.PublicKey)
	return ok && key.N.BitLen() >= 2048 && !now.Before(c.NotBefore) && !now.After(c.NotAfter)
}

var (
	topicARN = text.Pattern(`^arn:(aws|aws-cn|aws-us-gov):sns:([a-z]{2}[a-z-]*-[a-z]+-[0-9]+):([0-9]{12}):([A-Za-z0-9_-]+)(?:\.fifo)?$`) // a name of up to maxTopic
	certPath = text.Pattern(`^/[A-Za-z0-9_-]+\.pem$`)
)

// maxTopic bounds a topic's name. Not in topicARN: a repetition that is counted takes longer to compile than a delivery to verify.
const maxTopic = 256

// snsHost is where SNS is in the region of a topic: sns.<region>.amazonaws.com,
// in China with .cn. "" for what is no topic.
//
// The usual rule takes sns.<anything>.amazonaws.com. That also fits
// sns.s3-us-west-2.amazonaws.com, a bucket of whoever has the name, so the
// region has to be the topic's own.
func snsHost(topic string) (host, region string) {
	m := topicARN().FindStringSubmatch(topic)
	if m == nil || len(m[4]) > maxTopic {
		return "", ""
	}
	host = "sns." + m[2] + ".amazonaws.com"
	if m[1] == "aws-cn" {
		host += ".cn"
	}
	return host, m[2]
}

// certificateOf reports whether a URL is one of a certificate of SNS, in the
// region of a topic.
func certificateOf(address, topic string) bool {
	u, err := url.Parse(address)
	host, _ := snsHost(topic)
	return err == nil && host != "" && len(address) <= 512 && address == "https://"+host+u.Path && certPath().MatchString(u.Path)
}

// CheckTopic is a 422 for what is no ARN of a topic.
func CheckTopic(location, arn string) error {
	if host, _ := snsHost(arn); host == "" {
		return problem.InvalidField(location, "the ARN of an SNS topic: it names the service sns, a region, an account and the topic")
	}
	return nil
}

// snsMessage is what an id of a message may be: SNS makes a UUID for each.
var snsMessage = text.Pattern(`^[A-Za-z0-9-]{1,100}$`)

// snsToken is what a token may be, so that it can stand in a query.
var snsToken = text.Pattern(`^[A-Za-z0-9_-]{1,512}$`)

// ConfirmationOf reads off a verified, unpacked body whether SNS asks to
// confirm a subscription. Whose topic it is, Verify has looked at.
func ConfirmationOf(body []byte) (Confirmation, bool) {
	o, err := decode(body)
	if err != nil || member(o, "Type") != snsSubscribe || !snsToken().MatchString(member(o, "Token")) {
		return Confirmation{}, false
	}
	_, region := snsHost(member(o, "TopicArn"))
	return Confirmation{TopicARN: member(o, "TopicArn"), Token: member(o, "Token"), Region: region}, region != ""
}
