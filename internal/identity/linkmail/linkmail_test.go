package linkmail

import (
	"strings"
	"testing"

	"pagefree/internal/identity"
)

func TestCompose(t *testing.T) {
	const url = "https://pagefree.test/signin?token=pfl_a-b_c"
	staff := identity.Issued{Email: "ann@pagefree.test", URL: url, Kind: identity.Staff}
	page := identity.Issued{Email: "ann@pagefree.test", URL: url, Kind: identity.Partner, Page: "Tom & <b>Jerry</b>", Bound: true}
	pages := identity.Issued{Email: "ann@pagefree.test", URL: url, Kind: identity.Partner}
	tests := map[string]struct {
		letter  letter
		subject string
		says    string
		not     string
	}{
		"staff":         {linkLetter(staff), Subject, "Sign in to PageFree", "code"},
		"a page":        {linkLetter(page), "Sign in to the status page Tom & <b>Jerry</b>", "shows a code instead", "PageFree"},
		"several pages": {linkLetter(pages), "Sign in to your status pages", "See your status pages", "PageFree"},
		"an invitation": {invitationLetter(page), "You are invited to the status page Tom & <b>Jerry</b>", "good for 7 days", "15 minutes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &Sender{From: "pagefree@pagefree.test", Configuration: "set"}
			in, err := s.compose(tt.letter)
			if err != nil {
				t.Fatal(err)
			}
			if got := in.Destination.ToAddresses; len(got) != 1 || got[0] != "ann@pagefree.test" {
				t.Errorf("to: got %v", got)
			}
			if *in.FromEmailAddress != "pagefree@pagefree.test" || *in.ConfigurationSetName != "set" {
				t.Errorf("from %q by %q", *in.FromEmailAddress, *in.ConfigurationSetName)
			}
			if got := *in.Content.Simple.Subject.Data; got != tt.subject {
				t.Errorf("subject: got %q, want %q", got, tt.subject)
			}
			body := in.Content.Simple.Body
			for form, got := range map[string]string{"text": *body.Text.Data, "HTML": *body.Html.Data} {
				if !strings.Contains(got, url) || strings.Contains(got, "{{") || !strings.Contains(got, tt.says) || strings.Contains(got, tt.not) {
					t.Errorf("%s: got %s", form, got)
				}
			}
			if strings.Contains(*body.Html.Data, "<b>") {
				t.Errorf("the page's name is markup: %s", *body.Html.Data)
			}
			if text := *body.Text.Data; strings.HasSuffix(text, "\n\n") || !strings.HasSuffix(text, "\n") || strings.Contains(text, "\n\n\n") {
				t.Errorf("the text is ragged: %q", text)
			}
		})
	}
}
