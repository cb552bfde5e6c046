package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// basicPolicies are the managed policies that add nothing to what a function may do to the data: logs, traces, network.
var basicPolicies = []string{
	"AWSLambdaBasicExecutionRole", "AWSXRayDaemonWriteAccess", "AWSXrayWriteOnlyAccess", "AWSLambdaVPCAccessExecutionRole",
}

// policies reads a function's Policies: inline documents, and the names of a few managed ones. SAM's policy templates
// are refused, since the template spells its rights out.
func (b *builder) policies(p properties) []Statement {
	var out []Statement
	list, ok := p.m["Policies"].([]any)
	if !ok && p.has("Policies") {
		list = []any{p.m["Policies"]}
	}
	for i, v := range list {
		item := properties{b: b, path: fmt.Sprintf("%s.Policies[%d]", p.path, i)}
		switch v := v.(type) {
		case string:
			b.managed(item, v)
		case map[string]any:
			item.m = v
			if !item.has("Statement") {
				item.fail("want a policy document; the local stack does not know the policy template %v", slices.Sorted(maps.Keys(v)))
				continue
			}
			out = append(out, statements(item)...)
		}
	}
	return out
}

func (b *builder) managed(p properties, name string) {
	if _, tail, ok := strings.Cut(name, ":policy/"); ok {
		name = tail[strings.LastIndex(tail, "/")+1:]
	}
	if slices.Contains(basicPolicies, name) {
		return
	}
	for _, r := range b.e.resources {
		if r.kind == "AWS::IAM::ManagedPolicy" && strings.HasSuffix(b.refText(r), "/"+name) {
			return // attachPolicy brings its statements
		}
	}
	p.fail("the local stack does not know the managed policy %q", name)
}

// statements reads a policy document.
func statements(doc properties) []Statement {
	var out []Statement
	var items []properties
	if single, ok := doc.m["Statement"].(map[string]any); ok { // one statement needs no list
		items = []properties{{b: doc.b, path: doc.path + ".Statement", m: single}}
	} else {
		items = doc.items("Statement")
	}
	for _, s := range items {
		s.only("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "Condition")
		st := Statement{
			Sid: s.text("Sid", ""), Effect: s.text("Effect", ""), Actions: s.texts("Action"), NotActions: s.texts("NotAction"),
			Resources: s.texts("Resource"), NotResources: s.texts("NotResource"), Conditions: map[string]map[string][]string{},
		}
		if st.Effect != "Allow" && st.Effect != "Deny" {
			s.fail("Effect is %q", st.Effect)
		}
		if principal, ok := s.m["Principal"].(map[string]any); ok {
			inner := properties{b: doc.b, path: s.path, m: principal}
			for _, kind := range slices.Sorted(maps.Keys(principal)) {
				st.Principals = append(st.Principals, inner.texts(kind)...)
			}
		} else {
			st.Principals = s.texts("Principal")
		}
		conditions := s.sub("Condition")
		for operator := range conditions.m {
			keys := conditions.sub(operator)
			st.Conditions[operator] = map[string][]string{}
			for key := range keys.m {
				st.Conditions[operator][key] = keys.texts(key)
			}
		}
		out = append(out, st)
	}
	return out
}

// roleOf gives the statements of a role that the template writes out itself.
func (b *builder) roleOf(p properties) []Statement {
	arn := p.text("Role", "")
	if arn == "" {
		return nil
	}
	for id, r := range b.e.resources {
		if r.kind != "AWS::IAM::Role" || b.attText(r, "Arn") != arn {
			continue
		}
		role := properties{b: b, path: id, m: r.props}
		var out []Statement
		for _, name := range role.texts("ManagedPolicyArns") {
			b.managed(role, name)
		}
		for _, inline := range role.items("Policies") {
			out = append(out, statements(inline.sub("PolicyDocument"))...)
		}
		return out
	}
	p.fail("Role %s is not in this template", arn)
	return nil
}

// attachPolicy adds a policy that stands on its own to the functions whose roles it names.
func (b *builder) attachPolicy(r *resource, p properties) {
	doc := statements(p.sub("PolicyDocument"))
	names := p.texts("Roles")
	for _, f := range b.t.Functions {
		role := b.e.opts.StackName + "-" + f.LogicalID + "Role"
		own := b.e.resources[f.LogicalID]
		if slices.Contains(names, role) || slices.Contains(namedPolicies(own), b.refText(r)) {
			f.Statements = append(f.Statements, doc...)
		}
	}
}

// namedPolicies are the entries of a function's Policies that are names or ARNs.
func namedPolicies(r *resource) []string {
	list, _ := r.props["Policies"].([]any)
	var out []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
