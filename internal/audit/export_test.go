package audit_test

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"pagefree/infra/audit/verify"
	"pagefree/internal/audit"
	"pagefree/internal/platform/kmssign"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

// exported are the pages of an export, one after another.
func (w *world) exported(who principal.Principal, query url.Values) []string {
	w.t.Helper()
	q := url.Values{}
	for name, values := range query {
		q[name] = values
	}
	var pages []string
	for range 500 {
		rec, req := httptest.NewRecorder(), httptest.NewRequestWithContext(as(w.t.Context(), who), "GET", "/v1/audit/export?"+q.Encode(), nil)
		w.api.ServeHTTP(rec, req)
		w.say.Check(w.t, req, rec)
		if rec.Code != 200 || rec.Header().Get("Content-Type") != "application/x-ndjson" {
			w.t.Fatalf("%v: got %d %s: %s", q, rec.Code, rec.Header().Get("Content-Type"), rec.Body)
		}
		pages = append(pages, rec.Body.String())
		lines := strings.Split(strings.TrimSuffix(rec.Body.String(), "\n"), "\n")
		var end struct{ NextCursor *string }
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &end); err != nil {
			w.t.Fatal(err)
		}
		if end.NextCursor == nil {
			return pages
		}
		q.Set("cursor", *end.NextCursor)
	}
	w.t.Fatal("the export does not end")
	return nil
}

// verified is what the verifier says of an export, by the public key that KMS tells.
func (w *world) verified(who principal.Principal, query url.Values) verify.Report {
	w.t.Helper()
	der, err := kmssign.Key{ID: w.env.KeyID("AuditKey"), Client: kms.NewFromConfig(w.env.Config)}.Public(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := verify.ParseKey(der)
	if err != nil {
		w.t.Fatal(err)
	}
	file := strings.Join(w.exported(who, query), "")
	return verify.Files([]verify.Input{{Name: "export", Data: strings.NewReader(file)}}, []*ecdsa.PublicKey{key})
}

// history is a record of two teams and of none, in blocks of three, and with two events that are not sealed.
func history(t *testing.T) *world {
	w := newWorld(t)
	for i := range 14 {
		w.note([]principal.Principal{lead, both, admin}[i%3], noon.Add(time.Duration(i)*time.Minute),
			audit.Entry{Type: "runbook.created", TeamID: []string{"team_a", "team_b", ""}[i%3], Subject: audit.Ref{Kind: "runbook", ID: fmt.Sprint("rb_", i)}})
	}
	for i := range 4 {
		var at int
		for _, pk := range []string{"team#team_a", "team#team_b", "team#"} {
			b := w.batch(pk, i, i+1)
			at = 3*i + 1
			if pk == "team#" { // all three in one block
				b.Records = append(append(w.batch("team#team_a", i, i+1).Records, w.batch("team#team_b", i, i+1).Records...), b.Records...)
				if got := w.sealer(noon.Add(time.Duration(at+30)*time.Minute)).Stream(t.Context(), b); !done(got) {
					t.Fatalf("got %+v", got)
				}
			}
		}
	}
	return w
}

func TestExport(t *testing.T) {
	w := history(t)
	at := func(n int) []string { return []string{noon.Add(time.Duration(n) * time.Minute).Format(time.RFC3339)} }
	tests := map[string]struct {
		who   principal.Principal
		query url.Values
		want  verify.Report
	}{
		"everything":           {admin, nil, verify.Report{Events: 14, Sealed: 12, Blocks: 4, Head: 4, Unsealed: 2}},
		"own team":             {lead, nil, verify.Report{Events: 5, Sealed: 4, Blocks: 4, Unsealed: 1, OfOthers: 8, Partial: true}},
		"own teams":            {both, nil, verify.Report{Events: 10, Sealed: 8, Blocks: 4, Unsealed: 2, OfOthers: 4, Partial: true}},
		"by a key":             {keyLead, nil, verify.Report{Events: 5, Sealed: 4, Blocks: 4, Unsealed: 1, OfOthers: 8, Partial: true}},
		"from":                 {admin, url.Values{"from": at(4)}, verify.Report{Events: 10, Sealed: 8, Blocks: 3, Unsealed: 2, Elsewhere: 1, Partial: true, Gaps: 1}},
		"to":                   {admin, url.Values{"to": at(4)}, verify.Report{Events: 5, Sealed: 5, Blocks: 2, Elsewhere: 1, Partial: true}},
		"from and to":          {lead, url.Values{"from": at(1), "to": at(6)}, verify.Report{Events: 2, Sealed: 2, Blocks: 2, OfOthers: 4, Partial: true, Gaps: 1}},
		"before all":           {admin, url.Values{"to": {"2020-01-01T00:00:00Z"}}, verify.Report{Partial: true}},
		"after all, of a team": {lead, url.Values{"from": {"9999-01-01T00:00:00Z"}}, verify.Report{Partial: true}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, limit := range []string{"1", "4", "200"} {
				query := url.Values{"limit": {limit}}
				for k, v := range tt.query {
					query[k] = v
				}
				got := w.verified(tt.who, query)
				if !got.OK() {
					t.Errorf("by %s: %q", limit, got.Problems)
				}
				got.Teams, got.UnsealedSince, got.UnsealedUntil, got.Pages = nil, "", "", 0
				if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", tt.want) {
					t.Errorf("by %s: got %+v, want %+v", limit, got, tt.want)
				}
			}
		})
	}
}

// TestAPartGivesNothingAway: of another team's events the leaf shows, and neither id nor hash nor salt.
func TestAPartGivesNothingAway(t *testing.T) {
	w := history(t)
	part := strings.Join(w.exported(lead, nil), "")
	var whole []string
	for line := range strings.Lines(strings.Join(w.exported(admin, nil), "")) {
		var l struct {
			Entries []struct{ ID, Salt, Hash string }
			Event   struct {
				ID     string
				TeamID *string
			}
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		for _, e := range l.Entries {
			whole = append(whole, e.ID, e.Salt, e.Hash)
		}
	}
	shown := 0
	for i := 0; i < len(whole); i += 3 {
		id, salt, hash := strings.Contains(part, whole[i]), strings.Contains(part, whole[i+1]), strings.Contains(part, whole[i+2])
		if id != salt || id != hash {
			t.Errorf("%s: id shown: %v, salt: %v, hash: %v", whole[i], id, salt, hash)
		}
		if id {
			shown++
		}
	}
	if shown != 4 || strings.Contains(part, "team_b") {
		t.Errorf("%d entries are shown, want those of the four own events: %s", shown, part)
	}
}

// TestAnExportShowsWhatIsGone: somebody with rights that nobody of the product has was at the table.
func TestAnExportShowsWhatIsGone(t *testing.T) {
	first := func(w *world, pk string) map[string]types.AttributeValue { return w.items(pk)[0] }
	tests := map[string]struct {
		do   func(w *world)
		who  principal.Principal
		want string
	}{
		"an event":                      {func(w *world) { w.removed(first(w, "team#team_a")) }, admin, "of block 1 is missing"},
		"an event, to its team":         {func(w *world) { w.removed(first(w, "team#team_a")) }, lead, "of block 1 is missing"},
		"an event and its mark":         {func(w *world) { w.removed(first(w, "team#team_a")); w.removed(first(w, "sealed#team_a")) }, admin, "of block 1 is missing"},
		"a block":                       {func(w *world) { w.removed(first(w, "block#")) }, admin, "block 1, which is missing"},
		"a block, to a team":            {func(w *world) { w.removed(first(w, "block#")) }, lead, "block 1, which is missing"},
		"the last block and all of it":  {func(w *world) { w.lastBlock() }, admin, "block 4 is missing"},
		"an event that is another now":  {func(w *world) { w.rewritten() }, admin, "was changed"},
		"its own event, to a team":      {func(w *world) { w.rewritten() }, lead, "was changed"},
		"an event that is none now":     {func(w *world) { w.unreadable("team#team_a", "at") }, admin, "of block 1 is missing"},
		"the same, to its team":         {func(w *world) { w.unreadable("team#team_a", "at") }, lead, "of block 1 is missing"},
		"a block that is none now":      {func(w *world) { w.unreadable("block#", "entries") }, admin, "block 1, which is missing"},
		"a block without its teams":     {func(w *world) { w.unreadable("block#", "teams") }, lead, "block 1, which is missing"},
		"the mark of an event, of many": {func(w *world) { w.removed(first(w, "sealed#team_a")) }, admin, ""}, // it is proven by its block all the same
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := history(t)
			tt.do(w)
			got := w.verified(tt.who, url.Values{"limit": {"5"}})
			if tt.want == "" {
				if !got.OK() {
					t.Errorf("got %q", got.Problems)
				}
				return
			}
			if !slices.ContainsFunc(got.Problems, func(p string) bool { return strings.Contains(p, tt.want) }) {
				t.Errorf("got %q, want %q", got.Problems, tt.want)
			}
		})
	}
}

// lastBlock removes the last block with its events and their marks, and leaves the end of the chain.
func (w *world) lastBlock() {
	for _, team := range []string{"team_a", "team_b", ""} {
		w.removed(w.items("team#" + team)[3])
		w.removed(w.items("sealed#" + team)[3])
	}
	w.removed(w.items("block#")[3])
}

// rewritten puts another event in the place of one.
func (w *world) rewritten() {
	item := w.items("team#team_a")[0]
	item["type"] = &types.AttributeValueMemberS{Value: "runbook.rejected"}
	name := w.env.Table("AuditTable")
	if _, err := dynamodb.NewFromConfig(w.env.Config).PutItem(w.t.Context(), &dynamodb.PutItemInput{TableName: &name, Item: item}); err != nil {
		w.t.Fatal(err)
	}
}

// unreadable puts a text in the place of a member that has to be something else.
func (w *world) unreadable(pk, member string) {
	item := w.items(pk)[0]
	item[member] = &types.AttributeValueMemberS{Value: "nonsense"}
	name := w.env.Table("AuditTable")
	if _, err := dynamodb.NewFromConfig(w.env.Config).PutItem(w.t.Context(), &dynamodb.PutItemInput{TableName: &name, Item: item}); err != nil {
		w.t.Fatal(err)
	}
}

// TestTheListPassesByWhatCannotBeRead: one item that is no event hides none of the others.
func TestTheListPassesByWhatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	w.appended(noon, 5)
	w.unreadable("team#team_a", "at")
	for _, who := range []principal.Principal{lead, admin} {
		for _, limit := range []string{"1", "3", "50"} {
			if got := w.subjects(who, url.Values{"limit": {limit}}); len(got) != 4 {
				t.Errorf("by %s: got %v, want the other four", limit, got)
			}
		}
	}
}

// TestAPageFits: long events make short pages.
func TestAPageFits(t *testing.T) {
	w := newWorld(t)
	for i := range 9 {
		w.note(lead, noon.Add(time.Duration(i)*time.Second), audit.Entry{Type: "runbook.created", TeamID: "team_a", Detail: map[string]any{"text": strings.Repeat("<", 300_000)}})
	}
	w.sweep(noon.Add(time.Minute))
	pages := w.exported(admin, url.Values{"limit": {"200"}})
	for i, p := range pages {
		if len(p) > 3<<20 || bytes.Count([]byte(p), []byte("\n")) < 4 {
			t.Errorf("page %d: %d bytes", i, len(p))
		}
	}
	if len(pages) < 2 {
		t.Errorf("got %d pages", len(pages))
	}
	w.sealedOnce(9, 1)
}

func TestExportRefusals(t *testing.T) {
	w := history(t)
	var end struct{ NextCursor string }
	page := strings.Split(strings.TrimSpace(func() string {
		rec := httptest.NewRecorder()
		w.api.ServeHTTP(rec, httptest.NewRequestWithContext(as(t.Context(), lead), "GET", "/v1/audit/export?limit=1", nil))
		return rec.Body.String()
	}()), "\n")
	if err := json.Unmarshal([]byte(page[len(page)-1]), &end); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		who    principal.Principal
		query  string
		status int
		code   problem.Code
	}{
		"nobody":                      {principal.Principal{}, "", 401, problem.Unauthenticated},
		"an observer":                 {observer, "", 403, problem.Forbidden},
		"somebody of no team":         {nobody, "", 403, problem.Forbidden},
		"a time that is none":         {lead, "?from=yesterday", 422, problem.ValidationFailed},
		"an end before its beginning": {lead, "?from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z", 422, problem.ValidationFailed},
		"limit 201":                   {lead, "?limit=201", 422, problem.ValidationFailed},
		"a cursor of another window":  {lead, "?from=2026-03-01T00:00:00Z&cursor=" + end.NextCursor, 400, problem.CursorInvalid},
		"a cursor of nobody":          {lead, "?cursor=abc", 400, problem.CursorInvalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			rec, req := httptest.NewRecorder(), httptest.NewRequestWithContext(as(t.Context(), tt.who), "GET", "/v1/audit/export"+tt.query, nil)
			w.api.ServeHTTP(rec, req)
			w.say.Check(t, req, rec)
			var body struct{ Code problem.Code }
			if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil || rec.Code != tt.status || body.Code != tt.code {
				t.Errorf("got %d %s, want %d %s", rec.Code, rec.Body, tt.status, tt.code)
			}
		})
	}
}

// TestSealedWhileItIsExported: what is sealed between two reads of an export does not spoil it.
func TestSealedWhileItIsExported(t *testing.T) {
	for _, operation := range []string{"Query", "BatchGetItem", "GetItem", "GetPublicKey"} {
		for nth := 1; nth <= 3; nth++ {
			w := newWorld(t)
			w.appended(noon, 6)
			first, rest := w.batch("team#team_a", 0, 2), w.batch("team#team_a", 2, 6)
			s := w.sealer(noon.Add(time.Minute))
			if nth == 3 { // there is a chain before
				if got := s.Stream(t.Context(), first); !done(got) {
					t.Fatalf("got %+v", got)
				}
			}
			seen := 0
			w.between = func(call string) {
				if !strings.HasSuffix(call, "."+operation) {
					return
				}
				if seen++; seen == min(nth, 2) {
					s.Stream(t.Context(), first)
					s.Stream(t.Context(), rest)
				}
			}
			if r := w.verified(admin, nil); !r.OK() || r.Events != 6 || r.Unfinished {
				t.Errorf("sealed at %s %d: got %+v", operation, nth, r)
			}
		}
	}
}
