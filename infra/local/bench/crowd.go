package bench

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/token"
)

// crowd brings the partners of the demo's page to a number, and tells how many items that took. It makes one by the API
// and writes what that wrote again and again, under other ids, straight into the table.
func (w *work) crowd(ctx context.Context, partners int) (items int, err error) {
	db := dynamodb.NewFromConfig(w.stack.Config(), func(o *dynamodb.Options) {
		o.HTTPClient = readers
	})
	table := w.stack.Template().Tables["StatusTable"].Name
	before, err := all(ctx, db, table)
	if err != nil {
		return 0, err
	}
	const name = "Crowd original"
	made, err := w.grant(ctx, w.pages.demo, name)
	if err != nil {
		return 0, err
	}
	after, err := all(ctx, db, table)
	if err != nil {
		return 0, err
	}
	var model []string
	for key, item := range after {
		if _, there := before[key]; !there && (strings.Contains(item, text(made, "id")) || strings.Contains(item, text(made, "contactEmail"))) {
			model = append(model, item)
		}
	}
	if len(model) < 3 { // its account, itself and its token at the least
		return 0, fmt.Errorf("a new partner is %d items", len(model))
	}
	of := original{ids: map[string]string{}, name: name, email: text(made, "contactEmail"), hash: token.Hash(text(made, "token"))}
	for _, item := range model {
		for _, found := range ids.FindAllString(item, -1) {
			of.ids[found], _, _ = strings.Cut(found, "_")
		}
	}
	// Kind by kind, in the order of its keys: the engine is several times as fast as with keys at random.
	for _, item := range model {
		copies := make([]string, 0, partners)
		for n := few + 1; n < partners; n++ {
			copies = append(copies, of.copy(item, n))
		}
		if strings.Contains(item, `"token#`) {
			slices.SortFunc(copies, func(a, b string) int { return strings.Compare(keyed(a), keyed(b)) })
		}
		batches := slices.Collect(slices.Chunk(copies, 25))
		const side = 4
		errs := make([]error, side)
		var wg sync.WaitGroup
		for s := range side {
			wg.Go(func() {
				for n := s; n < len(batches) && errs[s] == nil; n += side {
					errs[s] = write(ctx, db, table, batches[n])
				}
			})
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			return items, err
		}
		items += len(copies)
	}
	return items, nil
}

// keyed is an item from its token's hash on.
func keyed(item string) string { _, after, _ := strings.Cut(item, `"token#`); return after }

// ids are those that a partner's own items hold.
var ids = regexp.MustCompile(`\b(` + id.Partner + `|` + id.PartnerAccess + `|` + id.PartnerPerson + `)_[0-9A-Z]{26}\b`)

// original is a partner who is copied.
type original struct {
	ids               map[string]string // to their prefixes
	name, email, hash string
}

// copy is an item of the original as that of the n-th copy.
func (o original) copy(item string, n int) string {
	other := fmt.Sprintf("Partner %06d", n)
	pairs := []string{
		o.name, other, strings.ToLower(o.name), strings.ToLower(other),
		o.email, fmt.Sprintf("partner-%06d@partners.test", n), o.hash, token.Hash(other),
	}
	for known, prefix := range o.ids {
		// The same for all items of a copy, and otherwise as those that are made.
		pairs = append(pairs, known, prefix+"_"+known[len(prefix)+1:len(known)-8]+fmt.Sprintf("%08d", n))
	}
	return strings.NewReplacer(pairs...).Replace(item)
}

// all is what a table holds, as JSON by key.
func all(ctx context.Context, db *dynamodb.Client, table string) (map[string]string, error) {
	out := map[string]string{}
	pages := dynamodb.NewScanPaginator(db, &dynamodb.ScanInput{TableName: &table, ConsistentRead: sdk.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			var k struct {
				PK string `dynamodbav:"pk"`
				SK string `dynamodbav:"sk"`
			}
			if err := dynamo.Decode(item, &k); err != nil {
				return nil, err
			}
			raw, err := attributevalue.MarshalMapJSON(item)
			if err != nil {
				return nil, err
			}
			out[k.PK+" "+k.SK] = string(raw)
		}
	}
	return out, nil
}

// write puts a batch of items, and what did not get through again.
func write(ctx context.Context, db *dynamodb.Client, table string, items []string) error {
	left := map[string][]types.WriteRequest{}
	for _, raw := range items {
		item, err := attributevalue.UnmarshalMapJSON([]byte(raw))
		if err != nil {
			return err
		}
		left[table] = append(left[table], types.WriteRequest{PutRequest: &types.PutRequest{Item: item}})
	}
	for deadline := time.Now().Add(stalled); len(left) > 0; {
		out, err := db.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: left})
		if err != nil {
			return err
		}
		if left = out.UnprocessedItems; len(left) > 0 && time.Now().After(deadline) {
			return fmt.Errorf("the table does not take %d items", len(left[table]))
		}
	}
	return nil
}
