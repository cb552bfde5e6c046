package poll

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"pagefree/infra/local/lambda"
	"pagefree/infra/local/template"
)

// timing says when a schedule fires next after a moment; the zero time is never.
type timing interface {
	next(after time.Time) time.Time
}

// rate fires at a fixed distance, the first time one distance after the start.
type rate time.Duration

func (r rate) next(after time.Time) time.Time { return after.Add(time.Duration(r)) }

// keep calls a function at its times.
func (p *Poller) keep(ctx context.Context, function string, s template.Schedule, when timing) {
	for at := when.next(time.Now()); !at.IsZero(); {
		timer := time.NewTimer(time.Until(at))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		p.awake(ctx)
		result, err := p.opts.Functions.Invoke(ctx, lambda.Request{Function: function, Payload: p.scheduled(s, at)})
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			p.opts.Log.Error("schedule", "function", function, "cause", err.Error())
		case result.FunctionError != "":
			p.opts.Log.Error("schedule", "function", function, "cause", string(result.Payload))
		}
		if at = when.next(at); at.Before(time.Now()) {
			at = when.next(time.Now())
		}
	}
}

// scheduled is EventBridge's event, or the constant input that the template gives in its place.
func (p *Poller) scheduled(s template.Schedule, at time.Time) []byte {
	if s.Input != "" {
		return []byte(s.Input)
	}
	payload, _ := json.Marshal(struct {
		Version    string   `json:"version"`
		ID         string   `json:"id"`
		DetailType string   `json:"detail-type"`
		Source     string   `json:"source"`
		Account    string   `json:"account"`
		Time       string   `json:"time"`
		Region     string   `json:"region"`
		Resources  []string `json:"resources"`
		Detail     struct{} `json:"detail"`
	}{
		Version: "0", ID: uuid.NewString(), DetailType: "Scheduled Event", Source: "aws.events", Account: p.opts.Template.AccountID,
		Time: at.UTC().Format(time.RFC3339), Region: p.opts.Template.Region, Resources: []string{s.RuleARN},
	})
	return payload
}

// parseSchedule reads rate(5 minutes) and cron(minute hour day month weekday year).
func parseSchedule(expression string) (timing, error) {
	inner, ok := strings.CutSuffix(expression, ")")
	if !ok {
		return nil, fmt.Errorf("schedule %q: want rate(...) or cron(...)", expression)
	}
	if text, ok := strings.CutPrefix(inner, "rate("); ok {
		r, err := parseRate(text)
		if err != nil {
			return nil, fmt.Errorf("schedule %q: %w", expression, err)
		}
		return r, nil
	}
	if text, ok := strings.CutPrefix(inner, "cron("); ok {
		c, err := parseCron(text)
		if err != nil {
			return nil, fmt.Errorf("schedule %q: %w", expression, err)
		}
		return c, nil
	}
	return nil, fmt.Errorf("schedule %q: want rate(...) or cron(...)", expression)
}

// parseRate wants the singular for 1 and the plural else, as EventBridge does.
func parseRate(text string) (rate, error) {
	digits, unit, _ := strings.Cut(text, " ")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > 100_000 {
		return 0, fmt.Errorf("%q is no positive number", digits)
	}
	if n > 1 {
		var plural bool
		if unit, plural = strings.CutSuffix(unit, "s"); !plural {
			return 0, fmt.Errorf("want the plural of %q", unit)
		}
	}
	size, ok := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[unit]
	if !ok {
		return 0, fmt.Errorf("unknown unit %q", unit)
	}
	return rate(time.Duration(n) * size), nil
}
