package gateway

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"pagefree/infra/local/template"
)

// refusal is an answer of API Gateway's own, a gateway response.
type refusal struct {
	kind    string // of the gateway response; empty where only DEFAULT_4XX or DEFAULT_5XX can change it
	status  int
	name    string // x-amzn-ErrorType
	message *string
	cause   string // for the log
	fixed   bool   // answered before the API is looked at, so that its gateway responses do not change it
}

func (r *refusal) Error() string {
	if r.cause != "" {
		return r.cause
	}
	return r.name
}

// because is the same refusal with what is behind it.
func (r *refusal) because(format string, args ...any) error {
	with := *r
	with.cause = fmt.Sprintf(format, args...)
	return &with
}

func refuse(kind string, status int, name, message string) *refusal {
	return &refusal{kind: kind, status: status, name: name, message: &message}
}

func fixed(status int, name, message string) *refusal {
	return &refusal{status: status, name: name, message: &message, fixed: true}
}

// What API Gateway answers by itself, with its own texts.
var (
	missingToken       = refuse("MISSING_AUTHENTICATION_TOKEN", 403, "MissingAuthenticationTokenException", "Missing Authentication Token")
	unauthorized       = refuse("UNAUTHORIZED", 401, "UnauthorizedException", "Unauthorized")
	denied             = refuse("ACCESS_DENIED", 403, "AccessDeniedException", "User is not authorized to access this resource")
	deniedExplicitly   = refuse("ACCESS_DENIED", 403, "AccessDeniedException", "User is not authorized to access this resource with an explicit deny in an identity-based policy")
	invalidKey         = refuse("INVALID_API_KEY", 403, "ForbiddenException", "Forbidden")
	throttled          = refuse("THROTTLED", 429, "TooManyRequestsException", "Too Many Requests")
	quotaExceeded      = refuse("QUOTA_EXCEEDED", 429, "LimitExceededException", "Limit Exceeded")
	tooLarge           = refuse("REQUEST_TOO_LARGE", 413, "RequestTooLongException", "Request Too Long")
	badRequest         = refuse("", 400, "BadRequestException", "Bad Request")
	authorizerBroken   = &refusal{kind: "AUTHORIZER_CONFIGURATION_ERROR", status: 500, name: "AuthorizerConfigurationException"}
	integrationTimeout = refuse("INTEGRATION_TIMEOUT", 504, "InternalServerErrorException", "Endpoint request timed out")
	badGateway         = refuse("", 502, "InternalServerErrorException", "Internal server error")
	internalError      = refuse("", 500, "InternalServerErrorException", "Internal server error")

	wrongStage  = fixed(403, "ForbiddenException", "Forbidden")
	longHeaders = fixed(431, "RequestHeaderFieldsTooLargeException", "Request header fields too large")
)

// render writes a refusal as the template's gateway responses say: its own, else the default of its class, else API
// Gateway's.
func (x *exchange) render(w http.ResponseWriter, r *refusal) {
	g, ok := x.api.GatewayResponses[r.kind]
	if !ok && !r.fixed {
		g = x.api.GatewayResponses["DEFAULT_"+strconv.Itoa(r.status/100)+"XX"]
	}
	status := r.status
	if g.StatusCode != 0 {
		status = g.StatusCode
	}
	variables := x.variables(r, status)
	mediaType, body := "application/json", `{"message":$context.error.messageString}`
	if len(g.Templates) > 0 {
		mediaType, body = chooseTemplate(g, x.request.Header.Get("Accept"))
	}
	h := w.Header()
	h.Set("Content-Type", mediaType)
	x.stamp(h)
	h["x-amzn-ErrorType"] = []string{r.name}
	for name, expression := range g.Headers {
		if value := x.mapped(expression, variables); value != "" {
			h.Set(name, value)
		}
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(reference.ReplaceAllStringFunc(body, func(s string) string { return x.variable(s[1:], variables) })))
}

// stamp puts API Gateway's ids on an answer.
func (x *exchange) stamp(h http.Header) {
	h["x-amzn-RequestId"] = []string{x.context.RequestID}
	h["x-amz-apigw-id"] = []string{x.context.ExtendedRequestID}
}

// chooseTemplate takes the template whose type the caller accepts first, else the one for JSON, else any.
func chooseTemplate(g template.GatewayResponse, accept string) (mediaType, body string) {
	for part := range strings.SplitSeq(accept, ",") {
		mediaType, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		if body, ok := g.Templates[mediaType]; ok {
			return mediaType, body
		}
	}
	if body, ok := g.Templates["application/json"]; ok {
		return "application/json", body
	}
	first := slices.Sorted(maps.Keys(g.Templates))[0]
	return first, g.Templates[first]
}

// reference finds variables in a template's body. Nothing is escaped, as in API Gateway.
var reference = regexp.MustCompile(`\$(context|stageVariables|method)(\.[A-Za-z0-9_-]+)+`)

// mapped evaluates a header's mapping expression: 'a literal', context.requestId, method.request.header.X.
func (x *exchange) mapped(expression string, variables map[string]string) string {
	if len(expression) >= 2 && expression[0] == '\'' && expression[len(expression)-1] == '\'' {
		return expression[1 : len(expression)-1]
	}
	return x.variable(expression, variables)
}

func (x *exchange) variable(name string, variables map[string]string) string {
	if header, ok := strings.CutPrefix(name, "method.request.header."); ok {
		return x.request.Header.Get(header)
	}
	if parameter, ok := strings.CutPrefix(name, "method.request.querystring."); ok {
		return x.request.URL.Query().Get(parameter)
	}
	if parameter, ok := strings.CutPrefix(name, "method.request.path."); ok {
		return x.params[parameter]
	}
	return variables[name]
}

// variables are the $context of a gateway response.
func (x *exchange) variables(r *refusal, status int) map[string]string {
	c := x.context
	v := map[string]string{
		"context.accountId": c.AccountID, "context.apiId": c.APIID, "context.domainName": c.DomainName, "context.domainPrefix": c.DomainPrefix,
		"context.extendedRequestId": c.ExtendedRequestID, "context.httpMethod": c.HTTPMethod, "context.path": c.Path, "context.protocol": c.Protocol,
		"context.requestId": c.RequestID, "context.requestTime": c.RequestTime, "context.requestTimeEpoch": strconv.FormatInt(c.RequestTimeEpoch, 10),
		"context.resourceId": c.ResourceID, "context.resourcePath": c.ResourcePath, "context.stage": c.Stage, "context.status": strconv.Itoa(status),
		"context.identity.sourceIp": c.Identity.SourceIP, "context.identity.userAgent": c.Identity.UserAgent,
		"context.error.responseType": r.kind, "context.error.message": "", "context.error.messageString": "null",
	}
	if r.message != nil {
		quoted, _ := json.Marshal(*r.message)
		v["context.error.message"], v["context.error.messageString"] = *r.message, string(quoted)
	}
	for name, value := range x.caller {
		v["context.authorizer."+name] = fmt.Sprint(value)
	}
	return v
}
