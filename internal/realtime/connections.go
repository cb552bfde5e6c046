package realtime

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Connections is API Gateway's management of open sockets. Its calls are signed
// by hand: the client of that service is one more than this needs.
type Connections struct {
	base   *url.URL
	cfg    aws.Config
	signer *v4.Signer
	now    func() time.Time
}

// NewConnections reaches the sockets of a stage by its address, such as
// https://id.execute-api.region.amazonaws.com/stage. A configuration with an
// endpoint of its own is the local stack: the path is the same there.
func NewConnections(cfg aws.Config, stage string, now func() time.Time) (*Connections, error) {
	base, err := url.Parse(strings.TrimSuffix(stage, "/"))
	if err != nil || base.Host == "" || base.Path == "" {
		return nil, fmt.Errorf("%q is no address of a stage", stage)
	}
	if cfg.BaseEndpoint != nil {
		local, err := url.Parse(*cfg.BaseEndpoint)
		if err != nil {
			return nil, err
		}
		base.Scheme, base.Host = local.Scheme, local.Host
	}
	return &Connections{base: base, cfg: cfg, signer: v4.NewSigner(), now: now}, nil
}

// each call is one try, and short: who is not told now is told by the next change.
const callFor = 5 * time.Second

// Post sends a message to a socket. Its client has read too little where that
// is an ErrFull, or API Gateway has too many messages at once.
func (c *Connections) Post(ctx context.Context, connectionID string, message []byte) error {
	return c.call(ctx, http.MethodPost, connectionID, message)
}

// Close ends a connection. One that is gone already is ended.
func (c *Connections) Close(ctx context.Context, connectionID string) error {
	if err := c.call(ctx, http.MethodDelete, connectionID, nil); err != nil && err != ErrGone {
		return err
	}
	return nil
}

func (c *Connections) call(ctx context.Context, method, connectionID string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, callFor)
	defer cancel()
	at := *c.base
	// An id is base64, of which the path escapes what the signature escapes once more.
	at.Path, at.RawPath = at.Path+"/@connections/"+connectionID, at.Path+"/%40connections/"+strings.ReplaceAll(url.QueryEscape(connectionID), "+", "%20")
	req, err := http.NewRequestWithContext(ctx, method, at.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	credentials, err := c.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if err := c.signer.SignHTTP(ctx, credentials, req, hex.EncodeToString(sum[:]), "execute-api", c.cfg.Region, c.now()); err != nil {
		return err
	}
	res, err := c.cfg.HTTPClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s to a connection: %w", method, err)
	}
	defer func() { _ = res.Body.Close() }()
	switch said, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10)); {
	case res.StatusCode == http.StatusGone:
		return ErrGone
	case res.StatusCode == http.StatusTooManyRequests && method == http.MethodPost: // LimitExceededException
		return ErrFull
	case res.StatusCode >= 300:
		return fmt.Errorf("%s to a connection: %d %.200s", method, res.StatusCode, said)
	}
	return nil
}
