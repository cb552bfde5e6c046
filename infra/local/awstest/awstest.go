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
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	front "pagefree/infra/local/aws"
	"pagefree/infra/local/engine"
	"pagefree/infra/local/kms"
	"pagefree/infra/local/sqs"
	"pagefree/infra/local/template"
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

// Env is one test's AWS.
type Env struct {
	// Config has credentials and the endpoint: dynamodb.NewFromConfig(env.Config).
	Config aws.Config

	t      testing.TB
	tables string           // prefix of this Env's tables
	db     *dynamodb.Client // to the engine itself
	as     *template.Template
	keys   *kms.Service
	queues *sqs.Service

	mu   sync.Mutex
	made map[string]bool // logical ids of what exists
}

// New makes an empty Env. What a test asks for by its logical id is made then; all of it goes when the test ends.
func New(t testing.TB) *Env {
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
	listener.Config.Handler, err = front.New(front.Options{DynamoDB: eng.Endpoint(), KMS: keys.Handler(), SQS: queues.Handler()})
	if err != nil {
		t.Fatal(err)
	}
	listener.Start()
	t.Cleanup(listener.Close)
	return &Env{
		Config: config(listener.URL),
		t:      t,
		tables: "t" + strings.ToLower(rand.Text()[:10]) + "-",
		db:     dynamodb.NewFromConfig(config(eng.Endpoint())),
		as:     as,
		keys:   keys,
		queues: queues,
		made:   map[string]bool{},
	}
}

func config(endpoint string) aws.Config {
	return aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: &endpoint,
		HTTPClient:   &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	}
}

// Table is the name of a table, which is made if it is not there yet: env.Table("AutomationTable").
func (e *Env) Table(id string) string {
	e.t.Helper()
	own := *lookup(e, "table", e.as.Tables, id)
	own.Name = e.tables + id
	e.once(id, func() error {
		e.t.Cleanup(func() {
			if _, err := e.db.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &own.Name}); err != nil {
				e.t.Errorf("delete table %s: %v", own.Name, err)
			}
		})
		return engine.Create(context.Background(), e.db, &own)
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
