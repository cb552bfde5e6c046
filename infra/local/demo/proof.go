package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pagefree/infra/audit/verify"
	"pagefree/infra/local/client"
)

// proof shows that all of it is on record, and that the record is sealed.
func (d *demo) proof(ctx context.Context) error {
	timeline, err := d.all(ctx, Responder, "/v1/incidents/"+d.incident+"/timeline")
	if err != nil {
		return err
	}
	since := "/v1/audit?limit=200&from=" + url.QueryEscape(d.began.UTC().Add(-time.Second).Format(time.RFC3339))
	trail, err := d.all(ctx, Admin, since)
	if err != nil {
		return err
	}
	if len(timeline) == 0 || len(trail) == 0 {
		return fmt.Errorf("nothing was recorded")
	}
	d.say("on record: %d entries in the incident's timeline, %d audit events since the demo began", len(timeline), len(trail))
	if !d.whole {
		return nil
	}
	for { // until what the demo did is sealed
		waits := 0
		for _, event := range trail {
			if event["block"] == nil {
				waits++
			}
		}
		if waits == 0 {
			break
		}
		if err := client.Pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("%d audit events are not sealed: %w", waits, err)
		}
		if trail, err = d.all(ctx, Admin, since); err != nil {
			return err
		}
	}
	export, err := d.export(ctx)
	if err != nil {
		return err
	}
	report := verify.Files([]verify.Input{{Name: "export", Data: strings.NewReader(export)}}, nil)
	if !report.OK() || report.Partial || report.Unfinished || report.Sealed < len(trail) {
		var said strings.Builder
		report.Write(&said, false)
		return fmt.Errorf("the audit export does not hold:\n%s", said.String())
	}
	d.say("exported and verified: %d of %d events are sealed, in %d signed blocks", report.Sealed, report.Events, report.Blocks)
	return nil
}

// export reads the whole audit trail, page after page.
func (d *demo) export(ctx context.Context) (string, error) {
	var all strings.Builder
	cursor := ""
	for {
		a, err := d.as(ctx, Admin, http.StatusOK, "GET", "/v1/audit/export?limit=200&cursor="+url.QueryEscape(cursor), nil)
		if err != nil {
			return "", err
		}
		all.WriteString(a.Raw)
		var end struct{ NextCursor string }
		last := a.Raw[strings.LastIndexByte(strings.TrimSpace(a.Raw), '\n')+1:]
		if err := json.Unmarshal([]byte(last), &end); err != nil {
			return "", fmt.Errorf("the end of an export: %w", err)
		}
		if cursor = end.NextCursor; cursor == "" {
			return all.String(), nil
		}
	}
}
