package gateway

import (
	"crypto/rand"
	"encoding/base64"
	"maps"
	"mime"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// requestContext is what functions and the authorizer learn about a request, besides the request.
type requestContext struct {
	ResourceID        string         `json:"resourceId"`
	Authorizer        map[string]any `json:"authorizer,omitempty"`
	ResourcePath      string         `json:"resourcePath"`
	HTTPMethod        string         `json:"httpMethod"`
	ExtendedRequestID string         `json:"extendedRequestId"`
	RequestTime       string         `json:"requestTime"` // 09/Apr/2015:12:34:56 +0000
	Path              string         `json:"path"`        // with the stage
	AccountID         string         `json:"accountId"`
	Protocol          string         `json:"protocol"`
	Stage             string         `json:"stage"`
	DomainPrefix      string         `json:"domainPrefix"`
	RequestTimeEpoch  int64          `json:"requestTimeEpoch"` // milliseconds
	RequestID         string         `json:"requestId"`
	Identity          identity       `json:"identity"`
	DomainName        string         `json:"domainName"`
	DeploymentID      string         `json:"deploymentId"`
	APIID             string         `json:"apiId"`
}

// identity says where a request comes from. What belongs to IAM and Cognito is always null here.
type identity struct {
	CognitoIdentityPoolID         *string `json:"cognitoIdentityPoolId"`
	AccountID                     *string `json:"accountId"`
	APIKey                        string  `json:"apiKey,omitempty"`
	APIKeyID                      string  `json:"apiKeyId,omitempty"`
	CognitoIdentityID             *string `json:"cognitoIdentityId"`
	Caller                        *string `json:"caller"`
	SourceIP                      string  `json:"sourceIp"`
	PrincipalOrgID                *string `json:"principalOrgId"`
	AccessKey                     *string `json:"accessKey"`
	CognitoAuthenticationType     *string `json:"cognitoAuthenticationType"`
	CognitoAuthenticationProvider *string `json:"cognitoAuthenticationProvider"`
	UserARN                       *string `json:"userArn"`
	UserAgent                     string  `json:"userAgent"`
	User                          *string `json:"user"`
}

// request is the part that both events share.
type request struct {
	Resource                        string              `json:"resource"`
	Path                            string              `json:"path"` // escaped as it came
	HTTPMethod                      string              `json:"httpMethod"`
	Headers                         map[string]string   `json:"headers"` // the last of each
	MultiValueHeaders               map[string][]string `json:"multiValueHeaders"`
	QueryStringParameters           map[string]string   `json:"queryStringParameters"`
	MultiValueQueryStringParameters map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters                  map[string]string   `json:"pathParameters"`
	StageVariables                  map[string]string   `json:"stageVariables"`
	RequestContext                  requestContext      `json:"requestContext"`
}

// proxyEvent is the input of a function with Lambda proxy integration; its empty maps are null.
type proxyEvent struct {
	request
	Body            *string `json:"body"`
	IsBase64Encoded bool    `json:"isBase64Encoded"`
}

// authorizerEvent is the input of an authorizer of type REQUEST; its empty maps are {}.
type authorizerEvent struct {
	Type      string `json:"type"`
	MethodARN string `json:"methodArn"`
	request
}

func (x *exchange) newContext() requestContext {
	now, id := time.Now().UTC(), make([]byte, 11)
	_, _ = rand.Read(id) // never fails
	return requestContext{
		HTTPMethod: x.request.Method, ExtendedRequestID: base64.StdEncoding.EncodeToString(id), RequestTime: now.Format("02/Jan/2006:15:04:05 -0700"),
		Path: "/" + x.api.Stage + x.path, AccountID: x.opts.Template.AccountID, Protocol: x.request.Proto, Stage: x.api.Stage,
		DomainPrefix: x.api.ID, RequestTimeEpoch: now.UnixMilli(), RequestID: uuid.NewString(),
		Identity:   identity{SourceIP: sourceIP(x.request), UserAgent: x.request.UserAgent()},
		DomainName: x.api.ID + ".execute-api." + x.opts.Template.Region + ".amazonaws.com", DeploymentID: "local1", APIID: x.api.ID,
	}
}

func (x *exchange) proxyEvent(body []byte) proxyEvent {
	e := proxyEvent{request: x.event()}
	e.RequestContext.Authorizer = x.caller
	if len(body) == 0 {
		return e
	}
	text := strings.ToValidUTF8(string(body), "\uFFFD")
	if isBinary(x.api.BinaryMediaTypes, x.request.Header.Get("Content-Type")) {
		text, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	e.Body = &text
	return e
}

func (x *exchange) authorizerEvent() authorizerEvent {
	e := authorizerEvent{Type: "REQUEST", MethodARN: x.methodARN(), request: x.event()}
	for _, m := range []*map[string]string{&e.QueryStringParameters, &e.PathParameters, &e.StageVariables} {
		if *m == nil {
			*m = map[string]string{}
		}
	}
	if e.MultiValueQueryStringParameters == nil {
		e.MultiValueQueryStringParameters = map[string][]string{}
	}
	return e
}

// methodARN names what is to be allowed: the path itself, not the resource.
func (x *exchange) methodARN() string {
	return "arn:aws:execute-api:" + x.opts.Template.Region + ":" + x.opts.Template.AccountID + ":" + x.api.ID + "/" + x.api.Stage + "/" +
		x.request.Method + x.path
}

func (x *exchange) event() request {
	e := request{
		Resource: x.route.Path, Path: x.path, HTTPMethod: x.request.Method, MultiValueHeaders: x.headers(), Headers: map[string]string{},
		RequestContext: x.context,
	}
	for name, values := range e.MultiValueHeaders {
		e.Headers[name] = values[len(values)-1]
	}
	if len(x.params) > 0 {
		e.PathParameters = x.params
	}
	if len(x.query) > 0 {
		e.MultiValueQueryStringParameters, e.QueryStringParameters = x.query, map[string]string{}
		for name, values := range x.query {
			e.QueryStringParameters[name] = values[len(values)-1]
		}
	}
	return e
}

// droppedHeaders never reach a function: hop-by-hop ones and a few more that API Gateway takes away.
var droppedHeaders = []string{
	"Connection", "Content-Length", "Content-Md5", "Expect", "Max-Forwards", "Proxy-Authenticate", "Server", "Te",
	"Transfer-Encoding", "Trailer", "Upgrade", "Www-Authenticate",
}

// headers are the request's, without those, and with what API Gateway adds.
func (x *exchange) headers() map[string][]string {
	h := map[string][]string(x.request.Header.Clone())
	maps.DeleteFunc(h, func(name string, _ []string) bool { return slices.Contains(droppedHeaders, name) })
	h["Host"] = []string{x.request.Host}
	port := "80"
	if _, given, err := net.SplitHostPort(x.request.Host); err == nil {
		port = given
	}
	forwarded := append(slices.Clone(x.request.Header["X-Forwarded-For"]), x.context.Identity.SourceIP)
	h["X-Forwarded-For"] = []string{strings.Join(forwarded, ", ")}
	h["X-Forwarded-Port"] = []string{port}
	h["X-Forwarded-Proto"] = []string{"http"}
	h["X-Amzn-Trace-Id"] = []string{x.traceID}
	return h
}

// isBinary says whether a media type is one of the API's binary ones.
func isBinary(types []string, contentType string) bool {
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		mediaType = "application/json" // what API Gateway takes a body without a type for
	}
	return slices.Contains(types, "*/*") || slices.Contains(types, mediaType)
}
