package lint

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pagefree/infra/local/template"
)

// rights gives every statement of a function's role that names a resource matching arn, which may end in *.
func rights(f *template.Function, arn string) []template.Statement {
	var out []template.Statement
	for _, s := range f.Statements {
		if s.Effect == "Allow" && slices.ContainsFunc(s.Resources, func(r string) bool {
			return r == arn || strings.HasSuffix(arn, "*") && strings.HasPrefix(r, strings.TrimSuffix(arn, "*"))
		}) {
			out = append(out, s)
		}
	}
	return out
}

// TestRolesAreTheirOwn: each function has a role that the template writes out, whose log statement names its own group.
func TestRolesAreTheirOwn(t *testing.T) {
	tmpl := deployed(t)
	seen := map[string]string{}
	for id, f := range tmpl.Functions {
		props := tmpl.Resources[id].Properties
		role, _ := props["Role"].(string)
		if role == "" {
			t.Errorf("%s: no Role: SAM would make one with managed policies", id)
		}
		if other, taken := seen[role]; taken {
			t.Errorf("%s and %s share a role", id, other)
		}
		seen[role] = id
		if _, ok := props["Policies"]; ok {
			t.Errorf("%s: Policies beside a Role do nothing", id)
		}
		group, _ := props["LoggingConfig"].(map[string]any)["LogGroup"].(string)
		if len(rights(f, "arn:aws:logs:us-east-1:000000000000:log-group:"+group+":*")) != 1 || group == "" {
			t.Errorf("%s: its role does not write to its log group %q, and that alone", id, group)
		}
	}
	for id, r := range tmpl.Resources {
		if _, ok := r.Properties["ManagedPolicyArns"]; ok || r.Type == "AWS::IAM::ManagedPolicy" {
			t.Errorf("%s: no managed policies; write out what is needed", id)
		}
	}
}

// TestNoWildcards: an action is named whole, and a resource is never everything, but for these.
func TestNoWildcards(t *testing.T) {
	reasons := map[string]string{
		"SeeVpc":               "EC2's describing calls know no resources",
		"NothingForCodeInside": "a denial of everything",
		"Trace":                "X-Ray knows no resources",
		"SeeNodes":             "describing nodes knows no resources",
		"FollowCommands":       "commands are no resources",
		"CancelCommands":       "commands are no resources",
	}
	tmpl := deployed(t)
	used := map[string]bool{}
	for id, r := range tmpl.Resources {
		if r.Type != "AWS::IAM::Policy" {
			continue
		}
		for _, s := range r.Properties["PolicyDocument"].(map[string]any)["Statement"].([]any) {
			s := s.(map[string]any)
			sid, _ := s["Sid"].(string)
			used[sid] = true
			if s["Resource"] == "*" && reasons[sid] == "" {
				t.Errorf("%s, %s: resource *", id, sid)
			}
		}
	}
	for id, f := range tmpl.Functions {
		for _, s := range f.Statements {
			if s.Sid == "" {
				t.Errorf("%s: a statement without a Sid", id)
			}
			for _, action := range slices.Concat(s.Actions, s.NotActions) {
				if strings.Contains(action, "*") {
					t.Errorf("%s, %s: action %s", id, s.Sid, action)
				}
			}
			if slices.Contains(s.Resources, "*") {
				used[s.Sid] = true
				if reasons[s.Sid] == "" {
					t.Errorf("%s, %s: resource *", id, s.Sid)
				}
			}
			if len(s.NotResources) > 0 || len(s.NotActions) > 0 && s.Effect != "Deny" {
				t.Errorf("%s, %s: allows all but what it names", id, s.Sid)
			}
		}
	}
	for sid := range reasons {
		if !used[sid] {
			t.Errorf("%s is excused, and not used", sid)
		}
	}
}

// TestEphemeralPrefixes: who may touch which items of the table that holds sessions, links and keys, and the counters of
// rates, each function its own tiers.
func TestEphemeralPrefixes(t *testing.T) {
	want := map[string][]string{
		"AuthorizerFunction": {"rate#api#*", "rate#partner#*", "rate#public#*", "session#*"},
		"SigninFunction":     {"access#*", "browser#*", "invite#*", "link#*", "rate#signin#*", "session#*"},
		"SigninMailFunction": {"browser#*", "invite#*", "link#*"},
		"SigninLinkFunction": {"link#*"},
		"ExecutionsFunction": {"idem#*"},
		"PartnersFunction":   {"access#*", "rate#invitations#*"},
		"HooksFunction":      {"rate#hooks#*", "rate#hooks-refused#*", "seen#*"},
		"CallbacksFunction":  {"rate#callbacks#*", "rate#callbacks-refused#*"},
		"TicketsFunction":    {"ticket#*"},
		"RealtimeFunction":   {"conn#*", "ends#*", "listen#*", "session#*", "sockets#*", "ticket#*"},
		"PublisherFunction":  {"conn#*", "ends#*", "listen#*", "session#*", "sockets#*"},
		"PusherFunction":     {"pushed#*"},
	}
	tmpl := deployed(t)
	got := map[string][]string{}
	for id, f := range tmpl.Functions {
		for _, s := range rights(f, tmpl.Tables["EphemeralTable"].ARN) {
			keys := s.Conditions["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
			if len(keys) == 0 {
				t.Errorf("%s, %s: the whole ephemeral table", id, s.Sid)
			}
			got[id] = append(got[id], keys...)
		}
		slices.Sort(got[id])
		got[id] = slices.Compact(got[id])
		if !slices.Equal(got[id], want[id]) {
			t.Errorf("%s: prefixes %q, want %q", id, got[id], want[id])
		}
	}
}

// TestReadPrefixes: what integrations are proved by, and the bodies that came to them, are read by who has to. The others
// that read the whole table run scripts, or show people what they do.
func TestReadPrefixes(t *testing.T) {
	whole := []string{"DispatcherFunction", "ExecutionsFunction", "IncidentsFunction", "RunbooksFunction", "WatchdogFunction"}
	want := map[string][]string{
		"int#x":     {"HooksFunction", "IntegrationsFunction"},
		"content#x": {"AlertsFunction"},
		"secret#x":  {"ReactorFunction"},
		"rb#x":      {"NotifierFunction", "ReactorFunction", "WorkflowsFunction"},
		"pause#x":   {"ReactorFunction", "WorkflowsFunction"}, // the latter for dry runs
	}
	tmpl := deployed(t)
	got := map[string][]string{}
	for id, f := range tmpl.Functions {
		for _, s := range rights(f, tmpl.Tables["AutomationTable"].ARN) {
			if !slices.ContainsFunc(s.Actions, func(a string) bool {
				return slices.Contains([]string{"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan"}, a)
			}) {
				continue
			}
			keys := s.Conditions["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
			if len(keys) == 0 && !slices.Contains(whole, id) {
				t.Errorf("%s, %s: reads the whole automation table", id, s.Sid)
			}
			for item := range want {
				if slices.ContainsFunc(keys, func(k string) bool {
					return strings.HasSuffix(k, "*") && strings.HasPrefix(item, strings.TrimSuffix(k, "*"))
				}) && !slices.Contains(got[item], id) {
					got[item] = append(got[item], id)
				}
			}
		}
	}
	for item, who := range want {
		if slices.Sort(got[item]); !slices.Equal(got[item], who) {
			t.Errorf("%s: read by %q, want %q", item, got[item], who)
		}
	}
}

// TestWritePrefixes: what a function may write into a table that several share. What runs is sealed; this keeps a flaw in
// one function from making what another one believes.
func TestWritePrefixes(t *testing.T) {
	all := []string(nil) // the whole table
	// The timeline's entries are the incidents'; a runbook is only checked.
	ends, runs := []string{"brake#*", "due#*", "ex#*", "inc#*", "react#*"}, []string{"brake#*", "due#*", "ex#*", "inc#*", "rb#*", "react#*", "tgt#*"}
	tests := map[string]map[string][]string{
		"AutomationTable": {
			"DispatcherFunction": runs,
			"ExecutionsFunction": {"brake#*", "due#*", "ex#*", "inc#*", "pause#*", "rb#*", "react#*"},
			"IncidentsFunction":  {"dedup#*", "inc#*", "react#*", "svc#*", "svcname#*"},
			"RunbooksFunction":   {"rb#*", "rbname#*", "react#*", "secret#*", "secretid#*", "tgt#*", "tgtname#*"},
			"WatchdogFunction":   ends, "CallbacksFunction": ends, "CommandsFunction": ends,
			"AlertsFunction":       {"alert#*", "dedup#*", "dlv#*", "failed#*", "inc#*", "queue#*", "react#*", "svc#*", "taken#*"},
			"HooksFunction":        {"alert#*", "content#*", "dlv#*", "queue#*"},
			"IdentityFunction":     {"team#*"},
			"IntegrationsFunction": {"int#*"},
			"NotifierFunction":     {"failed#*", "notice#*", "quiet#*", "told#*"},
			"ReactorFunction":      {"brake#*", "dedup#*", "due#*", "ex#*", "failed#*", "inc#*", "rb#*", "react#*", "svc#*", "wf#*", "wflive#*", "wfr#*"},
			"WorkflowsFunction":    {"react#*", "wf#*", "wflive#*", "wfname#*", "wfr#*"},
		},
		"StatusTable": {
			"PartnersFunction":    {"grants#*", "people#*", "prt#*", "prtmail#*", "prtname#*", "sp#*", "token#*", "viewer#*"}, // a page is only checked
			"AccessesFunction":    {"grants#*", "looks#*"},
			"PageMailFunction":    {"due#*", "mailed#*"},
			"SigninFunction":      {"people#*"}, // when they signed in first
			"StatusPagesFunction": {"due#*", "logo#*", "slug#*", "sp#*", "token#*"},
			"StatusClockFunction": {"due#*", "grants#*", "people#*", "prt#*", "prtname#*", "sp#*", "token#*", "viewer#*"}, // all but due# it only removes; of an account, an access
		},
		"IdentityTable": {
			"IdentityFunction": all, "SigninFunction": all, // which checks
			"SigninMailFunction": {"email#*", "founder#*", "usr#*"}, "SigninLinkFunction": {"email#*", "founder#*", "usr#*"},
			"NotificationsFunction": {"mailstop#*", "notify#*", "push#*", "pushend#*", "usr#*", "vapid#*"}, // a person is only checked
			"NotifierFunction":      {"notify#*"}, "PusherFunction": {"push#*", "pushend#*"}, "BouncesFunction": {"mailstop#*"},
		},
	}
	tmpl := deployed(t)
	for table, want := range tests {
		for id, f := range tmpl.Functions {
			var got []string
			for _, s := range rights(f, tmpl.Tables[table].ARN) {
				if !slices.ContainsFunc(s.Actions, func(action string) bool {
					return slices.Contains([]string{"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"}, action)
				}) {
					continue
				}
				if _, known := want[id]; !known {
					t.Errorf("%s, %s: writes into %s", id, s.Sid, table)
				}
				keys := s.Conditions["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
				if len(keys) == 0 && want[id] != nil {
					t.Errorf("%s, %s: writes anything into %s", id, s.Sid, table)
				}
				got = append(got, keys...)
			}
			slices.Sort(got)
			if got = slices.Compact(got); !slices.Equal(got, want[id]) {
				t.Errorf("%s: writes %q into %s, want %q", id, got, table, want[id])
			}
		}
	}
}

// TestAuditIsAppendOnly: writers put events, one function reads them, one adds to the chain that seals them, and nobody
// changes or deletes. Who may put events cannot put a block, a mark or a position, nor the sealer an event.
func TestAuditIsAppendOnly(t *testing.T) {
	read := []string{"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"}
	tests := map[string]struct{ actions, prefixes []string }{
		"AuditFunction": {read, []string{"team#*"}},
		"AuditSealerFunction": {slices.Concat(read, []string{"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"}),
			[]string{"block#", "head#", "sealed#*", "sweep#"}},
	}
	tmpl := deployed(t)
	for id, f := range tmpl.Functions {
		want, known := tests[id]
		if !known {
			want.prefixes = []string{"team#*"}
		}
		if id == "PublisherFunction" { // hears of what ended, and puts nothing
			want.actions = []string{"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"}
		}
		for _, s := range rights(f, tmpl.Tables["AuditTable"].ARN+"*") {
			for _, action := range s.Actions {
				if action == "dynamodb:PutItem" {
					if got := s.Conditions["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]; !slices.Equal(got, want.prefixes) {
						t.Errorf("%s, %s: puts %q into the audit table, want %q alone", id, s.Sid, got, want.prefixes)
					}
				} else if !slices.Contains(want.actions, action) {
					t.Errorf("%s, %s: %s on the audit table, want %q alone", id, s.Sid, action, want.actions)
				}
			}
		}
	}
	if tmpl.Tables["AuditTable"].TTLAttribute != "" {
		t.Error("audit events expire")
	}
}

// TestTrust: what runs scripts and what knows people are kept apart, and keys serve one purpose each.
func TestTrust(t *testing.T) {
	tmpl := deployed(t)
	automation, identity := tmpl.Tables["AutomationTable"].ARN+"*", tmpl.Tables["IdentityTable"].ARN+"*"
	tests := map[string]struct {
		arn, action string
		want        []string
	}{
		"the people's table": {arn: identity, want: []string{
			"AuthorizerFunction", "BouncesFunction", "IdentityFunction", "NotificationsFunction", "NotifierFunction", "PageMailFunction", "PartnersFunction", "PublisherFunction", "PusherFunction", "RealtimeFunction", "SigninFunction", "SigninLinkFunction", "SigninMailFunction", "WorkflowsFunction"}},
		"the runbooks' table": {arn: automation, want: []string{
			"AlertsFunction", "CallbacksFunction", "CommandsFunction", "DispatcherFunction", "ExecutionsFunction", "HooksFunction", "IdentityFunction", "IncidentsFunction",
			"IntegrationsFunction", "NotifierFunction", "PublisherFunction", "ReactorFunction", "RealtimeFunction", "RunbooksFunction", "StatusPagesFunction", "WatchdogFunction", "WorkflowsFunction"}},
		"the status pages' table": {arn: tmpl.Tables["StatusTable"].ARN + "*", want: []string{"AccessesFunction", "AuthorizerFunction", "PageMailFunction", "PartnersFunction", "SigninFunction", "SigninMailFunction", "StatusClockFunction", "StatusFunction", "StatusPagesFunction"}},
		"making seals":            {arn: tmpl.Keys["SealKey"].ARN, action: "kms:GenerateMac", want: []string{"RunbooksFunction"}},
		"checking seals":          {arn: tmpl.Keys["SealKey"].ARN, action: "kms:VerifyMac", want: []string{"DispatcherFunction"}},
		"encrypting secrets": {arn: tmpl.Keys["SecretsKey"].ARN, action: "kms:Encrypt", want: []string{ // each for its own purpose
			"ExecutionsFunction", "IntegrationsFunction", "NotificationsFunction", "ReactorFunction", "RunbooksFunction"}},
		"decrypting secrets": {arn: tmpl.Keys["SecretsKey"].ARN, action: "kms:Decrypt", want: []string{ // so are these
			"DispatcherFunction", "HooksFunction", "NotifierFunction", "PusherFunction", "ReactorFunction"}},
		"deriving cursors": {arn: tmpl.Keys["DeriveKey"].ARN, action: "kms:GenerateMac", want: []string{
			"AuditFunction", "ExecutionsFunction", "IdentityFunction", "IncidentsFunction", "IntegrationsFunction", "PartnersFunction", "RunbooksFunction", "StatusFunction", "StatusPagesFunction", "WorkflowsFunction"}},
		"signing blocks":  {arn: tmpl.Keys["AuditKey"].ARN, action: "kms:Sign", want: []string{"AuditSealerFunction"}},
		"the blocks' key": {arn: tmpl.Keys["AuditKey"].ARN, action: "kms:GetPublicKey", want: []string{"AuditFunction"}},
		"all of that key": {arn: tmpl.Keys["AuditKey"].ARN, want: []string{"AuditFunction", "AuditSealerFunction"}},
		"the sandbox": {arn: tmpl.Functions["SandboxBashFunction"].ARN, action: "lambda:InvokeFunction", want: []string{
			"DispatcherFunction", "RunbooksFunction"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, id := range slices.Sorted(maps.Keys(tmpl.Functions)) {
				if slices.ContainsFunc(rights(tmpl.Functions[id], tt.arn), func(s template.Statement) bool {
					return tt.action == "" || slices.Contains(s.Actions, tt.action)
				}) {
					got = append(got, id)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	for _, id := range []string{"PageMailFunction", "PartnersFunction"} { // of the people's table, which addresses get no mail
		for _, s := range rights(tmpl.Functions[id], identity) {
			if got := s.Conditions["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]; !slices.Equal(got, []string{"mailstop#*"}) {
				t.Errorf("%s, %s: prefixes %q of the identity table, want stopped mail alone", id, s.Sid, got)
			}
		}
	}
	for _, s := range rights(tmpl.Functions["PusherFunction"], identity) { // it talks to addresses that people give: it knows devices, and nobody's name
		for _, key := range s.Conditions["ForAllValues:StringLike"]["dynamodb:LeadingKeys"] {
			if !slices.Contains([]string{"push#*", "pushend#*", "vapid#*"}, key) {
				t.Errorf("PusherFunction, %s: prefix %q of the identity table", s.Sid, key)
			}
		}
	}
	for _, id := range []string{"NotificationsFunction", "PusherFunction"} { // nobody deletes the keys of pushes, and a list of devices ends with its person alone
		for _, s := range rights(tmpl.Functions[id], identity) {
			if got := s.Conditions["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]; slices.Contains(s.Actions, "dynamodb:DeleteItem") && !slices.Equal(got, []string{"pushend#*"}) {
				t.Errorf("%s, %s: deletes %q of the identity table, want endpoints alone", id, s.Sid, got)
			}
		}
	}
	for _, s := range rights(tmpl.Functions["IdentityFunction"], automation) {
		if got := s.Conditions["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]; !slices.Equal(got, []string{"team#*"}) {
			t.Errorf("IdentityFunction, %s: prefixes %q of the automation table, want team names alone", s.Sid, got)
		}
	}
}

// TestSandboxHasNoRights: beyond its own log, what its role allows is refused to the code inside, and there is no way out.
func TestSandboxHasNoRights(t *testing.T) {
	tmpl := deployed(t)
	for _, id := range []string{"SandboxBashFunction", "SandboxPythonFunction", "SandboxJavascriptFunction"} {
		denied := false
		for _, s := range tmpl.Functions[id].Statements {
			inside := len(s.Conditions["ArnLike"]["lambda:SourceFunctionArn"]) == 1
			denied = denied || s.Effect == "Deny" && inside && slices.Equal(s.NotActions, []string{"logs:CreateLogStream", "logs:PutLogEvents"})
		}
		if !denied {
			t.Errorf("%s: code inside is not refused everything but its log", id)
		}
		if _, ok := tmpl.Resources[id].Properties["VpcConfig"]; !ok {
			t.Errorf("%s: outside the closed VPC", id)
		}
	}
	for id, r := range tmpl.Resources {
		switch r.Type {
		case "AWS::EC2::VPC":
			if r.Properties["EnableDnsSupport"] != false {
				t.Errorf("%s: its resolver would carry data out", id)
			}
		case "AWS::EC2::SecurityGroup":
			egress, _ := r.Properties["SecurityGroupEgress"].([]any)
			if len(egress) != 1 || egress[0].(map[string]any)["CidrIp"] != "127.0.0.1/32" {
				t.Errorf("%s: egress %v, want one rule that leads nowhere", id, egress)
			}
		case "AWS::EC2::Route", "AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::VPCEndpoint", "AWS::EC2::NetworkAclEntry":
			t.Errorf("%s: a %s is a way out", id, r.Type)
		}
	}
}

// TestWhatIsTracedMayTrace: Lambda refuses to make a function that traces and whose role may not, so that one role that
// was forgotten fails the deployment of everything, on the day that somebody turns tracing on.
func TestWhatIsTracedMayTrace(t *testing.T) {
	tmpl := deployed(t) // with Tracing on
	roles, _ := tmpl.Resources["TracePolicy"].Properties["Roles"].([]any)
	for id, f := range tmpl.Functions {
		traced := tmpl.Resources[id].Properties["Tracing"] == "Active"
		may := slices.ContainsFunc(roles, func(role any) bool { return strings.HasSuffix(f.RoleARN, "/"+role.(string)) })
		if traced != may {
			t.Errorf("%s: traced %v, its role may trace %v", id, traced, may)
		}
	}
}
