package runbook

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pagefree/internal/platform/problem"
)

func TestReviewOfTargets(t *testing.T) {
	to := Target{Type: Sandbox}
	waits := NamedTarget{Type: Sandbox}.write(to, "usr_a", noon)
	approved, err := waits.approve("usr_b", noon)
	if err != nil {
		t.Fatal(err)
	}
	rejected, err := waits.reject("usr_b", noon)
	if err != nil {
		t.Fatal(err)
	}
	edited := waits.write(to, "usr_b", noon).write(to, "usr_c", noon)
	tests := map[string]struct {
		from NamedTarget
		by   string
		want problem.Code
	}{
		"a second person approves":           {waits, "usr_b", ""},
		"the author is refused":              {waits, "usr_a", SelfApproval},
		"of several, the first":              {edited, "usr_a", SelfApproval},
		"of several, one in between":         {edited, "usr_b", SelfApproval},
		"of several, the last":               {edited, "usr_c", SelfApproval},
		"of several, somebody else":          {edited, "usr_d", ""},
		"what is approved":                   {approved, "usr_c", problem.InvalidTransition},
		"what is rejected":                   {rejected, "usr_c", problem.InvalidTransition},
		"the next one, by the former author": {approved.write(to, "usr_b", noon), "usr_a", ""},
		"after a rejection, by the former":   {rejected.write(to, "usr_b", noon), "usr_a", ""},
		"the next one, by its author":        {approved.write(to, "usr_b", noon), "usr_b", SelfApproval},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := tt.from
			got, err := tt.from.approve(tt.by, noon)
			if code := problem.CodeOf(err); code != tt.want {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if err == nil && (got.Approved != tt.from.Newest.Version || *got.ApprovedByID != tt.by || !reflect.DeepEqual(*got.Target, tt.from.Newest.Target)) {
				t.Errorf("got %+v", got)
			}
			if err != nil && !reflect.DeepEqual(got, before) {
				t.Errorf("a refusal changed %+v", got)
			}
		})
	}
	next := approved.write(Target{Type: Sandbox}, "usr_b", noon)
	if next.Status() != Approved || next.Newest.Version != 2 || next.Approved != 1 {
		t.Errorf("what is approved serves on: got %+v", next)
	}
	if back, err := next.reject("usr_b", noon); err != nil || back.Status() != Approved || back.Newest.Status != Rejected {
		t.Errorf("a writer may withdraw: got %+v, %v", back, err)
	}
	if waits.Status() != PendingReview || rejected.Status() != Rejected {
		t.Errorf("got %s and %s", waits.Status(), rejected.Status())
	}
}

func TestSecretNames(t *testing.T) {
	to := Target{Type: Webhook, SignWith: "sign-key", Headers: map[string]string{
		"Authorization": "Bearer {{secrets.token}}", "X-Two": "{{secrets.b}}-{{secrets.a}}-{{secrets.token}}", "X-None": "{{secrets.}} secrets.c",
	}}
	if got, want := to.SecretNames(), []string{"a", "b", "sign-key", "token"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (Target{Type: Sandbox}).SecretNames(); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

// sealedNamed is a named target with every member set, sealed by testKey.
func sealedNamed(t *testing.T) NamedTarget {
	t.Helper()
	named := NamedTarget{
		PK: targetPK("tgt_1"), SK: headSK, ID: "tgt_1", TeamID: ptr("team_1"), Type: Webhook, Sequence: 4, Latest: 4,
	}.write(Target{
		Type: Webhook, URL: "https://a.example", Preset: "awx", Async: true, Headers: map[string]string{"A": "b"}, SignWith: "s",
		InstanceIDs: []string{"mi-local"}, Tags: map[string][]string{"env": {"prod", "dev"}}, MaxNodes: 2, MaxConcurrency: "1", MaxErrors: "0", TargetID: "t",
	}, "usr_1", noon)
	named, err := named.approve("usr_2", noon)
	if err != nil {
		t.Fatal(err)
	}
	if named, err = sealTarget(t.Context(), testKey, named); err != nil {
		t.Fatal(err)
	}
	return named
}

// wordsOfTargets decide nothing of where a target leads, and for whom.
var wordsOfTargets = []string{"SK", "ByTeam", "ByKind", "Name", "ApprovedAt", "CreatedByID", "CreatedAt", "UpdatedAt", "Newest"}

func TestEveryMemberOfATargetIsSealed(t *testing.T) {
	named := sealedNamed(t)
	named.Newest.Target, named.Newest.ReviewedByID = Target{Type: Webhook}, ptr("usr_2") // as read from the table: it shares nothing with what serves
	check := func() error {
		_, err := CheckTarget(t.Context(), testKey, named, "team_1")
		return err
	}
	if err := check(); err != nil {
		t.Fatalf("a fresh seal: %v", err)
	}
	var leaves []string
	each(reflect.ValueOf(&named).Elem(), "", func(path string, change func() func()) {
		if strings.HasPrefix(path, "Rev") {
			return
		}
		leaves = append(leaves, path)
		undo := change()
		err := check()
		undo()
		word := slices.ContainsFunc(wordsOfTargets, func(w string) bool {
			return path == w || strings.HasPrefix(path, w+" ") || strings.HasPrefix(path, w+".")
		})
		if word && err != nil {
			t.Errorf("%s is counted as words, but: %v", path, err)
		}
		if !word && !errors.Is(err, ErrSealBroken) {
			t.Errorf("%s changed: got %v, want ErrSealBroken", path, err)
		}
	})
	for _, must := range []string{"Target.URL", "Target.Headers", "Target set to nil", "TeamID set to nil", "ApprovedByID", "Approved", "Seal.MAC[0]", "Seal.Format", "Sequence", "Latest", "Type"} {
		if !slices.Contains(leaves, must) {
			t.Errorf("the test did not change %s, only %v", must, leaves)
		}
	}
}

func TestCheckTarget(t *testing.T) {
	global := sealedNamed(t)
	global.TeamID = nil
	var err error
	if global, err = sealTarget(t.Context(), testKey, global); err != nil {
		t.Fatal(err)
	}
	own := sealedNamed(t)
	fresh := NamedTarget{PK: targetPK("tgt_1"), ID: "tgt_1", Type: Sandbox}.write(Target{Type: Sandbox}, "usr_1", noon)
	version := own
	mac, err := testKey.MAC(t.Context(), []byte(contentLabel+own.ContentHash))
	if err != nil {
		t.Fatal(err)
	}
	version.Seal.MAC = mac
	tests := map[string]struct {
		t    NamedTarget
		team string
		key  Verifier
		want error // nil: it serves
		code problem.Code
	}{
		"its team":                     {t: own, team: "team_1"},
		"another team":                 {t: own, team: "team_2", want: ErrSealBroken},
		"a global runbook":             {t: own, team: "", want: ErrSealBroken},
		"a global one for a team":      {t: global, team: "team_2"},
		"a global one for a global":    {t: global, team: ""},
		"none approved yet":            {t: fresh, team: "", code: NotApproved},
		"deleted":                      {t: NamedTarget{ID: "tgt_1"}, team: "team_1", code: NotApproved},
		"another key":                  {t: own, team: "team_1", key: hmacKey("another key"), want: ErrSealBroken},
		"a version's MAC":              {t: version, team: "team_1", want: ErrSealBroken},
		"no answer is no verdict":      {t: own, team: "team_1", key: unreachable{}, want: errUnreachable},
		"an empty team is not global":  {t: func() NamedTarget { n := global; n.TeamID = ptr(""); return n }(), team: "", want: ErrSealBroken},
		"a format of tomorrow":         {t: func() NamedTarget { n := own; n.Seal.Format = targetFormat + 1; return n }(), team: "team_1", want: ErrSealBroken},
		"deleted, and put back":        {t: func() NamedTarget { n := own; n.Latest++; return n }(), team: "team_1", want: ErrSealBroken},
		"its definition taken out":     {t: func() NamedTarget { n := own; n.Target = nil; return n }(), team: "team_1", want: ErrSealBroken},
		"and all that it was approved": {t: func() NamedTarget { n := own; n.Target, n.Sequence = nil, 0; return n }(), team: "team_1", want: ErrSealBroken},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.key == nil {
				tt.key = testKey
			}
			got, err := CheckTarget(t.Context(), tt.key, tt.t, tt.team)
			switch {
			case tt.code != "":
				if problem.CodeOf(err) != tt.code || errors.Is(err, ErrSealBroken) {
					t.Errorf("got %v, want %s", err, tt.code)
				}
			case !errors.Is(err, tt.want):
				t.Errorf("got %v, want %v", err, tt.want)
			case tt.want == nil && !reflect.DeepEqual(got, *tt.t.Target):
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestTargetsSealedByThisReleaseStayReadable: the encoding of format 1 is
// never changed, only followed by another.
func TestTargetsSealedByThisReleaseStayReadable(t *testing.T) {
	named := sealedNamed(t)
	if want := "b98fc34bc543339f99ceb759ff57ae6e50b8e679b35d7b1ea5f200a80bb99392"; named.ContentHash != want {
		t.Errorf("the hash of format 1: got %s, want %s", named.ContentHash, want)
	}
	if _, err := CheckTarget(t.Context(), testKey, named, "team_1"); err != nil {
		t.Error(err)
	}
}
