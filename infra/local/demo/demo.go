// Package demo fills a local stack with people, services, an incident and
// runbooks, then handles the incident before the reader's eyes: all of it
// through the public HTTP API, checking every answer.
package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pagefree/infra/local/client"
)

// Options say where the stack is, how much to show, and where to tell what happens.
type Options struct {
	URL  string // of the API, without a slash at the end
	Mail string // of the local stack that has the mailbox; default URL
	Out  io.Writer

	// Whole also shows nodes, webhooks, a named target, a cancelled run, one that
	// runs out of time, a rollback, alerts and the workflows that they trigger, a
	// status page with its partners, and the sealed audit trail. Without it
	// the demo runs in sandboxes alone: what works under sam local, and enough
	// for tests to start from.
	Whole  bool
	Page   bool // the status page with its partners too, of what only Whole shows
	Colour bool // for a terminal

	// Topics is where CloudWatch's alarms come from. nil: no alarm comes from there.
	Topics Topics

	// Past gives what was just made its history. nil: it has none.
	Past *Past
}

// Result is what somebody needs to go on by themselves.
type Result struct {
	Sessions   map[string]string // of the people who acted, by address
	IncidentID string
	RunbookIDs map[string]string // by name
	Tokens     map[string]string // of partners, by name; where the status page is shown

	// Where anybody may send an alert, its bearer secret, and the workflow that an alert labelled RemedyLabel starts; where Whole shows them.
	Hook, HookSecret, WorkflowID string
}

type demo struct {
	client.Client
	told
	whole    bool
	sessions map[string]string
	team     string
	services map[string]string // ids by name, as all of these
	targets  map[string]string
	runbooks map[string]string
	versions map[string]int // that serves, by the runbook's name
	incident string
	signing  string // the value of the secret that signs webhooks

	topics    Topics
	workflows map[string]string
	hook      string // the address that takes alerts of any script
	hookKey   string // its bearer secret

	past       *Past
	statusPage string
	components map[string]string // of the status page
	tokens     map[string]string // of its partners
}

// Run makes the demo data where it is missing, and handles the demo incident.
// It may be repeated on the same stack: what is there is used again.
func Run(ctx context.Context, o Options) (Result, error) {
	return run(ctx, o, &http.Client{Timeout: 40 * time.Second})
}

func run(ctx context.Context, o Options, by *http.Client) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	d := &demo{
		Client: client.Client{URL: o.URL, Mail: o.Mail, HTTP: by},
		told:   told{out: o.Out, colour: o.Colour, began: time.Now()}, whole: o.Whole,
		sessions: map[string]string{}, services: map[string]string{}, targets: map[string]string{},
		runbooks: map[string]string{}, versions: map[string]int{},
		topics: o.Topics, workflows: map[string]string{}, past: o.Past, components: map[string]string{}, tokens: map[string]string{},
	}
	type part struct {
		title string
		show  func(context.Context) error
	}
	parts := []part{{"People", d.people}, {"Library", d.library}, {"Review", d.review}, {"The incident", d.remedy}}
	if o.Whole {
		parts = append(parts, part{"Alerts", d.alerts})
	}
	if o.Whole || o.Page {
		parts = append(parts, part{"The status page", d.page})
	}
	for _, part := range append(parts, part{"Proof", d.proof}) {
		d.section(part.title)
		if err := part.show(ctx); err != nil {
			return Result{}, fmt.Errorf("%s: %w", strings.ToLower(part.title), err)
		}
	}
	return Result{Sessions: d.sessions, IncidentID: d.incident, RunbookIDs: d.runbooks, Tokens: d.tokens,
		Hook: d.hook, HookSecret: d.hookKey, WorkflowID: d.workflows[cleanup]}, nil
}

// as sends a request as one of the demo's people, and wants a status.
func (d *demo) as(ctx context.Context, who string, status int, method, path string, body any) (client.Answer, error) {
	return d.Want(ctx, status, method, path, d.sessions[who], body)
}

// all reads a list to its end.
func (d *demo) all(ctx context.Context, who, path string) ([]map[string]any, error) {
	var out []map[string]any
	cursor := ""
	for {
		p := path
		if cursor != "" {
			sep := "?"
			if strings.Contains(path, "?") {
				sep = "&"
			}
			p += sep + "cursor=" + url.QueryEscape(cursor)
		}
		a, err := d.as(ctx, who, http.StatusOK, "GET", p, nil)
		if err != nil {
			return nil, err
		}
		out = append(out, a.Items()...)
		if cursor = a.Text("nextCursor"); cursor == "" {
			return out, nil
		}
	}
}

// named reads a list into ids by name.
func (d *demo) named(ctx context.Context, path string, into map[string]string) error {
	items, err := d.all(ctx, Lead, path+"?limit=200&teamId="+d.team)
	for _, item := range items {
		name, _ := item["name"].(string)
		into[name], _ = item["id"].(string)
	}
	return err
}
