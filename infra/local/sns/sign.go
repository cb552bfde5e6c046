package sns

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // what version 1 of SNS signs by
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Types of messages.
const (
	notification = "Notification"
	confirmation = "SubscriptionConfirmation"
)

// signer has the key of the region, which SNS' messages are signed by, and its certificate.
type signer struct {
	key  *rsa.PrivateKey
	pem  []byte
	path string // of the certificate: /SimpleNotificationService-<hash>.pem
	host string // https://sns.<region>.amazonaws.com
}

func newSigner(region string) (*signer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	blank := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "sns.amazonaws.com"}, DNSNames: []string{"sns.amazonaws.com"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(397 * 24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, blank, blank, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(der)
	return &signer{
		key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		path: "/SimpleNotificationService-" + hex.EncodeToString(sum[:16]) + ".pem", host: "https://sns." + region + ".amazonaws.com",
	}, nil
}

// message is what is sent to one subscription.
type message struct {
	kind, id, topic, subject, text, token, subscribeURL, timestamp string
	version, signature, certificateURL, unsubscribeURL, subARN     string
}

// message makes a signed message of a topic.
func (g *signer) message(t *topic, kind, subject, text string, sub *subscription) message {
	m := message{
		kind: kind, id: uuid.NewString(), topic: t.arn, subject: subject, text: text, version: t.version, subARN: sub.arn,
		timestamp: time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), certificateURL: g.host + g.path,
	}
	if kind == confirmation {
		m.token = sub.token
		m.subscribeURL = g.host + "/?Action=ConfirmSubscription&TopicArn=" + t.arn + "&Token=" + sub.token
	} else {
		m.unsubscribeURL = g.host + "/?Action=Unsubscribe&SubscriptionArn=" + url.QueryEscape(sub.arn)
	}
	g.sign(&m)
	return m
}

// sign signs what SNS signs of a message, in its order.
func (g *signer) sign(m *message) {
	pairs := []string{"Message", m.text, "MessageId", m.id}
	switch {
	case m.kind == confirmation:
		pairs = append(pairs, "SubscribeURL", m.subscribeURL, "Timestamp", m.timestamp, "Token", m.token)
	case m.subject != "":
		pairs = append(pairs, "Subject", m.subject, "Timestamp", m.timestamp)
	default:
		pairs = append(pairs, "Timestamp", m.timestamp)
	}
	text := strings.Join(append(pairs, "TopicArn", m.topic, "Type", m.kind), "\n") + "\n"
	hash, sum := crypto.SHA256, sha256.Sum256([]byte(text))
	digest := sum[:]
	if m.version == "1" {
		old := sha1.Sum([]byte(text))
		hash, digest = crypto.SHA1, old[:]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, g.key, hash, digest)
	if err != nil {
		panic(fmt.Sprintf("sns: sign: %v", err)) // the key is ours, and large enough
	}
	m.signature = base64.StdEncoding.EncodeToString(signature)
}

// body is what is posted: JSON as SNS writes it.
func (m message) body() []byte {
	var b bytes.Buffer
	b.WriteString("{")
	add := func(name, value string) {
		if value == "" && name != "Message" {
			return
		}
		if b.Len() > 1 {
			b.WriteString(",")
		}
		b.WriteString("\n  \"" + name + "\" : " + quoted(value))
	}
	add("Type", m.kind)
	add("MessageId", m.id)
	add("Token", m.token)
	add("TopicArn", m.topic)
	add("Subject", m.subject)
	add("Message", m.text)
	add("SubscribeURL", m.subscribeURL)
	add("Timestamp", m.timestamp)
	add("SignatureVersion", m.version)
	add("Signature", m.signature)
	add("SigningCertURL", m.certificateURL)
	add("UnsubscribeURL", m.unsubscribeURL)
	b.WriteString("\n}")
	return b.Bytes()
}

func quoted(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string
	return strings.TrimSuffix(b.String(), "\n")
}

// event is what a function gets.
func (m message) event() []byte {
	var subject any
	if m.subject != "" {
		subject = m.subject
	}
	b, _ := json.Marshal(map[string]any{"Records": []any{map[string]any{ // texts alone
		"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": m.subARN,
		"Sns": map[string]any{
			"Type": m.kind, "MessageId": m.id, "TopicArn": m.topic, "Subject": subject, "Message": m.text, "Timestamp": m.timestamp,
			"SignatureVersion": m.version, "Signature": m.signature, "SigningCertUrl": m.certificateURL, "UnsubscribeUrl": m.unsubscribeURL,
			"MessageAttributes": map[string]any{},
		},
	}}})
	return b
}
