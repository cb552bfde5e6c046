package runbook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/problem"
)

// TestTheConditionRefusesSelfApproval goes around the service: whoever calls
// the store with a reviewer that wrote or submitted the version writes nothing.
func TestTheConditionRefusesSelfApproval(t *testing.T) {
	w := newWorld(t)
	at := w.draft("one")
	w.must(200, "second", "POST", at+"/versions/1/submit", nil)
	edit := expression.Set(expression.Name("lastEditorId"), expression.Value("usr_editor"))
	if err := w.store.commit(t.Context(), w.store.Table.Update(versionKey(idOf(at), 1), edit, dynamo.Present())); err != nil {
		t.Fatal(err)
	}
	approve := func(by *string) error {
		r, v, err := w.service.read(t.Context(), idOf(at), 1)
		if err != nil {
			t.Fatal(err)
		}
		v.Status, v.ReviewedByID = Approved, by
		if v, err = seal(t.Context(), w.seal, r.Team(), v); err != nil {
			t.Fatal(err)
		}
		is, err := point(t.Context(), w.seal, r.pointsAt(v))
		if err != nil {
			t.Fatal(err)
		}
		return w.store.approve(t.Context(), r, is, v, w.service.record(t.Context(), is, "approved", w.clock.Now(), nil))
	}
	for name, by := range map[string]*string{"the author": ptr("usr_lead"), "the submitter": ptr("usr_second"), "the last editor": ptr("usr_editor"), "nobody": nil} {
		err := approve(by)
		if lost, ok := dynamo.Failed(err); !ok || lost.Index != 0 {
			t.Errorf("%s: got %v, want the condition of the version", name, err)
		}
	}
	if r, v, err := w.service.read(t.Context(), idOf(at), 1); err != nil || v.Status != PendingReview || r.Approved != 0 || r.Sequence != 0 {
		t.Fatalf("a refused approval was written: %+v, %+v, %v", r, v, err)
	}
	if err := approve(ptr("usr_reviewer")); err != nil {
		t.Errorf("a second person: %v", err)
	}
	w.runs(at, 1)
}

// race calls every f at once and returns their answers.
func race(fs ...func() answer) []answer {
	answers := make([]answer, len(fs))
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i, f := range fs {
		wg.Go(func() {
			<-start
			answers[i] = f()
		})
	}
	close(start)
	wg.Wait()
	return answers
}

func (w *world) call(who, method, path string, in any) func() answer {
	return func() answer { return w.do(who, method, path, in) }
}

func statuses(answers []answer) []int {
	var got []int
	for _, a := range answers {
		got = append(got, a.StatusCode)
	}
	slices.Sort(got)
	return got
}

func TestRaces(t *testing.T) {
	w := newWorld(t)
	for round := range 4 {
		at := w.pending(fmt.Sprintf("reviewers %d", round))
		answers := race(
			w.call("reviewer", "POST", at+"/versions/1/approve", nil), w.call("second", "POST", at+"/versions/1/approve", nil),
			w.call("admin", "POST", at+"/versions/1/reject", body{"reason": "no"}),
		)
		if got := statuses(answers); !slices.Equal(got, []int{200, 409, 409}) {
			t.Errorf("three reviewers at once: got %v", got)
		}
		for _, a := range answers {
			if a.StatusCode == 409 && a.str("code") != "invalid_transition" {
				t.Errorf("the loser of a review: got %s", a.text)
			}
		}
		r, v, err := w.service.read(t.Context(), idOf(at), 1)
		if err != nil || (v.Status == Approved) != (r.Approved == 1) || (v.Status == Approved) != (r.Sequence == 1) {
			t.Errorf("after three reviewers: version %s, head %+v, %v", v.Status, r, err)
		}

		at = w.pending(fmt.Sprintf("edit %d", round))
		answers = race(w.call("reviewer", "POST", at+"/versions/1/approve", nil), w.call("lead", "POST", at+"/versions", script))
		approved, edited := answers[0].StatusCode, answers[1].StatusCode
		r, err = w.store.Runbook(t.Context(), idOf(at))
		if edited != http.StatusCreated || err != nil || r.Newest != 2 || (approved == 200) != (r.Approved == 1) || (approved != 200 && approved != 409) {
			t.Errorf("an edit during an approval: got %v, approved version %d, %v", statuses(answers), r.Approved, err)
		}
		if q := w.must(200, "reviewer", "GET", "/v1/reviews", nil).items(); len(q) != 0 {
			t.Errorf("something is left in the queue: %v", q)
		}

		at = w.draft(fmt.Sprintf("editors %d", round))
		if got := statuses(race(w.call("lead", "POST", at+"/versions", script), w.call("second", "POST", at+"/versions", script))); !slices.Equal(got, []int{201, 201}) {
			t.Errorf("two editors: got %v", got)
		}
		if r, err = w.store.Runbook(t.Context(), idOf(at)); err != nil || r.Newest != 3 {
			t.Errorf("two editors: the newest is %d, %v", r.Newest, err)
		}

		name := body{"name": fmt.Sprintf("wanted %d", round)}
		other := w.draft(fmt.Sprintf("another %d", round))
		answers = race(w.call("lead", "PATCH", at, name), w.call("second", "PATCH", other, name), w.call("reviewer", "POST", "/v1/runbooks", w.creation(name["name"].(string))))
		if got := statuses(answers); !slices.Equal(got, []int{200, 409, 409}) && !slices.Equal(got, []int{201, 409, 409}) {
			t.Errorf("three who want one name: got %v", got)
		}

		at = w.approved(fmt.Sprintf("state %d", round))
		answers = race(w.call("lead", "POST", at+"/archive", body{"reason": "a"}), w.call("second", "POST", at+"/archive", body{"reason": "b"}))
		if got := statuses(answers); !slices.Equal(got, []int{200, 409}) {
			t.Errorf("two who archive: got %v", got)
		}
	}
}

func TestStillRuns(t *testing.T) {
	w := newWorld(t)
	at := w.approved("one")
	depends := func(r Runbook) error { return w.store.commit(t.Context(), w.store.StillRuns(r)) }
	r, _, err := w.store.Runnable(t.Context(), idOf(at))
	if err != nil || depends(r) != nil {
		t.Fatalf("got %v, %v", err, depends(r))
	}
	w.must(200, "lead", "PATCH", at, body{"name": "uno"})
	w.must(201, "lead", "POST", at+"/versions", script)
	if err := depends(r); err != nil {
		t.Errorf("words and drafts move no pointer: %v", err)
	}
	for _, step := range []struct {
		who, path string
		in        any
	}{
		{"lead", "/deprecate", body{"reason": "x"}}, {"lead", "/archive", body{"reason": "x"}}, {"lead", "/restore", nil},
	} {
		before, err := w.store.Runbook(t.Context(), idOf(at))
		if err != nil {
			t.Fatal(err)
		}
		w.must(200, step.who, "POST", at+step.path, step.in)
		if _, lost := dynamo.Failed(depends(before)); !lost {
			t.Errorf("after %s an old head still runs", step.path)
		}
	}
}

func TestRunnable(t *testing.T) {
	w := newWorld(t)
	draft := w.draft("draft")
	r, v, err := w.store.Runnable(t.Context(), idOf(draft))
	if err != nil || r.ID != idOf(draft) || v.Version != 0 || problem.CodeOf(r.MayRun()) != NotApproved {
		t.Errorf("a draft: got %+v, %v", v, err)
	}
	for _, unknown := range []string{"rb_01ARZ3NDEKTSV4RRFFQ69G5FAV", "", "svc_01ARZ3NDEKTSV4RRFFQ69G5FAV", "rb_01ARZ3NDEKTSV4RRFFQ69G5FAV#head"} {
		if _, _, err := w.store.Runnable(t.Context(), unknown); problem.CodeOf(err) != problem.NotFound {
			t.Errorf("%q: got %v", unknown, err)
		}
	}
	at := w.approved("one")
	if err := w.store.commit(t.Context(), w.store.Table.Delete(versionKey(idOf(at), 1), dynamo.Present())); err != nil {
		t.Fatal(err)
	}
	r, v, err = w.store.Runnable(t.Context(), idOf(at))
	if err != nil || !errors.Is(CheckSeal(t.Context(), w.seal, r, v), ErrSealBroken) {
		t.Errorf("a version that was removed: got %v", err)
	}
}

// TestWhatIsStoredIsWhatWasWritten: the seal is over what is read back, so
// that values which a store likes to drop (false, 0, empty text) must come back.
func TestWhatIsStoredIsWhatWasWritten(t *testing.T) {
	w := newWorld(t)
	params := []Parameter{
		{Name: "A", Type: Boolean, Default: false}, {Name: "B", Type: Integer, Default: 0.0, Enum: []any{0.0, float64(maxInteger)}},
		{Name: "C", Type: String, Default: "", Enum: []any{"", "x"}}, {Name: "D", Type: Number, Default: maxNumber, Enum: []any{maxNumber, minNumber, -0.1, 1.0 / 3}},
		{Name: "E", Type: String, Template: "{{incident.title}}", Secret: true, Required: true, Pattern: "<&>", MaxLength: ptr(9), Description: "ä"},
	}
	in := Content{Language: Python, ScriptContent: "print('<ä>')", Parameters: params, Target: Target{Type: Sandbox}, MaxRunsPerHour: ptr(1)}
	view, err := w.service.Create(w.as("lead"), Creation{Name: "one", TeamID: &w.team, Content: in})
	if err != nil {
		t.Fatal(err)
	}
	v, err := w.store.Version(t.Context(), view.ID, 1)
	if err != nil || !reflect.DeepEqual(v.content(), in.withDefaults()) {
		t.Fatalf("got %+v, %v\nwant %+v", v.content(), err, in.withDefaults())
	}
	at := "/v1/runbooks/" + view.ID
	w.must(200, "lead", "POST", at+"/versions/1/submit", nil)
	w.must(200, "reviewer", "POST", at+"/versions/1/approve", nil)
	w.runs(at, 1)
}

// swallowed answers writes with an error although they were done, as a
// network does at its worst.
type swallowed struct {
	http.RoundTripper
	times int
}

func (s *swallowed) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := s.RoundTripper.RoundTrip(r)
	if s.times > 0 && err == nil && strings.HasSuffix(r.Header.Get("X-Amz-Target"), "TransactWriteItems") {
		s.times--
		answer.Body.Close()
		return nil, errors.New("connection reset by peer")
	}
	return answer, err
}

func TestAnApprovalWhoseAnswerIsLostIsDoneOnce(t *testing.T) {
	w := newWorld(t)
	at := w.pending("one")
	lossy := &swallowed{RoundTripper: http.DefaultTransport, times: 1}
	w.service.Store.Table.DB = dynamodb.New(w.store.Table.DB.Options(), func(o *dynamodb.Options) { o.HTTPClient = &http.Client{Transport: lossy} })
	w.must(200, "reviewer", "POST", at+"/versions/1/approve", nil)
	if lossy.times != 0 {
		t.Fatal("no answer was swallowed")
	}
	w.runs(at, 1)
	approvals := 0
	for _, e := range w.recorded() {
		if e.Type == "runbook.approved" {
			approvals++
		}
	}
	if r, err := w.store.Runbook(context.Background(), idOf(at)); err != nil || approvals != 1 || r.Sequence != 1 {
		t.Errorf("got %d approvals on record, sequence %d, %v", approvals, r.Sequence, err)
	}
}

func TestARaceThatIsLostEachTimeIsAConflict(t *testing.T) {
	tries := 0
	_, err := again(func() (int, error) {
		tries++
		return 0, &dynamo.ConditionError{}
	})
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Status != http.StatusConflict || p.Code != problem.Conflict || tries != attempts {
		t.Errorf("got %v after %d tries", err, tries)
	}
}
