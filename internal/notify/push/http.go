package push

import (
	"context"
	"maps"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"pagefree/internal/platform/httpapi"
)

type deviceOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     Shown
}

// Routes registers the routes of devices. For the OpenAPI document alone, s may be nil.
func Routes(api *httpapi.API, s *Service) {
	httpapi.Register(api, httpapi.Op("GET /v1/push/key", "The key that browsers subscribe with"),
		func(ctx context.Context, _ *struct{}) (*struct{ Body PublicKey }, error) {
			k, err := s.Key(ctx)
			return &struct{ Body PublicKey }{k}, err
		})
	httpapi.Register(api, httpapi.Op("GET /v1/push/subscriptions", "My devices that get pushes"),
		func(ctx context.Context, _ *struct{}) (*struct{ Body httpapi.List[Shown] }, error) {
			list, err := s.List(ctx)
			return &struct{ Body httpapi.List[Shown] }{httpapi.List[Shown]{Items: list}}, err
		})
	op := httpapi.Op("POST /v1/push/subscriptions", "Get pushes on this device")
	op.DefaultStatus = http.StatusCreated
	httpapi.Register(api, op, func(ctx context.Context, in *struct{ Body Subscription }) (*deviceOutput, error) {
		d, fresh, err := s.Subscribe(ctx, in.Body)
		if err != nil {
			return nil, err
		}
		out := &deviceOutput{Status: http.StatusOK, Body: d}
		if fresh {
			out.Status, out.Location = http.StatusCreated, "/v1/push/subscriptions/"+d.ID
		}
		return out, nil
	})
	api.Describe(op, func(d *huma.Operation) {
		made := d.Responses["201"]
		d.Responses["200"] = &huma.Response{Description: "It was a device of mine already", Content: made.Content, Headers: maps.Clone(made.Headers)}
		delete(d.Responses["200"].Headers, "Location")
	})
	httpapi.Register(api, httpapi.Op("GET /v1/push/subscriptions/{id}", "A device of mine"),
		func(ctx context.Context, in *struct {
			ID string `path:"id"`
		}) (*struct{ Body Shown }, error) {
			d, err := s.Get(ctx, in.ID)
			return &struct{ Body Shown }{d}, err
		})
	httpapi.Register(api, httpapi.Op("DELETE /v1/push/subscriptions", "Get no more pushes on this device", http.StatusNotFound),
		func(ctx context.Context, in *struct{ Body Ended }) (*struct{}, error) {
			return nil, s.Unsubscribe(ctx, in.Body.Endpoint)
		})
	httpapi.Register(api, httpapi.Op("DELETE /v1/push/subscriptions/{id}", "Get no more pushes on a device of mine"),
		func(ctx context.Context, in *struct {
			ID string `path:"id"`
		}) (*struct{}, error) {
			return nil, s.Remove(ctx, in.ID)
		})
}

// Ended is a subscription that is to end: the browser's PushSubscription, of
// which the endpoint decides.
type Ended struct {
	Endpoint             string `json:"endpoint" minLength:"1" maxLength:"2048"`
	ExpirationTime       any    `json:"expirationTime,omitempty" doc:"ignored"`
	Keys                 any    `json:"keys,omitempty" doc:"ignored"`
	ApplicationServerKey any    `json:"applicationServerKey,omitempty" doc:"ignored"`
}
