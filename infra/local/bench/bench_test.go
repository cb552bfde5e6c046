package bench

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/stack"
)

// TestBench measures as little as it can, of everything: whether it works, not how fast.
func TestBench(t *testing.T) {
	var out strings.Builder
	if err := Run(t.Context(), stack.Options{}, Size{Rounds: 1, Calls: 3, Times: 1, Executions: 20, Views: 1, Bursts: 1, Burst: 50 * time.Millisecond, Colds: 1, Deliveries: 1, Reactions: 2, Sockets: 12, Partners: 200}, &out); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	t.Log("\n" + got)
	if strings.Count(got, "median (least..most)") != 1 {
		t.Error("it is not one table")
	}
	// What is counted, unlike what is timed, is the same on each machine.
	for name, pattern := range map[string]string{
		"every function has its memory read":                `(?m)^  SigninMail +\S+ +\S+ +[1-9][0-9.]* `,
		"reading an execution takes two calls":              `(?m)^  GET /v1/executions/\{id\} +2 `,
		"a webhook execution takes six calls at most":       `(?m)^  a webhook execution +[1-6] +[0-9.]+ +[0-9.]+ +2 +[0-9.]+ +at most 6: ok$`,
		"so does one that is signed":                        `(?m)^  a webhook execution, signed, with a secret in a header +[1-6] +[0-9.]+ +[0-9.]+ +4 +[0-9.]+ +at most 6: ok$`,
		"one that calls back takes three more":              `(?m)^  a webhook execution, asynchronous, with its callback +9 `,
		"one for an incident takes no more":                 `(?m)^  a webhook execution, for an incident +6 `,
		"so does one in the sandbox":                        `(?m)^  a sandbox execution +6 +[0-9.]+ +[0-9.]+ +2 +[0-9.]+$`,
		"an execution on a node has its calls":              `(?m)^  an ssm execution, until its end is announced +[0-9]+ +[0-9.]+ +[0-9.]+ +2 +[0-9.]+$`,
		"queued executions have a rate and an aim":          `(?m)^  queued sandbox executions +3 +[0-9.]+ +(MISSED )?at least 1000`,
		"so have those that are webhooks":                   `(?m)^  queued webhook executions +3 +[0-9.]+ +(MISSED )?at least 1000`,
		"a page's first view has a weight":                  `(?m)^  the demo's page, 90 days of history +[0-9.]+ +at most 30: ok$`,
		"the console's first view has a weight":             `(?m)^  the first view of any: the incidents +[0-9.]+ +(MISSED )?at most 60`,
		"its pages have a weight and a time":                `(?m)^  my settings +[0-9.]+ \([0-9.]+\.\.[0-9.]+\) +[0-9.]+$`,
		"views have a rate beside the bare one":             `(?m)^  the page as HTML, by session +[0-9.]+ +[0-9]+$`,
		"a hook takes three calls, and one to KMS at most":  `(?m)^  POST /v1/hooks/\{id\}, signed +[23] +[0-9.]+ +[0-9.]+ +[01] `,
		"each provider's patience is an aim, cold and warm": `(?m)^  pagerduty +[0-9.]+ +[0-9.]+ +at most 5000: ok; at most 5000: ok$`,
		"one that says nothing of it has none":              `(?m)^  alertmanager +[0-9.]+ +[0-9.]+$`,
		"an alert becomes an incident":                      `(?m)^  hook to incident +[0-9.]+ `,
		"and starts a runbook":                              `(?m)^  hook to runbook started, by a workflow +[0-9.]+ `,
		"and is told":                                       `(?m)^  hook to mail to a responder +[0-9.]+ `,
		"and is pushed, with what that costs":               `(?m)^  hook to push on a responder's device +[1-9][0-9]*[ (].* [0-9.]+ \([0-9.]+\.\.[0-9.]+\)$`,
		"a request now and then is counted by one call":     `(?m)^  a request a second +1 +[0-9]+ +at most 1: ok$`,
		"a flood is refused from memory":                    `(?m)^  a flood of ten thousand a second +0\.[0-9]+ +[0-9]+ +at most 1: ok$`,
		"opening a socket has its calls":                    `(?m)^  ticket, socket and subscription +[1-9][0-9]* .*[0-9.]+$`,
		"a change reaches sockets":                          `(?m)^  a change, to every socket +[1-9][0-9]* .*[0-9.]+ \([0-9.]+\.\.[0-9.]+\)$`,
		"hooks have a rate beside the bare one":             `(?m)^  standard, signed +[0-9.]+ +[0-9]+$`,
		"an alert is counted in each function":              `(?m)^  one whose workflow runs one runbook +[0-9]+ .*\n    hooks +[23] .*\n    alerts +[0-9]+ .*\n    reactor +[0-9]+ .*\n    notifier +[0-9]+ .*\n    dispatcher +[0-9]+ `,
		"the time of a view is told by process":             `(?m)^  local stack: gateway, queue, Lambda service, IAM, counting; and who asks +[0-9.]+$`,
		"the time of an execution is told by process":       `(?m)^  DynamoDB engine +[0-9.]+$`,
	} {
		if !regexp.MustCompile(pattern).MatchString(got) {
			t.Errorf("%s: no line is like %s", name, pattern)
		}
	}
	// A view is one read and a count at most in the authorizer and one read behind it, whatever is shown, and however many partners there are.
	for _, v := range (&work{}).viewed() {
		pattern := `(?m)^  ` + regexp.QuoteMeta(v.name) + ` +1 +[0-9.]+ +0 +0 +[0-9.]+ +at most 1: ok\n    its authorizer +[12] +1 +[01] +0 +at most 2: ok$`
		if n := len(regexp.MustCompile(pattern).FindAllString(got, -1)); n != 2 {
			t.Errorf("%s: %d of 2 rows have one read each", v.name, n)
		}
	}
	if strings.Contains(got, "not measured") || strings.Contains(got, "nothing here calls it") {
		t.Error("a function was not measured")
	}
}
