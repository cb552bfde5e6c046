package ssm

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"

	front "pagefree/infra/local/aws"
	nodes "pagefree/infra/local/ssm"
	"pagefree/internal/execution/target"
	"pagefree/internal/runbook"
)

var objectReads = front.Call{Service: "s3", Operation: "GetObject"}

// TestOneAttempt: SendCommand has no client token, so that a second try could
// run a script twice. What happened to the first is told by kind.
func TestOneAttempt(t *testing.T) {
	tests := map[string]struct {
		fault front.Action
		want  error
		ran   bool
	}{
		"a throttled one was not sent":         {front.Throttle, target.ErrNotSent, false},
		"a fault of SSM leaves it open":        {front.Fail, target.ErrUnknown, false},
		"a lost answer leaves it open, it ran": {front.Swallow, target.ErrUnknown, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			j := w.job(version(runbook.Bash, "echo once"), nil)
			w.env.Faults.Add(front.Fault{Service: "ssm", Operation: "SendCommand", Do: tt.fault, Times: -1})
			if _, err := w.target.Send(t.Context(), j); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if n := w.calls("SendCommand"); n != 1 {
				t.Errorf("sent %d times", n)
			}
			if !tt.ran {
				if _, found, err := w.target.Look(t.Context(), w.sent(j, "")); err != nil || found {
					t.Errorf("found: %v, %v", found, err)
				}
				return
			}
			// ListCommands, by the comment.
			if r := w.await(w.sent(j, "")); !exits(r, target.Completed, 0) || r.Ref == "" || r.Output.Stdout != "once\n" {
				t.Errorf("got %+v", r)
			}
			other := w.sent(j, "")
			other.Attempt = 2
			if _, found, err := w.target.Look(t.Context(), other); err != nil || found {
				t.Errorf("another attempt: found %v, %v", found, err)
			}
		})
	}
}

func TestNoConnection(t *testing.T) {
	w := newWorld(t)
	j := w.job(version(runbook.Bash, "true"), nil)
	closed := "http://127.0.0.1:1"
	working := w.target.SSM
	w.target.SSM = ssm.New(working.Options(), func(o *ssm.Options) { o.BaseEndpoint = &closed })
	_, err := w.target.send(t.Context(), &ssm.SendCommandInput{DocumentName: &j.Document.Name, InstanceIds: []string{"mi-local"}})
	if !errors.Is(err, target.ErrNotSent) {
		t.Errorf("got %v", err)
	}
}

// TestNodesUnreadable: before anything was sent, every failure is ErrNotSent.
func TestNodesUnreadable(t *testing.T) {
	w := newWorld(t)
	j := w.job(version(runbook.Bash, "true"), nil)
	w.impatient()
	w.env.Faults.Add(front.Fault{Service: "ssm", Operation: "DescribeInstanceInformation", Do: front.Fail, Times: -1})
	if _, err := w.target.Send(t.Context(), j); !errors.Is(err, target.ErrNotSent) || w.calls("SendCommand") != 0 {
		t.Errorf("got %v", err)
	}
}

func TestRefused(t *testing.T) {
	tags := func(most int, value string) runbook.Target {
		return runbook.Target{Type: runbook.SSM, Tags: map[string][]string{"env": {value}}, MaxNodes: most}
	}
	tests := map[string]struct {
		change func(*target.Job)
		want   string
		asked  bool // SSM was
	}{
		"more nodes than maxNodes":      {func(j *target.Job) { j.Target = tags(1, "local") }, "too_many_nodes", false},
		"more ids than maxNodes":        {func(j *target.Job) { j.Target = on("mi-local", "mi-offline"); j.Target.MaxNodes = 1 }, "too_many_nodes", false},
		"tags of no node":               {func(j *target.Job) { j.Target = tags(5, "none") }, "no_nodes", false},
		"an agent without ENV_VAR":      {func(j *target.Job) { j.Target = on("mi-old") }, "agent_too_old", false},
		"a node of Windows":             {func(j *target.Job) { j.Target = on("mi-windows") }, "node_unsupported", false},
		"a node that is not registered": {func(j *target.Job) { j.Target = on("mi-0123456789abcdef0") }, "node_unknown", true},
		"no document":                   {func(j *target.Job) { j.Document = nil }, "document_missing", false},
		"a document that is gone":       {func(j *target.Job) { j.Document.Name += "x" }, "document_missing", true},
		"a version that is gone":        {func(j *target.Job) { j.Document.Version = "7" }, "document_missing", true},
		"another hash":                  {func(j *target.Job) { j.Document.Hash = strings.Repeat("0", 64) }, "document_missing", true},
		"a reference in a value":        {func(j *target.Job) { j.Values["HOST"] = "{{ssm:db-password}}" }, "parameter_invalid", false},
		"a parameter that is not there": {func(j *target.Job) { j.Values["OTHER"] = "x" }, "ssm_refused", true},
	}
	w := newWorld(t, func(o *nodes.Options) {
		o.Nodes = append(nodes.DefaultNodes[:3:3], nodes.Node{ID: "mi-old", Agent: "3.3.2299.9"}, nodes.Node{ID: "mi-windows", Platform: "Windows"})
	})
	d := w.publish(version(runbook.Bash, "true", runbook.Parameter{Name: "HOST", Type: runbook.String}))
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, env: w.env, target: w.target}
			w.env.Counts.Reset()
			own := d
			j := target.Job{ExecutionID: "ex_1", Attempt: 1, Values: map[string]any{"HOST": "secret-value"}, Target: on("mi-local"), Document: &own}
			tt.change(&j)
			_, err := w.target.Send(t.Context(), j)
			w.refused(err, tt.want)
			if asked := w.calls("SendCommand") > 0; asked != tt.asked {
				t.Errorf("SendCommand called: %v", asked)
			}
			if strings.Contains(err.Error(), "secret-value") {
				t.Errorf("it shows a value: %v", err)
			}
		})
	}
}

// TestSendSaysWhatRuns: document, version and hash, the comment, the timeout
// of the delivery, and where the output goes.
func TestSendSaysWhatRuns(t *testing.T) {
	w := newWorld(t)
	j := w.job(version(runbook.Bash, "true"), nil)
	s := w.send(j)
	out, err := w.target.SSM.ListCommands(t.Context(), &ssm.ListCommandsInput{CommandId: &s.Ref})
	if err != nil {
		t.Fatal(err)
	}
	c := out.Commands[0]
	if *c.DocumentName != j.Document.Name || *c.DocumentVersion != j.Document.Version || *c.Comment != j.ExecutionID+"#1" || len(*c.Comment) > 100 ||
		*c.TimeoutSeconds != 120 || *c.OutputS3BucketName != w.target.Bucket || *c.OutputS3KeyPrefix != "executions" {
		t.Errorf("got %+v", c)
	}
}

// TestTagsAreSentAsIDs: a node that gets the tag after it was counted does not run it.
func TestTagsAreSentAsIDs(t *testing.T) {
	w := newWorld(t)
	v := version(runbook.Bash, "true")
	v.Target = runbook.Target{Type: runbook.SSM, Tags: map[string][]string{"Name": {"mi-local-2"}}, MaxNodes: 1}
	s := w.send(w.job(v, nil))
	out, err := w.target.SSM.ListCommands(t.Context(), &ssm.ListCommandsInput{CommandId: &s.Ref})
	if err != nil || len(out.Commands[0].Targets) != 0 || len(out.Commands[0].InstanceIds) != 1 || out.Commands[0].InstanceIds[0] != "mi-local-2" {
		t.Errorf("got %+v, %v", out, err)
	}
}

// TestManyNodesByTag: above 50 nodes SSM takes tags only.
func TestManyNodesByTag(t *testing.T) {
	var in ssm.SendCommandInput
	address(&in, runbook.Target{Tags: map[string][]string{"env": {"prod"}, "az": {"a"}}}, make([]node, 51))
	if len(in.InstanceIds) != 0 || len(in.Targets) != 2 || *in.Targets[0].Key != "tag:az" || in.Targets[1].Values[0] != "prod" {
		t.Errorf("got %+v", in)
	}
}

func TestNodes(t *testing.T) {
	var many []nodes.Node
	for i := range 120 {
		many = append(many, nodes.Node{ID: "mi-" + strings.Repeat("0", 14) + string(rune('a'+i/26)) + string(rune('a'+i%26)), Tags: map[string]string{"env": "many"}})
	}
	w := newWorld(t, func(o *nodes.Options) { o.Nodes = append(nodes.DefaultNodes[:3:3], many...) })
	got, err := w.target.Nodes(t.Context(), on("mi-offline", "mi-local", "mi-none"))
	if err != nil || len(got) != 2 || got[0] != (target.Node{ID: "mi-local", Online: true, AgentVersion: nodes.AgentVersion}) || got[1].ID != "mi-offline" || got[1].Online {
		t.Errorf("got %+v, %v", got, err)
	}
	by := func(most int) runbook.Target {
		return runbook.Target{Type: runbook.SSM, Tags: map[string][]string{"env": {"many"}}, MaxNodes: most}
	}
	if got, err := w.target.Nodes(t.Context(), by(500)); err != nil || len(got) != 120 {
		t.Errorf("got %d, %v", len(got), err)
	}
	if got, err := w.target.Nodes(t.Context(), by(10)); err != nil || len(got) <= 10 || len(got) > 60 {
		t.Errorf("got %d, %v; want more than asked for, by a page at most", len(got), err)
	}
}

func TestOlder(t *testing.T) {
	for version, want := range map[string]bool{
		"3.3.2746.0": false, "3.3.2746.1": false, "3.3.3050.0": false, "3.10.0.0": false, "4.0.0.0": false,
		"3.3.2745.9": true, "3.3.999.0": true, "3.2.9999.0": true, "2.9.0.0": true, "": true, "3.3": true, "x": true,
	} {
		if got := older(version, minAgent); got != want {
			t.Errorf("%q: got %v", version, got)
		}
	}
}

// TestDeliveryTimedOutIsUnknown: the node may have run it or not, whatever SSM
// calls it, so that nothing ever runs it again by itself.
func TestDeliveryTimedOutIsUnknown(t *testing.T) {
	tests := map[string]struct {
		node    nodes.Node
		details string
	}{
		"the node is offline":       {nodes.Node{ID: "mi-x", Offline: true}, "DeliveryTimedOut"},
		"the node does not respond": {nodes.Node{ID: "mi-x", Undeliverable: true}, "Undeliverable"},
		"the answer is lost":        {nodes.Node{ID: "mi-x", Mute: true}, "DeliveryTimedOut"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(o *nodes.Options) { o.Nodes, o.Second = []nodes.Node{tt.node}, 10*time.Millisecond })
			v := version(runbook.Bash, "true")
			v.Target, v.TimeoutSeconds = on("mi-x"), 60
			r := w.run(v, nil)
			if r.State != target.Unknown || r.ExitCode != nil || !strings.Contains(r.Error, "unknown") || r.Invocations[0].Status != tt.details {
				t.Errorf("got %+v", r)
			}
		})
	}
}

// TestReadersLag: right after SendCommand SSM knows nothing of a command
// (InvocationDoesNotExist): it is still running, if it is known to be sent.
func TestReadersLag(t *testing.T) {
	w := newWorld(t, func(o *nodes.Options) { o.Lag = 2 * time.Second })
	j := w.job(version(runbook.Bash, "echo late"), nil)
	s := w.send(j)
	if r, found, err := w.target.Look(t.Context(), s); err != nil || !found || r.State != target.Running || r.Ref != s.Ref {
		t.Errorf("got %+v, %v, %v", r, found, err)
	}
	if _, found, err := w.target.Look(t.Context(), w.sent(j, "")); err != nil || found {
		t.Errorf("by its comment: found %v, %v", found, err)
	}
	if err := w.target.Cancel(t.Context(), w.sent(j, "")); err == nil {
		t.Error("cancelled what nobody knows of yet")
	}
	if r := w.await(w.sent(j, "")); !exits(r, target.Completed, 0) {
		t.Errorf("got %+v", r)
	}
}

func TestCancel(t *testing.T) {
	w := newWorld(t)
	for name, known := range map[string]bool{"by its id": true, "by its comment": false} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, env: w.env, target: w.target, publisher: w.publisher, began: w.began}
			j := w.job(version(runbook.Bash, "echo begun; sleep 50"), nil)
			s := w.send(j)
			if !known {
				s = w.sent(j, "")
			}
			if err := w.target.Cancel(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			r := w.await(s)
			if r.State != target.Cancelled || r.ExitCode != nil || r.Error != "cancelled" {
				t.Errorf("got %+v", r)
			}
			if err := w.target.Cancel(t.Context(), s); err != nil {
				t.Errorf("once more: %v", err)
			}
		})
	}
}

func TestLookFails(t *testing.T) {
	w := newWorld(t)
	s := w.send(w.job(version(runbook.Bash, "true"), nil))
	w.await(s)
	w.impatient()
	for _, operation := range []string{"ListCommands", "ListCommandInvocations", "GetCommandInvocation"} {
		fault := w.env.Faults.Add(front.Fault{Service: "ssm", Operation: operation, Do: front.Fail, Times: -1})
		if _, _, err := w.target.Look(t.Context(), s); err == nil {
			t.Errorf("%s fails, and Look does not", operation)
		}
		fault.Remove()
	}
}

// TestRateExceeded is the quota of pending invocations: accepted, and not run.
func TestRateExceeded(t *testing.T) {
	w := newWorld(t, func(o *nodes.Options) { o.Pending = 1 })
	v := version(runbook.Bash, "true")
	v.Target = on("mi-local", "mi-local-2")
	if r := w.run(v, nil); r.State != target.Failed || !strings.HasPrefix(r.Error, "ssm_refused: ") || len(r.Invocations) != 0 {
		t.Errorf("got %+v", r)
	}
}

// TestNoNodeIsLeft: tags that match nothing any more are a success to SSM.
func TestNoNodeIsLeft(t *testing.T) {
	w := newWorld(t)
	j := w.job(version(runbook.Bash, "true"), nil)
	in := &ssm.SendCommandInput{DocumentName: &j.Document.Name, DocumentVersion: &j.Document.Version}
	address(in, runbook.Target{Tags: map[string][]string{"env": {"gone"}}}, make([]node, 51))
	r, err := w.target.send(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if r := w.await(w.sent(j, r.Ref)); r.State != target.Failed || !strings.HasPrefix(r.Error, "no_nodes: ") {
		t.Errorf("got %+v", r)
	}
}
