package linkmail

import (
	"strings"
	"testing"

	"pagefree/internal/identity"
)

func TestCompose(t *testing.T) {
	const url = "https://pagefree.test/signin?token=pfl_a-b_c"
	s := &Sender{From: "pagefree@pagefree.test", Configuration: "set"}
	in, err := s.compose(identity.Issued{Email: "ann@pagefree.test", URL: url})
	if err != nil {
		t.Fatal(err)
	}
	if got := in.Destination.ToAddresses; len(got) != 1 || got[0] != "ann@pagefree.test" {
		t.Errorf("to: got %v", got)
	}
	if *in.FromEmailAddress != "pagefree@pagefree.test" || *in.ConfigurationSetName != "set" {
		t.Errorf("from %q by %q", *in.FromEmailAddress, *in.ConfigurationSetName)
	}
	body := in.Content.Simple.Body
	for form, got := range map[string]string{"text": *body.Text.Data, "HTML": *body.Html.Data} {
		if !strings.Contains(got, url) || strings.Contains(got, "{{") {
			t.Errorf("%s: got %s", form, got)
		}
	}
	if strings.Contains(*body.Text.Data, "<") {
		t.Errorf("text: got %s", *body.Text.Data)
	}
}
