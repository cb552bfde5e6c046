// Package stack assembles the local stack: DynamoDB, the AWS services behind one port, the functions as processes, their
// queues and schedules, API Gateway, and CloudFront in front of it. All of it follows template.yaml.
//
// Start returns when everything answers; Close ends everything that was started. Data in Options.Dir survives a restart.
package stack

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"pagefree/infra/local/aws"
	"pagefree/infra/local/echo"
	"pagefree/infra/local/edge"
	"pagefree/infra/local/engine"
	"pagefree/infra/local/events"
	"pagefree/infra/local/gateway"
	"pagefree/infra/local/kms"
	"pagefree/infra/local/lambda"
	"pagefree/infra/local/loopback"
	"pagefree/infra/local/poll"
	"pagefree/infra/local/pushservice"
	"pagefree/infra/local/s3"
	"pagefree/infra/local/ses"
	"pagefree/infra/local/sns"
	"pagefree/infra/local/sqs"
	"pagefree/infra/local/ssm"
	"pagefree/infra/local/streams"
	"pagefree/infra/local/template"
	"pagefree/internal/platform/awscfg"
)

// Options of Start; the zero value is a stack of this repository in a throw-away folder on free ports.
type Options struct {
	Template   string            // path; default: template.yaml in this folder or the nearest one above it
	Dir        string            // data, keys and logs; empty: a temporary folder that Close removes
	Port       int               // of the distribution, where people reach everything; 0 picks one
	APIPort    int               // of the API's own address, which goes around the distribution; 0 picks one
	AWSPort    int               // of the AWS services; 0 picks one
	AWSHosts   []string          // more addresses for that port, such as a container bridge's; always 127.0.0.1
	Parameters map[string]string // of the template, over what a laptop needs
	Engine     engine.Options    // Dir is the stack's own
	Progress   io.Writer         // a line for each slow step; default none
	Log        *slog.Logger      // what went wrong behind the scenes; default none
	Output     io.Writer         // every log line of every function; default none, they are in Dir/logs anyway

	// For tests, what shortens waiting.
	Every      time.Duration            // instead of each schedule's own distance
	Timeouts   map[string]time.Duration // of functions, by logical id
	Visibility time.Duration            // of every queue
	Resend     []time.Duration          // the waits before SNS tries an endpoint again
	Second     time.Duration            // of the timeouts of Run Command
	NoEvents   bool                     // EventBridge delivers nothing, which it never promises to
	Nodes      []ssm.Node               // managed ones, instead of the contract's
	NoStreams  bool                     // no function hears of a change of a table
	Idle       time.Duration            // until a socket without a word is closed
	Longest    time.Duration            // until any socket is

	// Adjust, for measurements, changes what was read of the template: a function or a route more, other limits.
	Adjust func(*template.Template)
}

// Stack is a running local stack.
type Stack struct {
	URL         string // of the distribution, or of the API where the template has none; no slash at the end
	APIURL      string // the API's own address, with its stage
	AWSEndpoint string // http://127.0.0.1:port
	Dir         string

	opts      Options
	template  *template.Template
	engine    *engine.Engine
	sqs       *sqs.Service
	ses       *ses.Service
	sns       *sns.Service
	echo      echo.Target
	pushes    pushservice.Service
	functions *lambda.Service
	sockets   *gateway.Sockets // nil without a WebSocket API
	aws       *aws.Server
	poller    *poll.Poller
	ready     atomic.Pointer[doors]
	closers   []func() error // run in reverse
}

// Start starts everything.
func Start(ctx context.Context, opts Options) (*Stack, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Progress == nil {
		opts.Progress = io.Discard
	}
	s := &Stack{opts: opts}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close ends everything that Start started, in reverse, and waits for it.
func (s *Stack) Close() error {
	s.ready.Store(nil)
	var errs []error
	for len(s.closers) > 0 {
		last := len(s.closers) - 1
		errs = append(errs, s.closers[last]())
		s.closers = s.closers[:last]
	}
	return errors.Join(errs...)
}

// Rest lets no schedule fire and reads no stream until Wake: a stack that nobody needs for a while costs next to nothing.
func (s *Stack) Rest() { s.poller.Rest() }

// Wake ends a Rest.
func (s *Stack) Wake() { s.poller.Wake() }

func (s *Stack) onClose(f func() error) { s.closers = append(s.closers, f) }

func (s *Stack) start(ctx context.Context) error {
	if err := s.folder(); err != nil {
		return err
	}
	if err := s.listen(); err != nil { // first, so that a used port is told at once
		return err
	}
	awsListeners, err := s.listenAWS()
	if err != nil {
		return err
	}
	root, err := s.load()
	if err != nil {
		return err
	}
	built := make(chan error, 1)
	binaries := filepath.Join(s.Dir, "bin")
	go func() { built <- s.build(ctx, root, binaries) }()
	if err := errors.Join(s.data(ctx), <-built); err != nil {
		return err
	}
	if err := s.serve(awsListeners, binaries); err != nil {
		return err
	}
	return ctx.Err()
}

// data starts the engine and opens the services that keep something.
func (s *Stack) data(ctx context.Context) error {
	o := s.opts.Engine
	o.Dir = filepath.Join(s.Dir, "dynamodb")
	var err error
	if s.engine, err = engine.Start(ctx, o); err != nil {
		return err
	}
	ending := make(chan struct{})
	s.onClose(func() error { close(ending); s.engine.Close(); return nil })
	go func() {
		select {
		case <-s.engine.Done():
			s.opts.Log.Error("the DynamoDB engine has ended; stop the stack and start it again")
		case <-ending:
		}
	}()
	if err := s.tables(ctx); err != nil {
		return err
	}
	t := s.template
	if s.sqs, err = sqs.Open(sqs.Options{Dir: filepath.Join(s.Dir, "sqs"), Endpoint: s.AWSEndpoint, Region: t.Region, AccountID: t.AccountID}); err != nil {
		return err
	}
	s.onClose(s.sqs.Close)
	for _, q := range t.Queues {
		q.Visibility = cmp.Or(s.opts.Visibility, q.Visibility)
		if err := s.sqs.Ensure(q); err != nil {
			return err
		}
	}
	if s.ses, err = ses.Open(ses.Options{Dir: filepath.Join(s.Dir, "ses"), Region: t.Region, Publish: s.mailEvent}); err != nil {
		return err
	}
	s.onClose(s.ses.Close)
	return nil
}

// serve puts the functions between the AWS services and the gateway, and begins to poll.
func (s *Stack) serve(awsListeners []net.Listener, binaries string) error {
	keys, err := kms.New(filepath.Join(s.Dir, "kms"))
	if err != nil {
		return err
	}
	for _, k := range s.template.Keys {
		if err := keys.Ensure(k); err != nil {
			return err
		}
	}
	if s.functions, err = lambda.New(lambda.Options{
		Template: s.template, Binaries: binaries, Logs: filepath.Join(s.Dir, "logs"), Endpoint: s.AWSEndpoint,
		Echo: s.URL + echoPath, Timeouts: s.opts.Timeouts, Output: s.opts.Output,
	}); err != nil {
		return err
	}
	bus, err := events.New(events.Options{Template: s.template, Functions: s.functions, Log: s.opts.Log})
	if err != nil {
		return errors.Join(err, s.functions.Close())
	}
	objects := s3.New(s3.Options{Dir: filepath.Join(s.Dir, "s3"), Buckets: s.template.Buckets})
	systems, err := s.systems(bus, objects)
	if err != nil {
		return errors.Join(err, s.functions.Close())
	}
	s.onClose(systems.Close)
	if s.sns, err = sns.New(sns.Options{Template: s.template, Functions: s.functions, RetryAfter: s.opts.Resend, Log: s.opts.Log}); err != nil {
		return errors.Join(err, s.functions.Close())
	}
	s.onClose(s.sns.Close)
	var connections, sockets http.Handler
	if s.template.Sockets != nil {
		if s.sockets, err = gateway.NewSockets(gateway.SocketOptions{Template: s.template, Functions: s.functions, Log: s.opts.Log, Idle: s.opts.Idle, Longest: s.opts.Longest}); err != nil {
			return errors.Join(err, s.functions.Close())
		}
		connections, sockets = s.sockets.Connections(), s.sockets
	}
	s.aws, err = aws.New(aws.Options{
		Template: s.template, DynamoDB: s.engine.Endpoint(), SQS: s.sqs, KMS: keys, SES: s.ses, SNS: s.sns, SSM: systems, S3: objects,
		Lambda: s.functions.Handler(), Sockets: connections, Kill: s.functions.Kill,
		Caller: func(key string) (aws.Caller, bool) {
			c, ok := s.functions.Caller(key)
			return aws.Caller(c), ok
		},
	})
	if err != nil {
		return errors.Join(err, s.functions.Close())
	}
	server := &http.Server{Handler: loopback.Guard(s.aws), ErrorLog: slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug)}
	s.serveOn(server, awsListeners)
	s.onClose(s.functions.Close) // before the services that the functions are calling
	if s.sockets != nil {
		s.onClose(s.sockets.Close)
	}
	s.onClose(func() error { bus.Close(); return nil })

	poller, err := poll.Start(poll.Options{Template: s.template, Queues: s.sqs, Functions: s.functions, Every: s.opts.Every, Log: s.opts.Log,
		Streams: &streams.Reader{Endpoint: s.engine.Endpoint()}, Dir: filepath.Join(s.Dir, "streams")})
	if err != nil {
		return err
	}
	s.poller = poller
	s.onClose(func() error { poller.Close(); return nil })
	if s.template.API == nil {
		return nil
	}
	g, err := gateway.New(gateway.Options{Template: s.template, Functions: s.functions, Log: s.opts.Log})
	if err != nil {
		return err
	}
	var public http.Handler = g
	if d := s.template.Edge; d != nil {
		if public, err = edge.New(edge.Options{Distribution: d, Origin: g.Staged(), Sockets: sockets, Log: s.opts.Log}); err != nil {
			return err
		}
	}
	local := s.local()
	s.ready.Store(&doors{
		public: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/_local/") { // not the distribution's
				local.ServeHTTP(w, r)
				return
			}
			public.ServeHTTP(w, r)
		}),
		api: s.own(g),
	})
	return nil
}

// own are the APIs at their own addresses, each with its stage as the first part of the path.
func (s *Stack) own(g *gateway.Gateway) http.Handler {
	staged := g.Staged()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.sockets != nil && r.URL.Path == "/"+s.template.Sockets.Stage {
			s.sockets.ServeHTTP(w, r)
			return
		}
		staged.ServeHTTP(w, r)
	})
}

// Sockets are the open ones, for tests.
func (s *Stack) Sockets() *gateway.Sockets { return s.sockets }

// Secret is the value of a generated secret, by its logical id.
func (s *Stack) Secret(id string) string { return s.template.Secrets[id].Value }

// Template is what the stack follows.
func (s *Stack) Template() *template.Template { return s.template }

// Faults make AWS calls go wrong, for tests.
func (s *Stack) Faults() *aws.Faults { return s.aws.Faults() }

// Counts are the AWS calls that were made.
func (s *Stack) Counts() *aws.Counts { return s.aws.Counts() }

// Mail lists the mails to an address, newest first; all of them for an empty one.
func (s *Stack) Mail(to string) []ses.Mail { return s.ses.Mails(to) }

// Webhooks lists what the echo target received, newest first.
func (s *Stack) Webhooks() []echo.Request { return s.echo.Requests() }

// PushService is what devices of this machine get their pushes from.
func (s *Stack) PushService() *pushservice.Service { return &s.pushes }

// SNS are the topics, for tests and for what publishes on this machine.
func (s *Stack) SNS() *sns.Service { return s.sns }

// Functions are the processes, for tests and measurements.
func (s *Stack) Functions() *lambda.Service { return s.functions }

// Queues are the queues, for tests.
func (s *Stack) Queues() *sqs.Service { return s.sqs }

// Kill ends every process of a function, by its logical id, and says how many there were.
func (s *Stack) Kill(function string) int { return s.functions.KillFunction(function) }

// Config reaches the AWS services with every right, as a person with the account's keys does.
func (s *Stack) Config() sdk.Config {
	return sdk.Config{
		Region: s.template.Region, BaseEndpoint: &s.AWSEndpoint, HTTPClient: awscfg.Client(awshttp.NewBuildableClient()),
		Credentials: sdk.CredentialsProviderFunc(func(context.Context) (sdk.Credentials, error) {
			return sdk.Credentials{AccessKeyID: "operator", SecretAccessKey: "local"}, nil
		}),
	}
}
