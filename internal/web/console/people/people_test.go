package people_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/consoletest"
	"pagefree/internal/platform/id"
)

// TestEachPageByEachRole: what a role may not do is not shown, and refused all the same.
func TestEachPageByEachRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	consoletest.Gates(t, w.site, nil)
	roles := []string{"admin", "lead", "responder", "observer", "outsider", "loner"}
	for path, want := range map[string][]int{
		"/console/people":                             {200, 303, 303, 303, 303, 303},
		"/console/people/new":                         {200, 403, 403, 403, 403, 403},
		"/console/people/" + w.id["responder"]:        {200, 200, 200, 200, 404, 404},
		"/console/people/" + w.id["loner"]:            {200, 404, 404, 404, 404, 200},
		"/console/people/usr_no":                      {404, 404, 404, 404, 404, 404},
		"/console/teams":                              {200, 200, 200, 200, 200, 200},
		"/console/teams/new":                          {200, 403, 403, 403, 403, 403},
		"/console/teams/" + w.team:                    {200, 200, 200, 200, 404, 404},
		"/console/teams/" + w.other:                   {200, 404, 404, 404, 200, 404},
		"/console/api-keys":                           {200, 200, 403, 403, 200, 403},
		"/console/api-keys/new":                       {200, 200, 403, 403, 200, 403},
		"/console/people?q=" + strings.Repeat("x", 9): {200, 303, 303, 303, 303, 303},
	} {
		for i, who := range roles {
			if got := w.as(who).Get(t, path); got.StatusCode != want[i] {
				t.Errorf("%s as %s: got %d, want %d", path, who, got.StatusCode, want[i])
			}
		}
	}
	for who, manages := range map[string]bool{"admin": true, "lead": true, "responder": false, "observer": false} {
		page := w.as(who).Get(t, "/console/teams/"+w.team).Want(t, 200).Shows(t, "lead of us", "responder@pagefree.test")
		if got := page.HasFormTo("/console/teams/" + w.team + "/members"); got != manages {
			t.Errorf("%s is offered to add members: %v", who, got)
		}
		if got := len(page.Buttons()) > 0; got != manages {
			t.Errorf("%s is offered %q", who, page.Buttons())
		}
	}
	for who, add := range map[string]bool{"admin": true, "lead": false} {
		if got := w.as(who).Get(t, "/console/teams").HasLink("/console/teams/new"); got != add {
			t.Errorf("%s is offered to make a team: %v", who, got)
		}
	}
	// What is not offered is refused to who sends it all the same.
	form := url.Values{"name": {"X"}, "email": {"x@pagefree.test"}, "role": {"TEAM_ADMIN"}, "teamId": {w.team}, "expiresAt": {"7"}}
	for path, want := range map[string][]int{ // lead, responder, outsider
		"/console/people":                                                   {403, 403, 403},
		"/console/people/" + w.id["observer"]:                               {403, 403, 403},
		"/console/people/" + w.id["observer"] + "/deactivate":               {403, 403, 403},
		"/console/teams":                                                    {403, 403, 403},
		"/console/teams/" + w.team + "/members":                             {422, 403, 404},
		"/console/teams/" + w.team + "/members/" + w.id["loner"]:            {303, 403, 404},
		"/console/teams/" + w.team + "/members/" + w.id["lead"] + "/remove": {303, 403, 404},
		"/console/api-keys":                                                 {201, 403, 404},
	} {
		for i, who := range []string{"lead", "responder", "outsider"} {
			if i == 0 && strings.HasSuffix(path, "/remove") {
				continue // they would be gone
			}
			if got := w.as(who).Post(t, path, form); got.StatusCode != want[i] {
				t.Errorf("POST %s as %s: got %d %s, want %d", path, who, got.StatusCode, got.Alert(), want[i])
			}
		}
	}
}

// TestUsers: an admin adds, finds, changes, deactivates and activates a person, and is told what is wrong at its field.
func TestUsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.as("admin")
	blank := admin.Get(t, "/console/people").Want(t, 200).Click(t, "Add a person").Want(t, 200)

	for name, tt := range map[string]struct{ name, email, field, says string }{
		"no name":    {"", "a@pagefree.test", "name", "It must not be empty"},
		"no address": {"Ada", "nowhere", "email", ""},
		"long name":  {strings.Repeat("n", 121), "a@pagefree.test", "name", "At most 120 characters"},
		"blank name": {"   ", "a@pagefree.test", "name", "Is empty."},
		"taken":      {"Ada", "lead@pagefree.test", "email", "Another user has this address"},
		"unreadable": {"A\u0000da", "a@pagefree.test", "name", "Has characters that cannot be read."},
	} {
		form := blank.Form(t, "Add the person").Set(t, "name", tt.name).Set(t, "email", tt.email).Set(t, "platformAdmin", "true")
		again := form.Send(t).Want(t, 422)
		if got := again.Error(tt.field); got == "" || !strings.Contains(got, tt.says) {
			t.Errorf("%s: at %s: got %q, want %q", name, tt.field, got, tt.says)
		}
		kept := again.Form(t, "Add the person").Values
		if kept.Get("email") != tt.email || kept.Get("platformAdmin") != "true" || name != "unreadable" && kept.Get("name") != tt.name {
			t.Errorf("%s: kept %v", name, kept)
		}
	}

	made := blank.Form(t, "Add the person").Set(t, "name", "Ada "+consoletest.Hostile).Set(t, "email", "ADA@pagefree.test").Send(t).Follow(t).Want(t, 200)
	made.Shows(t, "ada@pagefree.test", "Active", consoletest.Hostile)
	if made.Did() != "It was added." {
		t.Errorf("says %q", made.Did())
	}
	ada := strings.TrimPrefix(made.First("form.form").Attr("action"), "/console/people/")
	admin.Get(t, "/console/people?q=aDa").Shows(t, "ada@pagefree.test").Hides(t, "lead@pagefree.test")
	admin.HTMX().Get(t, "/console/people?q=nobody").Want(t, 200).Shows(t, "Nobody fits this search.")
	admin.Get(t, "/console/people?q="+strings.Repeat("q", 201)).Want(t, 422)

	// Two people change the same: the later one is told, loses nothing, and may go on.
	mine, theirs := admin.Get(t, "/console/people/"+ada), admin.Get(t, "/console/people/"+ada)
	mine.Form(t, "Save").Set(t, "name", "Ada Novak").Send(t).LeadsTo(t, "/console/people/"+ada)
	stale := theirs.Form(t, "Save").Set(t, "name", "Ada Nowak").Send(t).Want(t, 422)
	if !strings.Contains(stale.Alert(), "changed since you read it") || stale.Form(t, "Save").Values.Get("name") != "Ada Nowak" {
		t.Errorf("a stale change: %q, keeps %v", stale.Alert(), stale.Form(t, "Save").Values)
	}
	stale.Form(t, "Save").Send(t).Follow(t).Shows(t, "Ada Nowak")
	if got := admin.Get(t, "/console/people/"+ada).Form(t, "Save").Set(t, "email", "lead@pagefree.test").Send(t).Want(t, 422).Error("email"); !strings.Contains(got, "Another user") {
		t.Errorf("a taken address: %q", got)
	}

	off := admin.Get(t, "/console/people/"+ada).Shows(t, "is signed out everywhere at once").Form(t, "Deactivate").Send(t).Follow(t).Shows(t, "Deactivated")
	off.Form(t, "Activate").Send(t).Follow(t).Shows(t, "Active")
	if page := admin.Get(t, "/console/people/"+w.id["admin"]); strings.Contains(page.Body, "/deactivate") {
		t.Error("an admin is offered to deactivate themself")
	}
	self := admin.Post(t, "/console/people/"+w.id["admin"]+"/deactivate", url.Values{}).Want(t, 409)
	if !strings.Contains(self.Alert(), "ask another platform admin") {
		t.Errorf("says %q", self.Alert())
	}
	// The last admin of a team, named by the team's name.
	w.makeTeam("Empty")
	only := w.makeTeam("Billing")
	w.hire("boss", only, "TEAM_ADMIN")
	admin.Post(t, "/console/teams/"+only+"/members/"+w.id["admin"]+"/remove", url.Values{}).Want(t, 303)
	last := admin.Post(t, "/console/people/"+w.id["boss"]+"/deactivate", url.Values{}).Want(t, 409)
	if got := last.Alert(); !strings.HasPrefix(got, "Billing would be left without an active admin. Make somebody else team admin") {
		t.Errorf("says %q", got)
	}
}

// TestMembers: a team admin takes people in by address, and learns of addresses no more than who may add them has to.
func TestMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	team := "/console/teams/" + w.team
	lead := w.as("lead")
	page := lead.Get(t, "/console/teams").Click(t, "Payments").Want(t, 200)

	for name, tt := range map[string]struct{ email, says string }{
		"nobody's":  {"ghost@pagefree.test", "Is nobody's here. A platform admin adds people"},
		"malformed": {"ghost", ""},
		"a member":  {"Observer@pagefree.test", "Is a member's already. Change the role in the list."},
	} {
		again := page.Form(t, "Add to the team").Set(t, "email", tt.email).Set(t, "role", "OBSERVER").Send(t).Want(t, 422)
		if got := again.Error("email"); got == "" || !strings.Contains(got, tt.says) {
			t.Errorf("%s: got %q", name, got)
		}
		if kept := again.Form(t, "Add to the team").Values; kept.Get("email") != tt.email || kept.Get("role") != "OBSERVER" {
			t.Errorf("%s: kept %v", name, kept)
		}
	}
	// Others get the same answer whatever they ask for.
	for _, email := range []string{"ghost@pagefree.test", "loner@pagefree.test", "xq9"} {
		form := url.Values{"email": {email}, "role": {"OBSERVER"}}
		w.as("responder").Post(t, team+"/members", form).Want(t, 403).Hides(t, email)
		w.as("outsider").Post(t, team+"/members", form).Want(t, 404).Hides(t, email)
	}
	page.Form(t, "Add to the team").Set(t, "email", "LONER@pagefree.test").Set(t, "role", "OBSERVER").Send(t).Follow(t).Want(t, 200).Shows(t, "loner of us")

	loner := team + "/members/" + w.id["loner"]
	lead.Get(t, team).FormTo(t, loner).Set(t, "role", "RESPONDER").Send(t).LeadsTo(t, team)
	if got := lead.Get(t, team).FormTo(t, loner).Values.Get("role"); got != "RESPONDER" {
		t.Errorf("the role is %s", got)
	}
	lead.Post(t, loner, url.Values{"role": {"OWNER"}}).Want(t, 409)
	lead.Get(t, team).Shows(t, "API keys that they made for it stop.").FormTo(t, loner+"/remove").Send(t).Follow(t).Hides(t, "loner of us")
	lead.Post(t, loner+"/remove", url.Values{}).Want(t, 404)

	// The last admin stays; the sentence has names, not ids.
	w.as("admin").Post(t, team+"/members/"+w.id["admin"]+"/remove", url.Values{}).Want(t, 303)
	last := lead.Get(t, team).Form(t, "Leave").Send(t).Want(t, 409)
	if got := last.Alert(); got != "Payments would be left without an active admin. Make somebody else team admin first." {
		t.Errorf("says %q", got)
	}
	demoted := lead.Get(t, team).FormTo(t, team+"/members/"+w.id["lead"]).Set(t, "role", "OBSERVER").Send(t).Want(t, 409)
	if !strings.HasPrefix(demoted.Alert(), "Payments would be left") {
		t.Errorf("says %q", demoted.Alert())
	}
	w.as("admin").Post(t, team+"/members/"+w.id["observer"], url.Values{"role": {"TEAM_ADMIN"}}).Want(t, 303)
	lead.Post(t, team+"/members/"+w.id["lead"]+"/remove", url.Values{}).LeadsTo(t, "/console/teams")
	w.as("lead").Get(t, "/console/teams").Shows(t, "You are in no team.")
}

// TestTeams: an admin makes a team, and is in it.
func TestTeams(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	blank := w.as("admin").Get(t, "/console/teams").Click(t, "Make a team")
	if got := blank.Form(t, "Make the team").Set(t, "name", " ").Send(t).Want(t, 422).Error("name"); got != "Is empty." {
		t.Errorf("says %q", got)
	}
	made := blank.Form(t, "Make the team").Set(t, "name", consoletest.Hostile).Send(t).Follow(t).Want(t, 200)
	if made.H1() != consoletest.Hostile || made.Did() != "It was created." {
		t.Errorf("got %q %q", made.H1(), made.Did())
	}
	made.Shows(t, "First admin", "you")
}

// TestNames: scripts are told who the people are whom somebody may know of, and of nobody else.
func TestNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.id["lead"] + "," + w.id["outsider"] + "," + w.id["loner"] + ",," + w.id["lead"] + ",usr_x,<script>"
	for who, want := range map[string][]string{
		"admin": {"lead", "outsider", "loner"}, "observer": {"lead"}, "outsider": {"outsider"}, "loner": {"loner"},
	} {
		answer := w.as(who).HTMX().Get(t, "/console/people/names?ids="+url.QueryEscape(ids)).Want(t, 200)
		var got map[string]string
		if err := json.Unmarshal([]byte(answer.Body), &got); err != nil || answer.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s: %v %s", who, err, answer.Body)
		}
		if len(got) != len(want) {
			t.Errorf("%s: got %v, want %v", who, got, want)
		}
		for _, name := range want {
			if got[w.id[name]] != name+" of us" {
				t.Errorf("%s: got %v, want %s", who, got, name)
			}
		}
	}
	w.as("lead").Get(t, "/console/people/names").Want(t, 200)
	w.as("lead").Get(t, "/console/people/names?ids="+strings.Repeat("usr_x,", 50)).Want(t, 200)
	w.as("lead").Get(t, "/console/people/names?ids="+strings.Repeat("usr_x,", 51)).Want(t, 422)
}

// TestKeys: a key is made with a role and an end, shown once, and revoked after a question.
func TestKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lead := w.as("lead")
	lead.Get(t, "/console/api-keys").Shows(t, "There is no API key.")
	blank := lead.Get(t, "/console/teams/"+w.team).Click(t, "Make an API key").Want(t, 200)
	if got := blank.Form(t, "Make the key").Values.Get("teamId"); got != w.team {
		t.Errorf("the team is %q", got)
	}
	if got := blank.Form(t, "Make the key").Offers("teamId"); len(got) != 1 {
		t.Errorf("offers the teams %q", got)
	}
	if got := blank.Form(t, "Make the key").Set(t, "name", "").Send(t).Want(t, 422).Error("name"); got == "" {
		t.Error("a key without a name")
	}
	form := blank.Form(t, "Make the key").Set(t, "name", "ci").Values
	form.Set("expiresAt", "100000")
	if got := lead.Post(t, "/console/api-keys", form).Want(t, 422).Error("expiresAt"); got != "Is not one of those offered." {
		t.Errorf("says %q", got)
	}
	made := blank.Form(t, "Make the key").Set(t, "name", "ci "+consoletest.Hostile).Set(t, "role", "OBSERVER").Set(t, "expiresAt", "7").Send(t).Want(t, http.StatusCreated)
	secret := made.First("#key").Attr("value")
	if !strings.HasPrefix(secret, "pfk_") {
		t.Fatalf("shows %q", secret)
	}
	sent := blank.Form(t, "Make the key").Set(t, "name", "ci "+consoletest.Hostile).Set(t, "role", "OBSERVER").Set(t, "expiresAt", "7").Values
	again := lead.Post(t, "/console/api-keys", sent).Want(t, 422).Shows(t, "This form was sent before").Hides(t, secret)
	if keys := strings.Count(lead.Get(t, "/console/api-keys").Body, "</tr>") - 1; keys != 1 {
		t.Errorf("a reload of the page that shows a key makes %d", keys)
	}
	if form := again.Form(t, "Make the key"); form.Values.Get("once") == sent.Get("once") || form.Values.Get("name") != sent.Get("name") {
		t.Errorf("to make another, the form has %v", form.Values)
	}
	sent.Set("once", id.New(id.Form, w.clock.Now().Add(-25*time.Hour)))
	lead.Post(t, "/console/api-keys", sent).Want(t, 422).Shows(t, "open for more than a day")
	list := lead.Get(t, "/console/api-keys").Shows(t, "Payments", "Observer", "Works", "in 6 days", "by you", consoletest.Hostile).Hides(t, secret)
	w.as("outsider").Get(t, "/console/api-keys").Hides(t, "Payments")
	w.as("admin").Get(t, "/console/api-keys").Shows(t, "Payments", "by usr")
	blank.Form(t, "Make the key").Set(t, "name", "for ever").Set(t, "expiresAt", "never").Send(t).Want(t, http.StatusCreated)

	action := list.First(".ask form").Attr("action")
	w.as("outsider").Post(t, action, url.Values{}).Want(t, 404)
	list.Shows(t, "stops at once and for good").FormTo(t, action).Send(t).Follow(t).Shows(t, "for ever", "The key was revoked.").Hides(t, "onerror=alert(1)&gt;{{.}}")
	lead.Post(t, action, url.Values{}).Want(t, 404)

	w.clock.Advance(24 * time.Hour)
	lead.Post(t, "/console/api-keys", url.Values{"name": {"short"}, "teamId": {w.team}, "role": {"OBSERVER"}, "expiresAt": {"7"}}).Want(t, 201)
	w.clock.Advance(8 * 24 * time.Hour)
	lead.Get(t, "/console/api-keys").Shows(t, "Expired")
	w.as("admin").Post(t, "/console/teams/"+w.team+"/members/"+w.id["lead"]+"/remove", url.Values{}).Want(t, 303)
	w.as("admin").Get(t, "/console/api-keys").Shows(t, "Ended", "who made it left")
}

// TestPages: a long list is led through, and a cursor of another list is refused with a way on.
func TestPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 48 {
		w.hire("extra"+string(rune('a'+i/26))+string(rune('a'+i%26)), "", "")
	}
	admin := w.as("admin")
	first := admin.Get(t, "/console/people")
	if got := len(first.All("tbody tr")); got != 50 {
		t.Fatalf("the first page has %d rows", got)
	}
	older := first.Click(t, "Older").Want(t, 200)
	if got := len(older.All("tbody tr")); got != 4 {
		t.Errorf("the second page has %d rows", got)
	}
	if got := older.Link(t, "Newest"); got != "/console/people" {
		t.Errorf("the newest is at %s", got)
	}
	cursor := strings.TrimPrefix(first.Link(t, "Older"), "/console/people?")
	for _, path := range []string{"/console/teams?" + cursor, "/console/people?q=extra&" + cursor, "/console/people?cursor=x"} {
		refused := admin.Get(t, path).Want(t, 400)
		if !strings.Contains(refused.H1(), "Start again without it.") || strings.Contains(refused.Link(t, "To the beginning of the list"), "cursor") {
			t.Errorf("%s: says %q", path, refused.H1())
		}
	}
}
