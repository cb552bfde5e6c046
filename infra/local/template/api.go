package template

import (
	"maps"
	"slices"
	"strings"
)

func (b *builder) api(r *resource, p properties) {
	p.only("AccessLogSetting", "AlwaysDeploy", "ApiKeySourceType", "Auth", "BinaryMediaTypes", "Description", "DisableExecuteApiEndpoint",
		"EndpointAccessMode", "EndpointConfiguration", "GatewayResponses", "MethodSettings", "MinimumCompressionSize", "Name", "OpenApiVersion", "StageName",
		"Tags", "PropagateTags", "TracingEnabled", "Variables", "FailOnWarnings", "SecurityPolicy")
	if b.t.API != nil {
		p.fail("the local stack serves one API, and %s is one already", b.t.API.LogicalID)
		return
	}
	auth := p.sub("Auth")
	auth.only("AddDefaultAuthorizerToCorsPreflight", "AddApiKeyRequiredToCorsPreflight", "ApiKeyRequired", "Authorizers", "DefaultAuthorizer")
	api := &API{
		LogicalID: r.id, ID: b.refText(r), Stage: p.text("StageName", ""), Name: p.text("Name", b.e.opts.StackName),
		KeySource: p.text("ApiKeySourceType", "HEADER"), MinCompress: p.integer("MinimumCompressionSize", -1), GatewayResponses: map[string]GatewayResponse{},
	}
	for _, mediaType := range p.texts("BinaryMediaTypes") {
		api.BinaryMediaTypes = append(api.BinaryMediaTypes, strings.ReplaceAll(mediaType, "~1", "/"))
	}
	responses := p.sub("GatewayResponses")
	for kind := range responses.m {
		api.GatewayResponses[kind] = gatewayResponse(responses.sub(kind))
	}
	for _, m := range p.items("MethodSettings") {
		api.MethodSettings = append(api.MethodSettings, methodSetting(m))
	}
	b.t.API = api
}

func gatewayResponse(p properties) GatewayResponse {
	p.only("StatusCode", "ResponseParameters", "ResponseTemplates")
	g := GatewayResponse{StatusCode: p.integer("StatusCode", 0), Headers: map[string]string{}, Templates: map[string]string{}}
	headers := p.sub("ResponseParameters").sub("Headers")
	for name := range headers.m {
		g.Headers[name] = headers.text(name, "")
	}
	templates := p.sub("ResponseTemplates")
	for mediaType := range templates.m {
		g.Templates[mediaType] = templates.text(mediaType, "")
	}
	return g
}

func methodSetting(p properties) MethodSetting {
	p.only("CacheDataEncrypted", "CacheTtlInSeconds", "CachingEnabled", "DataTraceEnabled", "HttpMethod", "LoggingLevel", "MetricsEnabled",
		"ResourcePath", "ThrottlingBurstLimit", "ThrottlingRateLimit")
	m := MethodSetting{Path: settingPath(p.text("ResourcePath", "/*")), Method: p.text("HttpMethod", "*")}
	if p.has("ThrottlingBurstLimit") || p.has("ThrottlingRateLimit") {
		// Where one is missing, the region's own default holds.
		m.Throttle = &Throttle{Rate: p.number("ThrottlingRateLimit", 10000), Burst: p.integer("ThrottlingBurstLimit", 5000)}
	}
	return m
}

// settingPath decodes /~1v1~1auth to /v1/auth, and /* and * to *. Paths that are written out are taken as they are.
func settingPath(s string) string {
	if s == "/*" || s == "*" {
		return "*"
	}
	if rest, ok := strings.CutPrefix(s, "/~1"); ok {
		s = "/" + rest
	}
	return strings.ReplaceAll(s, "~1", "/")
}

// route adds a function's API event.
func (b *builder) route(f *Function, p properties) {
	p.only("Path", "Method", "RestApiId", "Auth", "TimeoutInMillis", "RequestParameters")
	api := b.t.API
	if api == nil {
		p.fail("there is no AWS::Serverless::Api")
		return
	}
	if id := p.text("RestApiId", ""); id != api.ID && id != api.LogicalID {
		p.fail("RestApiId is not %s", api.LogicalID)
		return
	}
	auth := p.sub("Auth")
	auth.only("ApiKeyRequired", "Authorizer", "OverrideApiAuth")
	defaults := properties{b: b, path: api.LogicalID, m: b.e.resources[api.LogicalID].props}.sub("Auth")
	route := Route{
		Path: p.text("Path", ""), Method: strings.ToUpper(p.text("Method", "")), Function: f.LogicalID,
		APIKeyRequired: auth.flag("ApiKeyRequired", defaults.flag("ApiKeyRequired", false)),
	}
	if name := auth.text("Authorizer", defaults.text("DefaultAuthorizer", "NONE")); name != "NONE" {
		route.Authorizer = b.authorizer(defaults.sub("Authorizers"), name)
	}
	for _, other := range api.Routes {
		if other.Path == route.Path && other.Method == route.Method {
			p.fail("%s %s is routed twice", route.Method, route.Path)
		}
	}
	api.Routes = append(api.Routes, route)
}

func (b *builder) authorizer(declared properties, name string) *Authorizer {
	p := declared.sub(name)
	if p.m == nil {
		p.fail("no such authorizer")
		return nil
	}
	p.only("AuthorizationScopes", "DisableFunctionDefaultPermissions", "FunctionArn", "FunctionInvokeRole", "FunctionPayloadType", "Identity")
	if kind := p.text("FunctionPayloadType", "TOKEN"); kind != "REQUEST" {
		p.fail("the local stack does not know the payload type %s", kind)
	}
	identity := p.sub("Identity")
	a := &Authorizer{Name: name, TTL: seconds(identity.integer("ReauthorizeEvery", 300))}
	for _, source := range []struct{ member, prefix string }{
		{"Headers", "method.request.header."}, {"QueryStrings", "method.request.querystring."},
		{"StageVariables", "stageVariables."}, {"Context", "context."},
	} {
		for _, key := range identity.texts(source.member) {
			a.Identity = append(a.Identity, source.prefix+key)
		}
	}
	if a.TTL > 0 {
		identity.fail("the local stack does not cache an authorizer's answer: ReauthorizeEvery has to be 0")
	}
	arn := p.text("FunctionArn", "")
	for id, r := range b.e.resources {
		if r.kind == "AWS::Serverless::Function" && b.attText(r, "Arn") == arn {
			a.Function = id
		}
	}
	return a
}

func (b *builder) apiKey(r *resource, p properties) {
	p.only("CustomerId", "Description", "Enabled", "GenerateDistinctId", "Name", "StageKeys", "Tags", "Value")
	if b.t.API == nil {
		return
	}
	b.t.API.Keys = append(b.t.API.Keys, APIKey{
		LogicalID: r.id, ID: b.refText(r), Name: p.text("Name", r.id), Value: p.text("Value", ""), Enabled: p.flag("Enabled", false),
	})
}

func (b *builder) usagePlan(r *resource, p properties) {
	p.only("ApiStages", "Description", "Quota", "Tags", "Throttle", "UsagePlanName")
	if b.t.API == nil {
		return
	}
	throttle, quota := p.sub("Throttle"), p.sub("Quota")
	plan := UsagePlan{
		LogicalID: r.id, ID: b.refText(r), Name: p.text("UsagePlanName", r.id),
		Rate: throttle.number("RateLimit", 0), Burst: throttle.integer("BurstLimit", 0),
		QuotaLimit: quota.integer("Limit", 0), QuotaPeriod: quota.text("Period", ""), QuotaOffset: quota.integer("Offset", 0),
		MethodThrottle: map[string]Throttle{},
	}
	for _, stage := range p.items("ApiStages") {
		if stage.text("ApiId", "") != b.t.API.ID {
			stage.fail("ApiId is not %s", b.t.API.LogicalID)
		}
		methods := stage.sub("Throttle")
		for _, method := range slices.Sorted(maps.Keys(methods.m)) {
			m := methods.sub(method)
			plan.MethodThrottle[method] = Throttle{Rate: m.number("RateLimit", 0), Burst: m.integer("BurstLimit", 0)}
		}
	}
	b.t.API.UsagePlans = append(b.t.API.UsagePlans, plan)
}

func (b *builder) usagePlanKey(_ *resource, p properties) {
	p.only("KeyId", "KeyType", "UsagePlanId")
	if b.t.API == nil {
		return
	}
	for i := range b.t.API.UsagePlans {
		if plan := &b.t.API.UsagePlans[i]; plan.ID == p.text("UsagePlanId", "") {
			plan.KeyIDs = append(plan.KeyIDs, p.text("KeyId", ""))
			return
		}
	}
	p.fail("UsagePlanId is no usage plan of this template")
}
