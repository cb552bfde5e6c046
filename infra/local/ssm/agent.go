package ssm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"pagefree/infra/local/ssm/agent/job"
)

// keptOutput is what an agent keeps of a stream, and puts into the bucket.
const keptOutput = 1 << 20

// What the service keeps of each stream.
const (
	maxStdout = 24_000 // characters
	maxStderr = 8_000
	maxPlugin = 2_500
)

// Exit codes that mean something to the agent. Source: the SSM agent, appconfig and pluginutil.
const (
	codeStopped = 137 // a run that was ended by its time limit or a cancel; a script's own looks the same
	codeReboot  = 194 // please restart the node, and run me again
)

// onNode runs a command as a node's agent does, and reports how it ended.
func (s *Service) onNode(ctx context.Context, c *command, i *invocation, node Node) {
	s.mu.Lock()
	d := s.documents[c.Document]
	s.mu.Unlock()
	doc, err := parse(d.Versions[c.DocumentVersion-1].Content)
	if err != nil { // it was accepted
		s.end(c, i, failed, failed, func() { i.Code, i.Stderr = 1, []byte(err.Error()) })
		return
	}
	text, env := doc.script(c.Values, node.knowsEnv())
	env["AWS_SSM_INSTANCE_ID"], env["AWS_SSM_REGION_NAME"] = node.ID, s.opts.Region
	r, err := s.runAgent(ctx, job.Job{Script: text, Env: env, LimitMillis: s.seconds(c.Execution).Milliseconds(), Keep: keptOutput})
	if s.ctx.Err() != nil {
		return // the stack ends, and the agent with it: nobody answers
	}
	if node.Mute {
		select {
		case <-time.After(time.Until(s.expires(c).Add(s.seconds(c.Execution)))):
			s.end(c, i, timedOut, delivery, nil)
		case <-s.ctx.Done():
		}
		return
	}
	if err != nil && ctx.Err() != nil { // cancelled before the agent had the job
		s.end(c, i, cancelled, cancelled, nil)
		return
	}
	if err == nil && r.Refused != "" {
		err = errors.New("this machine cannot confine scripts, so that none is run: " + r.Refused)
	}
	if err != nil {
		s.opts.Log.Error("ssm: a script was refused", "node", node.ID, "command", c.ID, "cause", err.Error())
		s.end(c, i, failed, failed, func() { i.Code, i.Stderr = 1, []byte(err.Error()) })
		return
	}
	uploaded := s.upload(c, i, doc.MainSteps[0].Name, r)
	status, details, code := verdict(r, ctx.Err() != nil)
	s.end(c, i, status, details, func() {
		i.Code, i.Stdout, i.Stderr, i.Uploaded = code, clipped(r.Stdout, maxStdout), clipped(r.Stderr, maxStderr), uploaded
	})
}

// verdict is how the agent reports an end. A reboot is not made here: the run counts as failed.
func verdict(r job.Result, cancel bool) (status, details string, code int) {
	switch {
	case cancel && r.Exit == nil:
		return cancelled, cancelled, codeStopped
	case r.TimedOut, r.Exit != nil && *r.Exit == codeStopped:
		return timedOut, execution, codeStopped
	case r.Exit == nil:
		return failed, failed, -1
	case *r.Exit == 0:
		return success, success, 0
	}
	return failed, failed, *r.Exit
}

// runAgent starts the agent with one job. When ctx ends it is told so, and it ends the script.
func (s *Service) runAgent(ctx context.Context, j job.Job) (job.Result, error) {
	var r job.Result
	path, err := s.agentOnce()
	if err != nil {
		return r, fmt.Errorf("build the agent: %w", err)
	}
	line, err := json.Marshal(j)
	if err != nil {
		return r, err
	}
	cmd := exec.Command(path)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	in, err := cmd.StdinPipe()
	if err != nil {
		return r, err
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Start(); err != nil {
		return r, fmt.Errorf("start the agent: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = in.Close() })()
	_, writeErr := in.Write(append(line, '\n'))
	if err := cmd.Wait(); err != nil {
		return r, fmt.Errorf("the agent failed: %w: %s", err, said.String())
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return r, errors.Join(fmt.Errorf("the agent's answer: %w", err), writeErr)
	}
	return r, nil
}

// upload puts the output into the bucket: <prefix>/<command>/<node>/awsrunShellScript/<step>/stdout.
func (s *Service) upload(c *command, i *invocation, step string, r job.Result) bool {
	if c.Bucket == "" {
		return false
	}
	for name, body := range map[string][]byte{"stdout": r.Stdout, "stderr": r.Stderr} {
		if len(body) == 0 {
			continue // the agent makes no empty object
		}
		err := errors.New("there is no S3")
		if s.opts.Put != nil {
			err = s.opts.Put(c.Bucket, c.key(i.Node, step)+"/"+name, body)
		}
		if err != nil {
			s.opts.Log.Warn("ssm: output was not uploaded", "command", c.ID, "node", i.Node, "cause", err.Error())
			return false
		}
	}
	return true
}

func (c *command) key(node, step string) string {
	prefix := ""
	if c.Prefix != "" {
		prefix = c.Prefix + "/"
	}
	return prefix + c.ID + "/" + node + "/awsrunShellScript/" + step
}

// clipped is at most so many characters. Invalid bytes are shown as U+FFFD.
func clipped(b []byte, most int) []byte {
	r := []rune(string(b))
	return []byte(string(r[:min(len(r), most)]))
}
