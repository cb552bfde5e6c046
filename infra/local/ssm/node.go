package ssm

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// Node is a managed node. All of them are this machine.
type Node struct {
	ID            string // mi-... or i-...
	Tags          map[string]string
	Agent         string // its version; default AgentVersion
	Platform      string // default Linux
	Offline       bool   // it never answers
	Undeliverable bool   // and the service finds that out, when the delivery's time is over
	Mute          bool   // it runs what it gets, and its answers never arrive
}

// AgentVersion is what nodes say of themselves, and envVersion the first that knows interpolationType ENV_VAR.
// Source of the latter: Systems Manager user guide, data elements and parameters.
const (
	AgentVersion = "3.3.3050.0"
	envVersion   = "3.3.2746.0"
)

// DefaultNodes are those of the contract.
var DefaultNodes = []Node{
	{ID: "mi-local", Tags: map[string]string{"env": "local", "Name": "mi-local"}},
	{ID: "mi-local-2", Tags: map[string]string{"env": "local", "Name": "mi-local-2"}},
	{ID: "mi-offline", Tags: map[string]string{"Name": "mi-offline"}, Offline: true},
}

func (n Node) version() string {
	if n.Agent == "" {
		return AgentVersion
	}
	return n.Agent
}

func (n Node) knowsEnv() bool { return !older(n.version(), envVersion) }

// older compares dotted numbers.
func older(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		p, _ := strconv.Atoi(x[i])
		q, _ := strconv.Atoi(y[i])
		if p != q {
			return p < q
		}
	}
	return len(x) < len(y)
}

func (s *Service) node(id string) (Node, bool) {
	i := slices.IndexFunc(s.opts.Nodes, func(n Node) bool { return n.ID == id })
	if i < 0 {
		return Node{}, false
	}
	return s.opts.Nodes[i], true
}

// matching are the nodes that have one of each target's values.
func (s *Service) matching(targets []types.Target) ([]string, error) {
	var ids []string
	for _, n := range s.opts.Nodes {
		all := true
		for _, t := range targets {
			key := aws.ToString(t.Key)
			tag, isTag := strings.CutPrefix(key, "tag:")
			switch {
			case isTag:
				value, has := n.Tags[tag]
				all = all && has && slices.Contains(t.Values, value)
			case key == "InstanceIds":
				all = all && slices.Contains(t.Values, n.ID)
			default:
				return nil, failure("ValidationException", "the local stack knows targets by tag:<key> and InstanceIds, not %q", key)
			}
		}
		if all {
			ids = append(ids, n.ID)
		}
	}
	return ids, nil
}

// DescribeInstanceInformation lists nodes by id, tag or state, in pages of 5 to 50.
func (s *Service) DescribeInstanceInformation(_ context.Context, in *api.DescribeInstanceInformationInput) (*api.DescribeInstanceInformationOutput, error) {
	filters := in.Filters
	if len(in.InstanceInformationFilterList) > 0 && len(filters) > 0 {
		return nil, failure("ValidationException", "Filters and InstanceInformationFilterList cannot be used together.")
	}
	for _, f := range in.InstanceInformationFilterList {
		filters = append(filters, types.InstanceInformationStringFilter{Key: aws.String(string(f.Key)), Values: f.ValueSet})
	}
	size := int(aws.ToInt32(in.MaxResults))
	if in.MaxResults != nil && (size < 5 || size > 50) {
		return nil, invalid("maxResults", "Member must have value between 5 and 50")
	}
	var found []types.InstanceInformation
	for _, n := range s.opts.Nodes {
		ok, err := n.passes(filters)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, n.describe())
		}
	}
	if size == 0 {
		size = 50
	}
	page, next, err := pageOf(found, size, in.NextToken)
	return &api.DescribeInstanceInformationOutput{InstanceInformationList: page, NextToken: next}, err
}

func (n Node) passes(filters []types.InstanceInformationStringFilter) (bool, error) {
	for _, f := range filters {
		key := aws.ToString(f.Key)
		if len(f.Values) < 1 || len(f.Values) > 100 {
			return false, failure("InvalidInstanceInformationFilterValue", "A filter has 1 to 100 values.")
		}
		has := ""
		switch tag, isTag := strings.CutPrefix(key, "tag:"); {
		case isTag:
			has = n.Tags[tag]
		case key == "tag-key":
			if !slices.ContainsFunc(f.Values, func(v string) bool { return slices.Contains(slices.Collect(maps.Keys(n.Tags)), v) }) {
				return false, nil
			}
			continue
		case key == "InstanceIds":
			has = n.ID
		case key == "PingStatus":
			has = string(n.ping())
		case key == "AgentVersion":
			has = n.version()
		default:
			return false, failure("InvalidFilterKey", "The specified key %s is not valid.", key)
		}
		if !slices.Contains(f.Values, has) {
			return false, nil
		}
	}
	return true, nil
}

func (n Node) ping() types.PingStatus {
	if n.Offline || n.Undeliverable {
		return types.PingStatusConnectionLost
	}
	return types.PingStatusOnline
}

func (n Node) describe() types.InstanceInformation {
	kind := types.ResourceTypeManagedInstance
	if strings.HasPrefix(n.ID, "i-") {
		kind = types.ResourceTypeEc2Instance
	}
	return types.InstanceInformation{
		InstanceId: aws.String(n.ID), AgentVersion: aws.String(n.version()), PingStatus: n.ping(), LastPingDateTime: aws.Time(time.Now()),
		ComputerName: aws.String(n.ID), Name: aws.String(n.Tags["Name"]), PlatformType: types.PlatformType(cmp.Or(n.Platform, "Linux")),
		ResourceType: kind,
	}
}

// pageOf cuts a page out of a list; a token is the place where the next one begins.
func pageOf[T any](list []T, size int, token *string) ([]T, *string, error) {
	at := 0
	if token != nil && *token != "" {
		n, err := strconv.Atoi(*token)
		if err != nil || n < 0 || n > len(list) {
			return nil, nil, failure("InvalidNextToken", "The specified token is not valid.")
		}
		at = n
	}
	end := min(len(list), at+size)
	page := append([]T{}, list[at:end]...)
	if end == len(list) {
		return page, nil, nil
	}
	return page, aws.String(strconv.Itoa(end)), nil
}
