package ssm

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"

	nodes "pagefree/infra/local/ssm"

	front "pagefree/infra/local/aws"
	"pagefree/infra/local/awstest"
	"pagefree/internal/execution/target"
	"pagefree/internal/platform/id"
	"pagefree/internal/runbook"
)

// world is one test's Systems Manager, with nodes that run scripts.
type world struct {
	*testing.T
	env       *awstest.Env
	target    Target
	publisher Publisher
	began     time.Time
}

func newWorld(t *testing.T, options ...func(*nodes.Options)) *world {
	env := awstest.New(t, options...)
	client := ssm.NewFromConfig(env.Config)
	return &world{
		T: t, env: env, began: time.Now(),
		target:    Target{SSM: client, S3: Outputs(env.Config), Bucket: env.Bucket("OutputBucket"), Prefix: "executions"},
		publisher: Publisher{SSM: client, Prefix: "test-"},
	}
}

// impatient lets the SDK try reads once, where a test makes them fail for good.
func (w *world) impatient() {
	cfg := w.env.Config
	cfg.RetryMaxAttempts = 1
	w.target.SSM = ssm.NewFromConfig(cfg)
	w.publisher.SSM = w.target.SSM
}

// version is a version of a runbook of its own.
func version(language, script string, params ...runbook.Parameter) runbook.Version {
	return runbook.Version{
		RunbookID: id.New(id.Runbook, time.Now()), Version: 1, Language: language, ScriptContent: script, Parameters: params, TimeoutSeconds: 60,
		Target: on("mi-local"),
	}
}

func on(ids ...string) runbook.Target {
	return runbook.Target{Type: runbook.SSM, InstanceIDs: ids, MaxNodes: len(ids)}
}

func (w *world) publish(v runbook.Version) runbook.Document {
	w.Helper()
	d, err := w.publisher.Publish(w.Context(), runbook.Runbook{ID: v.RunbookID}, v)
	if err != nil {
		w.Fatal(err)
	}
	return d
}

// job is a first attempt of a version, which is published.
func (w *world) job(v runbook.Version, values map[string]any) target.Job {
	w.Helper()
	d := w.publish(v)
	return target.Job{
		ExecutionID: id.New(id.Execution, time.Now()), Attempt: 1, Language: v.Language, Script: v.ScriptContent, Values: values,
		Timeout: time.Duration(v.TimeoutSeconds) * time.Second, Target: v.Target, Document: &d,
	}
}

func (w *world) sent(j target.Job, ref string) target.Sent {
	return target.Sent{
		ExecutionID: j.ExecutionID, Attempt: j.Attempt, Ref: ref, Document: j.Document, Target: j.Target, Since: w.began, Timeout: j.Timeout,
	}
}

func (w *world) send(j target.Job) target.Sent {
	w.Helper()
	r, err := w.target.Send(w.Context(), j)
	if err != nil {
		w.Fatal(err)
	}
	if r.State != target.Running || r.Ref == "" {
		w.Fatalf("got %+v", r)
	}
	return w.sent(j, r.Ref)
}

// await looks until the job has ended.
func (w *world) await(s target.Sent) target.Report {
	w.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		r, found, err := w.target.Look(w.Context(), s)
		if err != nil {
			w.Fatal(err)
		}
		if found && r.State != target.Running {
			return r
		}
	}
	w.Fatal("it does not end")
	return target.Report{}
}

func (w *world) run(v runbook.Version, values map[string]any) target.Report {
	w.Helper()
	return w.await(w.send(w.job(v, values)))
}

func (w *world) calls(operation string) int {
	return w.env.Counts.Number(front.Call{Service: "ssm", Operation: operation})
}

func (w *world) refused(err error, code string) {
	w.Helper()
	r, ok := errors.AsType[*target.Refused](err)
	if !ok || r.Code != code || r.Reason == "" {
		w.Errorf("got %v, want a refusal with the code %s", err, code)
	}
}

func exits(r target.Report, state target.State, code int) bool {
	return r.State == state && r.ExitCode != nil && *r.ExitCode == code
}
