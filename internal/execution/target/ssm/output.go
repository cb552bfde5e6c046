package ssm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"golang.org/x/sys/unix"

	"pagefree/internal/execution/target"
	"pagefree/internal/platform/text"
)

// What GetCommandInvocation gives of each stream, in characters. What comes
// near it may have been cut: the agent's own mark of that counts as well.
const (
	maxStdout = 24_000
	maxStderr = 8_000
	nearly    = 100
)

// readNodes is how many nodes' output is read; of more nodes there is their
// outcome alone. 64 KiB would show less than a page of each.
const readNodes = 50

// outputs reads what the scripts wrote, and what the preamble said at their end.
func (t Target) outputs(ctx context.Context, command string, nodes []invocation) error {
	for i := range nodes[:min(len(nodes), readNodes)] {
		if err := t.output(ctx, command, &nodes[i]); err != nil {
			return err
		}
	}
	return nil
}

func (t Target) output(ctx context.Context, command string, n *invocation) error {
	got, err := t.SSM.GetCommandInvocation(ctx, &ssm.GetCommandInvocationInput{CommandId: &command, InstanceId: &n.id})
	if _, none := errors.AsType[*types.InvocationDoesNotExist](err); none {
		return nil // it was never delivered
	}
	if err != nil {
		return fmt.Errorf("get the output of %s on %s: %w", command, n.id, err)
	}
	if n.stdout, err = t.stream(ctx, command, n.id, "stdout", aws.ToString(got.StandardOutputContent), maxStdout); err != nil {
		return err
	}
	if n.stderr, err = t.stream(ctx, command, n.id, "stderr", aws.ToString(got.StandardErrorContent), maxStderr); err != nil {
		return err
	}
	if n.exit == nil || *n.exit != exitTold {
		return nil
	}
	last := n.stderr.head
	if n.stderr.more {
		if last, err = t.object(ctx, command, n.id, "stderr", fmt.Sprintf("bytes=-%d", lastLine), nil); err != nil {
			return err
		}
	}
	n.told(string(last))
	return nil
}

// stream is what SSM shows of a stream where that is all of it, and else what
// lies in the bucket. Where nothing does (the node has no right to write to it)
// SSM's part has to do.
func (t Target) stream(ctx context.Context, command, node, name, shown string, most int) (stream, error) {
	if utf8.RuneCountInString(shown) < most-nearly {
		return stream{head: []byte(shown)}, nil
	}
	cut := stream{head: []byte(shown), more: true}
	var whole int
	head, err := t.object(ctx, command, node, name, fmt.Sprintf("bytes=0-%d", target.MaxOutput+utf8.UTFMax), &whole)
	if err != nil || head == nil {
		return cut, err
	}
	return stream{head: head, more: whole > len(head)}, nil
}

// object reads a part of an output, nil where there is none to be had. size is
// set to that of the whole.
func (t Target) object(ctx context.Context, command, node, name, part string, size *int) ([]byte, error) {
	if t.Bucket == "" {
		return nil, nil
	}
	key := strings.TrimPrefix(strings.Join([]string{t.Prefix, command, node, "awsrunShellScript", stepName, name}, "/"), "/")
	out, err := t.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &t.Bucket, Key: &key, Range: &part})
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) && (answer.HTTPStatusCode() == http.StatusNotFound || answer.HTTPStatusCode() == http.StatusForbidden) {
		return nil, nil // 403 is what S3 says of nothing to whoever may not list
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(io.LimitReader(out.Body, target.MaxOutput+utf8.UTFMax+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if size != nil {
		*size = len(body)
		if _, total, ok := strings.Cut(aws.ToString(out.ContentRange), "/"); ok {
			if n, err := strconv.Atoi(total); err == nil {
				*size = n
			}
		}
	}
	return body, nil
}

// lastLine bounds what the preamble may say at the end.
const lastLine = 64

// told reads the preamble's last line, which tells what an exit code cannot
// (see preamble.go), and takes it off.
func (n *invocation) told(end string) {
	at := strings.LastIndex(end, "\n"+marker)
	if at < 0 || !strings.HasSuffix(end, "\n") {
		return // the script's own exit code
	}
	kind, digits, _ := strings.Cut(strings.TrimSuffix(end[at+1+len(marker):], "\n"), " ")
	number, err := strconv.Atoi(digits)
	if err != nil {
		return
	}
	switch kind {
	case "exit":
		n.exit = &number
	case "signal":
		n.exit, n.signal = nil, signalName(number)
	default:
		return
	}
	if !n.stderr.more {
		n.stderr.head = n.stderr.head[:at]
	}
}

// join is the output of a report: of one node as it is, of several each below a
// line that names it, and each with its share of what is kept.
func join(nodes []invocation) target.Output {
	var o target.Output
	if len(nodes) == 1 {
		o.Stdout, o.StdoutTruncated = text.Clip(nodes[0].stdout.head, nodes[0].stdout.more, target.MaxOutput)
		o.Stderr, o.StderrTruncated = text.Clip(nodes[0].stderr.head, nodes[0].stderr.more, target.MaxOutput)
		return o
	}
	o.Stdout, o.StdoutTruncated = joinStreams(nodes, func(n invocation) stream { return n.stdout })
	o.Stderr, o.StderrTruncated = joinStreams(nodes, func(n invocation) stream { return n.stderr })
	return o
}

func joinStreams(nodes []invocation, of func(invocation) stream) (string, bool) {
	var b strings.Builder
	truncated := false
	for i, n := range nodes {
		s := of(n)
		header := fmt.Sprintf("== %s (%s)\n", n.id, n.details)
		share := (target.MaxOutput-b.Len())/(len(nodes)-i) - len(header) - 1
		if i >= readNodes || share < 0 {
			truncated = true
			break
		}
		part, cut := text.Clip(s.head, s.more, share)
		truncated = truncated || cut
		b.WriteString(header)
		b.WriteString(part)
		if part != "" && !strings.HasSuffix(part, "\n") {
			b.WriteByte('\n')
		}
	}
	return b.String(), truncated
}

// signalName names a signal of Linux, as SIGKILL for 9.
func signalName(number int) string {
	if name := unix.SignalName(unix.Signal(number)); name != "" {
		return name
	}
	return strconv.Itoa(number)
}
