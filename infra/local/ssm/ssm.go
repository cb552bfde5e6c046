// Package ssm is the Systems Manager of the local stack: parameters of the template, read by name; Command documents with
// versions; and Run Command on managed nodes that are this machine, and really run the script.
//
// It promises what callers of the real one depend on: that a command runs exactly the document's version whose hash was
// named, or is refused; its limits and its error codes; its statuses, which tell of delivery and of the run apart; and its
// habit of knowing nothing of a command for a moment after it was accepted, when Options.Lag asks for that.
// Documents and commands outlive this process, a running script does not: as with an agent that never answers, its
// invocation then ends as DeliveryTimedOut.
//
// Documents are JSON of schema 2.2 with aws:runShellScript steps. Anything else is refused by name.
package ssm

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"pagefree/infra/local/awsjson"
	"pagefree/infra/local/template"
)

// Options say what the service has and where it keeps it.
type Options struct {
	Parameters map[string]*template.Parameter // of the template, by logical id
	Dir        string                         // of documents and commands; empty: in memory only
	Region     string                         // for addresses of output
	Nodes      []Node                         // default: DefaultNodes
	// Agent gives the path of the program agent, built; it is asked when the first script runs. Without it nodes refuse.
	Agent func(context.Context) (string, error)
	// Put writes output to a bucket; nil: there is no bucket. An error is what the agent would log, and nothing more.
	Put func(bucket, key string, body []byte) error
	// Emit hands an event to EventBridge; nil: none are sent, and callers have to find out by asking.
	Emit func(detailType string, resources []string, detail any)
	// Second is how long a second of a timeout lasts; default a second. Tests shorten it.
	Second time.Duration
	// Pending is the quota of invocations that wait or run; 0 is none. A command beyond it is accepted, and ends as
	// RateExceeded without reaching a node.
	Pending int
	// Lag is how long a command is not to be seen after it was accepted.
	Lag time.Duration
	Log *slog.Logger // default none
}

// Service is the Systems Manager of one account and region.
type Service struct {
	opts Options

	paramMu    sync.RWMutex
	parameters map[string]template.Parameter // by name

	mu        sync.Mutex
	documents map[string]*document // by name
	commands  []*command           // oldest first
	agentOnce func() (string, error)

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	live   sync.WaitGroup
}

// Open reads what was left in the directory, and goes on with what can still be delivered.
func Open(o Options) (*Service, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Nodes == nil {
		o.Nodes = DefaultNodes
	}
	o.Region, o.Second = cmp.Or(o.Region, "us-east-1"), cmp.Or(o.Second, time.Second)
	s := &Service{opts: o, parameters: map[string]template.Parameter{}, documents: map[string]*document{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, p := range o.Parameters {
		s.parameters[p.Name] = *p
	}
	s.agentOnce = sync.OnceValues(func() (string, error) {
		if o.Agent == nil {
			return "", fmt.Errorf("there is no agent")
		}
		return o.Agent(s.ctx)
	})
	if err := s.load(); err != nil {
		s.cancel()
		return nil, fmt.Errorf("ssm: %w", err)
	}
	return s, nil
}

// Close ends the scripts that run. What they were part of stays as it is.
func (s *Service) Close() error {
	s.cancel()
	s.live.Wait()
	return nil
}

// Handler serves the operations on the wire: JSON 1.1, X-Amz-Target AmazonSSM.<operation>.
func (s *Service) Handler() *awsjson.Service {
	return &awsjson.Service{Prefix: "AmazonSSM", Version: "1.1", Operations: map[string]awsjson.Operation{
		"GetParameter":                 awsjson.Op(s.GetParameter),
		"GetParameters":                awsjson.Op(s.GetParameters),
		"CreateDocument":               awsjson.Op(s.CreateDocument),
		"UpdateDocument":               awsjson.Op(s.UpdateDocument),
		"UpdateDocumentDefaultVersion": awsjson.Op(s.UpdateDocumentDefaultVersion),
		"DescribeDocument":             awsjson.Op(s.DescribeDocument),
		"GetDocument":                  awsjson.Op(s.GetDocument),
		"SendCommand":                  awsjson.Op(s.SendCommand),
		"CancelCommand":                awsjson.Op(s.CancelCommand),
		"ListCommands":                 awsjson.Op(s.ListCommands),
		"ListCommandInvocations":       awsjson.Op(s.ListCommandInvocations),
		"GetCommandInvocation":         awsjson.Op(s.GetCommandInvocation),
		"DescribeInstanceInformation":  awsjson.Op(s.DescribeInstanceInformation),
	}}
}

func failure(code, format string, args ...any) *awsjson.Error {
	return &awsjson.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// invalid is what AWS's own validation answers, before an operation looks at anything.
func invalid(member, rule string) *awsjson.Error {
	return failure("ValidationException", "1 validation error detected: Value at '%s' failed to satisfy constraint: %s", member, rule)
}
