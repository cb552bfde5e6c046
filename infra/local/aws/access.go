package aws

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strings"

	"pagefree/infra/local/awsjson"
	"pagefree/infra/local/sns"
)

// request is what a call asks for, read off its body.
type request struct {
	body   []byte // what the service gets
	needs  []need
	either []need   // of these one is enough
	tables []string // of DynamoDB, sorted
	items  int      // of a DynamoDB transaction
	reads  bool     // DynamoDB: capacity is for reading
}

// describe reads a call. A body that cannot be read needs nothing: the service will refuse it.
func describe(s *Server, c *Call, r *http.Request, body []byte) request {
	switch c.Service {
	case "dynamodb":
		return s.describeDynamoDB(c.Operation, body)
	case "sqs":
		return s.describeSQS(c.Operation, body)
	case "kms":
		return s.describeKMS(c.Operation, body)
	case "ses":
		return s.describeSES(body)
	case "sns":
		return s.describeSNS(c.Operation, r, body)
	case "ssm":
		return s.describeSSM(c.Operation, body)
	case "s3":
		return s.describeS3(c.Operation, r, body)
	case "lambda":
		return s.describeLambda(r, body)
	case "execute-api":
		return s.describeConnection(r, body)
	}
	return request{body: body}
}

// authorize checks a function's call against its own policies, and answers as IAM does.
func (s *Server) authorize(c Caller, r request) *awsjson.Error {
	if c.Function == nil {
		return nil
	}
	p, ok := s.policies[c.Function.LogicalID]
	if !ok {
		p = &policy{}
	}
	check := func(n need) *awsjson.Error {
		n.context = maps.Clone(n.context)
		if n.context == nil {
			n.context = map[string][]string{}
		}
		n.context["aws:principalarn"] = []string{c.Function.RoleARN}
		// Lambda adds it to every call that is made with the function's own credentials.
		n.context["lambda:sourcefunctionarn"] = []string{c.Function.ARN}
		if e := judge(p, "identity", s.arnOf(c), n); e != nil {
			return e
		}
		if key, ok := s.keys[n.resource]; ok {
			return judge(key, "resource", s.arnOf(c), n)
		}
		return nil
	}
	for _, n := range r.needs {
		if e := check(n); e != nil {
			return e
		}
	}
	var refusal *awsjson.Error
	for _, n := range r.either {
		if refusal = check(n); refusal == nil {
			return nil
		}
	}
	return refusal
}

// judge asks one policy, and words its refusal.
func judge(p *policy, kind, who string, n need) *awsjson.Error {
	switch allowed, denied := p.allows(n); {
	case denied:
		return refused(who, n, "with an explicit deny in the "+kind+"-based policy")
	case !allowed:
		return refused(who, n, fmt.Sprintf("because no %s-based policy allows the %s action", kind, n.action))
	}
	return nil
}

func refused(who string, n need, why string) *awsjson.Error {
	e := &awsjson.Error{
		Code:    "AccessDeniedException",
		Message: fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s", who, n.action, n.resource, why),
	}
	switch service, _, _ := strings.Cut(n.action, ":"); service {
	case "sqs":
		e.Status, e.Query = http.StatusForbidden, "AccessDenied"
	case "ses", "lambda", "execute-api":
		e.Status = http.StatusForbidden
	case "sns":
		e.Code, e.Status = "AuthorizationError", http.StatusForbidden
	case "s3":
		e.Code, e.Status = "AccessDenied", http.StatusForbidden
	}
	return e
}

// arnOf is the caller as IAM names it.
func (s *Server) arnOf(c Caller) string {
	return fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/%s", s.opts.Template.AccountID, c.Function.LogicalID, c.Function.Name)
}

func (s *Server) arn(service, rest string) string {
	if s.opts.Template == nil {
		return "arn:aws:" + service + ":::" + rest
	}
	return "arn:aws:" + service + ":" + s.opts.Template.Region + ":" + s.opts.Template.AccountID + ":" + rest
}

func (s *Server) describeSQS(operation string, body []byte) request {
	var in struct{ QueueUrl, QueueName, SourceArn string }
	_ = json.Unmarshal(body, &in)
	resource := in.SourceArn
	switch {
	case in.QueueUrl != "":
		resource = s.opts.SQS.ARNOfURL(in.QueueUrl)
	case in.QueueName != "":
		resource = s.opts.SQS.ARN(in.QueueName)
	case resource == "":
		resource = s.arn("sqs", "*")
	}
	// A batch takes the right to its single form.
	return request{body: body, needs: []need{{action: "sqs:" + strings.TrimSuffix(operation, "Batch"), resource: resource}}}
}

func (s *Server) describeKMS(operation string, body []byte) request {
	var in struct {
		KeyId             string
		CiphertextBlob    []byte
		EncryptionContext map[string]string
		MacAlgorithm      string
		SigningAlgorithm  string
	}
	r := request{body: body}
	if json.Unmarshal(body, &in) != nil {
		return r
	}
	arn, err := s.opts.KMS.Resolve(in.KeyId)
	if in.KeyId == "" && operation == "Decrypt" {
		owner, ok := s.opts.KMS.Owner(in.CiphertextBlob)
		if !ok {
			return r
		}
		arn, err = owner, nil
	}
	if err != nil {
		return r
	}
	n := need{action: "kms:" + operation, resource: arn, context: map[string][]string{}}
	for name, value := range in.EncryptionContext {
		n.context["kms:encryptioncontext:"+strings.ToLower(name)] = []string{value}
		n.context["kms:encryptioncontextkeys"] = append(n.context["kms:encryptioncontextkeys"], name)
	}
	if in.MacAlgorithm != "" {
		n.context["kms:macalgorithm"] = []string{in.MacAlgorithm}
	}
	if in.SigningAlgorithm != "" {
		n.context["kms:signingalgorithm"] = []string{in.SigningAlgorithm}
	}
	r.needs = []need{n}
	return r
}

func (s *Server) describeSES(body []byte) request {
	var in struct {
		FromEmailAddress     string
		ConfigurationSetName string
		Destination          struct{ ToAddresses, CcAddresses, BccAddresses []string }
		Content              struct{ Raw *struct{} }
	}
	r := request{body: body}
	if json.Unmarshal(body, &in) != nil {
		return r
	}
	action := "ses:SendEmail"
	if in.Content.Raw != nil {
		action = "ses:SendRawEmail"
	}
	from := in.FromEmailAddress
	if a, err := mail.ParseAddress(from); err == nil {
		from = a.Address
	}
	_, domain, _ := strings.Cut(from, "@")
	context := map[string][]string{
		"ses:fromaddress": {from},
		"ses:recipients":  slices.Concat(in.Destination.ToAddresses, in.Destination.CcAddresses, in.Destination.BccAddresses),
	}
	// The address may be verified itself, or its domain.
	for _, identity := range []string{from, domain} {
		r.either = append(r.either, need{action: action, resource: s.arn("ses", "identity/"+identity), context: context})
	}
	if in.ConfigurationSetName != "" {
		r.needs = append(r.needs, need{action: action, resource: s.arn("ses", "configuration-set/"+in.ConfigurationSetName), context: context})
	}
	return r
}

func (s *Server) describeSNS(operation string, r *http.Request, body []byte) request {
	if sns.Open(r) != "" { // for everybody
		return request{body: body}
	}
	_, in := sns.Read(r, body)
	resource := in.Get("TopicArn")
	switch {
	case in.Get("Name") != "":
		resource = s.arn("sns", in.Get("Name"))
	case resource == "":
		resource = s.arn("sns", "*")
	}
	return request{body: body, needs: []need{{action: "sns:" + operation, resource: resource}}}
}

func (s *Server) describeLambda(r *http.Request, body []byte) request {
	path := strings.TrimSuffix(strings.TrimPrefix(r.URL.EscapedPath(), "/2015-03-31/functions/"), "/invocations")
	name, err := url.PathUnescape(path)
	if err != nil {
		return request{body: body}
	}
	if !strings.HasPrefix(name, "arn:") {
		name = s.arn("lambda", "function:"+name)
	}
	return request{body: body, needs: []need{{action: "lambda:InvokeFunction", resource: name}}}
}
