// Package awstest gives a test its own AWS: tables, queues, keys and a mailbox that no other test sees, as template.yaml
// declares them, behind one loopback port that the SDK's own clients talk to.
//
// The DynamoDB engine is shared by all tests of a process and started by the first. Which one it is, PAGEFREE_ENGINE and
// DYNAMODB_ENDPOINT say (see package engine).
package awstest

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	front "pagefree/infra/local/aws"
	"pagefree/infra/local/engine"
	"pagefree/infra/local/kms"
	"pagefree/infra/local/template"
)

// shared is the engine of this process. It is not stopped: it ends with the process, whichever way that ends.
var shared = sync.OnceValues(func() (*engine.Engine, error) {
	return engine.Start(context.Background(), engine.FromEnv())
})

// Env is one test's AWS.
type Env struct {
	// Config has credentials and the endpoint: dynamodb.NewFromConfig(env.Config).
	Config aws.Config

	t      testing.TB
	prefix string
	db     *dynamodb.Client // to the engine itself
	keys   *kms.Service

	mu   sync.Mutex
	made map[string]bool // logical ids of the tables and keys that exist
}

// New makes an empty Env. What a test asks for by its logical id is made then; all of it goes when the test ends.
func New(t testing.TB) *Env {
	t.Helper()
	eng, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := kms.New("")
	if err != nil {
		t.Fatal(err)
	}
	server, err := front.New(front.Options{DynamoDB: eng.Endpoint(), KMS: keys.Handler()})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	return &Env{
		Config: config(listener.URL),
		t:      t,
		prefix: "t" + strings.ToLower(rand.Text()[:10]) + "-",
		db:     dynamodb.NewFromConfig(config(eng.Endpoint())),
		keys:   keys,
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
	declared, ok := tables[id]
	if !ok {
		e.t.Fatalf("template.yaml has no table %s", id)
	}
	own := declared
	own.Name = e.prefix + id
	e.once(id, func() {
		if err := engine.Create(context.Background(), e.db, &own); err != nil {
			e.t.Fatal(err)
		}
		e.t.Cleanup(func() {
			if _, err := e.db.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &own.Name}); err != nil {
				e.t.Errorf("delete table %s: %v", own.Name, err)
			}
		})
	})
	return own.Name
}

// KeyID is the id of a KMS key, which is made if it is not there yet: env.KeyID("SealKey").
func (e *Env) KeyID(id string) string {
	e.t.Helper()
	key, ok := keyring[id]
	if !ok {
		e.t.Fatalf("template.yaml has no key %s", id)
	}
	e.once(id, func() {
		if err := e.keys.Ensure(&key); err != nil {
			e.t.Fatal(err)
		}
	})
	return key.ID
}

func (e *Env) once(id string, do func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.made[id] {
		e.made[id] = true
		do()
	}
}

func table(indexes ...string) template.Table {
	t := template.Table{
		Attributes:   map[string]string{"pk": "S", "sk": "S"},
		Keys:         []template.KeyElement{{Name: "pk", Type: "HASH"}, {Name: "sk", Type: "RANGE"}},
		TTLAttribute: "ttl",
	}
	for _, name := range indexes {
		t.Attributes["id"], t.Attributes[name] = "S", "S"
		t.Indexes = append(t.Indexes, template.Index{Name: name, Projection: "ALL", Keys: []template.KeyElement{{Name: name, Type: "HASH"}, {Name: "id", Type: "RANGE"}}})
	}
	return t
}

var tables = map[string]template.Table{
	"AutomationTable": table("byTeam", "byKind", "byRunbook", "byIncident"),
	"IdentityTable":   table("byTeam", "byKind"),
	"EphemeralTable":  table(),
	"AuditTable":      table("byKind", "byActor", "bySubject"),
	"StatusTable":     table("byTeam", "byKind"),
}

var keyring = map[string]template.Key{
	"SealKey":    {ID: "11111111-1111-4111-8111-111111111111", ARN: "arn:aws:kms:us-east-1:000000000000:key/11111111-1111-4111-8111-111111111111", Spec: "HMAC_256", Usage: "GENERATE_VERIFY_MAC"},
	"DeriveKey":  {ID: "22222222-2222-4222-8222-222222222222", ARN: "arn:aws:kms:us-east-1:000000000000:key/22222222-2222-4222-8222-222222222222", Spec: "HMAC_256", Usage: "GENERATE_VERIFY_MAC"},
	"AuditKey":   {ID: "33333333-3333-4333-8333-333333333333", ARN: "arn:aws:kms:us-east-1:000000000000:key/33333333-3333-4333-8333-333333333333", Spec: "ECC_NIST_P256", Usage: "SIGN_VERIFY"},
	"SecretsKey": {ID: "44444444-4444-4444-8444-444444444444", ARN: "arn:aws:kms:us-east-1:000000000000:key/44444444-4444-4444-8444-444444444444"},
}
