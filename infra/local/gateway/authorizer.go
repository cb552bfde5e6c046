package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"pagefree/infra/local/lambda"
)

// verdict is the answer of a Lambda authorizer.
type verdict struct {
	PrincipalID        *string        `json:"principalId"`
	PolicyDocument     *policy        `json:"policyDocument"`
	Context            map[string]any `json:"context"`
	UsageIdentifierKey string         `json:"usageIdentifierKey"`
}

// authorize asks the route's authorizer, if it has one, and returns the usage key that it names. The principal and the
// authorizer's context go into x, for the function and for gateway responses.
func (x *exchange) authorize() (usageKey string, err error) {
	a := x.route.Authorizer
	if a == nil {
		return "", nil
	}
	event := x.authorizerEvent()
	for _, source := range a.Identity {
		if !event.has(source) {
			return "", unauthorized
		}
	}
	payload, err := json.Marshal(event)
	if err != nil {
		return "", err
	}
	began := time.Now()
	result, err := x.opts.Functions.Invoke(context.WithoutCancel(x.request.Context()), lambda.Request{Function: a.Function, Payload: payload, TraceID: x.traceID})
	if err != nil {
		return "", authorizerBroken.because("invoke %s: %v", a.Function, err)
	}
	if result.FunctionError != "" {
		var failure struct {
			Message string `json:"errorMessage"`
		}
		if json.Unmarshal(result.Payload, &failure) == nil && failure.Message == "Unauthorized" {
			return "", unauthorized
		}
		return "", authorizerBroken.because("%s failed: %s", a.Function, result.Payload)
	}
	v, texts, err := parseVerdict(result.Payload)
	if err != nil {
		return "", authorizerBroken.because("answer of %s: %v", a.Function, err)
	}
	x.caller = map[string]any{"principalId": *v.PrincipalID, "integrationLatency": time.Since(began).Milliseconds()}
	for name, value := range texts {
		x.caller[name] = value
	}
	switch allowed, explicit := v.PolicyDocument.decide(event.MethodARN); {
	case allowed:
		return v.UsageIdentifierKey, nil
	case explicit:
		return "", deniedExplicitly
	default:
		return "", denied
	}
}

// parseVerdict checks an authorizer's answer. Context values are scalars, and arrive as strings.
func parseVerdict(payload []byte) (verdict, map[string]string, error) {
	var v verdict
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return v, nil, err
	}
	if v.PrincipalID == nil || v.PolicyDocument == nil {
		return v, nil, fmt.Errorf("principalId or policyDocument is missing")
	}
	if err := v.PolicyDocument.check(); err != nil {
		return v, nil, err
	}
	texts := map[string]string{}
	for name, value := range v.Context {
		switch value := value.(type) {
		case string:
			texts[name] = value
		case json.Number, bool:
			texts[name] = fmt.Sprint(value)
		default:
			return v, nil, fmt.Errorf("context %s is no string, number or boolean", name)
		}
	}
	return v, texts, nil
}

// has says whether an identity source is there and not empty.
func (e authorizerEvent) has(source string) bool {
	if name, ok := strings.CutPrefix(source, "method.request.header."); ok {
		for header, value := range e.Headers {
			if strings.EqualFold(header, name) {
				return value != ""
			}
		}
		return false
	}
	if name, ok := strings.CutPrefix(source, "method.request.querystring."); ok {
		return e.QueryStringParameters[name] != ""
	}
	return source == "context.identity.sourceIp"
}
