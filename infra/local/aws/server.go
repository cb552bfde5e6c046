// Package aws is the one loopback port behind which the local stack serves AWS. It tells the services apart as the wire
// does, by X-Amz-Target or path, and hands DynamoDB on to the engine.
//
// Every call of every function passes here, so here is where it is seen who calls (by the access key that each process was
// given), whether the function's own policies in the template allow the call, how often it is made, and where a test's
// faults strike. Nothing of that needs a hook in the product.
package aws

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pagefree/infra/local/awsjson"
	"pagefree/infra/local/kms"
	"pagefree/infra/local/s3"
	"pagefree/infra/local/ses"
	"pagefree/infra/local/sns"
	"pagefree/infra/local/sqs"
	"pagefree/infra/local/ssm"
	"pagefree/infra/local/template"
)

// AccessKeyPrefix starts the access key ids of functions. One that starts so and that nobody holds is refused; every other
// one, a person's or a test's, may do everything.
const AccessKeyPrefix = "LOCAL"

// maxRequest is above every service's own limit; DynamoDB's batches of 16 MB are the largest.
const maxRequest = 20 << 20

// Options say what stands behind the port. A service that is nil does not exist.
type Options struct {
	Template *template.Template // for the policies of callers and the keys of tables
	DynamoDB string             // the engine's endpoint, http://host:port
	SQS      *sqs.Service
	KMS      *kms.Service
	SES      *ses.Service
	SNS      *sns.Service
	SSM      *ssm.Service
	S3       *s3.Service
	Lambda   http.Handler
	Sockets  http.Handler // of open sockets, below /<stage>/@connections/

	Caller func(accessKeyID string) (Caller, bool) // who holds a key that starts with AccessKeyPrefix; nil: nobody
	Kill   func(instance string) bool              // ends a caller's process, for faults
}

// Caller is a process of a function. It is shaped like lambda.Caller.
type Caller struct {
	Function  *template.Function
	Instance  string
	RequestID string
	TraceID   string
}

// Server is the port's handler.
type Server struct {
	opts     Options
	engine   *url.URL
	client   *http.Client
	services map[string]http.Handler // by name as in IAM actions
	policies map[string]*policy      // of roles, by the function's logical id
	keys     map[string]*policy      // of KMS keys, by ARN
	faults   *Faults
	counts   *Counts
}

// New makes the handler. A policy of the template that it cannot judge is an error.
func New(o Options) (*Server, error) {
	s := &Server{
		opts: o, services: map[string]http.Handler{}, policies: map[string]*policy{}, keys: map[string]*policy{}, faults: &Faults{}, counts: &Counts{},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}},
	}
	if o.Caller != nil && o.Template == nil {
		return nil, errors.New("aws: callers need a template, for their policies")
	}
	if o.DynamoDB != "" {
		engine, err := url.Parse(o.DynamoDB)
		if err != nil {
			return nil, fmt.Errorf("aws: engine's endpoint: %w", err)
		}
		s.engine = engine
		s.services["dynamodb"] = http.HandlerFunc(s.proxy)
	}
	if o.SQS != nil {
		s.services["sqs"] = o.SQS.Handler()
	}
	if o.KMS != nil {
		s.services["kms"] = o.KMS.Handler()
	}
	if o.SES != nil {
		s.services["ses"] = o.SES.Handler()
	}
	if o.SNS != nil {
		s.services["sns"] = o.SNS.Handler()
	}
	if o.SSM != nil {
		s.services["ssm"] = o.SSM.Handler()
	}
	if o.S3 != nil {
		s.services["s3"] = o.S3
	}
	if o.Lambda != nil {
		s.services["lambda"] = o.Lambda
	}
	if o.Sockets != nil {
		s.services["execute-api"] = o.Sockets
	}
	if o.Template != nil {
		for id, f := range o.Template.Functions {
			p, err := compile(f.Statements)
			if err != nil {
				return nil, fmt.Errorf("aws: policies of %s: %w", id, err)
			}
			s.policies[id] = p
		}
		for id, k := range o.Template.Keys {
			p, err := compileKey(k.Policy)
			if err != nil {
				return nil, fmt.Errorf("aws: policy of key %s: %w", id, err)
			}
			s.keys[k.ARN] = p
		}
	}
	return s, nil
}

// Faults are what tests make go wrong.
func (s *Server) Faults() *Faults { return s.faults }

// Counts are the calls that were made.
func (s *Server) Counts() *Counts { return s.counts }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	c := &Call{At: time.Now()}
	var wire protocol
	c.Service, c.Operation, wire = identify(r, body)
	handler := s.services[c.Service]
	answer := &answer{header: http.Header{}}
	caller, refusal := s.caller(r)
	if caller.Function != nil {
		c.Function, c.Instance, c.RequestID, c.TraceID = caller.Function.LogicalID, caller.Instance, caller.RequestID, caller.TraceID
	}
	strike := outcome{}
	switch {
	case refusal != nil:
		wire.refuse(answer, refusal)
	case handler == nil:
		wire.refuse(answer, awsjson.Unknown(c.Service, c.Operation))
	default:
		request := describe(s, c, r, body)
		c.Tables = request.tables
		strike = s.faults.strike(*c)
		pause(r, strike.delay)
		if strike.action == KillBefore {
			s.counts.add(*c)
			s.kill(caller)
		}
		if e := strike.error(c, request); e != nil {
			wire.refuse(answer, e)
		} else if e := s.authorize(caller, request); e != nil {
			wire.refuse(answer, e)
		} else {
			r.Body = io.NopCloser(bytes.NewReader(request.body))
			r.ContentLength = int64(len(request.body))
			handler.ServeHTTP(answer, r)
			c.Read, c.Written = request.capacity(answer.body.Bytes())
		}
	}
	c.Status, c.Took = answer.code(), time.Since(c.At)
	s.counts.add(*c)
	switch strike.action {
	case KillAfter:
		s.kill(caller)
	case Swallow:
		panic(http.ErrAbortHandler) // cuts the connection
	}
	answer.send(w)
}

// kill ends the caller's process, and this call with it.
func (s *Server) kill(c Caller) {
	if s.opts.Kill != nil && c.Instance != "" {
		s.opts.Kill(c.Instance)
	}
	panic(http.ErrAbortHandler)
}

// pause waits, as long as the caller does.
func pause(r *http.Request, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

// caller finds out who signed a request. The signature itself is not checked: this is a loopback port.
func (s *Server) caller(r *http.Request) (Caller, *awsjson.Error) {
	_, credential, ok := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	if !ok && sns.Open(r) != "" {
		return Caller{}, nil
	}
	if !ok {
		return Caller{}, &awsjson.Error{Code: "MissingAuthenticationTokenException", Message: "Missing Authentication Token", Status: http.StatusForbidden}
	}
	key, _, _ := strings.Cut(credential, "/")
	if !strings.HasPrefix(key, AccessKeyPrefix) {
		return Caller{}, nil
	}
	if s.opts.Caller != nil {
		if c, ok := s.opts.Caller(key); ok {
			return c, nil
		}
	}
	return Caller{}, &awsjson.Error{Code: "UnrecognizedClientException", Message: "The security token included in the request is invalid.", Status: http.StatusForbidden}
}

// answer holds a service's answer back, until it is known whether the caller will get it.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

func (a *answer) code() int {
	if a.status == 0 {
		return http.StatusOK
	}
	return a.status
}

func (a *answer) send(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.code())
	_, _ = w.Write(a.body.Bytes()) // a caller that has gone needs no answer
}
