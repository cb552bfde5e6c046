package template

import "strings"

// sockets reads a WebSocket API with all that belongs to it.
func (b *builder) sockets(r *resource, p properties) {
	p.only("Description", "Name", "ProtocolType", "RouteSelectionExpression", "Tags", "ApiKeySelectionExpression", "IpAddressType")
	if b.t.Sockets != nil {
		p.fail("the local stack serves one WebSocket API, and %s is one already", b.t.Sockets.LogicalID)
		return
	}
	if kind := p.text("ProtocolType", ""); kind != "WEBSOCKET" {
		p.fail("the local stack does not know the protocol %q", kind)
	}
	api := &SocketAPI{LogicalID: r.id, ID: b.refText(r), Routes: map[string]SocketRoute{}}
	functions := map[string]string{} // by the integration's target
	b.each("AWS::ApiGatewayV2::Integration", func(r *resource, p properties) {
		p.only("ApiId", "Description", "IntegrationType", "IntegrationUri", "TimeoutInMillis", "PassthroughBehavior")
		if kind := p.text("IntegrationType", ""); kind != "AWS_PROXY" || p.text("ApiId", "") != api.ID {
			p.fail("the local stack knows AWS_PROXY of the one WebSocket API, and not %q", kind)
		}
		functions["integrations/"+b.refText(r)] = b.behind(p, p.text("IntegrationUri", ""))
	})
	answers := map[string]bool{} // by the route's id
	b.each("AWS::ApiGatewayV2::RouteResponse", func(_ *resource, p properties) {
		p.only("ApiId", "RouteId", "RouteResponseKey")
		answers[p.text("RouteId", "")] = p.text("RouteResponseKey", "") == "$default"
	})
	b.each("AWS::ApiGatewayV2::Route", func(r *resource, p properties) {
		p.only("ApiId", "AuthorizationType", "OperationName", "RouteKey", "RouteResponseSelectionExpression", "Target")
		function, known := functions[p.text("Target", "")]
		if !known || p.text("ApiId", "") != api.ID {
			p.fail("Target is no integration of this template")
		}
		if kind := p.text("AuthorizationType", "NONE"); kind != "NONE" {
			p.fail("the local stack does not know the authorization %q of sockets", kind)
		}
		api.Routes[p.text("RouteKey", "")] = SocketRoute{
			Function: function, Answers: answers[b.refText(r)] && p.text("RouteResponseSelectionExpression", "") == "$default",
		}
	})
	b.each("AWS::ApiGatewayV2::Stage", func(r *resource, p properties) {
		p.only("AccessLogSettings", "ApiId", "AutoDeploy", "DefaultRouteSettings", "DeploymentId", "Description", "StageName", "Tags")
		if api.Stage != "" {
			p.fail("the local stack plays one stage")
		}
		api.Stage = p.text("StageName", "")
		settings := p.sub("DefaultRouteSettings")
		settings.only("DataTraceEnabled", "DetailedMetricsEnabled", "LoggingLevel", "ThrottlingBurstLimit", "ThrottlingRateLimit")
		if settings.has("ThrottlingBurstLimit") || settings.has("ThrottlingRateLimit") {
			api.Throttle = &Throttle{Rate: settings.number("ThrottlingRateLimit", 10000), Burst: settings.integer("ThrottlingBurstLimit", 5000)}
		}
	})
	for _, key := range []string{"$connect", "$disconnect", "$default"} {
		if _, ok := api.Routes[key]; !ok {
			p.fail("has no route %s", key)
		}
	}
	if len(api.Routes) > 3 {
		p.fail("the local stack selects no route by what a message says")
	}
	if api.Stage == "" {
		p.fail("has no stage")
	}
	b.t.Sockets = api
}

// behind is the function of an integration's URI, by its logical id.
func (b *builder) behind(p properties, uri string) (id string) {
	b.each("AWS::Serverless::Function", func(r *resource, _ properties) {
		if strings.HasSuffix(uri, ":lambda:path/2015-03-31/functions/"+b.attText(r, "Arn")+"/invocations") {
			id = r.id
		}
	})
	if id == "" {
		p.fail("IntegrationUri is no function of this template")
	}
	return id
}
