package execution

import (
	"github.com/danielgtaylor/huma/v2"
)

// The notifications of AWX and Rundeck are those products' own, read by hand:
// the document says what they need to hold, and takes whatever else they bring.

func member(kind, doc string) *huma.Schema { return &huma.Schema{Type: kind, Description: doc} }

func object(required []string, properties map[string]*huma.Schema) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Required: required, Properties: properties, AdditionalProperties: true}
}

// variables are the two that a job was given by us.
func variables() *huma.Schema {
	return object([]string{"pagefree_callback_url", "pagefree_callback_token"}, map[string]*huma.Schema{
		"pagefree_callback_url": member(huma.TypeString, "as the job was given it"), "pagefree_callback_token": member(huma.TypeString, "pfc_..., as the job was given it"),
	})
}

// number is how both name their jobs: a whole number, or in Rundeck's case also a text of one.
func number() *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeInteger, Format: "int64"}, {Type: huma.TypeString}}}
}

func describeAWX(d *huma.Operation) {
	vars := &huma.Schema{Description: "an object, or a text that holds one in JSON, which is how AWX sends it",
		OneOf: []*huma.Schema{variables(), {Type: huma.TypeString}}}
	d.RequestBody.Content = map[string]*huma.MediaType{"application/json": {Schema: object([]string{"id", "status", "extra_vars"}, map[string]*huma.Schema{
		"id":         number(),
		"status":     {Type: huma.TypeString, Enum: []any{"new", "pending", "waiting", "running", "successful", "failed", "error", "canceled"}},
		"extra_vars": vars,
	})}}
}

func describeRundeck(d *huma.Operation) {
	execution := object([]string{"job"}, map[string]*huma.Schema{
		"id": number(), "status": member(huma.TypeString, "where the notification itself has none"),
		"job": object([]string{"options"}, map[string]*huma.Schema{"options": variables()}),
	})
	xml := &huma.MediaType{Schema: member(huma.TypeString, "a notification with one execution in it, as Rundeck writes it")}
	d.RequestBody.Content = map[string]*huma.MediaType{
		"application/json": {Schema: object([]string{"execution"}, map[string]*huma.Schema{
			"trigger": member(huma.TypeString, "success or failure: what a status of the job's own means"), "status": member(huma.TypeString, ""),
			"executionId": number(), "execution": execution,
		})},
		"application/xml": xml, "text/xml": xml,
	}
}
