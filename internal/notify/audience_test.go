package notify

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"pagefree/internal/platform/outbox"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/teams"
)

const (
	team = "team_1"
	ann  = "usr_01K9ZD3R5N4F7H2J6K8M0P3QRS" // a responder
	bob  = "usr_01K9ZD3R5N4F7H2J6K8M0P3QRT" // an observer
)

// staff are one of each kind, named by what they are.
var staff = []teams.Person{
	{ID: "lead", Active: true, Roles: map[string]principal.Role{team: principal.TeamAdmin}},
	{ID: "author", Active: true, Roles: map[string]principal.Role{team: principal.TeamAdmin}},
	{ID: ann, Active: true, Roles: map[string]principal.Role{team: principal.Responder}},
	{ID: bob, Active: true, Roles: map[string]principal.Role{team: principal.Observer}},
	{ID: "left", Active: false, Roles: map[string]principal.Role{team: principal.TeamAdmin}},
	{ID: "outsider", Active: true, Roles: map[string]principal.Role{"team_2": principal.TeamAdmin}},
	{ID: "admin", Active: true, PlatformAdmin: true},
}

func TestAudience(t *testing.T) {
	off := func(kind Kind) Kinds {
		k := allKinds
		switch kind {
		case Incidents:
			k.Incidents = false
		case Failures:
			k.Failures = false
		case Confirmations:
			k.Confirmations = false
		case Reviews:
			k.Reviews = false
		}
		return k
	}
	low := "LOW"
	critical := "CRITICAL"
	const responders, admins = "author lead " + ann, "author lead"
	tests := map[string]struct {
		kind     string
		teamless bool
		detail   map[string]string
		by       []string
		severity string
		team     TeamSettings
		own      map[string]Own
		want     string
	}{
		"an incident opened":        {kind: outbox.IncidentCreated, severity: "CRITICAL", want: responders},
		"of HIGH":                   {kind: outbox.IncidentCreated, severity: "HIGH", want: responders},
		"of MEDIUM":                 {kind: outbox.IncidentCreated, severity: "MEDIUM", want: ""},
		"of LOW":                    {kind: outbox.IncidentCreated, severity: "LOW", want: ""},
		"escalated":                 {kind: outbox.IncidentEscalated, severity: "HIGH", want: responders},
		"escalated, of LOW":         {kind: outbox.IncidentEscalated, severity: "LOW", want: ""},
		"worse now":                 {kind: outbox.IncidentUpdated, detail: map[string]string{"from": "MEDIUM"}, severity: "CRITICAL", want: responders},
		"worse, and told of before": {kind: outbox.IncidentUpdated, detail: map[string]string{"from": "HIGH"}, severity: "CRITICAL", want: ""},
		"worse, and told of before but one": {kind: outbox.IncidentUpdated, detail: map[string]string{"from": "HIGH"}, severity: "CRITICAL",
			own: map[string]Own{ann: {Email: allKinds, MinimumSeverity: &critical}}, want: ann},
		"worse, and not bad":               {kind: outbox.IncidentUpdated, detail: map[string]string{"from": "LOW"}, severity: "MEDIUM", want: ""},
		"opened again":                     {kind: outbox.IncidentReopened, severity: "HIGH", want: responders},
		"acknowledged":                     {kind: outbox.IncidentAcknowledged, severity: "HIGH", want: responders},
		"resolved":                         {kind: outbox.IncidentResolved, severity: "HIGH", want: responders},
		"of LOW, the team wants it":        {kind: outbox.IncidentCreated, severity: "LOW", team: TeamSettings{Email: allKinds, MinimumSeverity: "LOW"}, want: responders},
		"of LOW, one person wants it":      {kind: outbox.IncidentCreated, severity: "LOW", own: map[string]Own{ann: {Email: allKinds, MinimumSeverity: &low}}, want: ann},
		"of HIGH, one person does not":     {kind: outbox.IncidentCreated, severity: "HIGH", own: map[string]Own{ann: {Email: allKinds, MinimumSeverity: &critical}}, want: admins},
		"one person switched it off":       {kind: outbox.IncidentCreated, severity: "CRITICAL", own: map[string]Own{"lead": {Email: off(Incidents)}}, want: "author " + ann},
		"the team switched it off":         {kind: outbox.IncidentCreated, severity: "CRITICAL", team: TeamSettings{Email: off(Incidents), MinimumSeverity: "HIGH"}, want: ""},
		"another kind is off":              {kind: outbox.IncidentCreated, severity: "CRITICAL", team: TeamSettings{Email: off(Failures), MinimumSeverity: "HIGH"}, want: responders},
		"a failure":                        {kind: outbox.ExecutionEnded, detail: map[string]string{"status": "FAILED"}, want: admins},
		"started by an observer":           {kind: outbox.ExecutionEnded, detail: map[string]string{"triggeredById": bob}, want: admins + " " + bob},
		"started by a workflow":            {kind: outbox.ExecutionEnded, detail: map[string]string{"triggeredById": "wfr_01K9ZD3R5N4F7H2J6K8M0P3QRS"}, want: admins},
		"started by a key":                 {kind: outbox.ExecutionEnded, detail: map[string]string{"triggeredById": "key_01K9ZD3R5N4F7H2J6K8M0P3QRS"}, want: admins},
		"who started it wants none":        {kind: outbox.ExecutionEnded, detail: map[string]string{"triggeredById": ann}, own: map[string]Own{ann: {Email: off(Failures)}}, want: admins},
		"of no team":                       {kind: outbox.ExecutionEnded, teamless: true, detail: map[string]string{"triggeredById": ann}, want: "admin " + ann},
		"a workflow failed":                {kind: outbox.WorkflowFailed, want: admins},
		"of a run that somebody started":   {kind: outbox.WorkflowFailed, detail: map[string]string{"triggeredById": bob}, want: admins + " " + bob},
		"its run tells of it":              {kind: outbox.ExecutionEnded, detail: map[string]string{"status": "FAILED", outbox.ToldByRun: "true"}, want: ""},
		"a confirmation waits":             {kind: outbox.ExecutionWaits, want: responders},
		"a confirmation of no team":        {kind: outbox.ExecutionWaits, teamless: true, detail: map[string]string{"triggeredById": ann}, want: ann},
		"a confirmation expired":           {kind: outbox.ExecutionExpired, want: responders},
		"confirmations are off":            {kind: outbox.ExecutionExpired, team: TeamSettings{Email: off(Confirmations)}, want: ""},
		"a review waits":                   {kind: outbox.RunbookSubmitted, by: []string{"author", ann}, want: "lead"},
		"a review of a global runbook":     {kind: outbox.RunbookSubmitted, teamless: true, by: []string{"author"}, want: "admin"},
		"of the admin's own":               {kind: outbox.RunbookSubmitted, teamless: true, by: []string{"admin"}, want: ""},
		"reviews are off for one":          {kind: outbox.RunbookSubmitted, own: map[string]Own{"lead": {Email: off(Reviews)}}, want: "author"},
		"a message to the team":            {kind: outbox.WorkflowNotify, detail: map[string]string{"to": "team"}, want: "author lead " + ann + " " + bob},
		"to responders":                    {kind: outbox.WorkflowNotify, detail: map[string]string{"to": "responders"}, want: responders},
		"to responders and the team":       {kind: outbox.WorkflowNotify, detail: map[string]string{"to": "team,responders"}, want: "author lead " + ann + " " + bob},
		"to one":                           {kind: outbox.WorkflowNotify, detail: map[string]string{"to": " " + bob + " "}, want: bob},
		"to one and responders":            {kind: outbox.WorkflowNotify, detail: map[string]string{"to": bob + ",responders"}, want: responders + " " + bob},
		"to nobody that is known":          {kind: outbox.WorkflowNotify, detail: map[string]string{"to": "everyone,usr_1,"}, want: ""},
		"a message, with all switched off": {kind: outbox.WorkflowNotify, detail: map[string]string{"to": bob}, own: map[string]Own{bob: {}}, want: bob},
		"an unknown severity":              {kind: outbox.IncidentCreated, severity: "WORSE", want: responders},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := outbox.Event{Type: tt.kind, TeamID: team, Detail: tt.detail}
			if tt.teamless {
				e.TeamID = ""
			}
			if tt.team.MinimumSeverity == "" && tt.team.Email == (Kinds{}) {
				tt.team = defaultTeam
			}
			got := audience(byMail, e, wants(e, tt.by...), append(staff, staff...), tt.team, tt.own, tt.severity)
			slices.Sort(got)
			want := strings.Fields(tt.want)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestAMessageLeavesNoTeam: a workflow names people of its own team only, whoever it names.
func TestAMessageLeavesNoTeam(t *testing.T) {
	elsewhere := teams.Person{ID: ann, Active: true, Roles: map[string]principal.Role{"team_2": principal.TeamAdmin}, PlatformAdmin: true}
	e := outbox.Event{Type: outbox.WorkflowNotify, TeamID: team, Detail: map[string]string{"to": ann + ",team,responders"}}
	if got := audience(byMail, e, wants(e), []teams.Person{elsewhere}, defaultTeam, nil, ""); len(got) != 0 {
		t.Errorf("told %v", got)
	}
}

// TestStill: who lost the right to see a thing is not mailed of it, though it was theirs a minute ago.
func TestStill(t *testing.T) {
	of := func(kind, team string) outbox.Event { return outbox.Event{Type: kind, TeamID: team} }
	admin, nobody := teams.Person{Active: true, PlatformAdmin: true}, teams.Person{Active: true}
	for name, test := range map[string]struct {
		p    teams.Person
		e    outbox.Event
		want bool
	}{
		"a review of a global runbook":      {admin, of(outbox.RunbookSubmitted, ""), true},
		"and who is no admin any more":      {nobody, of(outbox.RunbookSubmitted, ""), false},
		"an admin who was deactivated":      {teams.Person{PlatformAdmin: true}, of(outbox.RunbookSubmitted, ""), false},
		"who started what belongs to none":  {nobody, of(outbox.ExecutionEnded, ""), true},
		"who left the team":                 {nobody, of(outbox.IncidentCreated, team), false},
		"who left it, and starts the thing": {nobody, of(outbox.ExecutionEnded, team), false},
	} {
		if got := still(test.p, test.e); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestTold(t *testing.T) {
	tests := map[string]struct {
		kind, status string
		want         bool
	}{
		"a failure":      {outbox.ExecutionEnded, "FAILED", true},
		"a timeout":      {outbox.ExecutionEnded, "TIMEOUT", true},
		"nobody knows":   {outbox.ExecutionEnded, "UNKNOWN", true},
		"a success":      {outbox.ExecutionEnded, "COMPLETED", false},
		"cancelled":      {outbox.ExecutionEnded, "CANCELLED", false},
		"something else": {"page.updated", "", false},
		"a message":      {outbox.WorkflowNotify, "", true},
	}
	for name, tt := range tests {
		if got := told(outbox.Event{Type: tt.kind, Detail: map[string]string{"status": tt.status}}); got != tt.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestSubject(t *testing.T) {
	const inc, run = "inc_01K9ZD3R5N4F7H2J6K8M0P3QRS", "wfr_01K9ZD3R5N4F7H2J6K8M0P3QRS"
	tests := map[string]struct {
		event outbox.Event
		want  string
	}{
		"an incident":             {outbox.Event{Type: outbox.IncidentCreated, About: inc, Detail: map[string]string{"workflowId": "wf_1"}}, inc},
		"an execution":            {outbox.Event{Type: outbox.ExecutionEnded, About: "ex_1", Detail: map[string]string{"runbookId": "rb_1"}}, "rb_1"},
		"a run":                   {outbox.Event{Type: outbox.WorkflowFailed, About: run, Detail: map[string]string{"workflowId": "wf_1"}}, "wf_1"},
		"a run that says no more": {outbox.Event{Type: outbox.WorkflowFailed, About: run}, run},
		"a review":                {outbox.Event{Type: outbox.RunbookSubmitted, About: "rb_1"}, "rb_1"},
		"a message about one":     {outbox.Event{Type: outbox.WorkflowNotify, About: inc}, "about/" + inc},
	}
	for name, tt := range tests {
		if got := subject(tt.event); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// TestLine: whatever others wrote is one line that reads as it was written.
func TestLine(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"plain":                 {"Payments fail", "Payments fail"},
		"line ends":             {"a\r\nBcc: x@y.test\n\nb", "a Bcc: x@y.test b"},
		"other line ends":       {"a\u2028b\u2029c\u0085d\vf", "a b c d f"},
		"controls":              {"a\x00b\x1b[31mc", "a b [31mc"},
		"right to left marks":   {"a\u202egpj.exe\u202c\u200f", "agpj.exe"},
		"right to left":         {"الصفحة بطيئة", "الصفحة بطيئة"},
		"no UTF-8":              {"a\xffb", "ab"},
		"nothing to see":        {"\u200b\ufeff\u00ad", ""},
		"200 characters, emoji": {strings.Repeat("🚒", 200), strings.Repeat("🚒", 157) + "..."},
		"a family":              {"👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"},
	}
	for name, tt := range tests {
		if got := line(tt.in, 160); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("a\r\nb", 10)
	f.Add("\u202e\xff🚒", 3)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = max(3, limit%1000)
		got := line(s, limit)
		if n := len([]rune(got)); n > limit || strings.ContainsFunc(got, unicode.IsControl) || strings.ContainsAny(got, "\u2028\u2029\u202e\u2066") {
			t.Errorf("%q became %q", s, got)
		}
	})
}

func TestHeap(t *testing.T) {
	noon := time.Date(2060, 3, 1, 12, 0, 0, 0, time.UTC)
	event := func(n string) outbox.Event { return outbox.Event{ID: n, Type: outbox.ExecutionEnded} }
	h := heap{UserID: "usr_1", Subject: "rb_1"}
	h = h.add(event("1"), noon)
	if !h.ready(noon) || !h.DueAt.Equal(noon) {
		t.Fatalf("the first is not mailed at once: %+v", h)
	}
	taken := h.take(noon)
	if taken.ready(noon) || !taken.ready(noon.Add(lease)) {
		t.Error("two could mail it, or nobody after one that died")
	}
	meanwhile := taken
	for _, n := range strings.Fields("2 3 4 5 6 7 8 9 10 11 12 13") { // while it is mailed
		meanwhile = meanwhile.add(event(n), noon.Add(time.Second))
	}
	h = meanwhile.told(taken, true, false, noon.Add(2*time.Second))
	if len(h.Events) != maxHeap || h.More != 2 || h.Events[0].ID != "2" || h.Busy != 0 || h.Taken != 0 {
		t.Errorf("what came since: %d and %d more, from %s", len(h.Events), h.More, h.Events[0].ID)
	}
	if h.ready(noon.Add(time.Minute)) || !h.ready(noon.Add(62*time.Second)) {
		t.Errorf("the digest is due at %v", h.DueAt)
	}
	taken = h.take(noon.Add(time.Hour))
	h = taken.told(taken, true, false, noon.Add(time.Hour))
	if !h.empty() || h.More != 0 || !h.DueAt.IsZero() {
		t.Errorf("after the digest: %+v", h)
	}
	if next := h.add(event("14"), noon.Add(time.Hour+30*time.Second)); !next.DueAt.Equal(noon.Add(time.Hour + time.Minute)) {
		t.Errorf("half a minute after a mail: due at %v", next.DueAt)
	}
	if next := h.add(event("14"), noon.Add(2*time.Hour)); !next.DueAt.Equal(noon.Add(2 * time.Hour)) {
		t.Errorf("an hour after a mail: due at %v", next.DueAt)
	}
	dropped := taken.told(taken, false, false, noon.Add(time.Hour))
	if !dropped.MailedAt.Equal(noon.Add(2 * time.Second)) {
		t.Error("what was not mailed counts as mailed")
	}
	if got := brief(outbox.Event{Detail: map[string]string{"message": strings.Repeat("é", 3*maxWord)}}); len([]rune(got.Detail["message"])) != maxWord+3 {
		t.Errorf("a heap holds a message of %d", len(got.Detail["message"]))
	}
}
