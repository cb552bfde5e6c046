package aws

import (
	"strings"
	"testing"

	"pagefree/infra/local/template"
)

func TestPolicy(t *testing.T) {
	allow := func(actions, resources []string, conditions map[string]map[string][]string) template.Statement {
		return template.Statement{Effect: "Allow", Actions: actions, Resources: resources, Conditions: conditions}
	}
	leading := func(operator string, patterns ...string) map[string]map[string][]string {
		return map[string]map[string][]string{operator: {"dynamodb:LeadingKeys": patterns}}
	}
	keys := func(values ...string) map[string][]string { return map[string][]string{"dynamodb:leadingkeys": values} }
	table := []string{"arn:aws:dynamodb:r:a:table/T"}
	put := need{action: "dynamodb:PutItem", resource: table[0]}
	with := func(context map[string][]string) need {
		n := put
		n.context = context
		return n
	}
	purpose := template.Statement{Effect: "Deny", Actions: []string{"*"}, Resources: []string{"*"}, Conditions: map[string]map[string][]string{"Null": {"kms:EncryptionContext:purpose": {"true"}}}}
	tests := map[string]struct {
		statements []template.Statement
		need       need
		want, deny bool
	}{
		"nothing is allowed by itself":         {need: put},
		"the action":                           {[]template.Statement{allow([]string{"dynamodb:PutItem"}, table, nil)}, put, true, false},
		"another action":                       {[]template.Statement{allow([]string{"dynamodb:GetItem"}, table, nil)}, put, false, false},
		"an action in other case":              {[]template.Statement{allow([]string{"DynamoDB:putitem"}, table, nil)}, put, true, false},
		"a wildcard in the action":             {[]template.Statement{allow([]string{"dynamodb:P*Item"}, table, nil)}, put, true, false},
		"a prefix is no wildcard":              {[]template.Statement{allow([]string{"dynamodb:Put"}, table, nil)}, put, false, false},
		"a wildcard in the resource":           {[]template.Statement{allow([]string{"dynamodb:*"}, []string{"arn:aws:dynamodb:*:*:table/?"}, nil)}, put, true, false},
		"the table is not its index":           {[]template.Statement{allow([]string{"dynamodb:*"}, []string{table[0] + "/index/*"}, nil)}, put, false, false},
		"a deny wins":                          {[]template.Statement{allow([]string{"*"}, []string{"*"}, nil), {Effect: "Deny", Actions: []string{"dynamodb:Put*"}, Resources: table}}, put, false, true},
		"a deny of all but":                    {[]template.Statement{allow([]string{"*"}, []string{"*"}, nil), {Effect: "Deny", NotActions: []string{"dynamodb:*"}, Resources: []string{"*"}}}, put, true, false},
		"all leading keys match":               {[]template.Statement{allow([]string{"*"}, table, leading("ForAllValues:StringLike", "a#*", "b#*"))}, with(keys("a#1", "b#2")), true, false},
		"one leading key does not":             {[]template.Statement{allow([]string{"*"}, table, leading("ForAllValues:StringLike", "a#*"))}, with(keys("a#1", "b#2")), false, false},
		"any leading key will do":              {[]template.Statement{allow([]string{"*"}, table, leading("ForAnyValue:StringEquals", "a"))}, with(keys("b", "a")), true, false},
		"all of none":                          {[]template.Statement{allow([]string{"*"}, table, leading("ForAllValues:StringEquals", "a"))}, put, true, false},
		"any of none":                          {[]template.Statement{allow([]string{"*"}, table, leading("ForAnyValue:StringEquals", "a"))}, put, false, false},
		"one value":                            {[]template.Statement{allow([]string{"*"}, table, leading("StringEquals", "a"))}, with(keys("a")), true, false},
		"equals knows no wildcard":             {[]template.Statement{allow([]string{"*"}, table, leading("StringEquals", "a*"))}, with(keys("ab")), false, false},
		"a value that is not there":            {[]template.Statement{allow([]string{"*"}, table, leading("StringEquals", "a"))}, put, false, false},
		"a value that is not there, if exists": {[]template.Statement{allow([]string{"*"}, table, leading("StringEqualsIfExists", "a"))}, put, true, false},
		"not equal":                            {[]template.Statement{allow([]string{"*"}, table, leading("StringNotEquals", "a"))}, with(keys("b")), true, false},
		"not not equal":                        {[]template.Statement{allow([]string{"*"}, table, leading("StringNotEquals", "a"))}, with(keys("a")), false, false},
		"null":                                 {[]template.Statement{allow([]string{"*"}, table, nil), purpose}, put, false, true},
		"not null":                             {[]template.Statement{allow([]string{"*"}, table, nil), purpose}, with(map[string][]string{"kms:encryptioncontext:purpose": {"x"}}), true, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := compile(test.statements)
			if err != nil {
				t.Fatal(err)
			}
			if ok, denied := p.allows(test.need); ok != test.want || denied != test.deny {
				t.Errorf("got %t, denied %t, want %t, %t", ok, denied, test.want, test.deny)
			}
		})
	}
}

func TestPolicyThatCannotBeJudged(t *testing.T) {
	for name, conditions := range map[string]map[string]map[string][]string{
		"operator": {"DateLessThan": {"aws:CurrentTime": {"2026-01-01"}}},
		"key":      {"ForAllValues:StringEquals": {"dynamodb:Attributes": {"a"}}},
		"set":      {"ForSomeValues:StringEquals": {"dynamodb:LeadingKeys": {"a"}}},
	} {
		if _, err := compile([]template.Statement{{Effect: "Allow", Conditions: conditions}}); err == nil {
			t.Errorf("unknown %s: got no error", name)
		}
	}
}

func TestKeyPolicy(t *testing.T) {
	use := need{action: "kms:Decrypt", resource: "arn:key", context: map[string][]string{"aws:principalarn": {"arn:aws:iam::1:role/a"}}}
	for name, test := range map[string]struct {
		principals []string
		want       bool
	}{
		"anybody":      {[]string{"*"}, true},
		"the account":  {[]string{"arn:aws:iam::1:root"}, true},
		"the role":     {[]string{"arn:aws:iam::1:role/a"}, true},
		"another role": {[]string{"arn:aws:iam::1:role/b"}, false},
		"a service":    {[]string{"logs.amazonaws.com"}, false},
	} {
		p, err := compileKey([]template.Statement{{Effect: "Allow", Principals: test.principals, Actions: []string{"kms:*"}, Resources: []string{"*"}}})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := p.allows(use); got != test.want {
			t.Errorf("%s: got %t, want %t", name, got, test.want)
		}
	}
}

// Lambda takes messages with the function's own role; a deployment fails where the role may not.
func TestFunctionsMayTakeFromTheirQueues(t *testing.T) {
	as, err := template.Load("../../../template.yaml", template.Options{Parameters: map[string]string{
		"FirstAdminEmail": "admin@pagefree.test", "MailFrom": "pagefree@pagefree.test",
	}})
	if err != nil {
		t.Fatal(err)
	}
	sources := 0
	for id, f := range as.Functions {
		p, err := compile(f.Statements)
		if err != nil {
			t.Fatal(err)
		}
		for _, source := range f.QueueSources {
			sources++
			for _, action := range []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"} {
				if ok, _ := p.allows(need{action: action, resource: source.QueueARN}); !ok {
					t.Errorf("%s may not %s %s", id, action, source.QueueARN)
				}
			}
		}
	}
	if sources == 0 {
		t.Error("the template has no queue that a function takes from")
	}
}

func TestLeadingKeys(t *testing.T) {
	s := &Server{opts: Options{Template: &template.Template{Tables: map[string]*template.Table{"T": {
		Name: "T", Keys: []template.KeyElement{{Name: "home", Type: "HASH"}, {Name: "sk", Type: "RANGE"}},
		Indexes: []template.Index{{Name: "byTeam", Keys: []template.KeyElement{{Name: "team", Type: "HASH"}}}},
	}}}}}
	tests := map[string]struct {
		operation, body string
		want            []string
	}{
		"get":                     {"GetItem", `{"TableName":"T","Key":{"home":{"S":"a"},"sk":{"S":"x"}}}`, []string{"a"}},
		"put":                     {"PutItem", `{"TableName":"T","Item":{"home":{"S":"a"},"n":{"NULL":true}}}`, []string{"a"}},
		"a table without a model": {"GetItem", `{"TableName":"U","Key":{"pk":{"N":"7"}}}`, []string{"7"}},
		"query":                   {"Query", `{"TableName":"T","KeyConditionExpression":"home = :h AND begins_with(sk, :s)","ExpressionAttributeValues":{":h":{"S":"a"},":s":{"S":"x"}}}`, []string{"a"}},
		"query by another name":   {"Query", `{"TableName":"T","KeyConditionExpression":"(#s > :s) AND (#h=:h)","ExpressionAttributeNames":{"#h":"home","#s":"sk"},"ExpressionAttributeValues":{":h":{"S":"a"},":s":{"S":"x"}}}`, []string{"a"}},
		"query of equal sort key": {"Query", `{"TableName":"T","KeyConditionExpression":"sk = :s AND home = :h","ExpressionAttributeValues":{":h":{"S":"a"},":s":{"S":"x"}}}`, []string{"a"}},
		"query of an index":       {"Query", `{"TableName":"T","IndexName":"byTeam","KeyConditionExpression":"team = :t","ExpressionAttributeValues":{":t":{"S":"b"}}}`, []string{"b"}},
		"batch get":               {"BatchGetItem", `{"RequestItems":{"T":{"Keys":[{"home":{"S":"a"}},{"home":{"S":"b"}}]}}}`, []string{"a", "b"}},
		"batch write":             {"BatchWriteItem", `{"RequestItems":{"T":[{"PutRequest":{"Item":{"home":{"S":"a"}}}},{"DeleteRequest":{"Key":{"home":{"S":"b"}}}}]}}`, []string{"a", "b"}},
		"scan":                    {"Scan", `{"TableName":"T"}`, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := s.describeDynamoDB(test.operation, []byte(test.body))
			if len(r.needs) != 1 {
				t.Fatalf("got %+v, want one need", r.needs)
			}
			got := r.needs[0].context["dynamodb:leadingkeys"]
			if len(got) != len(test.want) {
				t.Fatalf("got %q, want %q", got, test.want)
			}
			for i := range got {
				if got[i] != test.want[i] {
					t.Errorf("got %q, want %q", got, test.want)
				}
			}
		})
	}
}

func TestTransactionNeeds(t *testing.T) {
	s := &Server{}
	r := s.describeDynamoDB("TransactWriteItems", []byte(`{"TransactItems":[{"Put":{"TableName":"T","Item":{"pk":{"S":"a"}}}},{"Update":{"TableName":"T","Key":{"pk":{"S":"b"}}}},{"Delete":{"TableName":"T","Key":{"pk":{"S":"c"}}}},{"ConditionCheck":{"TableName":"U","Key":{"pk":{"S":"d"}}}}]}`))
	want := []string{"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"}
	if len(r.needs) != len(want) || r.items != 4 || len(r.tables) != 2 {
		t.Fatalf("got %+v", r)
	}
	for i, n := range r.needs {
		if n.action != want[i] {
			t.Errorf("item %d: got %s, want %s", i, n.action, want[i])
		}
	}
}

func FuzzLike(f *testing.F) {
	f.Add("a*b?", "axxbc")
	f.Fuzz(func(t *testing.T, pattern, value string) {
		if len(pattern) > 30 || len(value) > 60 {
			return // the cost grows with the number of stars
		}
		if like(pattern, value) && !like(pattern+"*", value) {
			t.Errorf("%q matches %q, and more of it does not", pattern, value)
		}
		if !like("*", value) || !like(value+"*", value+"x") && !strings.ContainsAny(value, "*?") {
			t.Errorf("%q", value)
		}
	})
}

func TestPriced(t *testing.T) {
	for give, want := range map[string]string{
		`{}`:                                `{"ReturnConsumedCapacity":"TOTAL"}`,
		` { "TableName":"T"}`:               `{"ReturnConsumedCapacity":"TOTAL", "TableName":"T"}`,
		`[]`:                                `[]`,
		`{"ReturnConsumedCapacity":"NONE"}`: `{"ReturnConsumedCapacity":"NONE"}`,
	} {
		if got := string(priced([]byte(give))); got != want {
			t.Errorf("%s: got %s, want %s", give, got, want)
		}
	}
}
