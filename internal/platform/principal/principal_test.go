package principal_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

func user(teams map[string]principal.Role) principal.Principal {
	return principal.Principal{Kind: principal.User, ID: "usr_1", UserID: "usr_1", Teams: teams}
}

func apiKey(role principal.Role) principal.Principal {
	return principal.Principal{Kind: principal.APIKey, ID: "key_1", UserID: "usr_1", Teams: map[string]principal.Role{"team_a": role}}
}

var admin = principal.Principal{Kind: principal.User, ID: "usr_0", PlatformAdmin: true}

func TestRequire(t *testing.T) {
	in := func(role principal.Role) principal.Principal {
		return user(map[string]principal.Role{"team_a": role})
	}
	tests := map[string]struct {
		who  principal.Principal
		team string
		min  principal.Role
		want problem.Code
	}{
		"no principal":                              {principal.Principal{}, "team_a", principal.Observer, problem.Unauthenticated},
		"a principal without an id":                 {principal.Principal{Kind: principal.User, PlatformAdmin: true}, "team_a", principal.Observer, problem.Unauthenticated},
		"the very role":                             {in(principal.Responder), "team_a", principal.Responder, ""},
		"a higher role":                             {in(principal.TeamAdmin), "team_a", principal.Observer, ""},
		"a lower role":                              {in(principal.Observer), "team_a", principal.Responder, problem.Forbidden},
		"another team":                              {in(principal.TeamAdmin), "team_b", principal.Observer, problem.NotFound},
		"an unknown role is none":                   {in("OWNER"), "team_a", principal.Observer, problem.NotFound},
		"no role where none is asked for":           {in(principal.None), "team_a", principal.None, problem.NotFound},
		"a platform admin anywhere":                 {admin, "team_b", principal.TeamAdmin, ""},
		"a key with its role":                       {apiKey(principal.Responder), "team_a", principal.Responder, ""},
		"a key in another team":                     {apiKey(principal.TeamAdmin), "team_b", principal.Observer, problem.NotFound},
		"PageFree itself has no team":               {principal.Principal{Kind: principal.System, ID: "pagefree"}, "team_a", principal.Observer, problem.NotFound},
		"no team: use by a responder of any":        {in(principal.Responder), "", principal.Responder, ""},
		"no team: an observer may not use":          {in(principal.Observer), "", principal.Responder, problem.Forbidden},
		"no team: a team admin may not manage":      {in(principal.TeamAdmin), "", principal.TeamAdmin, problem.Forbidden},
		"no team: a platform admin manages":         {admin, "", principal.TeamAdmin, ""},
		"no team: somebody of no team sees nothing": {user(nil), "", principal.Observer, problem.NotFound},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := principal.Require(principal.With(t.Context(), test.who), test.team, test.min)
			if code := problem.CodeOf(err); code != test.want {
				t.Fatalf("got %q, want %q", code, test.want)
			}
			if err == nil && got.ID != test.who.ID {
				t.Errorf("got %+v, want the one who asked", got)
			}
			if err != nil && got.ID != "" {
				t.Errorf("a refused caller was returned: %+v", got)
			}
		})
	}
}

func TestARefusalNamesItsTeam(t *testing.T) {
	ctx := principal.With(t.Context(), apiKey(principal.Observer))
	for name, require := range map[string]func(context.Context, string, principal.Role) (principal.Principal, error){"Require": principal.Require, "RequirePerson": principal.RequirePerson} {
		_, err := require(ctx, "team_a", principal.Responder)
		p, ok := err.(*problem.Error)
		if !ok || p.TeamID != "team_a" || strings.Contains(p.Detail, "team_a") {
			t.Errorf("%s: got %+v, want the team beside the text, not in it", name, err)
		}
	}
}

func TestRequirePersonAndAdmin(t *testing.T) {
	keyOfAdmin := apiKey(principal.TeamAdmin)
	keyOfAdmin.PlatformAdmin = true
	tests := map[string]struct {
		who           principal.Principal
		person, admin problem.Code
	}{
		"nobody":                           {principal.Principal{}, problem.Unauthenticated, problem.Unauthenticated},
		"a team admin":                     {user(map[string]principal.Role{"team_a": principal.TeamAdmin}), "", problem.Forbidden},
		"an observer":                      {user(map[string]principal.Role{"team_a": principal.Observer}), problem.Forbidden, problem.Forbidden},
		"a key, whatever its role":         {apiKey(principal.TeamAdmin), problem.Forbidden, problem.Forbidden},
		"a key that claims to be an admin": {keyOfAdmin, problem.Forbidden, problem.Forbidden},
		"a platform admin":                 {admin, "", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ctx := principal.With(t.Context(), test.who)
			_, err := principal.RequirePerson(ctx, "team_a", principal.TeamAdmin)
			if got := problem.CodeOf(err); got != test.person {
				t.Errorf("RequirePerson: got %q, want %q", got, test.person)
			}
			_, err = principal.RequireAdmin(ctx)
			if got := problem.CodeOf(err); got != test.admin {
				t.Errorf("RequireAdmin: got %q, want %q", got, test.admin)
			}
		})
	}
}

// TestRequireNeverAdmitsMoreThanTheRole checks Require against the rule in one line, over all that may be asked.
func TestRequireNeverAdmitsMoreThanTheRole(t *testing.T) {
	roles := []principal.Role{principal.None, principal.Observer, principal.Responder, principal.TeamAdmin, "OWNER"}
	rank := map[principal.Role]int{principal.Observer: 1, principal.Responder: 2, principal.TeamAdmin: 3}
	rapid.Check(t, func(t *rapid.T) {
		teams := rapid.MapOf(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.SampledFrom(roles)).Draw(t, "teams")
		team := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "team")
		min := rapid.SampledFrom(roles[1:4]).Draw(t, "min")
		_, err := principal.Require(principal.With(context.Background(), user(teams)), team, min)
		if want := rank[teams[team]] >= rank[min]; (err == nil) != want {
			t.Fatalf("admitted: %v, want %v", err == nil, want)
		}
	})
}

func TestBest(t *testing.T) {
	for name, test := range map[string]struct {
		who  principal.Principal
		want principal.Role
	}{
		"nothing":        {user(nil), principal.None},
		"the highest":    {user(map[string]principal.Role{"a": principal.Observer, "b": principal.Responder}), principal.Responder},
		"platform admin": {admin, principal.TeamAdmin},
	} {
		if got := test.who.Best(); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestTheWireFormRoundTrips(t *testing.T) {
	want := principal.Principal{
		Kind: principal.User, ID: "usr_1", UserID: "usr_1", Email: "a@b.test", Name: "A", PlatformAdmin: true,
		Teams: map[string]principal.Role{"team_a": principal.Observer}, SessionHash: "ab",
	}
	raw, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got principal.Principal
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if got.ID != want.ID || got.UserID != want.UserID || got.RoleIn("x") != principal.TeamAdmin || got.Teams["team_a"] != principal.Observer || got.SessionHash != want.SessionHash {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestOrigin(t *testing.T) {
	if got := principal.OriginOf(t.Context()); got != (principal.Origin{}) {
		t.Errorf("work without a request: got %+v", got)
	}
	want := principal.Origin{IP: "192.0.2.1", UserAgent: "x", RequestID: "y"}
	if got := principal.OriginOf(principal.WithOrigin(t.Context(), want)); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
