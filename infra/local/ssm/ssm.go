// Package ssm is the Systems Manager of the local stack, as far as parameters go: those of the template, read by name.
package ssm

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"pagefree/infra/local/awsjson"
	"pagefree/infra/local/template"
)

// Service holds the parameters of one account and region.
type Service struct {
	mu         sync.RWMutex
	parameters map[string]template.Parameter // by name
}

// New holds the parameters of the template.
func New(declared map[string]*template.Parameter) *Service {
	s := &Service{parameters: map[string]template.Parameter{}}
	for p := range maps.Values(declared) {
		s.parameters[p.Name] = *p
	}
	return s
}

// Set gives a parameter another value, as a deployment would.
func (s *Service) Set(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parameters[name]
	p.Name, p.Value = name, value
	s.parameters[name] = p
}

// Handler serves the operations on the wire: JSON 1.1, X-Amz-Target AmazonSSM.<operation>.
func (s *Service) Handler() *awsjson.Service {
	return &awsjson.Service{Prefix: "AmazonSSM", Version: "1.1", Operations: map[string]awsjson.Operation{
		"GetParameter":  awsjson.Op(s.GetParameter),
		"GetParameters": awsjson.Op(s.GetParameters),
	}}
}

// GetParameter answers one parameter by name or ARN, or ParameterNotFound.
func (s *Service) GetParameter(_ context.Context, in *api.GetParameterInput) (*api.GetParameterOutput, error) {
	p, ok := s.find(aws.ToString(in.Name))
	if !ok {
		return nil, &awsjson.Error{Code: "ParameterNotFound"}
	}
	return &api.GetParameterOutput{Parameter: p}, nil
}

// GetParameters answers those of up to 10 that there are, and names the others.
func (s *Service) GetParameters(_ context.Context, in *api.GetParametersInput) (*api.GetParametersOutput, error) {
	if n := len(in.Names); n < 1 || n > 10 {
		return nil, &awsjson.Error{Code: "ValidationException", Message: "1 validation error detected: Value at 'names' failed to satisfy constraint: Member must have length between 1 and 10"}
	}
	out := &api.GetParametersOutput{Parameters: []types.Parameter{}, InvalidParameters: []string{}}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(in.Names))) {
		if p, ok := s.find(name); ok {
			out.Parameters = append(out.Parameters, *p)
		} else {
			out.InvalidParameters = append(out.InvalidParameters, name)
		}
	}
	return out, nil
}

// find takes a name, or an ARN: arn:aws:ssm:<region>:<account>:parameter<name with its slash>.
func (s *Service) find(name string) (*types.Parameter, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if _, rest, ok := strings.Cut(name, ":parameter/"); ok && strings.HasPrefix(name, "arn:") {
		name = "/" + rest
		if _, ok := s.parameters[name]; !ok {
			name = rest
		}
	}
	p, ok := s.parameters[name]
	if !ok {
		return nil, false
	}
	kind := types.ParameterType(p.Type)
	if kind == "" {
		kind = types.ParameterTypeString
	}
	return &types.Parameter{Name: &p.Name, Value: &p.Value, Type: kind, Version: 1, DataType: aws.String("text")}, true
}
