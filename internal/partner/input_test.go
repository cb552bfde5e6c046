package partner_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"pagefree/internal/platform/id"
)

func many(n int, text string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = text
	}
	return out
}

// TestBadInput: what may be wrong with a grant, and where the answer says so. What may be in a PATCH is tried there too.
func TestBadInput(t *testing.T) {
	w := newWorld(t)
	path := of(w.page, "partners")
	standing := path + "/" + w.grant("Standing", "standing@acme.test").id()
	tests := map[string]struct {
		member string
		value  any
		status int
		where  string
	}{
		"no name":                        {"partnerName", "", 422, "body.partnerName"},
		"a name of spaces":               {"partnerName", "  ", 422, "body.partnerName"},
		"a name of 121":                  {"partnerName", strings.Repeat("ü", 121), 422, "body.partnerName"},
		"a name with a line end":         {"partnerName", "a\nb", 422, "body.partnerName"},
		"a name with a null":             {"partnerName", "a\x00b", 422, "body.partnerName"},
		"a name that turns what follows": {"partnerName", "a\u202eb", 422, "body.partnerName"},
		"a number for a name":            {"partnerName", 5, 422, "body.partnerName"},
		"no address":                     {"contactEmail", "", 422, "body.contactEmail"},
		"no mail address":                {"contactEmail", "acme.test", 422, "body.contactEmail"},
		"two mail addresses":             {"contactEmail", "a@acme.test,b@acme.test", 422, "body.contactEmail"},
		"an entry that is no address":    {"ipAllowlist", []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "x"}, 422, "body.ipAllowlist[3]"},
		"everything":                     {"ipAllowlist", []string{"0.0.0.0/0"}, 422, "body.ipAllowlist[0]"},
		"everything, in IPv6":            {"ipAllowlist", []string{"::/0"}, 422, "body.ipAllowlist[0]"},
		"101 entries":                    {"ipAllowlist", many(101, "10.0.0.1"), 422, "body.ipAllowlist"},
		"a list that is a text":          {"ipAllowlist", "10.0.0.1", 422, "body.ipAllowlist"},
		"an end in the past":             {"expiresAt", "2060-03-01T11:59:59Z", 422, "body.expiresAt"},
		"an end that is no time":         {"expiresAt", "tomorrow", 422, ""},
		"a component of another page":    {"componentIds", []string{w.web, w.far}, 422, "body.componentIds[1]"},
		"a component that is none":       {"componentIds", []string{"<script>"}, 422, "body.componentIds[0]"},
		"201 components":                 {"componentIds", many(201, w.web), 422, "body.componentIds"},
		"a member that nobody knows":     {"tokenHash", "x", 422, "body"},
		"the revision":                   {"rev", 9, 422, "body"},
	}
	for name, tt := range tests {
		for _, call := range [][2]string{{"POST", path}, {"PATCH", standing}} {
			t.Run(call[0]+" "+name, func(t *testing.T) {
				body := map[string]any{tt.member: tt.value}
				if call[0] == "POST" {
					whole := map[string]any{"partnerName": "Acme", "contactEmail": "ops@acme.test"}
					maps.Copy(whole, body)
					body = whole
				}
				a := w.as("lead", call[0], call[1], body)
				if a.StatusCode != tt.status || a.code() != "validation_failed" || !strings.Contains(a.Text, `"`+tt.where) {
					t.Errorf("got %d %s, want %d at %s", a.StatusCode, a.Text, tt.status, tt.where)
				}
			})
		}
	}
	for name, body := range map[string]string{
		"no name at all": `{"contactEmail":"ops@acme.test"}`, "no address at all": `{"partnerName":"Acme"}`, "nothing": `{}`,
	} {
		if a := w.as("lead", "POST", path, body); a.StatusCode != 422 {
			t.Errorf("%s: got %d %s", name, a.StatusCode, a.Text)
		}
	}
	for member, body := range map[string]string{"partnerName": `{"partnerName":null}`, "contactEmail": `{"contactEmail":null}`, "ipAllowlist": `{"ipAllowlist":null}`, "mail": `{"mail":null}`} {
		if a := w.as("lead", "PATCH", standing, body); a.StatusCode != 400 && a.StatusCode != 422 {
			t.Errorf("%s null: got %d %s", member, a.StatusCode, a.Text)
		}
	}
	if n := len(w.must(200, "lead", "GET", path, nil).Items()); n != 1 {
		t.Errorf("%d accesses, want the one that was good", n)
	}
}

// TestGoodInput: what looks odd and is fine.
func TestGoodInput(t *testing.T) {
	w := newWorld(t)
	for i, name := range []string{"<b>Acme</b> & \"Co\"", "שלום עולם", "🚀", strings.Repeat("ü", 120), "  trimmed  "} {
		a := w.grant(name, fmt.Sprintf("p%d@acme.test", i))
		if got := a.Str("partnerName"); got != strings.TrimSpace(name) {
			t.Errorf("%q: got %q", name, got)
		}
	}
	for name, tt := range map[string]struct{ body, want string }{
		"left out": {"", "null"}, "null": {`,"componentIds":null`, "null"}, "nothing": {`,"componentIds":[]`, "[]"},
		"one": {`,"componentIds":["` + w.db + `"]`, `["` + w.db + `"]`},
	} {
		a := w.must(201, "lead", "POST", of(w.page, "partners"), fmt.Sprintf(`{"partnerName":"c %s","contactEmail":"c@acme.test","expiresAt":null%s}`, name, tt.body))
		read := w.must(200, "lead", "GET", of(w.page, "partners", a.id()), nil)
		for _, got := range []string{a.Text, read.Text} {
			if !strings.Contains(got, `"componentIds":`+tt.want) || !strings.Contains(got, `"expiresAt":null`) {
				t.Errorf("%s: got %s, want %s", name, got, tt.want)
			}
		}
	}
	soon := w.clock.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	if a := w.grant("Ends", "e@acme.test", "expiresAt", soon); !strings.HasPrefix(a.Str("expiresAt"), soon[:19]) {
		t.Errorf("got %s", a.Text)
	}
}

// TestForeignIDs: an access is one of its page's, and is found nowhere else.
func TestForeignIDs(t *testing.T) {
	w := newWorld(t)
	ours := w.grant("Acme", "ops@acme.test").id()
	theirs := w.must(201, "outsider", "POST", of(w.foreign, "partners"), map[string]any{"partnerName": "T", "contactEmail": "t@t.test"})
	for _, path := range []string{
		of(w.page, "partners", theirs.id()), of(w.second, "partners", ours), of(w.foreign, "partners", theirs.id()), of(w.foreign, "partners"),
		of(w.page, "partners", "acc_x"), of(w.page, "partners", id.New(id.PartnerAccess, w.clock.Now())), of("sp_x", "partners"),
		of(id.New(id.StatusPage, w.clock.Now()), "partners"), "/v1/partners/" + theirs.Str("partnerId"), "/v1/partners/x",
		of(w.page, "partners", ours, "nothing"),
	} {
		if a := w.as("lead", "GET", path, nil); a.StatusCode != 404 || a.code() != "not_found" {
			t.Errorf("%s: got %d %s", path, a.StatusCode, a.Text)
		}
	}
	if a := w.as("lead", "DELETE", of(w.page, "partners", theirs.id()), nil); a.StatusCode != 404 {
		t.Errorf("revoking theirs: got %d %s", a.StatusCode, a.Text)
	}
	if a := w.as("admin", "GET", of(w.foreign, "partners", theirs.id()), nil); a.StatusCode != 200 {
		t.Errorf("a platform admin: got %d %s", a.StatusCode, a.Text)
	}
}
