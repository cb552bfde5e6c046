package gateway

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestProxyEvent holds every member of the event against what API Gateway sends.
func TestProxyEvent(t *testing.T) {
	s := newStand(t, nil)
	resp, _ := s.do(t, "POST", "/v1/things/a%2Fb/c?x=1&x=2&y=%20z&flag;w=3", "\x00body", "X-Custom", "one", "X-Custom", "two",
		"Content-Type", "application/octet-stream", "X-Pagefree-Viewer", "9.9.9.9", "X-Forwarded-For", "8.8.8.8", "User-Agent", "test/1")
	var e map[string]any
	if err := json.Unmarshal([]byte(s.events[things]), &e); err != nil {
		t.Fatal(err)
	}
	c := e["requestContext"].(map[string]any)
	headers, multi := e["headers"].(map[string]any), e["multiValueHeaders"].(map[string]any)
	identity := c["identity"].(map[string]any)
	host := strings.TrimPrefix(s.url, "http://")
	_, port, _ := net.SplitHostPort(host)
	for what, pair := range map[string][2]any{
		"resource":         {e["resource"], "/v1/things/{proxy+}"},
		"path":             {e["path"], "/v1/things/a%2Fb/c"},
		"method":           {e["httpMethod"], "POST"},
		"parameters":       {e["pathParameters"], map[string]any{"proxy": "a/b/c"}},
		"query":            {e["queryStringParameters"], map[string]any{"x": "2", "y": " z", "flag": "", "w": "3"}},
		"queries":          {e["multiValueQueryStringParameters"], map[string]any{"x": []any{"1", "2"}, "y": []any{" z"}, "flag": []any{""}, "w": []any{"3"}}},
		"stage variables":  {e["stageVariables"], nil},
		"body":             {e["body"], base64.StdEncoding.EncodeToString([]byte("\x00body"))},
		"base64":           {e["isBase64Encoded"], true},
		"last header":      {headers["X-Custom"], "two"},
		"all headers":      {multi["X-Custom"], []any{"one", "two"}},
		"what is spoofed":  {headers["X-Pagefree-Viewer"], "9.9.9.9"}, // it is the function that does not believe it
		"forwarded for":    {headers["X-Forwarded-For"], "8.8.8.8, 127.0.0.1"},
		"forwarded port":   {headers["X-Forwarded-Port"], port},
		"host":             {headers["Host"], host},
		"length":           {headers["Content-Length"], nil},
		"source":           {identity["sourceIp"], "127.0.0.1"},
		"agent":            {identity["userAgent"], "test/1"},
		"key":              {identity["apiKey"], planKey},
		"request id":       {c["requestId"], resp.Header.Get("X-Amzn-Requestid")},
		"extended id":      {c["extendedRequestId"], resp.Header.Get("X-Amz-Apigw-Id")},
		"path with stage":  {c["path"], "/live/v1/things/a%2Fb/c"},
		"resource path":    {c["resourcePath"], "/v1/things/{proxy+}"},
		"stage":            {c["stage"], "live"},
		"account":          {c["accountId"], "000000000000"},
		"protocol":         {c["protocol"], "HTTP/1.1"},
		"api":              {c["apiId"], s.gateway.api.ID},
		"domain":           {c["domainName"], s.gateway.api.ID + ".execute-api.us-east-1.amazonaws.com"},
		"principal":        {c["authorizer"].(map[string]any)["principalId"], "usr_1"},
		"context":          {c["authorizer"].(map[string]any)["principal"], `{"id":"usr_1"}`},
		"number as text":   {c["authorizer"].(map[string]any)["n"], "7"},
		"boolean as text":  {c["authorizer"].(map[string]any)["b"], "true"},
		"no version":       {e["version"], nil},
		"trace":            {headers["X-Amzn-Trace-Id"], resp.Header.Get("X-Amzn-Trace-Id")},
		"one trace for it": {s.traces[0], s.traces[1]},
	} {
		if got, want := fmt.Sprintf("%v", pair[0]), fmt.Sprintf("%v", pair[1]); got != want {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	if latency, ok := c["authorizer"].(map[string]any)["integrationLatency"].(float64); !ok || latency < 0 {
		t.Errorf("integrationLatency is %v", latency)
	}
	members := slices.Sorted(maps.Keys(e))
	if want := []string{"body", "headers", "httpMethod", "isBase64Encoded", "multiValueHeaders", "multiValueQueryStringParameters", "path", "pathParameters",
		"queryStringParameters", "requestContext", "resource", "stageVariables"}; !slices.Equal(members, want) {
		t.Errorf("members are %v", members)
	}
}

func TestEmptyEvents(t *testing.T) {
	s := newStand(t, nil)
	s.do(t, "GET", "/v1/things", "")
	for _, want := range []string{`"queryStringParameters":null`, `"multiValueQueryStringParameters":null`, `"pathParameters":null`, `"body":null`, `"isBase64Encoded":false`} {
		if !strings.Contains(s.events[things], want) {
			t.Errorf("the function's event lacks %s", want)
		}
	}
	got := s.events[authorizer]
	for _, want := range []string{
		`"type":"REQUEST"`, `"methodArn":"arn:aws:execute-api:us-east-1:000000000000:` + s.gateway.api.ID + `/live/GET/v1/things"`,
		`"queryStringParameters":{}`, `"multiValueQueryStringParameters":{}`, `"pathParameters":{}`, `"stageVariables":{}`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the authorizer's event lacks %s", want)
		}
	}
	if strings.Contains(got, `"body"`) || strings.Contains(got, `"authorizer"`) {
		t.Errorf("the authorizer's event has a body, or an authorizer: %s", got)
	}
}

func TestSources(t *testing.T) {
	s := newStand(t, nil)
	from := func(address, url string) string {
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
		c := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
		resp, err := c.Get(url + "/open/x")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		var e proxyEvent
		if err := json.Unmarshal([]byte(s.events[things]), &e); err != nil {
			t.Fatal(err)
		}
		return e.RequestContext.Identity.SourceIP
	}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(s.url, "http://"))
	for address, url := range map[string]string{"127.0.0.1": s.url, "127.0.0.9": s.url, "::1": "http://[::1]:" + port} {
		if got := from(address, url); got != address {
			t.Errorf("the source is %s, want %s", got, address)
		}
	}
}
