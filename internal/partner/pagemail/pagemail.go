// Package pagemail sends partners the news of status pages by SES. It stands
// apart from partner so that only the function that mails links the SES client.
package pagemail

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"pagefree/internal/partner"
	"pagefree/internal/platform/origin"
)

// Post is a partner.Post by SES.
type Post struct {
	SES           *sesv2.Client
	Origin        *origin.Source
	From          string
	Configuration string // of SES; "" for none
}

// Deliver mails a letter. What SES calls a bad request is an address that it
// takes from nobody. What it rejects, such as an address that is not verified
// while the account is in SES's sandbox, may be taken later.
func (p *Post) Deliver(ctx context.Context, l partner.Letter) error {
	o, err := p.Origin.Get(ctx)
	if err != nil {
		return err
	}
	in, err := p.compose(l, o)
	if err != nil {
		return fmt.Errorf("%w: %w", partner.ErrRefused, err) // it will not be better the next time
	}
	_, err = p.SES.SendEmail(ctx, in)
	if _, bad := errors.AsType[*types.BadRequestException](err); bad {
		return fmt.Errorf("%w: %w", partner.ErrRefused, err)
	}
	if _, rejected := errors.AsType[*types.MessageRejected](err); rejected {
		return fmt.Errorf("%w: %w", partner.ErrReturned, err)
	}
	if err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	return nil
}
