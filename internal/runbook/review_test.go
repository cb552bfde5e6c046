package runbook

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestApprove(t *testing.T) {
	tests := map[string]struct {
		author, editor, submitter, by string
		status                        Status
		newest                        int
		archived                      bool
		want                          problem.Code
	}{
		"a reviewer approves":                  {by: "u2"},
		"the author is refused":                {by: "u1", want: SelfApproval},
		"the last editor is refused":           {by: "u4", editor: "u4", want: SelfApproval},
		"the submitter is refused":             {by: "u3", want: SelfApproval},
		"the author of a draft is refused":     {by: "u1", status: Draft, want: SelfApproval},
		"a draft cannot be skipped":            {by: "u2", status: Draft, want: problem.InvalidTransition},
		"twice":                                {by: "u2", status: Approved, want: problem.InvalidTransition},
		"what was rejected stays so":           {by: "u2", status: Rejected, want: problem.InvalidTransition},
		"what is no longer the newest":         {by: "u2", newest: 3, want: problem.InvalidTransition},
		"what is archived":                     {by: "u2", archived: true, want: problem.InvalidTransition},
		"the author of what is not the newest": {by: "u1", newest: 3, want: SelfApproval},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v := Version{Version: 2, Status: PendingReview, CreatedByID: "u1", LastEditorID: "u1", SubmittedByID: ptr("u3")}
			if test.editor != "" {
				v.LastEditorID = test.editor
			}
			if test.status != "" {
				v.Status = test.status
			}
			r := Runbook{Newest: max(test.newest, 2), Archived: test.archived}
			got, err := v.approve(test.by, "note", noon, r)
			if problem.CodeOf(err) != test.want {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if err == nil && (got.Status != Approved || *got.ReviewedByID != test.by || got.ReviewNote != "note" || !got.ReviewedAt.Equal(noon)) {
				t.Errorf("got %+v", got)
			}
			if test.want == problem.InvalidTransition && !strings.Contains(err.Error(), string(v.Status)) && !test.archived {
				t.Errorf("the error does not name the state %s: %v", v.Status, err)
			}
		})
	}
}

func TestSubmitAndReject(t *testing.T) {
	for _, status := range []Status{Draft, PendingReview, Approved, Rejected} {
		v := Version{Version: 2, Status: status, CreatedByID: "u1"}
		if _, err := v.submit("u1", Runbook{Newest: 2}); (err == nil) != (status == Draft) {
			t.Errorf("submit %s: got %v", status, err)
		}
		if _, err := v.submit("u1", Runbook{Newest: 3}); err == nil {
			t.Errorf("submit %s of 3: no error", status)
		}
		if _, err := v.submit("u1", Runbook{Newest: 2, Archived: true}); err == nil {
			t.Errorf("submit %s of an archived one: no error", status)
		}
		for _, newest := range []int{2, 3} {
			if got, err := v.reject("u1", "why", noon, Runbook{Newest: newest}); (err == nil) != (status == PendingReview) || (err == nil && got.Status != Rejected) {
				t.Errorf("reject %s of %d: got %v", status, newest, err)
			}
		}
	}
}

func TestStatusOfARunbook(t *testing.T) {
	tests := map[string]struct {
		r       Runbook
		want    Status
		mayRun  problem.Code
		warning bool
	}{
		"new":                       {Runbook{NewestStatus: Draft}, Draft, NotApproved, false},
		"in review":                 {Runbook{NewestStatus: PendingReview}, PendingReview, NotApproved, false},
		"rejected":                  {Runbook{NewestStatus: Rejected}, Draft, NotApproved, false},
		"approved":                  {Runbook{NewestStatus: Approved, Approved: 1}, Approved, "", false},
		"approved, next in review":  {Runbook{NewestStatus: PendingReview, Approved: 1}, Approved, "", false},
		"approved, next rejected":   {Runbook{NewestStatus: Rejected, Approved: 1}, Approved, "", false},
		"deprecated":                {Runbook{NewestStatus: Approved, Approved: 1, Deprecated: true}, Deprecated, "", true},
		"deprecated, none approved": {Runbook{NewestStatus: Draft, Deprecated: true}, Deprecated, NotApproved, true},
		"archived":                  {Runbook{NewestStatus: Approved, Approved: 1, Archived: true}, Archived, RunbookArchived, false},
		"archived, none approved":   {Runbook{NewestStatus: Draft, Archived: true}, Archived, RunbookArchived, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.r.Status(); got != test.want {
				t.Errorf("status: got %s, want %s", got, test.want)
			}
			if got := problem.CodeOf(test.r.MayRun()); got != test.mayRun {
				t.Errorf("may run: got %q, want %q", got, test.mayRun)
			}
			if got := len(test.r.Warnings()) > 0; got != test.warning {
				t.Errorf("warns: got %v, want %v", got, test.warning)
			}
		})
	}
}

func TestAllowedActions(t *testing.T) {
	team := "team_1"
	user := func(id string, role principal.Role) principal.Principal {
		return principal.Principal{Kind: principal.User, ID: id, UserID: id, Teams: map[string]principal.Role{team: role}}
	}
	key := principal.Principal{Kind: principal.APIKey, ID: "key_1", UserID: "u9", Teams: map[string]principal.Role{team: principal.TeamAdmin}}
	admin := principal.Principal{Kind: principal.User, ID: "root", UserID: "root", PlatformAdmin: true}
	draft := Runbook{TeamID: &team, Newest: 1, NewestStatus: Draft, NewestAuthor: "u1"}
	pending := Runbook{TeamID: &team, Newest: 1, NewestStatus: PendingReview, NewestAuthor: "u1", NewestSubmitter: ptr("u2")}
	live := Runbook{TeamID: &team, Newest: 2, NewestStatus: Approved, NewestAuthor: "u1", Approved: 2, EverApproved: 2}
	change := func(r Runbook, f func(*Runbook)) Runbook { f(&r); return r }
	global := change(live, func(r *Runbook) { r.TeamID = nil })
	tests := map[string]struct {
		r    Runbook
		p    principal.Principal
		want string
	}{
		"a draft, its author":            {draft, user("u1", principal.TeamAdmin), "submit deprecate archive"},
		"a draft, a responder":           {draft, user("u1", principal.Responder), ""},
		"in review, a reviewer":          {pending, user("u3", principal.TeamAdmin), "approve reject deprecate archive"},
		"in review, its author":          {pending, user("u1", principal.TeamAdmin), "reject deprecate archive"},
		"in review, its submitter":       {pending, user("u2", principal.TeamAdmin), "reject deprecate archive"},
		"in review, a platform admin":    {pending, admin, "approve reject deprecate archive"},
		"in review, a key":               {pending, key, "deprecate archive"},
		"live, an admin":                 {live, user("u1", principal.TeamAdmin), "rollback deprecate archive execute"},
		"live, a responder":              {live, user("u1", principal.Responder), "execute"},
		"live, an observer":              {live, user("u1", principal.Observer), ""},
		"live, somebody else":            {live, principal.Principal{Kind: principal.User, ID: "u", Teams: map[string]principal.Role{"team_2": principal.TeamAdmin}}, ""},
		"live, nothing to roll back to":  {change(live, func(r *Runbook) { r.EverApproved = 1 }), user("u1", principal.TeamAdmin), "deprecate archive execute"},
		"deprecated":                     {change(live, func(r *Runbook) { r.Deprecated = true }), user("u1", principal.TeamAdmin), "rollback archive restore execute"},
		"archived":                       {change(live, func(r *Runbook) { r.Archived = true }), user("u1", principal.TeamAdmin), "deprecate restore"},
		"archived in review":             {change(pending, func(r *Runbook) { r.Archived = true }), user("u3", principal.TeamAdmin), "deprecate restore"},
		"global, a responder of a team":  {global, user("u1", principal.Responder), "execute"},
		"global, an admin of a team":     {global, user("u1", principal.TeamAdmin), "execute"},
		"global, an observer of a team":  {global, user("u1", principal.Observer), ""},
		"global, a platform admin":       {global, admin, "rollback deprecate archive execute"},
		"global, somebody without teams": {global, principal.Principal{Kind: principal.User, ID: "u"}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := test.r.allowedActions(test.p)
			if got == nil || !slices.Equal(got, strings.Fields(test.want)) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestWhoseWritingItIs(t *testing.T) {
	tests := map[string]struct {
		p    principal.Principal
		want string
	}{
		"a user":              {principal.Principal{Kind: principal.User, ID: "usr_1", UserID: "usr_1"}, "usr_1"},
		"a user, by id alone": {principal.Principal{Kind: principal.User, ID: "usr_1"}, "usr_1"},
		"a key":               {principal.Principal{Kind: principal.APIKey, ID: "key_1", UserID: "usr_1"}, "usr_1"},
		"a key of nobody":     {principal.Principal{Kind: principal.APIKey, ID: "key_1"}, ""},
	}
	for name, test := range tests {
		got, err := author(test.p)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}
