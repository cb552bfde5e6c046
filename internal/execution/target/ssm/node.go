package ssm

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"pagefree/internal/execution/target"
	"pagefree/internal/runbook"
)

// Nodes lists the managed nodes that a target names, as SSM knows them now, in
// the order of their ids: at most one page more than maxNodes, which is enough
// to see that there are too many. A node that SSM does not know is left out.
func (t Target) Nodes(ctx context.Context, to runbook.Target) ([]target.Node, error) {
	list, err := t.list(ctx, to)
	nodes := make([]target.Node, len(list))
	for i, n := range list {
		nodes[i] = n.Node
	}
	return nodes, err
}

type node struct {
	target.Node
	platform types.PlatformType
}

func (t Target) list(ctx context.Context, to runbook.Target) ([]node, error) {
	in := &ssm.DescribeInstanceInformationInput{MaxResults: aws.Int32(50)}
	if len(to.Tags) > 0 {
		for _, key := range slices.Sorted(maps.Keys(to.Tags)) {
			in.Filters = append(in.Filters, types.InstanceInformationStringFilter{Key: aws.String("tag:" + key), Values: to.Tags[key]})
		}
	} else {
		in.Filters = []types.InstanceInformationStringFilter{{Key: aws.String("InstanceIds"), Values: to.InstanceIDs}}
	}
	var nodes []node
	for pages := ssm.NewDescribeInstanceInformationPaginator(t.SSM, in); pages.HasMorePages() && len(nodes) <= max(to.MaxNodes, 1); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describe nodes: %w", err)
		}
		for _, n := range page.InstanceInformationList {
			nodes = append(nodes, node{
				Node:     target.Node{ID: aws.ToString(n.InstanceId), Online: n.PingStatus == types.PingStatusOnline, AgentVersion: aws.ToString(n.AgentVersion)},
				platform: n.PlatformType,
			})
		}
	}
	slices.SortFunc(nodes, func(a, b node) int { return strings.Compare(a.ID, b.ID) })
	return nodes, nil
}

// older compares versions of dotted numbers. One that is not told, or no such
// version, is older than any.
func older(version, than string) bool {
	have, want := strings.Split(version, "."), strings.Split(than, ".")
	for i, w := range want {
		if i >= len(have) {
			return true
		}
		h, err := strconv.Atoi(have[i])
		if err != nil {
			return true
		}
		if n, _ := strconv.Atoi(w); h != n {
			return h < n
		}
	}
	return false
}
