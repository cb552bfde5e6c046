package partner_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	front "pagefree/infra/local/aws"
	"pagefree/internal/partner"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/mailstop"
	"pagefree/internal/platform/timestamp"
)

func TestPeople(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	path := of(w.page, "partners", made.id())
	contact := w.must(200, "lead", "GET", path+"/people", nil).Items()
	if len(contact) != 1 || contact[0]["email"] != "ops@acme.test" || contact[0]["contact"] != true {
		t.Fatalf("the first person: got %v", contact)
	}
	since := w.clock.Now()
	ann := w.must(201, "lead", "POST", path+"/people", `{"email":" Ann@ACME.test","name":" Ann \u05d0 🚀 "}`)
	if ann.Str("email") != "ann@acme.test" || ann.Str("name") != "Ann א 🚀" || ann.Body["contact"] != false || !id.Valid(id.PartnerPerson, ann.id()) {
		t.Errorf("got %s", ann.Text)
	}
	if v := w.viewer("ann@acme.test", made.id()); v["personId"] != ann.id() || v["pageId"] != w.page || v["partnerId"] != made.Str("partnerId") {
		t.Errorf("sign-in finds %v", v)
	}
	tests := map[string]struct {
		body   string
		status int
		code   string
	}{
		"the same again":       {`{"email":"ANN@acme.test","name":"A"}`, 409, "email_taken"},
		"the first person":     {`{"email":"ops@acme.test"}`, 409, "email_taken"},
		"no address":           {`{"name":"A"}`, 422, "validation_failed"},
		"no mail address":      {`{"email":"ann"}`, 422, "validation_failed"},
		"a name of 121":        {`{"email":"b@acme.test","name":"` + strings.Repeat("a", 121) + `"}`, 422, "validation_failed"},
		"a name of two lines":  {`{"email":"b@acme.test","name":"a\nb"}`, 422, "validation_failed"},
		"a name that turns":    {`{"email":"b@acme.test","name":"a\u202eb"}`, 422, "validation_failed"},
		"a member of no use":   {`{"email":"b@acme.test","acceptedAt":null}`, 422, "validation_failed"},
		"HTML, which is fine":  {`{"email":"c@acme.test","name":"<img src=x>"}`, 201, ""},
		"no name, which is ok": {`{"email":"d@acme.test"}`, 201, ""},
	}
	for name, tt := range tests {
		if a := w.as("lead", "POST", path+"/people", tt.body); a.StatusCode != tt.status || a.code() != tt.code {
			t.Errorf("%s: got %d %s, want %d %s", name, a.StatusCode, a.Text, tt.status, tt.code)
		}
	}
	w.must(204, "lead", "DELETE", path+"/people/"+ann.id(), nil)
	w.must(204, "lead", "DELETE", path+"/people/"+ann.id(), nil) // stays so
	if v := w.viewer("ann@acme.test", made.id()); v != nil {
		t.Errorf("sign-in finds %v", v)
	}
	again := w.must(201, "lead", "POST", path+"/people", `{"email":"ann@acme.test"}`)
	if again.id() == ann.id() {
		t.Error("who comes back is the person of before, with the sessions of before")
	}
	for _, personID := range []string{"prs_x", id.New(id.PartnerPerson, w.clock.Now())} {
		if a := w.as("lead", "DELETE", path+"/people/"+personID, nil); a.StatusCode != 404 {
			t.Errorf("%s: got %d %s", personID, a.StatusCode, a.Text)
		}
	}
	var types []string
	for _, e := range w.recorded(since) {
		types = append(types, strings.TrimPrefix(e.Type, "partner.person_"))
	}
	if got := strings.Join(types, " "); strings.Count(got, "added") != 4 || strings.Count(got, "revoked") != 1 || len(types) != 5 {
		t.Errorf("audit: got %s", got)
	}

	t.Run("the first person goes and comes back", func(t *testing.T) {
		w.must(204, "lead", "DELETE", path+"/people/"+contact[0]["id"].(string), nil)
		if a := w.as("lead", "POST", path+"/invite", nil); a.StatusCode != 409 || a.code() != "invalid_transition" {
			t.Errorf("invited while gone: got %d %s", a.StatusCode, a.Text)
		}
		if back := w.must(201, "lead", "POST", path+"/people", `{"email":"ops@acme.test"}`); back.Body["contact"] != true {
			t.Errorf("got %s", back.Text)
		}
		w.must(202, "lead", "POST", path+"/invite", nil)
	})
	t.Run("another access of the same address is another place", func(t *testing.T) {
		other := w.grantAt(w.second, "Acme", "ops@acme.test")
		if other.Str("partnerId") != made.Str("partnerId") {
			t.Error("it is another account")
		}
		w.must(201, "lead", "POST", of(w.second, "partners", other.id(), "people"), `{"email":"ann@acme.test"}`)
		w.must(200, "lead", "DELETE", of(w.second, "partners", other.id()), nil)
		if w.viewer("ann@acme.test", made.id()) == nil || w.viewer("ann@acme.test", other.id()) != nil {
			t.Error("the wrong place went")
		}
	})
	t.Run("of a revoked access", func(t *testing.T) {
		w.must(200, "lead", "DELETE", path, nil)
		if a := w.as("lead", "POST", path+"/people", `{"email":"e@acme.test"}`); a.StatusCode != 409 || a.code() != "invalid_transition" {
			t.Errorf("got %d %s", a.StatusCode, a.Text)
		}
		w.must(204, "lead", "DELETE", path+"/people/"+again.id(), nil)
	})
}

// TestMailStopped: staff see whose address bounces, or who complained, since when, and that it was lifted.
func TestMailStopped(t *testing.T) {
	w := newWorld(t)
	path := of(w.page, "partners", w.grant("Acme", "ops@acme.test").id()) + "/people"
	for _, who := range []string{"ann", "bob"} {
		w.must(201, "lead", "POST", path, `{"email":"`+who+`@acme.test"}`)
	}
	people := dynamo.Table{Name: w.env.Table("IdentityTable"), DB: dynamodb.NewFromConfig(w.env.ConfigOf("BouncesFunction"))} // as SES's events are written
	at := timestamp.Of(w.clock.Now())
	for who, why := range map[string]mailstop.Reason{"ops": mailstop.Bounce, "ann": mailstop.Complaint} {
		if err := dynamo.Commit(t.Context(), people.DB, mailstop.Add(people, who+"@acme.test", mailstop.Stop{Reason: why, At: at})); err != nil {
			t.Fatal(err)
		}
	}
	shown := func() string {
		var all []string
		for _, p := range w.must(200, "lead", "GET", path, nil).Items() {
			who, _, _ := strings.Cut(p["email"].(string), "@")
			if stop, stopped := p["mailStopped"].(map[string]any); stopped {
				who += fmt.Sprint(" ", stop["reason"], " ", stop["at"])
			} else if _, there := p["mailStopped"]; there {
				t.Errorf("of %s: %v", who, p["mailStopped"])
			}
			all = append(all, who)
		}
		slices.Sort(all)
		return strings.Join(all, ", ")
	}
	if got, want := shown(), fmt.Sprintf("ann complaint %s, bob, ops bounce %[1]s", at); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	all := dynamo.Table{Name: people.Name, DB: w.table.DB}
	if err := dynamo.Commit(t.Context(), all.DB, mailstop.Lift(all, "ann@acme.test", at)); err != nil {
		t.Fatal(err)
	}
	if got, want := shown(), fmt.Sprintf("ann, bob, ops bounce %s", at); got != want {
		t.Errorf("lifted: got %s, want %s", got, want)
	}
}

// messages takes what lies in a queue.
func (w *world) messages(queue string) []string {
	w.t.Helper()
	client, url := sqs.NewFromConfig(w.env.Config), w.env.QueueURL(queue)
	var out []string
	for {
		got, err := client.ReceiveMessage(w.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
		if err != nil {
			w.t.Fatal(err)
		}
		if len(got.Messages) == 0 {
			return out
		}
		for _, m := range got.Messages {
			out = append(out, *m.Body)
			if _, err := client.DeleteMessage(w.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

func TestInvite(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	path := of(w.page, "partners", made.id())
	ann := w.must(201, "lead", "POST", path+"/people", `{"email":"ann@acme.test"}`)
	since := w.clock.Now()
	first := w.must(202, "lead", "POST", path+"/invite", nil)
	w.must(202, "lead", "POST", path+"/invite", map[string]any{"personId": ann.id()})
	if first.Str("email") != "ops@acme.test" || first.Str("invitedAt") == "" {
		t.Errorf("got %s", first.Text)
	}
	if got := w.must(200, "lead", "GET", path, nil).Str("invitedAt"); got != first.Str("invitedAt") {
		t.Errorf("the access says %q, want %q", got, first.Str("invitedAt"))
	}
	var mails []partner.Invitation
	for _, m := range w.messages("MailQueue") {
		var i partner.Invitation
		if err := json.Unmarshal([]byte(m), &i); err != nil {
			t.Fatal(err)
		}
		mails = append(mails, i)
	}
	if len(mails) != 2 {
		t.Fatalf("%d mails were asked for", len(mails))
	}
	for _, m := range mails {
		want := partner.Invitation{
			Kind: "invitation", PageID: w.page, PageName: "Page acme-cloud", AccessID: made.id(), PartnerID: made.Str("partnerId"),
			PersonID: first.id(), Email: "ops@acme.test", At: m.At, IP: "192.0.2.7", RequestID: m.RequestID,
		}
		if m.PersonID == ann.id() {
			want.PersonID, want.Email = ann.id(), "ann@acme.test"
		}
		if m != want || m.At.Before(since) || m.RequestID == "" {
			t.Errorf("got %+v, want %+v", m, want)
		}
	}
	for _, e := range w.recorded(since) {
		if e.Type != "partner.invited" || e.Subject.ID != made.id() {
			t.Errorf("audit: got %+v", e)
		}
	}
	for name, tt := range map[string]struct {
		body   string
		status int
	}{
		"nobody":             {`{"personId":"prs_x"}`, 404},
		"a member too many":  {`{"email":"x@acme.test"}`, 422},
		"somebody elsewhere": {`{"personId":"` + id.New(id.PartnerPerson, w.clock.Now()) + `"}`, 404},
	} {
		if a := w.as("lead", "POST", path+"/invite", tt.body); a.StatusCode != tt.status {
			t.Errorf("%s: got %d %s, want %d", name, a.StatusCode, a.Text, tt.status)
		}
	}

	t.Run("no mail leaves", func(t *testing.T) {
		defer w.env.Faults.Add(front.Fault{Service: "sqs", Do: front.Fail, Times: -1}).Remove()
		if a := w.as("lead", "POST", path+"/invite", nil); a.StatusCode != 503 || a.code() != "unavailable" {
			t.Errorf("got %d %s", a.StatusCode, a.Text)
		}
	})
	t.Run("too often", func(t *testing.T) {
		for range 7 {
			w.must(202, "lead", "POST", path+"/invite", nil)
		}
		a := w.as("lead", "POST", path+"/invite", nil)
		if a.StatusCode != 429 || a.Header.Get("Retry-After") == "" {
			t.Errorf("got %d %s", a.StatusCode, a.Text)
		}
		w.clock.Advance(time.Hour)
		w.must(202, "lead", "POST", path+"/invite", nil)
	})
	t.Run("to what does not let them in", func(t *testing.T) {
		w.must(200, "lead", "PATCH", "/v1/partners/"+made.Str("partnerId"), `{"active":false}`)
		if a := w.as("lead", "POST", path+"/invite", nil); a.StatusCode != 409 || a.code() != "partner_deactivated" {
			t.Errorf("deactivated: got %d %s", a.StatusCode, a.Text)
		}
		w.must(200, "lead", "PATCH", "/v1/partners/"+made.Str("partnerId"), `{"active":true}`)
		w.must(200, "lead", "PATCH", path, map[string]any{"expiresAt": w.clock.Now().Add(time.Minute).UTC().Format(time.RFC3339Nano)})
		w.clock.Advance(time.Minute)
		if a := w.as("lead", "POST", path+"/invite", nil); a.StatusCode != 409 || a.code() != "invalid_transition" {
			t.Errorf("expired: got %d %s", a.StatusCode, a.Text)
		}
		w.must(200, "lead", "DELETE", path, nil)
		if a := w.as("lead", "POST", path+"/invite", nil); a.StatusCode != 409 || a.code() != "invalid_transition" {
			t.Errorf("revoked: got %d %s", a.StatusCode, a.Text)
		}
	})
}

func TestAccounts(t *testing.T) {
	w := newWorld(t)
	made := w.grant("Acme", "ops@acme.test")
	also := w.grantAt(w.second, "Acme Labs", "OPS@acme.test")
	globex := w.grant("Globex", "ops@globex.test")
	theirs := w.must(201, "outsider", "POST", of(w.foreign, "partners"), `{"partnerName":"Acme","contactEmail":"ops@acme.test"}`)
	if also.Str("partnerId") != made.Str("partnerId") || theirs.Str("partnerId") == made.Str("partnerId") {
		t.Error("want one account for an address and team")
	}
	list := func(who string) string {
		var out []string
		for _, a := range w.must(200, who, "GET", "/v1/partners", nil).Items() {
			out = append(out, fmt.Sprintf("%v %v %v %v %v", a["id"], a["name"], a["email"], a["active"], a["pages"]))
		}
		return strings.Join(out, "\n")
	}
	page := func(pageID string, a answer) string {
		return "map[accessId:" + a.id() + " statusPageId:" + pageID + "]"
	}
	acme := fmt.Sprintf("%s Acme ops@acme.test true %s", made.Str("partnerId"), "["+page(w.page, made)+" "+page(w.second, also)+"]")
	ours := fmt.Sprintf("%s Globex ops@globex.test true [%s]\n%s", globex.Str("partnerId"), page(w.page, globex), acme)
	if got := list("lead"); got != ours {
		t.Errorf("got  %s\nwant %s", got, ours)
	}
	if got := list("admin"); !strings.Contains(got, theirs.Str("partnerId")) || !strings.Contains(got, acme) {
		t.Errorf("a platform admin sees %s", got)
	}
	if got := list("outsider"); strings.Contains(got, made.Str("partnerId")) {
		t.Errorf("another team sees %s", got)
	}

	path := "/v1/partners/" + made.Str("partnerId")
	since := w.clock.Now()
	off := w.must(200, "lead", "PATCH", path, `{"active":false}`)
	if off.Body["active"] != false || len(off.Body["pages"].([]any)) != 2 {
		t.Errorf("got %s", off.Text)
	}
	w.must(200, "lead", "PATCH", path, `{"active":false}`) // stays so
	for _, at := range []string{of(w.page, "partners", made.id()), of(w.second, "partners", also.id())} {
		if w.must(200, "lead", "GET", at, nil).Body["isActive"] != false {
			t.Errorf("%s is active", at)
		}
	}
	if a := w.as("lead", "POST", of(w.page, "partners"), `{"partnerName":"More","contactEmail":"ops@acme.test"}`); a.StatusCode != 409 || a.code() != "partner_deactivated" {
		t.Errorf("one more page for it: got %d %s", a.StatusCode, a.Text)
	}
	if a := w.as("lead", "PATCH", path, `{"active":true}`, "If-Match", made.Header.Get("ETag")+"9"); a.StatusCode != 412 {
		t.Errorf("a stale revision: got %d %s", a.StatusCode, a.Text)
	}
	w.must(200, "lead", "PATCH", path, `{"active":true}`, "If-Match", off.Header.Get("ETag"))
	if w.must(200, "lead", "GET", of(w.page, "partners", made.id()), nil).Body["isActive"] != true {
		t.Error("the access stays off")
	}
	var types []string
	for _, e := range w.recorded(since) {
		types = append(types, e.Type+" "+e.Subject.Kind+" "+e.Subject.ID)
	}
	if got, want := strings.Join(types, ", "), "partner.deactivated partner "+made.Str("partnerId")+", partner.activated partner "+made.Str("partnerId"); got != want {
		t.Errorf("audit: got %s, want %s", got, want)
	}
	w.must(200, "lead", "DELETE", of(w.page, "partners", made.id()), nil)
	if got := w.must(200, "lead", "GET", path, nil); len(got.Body["pages"].([]any)) != 1 || !strings.Contains(got.Text, also.id()) {
		t.Errorf("after a revocation: got %s", got.Text)
	}
	for _, body := range []string{`{"active":null}`, `{"active":"no"}`, `{"name":"x"}`, `{"epoch":0}`} {
		if a := w.as("lead", "PATCH", path, body); a.StatusCode != 422 && a.StatusCode != 400 {
			t.Errorf("%s: got %d %s", body, a.StatusCode, a.Text)
		}
	}
}
