package pagemail_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	front "pagefree/infra/local/aws"
	"pagefree/infra/local/ses"
	"pagefree/internal/partner"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/mailstop"
	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

// Words that only some may read.
const (
	willow = "Willow-Web" // Acme's
	quartz = "Quartz-DB"  // Globex's
)

// leaks reports words in a mail that its reader must not see.
func leaks(m ses.Mail) string {
	hidden := map[string]string{"acme@partners.test": quartz, "globex@partners.test": willow}[m.To]
	for _, text := range []string{m.Subject, m.Text, m.HTML} {
		if hidden != "" && strings.Contains(text, hidden) {
			return hidden
		}
	}
	return ""
}

func TestWhoIsMailedOfAnIncident(t *testing.T) {
	w := newWorld(t)
	web, db := w.component(willow), w.component(quartz)
	acme := w.grant("Acme", []string{web})
	globex := w.grant("Globex", []string{db})
	w.grant("Everything", nil)
	w.grant("Nothing", []string{})
	w.silent("Silent", nil)
	both := w.publish("Slow everywhere", nil, web, db)
	if got := to(w.deliver()); got != "acme everything globex" {
		t.Errorf("both: mailed %q", got)
	}
	tests := []struct {
		name, want string
		do         func()
	}{
		{"only Acme's component", "acme everything", func() { w.publish("About "+willow, nil, web) }},
		{"only Globex' component", "everything globex", func() { w.publish("About "+quartz, nil, db) }},
		{"no component", "acme everything globex nothing", func() { w.publish("In general", nil) }},
		{"Globex alone is meant", "globex", func() { w.publish("For "+quartz, []string{globex}) }},
		{"Globex alone is meant, and it is Acme's", "", func() { w.publish("Hidden", []string{globex}, web) }},
		{"nobody is meant", "", func() { w.publish("Nobody", []string{}) }},
		{"two are meant, one component", "acme", func() { w.publish("Two", []string{acme, globex}, web) }},
		{"an update of what Globex sees", "everything globex", func() { w.say(both, status.Identified, "It is "+quartz, db) }},
		{"an update of what Acme sees", "acme everything", func() { w.say(both, status.Identified, "It is "+willow, web) }},
		{"an update of nothing in particular", "acme everything globex", func() { w.say(both, status.Resolved, "It is over.") }},
		{"a postmortem", "acme everything globex", func() { w.say(both, status.Postmortem, "It was a disk.") }},
	}
	for _, tt := range tests { // in their order
		tt.do()
		mails := w.deliver()
		if got := to(mails); got != tt.want {
			t.Errorf("%s: mailed %q, want %q", tt.name, got, tt.want)
		}
		for _, m := range mails {
			if word := leaks(m); word != "" {
				t.Errorf("%s: %s reads %q in %s", tt.name, m.To, word, m.Text)
			}
		}
	}
	w.sweep()
	w.now.Advance(2 * time.Minute)
	w.sweep()
	if left := w.deliver(); len(left) != 0 || len(w.messages()) != 0 {
		t.Errorf("it is told again: %q", to(left))
	}
}

func TestTheMail(t *testing.T) {
	w := newWorld(t)
	web, db := w.component(willow), w.component(quartz)
	w.grant("Acme", []string{web})
	i := w.publish("Pages are slow", nil, web, db)
	w.say(i, status.Monitoring, "It **should** be <b>better</b>.\n\n- wait\n- see", web, db)
	mails := w.deliver()
	if len(mails) != 2 {
		t.Fatalf("%d mails", len(mails))
	}
	for n, want := range []string{"[Acme Cloud] Pages are slow: investigating", "[Acme Cloud] Pages are slow: monitoring"} {
		m := mails[n]
		link := "https://pagefree.test/status/acme-cloud/incidents/" + i
		if m.Subject != want || m.From != "pagefree@pagefree.test" || len(m.Links) != 1 || m.Links[0] != link {
			t.Errorf("got %q from %q with links %v", m.Subject, m.From, m.Links)
		}
		for _, says := range []string{"1 Mar 2060, 13:00 CET", willow, "Partial outage", "as somebody of "} {
			if !strings.Contains(m.Text, says) || !strings.Contains(m.HTML, says) {
				t.Errorf("%q is missing in %s", says, m.Text)
			}
		}
		for _, never := range []string{"pfp_", "pff_", "pfl_", "token", quartz, "usr_", "acc_"} {
			if strings.Contains(m.Text+m.HTML+m.Subject, never) {
				t.Errorf("it says %q: %s", never, m.Text)
			}
		}
	}
	last := mails[1]
	if !strings.Contains(last.Text, "It **should** be <b>better</b>.\n\n- wait\n- see\n") {
		t.Errorf("text: %s", last.Text)
	}
	if strings.Contains(last.HTML, "<b>better") || !strings.Contains(last.HTML, "&lt;b&gt;better") || !strings.Contains(last.HTML, "- wait\n- see") {
		t.Errorf("HTML: %s", last.HTML)
	}
}

// TestTheLinkLeadsToWhatTheReaderKnows: an incident may have another id for who does not see its beginning.
func TestTheLinkLeadsToWhatTheReaderKnows(t *testing.T) {
	w := newWorld(t)
	web, db := w.component(willow), w.component(quartz)
	acme := w.grant("Acme", []string{web})
	i := w.publish("Slow", nil, db)
	w.now.Advance(time.Hour)
	w.say(i, status.Identified, "Here too.", web)
	mails := w.deliver()
	view, _, err := w.partners.Preview(w.ctx, w.page, acme)
	w.ok(err)
	if len(mails) != 1 || len(view.Incidents) != 1 || !strings.HasSuffix(mails[0].Links[0], "/incidents/"+view.Incidents[0].ID) {
		t.Errorf("got %+v, for %+v", mails, view.Incidents)
	}
}

func TestMaintenance(t *testing.T) {
	w := newWorld(t)
	web, db := w.component(willow), w.component(quartz)
	w.grant("Acme", []string{web})
	w.grant("Globex", []string{db})
	expect := func(what, who string, subject string) {
		t.Helper()
		mails := w.deliver()
		if got := to(mails); got != who {
			t.Errorf("%s: mailed %q, want %q", what, got, who)
		}
		for _, m := range mails {
			if m.Subject != "[Acme Cloud] "+subject || leaks(m) != "" {
				t.Errorf("%s: %s got %q, with %q: %s", what, m.To, m.Subject, leaks(m), m.Text)
			}
			if !strings.Contains(m.Text, "Planned for ") || !strings.Contains(m.HTML, "CET") {
				t.Errorf("%s: no time in %s", what, m.Text)
			}
		}
	}
	replan := func(m string, p status.MaintenancePatch) {
		t.Helper()
		_, err := w.pages.Replan(w.ctx, w.page, m, "", p)
		w.ok(err)
	}
	say := func(m string, as status.MaintenanceStatus) {
		t.Helper()
		_, err := w.pages.SayOf(w.ctx, w.page, m, status.NewMaintenanceUpdate{Status: as, Body: "Well."})
		w.ok(err)
	}
	m := w.plan(time.Hour, 2*time.Hour, web)
	expect("planned", "acme", "Upgrade: scheduled")
	replan(m, status.MaintenancePatch{Components: []string{web, db}})
	expect("a component more", "globex", "Upgrade: scheduled") // to Acme nothing changed, and Globex sees it for the first time
	replan(m, status.MaintenancePatch{EndsAt: timestamp.Ptr(w.now.Now().Add(3 * time.Hour))})
	expect("extended", "acme globex", "Upgrade: scheduled (changed)")
	replan(m, status.MaintenancePatch{Components: []string{web}})
	expect("a component less", "", "")
	say(m, status.Scheduled)
	expect("an update", "acme", "Upgrade: scheduled")
	w.sweep()
	expect("before it begins", "", "")
	w.now.Advance(61 * time.Minute)
	w.sweep()
	w.sweep()
	expect("it begins", "acme", "Upgrade: in progress")
	say(m, status.Verifying)
	expect("verifying", "acme", "Upgrade: verifying")
	w.now.Advance(3 * time.Hour)
	w.sweep()
	w.sweep()
	expect("it ends", "acme", "Upgrade: completed")

	early := w.plan(time.Minute, time.Hour, web)
	replan(early, status.MaintenancePatch{Title: new("Move")})
	w.now.Advance(2 * time.Minute)
	late := []string{}
	for _, m := range w.deliver() { // begun meanwhile, which has a mail of its own
		late = append(late, m.Subject)
	}
	slices.Sort(late)
	if want := []string{"[Acme Cloud] Move: scheduled", "[Acme Cloud] Move: scheduled (changed)"}; !slices.Equal(late, want) {
		t.Errorf("planned and changed, told late: mailed %q, want %q", late, want)
	}
	w.sweep()
	expect("another begins", "acme", "Move: in progress")
	say(early, status.Completed)
	expect("it ends by hand", "acme", "Move: completed")
	w.now.Advance(time.Hour)
	w.sweep()
	expect("its end by the clock is no news", "", "")

	w.plan(-2*time.Hour, -time.Hour, web)
	w.sweep()
	expect("put on record late", "acme", "Upgrade: completed")
	running := w.plan(-time.Hour, time.Hour, web, db)
	w.sweep()
	expect("put on record while it runs", "acme globex", "Upgrade: in progress")
	_, err := w.pages.Cancel(w.ctx, w.page, running)
	w.ok(err)
	expect("cancelled", "acme globex", "Upgrade: cancelled")
	w.now.Advance(2 * time.Hour)
	w.sweep()
	expect("what was cancelled does not end", "", "")
}

func TestWhoIsNoPartnerAnyMore(t *testing.T) {
	tests := map[string]func(w *world, accessID string){
		"revoked": (*world).revoke,
		"expired": func(w *world, accessID string) {
			p := partner.AccessPatch{}
			p.ExpiresAt.Sent, p.ExpiresAt.Value = true, timestamp.Ptr(w.now.Now().Add(time.Second))
			_, err := w.partners.Update(w.ctx, w.page, accessID, "", p)
			w.ok(err)
			w.now.Advance(time.Second)
		},
		"mail switched off": func(w *world, accessID string) {
			off := false
			_, err := w.partners.Update(w.ctx, w.page, accessID, "", partner.AccessPatch{Mail: &off})
			w.ok(err)
		},
		"deactivated": func(w *world, accessID string) {
			a, err := w.partners.Access(w.ctx, w.page, accessID)
			w.ok(err)
			off := false
			_, err = w.partners.Activate(w.ctx, a.PartnerID, "", &off)
			w.ok(err)
		},
		"shown nothing of it": func(w *world, accessID string) {
			p := partner.AccessPatch{}
			p.ComponentIDs.Sent, p.ComponentIDs.Value = true, &[]string{}
			_, err := w.partners.Update(w.ctx, w.page, accessID, "", p)
			w.ok(err)
		},
		"each person revoked": func(w *world, accessID string) {
			w.ok(w.partners.RemovePerson(w.ctx, w.page, accessID, w.people["ann@partners.test"]))
			w.ok(w.partners.RemovePerson(w.ctx, w.page, accessID, w.people["bob@partners.test"]))
			a, err := w.partners.Access(w.ctx, w.page, accessID)
			w.ok(err)
			list, _, err := w.partners.People(w.ctx, w.page, a.ID, httpapi.Page{Limit: 100})
			w.ok(err)
			for _, p := range list {
				if p.RevokedAt == nil {
					w.ok(w.partners.RemovePerson(w.ctx, w.page, accessID, p.ID))
				}
			}
		},
	}
	for name, stop := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			web := w.component(willow)
			acme := w.grant("Acme", []string{web})
			w.grant("Globex", nil)
			w.person(acme, "ann@partners.test")
			w.person(acme, "bob@partners.test")
			w.publish("One", nil, web)
			if got := to(w.deliver()); got != "acme ann bob globex" {
				t.Fatalf("before: mailed %q", got)
			}
			w.publish("Two", nil, web)
			stop(w, acme) // between the change and its mails
			if got := to(w.deliver()); got != "globex" {
				t.Errorf("mailed %q", got)
			}
		})
	}
}

func TestOnePersonIsRevokedAlone(t *testing.T) {
	w := newWorld(t)
	acme := w.grant("Acme", nil)
	w.person(acme, "ann@partners.test")
	w.publish("One", nil)
	w.ok(w.partners.RemovePerson(w.ctx, w.page, acme, w.people["ann@partners.test"]))
	if got := to(w.deliver()); got != "acme" {
		t.Errorf("mailed %q", got)
	}
}

func TestAMessageThatComesOften(t *testing.T) {
	w := newWorld(t)
	w.person(w.grant("Acme", nil), "ann@partners.test")
	w.grant("Globex", nil)
	w.publish("One", nil)
	m := w.messages()[0]
	w.thrice(m)
	w.thrice(m)
	if got := to(w.sent()); got != "acme ann globex" {
		t.Errorf("mailed %q", got)
	}
}

// TestDeathBetweenMailAndMark is the one case in which somebody is mailed twice.
func TestDeathBetweenMailAndMark(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"A", "B", "C", "D"} {
		w.grant(name, nil)
	}
	w.publish("One", nil)
	m := w.messages()[0]
	// The second mark fails, whatever the client tries.
	w.env.Faults.Add(front.Fault{Function: "PageMailFunction", Service: "dynamodb", Operation: "TransactWriteItems", Nth: 2, Times: 3, Do: front.Fail})
	if err := w.teller.Handle(t.Context(), m); err == nil {
		t.Fatal("no error")
	}
	if got := to(w.sent()); got != "c d" { // newest first
		t.Errorf("mailed %q", got)
	}
	w.ok(w.teller.Handle(t.Context(), m))
	if got := to(w.sent()); got != "a b c" {
		t.Errorf("then mailed %q", got)
	}
	w.ok(w.teller.Handle(t.Context(), m))
	if got := to(w.sent()); got != "" {
		t.Errorf("then mailed %q", got)
	}
}

// TestDeathInTheMiddle: nobody released the notice. It is left alone for as long as a function may run, and no longer.
func TestDeathInTheMiddle(t *testing.T) {
	w := newWorld(t)
	w.grant("Acme", nil)
	w.publish("One", nil)
	m := w.messages()[0]
	// The notice is taken, and then its function dies: what it writes at its end does not come through.
	w.env.Faults.Add(front.Fault{Function: "PageMailFunction", Service: "dynamodb", Operation: "GetItem", Times: -1, Do: front.Fail})
	if err := w.teller.Handle(t.Context(), m); err == nil {
		t.Fatal("no error")
	}
	w.env.Faults.Clear()
	w.ok(w.teller.Handle(t.Context(), m))
	w.now.Advance(time.Minute + time.Second)
	w.sweep()
	if got := w.deliver(); len(got) != 0 {
		t.Errorf("it was not left alone: %q", to(got))
	}
	w.now.Advance(time.Minute)
	w.sweep()
	if got := to(w.deliver()); got != "acme" {
		t.Errorf("mailed %q", got)
	}
}

func TestAMessageThatIsLost(t *testing.T) {
	w := newWorld(t)
	w.grant("Acme", nil)
	lost := w.env.Faults.Add(front.Fault{Function: "StatusPagesFunction", Service: "sqs", Times: -1, Do: front.Fail})
	w.publish("One", nil)
	lost.Remove()
	w.now.Advance(50 * time.Second)
	w.sweep()
	if got := w.messages(); len(got) != 0 {
		t.Fatalf("it is sent again at once: %v", got)
	}
	w.now.Advance(20 * time.Second)
	w.sweep()
	w.sweep()
	again := w.messages()
	if len(again) != 1 {
		t.Fatalf("%d messages", len(again))
	}
	w.now.Advance(5 * time.Minute)
	w.sweep()
	if got := w.messages(); len(got) != 0 {
		t.Errorf("and again: %v", got)
	}
	w.now.Advance(6 * time.Minute)
	w.sweep()
	if got := to(w.deliver()); got != "acme" {
		t.Errorf("mailed %q", got)
	}
	w.now.Advance(time.Hour)
	w.sweep()
	if got := w.messages(); len(got) != 0 {
		t.Errorf("it is done, and sent again: %v", got)
	}
}

func TestNewsThatAreOld(t *testing.T) {
	w := newWorld(t)
	w.grant("Acme", nil)
	w.publish("One", nil)
	w.now.Advance(24*time.Hour + time.Second)
	if got := w.deliver(); len(got) != 0 {
		t.Errorf("mailed %q", to(got))
	}
	w.sweep()
	if got := w.messages(); len(got) != 0 {
		t.Errorf("it is still due: %v", got)
	}
}

func TestManyPartners(t *testing.T) {
	w := newWorld(t)
	const partners = 220
	for n := range partners {
		w.grant(fmt.Sprintf("P%03d", n), nil)
		if n%10 == 0 {
			w.silent(fmt.Sprintf("S%03d", n), nil)
		}
	}
	w.publish("One", nil)
	mails := w.deliver()
	got := map[string]int{}
	for _, m := range mails {
		got[m.To]++
	}
	if len(mails) != partners || len(got) != partners {
		t.Errorf("%d mails to %d people, want one to each of %d", len(mails), len(got), partners)
	}
	if len(w.batches) != 3 || w.batches[0] != 100 || w.batches[1] != 100 || w.batches[2] != 20 {
		t.Errorf("messages mailed %v", w.batches)
	}
}

// TestAFunctionThatRunsOutOfTime stops between two persons, and another message goes on.
func TestAFunctionThatRunsOutOfTime(t *testing.T) {
	w := newWorld(t)
	for n := range 3 {
		w.grant(fmt.Sprintf("P%d", n), nil)
	}
	w.publish("One", nil)
	m := w.messages()[0]
	short, cancel := context.WithTimeout(t.Context(), 10*time.Second) // less than it keeps for its end
	defer cancel()
	w.ok(w.teller.Handle(short, m))
	if got := w.sent(); len(got) != 0 {
		t.Errorf("mailed %q", to(got))
	}
	if got := to(w.deliver()); got != "p0 p1 p2" {
		t.Errorf("then mailed %q", got)
	}
}

func TestAnAccessWithManyPeopleGoesOn(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"Acme", "Globex"} {
		a := w.grant(name, nil)
		for n := range 70 {
			w.person(a, fmt.Sprintf("%s%d@partners.test", strings.ToLower(name), n))
		}
	}
	w.publish("One", nil)
	if mails := w.deliver(); len(mails) != 142 || len(w.batches) != 2 {
		t.Errorf("%d mails in %v", len(mails), w.batches)
	}
}

func TestSomebodyWhoCannotBeMailed(t *testing.T) {
	tests := map[string]struct {
		err  error
		down bool // others are not mailed either
		once bool // it is not tried again
	}{
		"an address that is refused":           {err: partner.ErrRefused, once: true},
		"a letter that comes back":             {err: partner.ErrReturned},
		"something else, once in a while":      {err: errors.New("throttled")},
		"a post that is down takes no letters": {err: errors.New("no route"), down: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for n := range 6 {
				w.grant(fmt.Sprintf("P%d", n), nil)
			}
			real, tries, broken := w.teller.Post, 0, true
			w.teller.Post = posting(func(ctx context.Context, l partner.Letter) error {
				if broken && (tt.down || l.To == "p3@partners.test") {
					tries++
					return fmt.Errorf("%w: %s", tt.err, "no")
				}
				return real.Deliver(ctx, l)
			})
			w.publish("One", nil)
			m := w.messages()[0]
			err := w.teller.Handle(t.Context(), m)
			if tt.once != (err == nil) {
				t.Errorf("got %v: it has to come back unless nothing is left to do", err)
			}
			want := "p0 p1 p2 p4 p5"
			if tt.down {
				want = ""
			}
			if got := to(w.sent()); got != want {
				t.Errorf("mailed %q, want %q", got, want)
			}
			if tt.down && tries != 3 {
				t.Errorf("tried %d letters with a post that is down", tries)
			}
			broken = false
			for range 2 { // what was gone past comes last
				err = w.teller.Handle(t.Context(), m)
			}
			w.ok(err)
			want = "p3"
			if tt.down {
				want = "p0 p1 p2 p3 p4 p5"
			} else if tt.once {
				want = ""
			}
			if got := to(w.sent()); got != want {
				t.Errorf("then mailed %q, want %q", got, want)
			}
		})
	}
}

// TestAnAddressWhoseMailIsStopped: it is passed over, whichever partner it is of, and nobody waits for it.
func TestAnAddressWhoseMailIsStopped(t *testing.T) {
	w := newWorld(t)
	acme := w.grant("Acme", nil)
	w.person(acme, "ann@partners.test")
	people := dynamo.Table{Name: w.env.Table("IdentityTable"), DB: w.table.DB}
	w.ok(dynamo.Commit(t.Context(), people.DB, mailstop.Add(people, "ann@partners.test", mailstop.Stop{Reason: mailstop.Bounce, At: timestamp.Of(w.now.Now())})))
	w.publish("One", nil)
	if got := to(w.deliver()); got != "acme" {
		t.Errorf("mailed %q", got)
	}
	list, _, err := w.partners.People(w.ctx, w.page, acme, httpapi.Page{Limit: 10})
	w.ok(err)
	for _, p := range list {
		if stopped := p.MailStopped != nil && p.MailStopped.Reason == mailstop.Bounce; stopped != (p.Email == "ann@partners.test") {
			t.Errorf("%s is shown as %+v", p.Email, p.MailStopped)
		}
	}
	w.ok(dynamo.Commit(t.Context(), people.DB, mailstop.Lift(people, "ann@partners.test", timestamp.Of(w.now.Now()))))
	w.publish("Two", nil)
	if got := to(w.deliver()); got != "acme ann" {
		t.Errorf("then mailed %q", got)
	}
}

func TestAnAddressThatSESRefuses(t *testing.T) {
	w := newWorld(t)
	w.grant("Acme", nil)
	bad := w.teller.Post
	w.teller.Post = posting(func(ctx context.Context, l partner.Letter) error {
		l.To = "no address"
		err := bad.Deliver(ctx, l)
		if !errors.Is(err, partner.ErrRefused) {
			t.Errorf("got %v", err)
		}
		return err
	})
	w.publish("One", nil)
	w.deliver()
}

func TestAPageThatIsGoneOrMoved(t *testing.T) {
	w := newWorld(t)
	w.grant("Acme", nil)
	w.publish("One", nil)
	slug := "elsewhere"
	_, err := w.pages.Update(w.ctx, w.page, "", status.PagePatch{Slug: &slug})
	w.ok(err)
	mails := w.deliver()
	if len(mails) != 1 || !strings.Contains(mails[0].Text, "/status/elsewhere/incidents/") {
		t.Errorf("moved: %+v", mails)
	}
	w.publish("Two", nil)
	w.ok(w.pages.Delete(w.ctx, w.page))
	if mails := w.deliver(); len(mails) != 0 {
		t.Errorf("gone: mailed %q", to(mails))
	}
}

func TestWhatIsNoNotice(t *testing.T) {
	w := newWorld(t)
	for _, subject := range []string{"", "sp_x/spi_y/z", "a/b/c", w.page + "/" + w.page + "/x", w.page} {
		if err := w.teller.Handle(t.Context(), status.NoticeMessage{Subject: subject, At: timestamp.Of(w.now.Now())}); err == nil {
			t.Errorf("%q was taken", subject)
		}
	}
}
