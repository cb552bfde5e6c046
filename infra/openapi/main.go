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
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/origin"
	"pagefree/internal/runbook"
	"pagefree/internal/web/signin"
)

// path of the document, from the root of the repository.
const path = "functions/meta/openapi.json"

// functions says what each function of the API registers, by its logical id in
// template.yaml. A test holds it against the functions' own code.
var functions = map[string]func(*httpapi.API){
	"AuditFunction":      func(api *httpapi.API) { audit.Routes(api, nil) },
	"ExecutionsFunction": func(api *httpapi.API) { execution.Routes(api, nil) },
	"IdentityFunction":   func(api *httpapi.API) { identity.Routes(api, nil, nil) },
	"IncidentsFunction":  func(api *httpapi.API) { incident.Routes(api, nil) },
	"MetaFunction":       func(api *httpapi.API) { httpapi.Meta(api, nil) },
	"RunbooksFunction":   func(api *httpapi.API) { runbook.Routes(api, nil) },
	"SigninFunction": func(api *httpapi.API) {
		identity.AuthRoutes(api, nil)
		signin.Routes(api, nil, origin.Origin{})
	},
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
	compact, err := json.Marshal(api.OpenAPI())
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", "  "); err != nil {
		return nil, err
	}
	return append(out.Bytes(), '\n'), nil
}
