package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"pagefree/infra/local/template"
)

// Create makes the tables that are not there yet. What is there is left as it is, but for a stream that it lacks.
// A stream is switched on only where a function of the template reads it, for Dynoxide slows down with one.
// A name has at least 3 characters.
func Create(ctx context.Context, db *dynamodb.Client, tables ...*template.Table) error {
	for _, t := range tables {
		_, err := db.CreateTable(ctx, input(t))
		if inUse := (*types.ResourceInUseException)(nil); errors.As(err, &inUse) {
			if err := stream(ctx, db, t); err != nil {
				return fmt.Errorf("stream of table %s: %w", t.Name, err)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("create table %s: %w", t.Name, err)
		}
		if t.TTLAttribute == "" {
			continue
		}
		if _, err := db.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
			TableName:               &t.Name,
			TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &t.TTLAttribute, Enabled: aws.Bool(true)},
		}); err != nil {
			return fmt.Errorf("expiry of table %s: %w", t.Name, err)
		}
	}
	return nil
}

func input(t *template.Table) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{
		TableName:   &t.Name,
		BillingMode: types.BillingModePayPerRequest,
		KeySchema:   keys(t.Keys),
	}
	for _, name := range slices.Sorted(maps.Keys(t.Attributes)) {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{
			AttributeName: aws.String(name), AttributeType: types.ScalarAttributeType(t.Attributes[name]),
		})
	}
	for _, x := range t.Indexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(x.Name), KeySchema: keys(x.Keys),
			Projection: &types.Projection{ProjectionType: types.ProjectionType(x.Projection), NonKeyAttributes: x.NonKeyAttributes},
		})
	}
	in.StreamSpecification = streamOf(t)
	return in
}

// streamOf is the stream that a table is to have, nil for none.
func streamOf(t *template.Table) *types.StreamSpecification {
	if !t.StreamConsumed || t.StreamView == "" {
		return nil
	}
	return &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewType(t.StreamView)}
}

// stream switches on the stream of a table that was made when nobody read it.
func stream(ctx context.Context, db *dynamodb.Client, t *template.Table) error {
	want := streamOf(t)
	if want == nil {
		return nil
	}
	out, err := db.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &t.Name})
	if err != nil || out.Table.LatestStreamArn != nil {
		return err
	}
	_, err = db.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: &t.Name, StreamSpecification: want})
	return err
}

func keys(parts []template.KeyElement) []types.KeySchemaElement {
	list := make([]types.KeySchemaElement, len(parts))
	for i, k := range parts {
		list[i] = types.KeySchemaElement{AttributeName: aws.String(k.Name), KeyType: types.KeyType(k.Type)}
	}
	return list
}
