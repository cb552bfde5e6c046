package hook

import (
	"bytes"
	"net/http"
	"testing"

	"pagefree/internal/platform/trust"
)

// FuzzParse: whatever a provider's parser is given, it ends in an alert within
// the limits of an incident, or in a problem of the contract.
func FuzzParse(f *testing.F) {
	for i, provider := range Names() {
		for _, name := range all(f, provider) {
			f.Add(uint8(i), sample(f, name), false)
		}
	}
	f.Add(uint8(0), []byte(`{"":{"":[[[[[[[[[[[[[[[[[[[[1e400]]]]]]]]]]]]]]]]]]]]}}`), false)
	f.Add(uint8(8), []byte(`{"data":{"title":"\u202e\u0000","labels":{"-":"x"," ":1}}}`), false)
	f.Add(uint8(0), []byte("title=%00&tags=a:b,c"), true)
	f.Fuzz(func(t *testing.T, which uint8, body []byte, asForm bool) {
		p := of(t, Names()[int(which)%len(Names())])
		r := Request{Header: http.Header{}}
		if asForm {
			r.Header.Set("Content-Type", formType)
		}
		a, err := p.Parse(r, body, noon)
		if err != nil {
			switch got := codeOf(t, err); got {
			case "400 body_invalid", "422 validation_failed":
			default:
				t.Errorf("%s: %s", p.Name, got)
			}
			return
		}
		within(t, a)
		again, err := p.Parse(r, body, noon)
		if err != nil || again.Title != a.Title || again.DedupKey != a.DedupKey || again.Action != a.Action || len(again.Labels) != len(a.Labels) {
			t.Errorf("%s: read twice: %+v and %+v, %v", p.Name, a, again, err)
		}
		ConfirmationOf(body)
	})
}

// FuzzVerify: a delivery whose body was changed anywhere is not taken where the
// body is signed, and headers of any kind do no harm.
func FuzzVerify(f *testing.F) {
	for i := range Names() {
		f.Add(uint8(i), 0, byte(1), "v1,x")
		f.Add(uint8(i), 40, byte(0x20), "v1=00")
		f.Add(uint8(i), 100000, byte(0xff), "")
	}
	names := []string{
		"X-Grafana-Alerting-Signature", "webhook-signature", "X-PagerDuty-Signature", "X-Hub-Signature-256", "Sentry-Hook-Signature",
		"X-Grafana-Alerting-Timestamp", "webhook-timestamp", "webhook-id", "svix-signature", "Authorization", SecretHeader, "Content-Encoding",
	}
	f.Fuzz(func(t *testing.T, which uint8, at int, with byte, header string) {
		name := Names()[int(which)%len(Names())]
		p := of(t, name)
		r := deliver(t, name, sample(t, name+"/fired"), "new", noon)
		if p.Trust != trust.Bearer && with != 0 {
			changed := Request{Header: r.Header, Body: bytes.Clone(r.Body)}
			changed.Body[uint(at)%uint(len(changed.Body))] ^= with
			before, _ := unpacked(r)
			after, err := unpacked(changed)
			// SNS signs members of its JSON, not bytes: space around them may change, and what it does not sign.
			same := name == "cloudwatch" && err == nil && bytes.Equal(canonical(before), canonical(after))
			if _, err := p.Verify(t.Context(), changed, keys(name), noon); err == nil && !same {
				t.Errorf("%s: %q was changed, and it is taken", name, changed.Body)
			}
		}
		forged := Request{Header: http.Header{}, Body: r.Body}
		for _, n := range names {
			forged.Header.Set(n, header)
		}
		if name == "cloudwatch" {
			return // its signature is in the body
		}
		if _, err := p.Verify(t.Context(), forged, keys(name), noon); err == nil {
			t.Errorf("%s: it is taken by the headers %q", name, header)
		}
	})
}
