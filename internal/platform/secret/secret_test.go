package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	front "pagefree/infra/local/aws"
	"pagefree/infra/local/awstest"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/secret"
)

const value = "correct horse battery staple"

// world is a table, its key, and a resolver with all rights.
type world struct {
	env      *awstest.Env
	store    secret.Store
	key      *secret.Key
	resolver secret.Resolver
}

func newWorld(t *testing.T) world {
	env := awstest.New(t)
	w := world{
		env:   env,
		store: secret.Store{Table: dynamo.Table{Name: env.Table("AutomationTable"), DB: dynamodb.NewFromConfig(env.Config)}},
		key:   &secret.Key{ID: env.KeyID("SecretsKey"), Client: kms.NewFromConfig(env.Config)},
	}
	w.resolver = secret.Resolver{Store: w.store, Key: w.key}
	return w
}

// keep writes a secret; an empty team is global.
func (w world) keep(t *testing.T, id, team, name, value string) secret.Secret {
	t.Helper()
	s := secret.Secret{ID: id, Name: name, Version: 1}
	if team != "" {
		s.TeamID = &team
	}
	s, err := w.key.Encrypt(t.Context(), s, value)
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, w.store.Create(s)...)
	kept, found, err := w.store.Secret(t.Context(), id)
	if err != nil || !found {
		t.Fatalf("got %v, %v", found, err)
	}
	return kept
}

func (w world) write(t *testing.T, ops ...dynamo.Op) {
	t.Helper()
	if err := dynamo.Commit(t.Context(), w.store.Table.DB, ops...); err != nil {
		t.Fatal(err)
	}
}

func TestAValueOpensUnderItsNameAlone(t *testing.T) {
	w := newWorld(t)
	kept := w.keep(t, "sec_1", "team_a", "token", value)
	if got, err := w.key.Decrypt(t.Context(), kept); err != nil || got != value {
		t.Fatalf("got %q, %v", got, err)
	}
	if bytes.Contains(kept.Ciphertext, []byte(value)) {
		t.Error("what is stored can be read")
	}
	other := "team_b"
	for name, change := range map[string]func(*secret.Secret){
		"another id":          func(s *secret.Secret) { s.ID = "sec_2" },
		"another name":        func(s *secret.Secret) { s.Name = "tokem" },
		"another team":        func(s *secret.Secret) { s.TeamID = &other },
		"global":              func(s *secret.Secret) { s.TeamID = nil },
		"one byte":            func(s *secret.Secret) { s.Ciphertext[len(s.Ciphertext)-1] ^= 1 },
		"a ciphertext of one": func(s *secret.Secret) { s.Ciphertext = s.Ciphertext[:1] },
		"no ciphertext":       func(s *secret.Secret) { s.Ciphertext = nil },
	} {
		s := kept
		s.Ciphertext = bytes.Clone(kept.Ciphertext)
		change(&s)
		if got, err := w.key.Decrypt(t.Context(), s); err == nil || got != "" || strings.Contains(err.Error(), value) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestTheLongestValue(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("é", secret.MaxValue/2)
	if got, err := w.key.Decrypt(t.Context(), w.keep(t, "sec_1", "team_a", "long", long)); err != nil || got != long {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if _, err := w.key.Encrypt(t.Context(), secret.Secret{ID: "sec_2"}, long+"x"); err == nil {
		t.Error("a byte more was taken")
	}
}

// plain answers Encrypt with what it was given, as a service does whose encryption is off.
type plain struct{ http.RoundTripper }

func (p plain) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var in struct{ Plaintext []byte }
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	body := `{"CiphertextBlob":"` + base64.StdEncoding.EncodeToString(append([]byte("v1:"), in.Plaintext...)) + `"}`
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func TestEncryptionThatIsOffIsRefused(t *testing.T) {
	w := newWorld(t)
	off := &secret.Key{ID: w.key.ID, Client: kms.New(w.key.Client.Options(), func(o *kms.Options) { o.HTTPClient = &http.Client{Transport: plain{}} })}
	for range 2 { // it does not pass at the second try
		if s, err := off.Encrypt(t.Context(), secret.Secret{ID: "sec_1"}, value); err == nil || len(s.Ciphertext) > 0 || strings.Contains(err.Error(), value) {
			t.Fatalf("got %+v, %v", s, err)
		}
	}
}

func TestAKeyThatDoesNotAnswerIsNoProof(t *testing.T) {
	w := newWorld(t)
	w.env.Faults.Add(front.Fault{Service: "kms", Do: front.Fail, Times: -1})
	once := &secret.Key{ID: w.key.ID, Client: kms.New(w.key.Client.Options(), func(o *kms.Options) { o.RetryMaxAttempts = 1 })}
	if _, err := once.Encrypt(t.Context(), secret.Secret{ID: "sec_1"}, value); err == nil {
		t.Error("encrypted without KMS")
	}
}

func TestResolve(t *testing.T) {
	w := newWorld(t)
	w.keep(t, "sec_1", "team_a", "token", value)
	w.keep(t, "sec_2", "team_a", "sign-key", "whsec_x")
	w.keep(t, "sec_3", "team_b", "token", "b's")
	w.keep(t, "sec_4", "", "token", "everybody's")
	tests := map[string]struct {
		team    string
		names   []string
		want    map[string]string
		missing []string
	}{
		"nothing":                      {"team_a", nil, map[string]string{}, nil},
		"one":                          {"team_a", []string{"token"}, map[string]string{"token": value}, nil},
		"two, one of them twice":       {"team_a", []string{"token", "sign-key", "token"}, map[string]string{"token": value, "sign-key": "whsec_x"}, nil},
		"the other team's":             {"team_b", []string{"token"}, map[string]string{"token": "b's"}, nil},
		"a global one":                 {"", []string{"token"}, map[string]string{"token": "everybody's"}, nil},
		"another's is missing":         {"team_b", []string{"sign-key", "token"}, nil, []string{"sign-key"}},
		"a global one is not a team's": {"team_c", []string{"token"}, nil, []string{"token"}},
		"all that are missing":         {"team_a", []string{"z", "token", "y"}, nil, []string{"y", "z"}},
	}
	for name, tt := range tests {
		for how, resolve := range map[string]func() (map[string]string, error){
			"at once":                 func() (map[string]string, error) { return w.resolver.Resolve(t.Context(), tt.team, tt.names) },
			"as expected":             w.expecting(t, tt.team, tt.names, tt.team, tt.names),
			"when others were":        w.expecting(t, tt.team, []string{"sign-key"}, tt.team, tt.names),
			"when none were":          w.expecting(t, tt.team, nil, tt.team, tt.names),
			"when another team's was": w.expecting(t, "team_a", tt.names, tt.team, tt.names),
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				got, err := resolve()
				if tt.missing != nil {
					m, ok := errors.AsType[*secret.MissingError](err)
					if !ok || !slices.Equal(m.Names, tt.missing) || got != nil {
						t.Errorf("got %v, %v, want %q missing", got, err, tt.missing)
					}
					if strings.Contains(err.Error(), value) {
						t.Errorf("the error holds a value: %v", err)
					}
					return
				}
				if err != nil || !maps.Equal(got, tt.want) {
					t.Errorf("got %v, %v, want %v", got, err, tt.want)
				}
			})
		}
	}
}

// expecting reads what is expected, and then resolves what is needed.
func (w *world) expecting(t *testing.T, readTeam string, read []string, team string, names []string) func() (map[string]string, error) {
	return func() (map[string]string, error) {
		e := w.resolver.Expect(readTeam, read)
		if err := w.store.Table.ReadAll(t.Context(), e.Reads()...); err != nil {
			return nil, err
		}
		return e.Resolve(t.Context(), team, names)
	}
}

// TestWhatIsExpectedIsReadOnce: it costs no call of its own.
func TestWhatIsExpectedIsReadOnce(t *testing.T) {
	w := newWorld(t)
	w.keep(t, "sec_1", "team_a", "token", value)
	e := w.resolver.Expect("team_a", []string{"none", "token"})
	if err := w.store.Table.ReadAll(t.Context(), e.Reads()...); err != nil {
		t.Fatal(err)
	}
	w.env.Counts.Reset()
	if _, err := e.Resolve(t.Context(), "team_a", []string{"none", "token"}); err == nil {
		t.Error("a name without a secret has a value")
	}
	if n := w.env.Counts.Number(front.Call{}); n != 0 {
		t.Errorf("%d calls where a name is missing, want none: nothing is decrypted", n)
	}
}

// TestAValueThatWasMovedDoesNotResolve puts one team's item where another's is looked for.
func TestAValueThatWasMovedDoesNotResolve(t *testing.T) {
	w := newWorld(t)
	s := w.keep(t, "sec_1", "team_a", "token", value)
	s.PK = "secret#team_b"
	w.write(t, w.store.Table.Create(s))
	s.PK, s.SK = "secret#team_a", "other"
	w.write(t, w.store.Table.Create(s))
	for team, name := range map[string]string{"team_b": "token", "team_a": "other"} {
		if got, err := w.expecting(t, team, []string{name}, team, []string{name})(); err == nil || got != nil {
			t.Errorf("%s, %s, as expected: got %v", team, name, got)
		}
		if got, err := w.resolver.Resolve(t.Context(), team, []string{name}); err == nil || got != nil {
			t.Errorf("%s, %s: got %v", team, name, got)
		} else if _, missing := errors.AsType[*secret.MissingError](err); missing {
			t.Errorf("%s, %s: it is there, and not ours: %v", team, name, err)
		}
	}
}

func TestTheStore(t *testing.T) {
	w := newWorld(t)
	one := w.keep(t, "sec_1", "team_a", "one", value)
	w.keep(t, "sec_2", "team_a", "two", value)
	w.keep(t, "sec_3", "", "three", value)
	for name, tt := range map[string]struct {
		teams []string
		want  []string
	}{"a team": {[]string{"team_a"}, []string{"two", "one"}}, "all": {nil, []string{"three", "two", "one"}}, "none": {[]string{}, nil}} {
		list, _, err := w.store.List(t.Context(), tt.teams, 10, "")
		var got []string
		for _, s := range list {
			got = append(got, s.Name)
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, tt.want)
		}
	}
	failed := func(ops ...dynamo.Op) int {
		t.Helper()
		lost, ok := dynamo.Failed(dynamo.Commit(t.Context(), w.store.Table.DB, ops...))
		if !ok {
			return -1
		}
		return lost.Index
	}
	again := one
	again.ID = "sec_9"
	if got := failed(w.store.Create(again)...); got != 0 {
		t.Errorf("a name that is taken: condition %d, want 0", got)
	}
	w.write(t, w.store.Replace(one, one))
	if got := failed(w.store.Replace(one, one)); got != 0 {
		t.Error("an older version was replaced")
	}
	if got := failed(w.store.Delete(one)...); got != 0 {
		t.Error("an older version was deleted")
	}
	two, _, err := w.store.Secret(t.Context(), "sec_1")
	if err != nil || two.Version != 2 {
		t.Fatalf("got %+v, %v", two, err)
	}
	w.write(t, w.store.Delete(two)...)
	if _, found, err := w.store.Secret(t.Context(), "sec_1"); found || err != nil {
		t.Errorf("a deleted one: %v, %v", found, err)
	}
	next := w.keep(t, "sec_8", "team_a", "one", "new")
	if got := failed(w.store.Delete(two)...); got != 0 {
		t.Error("who deletes the old one takes the new one of its name")
	}
	if kept, found, err := w.store.Secret(t.Context(), "sec_8"); !found || err != nil || !reflect.DeepEqual(kept, next) {
		t.Errorf("got %+v, %v, %v", kept, found, err)
	}
}

// TestWhoMayDoWhat: rights of template.yaml, with the condition on the purpose.
func TestWhoMayDoWhat(t *testing.T) {
	w := newWorld(t)
	kept := w.keep(t, "sec_1", "team_a", "token", value)
	client := func(function string) *kms.Client { return kms.NewFromConfig(w.env.ConfigOf(function)) }
	writer := &secret.Key{ID: w.key.ID, Client: client("RunbooksFunction")}
	if _, err := writer.Encrypt(t.Context(), secret.Secret{ID: "sec_2", Name: "x"}, value); err != nil {
		t.Errorf("the function that writes: %v", err)
	}
	if got, err := writer.Decrypt(t.Context(), kept); err == nil {
		t.Errorf("the function that writes reads %q", got)
	}
	in := &kms.EncryptInput{KeyId: &w.key.ID, Plaintext: []byte(value)}
	for name, context := range map[string]map[string]string{"no context": nil, "no purpose": {"id": "sec_1"}, "another purpose": {"purpose": "mail"}} {
		in.EncryptionContext = context
		if _, err := client("RunbooksFunction").Encrypt(t.Context(), in); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("%s: got %v, want AccessDenied", name, err)
		}
	}
	for _, function := range []string{"ExecutionsFunction", "IncidentsFunction", "WatchdogFunction", "IdentityFunction"} {
		other := &secret.Key{ID: w.key.ID, Client: client(function)}
		if _, err := other.Decrypt(t.Context(), kept); err == nil {
			t.Errorf("%s reads secrets", function)
		}
		if _, err := other.Encrypt(t.Context(), kept, value); err == nil {
			t.Errorf("%s writes secrets", function)
		}
	}
}
