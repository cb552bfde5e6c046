// Package awstest gives a test its own AWS: tables, queues, keys and a mailbox that no other test sees, as template.yaml
// declares them, behind one loopback port that the SDK's own clients talk to.
//
// The DynamoDB engine is shared by all tests of a process and started by the first. Which one it is, PAGEFREE_ENGINE and
// DYNAMODB_ENDPOINT say (see package engine).
package awstest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	front "pagefree/infra/local/aws"
	"pagefree/infra/local/engine"
	"pagefree/infra/local/kms"
	"pagefree/infra/local/lambda"
	"pagefree/infra/local/s3"
	"pagefree/infra/local/ses"
	"pagefree/infra/local/sqs"
	"pagefree/infra/local/ssm"
	"pagefree/infra/local/template"
	"pagefree/internal/platform/awscfg"
)

// shared is the engine of this process. It is not stopped: it ends with the process, whichever way that ends.
var shared = sync.OnceValues(func() (*engine.Engine, error) {
	return engine.Start(context.Background(), engine.FromEnv())
})

// Parameters that template.yaml has no default for.
var parameters = map[string]string{"FirstAdminEmail": "admin@pagefree.test", "MailFrom": "pagefree@pagefree.test"}

// declared is template.yaml, read once.
var declared = sync.OnceValues(func() (*template.Template, error) {
	path, err := root("template.yaml")
	if err != nil {
		return nil, err
	}
	return template.Load(path, template.Options{Parameters: parameters})
})

// root finds a file of the repository's root above the working directory, which is the package's under `go test`.
func root(name string) (string, error) {
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, name)); err == nil {
			return filepath.Join(at, name), nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%s is not above the working directory", name)
		}
	}
}

// agent builds what runs scripts on managed nodes, once for all tests of this repository, which share the folder.
func agent(ctx context.Context) (string, error) {
	module, err := root("go.mod")
	if err != nil {
		return "", err
	}
	return lambda.BuildAgent(ctx, filepath.Dir(module))
}

// Env is one test's AWS.
type Env struct {
	// Config has credentials and the endpoint: dynamodb.NewFromConfig(env.Config). With it everything is allowed.
	Config aws.Config
	// Faults are what this test makes go wrong, between the clients and the services.
	Faults *front.Faults
	// Counts are the calls that were made with Config and ConfigOf.
	Counts *front.Counts

	t      testing.TB
	tables string           // prefix of this Env's tables
	db     *dynamodb.Client // to the engine itself
	as     *template.Template
	keys   *kms.Service
	queues *sqs.Service
	mails  *ses.Service

	endpoint string

	mu   sync.Mutex
	made map[string]bool // logical ids of what exists
}

// New makes an empty Env. What a test asks for by its logical id is made then; all of it goes when the test ends.
// Managed nodes and buckets are there from the start; options change the nodes.
func New(t testing.TB, options ...func(*ssm.Options)) *Env {
	t.Helper()
	eng, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	as, err := declared()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := kms.New("")
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewUnstartedServer(nil)
	queues, err := sqs.Open(sqs.Options{Endpoint: "http://" + listener.Listener.Addr().String(), Region: as.Region, AccountID: as.AccountID})
	if err != nil {
		t.Fatal(err)
	}
	mails, err := ses.Open(ses.Options{Region: as.Region})
	if err != nil {
		t.Fatal(err)
	}
	e := &Env{
		t:      t,
		tables: "t" + strings.ToLower(rand.Text()[:10]) + "-",
		db:     dynamodb.NewFromConfig(config(eng.Endpoint(), "test")),
		keys:   keys,
		queues: queues,
		mails:  mails,
		made:   map[string]bool{},
	}
	e.as = rename(as, e.tables)
	objects := s3.New(s3.Options{Buckets: as.Buckets})
	nodes := ssm.Options{Parameters: as.SSM, Region: as.Region, Put: objects.Put, Agent: agent}
	for _, option := range options {
		option(&nodes)
	}
	systems, err := ssm.Open(nodes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = systems.Close() })
	server, err := front.New(front.Options{
		Template: e.as, DynamoDB: eng.Endpoint(), SQS: queues, KMS: keys, SES: mails, SSM: systems, S3: objects, Caller: e.caller,
	})
	if err != nil {
		t.Fatal(err)
	}
	e.Faults, e.Counts = server.Faults(), server.Counts()
	listener.Config.Handler = server
	listener.Start()
	t.Cleanup(func() {
		listener.CloseClientConnections() // long polls would hold it up
		listener.Close()
	})
	e.endpoint = listener.URL
	e.Config = config(e.endpoint, "test")
	return e
}

// ConfigOf is like Config, but with the rights that template.yaml gives a function: env.ConfigOf("DispatcherFunction").
func (e *Env) ConfigOf(function string) aws.Config {
	e.t.Helper()
	lookup(e, "function", e.as.Functions, function)
	return config(e.endpoint, front.AccessKeyPrefix+function)
}

func (e *Env) caller(key string) (front.Caller, bool) {
	f, ok := e.as.Functions[strings.TrimPrefix(key, front.AccessKeyPrefix)]
	return front.Caller{Function: f}, ok
}

// rename gives the tables another prefix, in the functions' policies too. The engine is shared; the rest is not.
func rename(as *template.Template, prefix string) *template.Template {
	own := *as
	own.Tables, own.Functions = map[string]*template.Table{}, map[string]*template.Function{}
	from, to := ":table/"+as.StackName+"-", ":table/"+prefix
	for id, t := range as.Tables {
		table := *t
		table.Name = prefix + id
		table.StreamConsumed = false // nobody polls here, and a stream slows the engine down
		own.Tables[id] = &table
	}
	for id, f := range as.Functions {
		function := *f
		function.Statements = slices.Clone(f.Statements)
		for i, s := range function.Statements {
			var resources []string
			for _, arn := range s.Resources {
				resources = append(resources, strings.Replace(arn, from, to, 1))
			}
			function.Statements[i].Resources = resources
		}
		own.Functions[id] = &function
	}
	return &own
}

func config(endpoint, key string) aws.Config {
	return aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: &endpoint,
		HTTPClient:   awscfg.Client(client),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key, SecretAccessKey: "test"}, nil
		}),
	}
}

// client is shared by all: the connections of an Env end with its port.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// Table is the name of a table, which is made if it is not there yet: env.Table("AutomationTable").
func (e *Env) Table(id string) string {
	e.t.Helper()
	own := lookup(e, "table", e.as.Tables, id)
	e.once(id, func() error {
		e.t.Cleanup(func() {
			if _, err := e.db.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &own.Name}); err != nil {
				e.t.Errorf("delete table %s: %v", own.Name, err)
			}
		})
		return engine.Create(context.Background(), e.db, own)
	})
	return own.Name
}

// KeyID is the id of a KMS key, which is made if it is not there yet: env.KeyID("SealKey").
func (e *Env) KeyID(id string) string {
	e.t.Helper()
	key := lookup(e, "key", e.as.Keys, id)
	e.once(id, func() error { return e.keys.Ensure(key) })
	return key.ID
}

// QueueURL is the address of a queue, which is made if it is not there yet, and its dead-letter queue with it:
// env.QueueURL("ExecutionsQueue").
func (e *Env) QueueURL(id string) string {
	e.t.Helper()
	queue := lookup(e, "queue", e.as.Queues, id)
	for other, q := range e.as.Queues {
		if q.ARN == queue.DeadLetterARN {
			e.once(other, func() error { return e.queues.Ensure(q) })
		}
	}
	e.once(id, func() error { return e.queues.Ensure(queue) })
	return e.queues.URL(queue.Name)
}

// Bucket is the name of a bucket: env.Bucket("OutputBucket").
func (e *Env) Bucket(id string) string {
	e.t.Helper()
	return lookup(e, "bucket", e.as.Buckets, id).Name
}

// Mail is what was sent, newest first.
func (e *Env) Mail() []ses.Mail { return e.mails.Mails("") }

func lookup[R any](e *Env, kind string, in map[string]*R, id string) *R {
	e.t.Helper()
	r, ok := in[id]
	if !ok {
		e.t.Fatalf("template.yaml has no %s %s", kind, id)
	}
	return r
}

// once makes a resource the first time that it is asked for.
func (e *Env) once(id string, create func() error) {
	e.t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.made[id] {
		return
	}
	if err := create(); err != nil {
		e.t.Fatal(err)
	}
	e.made[id] = true
}
