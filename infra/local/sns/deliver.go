package sns

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"time"

	"pagefree/infra/local/lambda"
)

// call hands a message to a function. Locked.
func (s *Service) call(sub *subscription, m message) {
	if s.closed || s.opts.Functions == nil {
		return
	}
	if _, err := s.opts.Functions.InvokeAsync(lambda.Request{Function: sub.endpoint, Payload: m.event()}); err != nil {
		s.opts.Log.Error("sns", "function", sub.endpoint, "cause", err.Error())
	}
}

// send posts a message to an address, in the background, until it is taken or given up. Locked.
func (s *Service) send(sub *subscription, m message) {
	if s.closed {
		return
	}
	endpoint, body := sub.endpoint, m.body()
	s.work.Go(func() {
		for attempt := 0; ; attempt++ {
			again, err := s.post(endpoint, m, body)
			if err == nil || s.ctx.Err() != nil {
				return
			}
			if !again || attempt == len(s.opts.RetryAfter) {
				s.opts.Log.Error("sns", "endpoint", endpoint, "message", m.id, "cause", err.Error())
				return
			}
			select {
			case <-time.After(s.opts.RetryAfter[attempt]):
			case <-s.ctx.Done():
				return
			}
		}
	})
}

// post posts a message once. again says that SNS would try again: not after a 4xx, but for 429.
func (s *Service) post(endpoint string, m message, body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "text/plain; charset=UTF-8")
	req.Header.Set("User-Agent", "Amazon Simple Notification Service Agent")
	req.Header.Set("x-amz-sns-message-type", m.kind)
	req.Header.Set("x-amz-sns-message-id", m.id)
	req.Header.Set("x-amz-sns-topic-arn", m.topic)
	if m.kind == notification {
		req.Header.Set("x-amz-sns-subscription-arn", m.subARN)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return true, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // the answer is of no interest
	if resp.StatusCode/100 == 2 {
		return false, nil
	}
	return resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests, fmt.Errorf("status %d", resp.StatusCode)
}
