package pushservice

import (
	"bytes"
	"crypto/ecdh"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	webpush "github.com/SherClockHolmes/webpush-go"
)

func bytesOf(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// example is the device and the message of RFC 8291, section 5.
func example(t *testing.T) (*Device, []byte) {
	t.Helper()
	private, err := ecdh.P256().NewPrivateKey(bytesOf(t, "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"))
	if err != nil {
		t.Fatal(err)
	}
	d := &Device{private: private}
	copy(d.Auth[:], bytesOf(t, "BTBZMqHH6r4Tts7J_aSIgg"))
	return d, bytesOf(t, "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN")
}

func TestTheStandardsOwnMessage(t *testing.T) {
	d, message := example(t)
	if got := b64(d.private.PublicKey().Bytes()); got != "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4" {
		t.Errorf("its public key: %s", got)
	}
	got, err := d.Decrypt(message)
	if err != nil || string(got) != "When I grow up, I want to be a watermelon" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestWhatIsNoMessageForTheDevice(t *testing.T) {
	d, message := example(t)
	change := func(at int) []byte {
		b := bytes.Clone(message)
		b[at] ^= 1
		return b
	}
	for name, b := range map[string][]byte{
		"empty": nil, "a header alone": message[:headerSize], "cut": message[:len(message)-1], "longer": append(bytes.Clone(message), 0),
		"another salt": change(0), "records of another size": append(append(bytes.Clone(message[:16]), 0, 0, 0, 18), message[20:]...), "a key of another length": change(20),
		"no point": change(21), "another text": change(headerSize), "another tag": change(len(message) - 1),
	} {
		if got, err := d.Decrypt(b); err == nil {
			t.Errorf("%s: opened as %q", name, got)
		}
	}
	if got, err := NewDevice("x").Decrypt(message); err == nil {
		t.Errorf("another device opened it as %q", got)
	}
}

// TestWhatAServiceTakes: what webpush-go makes passes, and each thing that is wrong with it is refused.
func TestWhatAServiceTakes(t *testing.T) {
	var s Service
	mux := http.NewServeMux()
	mux.Handle(Path+"{device}", &s)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	d := NewDevice(server.URL + Path + "phone")
	private, public, err := webpush.GenerateVAPIDKeys()
	if err != nil {
		t.Fatal(err)
	}
	make := func(t *testing.T, contact string) *http.Request {
		t.Helper()
		var made *http.Request
		keys := d.JSON()["keys"].(map[string]any)
		_, err := webpush.SendNotification([]byte("hello"), &webpush.Subscription{Endpoint: d.Endpoint, Keys: webpush.Keys{Auth: keys["auth"].(string), P256dh: keys["p256dh"].(string)}},
			&webpush.Options{HTTPClient: grab(func(r *http.Request) { made = r }), Subscriber: contact, VAPIDPublicKey: public, VAPIDPrivateKey: private, TTL: 60, Topic: "one", Urgency: webpush.UrgencyHigh})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	for name, tt := range map[string]struct {
		contact string
		change  func(r *http.Request)
		want    int
		says    string
	}{
		"as it is":             {want: 201},
		"an address":           {contact: "https://pagefree.test/contact", want: 201},
		"nobody":               {contact: "nobody", want: 403, says: "sub"},
		"this machine":         {contact: "https://localhost/", want: 403, says: "sub"},
		"no token":             {change: func(r *http.Request) { r.Header.Del("Authorization") }, want: 403, says: "vapid"},
		"another origin":       {change: func(r *http.Request) { r.Host = "127.0.0.1:1" }, want: 403, says: "aud"},
		"an altered signature": {change: func(r *http.Request) { swap(r, "Authorization", ", k=", "A, k=") }, want: 403, says: "token"},
		"another key":          {change: func(r *http.Request) { swap(r, "Authorization", "k="+public, "k="+b64(d.private.PublicKey().Bytes())) }, want: 403, says: "signature"},
		"no TTL":               {change: func(r *http.Request) { r.Header.Del("TTL") }, want: 400, says: "TTL"},
		"a topic too long":     {change: func(r *http.Request) { r.Header.Set("Topic", strings.Repeat("a", 33)) }, want: 400, says: "Topic"},
		"a strange topic":      {change: func(r *http.Request) { r.Header.Set("Topic", "a/b") }, want: 400, says: "Topic"},
		"an unknown urgency":   {change: func(r *http.Request) { r.Header.Set("Urgency", "now") }, want: 400, says: "Urgency"},
		"another coding":       {change: func(r *http.Request) { r.Header.Set("Content-Encoding", "aesgcm") }, want: 415, says: "Content-Encoding"},
		"another method":       {change: func(r *http.Request) { r.Method = "PUT" }, want: 405, says: "PUT"},
	} {
		t.Run(name, func(t *testing.T) {
			contact := tt.contact
			if contact == "" {
				contact = "ops@pagefree.test"
			}
			r := make(t, contact)
			if tt.change != nil {
				tt.change(r)
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			got := s.Pushes()[0]
			if resp.StatusCode != tt.want || got.Status != tt.want || !strings.Contains(got.Problem, tt.says) {
				t.Errorf("got %d, %+v", resp.StatusCode, got)
			}
			if tt.want != 201 {
				return
			}
			if text, err := d.Decrypt(got.Body); err != nil || string(text) != "hello" || got.TTL != 60 || got.Topic != "one" || got.Urgency != "high" || got.Token.Key != public {
				t.Errorf("got %q, %v, %+v", text, err, got)
			}
		})
	}
	t.Run("of another sender", func(t *testing.T) {
		s.Restrict("phone", "another")
		resp, err := http.DefaultClient.Do(make(t, "ops@pagefree.test"))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 403 {
			t.Errorf("got %d", resp.StatusCode)
		}
	})
}

func TestATokenEnds(t *testing.T) {
	private, public, err := webpush.GenerateVAPIDKeys()
	if err != nil {
		t.Fatal(err)
	}
	d := NewDevice("https://push.test/x")
	keys := d.JSON()["keys"].(map[string]any)
	header := ""
	if _, err := webpush.SendNotification([]byte("x"), &webpush.Subscription{Endpoint: d.Endpoint, Keys: webpush.Keys{Auth: keys["auth"].(string), P256dh: keys["p256dh"].(string)}},
		&webpush.Options{HTTPClient: grab(func(r *http.Request) { header = r.Header.Get("Authorization") }), Subscriber: "ops@pagefree.test", VAPIDPublicKey: public, VAPIDPrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		at time.Duration
		ok bool
	}{"now": {0, true}, "a day later": {24 * time.Hour, false}, "a day before": {-24 * time.Hour, false}} {
		if _, err := verify(header, "https://push.test", time.Now().Add(tt.at)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type grab func(r *http.Request)

func (g grab) Do(r *http.Request) (*http.Response, error) {
	g(r)
	return &http.Response{StatusCode: 201, Body: http.NoBody}, nil
}

func swap(r *http.Request, header, old, with string) {
	r.Header.Set(header, strings.Replace(r.Header.Get(header), old, with, 1))
}
