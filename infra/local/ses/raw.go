package ses

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
)

// parse reads a raw MIME message: its addresses, subject, and first plain and HTML parts.
func parse(raw []byte) (m Mail, to []string, err error) {
	message, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return m, nil, bad("The raw message is no mail: %v", err)
	}
	words := new(mime.WordDecoder)
	if m.Subject, err = words.DecodeHeader(message.Header.Get("Subject")); err != nil {
		return m, nil, bad("The subject cannot be read: %v", err)
	}
	m.From = message.Header.Get("From")
	for _, name := range []string{"To", "Cc", "Bcc"} {
		if message.Header.Get(name) == "" {
			continue
		}
		list, err := message.Header.AddressList(name)
		if err != nil {
			return m, nil, bad("%s: %v", name, err)
		}
		for _, a := range list {
			to = append(to, a.Address)
		}
	}
	if err := m.part(message.Header.Get("Content-Type"), message.Header.Get("Content-Transfer-Encoding"), message.Body); err != nil {
		return m, nil, bad("The body cannot be read: %v", err)
	}
	return m, to, nil
}

func (m *Mail) part(contentType, encoding string, body io.Reader) error {
	kind, params, err := mime.ParseMediaType(contentType)
	if contentType == "" {
		kind, err = "text/plain", nil
	}
	if err != nil {
		return err
	}
	if strings.HasPrefix(kind, "multipart/") {
		for parts := multipart.NewReader(body, params["boundary"]); ; {
			p, err := parts.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := m.part(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p); err != nil {
				return err
			}
		}
	}
	switch strings.ToLower(encoding) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	switch {
	case kind == "text/plain" && m.Text == "":
		m.Text = string(text)
	case kind == "text/html" && m.HTML == "":
		m.HTML = string(text)
	}
	return nil
}
