// Command openapi writes the OpenAPI document of PageFree's HTTP API from the
// code: every room registers its routes without a service behind them, and the
// result is functions/meta/openapi.json, which /openapi.json answers.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"

	"pagefree/internal/audit"
	"pagefree/internal/execution"
	"pagefree/internal/identity"
	"pagefree/internal/incident"
	"pagefree/internal/incident/integration"
	"pagefree/internal/notify"
	"pagefree/internal/notify/push"
	"pagefree/internal/partner"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/origin"
	"pagefree/internal/realtime"
	"pagefree/internal/runbook"
	"pagefree/internal/runbook/vault"
	"pagefree/internal/status"
	"pagefree/internal/web/console/assets"
	record "pagefree/internal/web/console/audit"
	"pagefree/internal/web/console/executions"
	"pagefree/internal/web/console/incidents"
	"pagefree/internal/web/console/integrations"
	"pagefree/internal/web/console/partners"
	"pagefree/internal/web/console/people"
	"pagefree/internal/web/console/runbooks"
	pages "pagefree/internal/web/console/settings"
	"pagefree/internal/web/console/statuspages"
	"pagefree/internal/web/console/workflows"
	"pagefree/internal/web/signin"
	"pagefree/internal/web/statuspage"
	"pagefree/internal/workflow"
)

// path of the document, from the root of the repository.
const path = "functions/meta/openapi.json"

// functions says what each function of the API registers, by its logical id in
// template.yaml. A test holds it against the functions' own code.
var functions = map[string]func(*httpapi.API){
	"AuditFunction": func(api *httpapi.API) {
		audit.Routes(api, nil)
		record.Routes(api, nil, nil)
	},
	"ExecutionsFunction": func(api *httpapi.API) {
		execution.Routes(api, nil)
		executions.Routes(api, nil, executions.Desk{})
	},
	"CallbacksFunction": func(api *httpapi.API) { execution.CallbackRoutes(api, nil) },
	"IdentityFunction": func(api *httpapi.API) {
		identity.Routes(api, nil, nil)
		people.Routes(api, nil, nil, nil)
	},
	"IncidentsFunction": func(api *httpapi.API) {
		incident.Routes(api, nil)
		incidents.Routes(api, nil, nil, nil)
	},
	"IntegrationsFunction": func(api *httpapi.API) {
		integration.Routes(api, nil)
		integrations.Routes(api, nil, integrations.Rooms{})
	},
	"HooksFunction":  func(api *httpapi.API) { integration.HookRoutes(api, nil) },
	"MetaFunction":   func(api *httpapi.API) { httpapi.Meta(api, nil) },
	"AssetsFunction": func(api *httpapi.API) { assets.Routes(api, origin.Origin{}) },
	"NotificationsFunction": func(api *httpapi.API) {
		notify.Routes(api, nil)
		pages.Routes(api, nil, nil, nil)
		push.Routes(api, nil)
	},
	"PartnersFunction": func(api *httpapi.API) {
		partner.Routes(api, nil)
		statuspage.PartnerPreview(api, nil)
		partners.Routes(api, nil, origin.Origin{}, nil)
	},
	"RunbooksFunction": func(api *httpapi.API) {
		runbook.Routes(api, nil)
		vault.Routes(api, nil)
		runbooks.Routes(api, nil, runbooks.Rooms{})
	},
	"StatusPagesFunction": func(api *httpapi.API) {
		status.Routes(api, nil)
		statuspage.StaffPreview(api, nil)
		statuspages.Routes(api, nil, origin.Origin{}, nil, nil)
	},
	"SigninFunction": func(api *httpapi.API) {
		identity.AuthRoutes(api, nil)
		signin.Routes(api, nil, origin.Origin{})
	},
	"TicketsFunction": func(api *httpapi.API) { realtime.Routes(api, nil) },
	"WorkflowsFunction": func(api *httpapi.API) {
		workflow.Routes(api, nil)
		workflows.Routes(api, nil, workflows.Rooms{})
	},
	"StatusFunction": func(api *httpapi.API) { statuspage.Routes(api, nil) },
}

func main() {
	document, err := build()
	if err == nil {
		err = os.WriteFile(path, document, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
	fmt.Println("wrote", path)
}

// build makes the document: always the same bytes for the same code.
func build() ([]byte, error) {
	api := httpapi.New()
	for _, function := range slices.Sorted(maps.Keys(functions)) {
		functions[function](api)
	}
	raw, err := json.Marshal(api.OpenAPI())
	if err != nil {
		return nil, err
	}
	in := json.NewDecoder(bytes.NewReader(raw))
	in.UseNumber()
	var document any
	if err := in.Decode(&document); err != nil {
		return nil, err
	}
	strip(document)
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err = e.Encode(document)
	return out.Bytes(), err
}

// strip removes what huma writes and OpenAPI does not know: the words for a
// pattern, which are for our own errors.
func strip(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, words := v["patternDescription"].(string); words {
			delete(v, "patternDescription")
		}
		for _, member := range v {
			strip(member)
		}
	case []any:
		for _, element := range v {
			strip(element)
		}
	}
}
