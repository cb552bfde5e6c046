package audit

import (
	"context"
	"fmt"

	"github.com/danielgtaylor/huma/v2"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/timestamp"
)

type listEvents struct {
	httpapi.PageInput
	Actor   string         `query:"actor" maxLength:"80" doc:"the id of who did it"`
	Subject string         `query:"subject" maxLength:"80" doc:"the id of what it was done to"`
	Type    string         `query:"type" maxLength:"80" pattern:"^[a-z_]+\\.[a-z_]+$" patternDescription:"noun.past_tense" doc:"such as runbook.approved"`
	From    timestamp.Time `query:"from" doc:"this time or later"`
	To      timestamp.Time `query:"to" doc:"this time or earlier"`
}

type exportEvents struct {
	httpapi.PageInput
	From timestamp.Time `query:"from" doc:"this time or later"`
	To   timestamp.Time `query:"to" doc:"this time or earlier"`
}

const ndjson = "application/x-ndjson"

type exported struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// Routes adds the operations of this room to api. r may be nil where only
// their description is wanted.
func Routes(api *httpapi.API, r *Reader) {
	httpapi.Register(api, httpapi.Op("GET /v1/audit", "Who did what, newest first"), func(ctx context.Context, in *listEvents) (*httpapi.ListOutput[Event], error) {
		list := []string{"audit", in.Actor, in.Subject, in.Type, fmt.Sprint(in.From), fmt.Sprint(in.To)}
		page, err := r.Cursors.Open(ctx, in.PageInput, list...)
		if err != nil {
			return nil, err
		}
		f := Filter{Actor: in.Actor, Subject: in.Subject, Type: in.Type, From: in.From.Time, To: in.To.Time}
		events, next, err := r.List(ctx, f, page)
		if err != nil {
			return nil, err
		}
		return httpapi.Answer(ctx, r.Cursors, events, next, list...)
	})

	export := httpapi.Op("GET /v1/audit/export", "The record with its signed blocks, to be verified, oldest first")
	export.Responses = map[string]*huma.Response{"200": {
		Description: "Lines of JSON: export, key, event..., block..., end. The last one's nextCursor leads to the next page; pages one after another are one export.",
		Content:     map[string]*huma.MediaType{ndjson: {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
	httpapi.Register(api, export, func(ctx context.Context, in *exportEvents) (*exported, error) {
		list := []string{"audit export", fmt.Sprint(in.From), fmt.Sprint(in.To)}
		page, err := r.Cursors.Open(ctx, in.PageInput, list...)
		if err != nil {
			return nil, err
		}
		body, err := r.Export(ctx, Filter{From: in.From.Time, To: in.To.Time}, page, func(next string) (*string, error) {
			return r.Cursors.Seal(ctx, next, list...)
		})
		return &exported{ContentType: ndjson, Body: body}, err
	})
}
