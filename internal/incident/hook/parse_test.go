package hook

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pagefree/internal/incident"
	"pagefree/internal/platform/text"
)

// told is what a test expects of an alert: labels it names, and others may be there.
type told struct {
	action   incident.Action
	severity incident.Severity
	title    string // all of it
	key      string
	labels   map[string]string
	raw      bool
}

const (
	fire, resolve, ignore       = incident.Fire, incident.Resolve, incident.Ignore
	critical, high, medium, low = incident.Critical, incident.High, incident.Medium, incident.Low
)

// TestParse reads every sample. One that is missing here fails.
func TestParse(t *testing.T) {
	const (
		datadogKey = "datadog:6c6e5fc1a8e3a35aa1d5f0c0b4b0a1f2"
		group      = `{}:{alertname="DiskAlmostFull"}`
		grafanaKey = `grafana:{}/{team="ops"}:{alertname="DiskAlmostFull", grafana_folder="Disks"}`
		alarms     = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:"
		issueKey   = "newrelic:b7ad36b1-2b3c-4d5e-9f01-23456789abcd"
		deploy     = "github:example/shop:workflow:159038:main"
	)
	disk := map[string]string{"host": "db-1", "mount": "/var"}
	tests := map[string]told{
		"datadog/fired":    {fire, critical, "Disk almost full", datadogKey, map[string]string{"env": "prod", "service": "orders", "host": "db-1", "org": "Example"}, false},
		"datadog/updated":  {fire, critical, "Disk almost full", datadogKey, nil, false},
		"datadog/warned":   {fire, medium, "Disk almost full", datadogKey, nil, false},
		"datadog/resolved": {resolve, critical, "Disk almost full", datadogKey, nil, false},
		"datadog/form":     {fire, critical, "Disk almost full", datadogKey, map[string]string{"env": "prod"}, false},
		"datadog/default":  {fire, medium, "Disk almost full", "", nil, false},
		"datadog/unfilled": {fire, high, "Deploy of orders failed", "", nil, false},
		"datadog/test":     {action: ignore},
		"datadog/unknown":  {fire, medium, "Datadog sent something that PageFree does not know", "", nil, true},

		"newrelic/fired":    {fire, critical, "orders responds slowly", issueKey, map[string]string{"env": "prod", "team": "shop", "policy": "Orders", "condition": "Response time"}, false},
		"newrelic/updated":  {fire, critical, "orders responds slowly", issueKey, nil, false},
		"newrelic/resolved": {resolve, critical, "orders responds slowly", issueKey, nil, false},
		"newrelic/default":  {fire, critical, "orders responds slowly", issueKey, nil, false},
		"newrelic/unknown":  {fire, medium, "New Relic sent something that PageFree does not know", "", nil, true},

		"grafana/fired":    {fire, critical, "DiskAlmostFull Disks (db-1 critical)", grafanaKey, map[string]string{"alertname": "DiskAlmostFull", "instance": "db-1"}, false},
		"grafana/updated":  {fire, critical, "DiskAlmostFull Disks (critical)", grafanaKey, nil, false},
		"grafana/resolved": {resolve, critical, "DiskAlmostFull Disks (db-1 critical)", grafanaKey, nil, false},
		"grafana/test":     {action: ignore},
		"grafana/unknown":  {fire, medium, "Grafana sent something that PageFree does not know", "", nil, true},

		"alertmanager/fired":    {fire, critical, "DiskAlmostFull: Disk of db-1 is at 97 %", "alertmanager:" + group, map[string]string{"job": "node", "severity": "critical"}, false},
		"alertmanager/updated":  {fire, critical, "DiskAlmostFull", "alertmanager:" + group, nil, false},
		"alertmanager/resolved": {resolve, critical, "DiskAlmostFull: Disk of db-1 is at 97 %", "alertmanager:" + group, nil, false},
		"alertmanager/watchdog": {fire, low, "Watchdog: Alerting works", `alertmanager:{}:{alertname="Watchdog"}`, nil, false},
		"alertmanager/unknown":  {fire, medium, "Alertmanager sent something that PageFree does not know", "", nil, true},

		"cloudwatch/fired":          {fire, high, "orders-5xx", alarms + "orders-5xx", map[string]string{"ApiName": "orders", "Stage": "live", "region": "us-east-1", "account": "123456789012", "metric": "5XXError"}, false},
		"cloudwatch/updated":        {fire, medium, "orders-5xx: insufficient data", alarms + "orders-5xx", nil, false},
		"cloudwatch/resolved":       {resolve, high, "orders-5xx", alarms + "orders-5xx", nil, false},
		"cloudwatch/critical":       {fire, critical, "orders-5xx", alarms + "orders-5xx", nil, false},
		"cloudwatch/composite":      {fire, high, "orders-down", alarms + "orders-down", nil, false},
		"cloudwatch/eventbridge":    {fire, high, "orders-5xx", alarms + "orders-5xx", map[string]string{"account": "123456789012"}, false},
		"cloudwatch/words":          {fire, medium, "Import is late", "", nil, true},
		"cloudwatch/subscription":   {action: ignore},
		"cloudwatch/unsubscription": {action: ignore},

		"pagerduty/fired":        {fire, critical, "orders is slow", "pagerduty:PGR0VU2", map[string]string{"service": "Orders", "urgency": "high", "priority": "P1"}, false},
		"pagerduty/updated":      {fire, critical, "orders is slow", "pagerduty:PGR0VU2", nil, false},
		"pagerduty/resolved":     {resolve, critical, "orders is slow", "pagerduty:PGR0VU2", nil, false},
		"pagerduty/low":          {fire, low, "orders is slow", "pagerduty:PGR0VU2", nil, false},
		"pagerduty/acknowledged": {action: ignore},
		"pagerduty/service":      {action: ignore},
		"pagerduty/test":         {action: ignore},
		"pagerduty/unknown":      {fire, medium, "PagerDuty sent something that PageFree does not know", "", nil, true},

		"github/fired":           {fire, medium, "deploy failed on main of example/shop", deploy, map[string]string{"repository": "example/shop", "branch": "main", "workflow": "deploy"}, false},
		"github/updated":         {fire, medium, "deploy failed on main of example/shop", deploy, map[string]string{"conclusion": "timed_out"}, false},
		"github/form":            {fire, medium, "deploy failed on main of example/shop", deploy, nil, false},
		"github/resolved":        {resolve, medium, "deploy failed on main of example/shop", deploy, nil, false},
		"github/cancelled":       {action: ignore},
		"github/in-progress":     {action: ignore},
		"github/issue-opened":    {fire, high, "Checkout answers 502", "github:example/shop:issue:73", map[string]string{"author": "octocat", "severity": "high"}, false},
		"github/issue-labeled":   {fire, medium, "Checkout answers 502", "github:example/shop:issue:73", nil, false},
		"github/issue-reopened":  {fire, medium, "Checkout answers 502", "github:example/shop:issue:73", nil, false},
		"github/issue-closed":    {resolve, medium, "Checkout answers 502", "github:example/shop:issue:73", nil, false},
		"github/issue-unlabeled": {resolve, medium, "Checkout answers 502", "github:example/shop:issue:73", nil, false},
		"github/issue-plain":     {action: ignore},
		"github/issue-comment":   {action: ignore},
		"github/push":            {action: ignore},
		"github/test":            {action: ignore},
		"github/unknown":         {fire, medium, "GitHub sent something that PageFree does not know", "", nil, true},

		"sentry/fired":           {fire, high, "TypeError: price is undefined", "sentry:issue:1117540176", map[string]string{"browser": "Firefox 140", "environment": "production", "rule": "Many errors"}, false},
		"sentry/updated":         {fire, high, "TypeError: price is undefined", "sentry:issue:1117540176", map[string]string{"project": "shop"}, false},
		"sentry/created":         {fire, critical, "Error: no stock", "sentry:issue:1117540177", nil, false},
		"sentry/resolved":        {resolve, high, "TypeError: price is undefined", "sentry:issue:1117540176", nil, false},
		"sentry/assigned":        {action: ignore},
		"sentry/metric-critical": {fire, critical, "Critical: Too many errors", "sentry:metric:1", map[string]string{"project": "shop"}, false},
		"sentry/metric-warning":  {fire, medium, "Warning: Too many errors", "sentry:metric:1", nil, false},
		"sentry/metric-resolved": {resolve, high, "Resolved: Too many errors", "sentry:metric:1", nil, false},
		"sentry/test":            {action: ignore},
		"sentry/unknown":         {fire, medium, "Sentry sent something that PageFree does not know", "", nil, true},

		"standard/fired":    {fire, high, "Disk almost full", "disk:db-1:/var", disk, false},
		"standard/updated":  {fire, critical, "Disk almost full", "disk:db-1:/var", nil, false},
		"standard/resolved": {resolve, high, "Disk almost full", "disk:db-1:/var", nil, false},
		"standard/bare":     {fire, high, "Disk almost full", "disk:db-1:/var", disk, false},
		"standard/test":     {action: ignore},
		"standard/unknown":  {fire, medium, "Standard Webhooks sent something that PageFree does not know", "", nil, true},

		"generic/fired":                {fire, high, "Disk almost full", "disk:db-1:/var", disk, false},
		"generic/updated":              {fire, critical, "Disk almost full", "disk:db-1:/var", nil, false},
		"generic/resolved":             {resolve, high, "Disk almost full", "disk:db-1:/var", nil, false},
		"generic/least":                {fire, medium, "Something is wrong", "", nil, false},
		"generic/resolved-without-key": {action: ignore},
		"generic/unknown":              {fire, medium, "Generic webhook sent something that PageFree does not know", "", nil, true},
	}
	seen := 0
	for _, provider := range Names() {
		for _, name := range all(t, provider) {
			want, ok := tests[name]
			if !ok {
				t.Errorf("%s: nothing is expected of it", name)
				continue
			}
			seen++
			r := deliver(t, provider, sample(t, name), "new", noon)
			got, err := of(t, provider).Parse(r, r.Body, noon)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			within(t, got)
			if got.Action != want.action {
				t.Errorf("%s: got action %s (%s), want %s", name, got.Action, got.Note, want.action)
			}
			if want.action == ignore {
				if got.Note == "" {
					t.Errorf("%s: it is ignored, and nobody says why", name)
				}
				continue
			}
			if got.Title != want.title || got.Severity != want.severity || got.DedupKey != want.key || (got.Raw != nil) != want.raw {
				t.Errorf("%s: got %q %s %q raw %v,\n want %q %s %q raw %v", name, got.Title, got.Severity, got.DedupKey, got.Raw != nil, want.title, want.severity, want.key, want.raw)
			}
			for label, value := range want.labels {
				if got.Labels[label] != value {
					t.Errorf("%s: label %s: got %q, want %q", name, label, got.Labels[label], value)
				}
			}
			if want.action == resolve && got.Note == "" && provider != "generic" && provider != "standard" {
				t.Errorf("%s: it is resolved, and nobody says by what", name)
			}
		}
	}
	if seen != len(tests) {
		t.Errorf("%d samples, of which %d are there", len(tests), seen)
	}
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$`)

// within holds an alert against the limits of an incident.
func within(t *testing.T, a incident.Alert) {
	t.Helper()
	if n := utf8.RuneCountInString(a.Title); n < 1 || n > 200 || strings.ContainsFunc(a.Title, unicode.IsControl) || strings.TrimSpace(a.Title) != a.Title || text.Reorders(a.Title) {
		t.Errorf("title %q", a.Title)
	}
	switch a.Action {
	case fire, resolve, ignore:
	default:
		t.Errorf("action %q", a.Action)
	}
	switch a.Severity {
	case critical, high, medium, low:
	default:
		t.Errorf("severity %q", a.Severity)
	}
	if len(a.Description) > incident.MaxDescription || strings.ContainsRune(a.Description, 0) {
		t.Errorf("a description of %d bytes", len(a.Description))
	}
	if utf8.RuneCountInString(a.DedupKey) > 256 || len(a.Note) > incident.MaxNote || len(a.Labels) > incident.MaxLabels {
		t.Errorf("key %d, note %d, labels %d", len(a.DedupKey), len(a.Note), len(a.Labels))
	}
	for name, value := range a.Labels {
		if !plainName.MatchString(name) || value == "" || len(value) > incident.MaxLabelValue || text.Reorders(value) {
			t.Errorf("label %q: %q", name, value)
		}
	}
	for _, s := range append([]string{a.Title, a.Description, a.DedupKey, a.Note}, append(keysOf(a.Labels), valuesOf(a.Labels)...)...) {
		if !utf8.ValidString(s) {
			t.Errorf("%q is not UTF-8", s)
		}
	}
	if a.Raw != nil {
		b, err := json.Marshal(a.Raw)
		if err != nil || len(b) > 2*incident.MaxRaw || depth(a.Raw) > 201 { // <, > and & take more here
			t.Errorf("raw: %d bytes, %d deep, %v", len(b), depth(a.Raw), err)
		}
	}
}

func keysOf(m map[string]string) (out []string) {
	for k := range maps.Keys(m) {
		out = append(out, k)
	}
	return out
}

func valuesOf(m map[string]string) (out []string) {
	for v := range maps.Values(m) {
		out = append(out, v)
	}
	return out
}

func depth(v any) int {
	most := 0
	switch v := v.(type) {
	case map[string]any:
		for _, m := range v {
			most = max(most, depth(m))
		}
	case []any:
		for _, m := range v {
			most = max(most, depth(m))
		}
	default:
		return 0
	}
	return most + 1
}

// TestBodies: what is no alert at all.
func TestBodies(t *testing.T) {
	const bad, wrong, media = "400 body_invalid", "422 validation_failed", "415 unsupported_media_type"
	tests := map[string]struct{ body, kind, want string }{
		"nothing":                   {"", "", bad},
		"no JSON":                   {"title=a", "", bad},
		"cut":                       {`{"title":"a"`, "", bad},
		"two values":                {`{"title":"a"}{}`, "", bad},
		"something behind it":       {`{"title":"a"} x`, "", bad},
		"space behind it":           {"{\"title\":\"a\"}\n ", "", ""},
		"a list":                    {`[{"title":"a"}]`, "", wrong},
		"a text":                    {`"a"`, "", wrong},
		"null":                      {`null`, "", wrong},
		"a number":                  {`1e999`, "", wrong},
		"not UTF-8":                 {"{\"title\":\"\xff\"}", "", bad},
		"Latin-1, and said so":      {"{\"title\":\"\xe4\"}", "application/json; charset=iso-8859-1", media},
		"UTF-16, and said so":       {"\xff\xfe{\x00}\x00", "application/json; charset=utf-16", media},
		"UTF-8, and said so":        {`{"title":"ä"}`, "application/json; charset=UTF-8", ""},
		"a byte order mark":         {"\xef\xbb\xbf{\"title\":\"a\"}", "", ""},
		"a member twice":            {`{"title":"a","title":"b"}`, "", ""},
		"deeper than anybody reads": {strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000), "", bad},
		"a form":                    {"title=a&severity=critical", formType, ""},
		"a form of JSON":            {"payload=%7B%22title%22%3A%22a%22%7D", formType, ""},
		"a form of no JSON":         {"payload=x", formType, bad},
		"a broken form":             {"a=%zz", formType, bad},
		"a form that is not UTF-8":  {"title=%ff", formType, bad},
		"an empty form":             {"", formType, bad},
	}
	for name, tt := range tests {
		for _, provider := range Names() {
			_, err := of(t, provider).Parse(Request{Header: http.Header{"Content-Type": {tt.kind}}}, []byte(tt.body), noon)
			if got := codeOf(t, err); got != tt.want {
				t.Errorf("%s, %s: got %q, want %q", provider, name, got, tt.want)
			}
		}
	}
}

// TestOrder: what an alert is does not hang on what came before it.
func TestOrder(t *testing.T) {
	for _, provider := range Names() {
		p := of(t, provider)
		parse := func(name string) incident.Alert {
			r := deliver(t, provider, sample(t, provider+"/"+name), "new", noon)
			a, err := p.Parse(r, r.Body, noon)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		late, early := parse("resolved"), parse("fired")
		if late.Action != resolve || early.Action != fire || late.DedupKey != early.DedupKey || late.DedupKey == "" {
			t.Errorf("%s: got %s %q and %s %q", provider, late.Action, late.DedupKey, early.Action, early.DedupKey)
		}
	}
}

func TestSeverity(t *testing.T) {
	words := map[incident.Severity][]string{
		critical: {"critical", "CRITICAL", "fatal", "P1", "down", " Critical "},
		high:     {"error", "high", "P2", "Error"},
		medium:   {"warning", "medium", "P3", "warn", "", "purple"},
		low:      {"info", "low", "P4", "P5", "none"},
	}
	for want, list := range words {
		for _, w := range list {
			if got := severity(medium, w); got != want {
				t.Errorf("%q: got %s, want %s", w, got, want)
			}
		}
	}
	for in, want := range map[string]string{"Severity: critical. x": "critical", "[P1] orders": "P1", `"severity":"high"`: "high", "priority=p3": "p3", "the severity is unknown": "", "p1": ""} {
		if got := spoken("", in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// TestBounds: whatever is sent fits into an incident.
func TestBounds(t *testing.T) {
	long := strings.Repeat("ä€😀", 20000)
	many := map[string]any{}
	for i := range 100 {
		many[strings.Repeat("x", i)+"-ä b"] = long
	}
	body, err := json.Marshal(map[string]any{
		"title": "  a\x00b\u202e\r\n" + long, "description": "a\r\nb\x00\tc" + long, "severity": long, "dedupKey": long, "labels": many, "tags": []any{long, ":", "a:", ":b", 1, "_x:y"},
	})
	if err != nil {
		t.Fatal(err)
	}
	a, err := of(t, "generic").Parse(Request{}, body, noon)
	if err != nil {
		t.Fatal(err)
	}
	within(t, a)
	if len(a.Labels) != incident.MaxLabels || utf8.RuneCountInString(a.DedupKey) != 256 || !strings.HasPrefix(a.Title, "a b ä") || !strings.HasPrefix(a.Description, "a\nb \tc") {
		t.Errorf("got %d labels, key %q, title %q", len(a.Labels), a.DedupKey, a.Title)
	}

	deep := strings.Repeat(`{"":[`, 4000) + "1" + strings.Repeat("]}", 4000)
	for name, body := range map[string]string{
		"deep":    deep,
		"numbers": `{"a":[1e308,-1e-300,12345678901234567890,0.1,1e999999,-0,7]}`,
		"large":   `{"a":"` + strings.Repeat("é", 300000) + `"}`,
		"names":   `{"":1,"a":{"":null}}`,
	} {
		a, err := of(t, "generic").Parse(Request{}, []byte(body), noon)
		if err != nil || a.Raw == nil {
			t.Errorf("%s: %v, raw %v", name, err, a.Raw != nil)
			continue
		}
		within(t, a)
		if begin, is := a.Raw["truncated"].(string); is != (name == "large") || is && !strings.HasPrefix(begin, `{"a":"é`) {
			t.Errorf("%s: truncated %.20q", name, begin)
		}
		if name == "numbers" {
			list := a.Raw["a"].([]any)
			if list[6] != json.Number("7") || list[2] != json.Number("12345678901234567890") || list[4] != "1e999999" || list[1] != json.Number("-1e-300") {
				t.Errorf("numbers: got %v", list)
			}
		}
	}
}

// TestMoments: when it happened, of the senders that sign that, in each way that they write it.
func TestMoments(t *testing.T) {
	for provider, body := range map[string]string{
		"pagerduty":  `{"event":{"id":"1","event_type":"incident.triggered","occurred_at":"2026-11-29T13:00:00.123+01:00","data":{"id":"P1","title":"x"}}}`,
		"cloudwatch": `{"Type":"Notification","Message":"{\"AlarmName\":\"x\",\"NewStateValue\":\"ALARM\",\"StateChangeTime\":\"2026-11-29T12:00:00.123+0000\"}"}`,
	} {
		a, err := of(t, provider).Parse(Request{}, []byte(body), noon)
		if err != nil || a.At == nil || a.At.String() != "2026-11-29T12:00:00.123Z" {
			t.Errorf("%s: got %v, %v", provider, a.At, err)
		}
	}
	a, err := of(t, "cloudwatch").Parse(Request{}, []byte(`{"Type":"Notification","Message":"{\"detail-type\":\"CloudWatch Alarm State Change\",\"detail\":{\"alarmName\":\"x\",\"state\":{\"value\":\"OK\",\"timestamp\":\"2026-11-29T12:00:00.123+0000\"}}}"}`), noon)
	if err != nil || a.At == nil || a.At.String() != "2026-11-29T12:00:00.123Z" {
		t.Errorf("by EventBridge: got %v, %v", a.At, err)
	}
	for _, s := range []string{"", "yesterday", "2026-11-29", "10000-01-01T00:00:00Z", "-001-01-01T00:00:00Z", "1764417600"} {
		if got := moment(s); got != nil {
			t.Errorf("%q: got %v", s, got)
		}
	}
}
