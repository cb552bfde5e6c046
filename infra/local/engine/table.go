package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Table is what the engines need to know of a table of the template. Every key is a string.
type Table struct {
	Name    string // at least 3 characters
	Hash    string
	Range   string // may be empty
	Indexes []Index
	TTL     string // the attribute with the expiry in epoch seconds; empty: nothing expires
	Stream  bool   // new and old images. Dynoxide slows down with one: only where somebody reads it
}

// Index is a global secondary index that holds whole items.
type Index struct{ Name, Hash, Range string }

// Create makes the tables that are not there yet. What is there is left as it is.
func Create(ctx context.Context, db *dynamodb.Client, tables ...Table) error {
	for _, t := range tables {
		_, err := db.CreateTable(ctx, t.input())
		if inUse := (*types.ResourceInUseException)(nil); errors.As(err, &inUse) {
			continue
		}
		if err != nil {
			return fmt.Errorf("create table %s: %w", t.Name, err)
		}
		if t.TTL == "" {
			continue
		}
		if _, err := db.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
			TableName:               &t.Name,
			TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &t.TTL, Enabled: aws.Bool(true)},
		}); err != nil {
			return fmt.Errorf("expiry of table %s: %w", t.Name, err)
		}
	}
	return nil
}

func (t Table) input() *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{
		TableName:   &t.Name,
		BillingMode: types.BillingModePayPerRequest,
		KeySchema:   keys(t.Hash, t.Range),
	}
	seen := map[string]bool{}
	define := func(names ...string) {
		for _, name := range names {
			if name != "" && !seen[name] {
				seen[name] = true
				in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{
					AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS,
				})
			}
		}
	}
	define(t.Hash, t.Range)
	for _, x := range t.Indexes {
		define(x.Hash, x.Range)
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(x.Name), KeySchema: keys(x.Hash, x.Range),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		})
	}
	if t.Stream {
		in.StreamSpecification = &types.StreamSpecification{
			StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewAndOldImages,
		}
	}
	return in
}

func keys(hash, sort string) []types.KeySchemaElement {
	list := []types.KeySchemaElement{{AttributeName: aws.String(hash), KeyType: types.KeyTypeHash}}
	if sort != "" {
		list = append(list, types.KeySchemaElement{AttributeName: aws.String(sort), KeyType: types.KeyTypeRange})
	}
	return list
}
