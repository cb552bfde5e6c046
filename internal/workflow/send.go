package workflow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/oklog/ulid/v2"

	"pagefree/internal/execution/target"
	"pagefree/internal/execution/target/webhook"
	"pagefree/internal/platform/due"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/text"
	"pagefree/internal/runbook"
)

// maxAnswer is what is kept of a webhook's answer, in bytes.
const maxAnswer = 2 << 10

// doWebhook sends a request, at most once: it is claimed, sent, and recorded. A
// claim whose outcome nobody recorded is not sent again, so none is made that
// the end of the invocation may cut short: the next one has all its time.
func (e *Engine) doWebhook(ctx context.Context, s step) (bool, error) {
	if !due.Fits(ctx, sendIn) {
		return false, dynamo.Commit(ctx, e.Store.Table.DB, e.Store.replaceRun(s.was, s.was.next().putOff(s.now))...)
	}
	body, err := s.body()
	if err != nil {
		return e.failed(ctx, s, unresolved+err.Error())
	}
	names := runbook.Target{Headers: s.Headers, SignWith: s.SignWith}.SecretNames()
	secrets, err := e.Secrets.Resolve(ctx, s.is.TeamID, names)
	if missing, is := errors.AsType[*secret.MissingError](err); is {
		return e.failed(ctx, s, "secret_missing: "+missing.Error())
	}
	if err != nil {
		return false, err
	}
	id := s.is.requestID(s.ID)
	header, err := webhook.Envelope{ID: id, Headers: s.Headers, SignWith: s.SignWith, Secrets: secrets}.Header(body, s.now)
	if err != nil {
		return e.failed(ctx, s, err.Error()) // a *target.Refused, which begins with its code
	}
	for name, value := range s.Headers { // a body of their own may be of another type
		if http.CanonicalHeaderKey(name) == "Content-Type" {
			header.Set(name, value)
		}
	}
	header.Set("X-PageFree-Depth", strconv.Itoa(s.is.Depth))
	header.Set("X-PageFree-Run", s.is.ID)

	seen, cut := text.Clip(body, false, maxInput)
	input := map[string]any{"url": s.URL, "body": seen, "bodyTruncated": cut}
	claimed := s.is.enter(s.n, Running, input, s.now)
	claimed.Claim = ulid.Make().String()
	claimed = claimed.remind(s.now)
	if err := e.commit(ctx, s.was, claimed, s.now); err != nil {
		return false, err
	}
	hide := target.NewMask(slices.Collect(maps.Values(secrets))...)
	answer, err := e.Client.Do(ctx, safehttp.Request{URL: s.URL, Header: header, Body: body, Timeout: sendFor, Limit: maxAnswer + hide.Longest()})
	status, output, why := Completed, map[string]any(nil), ""
	if answer.Status != 0 {
		kept, cut := text.Clip([]byte(hide.Apply(string(answer.Body), answer.More)), answer.More, maxAnswer)
		output = map[string]any{"status": answer.Status, "body": kept, "bodyTruncated": cut}
	}
	switch {
	case err != nil:
		status, why = Failed, unanswered(err)
	case answer.Status < 200 || answer.Status > 299:
		status, why = Failed, fmt.Sprintf("http %d", answer.Status)
	}
	return true, e.settle(ctx, claimed, s, status, output, why)
}

// unanswered says what became of a request that got no whole answer.
func unanswered(err error) string {
	if f, is := errors.AsType[*safehttp.Forbidden](err); is {
		return f.Error()
	}
	if errors.Is(err, safehttp.ErrNotSent) {
		return err.Error()
	}
	return "outcome unknown: " + err.Error()
}

// settle records how a request ended, if its claim still stands.
func (e *Engine) settle(ctx context.Context, was Run, s step, status Status, output map[string]any, why string) error {
	for try := 0; ; try++ {
		now := e.Now()
		err := e.commit(ctx, was, was.next().leave(s.n, s.OnFailure, status, output, why, now), now)
		if _, lost := dynamo.Failed(err); !lost && !errors.Is(err, dynamo.ErrContended) || try == rounds {
			return err
		}
		there, found, rerr := e.Store.run(ctx, was.ID)
		if rerr != nil {
			return rerr
		}
		if !found || there.Claim != was.Claim { // it was cancelled meanwhile, or given up
			return nil
		}
		was = there
	}
}

// body is what a webhook step posts: its template, filled, or else what a
// receiver may want to know.
func (s step) body() ([]byte, error) {
	if s.Body != nil {
		filled, err := s.fill(*s.Body)
		return []byte(filled), err
	}
	inc := s.world.incident
	inc.Raw = nil // what an integration sent, up to a megabyte of anything
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	err := out.Encode(map[string]any{
		"run": map[string]any{
			"id": s.is.ID, "workflowId": s.is.WorkflowID, "workflowName": s.is.WorkflowName, "workflowVersion": s.is.WorkflowVersion,
			"event": s.is.Event, "depth": s.is.Depth,
		},
		"step": map[string]any{"id": s.ID}, "incident": inc, "sentAt": s.now.UTC().Format(time.RFC3339),
	})
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
