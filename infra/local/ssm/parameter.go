package ssm

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"pagefree/infra/local/awsjson"
)

// Set gives a parameter another value, as a deployment would.
func (s *Service) Set(name, value string) {
	s.paramMu.Lock()
	defer s.paramMu.Unlock()
	p := s.parameters[name]
	p.Name, p.Value = name, value
	s.parameters[name] = p
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
	s.paramMu.RLock()
	defer s.paramMu.RUnlock()
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
