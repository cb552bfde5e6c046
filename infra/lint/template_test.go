package lint

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pagefree/infra/local/template"
	"pagefree/internal/audit"
)

// TestFunctionLimits: sizes, and what one function's time means for its queue and its callers.
func TestFunctionLimits(t *testing.T) {
	tmpl := deployed(t)
	routed := map[string]bool{}
	for _, route := range tmpl.API.Routes {
		routed[route.Function] = true
	}
	for id, f := range tmpl.Functions {
		if f.MemoryMB < 128 || f.MemoryMB > 256 {
			t.Errorf("%s: %d MB", id, f.MemoryMB)
		}
		if routed[id] && f.Timeout.Seconds() >= 29 {
			t.Errorf("%s: %v, but API Gateway waits 29 s", id, f.Timeout)
		}
		for _, source := range f.QueueSources {
			queue := queueOf(t, tmpl, source.QueueARN)
			if queue.Visibility < 6*f.Timeout {
				t.Errorf("%s: visible again after %v, want six times the %v of %s", queue.LogicalID, queue.Visibility, f.Timeout, id)
			}
			if !source.ReportBatchItemFailures {
				t.Errorf("%s, %s: one failure would fail the batch", id, source.Name)
			}
			if queue.DeadLetterARN == "" {
				t.Errorf("%s: no dead-letter queue", queue.LogicalID)
			}
		}
	}
	for id, f := range tmpl.Functions {
		for _, source := range f.StreamSources {
			if !source.ReportBatchItemFailures || !source.BisectBatchOnError || source.MaximumRetryAttempts < 0 || source.OnFailureARN == "" {
				t.Errorf("%s, %s: one record that fails would hold up its shard for a day: %+v", id, source.Name, source)
				continue
			}
			queueOf(t, tmpl, source.OnFailureARN)
			for action, arn := range map[string]string{
				"dynamodb:DescribeStream": source.StreamARN, "dynamodb:GetRecords": source.StreamARN, "dynamodb:GetShardIterator": source.StreamARN,
				"sqs:SendMessage": source.OnFailureARN,
			} {
				if !slices.ContainsFunc(rights(f, arn), func(s template.Statement) bool { return slices.Contains(s.Actions, action) }) {
					t.Errorf("%s, %s: its role lacks %s", id, source.Name, action)
				}
			}
		}
	}
	dispatcher, bash := tmpl.Functions["DispatcherFunction"], tmpl.Functions["SandboxBashFunction"]
	if bash.Timeout.Seconds() <= 300 || dispatcher.Timeout <= bash.Timeout {
		t.Errorf("a script has 300 s, the sandbox %v, the dispatcher %v: each must outlast the one before", bash.Timeout, dispatcher.Timeout)
	}
}

func queueOf(t *testing.T, tmpl *template.Template, arn string) *template.Queue {
	t.Helper()
	for _, q := range tmpl.Queues {
		if q.ARN == arn {
			return q
		}
	}
	t.Fatalf("no queue %s", arn)
	return nil
}

// TestDataIsKept: tables and keys outlive the stack and its mistakes.
func TestDataIsKept(t *testing.T) {
	for id, r := range deployed(t).Resources {
		if r.Type != "AWS::DynamoDB::Table" && r.Type != "AWS::KMS::Key" {
			continue
		}
		if r.DeletionPolicy != "Retain" || r.UpdateReplacePolicy != "Retain" {
			t.Errorf("%s: deleted %q, replaced %q, want Retain", id, r.DeletionPolicy, r.UpdateReplacePolicy)
		}
		if r.Type == "AWS::KMS::Key" {
			continue
		}
		recovery, _ := r.Properties["PointInTimeRecoverySpecification"].(map[string]any)
		if recovery["PointInTimeRecoveryEnabled"] != true || r.Properties["BillingMode"] != "PAY_PER_REQUEST" {
			t.Errorf("%s: recovery %v, billing %v", id, recovery, r.Properties["BillingMode"])
		}
		if ttl, ok := r.Properties["TimeToLiveSpecification"].(map[string]any); id != "AuditTable" && (!ok || ttl["AttributeName"] != "ttl" || ttl["Enabled"] != true) {
			t.Errorf("%s: TTL %v", id, ttl)
		}
	}
}

// alarm is what the tests want to know of an AWS::CloudWatch::Alarm.
type alarm struct {
	id, description, metric, missing string
	of                               []string // values of the dimensions
	tells                            bool     // somebody, by the topic
}

func alarms(t *testing.T) []alarm {
	t.Helper()
	var out []alarm
	for id, r := range deployed(t).Resources {
		if r.Type != "AWS::CloudWatch::Alarm" {
			continue
		}
		a := alarm{id: id}
		a.description, _ = r.Properties["AlarmDescription"].(string)
		a.missing, _ = r.Properties["TreatMissingData"].(string)
		actions, _ := r.Properties["AlarmActions"].([]any)
		a.tells = len(actions) == 1
		add := func(metric map[string]any) {
			a.metric, _ = metric["MetricName"].(string)
			dimensions, _ := metric["Dimensions"].([]any)
			for _, d := range dimensions {
				a.of = append(a.of, d.(map[string]any)["Value"].(string))
			}
		}
		if _, single := r.Properties["MetricName"]; single {
			add(r.Properties)
		}
		metrics, _ := r.Properties["Metrics"].([]any)
		if len(metrics) > 10 {
			t.Errorf("%s: %d metrics, CloudWatch takes 10", id, len(metrics))
		}
		for _, m := range metrics {
			if stat, ok := m.(map[string]any)["MetricStat"].(map[string]any); ok {
				add(stat["Metric"].(map[string]any))
			}
		}
		out = append(out, a)
	}
	return out
}

// TestAlarms: everything that can go silently wrong has an alarm, and every alarm a page that says what to do.
func TestAlarms(t *testing.T) {
	headings := operating(read(t, "infra/README.md"))
	covered := map[string][]string{} // metric to what it is watched of
	for _, a := range alarms(t) {
		anchor, rest, _ := strings.Cut(strings.TrimPrefix(a.description, "infra/README.md#"), " - ")
		if !strings.HasPrefix(a.description, "infra/README.md#") || rest == "" {
			t.Errorf("%s: description %q, want infra/README.md#heading - what happened", a.id, a.description)
		} else if !slices.Contains(headings, anchor) {
			t.Errorf("%s: infra/README.md has no heading #%s under Operating; it has %q", a.id, anchor, headings)
		}
		if !a.tells {
			t.Errorf("%s: tells nobody", a.id)
		}
		covered[a.metric] = append(covered[a.metric], a.of...)
		if a.metric == "Invocations" && a.missing != "breaching" {
			t.Errorf("%s: silence does not sound it", a.id)
		}
	}
	for _, metric := range []string{"SealBroken", "DueItemsFailing", "DueItemsFailed", "RateFailedOpen", "RateRefused", "SignInCeilingReached", audit.Altered, audit.Unreadable, audit.SealedLate} { // our own
		if _, ok := covered[metric]; !ok {
			t.Errorf("no alarm on %s", metric)
		}
	}
	tmpl := deployed(t)
	for id, f := range tmpl.Functions {
		for _, metric := range []string{"Errors", "Throttles"} {
			if !slices.Contains(covered[metric], f.Name) {
				t.Errorf("%s: no alarm on %s", id, metric)
			}
		}
		if len(f.StreamSources) > 0 && !slices.Contains(covered["IteratorAge"], f.Name) {
			t.Errorf("%s: no alarm when its stream waits", id)
		}
		if len(f.Schedules) > 0 && !slices.Contains(covered["Invocations"], f.Name) {
			t.Errorf("%s: no alarm when it is silent", id)
		}
	}
	for id, q := range tmpl.Queues {
		metric := "ApproximateNumberOfMessagesVisible" // of a dead-letter queue: anything in it
		if q.DeadLetterARN != "" {
			metric = "ApproximateAgeOfOldestMessage"
		}
		if !slices.Contains(covered[metric], q.Name) {
			t.Errorf("%s: no alarm on %s", id, metric)
		}
	}
}

// operating gives the anchors of the headings below "## Operating", as a Markdown reader makes them.
func operating(page string) []string {
	_, section, _ := strings.Cut(page, "\n## Operating\n")
	if before, _, more := strings.Cut(section, "\n## "); more {
		section = before
	}
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^### (.+)$`).FindAllStringSubmatch(section, -1) {
		anchor := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		out = append(out, strings.ReplaceAll(anchor, " ", "-"))
	}
	return out
}

// TestParameters: a first deployment asks for little, and says what each answer means.
func TestParameters(t *testing.T) {
	page := read(t, "template.yaml")
	_, section, _ := strings.Cut(page, "\nParameters:\n")
	section, _, _ = strings.Cut(section, "\nConditions:\n")
	blocks := regexp.MustCompile(`(?m)^  [A-Z]\w+:$`).Split(section, -1)[1:]
	asked := 0
	for _, block := range blocks {
		if !strings.Contains(block, "    Default:") {
			asked++
		}
		if !strings.Contains(block, "    Description:") {
			t.Errorf("a parameter without a description:%s", block)
		}
	}
	if len(blocks) < 10 || asked > 4 {
		t.Errorf("%d of %d parameters have no default, want at most 4", asked, len(blocks))
	}
}

// TestGatewayResponses: API Gateway's own answers have the shape of ours.
func TestGatewayResponses(t *testing.T) {
	want := map[string]string{ // response type to status and code
		"ACCESS_DENIED": "401 $context.authorizer.code", "UNAUTHORIZED": "401 unauthenticated",
		"MISSING_AUTHENTICATION_TOKEN": "404 not_found", "RESOURCE_NOT_FOUND": "404 not_found",
		"REQUEST_TOO_LARGE": "413 body_too_large", "THROTTLED": "429 rate_limited", "QUOTA_EXCEEDED": "429 rate_limited",
		"WAF_FILTERED": "403 forbidden", "INTEGRATION_TIMEOUT": "504 timeout", "DEFAULT_5XX": "502 internal",
	}
	responses := deployed(t).API.GatewayResponses
	for kind, g := range responses {
		var problem struct {
			Type, Title, Detail, Code, Instance string
			Status                              int
		}
		if err := json.Unmarshal([]byte(g.Templates["application/json"]), &problem); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if problem.Type != "about:blank" || problem.Title == "" || problem.Detail == "" || problem.Status != g.StatusCode ||
			problem.Instance != "urn:uuid:$context.requestId" {
			t.Errorf("%s: problem %+v of a %d", kind, problem, g.StatusCode)
		}
		if status, code, ok := strings.Cut(want[kind], " "); ok && (problem.Code != code || status != strconv.Itoa(g.StatusCode)) {
			t.Errorf("%s: %d %s, want %s", kind, g.StatusCode, problem.Code, want[kind])
		}
		if g.Headers["Content-Type"] != "'application/problem+json'" || g.Headers["X-Request-Id"] != "context.requestId" ||
			g.Headers["Strict-Transport-Security"] != "'max-age=63072000'" || g.Headers["X-Content-Type-Options"] != "'nosniff'" || g.Headers["Cache-Control"] != "'no-store'" {
			t.Errorf("%s: headers %v", kind, g.Headers)
		}
		if (g.StatusCode == 401) != (g.Headers["WWW-Authenticate"] == "'Bearer'") || (g.StatusCode == 429) != (g.Headers["Retry-After"] != "") {
			t.Errorf("%s: headers %v of a %d", kind, g.Headers, g.StatusCode)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(want)) {
		if _, ok := responses[kind]; !ok {
			t.Errorf("%s is left to API Gateway", kind)
		}
	}
}

// TestOneVariable: a resource of API Gateway has one variable child at most, {id} or {proxy+}, and always of the same
// name: CloudFormation fails at the second ("A sibling of this resource already has a variable path part").
func TestOneVariable(t *testing.T) {
	children := map[string]string{}
	for _, route := range deployed(t).API.Routes {
		parent := ""
		for _, part := range strings.Split(strings.TrimPrefix(route.Path, "/"), "/") {
			if strings.HasPrefix(part, "{") {
				if other := children[parent]; other != "" && other != part {
					t.Errorf("%s: beside %s/%s", route.Path, parent, other)
				}
				children[parent] = part
			}
			parent += "/" + part
		}
	}
	if len(children) < 5 {
		t.Errorf("hardly any variable was found: %v", children)
	}
}

// TestDoors: a route has the authorizer and a usage plan, or method throttling.
func TestDoors(t *testing.T) {
	api := deployed(t).API
	throttled := map[string]bool{}
	for _, m := range api.MethodSettings {
		throttled[m.Method+" "+m.Path] = m.Throttle != nil
	}
	for _, route := range api.Routes {
		if route.Authorizer != nil {
			if route.Authorizer.TTL != 0 || len(route.Authorizer.Identity) > 0 || !route.APIKeyRequired {
				t.Errorf("%s: %+v, key required: %v", route.Path, *route.Authorizer, route.APIKeyRequired)
			}
			continue
		}
		if route.APIKeyRequired {
			t.Errorf("%s: asks for a plan's key that nobody gives", route.Path)
		}
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			if !throttled[method+" "+route.Path] {
				t.Errorf("%s %s has neither an authorizer nor throttling", method, route.Path)
			}
		}
	}
	if len(api.UsagePlans) != 4 || api.KeySource != "AUTHORIZER" { // of callers, of partners, of nobody, and of who is over a limit
		t.Errorf("%d usage plans, keys from %s", len(api.UsagePlans), api.KeySource)
	}
	for _, plan := range api.UsagePlans {
		if plan.Rate < 50 || plan.Burst < 100 || len(plan.KeyIDs) != 1 {
			t.Errorf("%s: %+v", plan.LogicalID, plan)
		}
	}
}

// TestAccessLog: API Gateway escapes nothing in a line, so that what a caller could write into one would forge the rest
// of it; and a query or a cookie would keep secrets.
func TestAccessLog(t *testing.T) {
	_, format, found := strings.Cut(read(t, "template.yaml"), "\n      AccessLogSetting: ")
	format, _, end := strings.Cut(format, "AWS::NoValue")
	if !found || !end {
		t.Fatal("no AccessLogSetting")
	}
	ours := []string{
		"authorizer.latency", "authorizer.principalId", "error.responseType", "httpMethod", "identity.sourceIp", "integrationLatency",
		"requestId", "requestTime", "resourcePath", "responseLatency", "responseLength", "status",
	}
	var got []string
	for _, m := range regexp.MustCompile(`\$context\.([A-Za-z.]+)`).FindAllStringSubmatch(format, -1) {
		got = append(got, m[1])
	}
	slices.Sort(got)
	if !slices.Equal(got, ours) {
		t.Errorf("got %q, want %q", got, ours)
	}
}

// TestDashboard: it can be read, names what is there, and forgets no queue and no tier of rates.
func TestDashboard(t *testing.T) {
	tmpl := deployed(t)
	body, _ := tmpl.Resources["Dashboard"].Properties["DashboardBody"].(string)
	var board struct {
		Widgets []struct {
			X, Y, Width, Height int
			Properties          struct{ Title string }
		}
	}
	if err := json.Unmarshal([]byte(body), &board); err != nil || strings.Contains(body, "${") {
		t.Fatalf("%v in %s", err, body)
	}
	taken := map[[2]int]string{}
	for _, w := range board.Widgets {
		at := [2]int{w.X, w.Y}
		if w.Properties.Title == "" || taken[at] != "" || w.X+w.Width > 24 {
			t.Errorf("%q lies at %v, where %q is", w.Properties.Title, at, taken[at])
		}
		taken[at] = w.Properties.Title
	}
	for id, q := range tmpl.Queues {
		if !strings.Contains(body, `"`+q.Name+`"`) {
			t.Errorf("%s is not on it", id)
		}
	}
	for _, f := range tmpl.Functions {
		for _, s := range rights(f, tmpl.Tables["EphemeralTable"].ARN) {
			for _, prefix := range s.Conditions["ForAllValues:StringLike"]["dynamodb:LeadingKeys"] {
				if tier, counts := strings.CutPrefix(prefix, "rate#"); counts && tier != "invitations#*" && !strings.Contains(body, `"RateRefused","Tier","`+strings.TrimSuffix(tier, "#*")+`"`) {
					t.Errorf("the tier %s is not on it", tier)
				}
			}
		}
	}
}
