package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pagefree/infra/local/client"
	"pagefree/infra/local/demo"
	"pagefree/infra/local/stack"
)

// The demo's people, and nobody.
const (
	admin     = "admin@pagefree.test"
	lead      = demo.Lead
	reviewer  = demo.Reviewer
	responder = demo.Responder
	observer  = "observer@pagefree.test"
	outsider  = "outsider@pagefree.test" // TEAM_ADMIN of another team
	nobody    = ""
)

// contract is PageFree as an outsider meets it: an address, a few people with
// their credentials, and what the contract says. Every answer that comes by it
// is held against the rules that hold for all answers.
type contract struct {
	api       client.Client
	stack     *stack.Stack
	bearers   map[string]string // by who
	team      string
	elsewhere string // the outsider's team
	service   string // of team
	other     string // another service of team
	incident  string // of service
	approved  string // a runbook of team
	names     atomic.Int64
}

// TestContract goes through the HTTP contract on one stack with the demo's data.
func TestContract(t *testing.T) { // not beside others: many parts share its stack, which works all the while that they wait
	// Everybody asks at once, and more than the limits admit: TestLimits tests those.
	s, err := stack.Start(t.Context(), stack.Options{Every: 500 * time.Millisecond, Parameters: unlimited})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	people, err := demo.Run(t.Context(), demo.Options{URL: s.URL, Out: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	c := &contract{api: client.Client{URL: s.URL}, stack: s, bearers: people.Sessions, incident: people.IncidentID, approved: people.RunbookIDs["Free disk space"]}
	c.settle(t)
	for name, part := range map[string]func(*testing.T, *contract){
		"answers": contractAnswers, "methods": contractMethods, "bodies": contractBodies, "lists": contractLists, "revisions": contractRevisions,
		"paths": contractPaths, "queries": contractQueries, "wire": contractWire, "credentials": contractCredentials, "origins": contractOrigins,
		"sign-in": contractSignIn, "users": contractUsers, "teams": contractTeams, "keys": contractKeys,
		"runbooks": contractRunbooks, "parameters": contractParameters, "review": contractReview, "states": contractStates, "versions": contractVersions,
		"targets": contractTargets, "secrets": contractSecrets, "webhooks": contractWebhooks, "callbacks": contractCallbacks, "pause": contractPause, "nodes": contractNodes,
		"triggers": contractTriggers, "globals": contractGlobals, "idempotency": contractIdempotency, "confirmation": contractConfirmation, "values": contractValues,
		"templates": contractTemplates, "outcomes": contractOutcomes, "output": contractOutput, "executions": contractExecutions,
		"status pages": contractStatusPages, "partners": contractPartners, "incidents": contractIncidents, "dedup": contractDedup, "services": contractServices, "races": contractRaces,
		"integrations": contractIntegrations, "hooks": contractHooks, "workflows": contractWorkflows, "runs": contractRuns, "notifications": contractNotifications, "push": contractPush,
		"audit": contractAudit, "document": contractDocument, "limits": contractLimits,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, c)
		})
	}
}

// settle signs the rest of the people in, and finds what the demo made.
func (c *contract) settle(t *testing.T) {
	t.Helper()
	for i, who := range []string{observer, outsider} {
		from := client.Client{URL: c.api.URL, HTTP: source(fmt.Sprintf("127.0.9.%d", i+1))}
		token, err := from.SignIn(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		c.bearers[who] = token
	}
	c.team, c.elsewhere = c.teamOf(t, lead), c.teamOf(t, outsider)
	services := c.want(t, lead, "GET /v1/services?teamId="+c.team, nil, http.StatusOK, "").Items()
	c.other, c.service = services[0]["id"].(string), services[1]["id"].(string)
}

func (c *contract) teamOf(t *testing.T, who string) string {
	t.Helper()
	teams := c.want(t, who, "GET /v1/me", nil, http.StatusOK, "").Body["teams"].([]any)
	return teams[0].(map[string]any)["id"].(string)
}

// source is a client whose requests come from another of this machine's addresses.
func source(ip string) *http.Client {
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	return &http.Client{Transport: &http.Transport{DialContext: d.DialContext}}
}

// name is one that nobody has.
func (c *contract) name(of string) string {
	return fmt.Sprintf("%s %d-%d", of, time.Now().UnixNano(), c.names.Add(1))
}

// text is a body that is sent as it is.
type text string

// object is a JSON object.
type object = map[string]any

// with returns a copy of o with members added; nil removes one.
func with(o object, members ...any) object {
	out := object{}
	for k, v := range o {
		out[k] = v
	}
	for i := 0; i < len(members); i += 2 {
		if name := members[i].(string); members[i+1] == nil {
			delete(out, name)
		} else {
			out[name] = members[i+1]
		}
	}
	return out
}

// scenario is one request, and what the contract says of its answer.
type scenario struct {
	as    string // one of the demo's people, or a secret
	do    string // "GET /v1/me": the target goes out as it stands here
	send  any    // JSON, or text
	with  http.Header
	want  int
	code  string // of a problem
	has   string // stands in the answer
	lacks string // does not
}

// play plays scenarios, each by itself.
func (c *contract) play(t *testing.T, scenarios map[string]scenario) {
	t.Helper()
	for name, s := range scenarios {
		t.Run(name, func(t *testing.T) {
			a := c.ask(t, s.as, s.do, s.send, s.with)
			if a.Status != s.want || a.Text("code") != s.code && s.want >= 400 {
				t.Errorf("%s: got %d %s, want %d %s: %s", s.do, a.Status, a.Text("code"), s.want, s.code, a.Raw)
			}
			if !strings.Contains(a.Raw, s.has) {
				t.Errorf("%s: %q is not in %s", s.do, s.has, a.Raw)
			}
			if s.lacks != "" && strings.Contains(a.Raw, s.lacks) {
				t.Errorf("%s: %q is in %s", s.do, s.lacks, a.Raw)
			}
		})
	}
}

// want is a request whose status, and code if it is a problem, are known.
func (c *contract) want(t *testing.T, as, do string, body any, status int, code string) client.Answer {
	t.Helper()
	a := c.ask(t, as, do, body, nil)
	if a.Status != status || code != "" && a.Text("code") != code {
		t.Fatalf("%s: got %d %s, want %d %s: %s", do, a.Status, a.Text("code"), status, code, a.Raw)
	}
	return a
}

// ask sends a request and holds its answer against the rules for all answers.
func (c *contract) ask(t *testing.T, as, do string, body any, header http.Header) client.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	method, target, _ := strings.Cut(do, " ")
	var payload io.Reader
	h := http.Header{}
	switch b := body.(type) {
	case nil:
	case text:
		payload = strings.NewReader(string(b))
		h.Set("Content-Type", "application/json")
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		payload = bytes.NewReader(raw)
		h.Set("Content-Type", "application/json")
	}
	req, err := http.NewRequestWithContext(ctx, method, c.api.URL, payload)
	if err != nil {
		t.Fatal(err)
	}
	req.URL = &url.URL{Scheme: "http", Host: req.Host, Opaque: target} // as it stands, whatever is in it
	if token := cmp.Or(c.bearers[as], as); token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
	for name, values := range header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	req.Header = h
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", do, err)
	}
	defer res.Body.Close()
	a := read(t, res)
	hold(t, do, a)
	if at := a.Header.Get("Location"); at != "" && a.Text("id") != "" && !strings.HasSuffix(at, "/timeline") {
		if there := c.ask(t, as, "GET "+at, nil, header); there.Text("id") != a.Text("id") {
			t.Errorf("%s: at %s is %d %s", do, at, there.Status, there.Raw)
		}
	}
	return a
}

func read(t *testing.T, res *http.Response) client.Answer {
	t.Helper()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := client.Answer{Status: res.StatusCode, Header: res.Header, Raw: string(raw)}
	if json.Unmarshal(raw, &a.Body) != nil {
		a.Body = nil // a page, or nothing
	}
	return a
}

// together does the same thing n times at once, and counts what came of it.
func together(n int, do func() string) map[string]int {
	results := make(chan string, n)
	for range n {
		go func() { results <- do() }()
	}
	counts := map[string]int{}
	for range n {
		counts[<-results]++
	}
	return counts
}

// encoded is v as JSON, to be written anew by hand.
func encoded(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
