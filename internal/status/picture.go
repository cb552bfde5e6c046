package status

import (
	"context"

	"pagefree/internal/platform/dynamo"
)

// PictureKey is the key of a page's logo, by the SHA-256 of its bytes in hex:
// whoever has the address of one has seen it.
func PictureKey(hash string) dynamo.Key { return dynamo.Key{PK: "logo#" + hash, SK: "logo"} }

// Picture reads a logo, a PNG, by its hash.
func (s Store) Picture(ctx context.Context, hash string) ([]byte, bool, error) {
	var item struct {
		Data []byte `dynamodbav:"data"`
	}
	found, err := s.Table.Get(ctx, PictureKey(hash), &item)
	return item.Data, found, err
}
