package template

import (
	"strings"
	"testing"
)

// withSockets is a template with a WebSocket API behind its distribution.
var withSockets = strings.Replace(strings.Replace(edge, "        DefaultCacheBehavior:", `          - Id: socket
            DomainName: !Sub ${Sockets}.execute-api.${AWS::Region}.${AWS::URLSuffix}
            OriginCustomHeaders: [{HeaderName: x-secret, HeaderValue: !Sub '{{resolve:secretsmanager:${Secret}:SecretString}}'}]
        DefaultCacheBehavior:`, 1), "        CacheBehaviors:\n", `        CacheBehaviors:
          - {PathPattern: /socket, TargetOriginId: socket, ViewerProtocolPolicy: https-only, CachePolicyId: 4135ea2d-6df8-44a3-9df3-4b5a84be39ad}
`, 1) + `  Fn: {Type: AWS::Serverless::Function, Properties: {CodeUri: functions/fn, Handler: bootstrap, Runtime: provided.al2023}}
  Sockets: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: s, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}
  To:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Sockets
      IntegrationType: AWS_PROXY
      IntegrationUri: !Sub arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Fn.Arn}/invocations
  Connect: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Sockets, RouteKey: $connect, Target: !Sub 'integrations/${To}'}}
  Disconnect: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Sockets, RouteKey: $disconnect, Target: !Sub 'integrations/${To}'}}
  Message: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Sockets, RouteKey: $default, Target: !Sub 'integrations/${To}', RouteResponseSelectionExpression: $default}}
  Answer: {Type: AWS::ApiGatewayV2::RouteResponse, Properties: {ApiId: !Ref Sockets, RouteId: !Ref Message, RouteResponseKey: $default}}
  Stage: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Sockets, StageName: socket, DefaultRouteSettings: {ThrottlingRateLimit: 5, ThrottlingBurstLimit: 7}}}
`

func TestSockets(t *testing.T) {
	tpl, err := Parse([]byte(withSockets), Options{StackName: "st"})
	if err != nil {
		t.Fatal(err)
	}
	s := tpl.Sockets
	same(t, "stage", s.Stage, "socket")
	same(t, "throttle", *s.Throttle, Throttle{Rate: 5, Burst: 7})
	same(t, "routes", s.Routes, map[string]SocketRoute{"$connect": {Function: "Fn"}, "$disconnect": {Function: "Fn"}, "$default": {Function: "Fn", Answers: true}})
	same(t, "origin", tpl.Edge.SocketDomain, s.ID+".execute-api.us-east-1.amazonaws.com")
	if b := tpl.Edge.BehaviorFor("/socket"); !b.Sockets || tpl.Edge.BehaviorFor("/").Sockets {
		t.Errorf("got %+v", b)
	}
}

// TestSocketRefusals: what the local stack does not play, it says.
func TestSocketRefusals(t *testing.T) {
	tests := map[string]struct{ from, to, want string }{
		"another protocol":          {"ProtocolType: WEBSOCKET", "ProtocolType: HTTP", `protocol "HTTP"`},
		"another integration":       {"IntegrationType: AWS_PROXY", "IntegrationType: MOCK", `not "MOCK"`},
		"another function":          {"functions/${Fn.Arn}/", "functions/x/", "no function of this template"},
		"another target":            {"integrations/${To}", "x/${To}", "no integration of this template"},
		"no $disconnect":            {"RouteKey: $disconnect", "RouteKey: other", "no route $disconnect"},
		"an authorizer":             {"RouteKey: $connect,", "RouteKey: $connect, AuthorizationType: AWS_IAM,", `authorization "AWS_IAM"`},
		"a route by the message":    {"  Answer:", "  More: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Sockets, RouteKey: more, Target: !Sub 'integrations/${To}'}}\n  Answer:", "selects no route"},
		"no stage":                  {"  Stage: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Sockets, StageName: socket, DefaultRouteSettings: {ThrottlingRateLimit: 5, ThrottlingBurstLimit: 7}}}\n", "", "has no stage"},
		"a second API":              {"  To:\n", "  Other: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: o, ProtocolType: WEBSOCKET}}\n  To:\n", "serves one WebSocket API"},
		"an unknown setting":        {"Name: s,", "Name: s, DisableSchemaValidation: true,", "DisableSchemaValidation"},
		"another second origin":     {"${Sockets}.execute-api", "x", "no second origin"},
		"a path of that origin":     {"          - Id: socket\n", "          - Id: socket\n            OriginPath: /x\n", "no second origin"},
		"a behavior without origin": {"TargetOriginId: socket", "TargetOriginId: other", "no origin that the local stack plays"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			doc := strings.Replace(withSockets, tt.from, tt.to, 1)
			if doc == withSockets {
				t.Fatal("nothing was changed")
			}
			if _, err := Parse([]byte(doc), Options{}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error that names %q", err, tt.want)
			}
		})
	}
}
